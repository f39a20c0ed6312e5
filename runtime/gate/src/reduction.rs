//! From contributions to exact statistics: the host bounds every person, drops what is no number, clamps, adds up.

use glovebox_catalog::{Isolation, JobManifest, Output, Reducer};

use crate::GateError;
use crate::cell::CellStatistics;
use crate::intake::Intake;
use crate::margin::margin_count;
use crate::scale::Scale;
use crate::shape::{Dimension, Shape, inner_dimensions};

/// One contribution of a guest, as the person door returns it.
#[derive(Clone, Copy, PartialEq)]
pub struct Contribution<'a> {
    /// Number of the output in the manifest.
    pub output: u32,
    /// Number of the cell, row-major over the output's keys.
    pub cell: u32,
    /// As many values as the reducer takes ([`Reducer::value_count`]); of one that takes none they are not looked at.
    pub values: &'a [f64],
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

/// Statistics of every cell, before any rule. Only [`crate::disclose`] and noise read it: no `Debug`, no `Serialize`.
pub struct Reduced {
    pub(crate) outputs: Vec<ReducedOutput>,
    dropped: Dropped,
}

/// Statistics of one output: exact integers of every cell, from which rules and noise make figures.
///
/// A *cell* is what a rule judges and a margin adds up: a combination of the output's keys, of a histogram also a bin.
/// A cell shows one figure, or, where `inner` has dimensions (quantile, survival table, cross-product, gradient), one for
/// each combination of their labels; `Shape::of` and `inner` together are the dimensions of the released table. What a
/// reducer knows of a cell beyond persons, count and first component is its [`crate::cell::Detail`].
///
/// | reducer | integers of a cell | figure |
/// |---|---|---|
/// | count, contingency table, histogram | `count` | it |
/// | distinct persons | `persons` | their number |
/// | sum, mean | `count`, `offset_sum` by `scales[0]` | `scales[0].sum(count, offset_sum)`, divided by `count` |
/// | variance | `Moments`: one component, one product (squares) | [`crate::reducers::variance::variance_of`] |
/// | ratio | `Moments`: components numerator, denominator | sum by `scales[0]` over sum by `scales[1]` |
/// | cross-product | `Moments`: a component a variable, all products | [`crate::reducers::cross_product::mean_product`] |
/// | gradient | `Moments`: a component a component | sum by `scales[k]` |
/// | quantile | `Grid`: contributions a step, persons by their lowest and highest step | the grid's edge |
/// | survival table | `Exits` an interval: who left by an event, who censored | counts, at risk from them |
pub(crate) struct ReducedOutput {
    pub(crate) output: Output,
    /// Dimensions of `cells`.
    pub(crate) shape: Shape,
    /// For each key, whether its domain is open: cells that do not pass are not listed.
    pub(crate) open: Vec<bool>,
    /// Dimensions of the figures of one cell; none for one figure.
    pub(crate) inner: Vec<Dimension>,
    /// The scale of each component that is added up; none for reducers that add up no values. A contribution's offset is
    /// 0 to [`crate::scale::STEPS`] in each; a gradient's vector is besides at most [`crate::scale::NORM_STEPS`] long,
    /// measured in steps from the offset that stands for 0, [`crate::scale::NORM_STEPS`].
    pub(crate) scales: Vec<Scale>,
    /// Most contributions that one person made to this output; 1 for contingency and survival tables.
    pub(crate) contributions_max: u32,
    /// Row-major by `shape`.
    pub(crate) cells: Vec<CellStatistics>,
}

/// Bytes that one cell takes while it fills, its figures and the persons whom its set keeps aside.
const CELL_BYTES: u64 = 256;
/// Bytes that one person in one cell's set takes at most, when sets are laid down and the guard compares them.
const MEMBER_BYTES: u64 = 8;

/// Memory that the sets of persons behind a job's cells take at most, in bytes, for so many rows of so many persons. What a
/// person contributes beyond the manifest's bound is dropped, so nothing in the rows makes it more.
#[must_use]
pub fn memory_max_bytes(manifest: &JobManifest, rows: u64, persons: u64) -> u64 {
    let of_output = |output: &Output| {
        let cells = Shape::of(manifest, output).len() as u64;
        let cells_a_person = cells.min(u64::from(manifest.contributions_per_person_max));
        let members = persons.saturating_mul(cells_a_person);
        let members = if manifest.isolation == Isolation::Row { members.min(rows) } else { members };
        cells.saturating_mul(CELL_BYTES).saturating_add(members.saturating_mul(MEMBER_BYTES))
    };
    manifest.outputs.iter().map(of_output).fold(0, u64::saturating_add)
}

/// Most cells and margins that a release of this job can hold: what to reserve before it runs.
#[must_use]
pub fn cells_max(manifest: &JobManifest) -> u64 {
    let cells = |output: &Output| {
        let shape = Shape::of(manifest, output);
        let inner = inner_dimensions(&output.reducer);
        let figures = match &output.reducer {
            Reducer::Table { .. } => output.reducer.inner_cell_count(),
            _ => inner.iter().map(|inner| inner.labels.len()).product(),
        };
        // Tables whose cells show several figures have no margins: a module declares another output without the key.
        let margins = if inner.is_empty() { margin_count(&shape, &output.reducer) } else { 0 };
        shape.len().saturating_mul(figures).saturating_add(margins) as u64
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
    /// [`GateError::PersonsOutOfOrder`] and [`GateError::Ragged`] (another number of values) of the caller. The job must then end without a release.
    pub fn contribute(&mut self, person: u32, contribution: Contribution<'_>) -> Result<(), GateError> {
        let Contribution { output, cell, values } = contribution;
        // A cell beyond i32 is beyond every manifest; -1 means "none" only in columns.
        let cell = i32::try_from(cell).unwrap_or(i32::MAX);
        self.output(output)?.take_one(person, cell, values)
    }

    /// Takes one contribution per row: the fast path. `cells` holds -1 for a row that contributes nothing. `values` holds
    /// the first component of every row, then the second of every row, and so on; of reducers that take no value (count,
    /// distinct persons, contingency table) they are not looked at.
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
        let mut reduced = Reduced { outputs: Vec::with_capacity(self.outputs.len()), dropped: Dropped::default() };
        for intake in self.outputs {
            let (output, dropped) = intake.finish();
            reduced.dropped.over_bound += dropped.over_bound;
            reduced.dropped.not_finite += dropped.not_finite;
            reduced.outputs.push(output);
        }
        reduced
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

#[cfg(test)]
pub(crate) mod tests;
