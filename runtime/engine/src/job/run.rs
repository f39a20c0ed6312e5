//! The sequence of one job: authorise → reserve → open view → run → reduce → gate → settle.

use glovebox_api::{JobState, SubmitJob};
use glovebox_audit::Outcome;
use glovebox_catalog::{Dataset, Grant, Isolation, JobId, Principal, Refusal, Snapshot};
use glovebox_gate::{Release, ReviewCandidate, Unguarded};
use glovebox_meter::Amounts;
use glovebox_policy::{Permit, PermitRequest};
use glovebox_sandbox::{CancelFlag, Compiled, FailureClass, Progress, RunError, inspect};
use glovebox_store::{BudgetLimits, JobPatch, JobRow, ModuleRow};

use crate::grants::stated;
use crate::job::cohorts::{Asked, Guarding};
use crate::job::cost::{Holding, Reached};
use crate::job::desk::Running;
use crate::job::ending::Ending;
use crate::job::judgement::Judged;
use crate::job::noise::privacy_of;
use crate::job::pace::Pace;
use crate::job::patience::{RoundPatience, interrupted};
use crate::job::reservation::{check_memory, leakage_bound, worst_case};
use crate::job::rounds::Rounds;
use crate::job::{Step, parameters, state_name};
use crate::{Engine, EngineError};

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

impl Case {
    /// Whether its figures ask the guard and feed it: those with noise and tables of a cohort do neither.
    pub(crate) fn is_guarded(&self) -> bool {
        self.request.privacy.is_none() && self.module.manifest.isolation != Isolation::Cohort
    }
}

/// What a job that may run rests on.
pub(crate) struct Admitted {
    pub(crate) permit: Permit,
    pub(crate) compiled: Compiled,
    pub(crate) running: Running,
}

impl Engine {
    /// A worker: takes jobs off the desk until it closes.
    pub(crate) async fn work(&self) {
        while let Some(job) = self.inner.desk.next().await {
            let (engine, id) = (self.clone(), job.clone());
            let worked = tokio::task::spawn_blocking(move || engine.carry_out(&id)).await;
            if worked.is_ok() {
                continue;
            }
            let engine = self.clone();
            let ended = tokio::task::spawn_blocking(move || {
                if let Err(error) = engine.end_fallen(&job) {
                    tracing::error!(%job, %error, "a job that panicked can't be ended; the next start ends it");
                }
            });
            if ended.await.is_err() {
                tracing::error!("ending a job that panicked panicked, too; the next start ends it");
            }
        }
    }

    /// Carries one job out and commits its end. A fault of the enclave ends the job as failed, so that it does not stand
    /// as running for ever; the operator's log has the cause.
    fn carry_out(&self, id: &JobId) {
        let ended = self.case(id).and_then(|case| match self.start_job(&case) {
            Ok(Some((permit, compiled, running))) => {
                self.run_witnessed(&case, Admitted { permit, compiled, running }, &self.found_job(id)?)
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
        let stops = self.stops(&case.grant, case.dataset.id.as_str(), &case.module.id)?;
        if !stops.is_empty() {
            return Err(EngineError::Refused(stops));
        }
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
        check_memory(&case.module.manifest, &case.snapshot, &self.inner.config.limits)
            .map_err(|reason| EngineError::Refused(vec![reason]))?;
        let compiled = self.compile(&case.module)?;
        let (started_at, pace) = (self.now(), Pace::start(self.inner.config.pace_step)?);
        let columns: Vec<_> = permit.columns().iter().map(|column| column.name.as_str()).collect();
        let draft = self.view_draft(&case.row, Outcome::Done);
        let draft = stated(draft, &case.grant)?
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

    /// Reserves the worst case before a row is read, of the budget and of privacy.
    fn reserve(&self, case: &Case) -> Result<(), EngineError> {
        let (profile, _) = self.profile(&case.grant)?;
        let terms = &case.grant.terms;
        let privacy = privacy_of(case.request.privacy, &case.module.manifest, terms, &case.dataset, profile)
            .map_err(EngineError::Refused)?;
        let limits = BudgetLimits {
            grant: Amounts::from(&terms.budget),
            developer: Amounts::from(&case.dataset.limits.per_developer),
        };
        let asked = worst_case(case, profile, &self.inner.config.limits);
        let draft = self.own_draft("budget.reserve", &case.row.id).with("grant", &case.grant.id);
        self.store().reserve_with_privacy(&case.grant.id, &limits, asked, privacy.as_ref(), &case.row.id, draft)?;
        Ok(())
    }

    /// Runs a job once enough witnesses cosigned its reservation, and commits its end.
    fn run_witnessed(&self, case: &Case, admitted: Admitted, row: &JobRow) -> Result<(), EngineError> {
        let Admitted { permit, compiled, mut running } = admitted;
        if !self.await_witnesses(&running.cancel)? {
            let ending = if running.is_interrupted() { Ending::Interrupted } else { Ending::Killed };
            return self.settle_job(case, &running, (self.holding(row)?, before(case)), ending);
        }
        if self.inner.witnesses.is_some() {
            // The wait is none of the run's time.
            (running.started_at, running.pace) = (self.now(), Pace::start(self.inner.config.pace_step)?);
        }
        self.run_and_settle(case, &Admitted { permit, compiled, running }, row)
    }

    fn run_and_settle(&self, case: &Case, admitted: &Admitted, row: &JobRow) -> Result<(), EngineError> {
        let holding = self.holding(row)?;
        let mut reached = before(case);
        let ending = self.run_job(case, admitted, &holding, &mut reached).unwrap_or_else(|error| {
            tracing::error!(job = %case.row.id, %error, "the enclave failed a job");
            Ending::EnclaveFailed
        });
        self.settle_job(case, &admitted.running, (holding, reached), ending)
    }

    /// Runs and judges every round. `reached` says how far it came, also when it fails.
    fn run_job(
        &self,
        case: &Case,
        admitted: &Admitted,
        holding: &Holding,
        reached: &mut Reached,
    ) -> Result<Ending, EngineError> {
        let Admitted { permit, compiled, running } = admitted;
        let manifest = &case.module.manifest;
        let (profile, _) = self.profile(&case.grant)?;
        let mut rounds = Rounds::new(manifest, parameters(manifest, &case.request)?);
        let guarding = if case.is_guarded() { Some(self.guarding(permit, profile)?) } else { None };
        let load = self.cohort_loader(&case.dataset.id);
        let mut asked = guarding.as_ref().map(|guarding| guarding.ask(&load));
        let wall = self.inner.config.limits.wall;
        let mut rounds_drawn = 0;
        let last = loop {
            *reached = Reached::Rows { rounds_drawn };
            let patience = RoundPatience::start(&running.cancel, wall);
            let collected = match self.pass(case, permit, compiled, running, &rounds.arguments())? {
                Ok(collected) => collected,
                Err(error) => return Ok(self.broken_off(case, running, &error)),
            };
            self.step(Step::Ran);
            // Before it is drawn: whatever comes after, it is lost.
            rounds_drawn += 1;
            *reached = Reached::Rows { rounds_drawn };
            let judged = match &mut asked {
                Some(guard) => self.judge(case, collected, profile, guard, &patience)?,
                None => self.judge(case, collected, profile, &mut Unguarded, &patience)?,
            };
            self.step(Step::Gated);
            // Whoever stopped it while the tables were judged was told so: nothing leaves after that.
            if let Some(stopped) = stopped(running) {
                return Ok(stopped);
            }
            let release = match judged {
                Judged::Release(release) => release,
                Judged::Candidate(candidate) => return Ok(Ending::Review(Box::new(candidate))),
                Judged::Withheld { reasons, cells_withheld } => {
                    return Ok(Ending::Withheld { reasons, cells_withheld });
                }
                Judged::Interrupted(why) => return Ok(self.broken_off(case, running, &interrupted(why))),
            };
            match rounds.advance(self, compiled, running, &release) {
                Ok(true) => {}
                Ok(false) => break release,
                Err(error) => return Ok(self.broken_off(case, running, &error)),
            }
        };
        let release = rounds.finish(manifest, last).within(leakage_bound(case, profile));
        if let Some((guarding, asked)) = guarding.as_ref().zip(asked)
            && let Some(ending) = self.claim(case, running, guarding, asked, &release)?
        {
            return Ok(ending);
        }
        if self.needs_review(case) {
            return Ok(Ending::Review(Box::new(ReviewCandidate::from(&release))));
        }
        self.ending_of(&release, &holding.amounts)
    }

    /// Claims the sets behind a release once its end may show; an ending when it may not leave.
    fn claim(
        &self,
        case: &Case,
        running: &Running,
        guarding: &Guarding,
        asked: Asked<'_>,
        release: &Release,
    ) -> Result<Option<Ending>, EngineError> {
        // A claim is an event, and everybody sees the log grow: it may not grow at the moment at which the run was over.
        running.pace.wait(&running.cancel);
        if let Some(stopped) = stopped(running) {
            return Ok(Some(stopped));
        }
        let patience = RoundPatience::start(&running.cancel, self.inner.config.limits.wall);
        Ok(match self.claim_cohorts(&case.row.id, guarding, asked, &patience)? {
            Ok(true) => None,
            Ok(false) => Some(overtaken(release)),
            Err(why) => Some(self.broken_off(case, running, &interrupted(why))),
        })
    }

    /// The end of a job whose run or update ended before its tables could be judged.
    fn broken_off(&self, case: &Case, running: &Running, error: &RunError) -> Ending {
        match error {
            RunError::Failed(FailureClass::Cancelled) if running.is_interrupted() => Ending::Interrupted,
            RunError::Failed(FailureClass::Cancelled) => Ending::Killed,
            error => {
                if !matches!(error, RunError::Failed(_)) {
                    tracing::error!(job = %case.row.id, %error, "the enclave failed a run");
                }
                Ending::Failed { reasons: vec![error.refusal()] }
            }
        }
    }

    pub(crate) fn profile(&self, grant: &Grant) -> Result<&(glovebox_gate::Profile, glovebox_gm::Digest), EngineError> {
        let name = &grant.terms.disclosure_profile;
        let found = self.inner.profiles.get(name);
        found.ok_or_else(|| EngineError::Internal(format!("disclosure profile `{name}` is not loaded")))
    }
}

/// The end of a job that somebody stopped.
fn stopped(running: &Running) -> Option<Ending> {
    if running.is_interrupted() {
        Some(Ending::Interrupted)
    } else {
        running.cancel.is_cancelled().then_some(Ending::Killed)
    }
}

/// How far a job had come before this start: one that was running when the enclave stopped still holds its budget.
fn before(case: &Case) -> Reached {
    if case.row.reservation.is_some() { Reached::Unknown } else { Reached::Nothing }
}

/// The end of a job beside whose figures another's were claimed while it ran.
fn overtaken(release: &Release) -> Ending {
    let reason = Refusal::new(
        "gate.differencing",
        "no figure whose persons differ by a few from those of a figure that was released meanwhile",
        "release",
        "submit the job again: what may still leave is then decided cell by cell",
    );
    Ending::Withheld { reasons: vec![reason], cells_withheld: release.cells_released() + release.cells_withheld() }
}
