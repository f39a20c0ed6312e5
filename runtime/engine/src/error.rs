//! Why a use case did not happen.

use glovebox_catalog::Refusal;
use glovebox_store::StoreError;
use glovebox_vault::VaultError;
use thiserror::Error;

/// Why a use case did not happen. The server maps each variant to one HTTP status.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The caller may not do this, or not in this state. Every reason has a code and a remedy.
    #[error("refused: {}", codes(.0))]
    Refused(Vec<Refusal>),
    /// Nothing of that kind has that id, or the caller may not know that it exists.
    #[error("no {what} `{id}` that you may see; list them to find the right id")]
    NotFound {
        /// Kind of thing.
        what: &'static str,
        /// The id asked for.
        id: String,
    },
    /// The thing exists already, or is in a state that does not allow this.
    #[error("conflict: {0}")]
    Conflict(Refusal),
    /// The request is well-formed but can't be meant.
    #[error("invalid: {}", codes(.0))]
    Invalid(Vec<Refusal>),
    /// Too much is waiting already.
    #[error("busy: {reason}; try again in {retry_after_seconds} s")]
    Busy {
        /// When to try again.
        retry_after_seconds: u32,
        /// What is full.
        reason: Refusal,
    },
    /// The disk of the enclave is full; nothing was changed.
    #[error("the enclave's storage is full; nothing was changed, ask the operator to free space")]
    StorageFull,
    /// A fault of the enclave. The text is for the operator's log alone.
    #[error("internal: {0}")]
    Internal(String),
}

fn codes(reasons: &[Refusal]) -> String {
    reasons.iter().map(|reason| reason.code.as_str()).collect::<Vec<_>>().join(", ")
}

impl EngineError {
    /// One reason for a refusal.
    #[must_use]
    pub fn refused(reason: Refusal) -> Self {
        Self::Refused(vec![reason])
    }

    /// One fault of a request.
    #[must_use]
    pub fn invalid(code: &str, rule: impl Into<String>, place: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Invalid(vec![Refusal::new(code, rule, place, remedy)])
    }

    /// A fault of the enclave, with the error that caused it.
    #[must_use]
    pub fn internal(what: &str, error: impl std::fmt::Display) -> Self {
        Self::Internal(format!("{what}: {error}"))
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        let place = |kind: &str, id: &str| format!("{kind} `{id}`");
        match error {
            StoreError::Exists { kind, id } => {
                let rule = "an id names one thing for good";
                Self::Conflict(Refusal::new("request.id-taken", rule, place(kind, &id), "choose another id"))
            }
            StoreError::NotFound { kind, id } => Self::NotFound { what: kind, id },
            StoreError::Conflict { kind, id, expected, found } => {
                let rule = format!("expected {expected}, found {found}");
                Self::Conflict(Refusal::new("request.changed-meanwhile", rule, place(kind, &id), "read it again"))
            }
            StoreError::Exhausted { exhausted, holder } => Self::Refused(vec![exhausted.refusal(holder)]),
            StoreError::EpsilonExhausted { exhausted, holder } => Self::Refused(vec![exhausted.refusal(holder)]),
            StoreError::Cursor { .. } => {
                let rule = "a cursor comes from the page before";
                Self::invalid("request.cursor", rule, "cursor", "start without one")
            }
            error if is_full(&error) => Self::StorageFull,
            error => Self::internal("the store", error),
        }
    }
}

fn is_full(error: &StoreError) -> bool {
    match error {
        StoreError::Database(error) => error.to_string().contains("database or disk is full"),
        StoreError::File(error) => error.kind() == std::io::ErrorKind::StorageFull,
        _ => false,
    }
}

impl From<VaultError> for EngineError {
    fn from(error: VaultError) -> Self {
        let source_at_fault = |code: &str, error: &VaultError| {
            Self::invalid(
                code,
                error.to_string(),
                "the source",
                "correct the file and ingest it again; nothing was published",
            )
        };
        match &error {
            VaultError::NoSpace => Self::StorageFull,
            VaultError::Columns { .. } => source_at_fault("ingest.columns", &error),
            VaultError::ColumnTypes { .. } => source_at_fault("ingest.column-types", &error),
            VaultError::Source { .. } => source_at_fault("ingest.source-damaged", &error),
            VaultError::SourceRead(_) => source_at_fault("ingest.source-broken-off", &error),
            VaultError::TooManyRowsPerPerson { .. } => source_at_fault("ingest.too-many-rows-per-person", &error),
            VaultError::Schema { .. } => source_at_fault("catalog.schema", &error),
            VaultError::SnapshotExists { .. } => {
                let rule = "one ingestion of a dataset at a time";
                let remedy = "wait for the other to end";
                Self::Conflict(Refusal::new("ingest.under-way", rule, "the dataset", remedy))
            }
            _ => Self::internal("the vault", error),
        }
    }
}
