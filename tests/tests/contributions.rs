//! What a run of the real sandbox contributes, collected for comparison.

use arrow::array::RecordBatch;
use glovebox_catalog::{Isolation, JobManifest};
use glovebox_sandbox::{
    CancelFlag, Compiled, ContributionSink, Faults, Limits, Plan, Progress, Run, RunError, RunMeters, Sandbox,
    SinkError,
};

/// One contribution; values compare by their bits, so that NaNs do too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Contributed {
    /// A person, or a block.
    pub(crate) unit: u32,
    pub(crate) output: u32,
    pub(crate) cell: u32,
    pub(crate) value_bits: Vec<u64>,
}

impl Contributed {
    /// A contribution of one value.
    pub(crate) fn new(unit: u32, output: u32, cell: u32, value: f64) -> Self {
        Self::of(unit, output, cell, &[value])
    }

    /// A contribution of any number of values, none where the reducer only counts.
    pub(crate) fn of(unit: u32, output: u32, cell: u32, values: &[f64]) -> Self {
        Self { unit, output, cell, value_bits: values.iter().map(|value| value.to_bits()).collect() }
    }

    pub(crate) fn values(&self) -> Vec<f64> {
        self.value_bits.iter().map(|bits| f64::from_bits(*bits)).collect()
    }
}

/// Contributions in the order in which the sandbox passes them on.
#[derive(Default)]
pub(crate) struct Collected(pub(crate) Vec<Contributed>);

impl ContributionSink for Collected {
    fn contribute(&mut self, unit: u32, output: u32, cell: u32, values: &[f64]) -> Result<(), SinkError> {
        self.0.push(Contributed::of(unit, output, cell, values));
        Ok(())
    }

    fn contribute_rows(
        &mut self,
        output: u32,
        persons: &[u32],
        cells: &[i32],
        values: &[f64],
    ) -> Result<(), SinkError> {
        let rows = persons.len();
        assert_eq!((cells.len(), values.len() % rows), (rows, 0));
        for (row, (person, cell)) in persons.iter().zip(cells).enumerate() {
            if let Ok(cell) = u32::try_from(*cell) {
                let values: Vec<f64> = values.chunks(rows).map(|stretch| stretch[row]).collect();
                self.0.push(Contributed::of(*person, output, cell, &values));
            } else {
                assert_eq!(*cell, -1, "the sandbox lets no other negative cell pass");
            }
        }
        Ok(())
    }
}

/// The arguments' defaults, in manifest order.
pub(crate) fn defaults(manifest: &JobManifest) -> Vec<f64> {
    manifest.arguments().map(|argument| argument.default).collect()
}

/// Runs a job with its default arguments over `batches` of (ordinals, columns).
pub(crate) fn run(
    sandbox: &Sandbox,
    compiled: &Compiled,
    batches: &[(Vec<u32>, RecordBatch)],
    faults: Faults,
) -> Result<(Vec<Contributed>, RunMeters), RunError> {
    let manifest = compiled.manifest();
    let mut limits = Limits { faults, ..Limits::on_real_data() };
    if manifest.isolation == Isolation::Cohort {
        // One unit of thousands of rows' worth of fuel: a loop without end should end soon.
        limits.fuel_per_unit = 10_000;
    }
    let arguments = defaults(manifest);
    // A person in each block.
    let plan = Plan { arguments: &arguments, persons: manifest.blocks.unwrap_or_default().into() };
    let mut run = Run::start(sandbox, compiled, &plan, &limits, &CancelFlag::new(), &Progress::new())?;
    let mut collected = Collected::default();
    for (ordinals, batch) in batches {
        run.batch(ordinals, batch, &mut collected)?;
    }
    run.complete(&mut collected)?;
    Ok((collected.0, run.finish()))
}
