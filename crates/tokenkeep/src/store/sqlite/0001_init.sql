-- Times are milliseconds, on the wall clock (since 1970) and on the boot clock of the machine whose boot wrote them.
-- AUTOINCREMENT makes the version: each write is a new row id, greater than all that ever were in this table.
CREATE TABLE records (
    version             INTEGER PRIMARY KEY AUTOINCREMENT,
    key                 TEXT    NOT NULL UNIQUE,
    generation          INTEGER NOT NULL,
    fingerprint         TEXT    NOT NULL,
    access_token        TEXT,             -- NULL: no token, and the columns down to expires_boot mean nothing
    token_type          TEXT,
    scope               TEXT,
    sent_wall           INTEGER,
    sent_boot           INTEGER,
    expires_wall        INTEGER,          -- NULL: never
    expires_boot        INTEGER,
    refresh_in_ms       INTEGER,
    jitter              REAL    NOT NULL,
    refresh_token       TEXT,
    asked_wall          INTEGER,
    asked_boot          INTEGER,
    failure_kind        TEXT,             -- NULL: no failure, and the other columns of the failure mean nothing
    failure_what        TEXT,
    failure_next        TEXT,
    failure_count       INTEGER,
    failure_since_wall  INTEGER,
    failure_since_boot  INTEGER,
    failure_retry_wall  INTEGER,          -- NULL: never
    failure_retry_boot  INTEGER,
    boot_id             TEXT    NOT NULL
) STRICT;

-- A lease under another boot_id than the present one is over. Where a boot has no name, end_ms is on the wall clock.
CREATE TABLE leases (
    key      TEXT    NOT NULL PRIMARY KEY,
    holder   TEXT    NOT NULL,
    boot_id  TEXT    NOT NULL,
    end_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- "tokk": tells a file of tokenkeep from other programs' files.
PRAGMA application_id = 0x746f6b6b;
PRAGMA user_version = 1;
