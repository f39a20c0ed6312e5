//! What a run of the real sandbox contributes, collected for comparison.

use arrow::array::RecordBatch;
use glovebox_catalog::JobManifest;
use glovebox_sandbox::{
    CancelFlag, Compiled, ContributionSink, Faults, Limits, Progress, Run, RunError, RunMeters, Sandbox, SinkError,
};

/// One contribution; values compare by their bits, so that NaNs do too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Contributed {
    pub(crate) person: u32,
    pub(crate) output: u32,
    pub(crate) cell: u32,
    pub(crate) value_bits: u64,
}

impl Contributed {
    pub(crate) fn new(person: u32, output: u32, cell: u32, value: f64) -> Self {
        Self { person, output, cell, value_bits: value.to_bits() }
    }
}

/// Contributions in the order in which the sandbox passes them on.
#[derive(Default)]
pub(crate) struct Collected(pub(crate) Vec<Contributed>);

impl ContributionSink for Collected {
    fn contribute(&mut self, person: u32, output: u32, cell: u32, value: f64) -> Result<(), SinkError> {
        self.0.push(Contributed::new(person, output, cell, value));
        Ok(())
    }

    fn contribute_rows(
        &mut self,
        output: u32,
        persons: &[u32],
        cells: &[i32],
        values: &[f64],
    ) -> Result<(), SinkError> {
        assert_eq!((cells.len(), values.len()), (persons.len(), persons.len()));
        for ((person, cell), value) in persons.iter().zip(cells).zip(values) {
            if let Ok(cell) = u32::try_from(*cell) {
                self.0.push(Contributed::new(*person, output, cell, *value));
            } else {
                assert_eq!(*cell, -1, "the sandbox lets no other negative cell pass");
            }
        }
        Ok(())
    }
}

/// The parameters' defaults, in manifest order.
pub(crate) fn defaults(manifest: &JobManifest) -> Vec<f64> {
    manifest.parameters.iter().map(|parameter| parameter.default).collect()
}

/// Runs a job with its default parameters over `batches` of (ordinals, columns).
pub(crate) fn run(
    sandbox: &Sandbox,
    compiled: &Compiled,
    batches: &[(Vec<u32>, RecordBatch)],
    faults: Faults,
) -> Result<(Vec<Contributed>, RunMeters), RunError> {
    let limits = Limits { faults, ..Limits::on_real_data() };
    let parameters = defaults(compiled.manifest());
    let mut run = Run::start(sandbox, compiled, &parameters, &limits, &CancelFlag::new(), &Progress::new())?;
    let mut collected = Collected::default();
    for (ordinals, batch) in batches {
        run.batch(ordinals, batch, &mut collected)?;
    }
    Ok((collected.0, run.finish()))
}
