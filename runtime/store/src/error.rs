//! Why the store refuses.

use glovebox_audit::AuditError;
use glovebox_meter::{AccountHolder, EpsilonExhausted, Exhausted, PrivacyHolder};
use thiserror::Error;

/// Everything that can go wrong here.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process has the file open.
    #[error("the state file is in use by another process; stop that one first")]
    InUse,
    /// The file was written by a newer version.
    #[error("the state file was written by a newer version of Glovebox; run that version or newer")]
    NewerSchema,
    /// The file is not what was written.
    #[error("the state file is damaged or was tampered with: {what}; restore it from a backup and compare tree heads")]
    Corrupt {
        /// What does not fit.
        what: String,
    },
    /// The file is older than what was committed, or its counter was taken away.
    #[error(
        "the state file was put back to an older state: {what}; restore the newest state file and the counter beside it, or \
         everything that was spent since would be spent again"
    )]
    Behind {
        /// What does not fit.
        what: String,
    },
    /// A record of this id is there already.
    #[error("{kind} `{id}` exists already")]
    Exists {
        /// Kind of record.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// There is no such record.
    #[error("{kind} `{id}` does not exist")]
    NotFound {
        /// Kind of record.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// The record has changed since it was read, or stands in another state than expected.
    #[error("{kind} `{id}` is `{found}`, expected {expected}; read it again")]
    Conflict {
        /// Kind of record.
        kind: &'static str,
        /// Its id.
        id: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A budget does not suffice.
    #[error("{exhausted}")]
    Exhausted {
        /// What was asked for and what is allowed.
        exhausted: Exhausted,
        /// Whose budget it is.
        holder: AccountHolder,
    },
    /// A privacy account does not hold what was asked for.
    #[error("{exhausted}")]
    EpsilonExhausted {
        /// What was asked for and what is allowed.
        exhausted: EpsilonExhausted,
        /// Whose account it is.
        holder: PrivacyHolder,
    },
    /// The event can't be placed in the log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A cursor that no list gave out.
    #[error("`{cursor}` is no cursor of this list; start without one")]
    Cursor {
        /// The refused text.
        cursor: String,
    },
    /// A record can't be written or read as JSON.
    #[error("a record can't be written or read as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The database refused.
    #[error("the database refused: {0}")]
    Database(#[from] rusqlite::Error),
    /// The schema can't be brought up to date.
    #[error("the schema of the state file can't be brought up to date: {0}")]
    Migration(String),
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes; nothing was written")]
    Randomness,
    /// The file can't be opened.
    #[error("the state file can't be opened: {0}")]
    File(#[from] std::io::Error),
}

impl StoreError {
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }
}
