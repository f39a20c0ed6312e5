//! The sequence of one job: authorise → reserve → open view → run → reduce → gate → settle.

use futures::StreamExt as _;
use glovebox_api::{JobState, SubmitJob};
use glovebox_catalog::{Dataset, Grant, Isolation, JobId, JobManifest, Principal, Refusal, Snapshot};
use glovebox_gate::{Contribution, Reduction, Unguarded, Verdict, cells_max, disclose};
use glovebox_meter::Amounts;
use glovebox_policy::{Action, Permit, PermitRequest};
use glovebox_sandbox::{
    CancelFlag, Compiled, ContributionSink, FailureClass, Faults, Limits, Plan, Progress, Run, RunError, RunMeters,
    SinkError, inspect,
};
use glovebox_store::{JobPatch, JobRow, ModuleRow};
use glovebox_vault::ViewMeters;
use tokio::runtime::Handle;

use crate::counters::Counters;
use crate::job::desk::Running;
use crate::job::ending::Ending;
use crate::job::pace::Pace;
use crate::job::{Step, parameters, state_name};
use crate::{Engine, EngineError};

/// Bytes that one cell takes in a release document at most: eight keys of 64 bytes, a value, a refusal's four texts.
const CELL_MAX_BYTES: u64 = 2_048;
const DOCUMENT_MAX_BYTES: u64 = 16_384;

/// A job with everything that its run rests on, read anew when it starts.
pub(crate) struct Case {
    pub(crate) row: JobRow,
    pub(crate) request: SubmitJob,
    pub(crate) principal: Principal,
    pub(crate) grant: Grant,
    pub(crate) dataset: Dataset,
    pub(crate) snapshot: Snapshot,
    pub(crate) module: ModuleRow,
}

impl Engine {
    /// A worker: takes jobs off the desk until it closes.
    pub(crate) async fn work(&self) {
        while let Some(job) = self.inner.desk.next().await {
            let engine = self.clone();
            let worked = tokio::task::spawn_blocking(move || engine.carry_out(&job)).await;
            if let Err(error) = worked {
                tracing::error!(%error, "a worker's thread ended; the job is taken up again at the next start");
            }
        }
    }

    /// Carries one job out and commits its end. A fault of the enclave ends the job as failed, so that it does not stand
    /// as running for ever; the operator's log has the cause.
    fn carry_out(&self, id: &JobId) {
        let ended = self.case(id).and_then(|case| match self.start_job(&case) {
            Ok(Some((permit, compiled, running))) => {
                let held = self.found_job(id)?.reservation.unwrap_or_default();
                let ending = self.run_job(&case, &permit, &compiled, &running, held).unwrap_or_else(|error| {
                    tracing::error!(job = %id, %error, "the enclave failed a job");
                    Ending::enclave_failed(held)
                });
                self.settle_job(&case, &running, ending)
            }
            Ok(None) => Ok(()),
            Err(EngineError::Refused(reasons)) => self.end_refused(&case.row, reasons),
            Err(EngineError::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        });
        if let Err(error) = ended {
            tracing::error!(job = %id, %error, "a job could not be carried out; it is taken up again at the next start");
        }
    }

    pub(crate) fn case(&self, id: &JobId) -> Result<Case, EngineError> {
        let row = self.found_job(id)?;
        let request: SubmitJob =
            serde_json::from_str(&row.request).map_err(|error| EngineError::internal("read a request", error))?;
        let missing = |what: &'static str| EngineError::NotFound { what, id: id.to_string() };
        let principal = self.store().principal(&row.submitted_by)?.ok_or_else(|| missing("principal"))?;
        let snapshot = match row.snapshot {
            // A job that is taken up again reads what it read before.
            Some(number) => self.store().snapshot(&row.dataset, number)?.map(|(snapshot, _)| snapshot),
            None => self.store().latest_snapshot(&row.dataset)?,
        };
        Ok(Case {
            principal,
            grant: self.found_grant(&row.grant)?,
            dataset: self.found_dataset(&row.dataset)?,
            snapshot: snapshot.ok_or_else(|| missing("snapshot"))?,
            module: self.found_module(&row.module)?,
            request,
            row,
        })
    }

    /// Authorises and reserves. None when someone else has ended the job meanwhile.
    fn start_job(&self, case: &Case) -> Result<Option<(Permit, Compiled, Running)>, EngineError> {
        let own = case.row.reservation.map_or(0, |reservation| reservation.jobs);
        let permit = self
            .inner
            .authoriser
            .permit(PermitRequest {
                principal: &case.principal,
                grant: &case.grant,
                dataset: &case.dataset,
                snapshot: &case.snapshot,
                manifest: &case.module.manifest,
                uses_so_far: self.uses(&case.grant.id)?.saturating_sub(own),
                now: self.now(),
                address: None,
            })
            .map_err(EngineError::Refused)?;
        let compiled = self.compile(&case.module)?;
        let (started_at, pace) = (self.now(), Pace::start(self.inner.config.pace_step)?);
        let columns: Vec<_> = permit.columns().iter().map(|column| column.name.as_str()).collect();
        let draft = self
            .own_draft(Action::ViewOpen.as_str(), &case.row.id)
            .with("grant", permit.grant())
            .with("snapshot", permit.snapshot().number)
            .with("columns", columns.join(","))
            .with("policies", permit.policy_ids().join(","));
        let patch =
            JobPatch { started_at: Some(started_at), snapshot: Some(case.snapshot.number), ..JobPatch::default() };
        self.store().transition(&case.row.id, &["queued"], state_name(JobState::Running), patch, draft)?;
        self.step(Step::Started);
        let running = Running {
            organisation: case.row.organisation.clone(),
            isolation: case.module.manifest.isolation,
            started_at,
            pace,
            cancel: CancelFlag::new(),
            progress: Progress::new(),
            interrupted: CancelFlag::new(),
        };
        self.inner.desk.start(&case.row.id, running.clone());
        if case.row.reservation.is_none() {
            self.reserve(case)?;
        }
        self.step(Step::Reserved);
        Ok(Some((permit, compiled, running)))
    }

    fn compile(&self, module: &ModuleRow) -> Result<Compiled, EngineError> {
        let bytes = self.store().module_bytes(&module.id)?;
        let inspected = inspect(&bytes).map_err(EngineError::Refused)?;
        self.inner.sandbox.compile(&inspected, &bytes).map_err(|error| match error {
            glovebox_sandbox::SandboxError::Interface(reason) => EngineError::Refused(vec![reason]),
            other => EngineError::internal("compile a module", other),
        })
    }

    /// Reserves the worst case before a row is read. It follows from the size of the snapshot and the manifest alone, so
    /// that no run can end for want of budget: such an end would tell something of the rows.
    fn reserve(&self, case: &Case) -> Result<(), EngineError> {
        let limit = Amounts::from(&case.grant.terms.budget);
        let asked = worst_case(case, &self.inner.config.limits);
        let draft = self.own_draft("budget.reserve", &case.row.id).with("grant", &case.grant.id);
        self.store().reserve(&case.grant.id, &limit, asked, &case.row.id, draft)?;
        Ok(())
    }

    fn run_job(
        &self,
        case: &Case,
        permit: &Permit,
        compiled: &Compiled,
        running: &Running,
        held: Amounts,
    ) -> Result<Ending, EngineError> {
        let view = self.inner.vault.open_view(permit)?;
        self.step(Step::Opened);
        let mut reduction = Reduction::new(&case.module.manifest)
            .map_err(|error| EngineError::internal("prepare the reducers", error))?;
        let parameters = parameters(&case.module.manifest, &case.request)?;
        let limits = limits(&case.module.manifest, &self.inner.config.limits);
        let plan = Plan { arguments: &parameters, persons: case.snapshot.persons };
        let run = Run::start(&self.inner.sandbox, compiled, &plan, &limits, &running.cancel, &running.progress);
        let (result, meters) = match run {
            Ok(mut run) => {
                let result = drive(&mut run, view.batches(), &mut reduction)?;
                (result, run.finish())
            }
            Err(error) => (Err(error), RunMeters::default()),
        };
        self.step(Step::Ran);
        let used = used(&held, &meters, &view.meters());
        self.count(&meters, &view.meters());
        if let Err(error) = result {
            return Ok(match error {
                RunError::Failed(FailureClass::Cancelled) if running.is_interrupted() => Ending::Interrupted,
                RunError::Failed(FailureClass::Cancelled) => Ending::Killed { used },
                error => {
                    if !matches!(error, RunError::Failed(_)) {
                        tracing::error!(job = %case.row.id, %error, "the enclave failed a run");
                    }
                    Ending::Failed { reasons: vec![error.refusal()], used }
                }
            });
        }
        let (profile, _) = self.profile(&case.grant)?;
        let verdict = disclose(&reduction.finish(), profile, &mut Unguarded);
        self.step(Step::Gated);
        // Whoever stopped it while the tables were judged was told so: nothing leaves after that.
        if running.is_interrupted() {
            return Ok(Ending::Interrupted);
        } else if running.cancel.is_cancelled() {
            return Ok(Ending::Killed { used });
        }
        Ok(match verdict {
            Verdict::Release(release) => self.ending_of(release, held, used)?,
            Verdict::Withheld { reasons, cells_withheld } => Ending::Withheld { reasons, cells_withheld, used },
        })
    }

    /// What really happened, for the operator.
    fn count(&self, meters: &RunMeters, view: &ViewMeters) {
        let counters = self.counters();
        Counters::add(&counters.rows_read, view.rows_read);
        Counters::add(&counters.bytes_decrypted, view.bytes_decrypted);
        Counters::add(&counters.fuel_units, meters.fuel_units);
        Counters::add(&counters.cpu_ms, meters.cpu_ms);
        counters.memory_peak_bytes.fetch_max(meters.memory_peak_bytes, std::sync::atomic::Ordering::Relaxed);
    }

    pub(crate) fn profile(&self, grant: &Grant) -> Result<&(glovebox_gate::Profile, glovebox_gm::Digest), EngineError> {
        let name = &grant.terms.disclosure_profile;
        let found = self.inner.profiles.get(name);
        found.ok_or_else(|| EngineError::Internal(format!("disclosure profile `{name}` is not loaded")))
    }
}

/// Drives a run over the batches of a view. The outer error is the enclave's, the inner one the run's.
fn drive(
    run: &mut Run,
    mut batches: glovebox_vault::Batches,
    reduction: &mut Reduction,
) -> Result<Result<(), RunError>, EngineError> {
    let mut sink = Reducing(reduction);
    while let Some(batch) = Handle::current().block_on(batches.next()) {
        let batch = batch?;
        if let Err(error) = run.batch(batch.ordinals(), batch.columns(), &mut sink) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

/// The reducers as the sandbox sees them.
struct Reducing<'a>(&'a mut Reduction);

impl ContributionSink for Reducing<'_> {
    fn contribute(&mut self, person: u32, output: u32, cell: u32, values: &[f64]) -> Result<(), SinkError> {
        self.0
            .contribute(person, Contribution { output, cell, values })
            .map_err(|error| SinkError { message: error.to_string() })
    }

    fn contribute_rows(
        &mut self,
        output: u32,
        persons: &[u32],
        cells: &[i32],
        values: &[f64],
    ) -> Result<(), SinkError> {
        self.0.contribute_rows(output, persons, cells, values).map_err(|error| SinkError { message: error.to_string() })
    }
}

fn worst_case(case: &Case, limits: &crate::JobLimits) -> Amounts {
    let Snapshot { rows, persons, .. } = case.snapshot;
    let cells = cells_max(&case.module.manifest);
    let fuel_units = match case.module.manifest.isolation {
        // Each output's functions are called for each row, with a measure of their own.
        Isolation::Row => {
            rows.saturating_mul(limits.fuel_per_row_units).saturating_mul(case.module.manifest.outputs.len() as u64)
        }
        Isolation::Person => persons.saturating_mul(limits.fuel_per_person_units),
        Isolation::Block => {
            u64::from(case.module.manifest.blocks.unwrap_or_default()).saturating_mul(limits.fuel_per_block_units)
        }
        Isolation::Cohort => rows.saturating_mul(limits.fuel_per_cohort_row_units),
    };
    Amounts {
        jobs: 1,
        releases: 1,
        cells,
        bytes_out: cells.saturating_mul(CELL_MAX_BYTES).saturating_add(DOCUMENT_MAX_BYTES),
        fuel_units,
        rows_read: rows,
        ..Amounts::default()
    }
}

/// The fuel of a run in all is not bounded here: every row and person has its measure, so their number bounds the run,
/// and a run that ended at a total could be steered to the brink of it by a value of the last row.
fn limits(manifest: &JobManifest, limits: &crate::JobLimits) -> Limits {
    Limits {
        fuel_per_unit: match manifest.isolation {
            Isolation::Row => limits.fuel_per_row_units,
            Isolation::Person => limits.fuel_per_person_units,
            Isolation::Block => limits.fuel_per_block_units,
            Isolation::Cohort => limits.fuel_per_cohort_row_units,
        },
        fuel_total_units: u64::MAX,
        memory_bytes: limits.memory_bytes,
        wall: limits.wall,
        faults: Faults::Drop,
    }
}

/// What is charged. Fuel and rows are charged as reserved, by the size of the snapshot, whatever the module did with its
/// rows: a charge that followed the run would be a channel out of it, and the next job's refusal would carry a bit.
fn used(held: &Amounts, meters: &RunMeters, view: &ViewMeters) -> Amounts {
    Amounts {
        jobs: 1,
        fuel_units: held.fuel_units,
        rows_read: held.rows_read,
        bytes_read: view.bytes_decrypted,
        cpu_ms: meters.cpu_ms,
        memory_peak_bytes: meters.memory_peak_bytes,
        ..Amounts::default()
    }
}

impl Ending {
    /// The end of a job that the enclave failed. Nothing left, and the fuel is the enclave's loss.
    fn enclave_failed(held: Amounts) -> Self {
        let rule = "the enclave failed, not the job";
        let reason = Refusal::new("run.internal", rule, "the run", "tell the operator the id of the job");
        Self::Failed { reasons: vec![reason], used: Amounts { jobs: held.jobs, ..Amounts::default() } }
    }
}
