//! The audit log: search, export, heads, proofs.

use glovebox_audit::{AuditError, ConsistencyProof, Draft, Event, InclusionProof, Log, SignedTreeHead, TreeHead};
use glovebox_catalog::{DatasetId, OrganisationId, PrincipalId, Timestamp};
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, params};

use crate::seal::{self, StateKey};
use crate::{Page, Slice, Store, StoreError};

/// How many events an export reads at a time.
const EXPORT_BATCH: u64 = 1_000;

/// Which events are asked for; what is none is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventFilter<'a> {
    /// Events of this action.
    pub action: Option<&'a str>,
    /// Events on this resource, `<kind>/<id>`.
    pub resource: Option<&'a str>,
    /// Events of this principal, or about them.
    pub principal: Option<&'a PrincipalId>,
    /// Events of people of this organisation, or about it.
    pub organisation: Option<&'a OrganisationId>,
    /// Events about this dataset, grants on it and jobs on it.
    pub dataset: Option<&'a DatasetId>,
    /// Events about grants for this purpose, and jobs under them.
    pub purpose: Option<&'a str>,
    /// Events at this time or later.
    pub from: Option<Timestamp>,
    /// Events before this time.
    pub until: Option<Timestamp>,
    /// Events about datasets of this supplier, grants on them and jobs under those grants.
    pub supplier: Option<&'a OrganisationId>,
}

impl EventFilter<'_> {
    /// The query for at most `rows` events after one number, with its other values in order.
    pub(crate) fn query(&self, rows: usize) -> (String, Vec<String>) {
        let mut sql = String::from("SELECT sequence, leaf FROM events WHERE sequence > ?");
        let mut values = Vec::new();
        for (condition, asked) in self.conditions() {
            sql.push_str(" AND ");
            sql.push_str(condition);
            values.extend(asked);
        }
        sql.push_str(&format!(" ORDER BY sequence LIMIT {rows}"));
        (sql, values)
    }

    /// What each member asks for, as SQL with its values in order.
    fn conditions(&self) -> Vec<(&'static str, Vec<String>)> {
        let mut conditions = Vec::new();
        let mut ask = |sql, values: &[&str]| conditions.push((sql, values.iter().map(ToString::to_string).collect()));
        if let Some(action) = self.action {
            ask("action = ?", &[action]);
        }
        if let Some(resource) = self.resource {
            ask("resource = ?", &[resource]);
        }
        if let Some(id) = self.principal {
            ask("(principal = ? OR resource = ?)", &[id.as_str(), &format!("member/{id}")]);
        }
        if let Some(id) = self.organisation {
            ask("(organisation = ? OR resource = ?)", &[id.as_str(), &format!("organisation/{id}")]);
        }
        if let Some(id) = self.dataset {
            ask(OF_DATASET, &[id.as_str(), id.as_str()]);
        }
        if let Some(purpose) = self.purpose {
            ask(OF_PURPOSE, &[purpose]);
        }
        if let Some(time) = self.from {
            let time = time.to_string();
            ask(FROM, &[&time, &time]);
        }
        if let Some(time) = self.until {
            let time = time.to_string();
            ask(UNTIL, &[&time, &time]);
        }
        if let Some(id) = self.supplier {
            ask(OF_SUPPLIER, &[id.as_str(), id.as_str()]);
        }
        conditions
    }
}

/// Bounds on the number beside the time, so that neither what was long before nor what came long after is read.
const FROM: &str = "sequence >= (SELECT min(+sequence) FROM events WHERE at >= ?) AND at >= ?";
const UNTIL: &str = "sequence <= (SELECT max(+sequence) FROM events WHERE at < ?) AND at < ?";
/// An event that names its dataset is about that one, though its grant may open others.
const OF_DATASET: &str = "(dataset = ? OR (+dataset IS NULL AND \"grant\" IN (SELECT grants.id FROM grants, \
     json_each(grants.body, '$.scopes') AS scope WHERE scope.value ->> '$.dataset' = ?)))";
const OF_PURPOSE: &str = "\"grant\" IN (SELECT id FROM grants WHERE body ->> '$.purpose' = ?)";
const OF_SUPPLIER: &str = "(dataset IN (SELECT id FROM datasets WHERE supplier = ?) \
     OR \"grant\" IN (SELECT grants.id FROM grants, json_each(grants.body, '$.suppliers') AS own WHERE own.value = ?))";

impl Store {
    /// Lists events, the oldest first. The cursor is a sequence number.
    ///
    /// # Errors
    /// [`StoreError::Cursor`] for a cursor that is no number.
    pub fn events(&self, filter: EventFilter<'_>, slice: &Slice) -> Result<Page<Event>, StoreError> {
        let after = match &slice.cursor {
            None => -1,
            Some(cursor) => cursor.parse::<i64>().map_err(|_| StoreError::Cursor { cursor: cursor.clone() })?,
        };
        let rows = slice.rows();
        let (sql, asked) = filter.query(rows + 1);
        let values: Vec<&dyn ToSql> =
            std::iter::once::<&dyn ToSql>(&after).chain(asked.iter().map(|value| value as &dyn ToSql)).collect();
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let read = statement
                .query_map(values.as_slice(), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?
                .map(|row| {
                    let (sequence, leaf) = row?;
                    Ok((sequence.to_string(), serde_json::from_str(&leaf)?))
                })
                .collect::<Result<Vec<_>, StoreError>>()?;
            Ok(Page::cut(read, rows))
        })
    }

    /// One event.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] beyond the end of the log.
    pub fn event(&self, sequence: u64) -> Result<Event, StoreError> {
        self.read(|connection| event_at(connection, sequence))
    }

    /// The last event of one of these actions, if there is one.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn latest_event(&self, actions: &[&str]) -> Result<Option<Event>, StoreError> {
        self.read(|connection| {
            let mut latest: Option<Event> = None;
            for action in actions {
                let leaf: Option<String> = connection
                    .prepare_cached("SELECT leaf FROM events WHERE action = ?1 ORDER BY sequence DESC LIMIT 1")?
                    .query_row([action], |row| row.get(0))
                    .optional()?;
                let found: Option<Event> = leaf.map(|leaf| serde_json::from_str(&leaf)).transpose()?;
                latest = latest.into_iter().chain(found).max_by_key(|event| event.sequence);
            }
            Ok(latest)
        })
    }

    /// The leaves of the first `size` events, in order, each a line of the export without its line feed. Reads in
    /// batches, so that others can work in between; `size` is that of the head that ends the export.
    pub fn export(&self, size: u64) -> impl Iterator<Item = Result<String, StoreError>> + Send + use<> {
        let store = self.clone();
        let starts = (0..size).step_by(usize::try_from(EXPORT_BATCH).unwrap_or(1));
        starts.flat_map(move |start| match store.leaves(start, size.min(start + EXPORT_BATCH)) {
            Ok(leaves) => leaves.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    /// Id of the log, made with the file.
    ///
    /// # Errors
    /// When the log had to be read again and could not.
    pub fn log_id(&self) -> Result<String, StoreError> {
        self.read_log(|_, log| Ok(log.log_id().to_owned()))
    }

    /// The latest time that an event has; the time before all events when there is none.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is not what was sealed.
    pub fn latest_time(&self) -> Result<Timestamp, StoreError> {
        self.read(|connection| Ok(seal::log_state(connection, &self.key)?.latest))
    }

    /// Records `audit` at its own time, and lets events have times from there on again, be they earlier than the latest
    /// so far. For a clock that was ahead.
    ///
    /// # Errors
    /// When the transaction can't be committed; then nothing is recorded.
    pub fn set_clock_back(&self, audit: Draft) -> Result<Event, StoreError> {
        let at = audit.at;
        self.write(audit, |changes| seal::set_latest(changes.connection(), &self.key, at)).map(|((), event)| event)
    }

    /// The head of the log as it is now, to be signed.
    ///
    /// # Errors
    /// When the log had to be read again and could not.
    pub fn tree_head(&self, now: Timestamp) -> Result<TreeHead, StoreError> {
        self.read_log(|_, log| Ok(log.head(now)))
    }

    /// Keeps a signed head of this log.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not a head of this log.
    pub fn put_signed_head(&self, head: &SignedTreeHead) -> Result<(), StoreError> {
        self.read_log(|connection, log| put_head(connection, &self.key, log, head))
    }

    /// The newest signed head.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn latest_signed_head(&self) -> Result<Option<SignedTreeHead>, StoreError> {
        self.read(latest_head)
    }

    /// A signed head of the log as it is now: the kept one, or a new one by `sign`.
    ///
    /// # Errors
    /// [`StoreError::Audit`] when `sign` fails.
    pub fn signed_head(
        &self,
        now: Timestamp,
        sign: impl FnOnce(TreeHead) -> Result<SignedTreeHead, AuditError>,
    ) -> Result<SignedTreeHead, StoreError> {
        self.read_log(|connection, log| signed_head((connection, &self.key), log, log.size(), now, sign))
    }

    /// A signed head of the first `size` events: the kept one, or one by `sign` that is as old as the kept one before it.
    ///
    /// # Errors
    /// [`StoreError::Audit`] when the log is shorter, or `sign` fails.
    pub fn signed_head_at(
        &self,
        size: u64,
        sign: impl FnOnce(TreeHead) -> Result<SignedTreeHead, AuditError>,
    ) -> Result<SignedTreeHead, StoreError> {
        self.read_log(|connection, log| {
            let before = head_before(connection, size)?;
            if let Some(head) = before.as_ref().filter(|head| head.head.size == size) {
                return Ok(head.clone());
            }
            let at = before.map_or(Timestamp::from_unix_ms(0), |before| before.head.at);
            Ok(sign(TreeHead { log_id: log.log_id().to_owned(), size, root: log.root_at(size)?, at })?)
        })
    }

    /// Proof that event `sequence` is among the first `size`.
    ///
    /// # Errors
    /// [`StoreError::Audit`] when the log is shorter.
    pub fn inclusion_proof(&self, sequence: u64, size: u64) -> Result<InclusionProof, StoreError> {
        self.read_log(|_, log| Ok(log.inclusion_proof_at(sequence, size)?))
    }

    /// Proof that the first `new_size` events go on from the first `old_size`.
    ///
    /// # Errors
    /// [`StoreError::Audit`] when the log is shorter.
    pub fn consistency_proof(&self, old_size: u64, new_size: u64) -> Result<ConsistencyProof, StoreError> {
        self.read_log(|_, log| Ok(log.consistency_proof_at(old_size, new_size)?))
    }

    fn leaves(&self, start: u64, end: u64) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT leaf FROM events WHERE sequence >= ?1 AND sequence < ?2 ORDER BY sequence";
            let mut statement = connection.prepare_cached(sql)?;
            let leaves = statement.query_map(params![start.cast_signed(), end.cast_signed()], |row| row.get(0))?;
            Ok(leaves.collect::<Result<Vec<String>, _>>()?)
        })
    }
}

pub(crate) fn event_at(connection: &Connection, sequence: u64) -> Result<Event, StoreError> {
    let mut statement = connection.prepare_cached("SELECT leaf FROM events WHERE sequence = ?1")?;
    let leaf: Option<String> = statement.query_row([sequence.cast_signed()], |row| row.get(0)).optional()?;
    let leaf = leaf.ok_or_else(|| StoreError::NotFound { kind: "event", id: sequence.to_string() })?;
    Ok(serde_json::from_str(&leaf)?)
}

/// A signed head of at least `size` events: the newest kept one if it is that large, or one of the whole log by `sign`.
pub(crate) fn signed_head(
    (connection, key): (&Connection, &StateKey),
    log: &Log,
    size: u64,
    now: Timestamp,
    sign: impl FnOnce(TreeHead) -> Result<SignedTreeHead, AuditError>,
) -> Result<SignedTreeHead, StoreError> {
    let latest = latest_head(connection)?;
    if let Some(head) = latest.as_ref().filter(|head| head.head.size >= size) {
        return Ok(head.clone());
    }
    // Sizes and times of heads grow together, whatever the clock does: two that do not are evidence of a fork.
    let now = latest.map_or(now, |latest| now.max(latest.head.at));
    let head = sign(log.head(now))?;
    put_head(connection, key, log, &head)?;
    Ok(head)
}

fn put_head(connection: &Connection, key: &StateKey, log: &Log, head: &SignedTreeHead) -> Result<(), StoreError> {
    let size = head.head.size;
    let holds = head.head.log_id == log.log_id() && log.root_at(size).is_ok_and(|root| root == head.head.root);
    if !holds {
        let (expected, found) = (format!("a head of log `{}`", log.log_id()), "a head of another".to_owned());
        return Err(StoreError::Conflict { kind: "tree head", id: size.to_string(), expected, found });
    }
    seal::keep_head(connection, key, size, &serde_json::to_string(head)?)
}

/// The newest kept head of at most `size` events.
fn head_before(connection: &Connection, size: u64) -> Result<Option<SignedTreeHead>, StoreError> {
    let sql = "SELECT body FROM tree_heads WHERE size <= ?1 ORDER BY size DESC LIMIT 1";
    let body: Option<String> =
        connection.prepare_cached(sql)?.query_row([size.cast_signed()], |row| row.get(0)).optional()?;
    Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
}

fn latest_head(connection: &Connection) -> Result<Option<SignedTreeHead>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT body FROM tree_heads ORDER BY size DESC LIMIT 1")?;
    let body: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
}
