//! One transaction: the change, its event, the new state of the log.

use std::collections::BTreeMap;

use glovebox_audit::{Draft, Event, Log};
use glovebox_catalog::Timestamp;
use glovebox_gm::Digest;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::records::{self, COMMITMENT_DETAIL, Table};
use crate::{Shared, Store, StoreError, seal, start};

/// A transaction under way, which notes the commitment to every record that it writes.
pub(crate) struct Changes<'a> {
    transaction: &'a Transaction<'a>,
    commitments: BTreeMap<String, Digest>,
    /// Details that the change itself adds to its event.
    details: BTreeMap<String, String>,
    /// Sequence that the event will have.
    sequence: u64,
}

impl Changes<'_> {
    pub(crate) fn connection(&self) -> &Connection {
        self.transaction
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(crate) fn insert<T: Serialize>(&mut self, table: Table, id: &str, record: &T) -> Result<(), StoreError> {
        let commitment = records::insert(self.transaction, table, id, record)?;
        self.commitments.insert(table.detail(id), commitment);
        Ok(())
    }

    pub(crate) fn update<T: Serialize>(&mut self, table: Table, id: &str, record: &T) -> Result<(), StoreError> {
        let commitment = records::update(self.transaction, table, id, record)?;
        self.commitments.insert(table.detail(id), commitment);
        Ok(())
    }

    pub(crate) fn find<T: DeserializeOwned>(&self, table: Table, id: &str) -> Result<Option<T>, StoreError> {
        records::find(self.transaction, table, id)
    }

    pub(crate) fn known<T: DeserializeOwned>(&self, table: Table, id: &str) -> Result<T, StoreError> {
        records::known(self.transaction, table, id)
    }

    pub(crate) fn detail(&mut self, name: &str, value: String) {
        self.details.insert(name.to_owned(), value);
    }
}

impl Store {
    /// Runs `change` and records `audit`, in one transaction. The event takes the commitments to what was written.
    pub(crate) fn write<T>(
        &self,
        audit: Draft,
        change: impl FnOnce(&mut Changes<'_>) -> Result<T, StoreError>,
    ) -> Result<(T, Event), StoreError> {
        let (outcome, events) = self.write_all(vec![audit], change)?;
        let event = events.into_iter().next().ok_or_else(|| StoreError::corrupt("a change without an event"))?;
        Ok((outcome, event))
    }

    /// The same with several events; the first takes the commitments.
    pub(crate) fn write_all<T>(
        &self,
        audit: Vec<Draft>,
        change: impl FnOnce(&mut Changes<'_>) -> Result<T, StoreError>,
    ) -> Result<(T, Vec<Event>), StoreError> {
        let mut shared = self.lock();
        let Shared { connection, log, counter } = &mut *shared;
        // Out of its place until the commit: whatever ends this function before leaves none, and the next call rebuilds.
        let mut working = match log.take() {
            Some(log) => log,
            None => start::verified_log(connection, &self.key)?,
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut changes = Changes {
            transaction: &transaction,
            commitments: BTreeMap::new(),
            details: BTreeMap::new(),
            sequence: working.size(),
        };
        let outcome = match change(&mut changes) {
            Ok(outcome) => outcome,
            Err(error) => {
                // Nothing was appended yet.
                drop(transaction);
                *log = Some(working);
                return Err(error);
            }
        };
        let Changes { mut details, commitments, .. } = changes;
        details.extend(commitments.into_iter().map(|(name, commitment)| (name, commitment.to_string())));
        // Read after the change, which may be the one that sets it back.
        let mut latest = seal::log_state(&transaction, &self.key)?.latest;
        let mut events = Vec::with_capacity(audit.len());
        for mut draft in audit {
            // Commitments are the store's to write; a detail of that name from elsewhere would pass for one at the next
            // start.
            draft.detail.retain(|name, _| !name.starts_with(COMMITMENT_DETAIL));
            draft.detail.append(&mut details);
            events.push(append(&transaction, &mut working, &mut latest, draft)?);
        }
        seal::note_log(&transaction, &self.key, &working, latest)?;
        transaction.commit()?;
        // After the commit, so that it is never ahead of it; before anybody is told, so that nobody can be told of what a
        // database that is put back does not hold.
        let noted = counter.as_mut().map_or(Ok(()), |counter| counter.note(&self.key, &working));
        *log = Some(working);
        noted.map(|()| (outcome, events))
    }

    /// Runs `read` on the connection.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        read(&self.lock().connection)
    }

    /// Runs `read` on the connection and the log.
    pub(crate) fn read_log<T>(
        &self,
        read: impl FnOnce(&Connection, &Log) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut shared = self.lock();
        let Shared { connection, log, .. } = &mut *shared;
        let log = match log {
            Some(log) => log,
            None => log.insert(start::verified_log(connection, &self.key)?),
        };
        read(connection, log)
    }
}

/// Appends an event, at no earlier time than the `latest` before it: what is decided by the order of times can't be
/// turned round by a clock.
fn append(
    transaction: &Transaction<'_>,
    log: &mut Log,
    latest: &mut Timestamp,
    draft: Draft,
) -> Result<Event, StoreError> {
    *latest = draft.at.max(*latest);
    let event = with_grant(transaction, Draft { at: *latest, ..draft })?.at_sequence(log.size());
    let leaf = event.leaf();
    log.append_leaf(event.sequence, &leaf)?;
    let leaf = String::from_utf8(leaf).map_err(|_| StoreError::corrupt("an event that is no UTF-8"))?;
    transaction
        .prepare_cached("INSERT INTO events (sequence, leaf) VALUES (?1, ?2)")?
        .execute(params![event.sequence.cast_signed(), leaf])?;
    Ok(event)
}

/// The event with the grant and dataset that it is about, where it names a job, release or review: by these it is
/// searched for.
fn with_grant(transaction: &Transaction<'_>, mut draft: Draft) -> Result<Draft, StoreError> {
    let Some((kind, id)) = draft.resource.split_once('/') else { return Ok(draft) };
    let sql = match kind {
        "job" => "SELECT body ->> '$.grant', body ->> '$.dataset' FROM jobs WHERE id = ?1",
        "review" => "SELECT body ->> '$.grant', body ->> '$.dataset' FROM reviews WHERE id = ?1",
        "release" => {
            "SELECT jobs.body ->> '$.grant', jobs.body ->> '$.dataset' FROM releases \
             JOIN jobs ON jobs.id = releases.job WHERE releases.id = ?1"
        }
        _ => return Ok(draft),
    };
    let mut statement = transaction.prepare_cached(sql)?;
    let found = statement.query_row([id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).optional()?;
    if let Some((grant, dataset)) = found {
        draft.detail.entry("grant".to_owned()).or_insert(grant);
        draft.detail.entry("dataset".to_owned()).or_insert(dataset);
    }
    Ok(draft)
}
