//! Jobs as their users see them: submitted, listed, watched, cancelled. How one runs is in [`run`].

pub(crate) mod cohorts;
pub(crate) mod cost;
pub(crate) mod desk;
pub(crate) mod ending;
mod fallen;
mod judgement;
pub(crate) mod noise;
mod pace;
mod pass;
mod patience;
mod queue;
mod recovery;
pub(crate) mod refusals;
mod reservation;
mod rounds;
pub(crate) mod run;
mod step;

use std::time::{Duration, Instant};

use glovebox_api::{FuelBucket, JobEvent, JobState, JobView, Page, SubmitJob, TimeBucket};
use glovebox_catalog::{Dataset, Grant, GrantId, Isolation, JobId, JobManifest, Refusal};
use glovebox_policy::{Action, Context, PermitRequest, ResourceRef};
use glovebox_store::{JobFilter, JobPatch, JobRow};
use tokio::sync::watch;

use crate::job::noise::privacy_of;
use crate::job::queue::Full;
use crate::job::reservation::check_memory;
use crate::page::all;
use crate::start::new_id;
use crate::{Caller, Engine, EngineError, PageQuery};

pub use fallen::keep_panics_quiet;
pub use step::Step;

impl Engine {
    /// Accepts a job, if the policies, the grant and the queue allow it. It is checked again when it starts.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] for grant, dataset or module, [`EngineError::Refused`] with every reason,
    /// [`EngineError::Invalid`] for parameters, [`EngineError::Busy`] when too much is waiting.
    pub fn submit_job(&self, caller: &Caller, request: SubmitJob) -> Result<JobView, EngineError> {
        let own = &caller.principal.organisation;
        self.inner.refusals.room(own, Instant::now()).map_err(refused_too_often)?;
        let for_purpose = |grant: &Grant, context: Context| context.for_purpose(grant.terms.purpose);
        let grant: Grant = self.sought_in(caller, Action::JobSubmit, &request.grant, for_purpose)?;
        let path = ResourceRef::grant(&grant).path();
        let dataset: Dataset = self.sought(caller, Action::DatasetRead, &request.dataset)?;
        let module = self.submitted_module(caller, &request.module)?;
        let stops = self.stops(&grant, dataset.id.as_str(), &module.id)?;
        if !stops.is_empty() {
            return Err(self.refuse(caller, Action::JobSubmit, &path, stops));
        }
        parameters(&module.manifest, &request)?;
        let snapshot = self.store().latest_snapshot(&dataset.id)?;
        let snapshot = snapshot.ok_or_else(|| EngineError::Conflict(nothing_ingested(&request)))?;
        let permit = self.inner.authoriser.permit(PermitRequest {
            principal: &caller.principal,
            grant: &grant,
            dataset: &dataset,
            snapshot: &snapshot,
            manifest: &module.manifest,
            uses_so_far: self.uses(&grant.id)?,
            now: self.now(),
            address: caller.address,
        });
        let (profile, _) = self.profile(&grant)?;
        let noise = privacy_of(request.privacy, &module.manifest, &grant.terms, &dataset, profile);
        let fits = check_memory(&module.manifest, &snapshot, &self.inner.config.limits).map_err(|reason| vec![reason]);
        if let Err(reasons) = permit.map(drop).and(noise.map(drop)).and(fits) {
            self.inner.refusals.note(own, Instant::now());
            return Err(self.refuse(caller, Action::JobSubmit, &path, reasons));
        }
        self.inner.desk.room(&caller.principal.organisation).map_err(busy)?;
        let id = JobId::new(new_id("job")).map_err(|error| EngineError::internal("make an id", error))?;
        let row = JobRow {
            id: id.clone(),
            grant: request.grant.clone(),
            dataset: request.dataset.clone(),
            supplier: dataset.supplier,
            module: request.module.clone(),
            request: serde_json::to_string(&request).map_err(|error| EngineError::internal("keep a request", error))?,
            organisation: caller.principal.organisation.clone(),
            submitted_by: caller.principal.id.clone(),
            submitted_at: self.now(),
            state: state_name(JobState::Queued).to_owned(),
            reasons: Vec::new(),
            release: None,
            reservation: None,
            privacy: None,
            used: None,
            started_at: None,
            ended_at: None,
            snapshot: None,
        };
        let draft = self
            .done(caller, Action::JobSubmit, format!("job/{id}"))
            .with("grant", &row.grant)
            .with("dataset", &row.dataset)
            .with("module", &row.module);
        self.store().insert_job(&row, draft)?;
        self.step(Step::Submitted);
        self.inner.desk.enqueue(row.organisation.clone(), &id, row.submitted_at);
        view(row, module.manifest.isolation)
    }

    /// Lists the jobs that the caller may see, the newest first.
    ///
    /// # Errors
    /// [`EngineError::Internal`].
    pub fn jobs(&self, caller: &Caller, query: &PageQuery) -> Result<Page<JobView>, EngineError> {
        let page = query.visible(
            |slice| self.store().jobs(JobFilter::default(), slice),
            |row| row.id.to_string(),
            |row| Ok(self.may_see(caller, Action::JobRead, self.job_resource(row)?)),
        )?;
        let Page { items, next_cursor } = page;
        let items = items.into_iter().map(|row| self.job_view(row)).collect::<Result<_, _>>()?;
        Ok(Page { items, next_cursor })
    }

    /// One job.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`].
    pub fn job(&self, caller: &Caller, id: &JobId) -> Result<JobView, EngineError> {
        self.job_view(self.sought(caller, Action::JobRead, id)?)
    }

    /// Ends a job that has not ended. A running one stops within some milliseconds; what it used stays used.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`], [`EngineError::Conflict`] when it has ended.
    pub fn cancel_job(&self, caller: &Caller, id: &JobId) -> Result<JobView, EngineError> {
        let row = self.as_told(self.sought::<JobRow>(caller, Action::JobCancel, id)?)?;
        let path = self.job_resource(&row)?.path();
        if state_of(&row.state)?.is_final() {
            let rule = "a job that has ended stays ended";
            let reason = Refusal::new("job.ended", rule, format!("job `{id}`"), "read its state");
            return Err(EngineError::Conflict(reason));
        }
        self.store().record(self.done(caller, Action::JobCancel, path))?;
        if row.state == state_name(JobState::InReview) {
            self.withdraw_review_of(&row, Some(&caller.principal))?;
        } else {
            self.stop_job(&row)?;
        }
        self.job_view(self.found_job(id)?)
    }

    /// A stream of the job's states, beginning with the present one; it closes after the final one.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`].
    pub fn watch_job(&self, caller: &Caller, id: &JobId) -> Result<watch::Receiver<JobEvent>, EngineError> {
        self.sought::<JobRow>(caller, Action::JobRead, id)?;
        // A job may end between the look at the store and the place at the desk: so look again once there.
        let receiver = self.inner.desk.watch(self.job_event(id)?);
        let now = self.job_event(id)?;
        if now.state.is_final() { Ok(self.inner.desk.watch(now)) } else { Ok(receiver) }
    }

    /// Stops every job that waits or runs and of which this holds.
    pub(crate) fn cancel_jobs_where(&self, holds: impl Fn(&JobRow) -> bool) -> Result<(), EngineError> {
        for row in self.store().unfinished()?.iter().filter(|row| holds(row)) {
            self.stop_job(row)?;
        }
        Ok(())
    }

    /// Tells running jobs to stop and go back to the queue, for a shutdown.
    pub(crate) fn interrupt_jobs(&self) {
        for (_, running) in self.inner.desk.running() {
            running.interrupt();
        }
    }

    fn stop_job(&self, row: &JobRow) -> Result<(), EngineError> {
        self.inner.desk.withdraw(&row.id);
        if row.reservation.is_none() {
            let reason = cancelled();
            let patch = JobPatch { reasons: Some(vec![reason]), ended_at: Some(self.now()), ..JobPatch::default() };
            let draft = self.own_draft("job.kill", &row.id);
            // Whoever is first, this or the worker that takes it, decides; the other sees the conflict.
            if let Ok((row, _)) =
                self.store().transition(&row.id, &["queued"], state_name(JobState::Killed), patch, draft)
            {
                self.job_ended(&row, JobState::Killed);
                return Ok(());
            }
        }
        if self.inner.desk.cancel(&row.id) || row.reservation.is_none() {
            return Ok(());
        }
        match self.kill_waiting(row) {
            // A worker was faster; it stops the job when it starts it.
            Err(EngineError::Conflict(_)) => Ok(()),
            ended => ended,
        }
    }

    pub(crate) fn found_job(&self, id: &JobId) -> Result<JobRow, EngineError> {
        self.store().job(id)?.ok_or_else(|| EngineError::NotFound { what: "job", id: id.to_string() })
    }

    pub(crate) fn job_resource(&self, row: &JobRow) -> Result<ResourceRef, EngineError> {
        let grant: Grant = self.found_grant(&row.grant)?;
        Ok(ResourceRef::job(&row.id, &row.submitted_by, &grant))
    }

    /// Jobs that have run or hold a reservation under a grant.
    pub(crate) fn uses(&self, grant: &GrantId) -> Result<u64, EngineError> {
        let account = self.store().account(grant)?;
        Ok(account.map_or(0, |account| account.committed.jobs.saturating_add(account.reserved.jobs)))
    }

    fn job_view(&self, row: JobRow) -> Result<JobView, EngineError> {
        let row = self.as_told(row)?;
        let isolation = self.found_module(&row.module)?.manifest.isolation;
        let review = self.store().review_of_job(&row.id)?.map(|review| review.id);
        Ok(JobView { review, ..view(row, isolation)? })
    }

    fn job_event(&self, id: &JobId) -> Result<JobEvent, EngineError> {
        let row = self.as_told(self.found_job(id)?)?;
        let at = row.ended_at.or(row.started_at).unwrap_or(row.submitted_at);
        Ok(JobEvent { job: row.id, state: state_of(&row.state)?, at, queue_position: None })
    }

    /// Ids of all unfinished jobs, for the live view.
    pub(crate) fn waiting_rows(&self) -> Result<Vec<JobRow>, EngineError> {
        let waiting = self.inner.desk.queued();
        let rows = all(|slice| self.store().jobs(JobFilter { state: Some("queued"), ..JobFilter::default() }, slice))?;
        Ok(waiting.iter().filter_map(|id| rows.iter().find(|row| row.id == *id).cloned()).collect())
    }
}

/// The parameters in manifest order: as requested, or the manifest's defaults.
pub(crate) fn parameters(manifest: &JobManifest, request: &SubmitJob) -> Result<Vec<f64>, EngineError> {
    if let Some(name) = request.parameters.keys().find(|name| manifest.parameters.iter().all(|p| p.name != **name)) {
        let known: Vec<_> = manifest.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        let rule = format!("the module's parameters are: {}", known.join(", "));
        let place = format!("parameter `{}`", name.chars().take(64).collect::<String>());
        return Err(EngineError::invalid("job.parameter-unknown", rule, place, "leave it out"));
    }
    let value = |parameter: &glovebox_catalog::Parameter| {
        let value = request.parameters.get(&parameter.name).copied().unwrap_or(parameter.default);
        if value >= parameter.min && value <= parameter.max {
            return Ok(value);
        }
        let rule = format!("a number from {} to {}", parameter.min, parameter.max);
        let place = format!("parameter `{}`", parameter.name);
        Err(EngineError::invalid("job.parameter-range", rule, place, "choose a number within the range"))
    };
    manifest.parameters.iter().map(value).collect()
}

pub(crate) fn state_name(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::InReview => "in-review",
        JobState::Released => "released",
        JobState::Withheld => "withheld",
        JobState::Refused => "refused",
        JobState::Failed => "failed",
        JobState::Killed => "killed",
    }
}

pub(crate) fn state_of(name: &str) -> Result<JobState, EngineError> {
    serde_json::from_value(name.into()).map_err(|error| EngineError::internal("read a job's state", error))
}

/// The reason of a job that was stopped.
pub(crate) fn cancelled() -> Refusal {
    let rule = "a job ends when its submitter, an operator, or the end of a right stops it";
    Refusal::new("run.cancelled", rule, "the run", "read the log of the job, then submit it again")
}

fn view(row: JobRow, isolation: Isolation) -> Result<JobView, EngineError> {
    let request: SubmitJob =
        serde_json::from_str(&row.request).map_err(|error| EngineError::internal("read a request", error))?;
    let time = match (row.started_at, row.ended_at) {
        (Some(start), Some(end)) => Some(match end.unix_ms().saturating_sub(start.unix_ms()) {
            ..=60_000 => TimeBucket::Minute,
            60_001..=600_000 => TimeBucket::TenMinutes,
            _ => TimeBucket::Longer,
        }),
        _ => None,
    };
    let fuel = row.used.map(|used| FuelBucket { at_most_ten_to_the: glovebox_meter::fuel_bucket(used.fuel_units) });
    Ok(JobView {
        id: row.id,
        request,
        organisation: row.organisation,
        submitted_by: row.submitted_by,
        submitted_at: row.submitted_at,
        ended_at: row.ended_at,
        state: state_of(&row.state)?,
        reasons: row.reasons,
        release: row.release,
        review: None,
        time,
        fuel,
        isolation,
    })
}

fn nothing_ingested(request: &SubmitJob) -> Refusal {
    let place = format!("dataset `{}`", request.dataset);
    Refusal::new("ingest.no-snapshot", "a job reads a published snapshot", place, "wait until its rows are ingested")
}

fn refused_too_often(wait: Duration) -> EngineError {
    let reason = Refusal::new(
        "job.refused-too-often",
        "an organisation's jobs are refused 30 times at once, and then once every half a minute",
        "the organisation",
        "`glovebox job lint` and `glovebox job explain` say without a job what would be refused",
    );
    let retry_after_seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
    EngineError::Busy { retry_after_seconds, reason }
}

fn busy(full: Full) -> EngineError {
    let (code, rule) = match full {
        Full::Queue => ("job.queue-full", "a bounded number of jobs waits"),
        Full::Organisation => ("job.queue-full-for-organisation", "a bounded number of an organisation's jobs waits"),
    };
    let reason = Refusal::new(code, rule, "the queue", "submit it again when a job has ended");
    EngineError::Busy { retry_after_seconds: 5, reason }
}
