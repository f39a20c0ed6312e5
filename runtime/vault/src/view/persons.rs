//! Cuts a stream of rows between persons, so that no batch holds half of one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, RecordBatch, UInt32Array};
use arrow::compute::concat_batches;
use datafusion::execution::SendableRecordBatchStream;
use futures::{Stream, StreamExt};

use super::plan::Plan;
use super::{PlainBatch, scanning};
use crate::VaultError;
use crate::segment::SegmentReader;

const DOING: &str = "keeping persons together";

pub(super) struct PersonBatches {
    rows: SendableRecordBatchStream,
    plan: Arc<Plan>,
    segment: Arc<SegmentReader>,
    rows_read: Arc<AtomicU64>,
    /// Rows of the last person so far.
    held: Vec<RecordBatch>,
    last: Option<u32>,
    is_ended: bool,
}

impl PersonBatches {
    pub(super) fn new(
        rows: SendableRecordBatchStream,
        plan: Arc<Plan>,
        segment: Arc<SegmentReader>,
        rows_read: Arc<AtomicU64>,
    ) -> Self {
        Self { rows, plan, segment, rows_read, held: Vec::new(), last: None, is_ended: false }
    }

    /// The batches. Nothing follows an error.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<PlainBatch, VaultError>> + Send {
        futures::stream::try_unfold(
            self,
            |mut state| async move { Ok(state.next().await?.map(|batch| (batch, state))) },
        )
    }

    async fn next(&mut self) -> Result<Option<PlainBatch>, VaultError> {
        while !self.is_ended {
            let complete = match self.rows.next().await {
                Some(Ok(batch)) if batch.num_rows() == 0 => continue,
                Some(Ok(batch)) => self.take(&batch)?,
                Some(Err(error)) => return Err(scanning(&self.segment, error)),
                None => {
                    self.is_ended = true;
                    std::mem::take(&mut self.held)
                }
            };
            if !complete.is_empty() {
                return self.plain(&complete).map(Some);
            }
        }
        Ok(None)
    }

    /// Holds the last person of `batch` back; answers what is complete before it.
    fn take(&mut self, batch: &RecordBatch) -> Result<Vec<RecordBatch>, VaultError> {
        let ordinals = ordinals(batch)?.values();
        let disordered = VaultError::Engine { doing: DOING };
        let (Some(first), Some(last)) = (ordinals.first(), ordinals.last()) else { return Ok(Vec::new()) };
        if !ordinals.is_sorted() || self.last.is_some_and(|before| before > *first) {
            return Err(disordered);
        }
        let cut = ordinals.partition_point(|ordinal| ordinal < last);
        let continues = self.last == Some(*last);
        self.last = Some(*last);
        if continues && cut == 0 {
            self.held.push(batch.clone());
            return Ok(Vec::new());
        }
        let mut complete = std::mem::take(&mut self.held);
        if cut > 0 {
            complete.push(batch.slice(0, cut));
        }
        self.held.push(batch.slice(cut, batch.num_rows() - cut));
        Ok(complete)
    }

    fn plain(&self, complete: &[RecordBatch]) -> Result<PlainBatch, VaultError> {
        let whole = match complete {
            [one] => one.clone(),
            several => {
                let schema = several.first().map(RecordBatch::schema).ok_or(VaultError::Worker)?;
                concat_batches(&schema, several).map_err(|error| VaultError::arrow(error, DOING))?
            }
        };
        self.rows_read.fetch_add(whole.num_rows() as u64, Ordering::Relaxed);
        Ok(PlainBatch { ordinals: ordinals(&whole)?.values().to_vec(), columns: self.plan.turn(&whole)? })
    }
}

fn ordinals(batch: &RecordBatch) -> Result<&UInt32Array, VaultError> {
    let column = batch.columns().first().and_then(|column| column.as_any().downcast_ref());
    column.ok_or(VaultError::Engine { doing: DOING })
}
