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

PRAGMA user_version = 2;
