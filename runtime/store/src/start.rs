//! Opening the file: settings, schema, and the verification of all that is in it.

use std::collections::HashMap;
use std::path::Path;

use glovebox_audit::{Log, LogBuilder, SignedTreeHead};
use rusqlite::{Connection, ErrorCode};
use rusqlite_migration::{Error as MigrationError, M, MigrationDefinitionError, Migrations};

use crate::records::{self, DIGEST_DETAIL, Table};
use crate::{StoreError, cohorts, reviews};

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
    let report: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(fault)?;
    if report == "ok" { Ok(()) } else { Err(StoreError::corrupt(report)) }
}

/// Rebuilds the log from its leaves and holds everything against it.
pub(crate) fn verified_log(connection: &Connection) -> Result<Log, StoreError> {
    let (log, digests) = rebuild(connection).map_err(|error| match error {
        StoreError::Database(error) => fault(error),
        other => other,
    })?;
    check_heads(connection, &log)?;
    check_records(connection, digests)?;
    cohorts::check(connection)?;
    reviews::check(connection)?;
    Ok(log)
}

/// Last digest of each record by detail name, as the events tell it.
type Digests = HashMap<String, String>;

fn rebuild(connection: &Connection) -> Result<(Log, Digests), StoreError> {
    let (log_id, size, root): (String, i64, String) =
        connection.query_row("SELECT log_id, size, root FROM log_state WHERE only_row = 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let mut log = LogBuilder::new(log_id);
    let mut digests = Digests::new();
    let mut statement = connection.prepare("SELECT sequence, leaf FROM events ORDER BY sequence")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let sequence = row.get::<_, i64>(0)?.cast_unsigned();
        let leaf = row.get_ref(1)?.as_str().map_err(|_| StoreError::corrupt(format!("event {sequence} is no text")))?;
        log.append_leaf(sequence, leaf.as_bytes()).map_err(|error| StoreError::corrupt(error.to_string()))?;
        note_digests(leaf, &mut digests);
    }
    let log = log.finish();
    if log.size() != size.cast_unsigned() {
        return Err(StoreError::corrupt(format!("{} events are there, {size} were written", log.size())));
    }
    if size > 0 && log.root().to_string() != root {
        return Err(StoreError::corrupt("an event is not what was written"));
    }
    Ok((log, digests))
}

/// Finds `"sm3:<kind>/<id>":"<digest>"` in a leaf without parsing it: leaves are canonical JSON, so a member's name
/// follows `{` or `,` at once, and a quotation mark inside of a text follows a backslash.
fn note_digests(leaf: &str, digests: &mut Digests) {
    for (start, _) in leaf.match_indices(DIGEST_DETAIL) {
        let is_name =
            start.checked_sub(2).and_then(|at| leaf.get(at..start)).is_some_and(|head| head == "{\"" || head == ",\"");
        let Some((name, rest)) = leaf.get(start..).filter(|_| is_name).and_then(|rest| rest.split_once("\":\"")) else {
            continue;
        };
        if let Some((digest, _)) = rest.split_once('"') {
            digests.insert(name.to_owned(), digest.to_owned());
        }
    }
}

/// Every tree head that was signed is still a head of this log.
fn check_heads(connection: &Connection, log: &Log) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT body FROM tree_heads")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let signed: SignedTreeHead = serde_json::from_str(&row.get::<_, String>(0)?)
            .map_err(|_| StoreError::corrupt("a tree head can't be read"))?;
        let holds = signed.head.log_id == log.log_id()
            && log.root_at(signed.head.size).is_ok_and(|root| root == signed.head.root);
        if !holds {
            let what = format!("the log is not the one whose head of {} events was signed", signed.head.size);
            return Err(StoreError::corrupt(what));
        }
    }
    Ok(())
}

/// Every record is what the last event about it says, and none is missing.
fn check_records(connection: &Connection, mut digests: Digests) -> Result<(), StoreError> {
    for table in Table::ALL {
        let mut statement = connection.prepare(&format!("SELECT id, body FROM {}", table.name()))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, body): (String, String) = (row.get(0)?, row.get(1)?);
            let expected = digests.remove(&table.detail(&id));
            if expected.as_deref() != Some(records::digest(&body).to_string().as_str()) {
                return Err(StoreError::corrupt(format!("{} `{id}` is not what was written", table.kind())));
            }
        }
    }
    match digests.into_keys().next() {
        Some(name) => Err(StoreError::corrupt(format!("{} is missing", name.trim_start_matches(DIGEST_DETAIL)))),
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
