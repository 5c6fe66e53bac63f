-- SPDX-License-Identifier: MIT
-- The first shape of a store. Times are milliseconds since 1970; "serial" rises with each
-- row and gives lists their order.

-- A large immutable byte string. state: 0 staging (invisible), 1 ready (a row names it),
-- 2 unlinked (no row names it, whole), 3 dropping (its chunks are being deleted).
CREATE TABLE object (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    state    INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
    bytes    INTEGER NOT NULL DEFAULT 0,
    sha256   TEXT    NOT NULL DEFAULT '',
    died_ms  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX object_not_ready ON object (state, id) WHERE state <> 1;

-- Pieces of 1 MiB, the last one shorter; seq counts from 0 without gaps.
CREATE TABLE chunk (
    object   INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    crc32c   INTEGER NOT NULL,
    data     BLOB    NOT NULL,
    PRIMARY KEY (object, seq)
) STRICT;

CREATE TABLE corpus (
    serial     INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL UNIQUE,
    kind       INTEGER NOT NULL,
    lines      INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    object     INTEGER NOT NULL UNIQUE REFERENCES object (id)
) STRICT;

CREATE TABLE model (
    serial     INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL UNIQUE,
    kind       TEXT    NOT NULL,
    parameters INTEGER NOT NULL,
    vocab_size INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    object     INTEGER NOT NULL UNIQUE REFERENCES object (id),
    job        TEXT    NOT NULL,
    spec       TEXT    NOT NULL,
    metrics    TEXT    NOT NULL,
    metadata   TEXT    NOT NULL
) STRICT;

-- Aliases share one name space with models; they follow the name when it is replaced.
CREATE TABLE alias (
    name  TEXT NOT NULL PRIMARY KEY,
    model TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_of_model ON alias (model, name);

CREATE TABLE job (
    serial            INTEGER PRIMARY KEY AUTOINCREMENT,
    id                TEXT    NOT NULL UNIQUE,
    type              TEXT    NOT NULL,
    kind              TEXT    NOT NULL,
    model             TEXT    NOT NULL,
    corpus            TEXT    NOT NULL,
    valid_corpus      TEXT    NOT NULL,
    state             INTEGER NOT NULL,
    spec              TEXT    NOT NULL,
    metadata          TEXT    NOT NULL,
    result            TEXT,
    fraction          REAL    NOT NULL DEFAULT 0,
    epoch             REAL    NOT NULL DEFAULT 0,
    tokens_per_second REAL    NOT NULL DEFAULT 0,
    step              INTEGER NOT NULL DEFAULT 0,
    steps_total       INTEGER NOT NULL DEFAULT 0,
    tokens            INTEGER NOT NULL DEFAULT 0,
    best_step         INTEGER NOT NULL DEFAULT 0,
    best_loss         REAL,
    error             TEXT,
    error_message     TEXT,
    created_ms        INTEGER NOT NULL,
    started_ms        INTEGER NOT NULL DEFAULT 0,
    finished_ms       INTEGER NOT NULL DEFAULT 0,
    attempts          INTEGER NOT NULL DEFAULT 0,
    fence             INTEGER NOT NULL DEFAULT 0,
    pause_wanted      INTEGER NOT NULL DEFAULT 0,
    cancel_wanted     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX job_by_state ON job (state, serial);

-- What a client's Idempotency-Key made, kept for a day.
CREATE TABLE idempotency (
    key         TEXT    NOT NULL PRIMARY KEY,
    body_sha256 TEXT    NOT NULL,
    job         TEXT    NOT NULL,
    created_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created_ms);
CREATE INDEX idempotency_of_job ON idempotency (job);

-- From here on "job" is the job's serial.
CREATE TABLE checkpoint (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    job    INTEGER NOT NULL,
    step   INTEGER NOT NULL,
    best   INTEGER NOT NULL,
    object INTEGER NOT NULL UNIQUE REFERENCES object (id)
) STRICT;
CREATE INDEX checkpoint_of_job ON checkpoint (job, serial);

CREATE TABLE series (
    id   INTEGER PRIMARY KEY,
    job  INTEGER NOT NULL,
    name TEXT    NOT NULL,
    UNIQUE (job, name)
) STRICT;

-- value is NULL where it was not a number.
CREATE TABLE metric (
    series INTEGER NOT NULL,
    step   INTEGER NOT NULL,
    value  REAL,
    at_ms  INTEGER NOT NULL,
    PRIMARY KEY (series, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    job  INTEGER NOT NULL,
    id   INTEGER NOT NULL,
    type TEXT    NOT NULL,
    data TEXT    NOT NULL,
    PRIMARY KEY (job, id)
) STRICT, WITHOUT ROWID;

-- Deleted jobs whose curves and events are still to be removed, a batch at a time.
CREATE TABLE dropped_job (
    job INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE key (
    serial     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT    NOT NULL UNIQUE,
    label      TEXT    NOT NULL,
    scopes     INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    sha256     BLOB    NOT NULL CHECK (length(sha256) = 32)
) STRICT;
