//! Ingestion: a stream of rows becomes a staged snapshot, encrypted, persons clustered, within a bound of memory.
//!
//! The caller's task reads the source; a blocking worker checks rows, sorts them by person through encrypted spills
//! and writes the table. Nothing of a row is written in the clear, and nothing of it reaches an error.

mod block;
mod csv;
mod intake;
mod parquet;
mod quarantine;
mod registry;
mod rows;
mod rule;
mod sorter;
mod source;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use cap_std::fs::Dir;
use glovebox_catalog::{Dataset, Snapshot, Timestamp};
use glovebox_gm::hkdf_sm3_256;
use tokio::io::AsyncRead;

use self::intake::Intake;
use self::source::Source;
use crate::segment::{DataKey, SegmentReader};
use crate::vault::StagingGuard;
use crate::{Vault, VaultError};

pub(crate) use rule::read_date;
pub(crate) use table::{PERSON, SCHEMA_KEY};

/// Format of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceFormat {
    /// RFC 4180 with a header line, UTF-8, with or without byte order mark. An empty field is a missing value; blank
    /// lines are no rows.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// How ingestion runs.
#[derive(Clone)]
pub struct IngestOptions {
    /// Bound on the memory that ingestion takes, in bytes; 16 MiB at least. Default: 256 MiB.
    pub memory_bytes: usize,
    /// Asked about once per 8192 rows; true ends the ingestion. Default: never.
    pub cancelled: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Told about once per 8192 rows. Default: nobody is.
    pub progress: Arc<dyn Fn(Progress) + Send + Sync>,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self { memory_bytes: 256 << 20, cancelled: Arc::new(|| false), progress: Arc::new(|_| ()) }
    }
}

/// How far an ingestion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Rows read.
    pub rows: u64,
    /// Bytes of the source read.
    pub bytes: u64,
    /// Rows set aside.
    pub quarantined: u64,
}

/// Why rows were set aside. No value of a row is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineReason {
    /// Stable code, e.g. `ingest.not-a-number`; docs/vault-format.md lists them.
    pub code: &'static str,
    /// The field at fault, when it was one.
    pub field: Option<String>,
    /// How many rows. A row counts once, for its first fault in the order of the schema.
    pub rows: u64,
    /// Number of the first such row in the source, from 1, without the header line.
    pub first_row: u64,
}

/// A snapshot that is complete on disk but not published.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Staged {
    /// As it will stand in the catalogue.
    pub snapshot: Snapshot,
    /// Missing values in published rows, by field; fields without any are left out.
    pub missing_values: BTreeMap<String, u64>,
    /// Why rows were set aside.
    pub quarantine: Vec<QuarantineReason>,
    /// Rows read: published plus set aside.
    pub rows_read: u64,
    /// Bytes of the source.
    pub bytes_read: u64,
}

impl Vault {
    /// Ingests `source` as snapshot `number` of `dataset`, up to but not including its publication.
    ///
    /// Rows that break a rule are set aside, counted and kept encrypted, never dropped: `rows_read` is the sum of
    /// published rows and those. When this fails or its future is dropped, nothing stays behind.
    ///
    /// # Errors
    /// [`VaultError::Columns`], [`VaultError::ColumnTypes`], [`VaultError::Source`], [`VaultError::SourceRead`] when
    /// the source is at fault; [`VaultError::NoSpace`]; [`VaultError::Cancelled`]; [`VaultError::SnapshotExists`];
    /// [`VaultError::TooManyRowsPerPerson`]; [`VaultError::IngestionUnderWay`]; [`VaultError::RegistryMissing`].
    pub async fn ingest(
        &self,
        dataset: &Dataset,
        number: u32,
        source: impl AsyncRead + Send + Unpin,
        format: SourceFormat,
        options: IngestOptions,
        now: Timestamp,
    ) -> Result<Staged, VaultError> {
        dataset.schema.check().map_err(|error| VaultError::Schema { reason: error.to_string() })?;
        let (key, dir) = self.stage(&dataset.id, &dataset.supplier, number)?;
        let guard = self.staging_guard(&dataset.id, number)?;
        let base = self.newest_registry(&dataset.id)?;
        let ingestion =
            Ingestion { base, dataset: dataset.clone(), number, key: Arc::new(key), dir: Arc::new(dir), options, now };
        let (feed, chunks) = source::channel();
        let worker = tokio::task::spawn_blocking(move || ingestion.run(chunks, format, guard));
        source::pump(source, feed).await;
        worker.await.map_err(|_| VaultError::Worker)?
    }
}

/// One ingestion, as its worker has it.
struct Ingestion {
    /// Registry of the snapshot before.
    base: Option<SegmentReader>,
    dataset: Dataset,
    number: u32,
    key: Arc<DataKey>,
    dir: Arc<Dir>,
    options: IngestOptions,
    now: Timestamp,
}

/// Where an ingestion writes, and the keys it writes under.
#[derive(Clone)]
struct Desk {
    dataset: Dataset,
    number: u32,
    key: Arc<DataKey>,
    dir: Arc<Dir>,
    memory_bytes: usize,
}

impl Ingestion {
    fn run(self, source: Source, format: SourceFormat, guard: StagingGuard) -> Result<Staged, VaultError> {
        let memory_bytes = self.options.memory_bytes.max(16 << 20);
        let desk = Desk { dataset: self.dataset, number: self.number, key: self.key, dir: self.dir, memory_bytes };
        // Persons are told apart, and ordered, by this keyed digest, so the order of the table says nothing of the key.
        let person_key = hkdf_sm3_256(&desk.key.key, desk.dataset.id.as_str().as_bytes(), b"glovebox vault persons");
        let mut intake = Intake::new(desk.clone(), person_key, self.base, self.options)?;
        let bytes_read = match format {
            SourceFormat::Csv => csv::read(source, &mut intake)?,
            SourceFormat::Parquet => parquet::read(source, &desk, &mut intake)?,
        };
        let staged = intake.finish(bytes_read, self.now)?;
        guard.keep();
        Ok(staged)
    }
}
