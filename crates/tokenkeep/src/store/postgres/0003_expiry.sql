-- Clean-up finds what is over by it, and reads nothing else.
CREATE INDEX records_expiry ON tokenkeep.records (expires_at) WHERE expires_at IS NOT NULL;

UPDATE tokenkeep.state SET schema = 3 WHERE schema < 3;
