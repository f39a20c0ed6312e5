//! Why the vault says no. No variant carries anything read from a row: not a value, not a line, not a header cell.

use std::io;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use glovebox_catalog::{DatasetId, SegmentId};
use parquet::errors::ParquetError;
use thiserror::Error;

use crate::segment::Fault;

/// Why the vault refused or failed.
#[derive(Debug, Error)]
pub enum VaultError {
    /// The operating system refused a read or write.
    #[error("the vault's storage failed: {0}")]
    Storage(#[source] io::Error),
    /// The disk is full, or a quota or file size limit is met.
    #[error("the vault's storage is full; free space, then repeat the operation")]
    NoSpace,
    /// A segment's bytes are not those that were written.
    #[error("segment `{segment}` is damaged: {fault}; restore it from a backup")]
    Damaged {
        /// Its name.
        segment: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// Another process has the vault open.
    #[error("the vault is in use by another process; stop it first")]
    InUse,
    /// There is something where a new vault was to be made.
    #[error("the folder for a new vault must be empty; open the vault that is there, or choose another folder")]
    NotEmpty,
    /// There is no vault in the folder.
    #[error(
        "there is no keyring in the vault's folder; create a vault, or restore `{}` from a backup",
        crate::keyring::FILE
    )]
    KeyringMissing,
    /// The keyring was made with another root key.
    #[error("the root key does not open this vault's keyring; check the passphrase file")]
    WrongRootKey,
    /// The keyring was changed by something other than the vault.
    #[error("the keyring is damaged: {what}; restore it from a backup")]
    KeyringDamaged {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The dataset has no data key: never ingested, or destroyed.
    #[error("there is no data key for dataset `{dataset}`: nothing was ingested, or it was destroyed")]
    NoDataKey {
        /// The dataset.
        dataset: DatasetId,
    },
    /// A key, nonce or random number could not be made.
    #[error("a cryptographic operation failed")]
    Cryptography,
    /// More than 2³² chunks.
    #[error("a segment holds at most 256 TiB")]
    SegmentTooLong,
    /// A read beyond the end of a segment.
    #[error("a read lies outside its segment")]
    OutsideSegment,
    /// The snapshot's number is taken.
    #[error("dataset `{dataset}` has a snapshot {number} already, or one is being ingested; use the next number")]
    SnapshotExists {
        /// The dataset.
        dataset: DatasetId,
        /// The number.
        number: u32,
    },
    /// No such snapshot on disk.
    #[error("dataset `{dataset}` has no snapshot {number} in the vault")]
    SnapshotMissing {
        /// The dataset.
        dataset: DatasetId,
        /// The number.
        number: u32,
    },
    /// What lies on disk is not what was published under this number.
    #[error("snapshot {number} of dataset `{dataset}` is not the one that was published: its digest differs")]
    SnapshotReplaced {
        /// The dataset.
        dataset: DatasetId,
        /// The number.
        number: u32,
    },
    /// Another ingestion of the same dataset is under way, or its snapshot waits to be published.
    #[error("another ingestion of dataset `{dataset}` is not finished; publish or discard it first")]
    IngestionUnderWay {
        /// The dataset.
        dataset: DatasetId,
    },
    /// The ids of a snapshot's persons are not there.
    #[error(
        "snapshot {number} of dataset `{dataset}` has no registry of its persons, without which releases can't be guarded \
         against one another; restore the snapshot from a backup, or ingest it again if it is of a version that kept none"
    )]
    RegistryMissing {
        /// The dataset.
        dataset: DatasetId,
        /// The number.
        number: u32,
    },
    /// Something sealed for a dataset does not open.
    #[error("a sealed `{label}` does not open: it was changed, or sealed for another place; restore it from a backup")]
    SealedDamaged {
        /// What it is.
        label: String,
    },
    /// The dataset's schema can't be ingested.
    #[error("the schema can't be ingested: {reason}")]
    Schema {
        /// Why; speaks of declarations alone.
        reason: String,
    },
    /// The source's columns are not the declared ones. Its own names are not repeated: a file without a header line
    /// has a person's values there.
    #[error(
        "the source's columns do not match the schema: declared but missing {missing:?}; \
         not declared or twice: columns number {unexpected:?} of the source"
    )]
    Columns {
        /// Declared fields that the source lacks.
        missing: Vec<String>,
        /// Positions, from 1, of columns that are not declared or come twice.
        unexpected: Vec<usize>,
    },
    /// Columns of a Parquet source whose type can't hold the declared one.
    #[error("columns {columns:?} of the source have a type that does not fit the schema")]
    ColumnTypes {
        /// Names of declared fields.
        columns: Vec<String>,
    },
    /// The source is not a file of its format.
    #[error("the source is not a sound {format} file; check that the upload is complete and of this format")]
    Source {
        /// The format.
        format: &'static str,
    },
    /// The source broke off.
    #[error("the source ended early or could not be read: {0:?}; upload it again")]
    SourceRead(io::ErrorKind),
    /// The caller cancelled.
    #[error("ingestion was cancelled; nothing was published")]
    Cancelled,
    /// A person key that does not tell persons apart.
    #[error(
        "one person has more than {rows_max} rows; check that `person_key` names the field that tells persons apart"
    )]
    TooManyRowsPerPerson {
        /// The limit.
        rows_max: u64,
    },
    /// More persons than an ordinal can number.
    #[error("a snapshot holds at most 2³² persons")]
    TooManyPersons,
    /// A permit names a column that the snapshot holds under another type, or not at all.
    #[error("column `{column}` of the permit does not fit the snapshot; ask for a grant on the present schema")]
    ColumnMismatch {
        /// The column.
        column: String,
    },
    /// The row filter does not fit the snapshot.
    #[error("the row filter does not fit the snapshot: {reason}")]
    Filter {
        /// Why; speaks of declarations alone.
        reason: String,
    },
    /// Reading or writing a table failed, though its bytes are sound.
    #[error("the table engine failed while {doing}")]
    Engine {
        /// What it was doing. The engine's own text may quote values, so it is dropped.
        doing: &'static str,
    },
    /// A worker of the vault stopped without an answer.
    #[error("a worker of the vault stopped unexpectedly")]
    Worker,
}

impl VaultError {
    pub(crate) fn damaged(segment: &SegmentId, fault: Fault) -> Self {
        Self::Damaged { segment: segment.to_string(), fault }
    }

    /// A fault met before the segment's name could be read.
    pub(crate) fn unplaced(fault: Fault) -> Self {
        Self::Damaged { segment: "(unreadable name)".into(), fault }
    }

    /// Carries this error through an interface that knows only `io::Error`; [`From<io::Error>`] takes it out again.
    pub(crate) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }

    /// Turns an error of the Parquet library into ours, `doing` what.
    pub(crate) fn parquet(error: ParquetError, doing: &'static str) -> Self {
        match error {
            ParquetError::External(inner) => Self::inner(inner, doing),
            _ => Self::Engine { doing },
        }
    }

    /// Turns an error of the Arrow library into ours, `doing` what.
    pub(crate) fn arrow(error: ArrowError, doing: &'static str) -> Self {
        match error {
            ArrowError::IoError(_, inner) => inner.into(),
            ArrowError::ExternalError(inner) => Self::inner(inner, doing),
            _ => Self::Engine { doing },
        }
    }

    /// Turns an error of DataFusion into ours, `doing` what.
    pub(crate) fn datafusion(error: DataFusionError, doing: &'static str) -> Self {
        match error {
            DataFusionError::ParquetError(inner) => Self::parquet(*inner, doing),
            DataFusionError::ArrowError(inner, _) => Self::arrow(*inner, doing),
            DataFusionError::IoError(inner) => inner.into(),
            DataFusionError::External(inner) => Self::inner(inner, doing),
            _ => Self::Engine { doing },
        }
    }

    fn inner(error: Box<dyn std::error::Error + Send + Sync>, doing: &'static str) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => *own,
            Err(other) => match other.downcast::<io::Error>() {
                Ok(io) => (*io).into(),
                Err(_) => Self::Engine { doing },
            },
        }
    }
}

impl From<io::Error> for VaultError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Self::NoSpace,
            io::ErrorKind::Other if error.get_ref().is_some_and(|inner| inner.is::<Self>()) => {
                match error.into_inner().map(|inner| inner.downcast::<Self>()) {
                    Some(Ok(own)) => *own,
                    _ => Self::Worker,
                }
            }
            _ => Self::Storage(error),
        }
    }
}

impl From<Fault> for VaultError {
    fn from(fault: Fault) -> Self {
        Self::unplaced(fault)
    }
}
