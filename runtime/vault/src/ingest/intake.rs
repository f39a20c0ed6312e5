//! Where every row of a source ends: in the sorter, or in quarantine. Counts both, so that none is lost.

use std::collections::BTreeMap;

use glovebox_catalog::{Snapshot, Timestamp};
use glovebox_gm::Key256;

use super::block::Block;
use super::quarantine::Quarantine;
use super::registry::Registrar;
use super::rule::{Cell, RowFault, Rules};
use super::sorter::Sorter;
use super::table::TableWriter;
use super::{Desk, IngestOptions, Progress, Staged};
use crate::segment::SegmentReader;
use crate::vault::snapshot_digest;
use crate::{VaultError, folder};

const BLOCK_ROWS: usize = 8192;
/// Rows between two reports of progress and two questions whether to stop.
const REPORT_ROWS: u64 = 8192;

pub(super) struct Intake {
    pub(super) rules: Rules,
    desk: Desk,
    options: IngestOptions,
    block: Block,
    sorter: Sorter,
    registrar: Registrar,
    quarantine: Quarantine,
    missing: Vec<u64>,
    rows_read: u64,
}

impl Intake {
    pub(super) fn new(
        desk: Desk,
        person_key: Key256,
        base: Option<SegmentReader>,
        options: IngestOptions,
    ) -> Result<Self, VaultError> {
        let rules = Rules::new(&desk.dataset.schema);
        Ok(Self {
            block: Block::new(&desk.dataset.schema, person_key),
            sorter: Sorter::new(desk.clone()),
            registrar: Registrar::new(&desk, base)?,
            quarantine: Quarantine::new(desk.clone()),
            missing: vec![0; rules.fields.len()],
            rows_read: 0,
            rules,
            desk,
            options,
        })
    }

    /// Takes a sound row: one cell a field, in the order of the schema.
    pub(super) fn accept(&mut self, cells: &[Cell<'_>], bytes_read: u64) -> Result<(), VaultError> {
        let mut number = [0; 8];
        let person = canonical(cells.get(self.rules.person_key), &mut number);
        for (count, cell) in self.missing.iter_mut().zip(cells) {
            *count += u64::from(matches!(cell, Cell::Missing));
        }
        self.block.push(person, cells)?;
        // Text is bounded with the rest of the memory.
        if self.block.rows() == BLOCK_ROWS || self.block.text_bytes() > self.desk.memory_bytes / 16 {
            self.sorter.push(self.block.take()?)?;
        }
        self.count(bytes_read)
    }

    /// Sets a row aside.
    pub(super) fn set_aside(&mut self, fault: RowFault, line: &[u8], bytes_read: u64) -> Result<(), VaultError> {
        self.quarantine.set_aside(self.rows_read + 1, fault, line)?;
        self.count(bytes_read)
    }

    /// Keeps a piece of the row that comes next, which is too long to be held whole and will be set aside.
    pub(super) fn keep_piece(&mut self, line: &[u8]) -> Result<(), VaultError> {
        self.quarantine.keep_piece(self.rows_read + 1, line)
    }

    /// Writes the table and closes every segment.
    pub(super) fn finish(mut self, bytes_read: u64, now: Timestamp) -> Result<Staged, VaultError> {
        let options = self.options.clone();
        let check = move || if (options.cancelled)() { Err(VaultError::Cancelled) } else { Ok(()) };
        if self.block.rows() > 0 {
            self.sorter.push(self.block.take()?)?;
        }
        let mut table = TableWriter::new(&self.desk)?;
        self.sorter.finish(&mut |batch| {
            check()?;
            self.registrar.take(batch)?;
            table.write(batch)
        })?;
        let (rows, persons, table) = table.finish()?;
        let (ids, registry) = self.registrar.finish()?;
        let quarantined_rows = self.quarantine.rows();
        let (quarantine, aside) = self.quarantine.finish(&self.rules)?;
        if rows + quarantined_rows != self.rows_read {
            return Err(VaultError::Worker);
        }
        let segments = [("table", table), ("persons", ids), ("registry", registry)];
        let segments = segments.into_iter().chain(aside.map(|aside| ("quarantine", aside)));
        let snapshot = Snapshot {
            dataset: self.desk.dataset.id.clone(),
            number: self.desk.number,
            rows,
            persons,
            quarantined_rows,
            digest_sm3: snapshot_digest(segments.clone().map(|(name, sealed)| (name, sealed.digest))),
            size_bytes: segments.map(|(_, sealed)| sealed.file_bytes).sum(),
            published_at: now,
        };
        folder::sync_dir(&self.desk.dir)?;
        let missing_values: BTreeMap<_, _> = self
            .rules
            .fields
            .iter()
            .map(|rule| rule.name.clone())
            .zip(self.missing)
            .filter(|(_, count)| *count > 0)
            .collect();
        Ok(Staged { snapshot, missing_values, quarantine, rows_read: self.rows_read, bytes_read })
    }

    fn count(&mut self, bytes: u64) -> Result<(), VaultError> {
        self.rows_read += 1;
        if self.rows_read.is_multiple_of(REPORT_ROWS) {
            if (self.options.cancelled)() {
                return Err(VaultError::Cancelled);
            }
            (self.options.progress)(Progress { rows: self.rows_read, bytes, quarantined: self.quarantine.rows() });
        }
        Ok(())
    }
}

/// The one form of a person key that is digested, one per type; a table has one type of person key.
fn canonical<'a>(key: Option<&'a Cell<'_>>, number: &'a mut [u8; 8]) -> &'a [u8] {
    match key {
        Some(Cell::Text(text)) => text.as_bytes(),
        Some(Cell::Int64(value)) => bytes_of(number, value.to_le_bytes()),
        Some(Cell::Date(value) | Cell::Code(value)) => bytes_of(number, i64::from(*value).to_le_bytes()),
        Some(Cell::Float64(value)) => bytes_of(number, value.to_bits().to_le_bytes()),
        Some(Cell::Boolean(value)) => bytes_of(number, u64::from(*value).to_le_bytes()),
        Some(Cell::Missing) | None => &[],
    }
}

fn bytes_of(into: &mut [u8; 8], bytes: [u8; 8]) -> &[u8] {
    *into = bytes;
    into
}
