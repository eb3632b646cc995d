
-- When a key is renewed though nobody asks for it, or until when somebody has claimed it, and sees to it; NULL: only when
-- it is asked for. Programs of schema 1 leave it as it is, so whoever claims a key looks into its record.
ALTER TABLE tokenkeep.records ADD COLUMN due_at timestamptz;
CREATE INDEX records_due ON tokenkeep.records (due_at) WHERE due_at IS NOT NULL;

UPDATE tokenkeep.state SET schema = 2 WHERE schema < 2;
