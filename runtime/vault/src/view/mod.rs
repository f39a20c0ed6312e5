//! Views: what a permit opens. Granted columns of the rows that pass the filter, persons together, each with an ordinal.

mod object;
mod persons;
mod plan;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::{Stream, TryStreamExt};
use glovebox_catalog::{DatasetId, Schema};
use glovebox_policy::Permit;
use parquet::file::metadata::ParquetMetaDataReader;

use self::object::{LOCATION, STORE_URL, TableObject};
use self::persons::PersonBatches;
use self::plan::Plan;
use crate::ingest::SCHEMA_KEY;
use crate::segment::{Fault, Kind, SegmentChunks, SegmentReader};
use crate::vault::snapshot_digest;
use crate::{Vault, VaultError};

/// Bytes read at the end of the table for its footer; less than one chunk, so that small reads stay small.
const FOOTER_HINT_BYTES: usize = 32 * 1024;

/// The rows that one permit opens. No `Debug`, no `Serialize`: values leave it only as a [`PlainBatch`].
///
/// ```compile_fail,E0277
/// fn print(view: &glovebox_vault::View) {
///     println!("{view:?}");
/// }
/// ```
pub struct View {
    dataset: DatasetId,
    number: u32,
    persons: u64,
    ids: Option<Arc<SegmentReader>>,
    segment: Arc<SegmentReader>,
    plan: Arc<Plan>,
    rows_read: Arc<AtomicU64>,
}

/// Some persons' rows in the clear, all rows of each. No `Debug`, no `Serialize`.
///
/// ```compile_fail,E0277
/// fn print(batch: &glovebox_vault::PlainBatch) {
///     println!("{batch:?}");
/// }
/// ```
///
/// ```compile_fail,E0451
/// fn forge(from: glovebox_vault::PlainBatch) -> glovebox_vault::PlainBatch {
///     glovebox_vault::PlainBatch { ordinals: Vec::new(), ..from }
/// }
/// ```
pub struct PlainBatch {
    ordinals: Vec<u32>,
    columns: RecordBatch,
}

impl PlainBatch {
    /// The person of each row: ascending, a person's rows side by side, never shown to a guest.
    #[must_use]
    pub fn ordinals(&self) -> &[u32] {
        &self.ordinals
    }

    /// The permit's columns, in its order and types: boolean `Boolean`, int64 `Int64`, float64 `Float64`, date `Date32`,
    /// code `Int32` with the index in the manifest's list.
    #[must_use]
    pub fn columns(&self) -> &RecordBatch {
        &self.columns
    }
}

/// Ids of a snapshot's persons, by ordinal. No id is ever given to another: a person who was withdrawn keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonIds {
    /// The person's id.
    pub persons: Arc<[u32]>,
    /// The id of the person's rows as they stand in this snapshot. The first version of a person has the person's id.
    pub versions: Arc<[u32]>,
    /// Where the person stands between 0 and 2^32, ascending: by a keyed digest of the person alone, so that nobody's
    /// place depends on who else is there. Blocks of persons are cut by it.
    pub places: Arc<[u32]>,
}

/// What a view has read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ViewMeters {
    /// Rows handed out.
    pub rows_read: u64,
    /// Bytes of the table that were decrypted.
    pub bytes_decrypted: u64,
}

/// The batches of a view.
pub type Batches = Pin<Box<dyn Stream<Item = Result<PlainBatch, VaultError>> + Send>>;

impl Vault {
    /// Opens what `permit` grants, and nothing else.
    ///
    /// # Errors
    /// [`VaultError::SnapshotMissing`], [`VaultError::SnapshotReplaced`] when the segments are not those that were
    /// published, [`VaultError::Damaged`], [`VaultError::NoDataKey`], [`VaultError::ColumnMismatch`],
    /// [`VaultError::Filter`].
    pub fn open_view(&self, permit: &Permit) -> Result<View, VaultError> {
        let snapshot = permit.snapshot();
        let segments = self.segments(&snapshot.dataset, snapshot.number)?;
        let digests = segments.iter().map(|segment| (segment.header().segment.as_str(), segment.digest()));
        if snapshot_digest(digests) != snapshot.digest_sm3 {
            return Err(VaultError::SnapshotReplaced { dataset: snapshot.dataset.clone(), number: snapshot.number });
        }
        let of_kind = |kind| segments.iter().find(|segment| segment.header().kind == kind).map(Arc::clone);
        let segment = of_kind(Kind::Table).ok_or(VaultError::Worker)?;
        let ids = of_kind(Kind::Persons);
        let schema = stored_schema(&segment)?;
        let plan = Arc::new(Plan::new(permit.columns(), permit.filter(), &schema)?);
        let (dataset, number, persons) = (snapshot.dataset.clone(), snapshot.number, snapshot.persons);
        Ok(View { dataset, number, persons, ids, segment, plan, rows_read: Arc::new(AtomicU64::new(0)) })
    }
}

impl View {
    /// Columns of every batch, without the ordinals.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }

    /// The rows, in the order of their persons' ordinals. Runs on the tokio runtime that polls it.
    #[must_use]
    pub fn batches(&self) -> Batches {
        let (segment, plan) = (Arc::clone(&self.segment), Arc::clone(&self.plan));
        let rows_read = Arc::clone(&self.rows_read);
        let opened = async move {
            let rows = scan(&segment, &plan).await.map_err(|error| scanning(&segment, error))?;
            Ok::<_, VaultError>(PersonBatches::new(rows, plan, segment, rows_read).into_stream())
        };
        Box::pin(futures::stream::once(opened).try_flatten())
    }

    /// Ids of the snapshot's persons that mean the same in every snapshot of the dataset. 12 bytes a person.
    ///
    /// # Errors
    /// [`VaultError::RegistryMissing`] for a snapshot of a version that kept none; [`VaultError::Damaged`].
    pub fn person_ids(&self) -> Result<PersonIds, VaultError> {
        let missing = || VaultError::RegistryMissing { dataset: self.dataset.clone(), number: self.number };
        let segment = self.ids.as_ref().ok_or_else(missing)?;
        let bytes = segment.read_range(0..segment.length())?;
        let (entries, rest) = bytes.as_chunks::<12>();
        if !rest.is_empty() || entries.len() as u64 != self.persons {
            return Err(VaultError::damaged(&segment.header().segment, Fault::Contents));
        }
        let numbers = |at: usize| -> Arc<[u32]> {
            let number = |entry: &[u8; 12]| {
                let bytes = entry.iter().skip(4 * at).take(4).rev();
                bytes.fold(0_u32, |number, byte| (number << 8) | u32::from(*byte))
            };
            entries.iter().map(number).collect()
        };
        Ok(PersonIds { persons: numbers(0), versions: numbers(1), places: numbers(2) })
    }

    /// What was read so far.
    #[must_use]
    pub fn meters(&self) -> ViewMeters {
        ViewMeters {
            rows_read: self.rows_read.load(Ordering::Relaxed),
            bytes_decrypted: self.segment.bytes_decrypted(),
        }
    }
}

/// The schema with which the table was ingested, from its footer: authenticated, whatever the catalogue says by now.
fn stored_schema(segment: &Arc<SegmentReader>) -> Result<Schema, VaultError> {
    const DOING: &str = "reading the table's footer";
    let metadata = ParquetMetaDataReader::new()
        .parse_and_finish(&SegmentChunks(Arc::clone(segment)))
        .map_err(|error| segment.fault().unwrap_or_else(|| VaultError::parquet(error, DOING)))?;
    let pairs = metadata.file_metadata().key_value_metadata().map(Vec::as_slice).unwrap_or_default();
    let json = pairs.iter().find(|pair| pair.key == SCHEMA_KEY).and_then(|pair| pair.value.as_deref());
    json.and_then(|json| serde_json::from_str(json).ok()).ok_or(VaultError::Engine { doing: DOING })
}

async fn scan(
    segment: &Arc<SegmentReader>,
    plan: &Plan,
) -> Result<SendableRecordBatchStream, datafusion::error::DataFusionError> {
    // One partition keeps the order of the ordinals. The scan skips pages that the filter rules out, and no operator of
    // this plan spills; should one try, there is no disk for it.
    let mut config = SessionConfig::new().with_target_partitions(1).with_collect_statistics(false);
    let parquet = &mut config.options_mut().execution.parquet;
    parquet.pushdown_filters = true;
    parquet.metadata_size_hint = Some(FOOTER_HINT_BYTES);
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let runtime = Arc::new(RuntimeEnvBuilder::new().with_disk_manager_builder(disk).build()?);
    let state = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).build();
    let context = SessionContext::new_with_state(state);
    let url = ObjectStoreUrl::parse(STORE_URL)?;
    context.register_object_store(url.as_ref(), Arc::new(TableObject::new(Arc::clone(segment))));
    let table = context.read_parquet(format!("{STORE_URL}/{LOCATION}"), ParquetReadOptions::default()).await?;
    plan.apply(table)?.execute_stream().await
}

/// An error of the scan: what the segment found on its way has the last word.
fn scanning(segment: &SegmentReader, error: datafusion::error::DataFusionError) -> VaultError {
    segment.fault().unwrap_or_else(|| VaultError::datafusion(error, "scanning the table"))
}
