//! Sorts rows by person within a bound of memory: what does not fit is split by the person's digest into encrypted
//! spill segments, and each of those is sorted in turn, split again when it does not fit either.
//!
//! The digest is keyed, so no choice of person keys makes the split uneven. Within a person the source's order stays.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{interleave_record_batch, take_record_batch};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use super::Desk;
use super::block::{PERSON_BYTES, Person, person_at, persons};
use crate::segment::{DataKey, Kind, SegmentCursor, SegmentReader, SegmentWriter};
use crate::{VaultError, folder};

/// Parts of one split: five bits of the digest a level, so 25 levels take all of it.
const PARTS: usize = 32;
const PART_BITS: u32 = 5;
/// Rows of a sorted batch.
const BATCH_ROWS: usize = 8192;
/// Share of the memory bound for rows that wait to be sorted; the rest is for the table being written, the spills'
/// buffers, the batch in hand and the queue of the source.
const WAITING_SHARE: usize = 4;

type Emit<'a> = dyn FnMut(&RecordBatch) -> Result<(), VaultError> + 'a;

pub(super) struct Sorter {
    desk: Desk,
    /// Name of the spill that is being sorted; children add their number to it.
    name: String,
    level: u32,
    waiting: Vec<RecordBatch>,
    waiting_bytes: usize,
    spills: Vec<Spill>,
}

/// One part of a split, being written.
struct Spill {
    name: String,
    stream: StreamWriter<SegmentWriter>,
    /// The only person in it, or none when there are several.
    only: Option<Person>,
    is_empty: bool,
}

impl Sorter {
    pub(super) fn new(desk: Desk) -> Self {
        Self::at(desk, "spill".into(), 0)
    }

    fn at(desk: Desk, name: String, level: u32) -> Self {
        Self { desk, name, level, waiting: Vec::new(), waiting_bytes: 0, spills: Vec::new() }
    }

    /// Adds rows.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<(), VaultError> {
        self.waiting_bytes += rows_bytes(&batch)?;
        self.waiting.push(batch);
        if self.waiting_bytes > self.desk.memory_bytes / WAITING_SHARE { self.spill() } else { Ok(()) }
    }

    /// Emits every row, persons together and in the order of their digests.
    pub(super) fn finish(mut self, emit: &mut Emit<'_>) -> Result<(), VaultError> {
        if self.spills.is_empty() {
            return emit_sorted(&std::mem::take(&mut self.waiting), emit);
        }
        self.spill()?;
        let mut closed = Vec::with_capacity(PARTS);
        for mut spill in self.spills.drain(..) {
            spill.stream.finish().map_err(spilling)?;
            let stream = spill.stream.into_inner().map_err(spilling)?;
            stream.finish(false)?;
            if !spill.is_empty {
                closed.push((spill.name.clone(), spill.only.is_some()));
            } else {
                self.desk.dir.remove_file(&spill.name)?;
            }
        }
        for (name, is_one_person) in closed {
            let rows = read_spill(&self.desk, &name)?;
            if is_one_person {
                // Nothing to sort, and perhaps too much to hold.
                for batch in rows {
                    emit(&batch.map_err(spilling)?)?;
                }
            } else {
                let mut part = Self::at(self.desk.clone(), name.clone(), self.level + 1);
                for batch in rows {
                    part.push(batch.map_err(spilling)?)?;
                }
                part.finish(emit)?;
            }
            self.desk.dir.remove_file(&name)?;
        }
        Ok(())
    }

    /// Moves the waiting rows into the spills of their persons.
    fn spill(&mut self) -> Result<(), VaultError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let Some(first) = waiting.first() else { return Ok(()) };
        while self.spills.len() < PARTS {
            let name = format!("{}-{}", self.name, self.spills.len());
            let header = self.desk.header(Kind::Spill, &name)?;
            let file = folder::create_file(&self.desk.dir, &name)?;
            let segment = SegmentWriter::new(file, &self.desk.key, &header)?;
            let stream = StreamWriter::try_new(segment, &first.schema()).map_err(spilling)?;
            self.spills.push(Spill { name, stream, only: None, is_empty: true });
        }
        for batch in waiting {
            let digests = persons(&batch)?;
            let mut rows_of = vec![Vec::new(); PARTS];
            for row in 0..batch.num_rows() {
                let person = person_at(digests, row);
                let part = self.part(&person);
                if let (Some(rows), Some(spill)) = (rows_of.get_mut(part), self.spills.get_mut(part)) {
                    rows.push(u32::try_from(row).map_err(|_| VaultError::Worker)?);
                    spill.only = if spill.is_empty { Some(person) } else { spill.only.filter(|only| *only == person) };
                    spill.is_empty = false;
                }
            }
            for (rows, spill) in rows_of.into_iter().zip(&mut self.spills).filter(|(rows, _)| !rows.is_empty()) {
                let part = take_record_batch(&batch, &UInt32Array::from(rows)).map_err(spilling)?;
                spill.stream.write(&part).map_err(spilling)?;
            }
        }
        Ok(())
    }

    fn part(&self, person: &Person) -> usize {
        let bits = u128::from_be_bytes(*person) << (self.level * PART_BITS).min(127);
        usize::try_from(bits >> (8 * PERSON_BYTES as u32 - PART_BITS)).unwrap_or(0)
    }
}

/// Bytes of the rows themselves. Batches read back share one buffer, which `get_array_memory_size` counts once a column.
fn rows_bytes(batch: &RecordBatch) -> Result<usize, VaultError> {
    let bytes = batch.columns().iter().map(|column| column.to_data().get_slice_memory_size());
    bytes.sum::<Result<usize, _>>().map_err(spilling)
}

fn emit_sorted(batches: &[RecordBatch], emit: &mut Emit<'_>) -> Result<(), VaultError> {
    let mut order: Vec<(u128, u32, u32)> = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for (number, batch) in (0..).zip(batches) {
        let digests = persons(batch)?;
        let rows = u32::try_from(batch.num_rows()).map_err(|_| VaultError::Worker)?;
        order.extend((0..rows).map(|row| (u128::from_be_bytes(person_at(digests, row as usize)), number, row)));
    }
    // Batch and row numbers keep the source's order within a person.
    order.sort_unstable();
    let sources: Vec<&RecordBatch> = batches.iter().collect();
    for part in order.chunks(BATCH_ROWS) {
        let places: Vec<(usize, usize)> = part.iter().map(|(_, batch, row)| (*batch as usize, *row as usize)).collect();
        emit(&interleave_record_batch(&sources, &places).map_err(spilling)?)?;
    }
    Ok(())
}

fn read_spill(desk: &Desk, name: &str) -> Result<StreamReader<SegmentCursor>, VaultError> {
    let own = || DataKey { id: desk.key.id, key: desk.key.key.clone() };
    let reader = SegmentReader::open(desk.dir.open(name)?, |_| Ok(own()))?;
    StreamReader::try_new(SegmentCursor::new(Arc::new(reader), 0), None).map_err(spilling)
}

fn spilling(error: arrow::error::ArrowError) -> VaultError {
    VaultError::arrow(error, "sorting rows by person")
}
