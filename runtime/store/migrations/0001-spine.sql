-- State and events of the enclave.
--
-- A record is one row: its id, its JSON and a random salt, drawn anew at each write. Columns to search by are generated
-- from the JSON, so that the JSON is the only thing that can be changed. The event that wrote the record holds a
-- commitment to it (detail `commitment:<kind>/<id>`), which is compared at every start. The salt keeps whoever reads the
-- log from finding a record out by trying: it is shown to nobody.

CREATE TABLE events (
    sequence INTEGER PRIMARY KEY,
    -- The leaf of the Merkle log, byte for byte.
    leaf TEXT NOT NULL,
    action TEXT NOT NULL GENERATED ALWAYS AS (leaf ->> '$.action') VIRTUAL,
    resource TEXT NOT NULL GENERATED ALWAYS AS (leaf ->> '$.resource') VIRTUAL,
    principal TEXT GENERATED ALWAYS AS (leaf ->> '$.actor.principal') VIRTUAL,
    organisation TEXT GENERATED ALWAYS AS (leaf ->> '$.actor.organisation') VIRTUAL,
    -- RFC 3339 in UTC with milliseconds: sorts as time does.
    at TEXT NOT NULL GENERATED ALWAYS AS (leaf ->> '$.at') VIRTUAL,
    -- The grant and the dataset that it is about, where it is about one.
    "grant" TEXT GENERATED ALWAYS AS (
        CASE WHEN leaf ->> '$.resource' GLOB 'grant/*' THEN substr(leaf ->> '$.resource', 7)
             ELSE leaf ->> '$.detail.grant' END) VIRTUAL,
    dataset TEXT GENERATED ALWAYS AS (
        CASE WHEN leaf ->> '$.resource' GLOB 'dataset/*' THEN substr(leaf ->> '$.resource', 9)
             ELSE leaf ->> '$.detail.dataset' END) VIRTUAL
);
CREATE INDEX events_by_action ON events (action, sequence);
CREATE INDEX events_by_resource ON events (resource, sequence);
CREATE INDEX events_by_principal ON events (principal, sequence);
CREATE INDEX events_by_organisation ON events (organisation, sequence);
CREATE INDEX events_by_time ON events (at, sequence);
CREATE INDEX events_by_grant ON events ("grant", sequence);
CREATE INDEX events_by_dataset ON events (dataset, sequence);

-- What the log was after the last transaction, and how many tree heads were signed: sealed under a key that this file does
-- not hold, so that nobody who can only write here can make a log of their own.
CREATE TABLE log_state (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    log_id TEXT NOT NULL,
    size INTEGER NOT NULL,
    root TEXT NOT NULL,
    heads INTEGER NOT NULL,
    -- The latest time of an event: no later one is earlier.
    latest_ms INTEGER NOT NULL,
    seal TEXT NOT NULL
);

CREATE TABLE tree_heads (size INTEGER PRIMARY KEY, body TEXT NOT NULL, seal TEXT NOT NULL);

CREATE TABLE organisations (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    salt BLOB NOT NULL
);

CREATE TABLE principals (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    salt BLOB NOT NULL,
    organisation TEXT GENERATED ALWAYS AS (body ->> '$.organisation') VIRTUAL
);
CREATE INDEX principals_by_organisation ON principals (organisation, id);

CREATE TABLE datasets (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    salt BLOB NOT NULL,
    supplier TEXT GENERATED ALWAYS AS (body ->> '$.supplier') VIRTUAL
);
CREATE INDEX datasets_by_supplier ON datasets (supplier, id);

CREATE TABLE snapshots (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    salt BLOB NOT NULL,
    dataset TEXT GENERATED ALWAYS AS (body ->> '$.dataset') VIRTUAL,
    number INTEGER GENERATED ALWAYS AS (body ->> '$.number') VIRTUAL
);
CREATE INDEX snapshots_by_dataset ON snapshots (dataset, id);

CREATE TABLE grants (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    salt BLOB NOT NULL,
    organisation TEXT GENERATED ALWAYS AS (body ->> '$.organisation') VIRTUAL
);
CREATE INDEX grants_by_organisation ON grants (organisation, id);

CREATE TABLE modules (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    salt BLOB NOT NULL,
    organisation TEXT GENERATED ALWAYS AS (body ->> '$.organisation') VIRTUAL
);
CREATE INDEX modules_by_organisation ON modules (organisation, id);

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    salt BLOB NOT NULL,
    organisation TEXT GENERATED ALWAYS AS (body ->> '$.organisation') VIRTUAL,
    supplier TEXT GENERATED ALWAYS AS (body ->> '$.supplier') VIRTUAL,
    "grant" TEXT GENERATED ALWAYS AS (body ->> '$.grant') VIRTUAL,
    state TEXT GENERATED ALWAYS AS (body ->> '$.state') VIRTUAL
);
CREATE INDEX jobs_by_organisation ON jobs (organisation, id);
CREATE INDEX jobs_by_supplier ON jobs (supplier, id);
CREATE INDEX jobs_by_grant ON jobs ("grant", id);
CREATE INDEX jobs_by_state ON jobs (state, id);

CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    salt BLOB NOT NULL
);

CREATE TABLE releases (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    salt BLOB NOT NULL,
    organisation TEXT GENERATED ALWAYS AS (body ->> '$.organisation') VIRTUAL,
    job TEXT GENERATED ALWAYS AS (body ->> '$.job') VIRTUAL
);
CREATE INDEX releases_by_organisation ON releases (organisation, id);
CREATE INDEX releases_by_job ON releases (job, id);

CREATE TABLE receipts (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    salt BLOB NOT NULL,
    release TEXT GENERATED ALWAYS AS (body ->> '$.release') VIRTUAL,
    -- Place of its event in the log.
    sequence INTEGER GENERATED ALWAYS AS (body ->> '$.sequence') VIRTUAL
);
CREATE INDEX receipts_by_release ON receipts (release, id);
CREATE INDEX receipts_by_sequence ON receipts (sequence);

-- The module's id is the SM3 digest of these bytes.
CREATE TABLE module_bytes (id TEXT PRIMARY KEY REFERENCES modules (id), bytes BLOB NOT NULL);

-- Answers already given, for requests that are sent again. Not state: may be pruned. What is there is sealed as the state
-- of the log is.
CREATE TABLE idempotency (
    principal TEXT NOT NULL,
    key TEXT NOT NULL,
    request_sm3 TEXT NOT NULL,
    claimed_at INTEGER NOT NULL,
    status INTEGER,
    body BLOB,
    seal TEXT NOT NULL,
    PRIMARY KEY (principal, key)
) WITHOUT ROWID;

-- What must never happen is refused here too, whatever the code above does.

CREATE TRIGGER events_are_final BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'an event never changes'); END;

CREATE TRIGGER jobs_end_once BEFORE UPDATE ON jobs
WHEN OLD.state IN ('released', 'withheld', 'refused', 'failed', 'killed')
BEGIN SELECT RAISE(ABORT, 'a job that has ended never changes'); END;

CREATE TRIGGER jobs_have_known_states BEFORE INSERT ON jobs
WHEN NEW.state IS NULL OR NEW.state NOT IN ('queued', 'running', 'released', 'withheld', 'refused', 'failed', 'killed')
BEGIN SELECT RAISE(ABORT, 'unknown state of a job'); END;

CREATE TRIGGER jobs_keep_known_states BEFORE UPDATE ON jobs
WHEN NEW.state IS NULL OR NEW.state NOT IN ('queued', 'running', 'released', 'withheld', 'refused', 'failed', 'killed')
BEGIN SELECT RAISE(ABORT, 'unknown state of a job'); END;

CREATE TRIGGER accounts_never_unspend BEFORE UPDATE ON accounts
WHEN NEW.body ->> '$.committed.jobs' < OLD.body ->> '$.committed.jobs'
    OR NEW.body ->> '$.committed.releases' < OLD.body ->> '$.committed.releases'
    OR NEW.body ->> '$.committed.cells' < OLD.body ->> '$.committed.cells'
    OR NEW.body ->> '$.committed.claims' < OLD.body ->> '$.committed.claims'
    OR NEW.body ->> '$.committed.leakage_bits' < OLD.body ->> '$.committed.leakage_bits'
    OR NEW.body ->> '$.committed.bytes_out' < OLD.body ->> '$.committed.bytes_out'
    OR NEW.body ->> '$.committed.fuel_units' < OLD.body ->> '$.committed.fuel_units'
    OR NEW.body ->> '$.committed.rows_read' < OLD.body ->> '$.committed.rows_read'
BEGIN SELECT RAISE(ABORT, 'what is committed never falls'); END;

CREATE TRIGGER events_stay BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from events'); END;

CREATE TRIGGER log_state_stay BEFORE DELETE ON log_state
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from log_state'); END;

CREATE TRIGGER tree_heads_stay BEFORE DELETE ON tree_heads
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from tree_heads'); END;

CREATE TRIGGER organisations_stay BEFORE DELETE ON organisations
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from organisations'); END;

CREATE TRIGGER principals_stay BEFORE DELETE ON principals
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from principals'); END;

CREATE TRIGGER datasets_stay BEFORE DELETE ON datasets
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from datasets'); END;

CREATE TRIGGER snapshots_stay BEFORE DELETE ON snapshots
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from snapshots'); END;

CREATE TRIGGER grants_stay BEFORE DELETE ON grants
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from grants'); END;

CREATE TRIGGER modules_stay BEFORE DELETE ON modules
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from modules'); END;

CREATE TRIGGER jobs_stay BEFORE DELETE ON jobs
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from jobs'); END;

CREATE TRIGGER accounts_stay BEFORE DELETE ON accounts
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from accounts'); END;

CREATE TRIGGER releases_stay BEFORE DELETE ON releases
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from releases'); END;

CREATE TRIGGER receipts_stay BEFORE DELETE ON receipts
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from receipts'); END;

CREATE TRIGGER module_bytes_stay BEFORE DELETE ON module_bytes
BEGIN SELECT RAISE(ABORT, 'nothing is deleted from module_bytes'); END;

CREATE TRIGGER releases_are_final BEFORE UPDATE ON releases
BEGIN SELECT RAISE(ABORT, 'nothing changes in releases'); END;

CREATE TRIGGER receipts_are_final BEFORE UPDATE ON receipts
BEGIN SELECT RAISE(ABORT, 'nothing changes in receipts'); END;

CREATE TRIGGER modules_are_final BEFORE UPDATE ON modules
BEGIN SELECT RAISE(ABORT, 'nothing changes in modules'); END;

CREATE TRIGGER snapshots_are_final BEFORE UPDATE ON snapshots
BEGIN SELECT RAISE(ABORT, 'nothing changes in snapshots'); END;
