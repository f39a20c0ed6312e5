//! Opening the file: settings, schema, and the verification of all that is in it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use glovebox_audit::{Log, LogBuilder, SignedTreeHead};
use rusqlite::{Connection, ErrorCode};
use rusqlite_migration::{Error as MigrationError, M, MigrationDefinitionError, Migrations};

use crate::records::{self, COMMITMENT_DETAIL, Table};
use crate::seal::{self, StateKey};
use crate::{StoreError, cohorts, receipts, reviews};

const STEPS: &[M<'static>] =
    &[M::up(include_str!("../migrations/0001-spine.sql")), M::up(include_str!("../migrations/0002-gate.sql"))];
const MIGRATIONS: Migrations<'static> = Migrations::from_slice(STEPS);

/// Makes the file, if need be, so that nobody but its owner reads it. SQLite gives its journal the same mode.
pub(crate) fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?;
    Ok(())
}

/// Locks the file for this process and brings its schema up to date.
pub(crate) fn prepare(connection: &mut Connection) -> Result<(), StoreError> {
    let settings = "PRAGMA locking_mode = EXCLUSIVE;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA foreign_keys = ON;
        PRAGMA trusted_schema = OFF;
        PRAGMA cell_size_check = ON;
        -- What is destroyed is overwritten, too.
        PRAGMA secure_delete = ON;
        -- Takes the lock now, not at the first write.
        BEGIN EXCLUSIVE; COMMIT;";
    connection.execute_batch(settings).map_err(fault)?;
    connection.set_prepared_statement_cache_capacity(128);
    MIGRATIONS.to_latest(connection).map_err(|error| match error {
        MigrationError::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead) => StoreError::NewerSchema,
        MigrationError::RusqliteError { err, .. } => fault(err),
        other => StoreError::Migration(other.to_string()),
    })?;
    // Indexes too: one that lacks a row would hide it from whoever looks by that index.
    let report: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(fault)?;
    if report == "ok" { check_schema(connection) } else { Err(StoreError::corrupt(report)) }
}

/// Tables, generated columns, indexes and triggers are those that the migrations make, and no others.
fn check_schema(connection: &Connection) -> Result<(), StoreError> {
    let mut made = Connection::open_in_memory()?;
    MIGRATIONS.to_latest(&mut made).map_err(|error| StoreError::Migration(error.to_string()))?;
    let (expected, mut found) = (schema(&made)?, schema(connection)?);
    for (name, sql) in expected {
        if found.remove(&name).as_ref() != Some(&sql) {
            return Err(StoreError::corrupt(format!("`{name}` of its schema is not what was made")));
        }
    }
    match found.into_keys().next() {
        Some(name) => Err(StoreError::corrupt(format!("`{name}` does not belong to its schema"))),
        None => Ok(()),
    }
}

/// What makes up a schema: name of each part, with its kind, its table and its SQL.
fn schema(connection: &Connection) -> Result<BTreeMap<String, String>, StoreError> {
    let sql = "SELECT type || ' ' || name, tbl_name || ': ' || ifnull(sql, '') FROM sqlite_schema";
    let mut statement = connection.prepare(sql)?;
    let parts = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(parts.collect::<Result<_, _>>()?)
}

/// Rebuilds the log from its leaves and holds everything against it.
pub(crate) fn verified_log(connection: &Connection, key: &StateKey) -> Result<Log, StoreError> {
    let (log, commitments) = rebuild(connection, key).map_err(|error| match error {
        StoreError::Database(error) => fault(error),
        other => other,
    })?;
    check_heads(connection, key, &log)?;
    check_records(connection, commitments)?;
    cohorts::check(connection)?;
    receipts::check(connection)?;
    reviews::check(connection)?;
    Ok(log)
}

/// Last commitment to each record by detail name, as the events tell it.
type Commitments = HashMap<String, String>;

fn rebuild(connection: &Connection, key: &StateKey) -> Result<(Log, Commitments), StoreError> {
    let state = seal::log_state(connection, key)?;
    let mut log = LogBuilder::new(state.log_id);
    let mut commitments = Commitments::new();
    let mut statement = connection.prepare("SELECT sequence, leaf FROM events ORDER BY sequence")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let sequence = row.get::<_, i64>(0)?.cast_unsigned();
        let leaf = row.get_ref(1)?.as_str().map_err(|_| StoreError::corrupt(format!("event {sequence} is no text")))?;
        log.append_leaf(sequence, leaf.as_bytes()).map_err(|error| StoreError::corrupt(error.to_string()))?;
        note_commitments(leaf, &mut commitments);
    }
    let log = log.finish();
    if log.size() != state.size {
        return Err(StoreError::corrupt(format!("{} events are there, {} were written", log.size(), state.size)));
    }
    if log.root().to_string() != state.root {
        return Err(StoreError::corrupt("an event is not what was written"));
    }
    Ok((log, commitments))
}

/// Finds `"commitment:<kind>/<id>":"<digest>"` in a leaf without parsing it: leaves are canonical JSON, so a member's name
/// follows `{` or `,` at once, and a quotation mark inside of a text follows a backslash.
fn note_commitments(leaf: &str, commitments: &mut Commitments) {
    for (start, _) in leaf.match_indices(COMMITMENT_DETAIL) {
        let is_name =
            start.checked_sub(2).and_then(|at| leaf.get(at..start)).is_some_and(|head| head == "{\"" || head == ",\"");
        let Some((name, rest)) = leaf.get(start..).filter(|_| is_name).and_then(|rest| rest.split_once("\":\"")) else {
            continue;
        };
        if let Some((digest, _)) = rest.split_once('"') {
            commitments.insert(name.to_owned(), digest.to_owned());
        }
    }
}

/// Every tree head that was signed is there, as it was, and is still a head of this log.
fn check_heads(connection: &Connection, key: &StateKey, log: &Log) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT size, body, seal FROM tree_heads")?;
    let mut rows = statement.query([])?;
    let mut heads = 0_u64;
    while let Some(row) = rows.next()? {
        let (size, body, seal): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let what = format!("the log is not the one whose head of {size} events was signed");
        let signed: SignedTreeHead = serde_json::from_str(&body).map_err(|_| StoreError::corrupt(what.as_str()))?;
        let holds = seal == seal::head_seal(key, size.cast_unsigned(), &body)
            && signed.head.size == size.cast_unsigned()
            && signed.head.log_id == log.log_id()
            && log.root_at(signed.head.size).is_ok_and(|root| root == signed.head.root);
        if !holds {
            return Err(StoreError::corrupt(what));
        }
        heads += 1;
    }
    match seal::log_state(connection, key)?.heads {
        kept if kept == heads => Ok(()),
        kept => Err(StoreError::corrupt(format!("{heads} signed tree heads are there, {kept} were kept"))),
    }
}

/// Every record is what the last event about it commits to, and none is missing.
fn check_records(connection: &Connection, mut commitments: Commitments) -> Result<(), StoreError> {
    for table in Table::ALL {
        let mut statement = connection.prepare(&format!("SELECT id, body, salt FROM {}", table.name()))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, body, salt): (String, String, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let detail = table.detail(&id);
            let expected = commitments.remove(&detail);
            let found = records::commitment(&detail, &salt, &body)?.to_string();
            if expected != Some(found) {
                return Err(StoreError::corrupt(format!("{} `{id}` is not what was written", table.kind())));
            }
        }
    }
    match commitments.into_keys().next() {
        Some(name) => Err(StoreError::corrupt(format!("{} is missing", name.trim_start_matches(COMMITMENT_DETAIL)))),
        None => Ok(()),
    }
}

fn fault(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::InUse,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::corrupt(error.to_string()),
        _ => StoreError::Database(error),
    }
}
