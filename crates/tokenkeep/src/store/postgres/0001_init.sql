-- Times are for people and for indexes; what a program goes by is in the records themselves.

-- The one counter of versions. Its row is locked from the write of a record to its commit, so that versions are committed
-- in their order, as the numbers of a sequence are not. It begins with the time, so that versions in tables that take
-- the place of others are greater than all in those.
-- schema: the last of these files that was applied. needs: the last that a program must know to use the tables.
CREATE TABLE tokenkeep.state (
    only_row  boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    version   bigint  NOT NULL,
    schema    integer NOT NULL,
    needs     integer NOT NULL
);

CREATE TABLE tokenkeep.records (
    key         text COLLATE "C" NOT NULL PRIMARY KEY,
    version     bigint           NOT NULL UNIQUE,
    record      text             NOT NULL,    -- JSON, the texts in it sealed
    generation  bigint           NOT NULL,
    expires_at  timestamptz,                  -- NULL: no token; infinity: no end
    failure     text,                         -- its kind; NULL: none
    saved_at    timestamptz      NOT NULL
);

CREATE TABLE tokenkeep.leases (
    key      text COLLATE "C" NOT NULL PRIMARY KEY,
    holder   text             NOT NULL,
    ends_at  timestamptz      NOT NULL
);

CREATE TABLE tokenkeep.credentials (
    key       text COLLATE "C" NOT NULL PRIMARY KEY,
    json      text             NOT NULL,      -- each text in it sealed
    saved_at  timestamptz      NOT NULL
);

-- Requests that were counted, for as long as they lie within their window.
CREATE TABLE tokenkeep.spendings (
    budget  text COLLATE "C" NOT NULL,
    at      timestamptz      NOT NULL
);
CREATE INDEX spendings_of_a_budget ON tokenkeep.spendings (budget, at);

INSERT INTO tokenkeep.state (version, schema, needs)
VALUES ((extract(epoch FROM clock_timestamp()) * 1000)::bigint, 1, 1);
