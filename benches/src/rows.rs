//! Rows of three columns of 8 bytes, the kernel that sums them natively, and sinks for what a guest makes of them.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use glovebox_catalog::JobManifest;
use glovebox_gate::{Contribution, Reduction};
use glovebox_sandbox::{ContributionSink, SinkError};

/// Groups of the column `group`.
pub const GROUPS: usize = 16;
/// Rows of one batch, as a view gives them.
pub const ROWS_PER_BATCH: usize = 65_536;

/// A batch that is given again and again, and the persons of all these rows.
pub struct Rows {
    /// Columns `group`, `filter` and `x`.
    pub batch: RecordBatch,
    /// A person per row, ascending.
    pub persons: Vec<u32>,
}

impl Rows {
    /// `batches` batches with `rows_per_person` rows a person. Three rows in four pass the filter, without a pattern.
    ///
    /// # Errors
    /// When the columns make no batch.
    pub fn new(batches: usize, rows_per_person: usize) -> Result<Self> {
        let mut draw = Draw::new();
        let group = Int64Array::from_iter_values((0..ROWS_PER_BATCH).map(|_| draw.below(GROUPS as u32).into()));
        let filter = Float64Array::from_iter_values((0..ROWS_PER_BATCH).map(|_| draw.unit()));
        let x = Float64Array::from_iter_values((0..ROWS_PER_BATCH).map(|_| draw.unit()));
        let columns: [(&str, ArrayRef); 3] =
            [("group", Arc::new(group)), ("filter", Arc::new(filter)), ("x", Arc::new(x))];
        let rows_per_person = u32::try_from(rows_per_person)?;
        let persons = (0..u32::try_from(ROWS_PER_BATCH * batches)?).map(|row| row / rows_per_person).collect();
        Ok(Self { batch: RecordBatch::try_from_iter(columns)?, persons })
    }

    /// How many rows there are over all batches.
    #[must_use]
    pub fn len(&self) -> usize {
        self.persons.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.persons.is_empty()
    }

    /// What the `row` guest and a plain sink come to, written in Rust over the same columns.
    ///
    /// # Errors
    /// When the batch is not the one of [`Rows::new`].
    pub fn native_sums(&self) -> Result<[f64; GROUPS]> {
        let column = |index: usize| self.batch.columns().get(index).context("three columns");
        let group = column(0)?.as_primitive::<Int64Type>().values();
        let filter = column(1)?.as_primitive::<Float64Type>().values();
        let x = column(2)?.as_primitive::<Float64Type>().values();
        let mut sums = [0.0; GROUPS];
        for _ in 0..self.len() / ROWS_PER_BATCH {
            for ((group, filter), x) in black_box(group).iter().zip(filter.iter()).zip(x.iter()) {
                if *filter > 0.25
                    && let Some(sum) = sums.get_mut(*group as usize)
                {
                    *sum += x;
                }
            }
        }
        Ok(sums)
    }
}

/// Adds up by cell and nothing else: the least that a sink can do.
pub struct Sums(pub [f64; GROUPS]);

impl ContributionSink for Sums {
    fn contribute(&mut self, _: u32, _: u32, cell: u32, values: &[f64]) -> Result<(), SinkError> {
        if let Some(sum) = self.0.get_mut(cell as usize) {
            *sum += values.iter().sum::<f64>();
        }
        Ok(())
    }

    fn contribute_rows(&mut self, _: u32, _: &[u32], cells: &[i32], values: &[f64]) -> Result<(), SinkError> {
        for (cell, value) in cells.iter().zip(values) {
            // Cell -1 contributes nothing, and is beyond every array once it is unsigned.
            if let Some(sum) = self.0.get_mut(*cell as usize) {
                *sum += value;
            }
        }
        Ok(())
    }
}

/// The gate's reducers, as the engine puts them behind a run.
pub struct Gate(pub Reduction);

impl Gate {
    /// Reducers for `manifest`.
    ///
    /// # Errors
    /// When the manifest has none.
    pub fn new(manifest: &JobManifest) -> Result<Self> {
        Ok(Self(Reduction::new(manifest)?))
    }
}

impl ContributionSink for Gate {
    fn contribute(&mut self, person: u32, output: u32, cell: u32, values: &[f64]) -> Result<(), SinkError> {
        let contribution = Contribution { output, cell, values };
        self.0.contribute(person, contribution).map_err(|error| SinkError { message: error.to_string() })
    }

    fn contribute_rows(
        &mut self,
        output: u32,
        persons: &[u32],
        cells: &[i32],
        values: &[f64],
    ) -> Result<(), SinkError> {
        let taken = self.0.contribute_rows(output, persons, cells, values);
        taken.map_err(|error| SinkError { message: error.to_string() })
    }
}

/// Contributions as a `row` guest hands them over: cells without a pattern, values below 100.
pub struct Contributions {
    /// A person per row, ascending.
    pub persons: Vec<u32>,
    /// A cell per row.
    pub cells: Vec<i32>,
    /// A value per row.
    pub values: Vec<f64>,
}

impl Contributions {
    /// `rows` contributions to `cells` cells, `rows_per_person` of each person.
    ///
    /// # Errors
    /// When there are more than fit.
    pub fn new(rows: usize, rows_per_person: usize, cells: usize) -> Result<Self> {
        let mut draw = Draw::new();
        let (rows, rows_per_person) = (u32::try_from(rows)?, u32::try_from(rows_per_person)?);
        let cell_count = u32::try_from(cells)?;
        Ok(Self {
            persons: (0..rows).map(|row| row / rows_per_person).collect(),
            cells: (0..rows).map(|_| draw.below(cell_count).cast_signed()).collect(),
            values: (0..rows).map(|_| 100.0 * draw.unit()).collect(),
        })
    }

    /// The same sums without contributors, bounds and exactness.
    #[must_use]
    pub fn plain_sums(&self, cells: usize) -> Vec<f64> {
        let mut sums = vec![0.0; cells];
        for (cell, value) in self.cells.iter().zip(&self.values) {
            if let Some(sum) = sums.get_mut(*cell as usize) {
                *sum += value;
            }
        }
        sums
    }
}

/// Numbers from a seed, the same on every machine.
struct Draw(u64);

impl Draw {
    fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next()) * u64::from(bound)) >> 32) as u32
    }

    fn unit(&mut self) -> f64 {
        f64::from(self.next()) / f64::from(u32::MAX)
    }
}
