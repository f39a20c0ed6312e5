//! From contributions to exact statistics: the host bounds every person, drops what is no number, clamps, adds up.

use glovebox_catalog::{JobManifest, Output, Reducer};

use crate::GateError;
use crate::cell::CellStatistics;
use crate::scale::Scale;
use crate::shape::Shape;

/// One contribution of a guest, as the person door returns it.
#[derive(Clone, Copy, PartialEq)]
pub struct Contribution {
    /// Number of the output in the manifest.
    pub output: u32,
    /// Number of the cell, row-major over the output's keys.
    pub cell: u32,
    /// The value; without meaning for counts and distinct persons.
    pub value: f64,
}

/// Contributions that the host did not take. For operators: these depend on data and are not told to developers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Beyond the bound per person and output.
    pub over_bound: u64,
    /// Not finite: NaN or an infinity.
    pub not_finite: u64,
}

/// Contributions on their way to statistics.
pub struct Reduction {
    outputs: Vec<Intake>,
}

/// Statistics of every cell, before any rule. Only [`crate::disclose`] reads it: no `Debug`, no `Serialize`.
pub struct Reduced {
    pub(crate) outputs: Vec<ReducedOutput>,
    dropped: Dropped,
}

/// Statistics of one output.
pub(crate) struct ReducedOutput {
    pub(crate) output: Output,
    pub(crate) shape: Shape,
    pub(crate) scale: Option<Scale>,
    /// Most contributions that one person made to this output.
    pub(crate) contributions_max: u32,
    pub(crate) cells: Vec<CellStatistics>,
}

/// One output while it fills.
struct Intake {
    reduced: ReducedOutput,
    guest_cells: usize,
    edges: Vec<f64>,
    turn: Turn,
}

/// Whose turn it is, and how much of it is used up.
#[derive(Default)]
struct Turn {
    person: Option<u32>,
    used: u32,
    dropped: Dropped,
}

/// Most cells and margins that a release of this job can hold: what to reserve before it runs.
#[must_use]
pub fn cells_max(manifest: &JobManifest) -> u64 {
    let cells = |output: &Output| {
        let shape = Shape::of(manifest, output);
        (shape.len() + shape.margin_count()) as u64
    };
    manifest.outputs.iter().map(cells).sum()
}

impl Reduction {
    /// A reduction with every cell empty.
    ///
    /// # Errors
    /// [`GateError::Manifest`] for a faulty manifest, [`GateError::Bounds`] for bounds beyond what a sum can hold.
    pub fn new(manifest: &JobManifest) -> Result<Self, GateError> {
        manifest.check()?;
        let outputs = manifest.outputs.iter().map(|output| Intake::new(manifest, output));
        Ok(Self { outputs: outputs.collect::<Result<_, _>>()? })
    }

    /// Takes one contribution of `person`. Ordinals must not descend within an output.
    ///
    /// # Errors
    /// [`GateError::UnknownOutput`] and [`GateError::UnknownCell`] are faults of the guest,
    /// [`GateError::PersonsOutOfOrder`] one of the caller. The job must then end without a release.
    pub fn contribute(&mut self, person: u32, contribution: Contribution) -> Result<(), GateError> {
        let Contribution { output, cell, value } = contribution;
        // A cell beyond i32 is beyond every manifest; -1 means "none" only in columns.
        let cell = i32::try_from(cell).unwrap_or(i32::MAX);
        self.output(output)?.take(&[person], &[cell], &[value])
    }

    /// Takes one contribution per row: the fast path. `cells` holds -1 for a row that contributes nothing; `values` may
    /// be empty for reducers that take none (count, distinct persons).
    ///
    /// # Errors
    /// As [`Reduction::contribute`]; [`GateError::Ragged`] when the columns differ in length.
    pub fn contribute_rows(
        &mut self,
        output: u32,
        persons: &[u32],
        cells: &[i32],
        values: &[f64],
    ) -> Result<(), GateError> {
        self.output(output)?.take(persons, cells, values)
    }

    /// Ends the reduction.
    #[must_use]
    pub fn finish(self) -> Reduced {
        let mut dropped = Dropped::default();
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for mut intake in self.outputs {
            intake.reduced.cells.iter_mut().for_each(CellStatistics::close);
            dropped.over_bound += intake.turn.dropped.over_bound;
            dropped.not_finite += intake.turn.dropped.not_finite;
            outputs.push(intake.reduced);
        }
        Reduced { outputs, dropped }
    }

    fn output(&mut self, output: u32) -> Result<&mut Intake, GateError> {
        let outputs = self.outputs.len();
        self.outputs.get_mut(output as usize).ok_or(GateError::UnknownOutput { output, outputs })
    }
}

impl Reduced {
    /// What the host did not take.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }
}

impl Intake {
    fn new(manifest: &JobManifest, output: &Output) -> Result<Self, GateError> {
        let shape = Shape::of(manifest, output);
        let scale = match &output.reducer {
            Reducer::Sum { lower, upper } | Reducer::Mean { lower, upper } => {
                let scale = Scale::new(*lower, *upper);
                Some(scale.ok_or_else(|| GateError::Bounds { output: output.name.clone() })?)
            }
            _ => None,
        };
        let edges = match &output.reducer {
            Reducer::Histogram { edges } => edges.clone(),
            _ => Vec::new(),
        };
        let cells = vec![CellStatistics::default(); shape.len()];
        let contributions_max = manifest.contributions_per_person_max;
        let reduced = ReducedOutput { output: output.clone(), shape, scale, contributions_max, cells };
        Ok(Self { reduced, guest_cells: manifest.guest_cell_count(output), edges, turn: Turn::default() })
    }

    fn take(&mut self, persons: &[u32], cells: &[i32], values: &[f64]) -> Result<(), GateError> {
        let taken = match (&self.reduced.output.reducer, self.reduced.scale) {
            (Reducer::Count | Reducer::DistinctPersons, _) => {
                if !values.is_empty() && values.len() != persons.len() {
                    return Err(self.fault(Fault::Ragged));
                }
                let unvalued = std::iter::repeat_n(0.0, persons.len());
                self.rows(persons, cells, unvalued, |_, _| Some((0, 0, 1)))
            }
            (_, Some(scale)) if values.len() == persons.len() => {
                self.rows(persons, cells, values.iter().copied(), |value, _| {
                    let (offset, magnitude) = scale.quantise(value);
                    value.is_finite().then_some((0, offset, magnitude))
                })
            }
            (_, None) if values.len() == persons.len() => {
                self.rows(persons, cells, values.iter().copied(), |value, edges| {
                    value.is_finite().then(|| (bin(edges, value), 0, 1))
                })
            }
            _ => Err(Fault::Ragged),
        };
        taken.map_err(|fault| self.fault(fault))
    }

    /// The hot loop. `read` turns a value into (bin, offset, magnitude), or nothing when it is not finite.
    #[inline]
    fn rows(
        &mut self,
        persons: &[u32],
        cells: &[i32],
        values: impl ExactSizeIterator<Item = f64>,
        read: impl Fn(f64, &[f64]) -> Option<(usize, u64, u64)>,
    ) -> Result<(), Fault> {
        if cells.len() != persons.len() {
            return Err(Fault::Ragged);
        }
        let bins = self.edges.len().saturating_sub(1).max(1);
        let bound = self.reduced.contributions_max;
        for ((person, cell), value) in persons.iter().zip(cells).zip(values) {
            if self.turn.person != Some(*person) {
                self.turn.pass_to(*person)?;
            }
            if *cell < 0 {
                if *cell == -1 {
                    continue;
                }
                return Err(Fault::UnknownCell);
            }
            let cell = *cell as usize;
            if cell >= self.guest_cells {
                return Err(Fault::UnknownCell);
            }
            let Some((bin, offset, magnitude)) = read(value, &self.edges) else {
                self.turn.dropped.not_finite += 1;
                continue;
            };
            if self.turn.used >= bound {
                self.turn.dropped.over_bound += 1;
                continue;
            }
            self.turn.used += 1;
            let cell = self.reduced.cells.get_mut(cell * bins + bin).ok_or(Fault::UnknownCell)?;
            cell.add(*person, offset, magnitude);
        }
        Ok(())
    }

    fn fault(&self, fault: Fault) -> GateError {
        let output = self.reduced.output.name.clone();
        match fault {
            Fault::UnknownCell => GateError::UnknownCell { output, cells: self.guest_cells },
            Fault::OutOfOrder => GateError::PersonsOutOfOrder { output },
            Fault::Ragged => GateError::Ragged { output },
        }
    }
}

/// What stops a batch, without the words: those are made once, outside the loop.
enum Fault {
    UnknownCell,
    OutOfOrder,
    Ragged,
}

impl Turn {
    fn pass_to(&mut self, person: u32) -> Result<(), Fault> {
        if self.person.is_some_and(|current| current > person) {
            return Err(Fault::OutOfOrder);
        }
        self.person = Some(person);
        self.used = 0;
        Ok(())
    }
}

/// The bin of `value`; below the first edge the first, above the last the last.
fn bin(edges: &[f64], value: f64) -> usize {
    let inner = edges.get(1..edges.len().saturating_sub(1)).unwrap_or_default();
    inner.partition_point(|edge| *edge <= value)
}
