//! State and events of the enclave in one SQLite file: a change and its event are one transaction, or neither happens.
//!
//! The only crate with SQL. Synchronous; callers on an async runtime move to a blocking thread. What holds:
//! - The file is locked by one process; a commit is on disk (`synchronous=FULL`) when a method returns.
//! - Every event is a leaf of the Merkle log; the event that wrote a record holds a salted commitment to it. Each commit
//!   seals the state of the log under a key that the file does not hold. At each start the schema is compared with what
//!   the migrations make, the log is rebuilt, compared with its sealed state and with every tree head, and every record is
//!   compared with the last commitment to it: a byte changed, cut or put back to an older state is found, and so is a log
//!   that somebody made without the key.
//! - A counter beside the file says how far the log was, sealed: a file that is put back alone is behind it and is not
//!   opened. File and counter put back together are consistent: against that, keep signed heads elsewhere and offer the
//!   newest to [`Store::put_signed_head`], which refuses a head that the log does not reach.
//! - A job changes state by compare-and-set and ends once; what is committed on an account never falls. Triggers in the
//!   schema hold the same, whatever the code does.

mod accounts;
mod changes;
mod cohorts;
mod counter;
mod datasets;
mod error;
mod grants;
mod idempotency;
mod jobs;
mod log;
mod modules;
mod page;
mod people;
mod privacy;
mod receipts;
mod records;
mod reviews;
mod seal;
mod start;
mod survey;
mod suspensions;

pub use accounts::{BudgetLimits, Settlement};
pub use cohorts::{CohortClaim, CohortRow};
pub use error::StoreError;
pub use idempotency::{Answer, Claim};
pub use jobs::{JobFilter, JobPatch, JobRow};
pub use log::EventFilter;
pub use modules::ModuleRow;
pub use page::{Page, Slice};
pub use privacy::{PrivacyReservation, PrivacyRow};
pub use receipts::ReleaseRow;
pub use reviews::{OpenReview, ReviewFilter, ReviewStep};
pub use seal::StateKey;
pub use survey::{Survey, survey};

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use glovebox_audit::{Draft, Event, Log};
use glovebox_gm::Key256;
use rusqlite::{Connection, OpenFlags};

use counter::Counter;

/// The state of the enclave. Cheap to clone; clones share one connection.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Mutex<Shared>>,
    /// Seals what the log's tree does not cover.
    key: StateKey,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

/// The connection and the log over its events.
struct Shared {
    connection: Connection,
    /// None while a transaction is under way and after one that failed to commit: then rebuilt from the file.
    log: Option<Log>,
    /// What was last committed, beside the file; a store in memory has none.
    counter: Option<Counter>,
}

impl Store {
    /// Makes the state file, readable by its owner only, and begins its log, sealed under `key`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a state was made there before, [`StoreError::InUse`], or what the file system says.
    pub fn create(path: &Path, key: StateKey) -> Result<Self, StoreError> {
        start::create_private(path)?;
        Self::begin(Connection::open(path)?, key, Some(path))
    }

    /// Opens the state file. Verifies all of it, see the crate's page.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::NewerSchema`], [`StoreError::Corrupt`], [`StoreError::Behind`] when it is not as
    /// new as its counter, or what the file system says.
    pub fn open(path: &Path, key: StateKey) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let (connection, log) = Self::verified(Connection::open_with_flags(path, flags)?, &key)?;
        let counter = Counter::open(path, &key, &log)?;
        Ok(Self::started(connection, log, Some(counter), key))
    }

    /// A store that is gone with its last clone.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub fn in_memory() -> Result<Self, StoreError> {
        let key = Key256::random().map_err(|_| StoreError::Randomness)?;
        Self::begin(Connection::open_in_memory()?, StateKey::derive(&key), None)
    }

    /// Records an event without a change, e.g. a refusal.
    ///
    /// # Errors
    /// When the transaction can't be committed; then nothing is recorded.
    pub fn record(&self, audit: Draft) -> Result<Event, StoreError> {
        self.write(audit, |_| Ok(())).map(|((), event)| event)
    }

    /// Records several events in one transaction.
    ///
    /// # Errors
    /// When the transaction can't be committed; then none is recorded.
    pub fn record_all(&self, audit: Vec<Draft>) -> Result<Vec<Event>, StoreError> {
        self.write_all(audit, |_| Ok(())).map(|((), events)| events)
    }

    fn begin(mut connection: Connection, key: StateKey, path: Option<&Path>) -> Result<Self, StoreError> {
        start::prepare(&mut connection)?;
        if connection.query_row("SELECT EXISTS (SELECT 1 FROM log_state)", [], |row| row.get::<_, bool>(0))? {
            return Err(StoreError::corrupt("a new state was to be made where one is"));
        }
        seal::begin_log(&connection, &key)?;
        let (connection, log) = Self::verified(connection, &key)?;
        let counter = path.map(|path| Counter::create(path, &key, &log)).transpose()?;
        Ok(Self::started(connection, log, counter, key))
    }

    fn verified(mut connection: Connection, key: &StateKey) -> Result<(Connection, Log), StoreError> {
        start::prepare(&mut connection)?;
        let log = start::verified_log(&connection, key)?;
        idempotency::forget_unanswered(&connection)?;
        Ok((connection, log))
    }

    fn started(connection: Connection, log: Log, counter: Option<Counter>, key: StateKey) -> Self {
        Self { shared: Arc::new(Mutex::new(Shared { connection, log: Some(log), counter })), key }
    }

    /// A panic while the lock was held left at most an open transaction, which was rolled back, and no log, which is
    /// rebuilt: so the lock can be taken again.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
