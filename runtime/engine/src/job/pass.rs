//! One pass of a job over its view: rows into the sandbox, contributions into what the host keeps of them.

use futures::StreamExt as _;
use glovebox_catalog::{Isolation, JobManifest};
use glovebox_gate::{ClaimedTables, Contribution, Estimates, GateError, Reduced, Reduction};
use glovebox_policy::Permit;
use glovebox_sandbox::{Compiled, ContributionSink, Plan, Run, RunError, SinkError};
use glovebox_vault::Batches;
use tokio::runtime::Handle;

use crate::job::Step;
use crate::job::desk::Running;
use crate::job::reservation::limits;
use crate::job::run::Case;
use crate::{Engine, EngineError};

/// Places of persons are below it.
const PLACES: u64 = 1 << 32;

/// What the host keeps of contributions, by isolation.
pub(crate) enum Collected {
    /// Exact statistics of `row` and `person` jobs.
    Reduced(Reduced),
    /// What a `block` job estimated from each block.
    Estimates(Estimates),
    /// What a `cohort` job claims.
    Claims(ClaimedTables),
}

impl Engine {
    /// Reads the view once; the inner error is the run's. What it took of the machine is told to nobody. `arguments` are the parameters and the state of the round.
    pub(crate) fn pass(
        &self,
        case: &Case,
        permit: &Permit,
        compiled: &Compiled,
        running: &Running,
        arguments: &[f64],
    ) -> Result<Result<Collected, RunError>, EngineError> {
        let manifest = &case.module.manifest;
        let view = self.inner.vault.open_view(permit)?;
        self.step(Step::Opened);
        let mut collecting =
            Collecting::new(manifest).map_err(|error| EngineError::internal("prepare the reducers", error))?;
        let limits = limits(manifest, &self.inner.config.limits);
        // Blocks are cut by persons' places, which depend on nobody else, not by ordinals: else one person who is not
        // there would move all who stand behind into other blocks.
        let places = match manifest.isolation {
            Isolation::Block => Some(view.person_ids()?.places),
            _ => None,
        };
        let persons = if places.is_some() { PLACES } else { case.snapshot.persons };
        let plan = Plan { arguments, persons };
        let run = Run::start(&self.inner.sandbox, compiled, &plan, &limits, &running.cancel, &running.progress);
        let result = match run {
            Ok(mut run) => drive(&mut run, view.batches(), places.as_deref(), &mut collecting)?,
            Err(error) => Err(error),
        };
        Ok(result.map(|()| collecting.finish()))
    }
}

/// Drives a run over the batches of a view. The outer error is the enclave's, the inner one the run's.
fn drive(
    run: &mut Run,
    mut batches: Batches,
    places: Option<&[u32]>,
    collecting: &mut Collecting,
) -> Result<Result<(), RunError>, EngineError> {
    while let Some(batch) = Handle::current().block_on(batches.next()) {
        let batch = batch?;
        let placed: Option<Option<Vec<_>>> = places
            .map(|places| batch.ordinals().iter().map(|ordinal| places.get(*ordinal as usize).copied()).collect());
        let persons = match &placed {
            None => batch.ordinals(),
            Some(Some(placed)) => placed.as_slice(),
            Some(None) => return Err(EngineError::Internal("a row of a person without a place".to_owned())),
        };
        if let Err(error) = run.batch(persons, batch.columns(), collecting) {
            return Ok(Err(error));
        }
    }
    Ok(run.complete(collecting))
}

/// What the host keeps, while it grows.
enum Collecting {
    Reduction(Reduction),
    Estimates(Estimates),
    Claims(ClaimedTables),
}

impl Collecting {
    fn new(manifest: &JobManifest) -> Result<Self, GateError> {
        Ok(match manifest.isolation {
            Isolation::Row | Isolation::Person => Self::Reduction(Reduction::new(manifest)?),
            Isolation::Block => Self::Estimates(Estimates::new(manifest)?),
            Isolation::Cohort => Self::Claims(ClaimedTables::new(manifest)?),
        })
    }

    fn finish(self) -> Collected {
        match self {
            Self::Reduction(reduction) => Collected::Reduced(reduction.finish()),
            Self::Estimates(estimates) => Collected::Estimates(estimates),
            Self::Claims(claims) => Collected::Claims(claims),
        }
    }
}

impl ContributionSink for Collecting {
    fn contribute(&mut self, unit: u32, output: u32, cell: u32, values: &[f64]) -> Result<(), SinkError> {
        let value = values.first().copied();
        let taken = match (self, value) {
            (Self::Reduction(reduction), _) => reduction.contribute(unit, Contribution { output, cell, values }),
            (Self::Estimates(estimates), Some(value)) => estimates.take(unit, output, value),
            (Self::Claims(claims), Some(value)) => claims.take(output, cell, value),
            (Self::Estimates(_) | Self::Claims(_), None) => Ok(()),
        };
        taken.map_err(fault)
    }

    fn contribute_rows(
        &mut self,
        output: u32,
        persons: &[u32],
        cells: &[i32],
        values: &[f64],
    ) -> Result<(), SinkError> {
        match self {
            Self::Reduction(reduction) => reduction.contribute_rows(output, persons, cells, values).map_err(fault),
            Self::Estimates(_) | Self::Claims(_) => {
                Err(SinkError { message: "rows contribute to reducers only".to_owned() })
            }
        }
    }
}

fn fault(error: GateError) -> SinkError {
    SinkError { message: error.to_string() }
}
