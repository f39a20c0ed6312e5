//! State and events of the enclave in one SQLite file: a change and its event are one transaction, or neither happens.
//!
//! The only crate with SQL. Synchronous; callers on an async runtime move to a blocking thread. What holds:
//! - The file is locked by one process; a commit is on disk (`synchronous=FULL`) when a method returns.
//! - Every event is a leaf of the Merkle log; every record's digest stands in the event that wrote it. At each start the
//!   log is rebuilt, compared with its last state and with every tree head, and every record is compared with its last
//!   digest: a byte changed, cut or put back to an older state is found.
//!   A whole file put back to an older one is consistent in itself: against that, keep signed heads elsewhere and offer
//!   the newest to [`Store::put_signed_head`], which refuses a head that the log does not reach.
//! - A job changes state by compare-and-set and ends once; what is committed on an account never falls. Triggers in the
//!   schema hold the same, whatever the code does.

mod accounts;
mod changes;
mod cohorts;
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
mod start;

pub use accounts::Settlement;
pub use cohorts::CohortRow;
pub use error::StoreError;
pub use idempotency::{Answer, Claim};
pub use jobs::{JobFilter, JobPatch, JobRow};
pub use log::EventFilter;
pub use modules::ModuleRow;
pub use page::{Page, Slice};
pub use privacy::{PrivacyReservation, PrivacyRow};
pub use receipts::ReleaseRow;
pub use reviews::{OpenReview, ReviewFilter, ReviewStep};

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use glovebox_audit::{Draft, Event, Log};
use rusqlite::Connection;

/// The state of the enclave. Cheap to clone; clones share one connection.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Mutex<Shared>>,
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
}

impl Store {
    /// Opens the state file, or makes it, readable by its owner only. Verifies all of it, see the crate's page.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::NewerSchema`], [`StoreError::Corrupt`], or what the file system says.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        start::create_private(path)?;
        Self::start(Connection::open(path)?)
    }

    /// A store that is gone with its last clone.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::start(Connection::open_in_memory()?)
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

    fn start(mut connection: Connection) -> Result<Self, StoreError> {
        start::prepare(&mut connection)?;
        let log = start::verified_log(&connection)?;
        idempotency::forget_unanswered(&connection)?;
        Ok(Self { shared: Arc::new(Mutex::new(Shared { connection, log: Some(log) })) })
    }

    /// A panic while the lock was held left at most an open transaction, which was rolled back, and no log, which is
    /// rebuilt: so the lock can be taken again.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
