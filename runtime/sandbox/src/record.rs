//! Records as a guest returns them, and the contributions that they make up.

use std::ops::Range;

use glovebox_catalog::{Isolation, JobManifest};

use crate::run::canonical;
use crate::{ContributionSink, RunError};

/// Bytes of a record in a guest's memory.
pub(crate) const RECORD_BYTES: usize = 16;

/// One record: a contribution, or one value of a contribution that has several.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    pub(crate) output: u32,
    pub(crate) cell: u32,
    pub(crate) value: f64,
}

/// Records as they lie in a guest's memory.
pub(crate) fn records(bytes: &[u8]) -> Vec<Record> {
    let (words, _) = bytes.as_chunks::<4>();
    let (records, _) = words.as_chunks::<4>();
    let record = |[output, cell, low, high]: &[[u8; 4]; 4]| Record {
        output: u32::from_le_bytes(*output),
        cell: u32::from_le_bytes(*cell),
        value: f64::from_bits(u64::from(u32::from_le_bytes(*high)) << 32 | u64::from(u32::from_le_bytes(*low))),
    };
    records.iter().map(record).collect()
}

/// What contributions to one output look like.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Cells that a guest can address.
    cells: u32,
    /// Values of a contribution.
    values: u32,
    /// Contributions of one unit at most: a block has one estimate for each output.
    once: bool,
}

/// The shape of each output.
pub(crate) fn shapes(manifest: &JobManifest) -> Vec<Shape> {
    let shape = |output: &glovebox_catalog::Output| {
        let (cells, values) = match manifest.isolation {
            // A row of a table is no contribution: its cells come one by one.
            Isolation::Cohort => (manifest.cell_count(output), 1),
            _ => (manifest.guest_cell_count(output), output.reducer.value_count()),
        };
        let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Shape { cells: small(cells), values: small(values), once: manifest.isolation == Isolation::Block }
    };
    manifest.outputs.iter().map(shape).collect()
}

/// The contributions that records make up.
pub(crate) struct Contributions {
    /// Output, cell, and where its values lie.
    parts: Vec<(u32, u32, Range<usize>)>,
    values: Vec<f64>,
}

/// Reads records as contributions: a reducer of n > 1 values takes n records in a row, with cell numbers
/// `cell * n + k` for k = 0, 1, … n - 1. None when any record names no output or cell, stands
/// out of place, or is a block's second estimate.
pub(crate) fn contributions(shapes: &[Shape], records: &[Record]) -> Option<Contributions> {
    let mut found = Contributions { parts: Vec::new(), values: Vec::with_capacity(records.len()) };
    let mut rest = records;
    while let Some(first) = rest.first() {
        let shape = shapes.get(first.output as usize)?;
        let count = shape.values.max(1);
        let cell = first.cell / count;
        let (group, after) = rest.split_at_checked(count as usize)?;
        // Before any arithmetic with it: a guest's numbers may overflow.
        if cell >= shape.cells {
            return None;
        }
        let mut numbers = (0..count).zip(group).map(|(value, record)| (record, cell * count + value));
        if !numbers.all(|(record, number)| (record.output, record.cell) == (first.output, number)) {
            return None;
        }
        if shape.once && found.parts.iter().any(|(output, ..)| *output == first.output) {
            return None;
        }
        let start = found.values.len();
        if shape.values > 0 {
            found.values.extend(group.iter().map(|record| canonical(record.value)));
        }
        found.parts.push((first.output, cell, start..found.values.len()));
        rest = after;
    }
    Some(found)
}

impl Contributions {
    /// Hands them to the sink.
    pub(crate) fn pass_on(self, unit: u32, sink: &mut dyn ContributionSink) -> Result<(), RunError> {
        for (output, cell, values) in self.parts {
            sink.contribute(unit, output, cell, self.values.get(values).unwrap_or_default())?;
        }
        Ok(())
    }
}
