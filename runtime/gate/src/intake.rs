//! One output while it fills: takes turns, bounds every person, refuses what no manifest declares.

use glovebox_catalog::{JobManifest, Output, Reducer};

use crate::GateError;
use crate::filling::{Fill, Filling};
use crate::reduction::{Dropped, ReducedOutput};
use crate::shape::{Shape, inner_dimensions};

/// One output on its way to statistics.
pub(crate) struct Intake {
    output: Output,
    shape: Shape,
    open: Vec<bool>,
    contributions_max: u32,
    key_cells: usize,
    filling: Filling,
    turn: Turn,
}

/// Whose turn it is, and how much of it is used up.
#[derive(Clone, Copy)]
struct Turn {
    /// Nobody before the first.
    person: Option<u32>,
    used: u32,
    dropped: Dropped,
}

/// What stops a batch, without the words: those are made once, outside the loop.
enum Fault {
    UnknownCell,
    OutOfOrder,
    Ragged,
}

impl Intake {
    pub(crate) fn new(manifest: &JobManifest, output: &Output) -> Result<Self, GateError> {
        let shape = Shape::of(manifest, output);
        let contributions_max = match output.reducer {
            // Of these a person is in one cell.
            Reducer::ContingencyTable | Reducer::SurvivalTable { .. } => 1,
            _ => manifest.contributions_per_person_max,
        };
        let filling = Filling::new(output, shape.len(), contributions_max)?;
        let key_cells = manifest.guest_cell_count(output);
        let open = manifest.dimensions(output).iter().map(|key| key.domain.is_open()).collect();
        Ok(Self { output: output.clone(), shape, open, contributions_max, key_cells, filling, turn: Turn::FIRST })
    }

    /// One contribution; of reducers that take no value, `values` is not looked at.
    pub(crate) fn take_one(&mut self, person: u32, cell: i32, values: &[f64]) -> Result<(), GateError> {
        let values = if self.output.reducer.value_count() == 0 { &[] } else { values };
        self.take(&[person], &[cell], values)
    }

    /// One contribution a row; `values` component after component.
    pub(crate) fn take(&mut self, persons: &[u32], cells: &[i32], values: &[f64]) -> Result<(), GateError> {
        let components = self.output.reducer.value_count();
        let is_even = match components {
            0 => values.is_empty() || values.len() == persons.len(),
            _ => values.len() == persons.len().saturating_mul(components),
        };
        if !is_even || cells.len() != persons.len() {
            return Err(self.fault(&Fault::Ragged));
        }
        let values = if components == 0 { &[] } else { values };
        let rows = Rows { key_cells: self.key_cells, bound: self.contributions_max, turn: &mut self.turn };
        let taken = match &mut self.filling {
            Filling::Counts(fill) => rows.take(fill, persons, cells, values),
            Filling::Bins(fill) => rows.take(fill, persons, cells, values),
            Filling::Sums(fill) => rows.take(fill, persons, cells, values),
            Filling::Vectors(fill) => rows.take(fill.as_mut(), persons, cells, values),
            Filling::Grids(fill) => rows.take(fill, persons, cells, values),
            Filling::Exits(fill) => rows.take(fill, persons, cells, values),
        };
        taken.map_err(|fault| self.fault(&fault))
    }

    pub(crate) fn finish(self) -> (ReducedOutput, Dropped) {
        let inner = inner_dimensions(&self.output.reducer);
        let (scales, cells) = self.filling.finish();
        let Self { output, shape, open, contributions_max, .. } = self;
        (ReducedOutput { output, shape, open, inner, scales, contributions_max, cells }, self.turn.dropped)
    }

    fn fault(&self, fault: &Fault) -> GateError {
        let output = self.output.name.clone();
        match fault {
            Fault::UnknownCell => GateError::UnknownCell { output, cells: self.key_cells },
            Fault::OutOfOrder => GateError::PersonsOutOfOrder { output },
            Fault::Ragged => GateError::Ragged { output },
        }
    }
}

/// What the loop over rows goes by.
struct Rows<'a> {
    key_cells: usize,
    bound: u32,
    turn: &'a mut Turn,
}

impl Rows<'_> {
    /// The hot loop.
    #[inline]
    fn take(self, fill: &mut impl Fill, persons: &[u32], cells: &[i32], values: &[f64]) -> Result<(), Fault> {
        let Self { key_cells, bound, turn: kept } = self;
        // In registers, not in memory, as long as rows are taken. After a fault nothing more is.
        let mut turn = *kept;
        for (row, (person, cell)) in persons.iter().zip(cells).enumerate() {
            if turn.person != Some(*person) {
                turn.pass_to(*person)?;
            }
            let cell = match usize::try_from(*cell) {
                Ok(cell) if cell < key_cells => cell,
                _ if *cell == -1 => continue,
                _ => return Err(Fault::UnknownCell),
            };
            let Some(read) = fill.read(values, persons.len(), row) else {
                turn.dropped.not_finite += 1;
                continue;
            };
            if turn.used >= bound {
                turn.dropped.over_bound += 1;
                continue;
            }
            turn.used += 1;
            fill.add(*person, cell, read);
        }
        *kept = turn;
        Ok(())
    }
}

impl Turn {
    const FIRST: Self = Self { person: None, used: 0, dropped: Dropped { over_bound: 0, not_finite: 0 } };

    #[inline]
    fn pass_to(&mut self, person: u32) -> Result<(), Fault> {
        if self.person.is_some_and(|current| current > person) {
            return Err(Fault::OutOfOrder);
        }
        self.person = Some(person);
        self.used = 0;
        Ok(())
    }
}
