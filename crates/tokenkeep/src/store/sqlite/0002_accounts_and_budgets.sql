-- The credentials of accounts: a JSON object, each text in it sealed by itself if the store is sealed.
CREATE TABLE credentials (
    key   TEXT  NOT NULL PRIMARY KEY,
    json  TEXT  NOT NULL
) STRICT;

-- Requests that were counted, on the wall clock and on the boot clock of the boot that wrote them, in milliseconds.
CREATE TABLE spendings (
    id       INTEGER PRIMARY KEY,
    budget   TEXT    NOT NULL,
    boot_id  TEXT    NOT NULL,
    boot_ms  INTEGER NOT NULL,
    wall_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX spendings_of_a_budget ON spendings (budget, id);

-- Versions in a file that takes the place of another are greater than all in that one, so that whoever saw those still
-- notices what is written here.
INSERT INTO sqlite_sequence (name, seq)
SELECT 'records', unixepoch() * 1000 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'records');

PRAGMA user_version = 2;
