//! After a start: what a crash left half done is finished or taken back, and unfinished jobs wait again.

use glovebox_api::JobState;
use glovebox_catalog::{JobId, Refusal};
use glovebox_store::{EventFilter, JobPatch, JobRow};

use crate::job::cost::Way;
use crate::job::state_name;
use crate::page::all;
use crate::{Engine, EngineError};

/// A job that has stopped the process this often is not tried again.
const RESUMES_MAX: usize = 3;
const RESUME: &str = "job.resume";

impl Engine {
    /// Puts vault and queue in order after a start.
    pub(crate) fn recover(&self) -> Result<(), EngineError> {
        let known = |dataset: &glovebox_catalog::DatasetId, number: u32| {
            self.store().snapshot(dataset, number).is_ok_and(|found| found.is_some())
        };
        let swept = self.inner.vault.sweep(known)?;
        if swept != glovebox_vault::Swept::default() {
            tracing::info!(?swept, "finished what a stop left half done in the vault");
        }
        for row in self.store().unfinished()? {
            if row.state == state_name(JobState::Running) && !self.resume(&row)? {
                continue;
            }
            self.inner.desk.enqueue(row.organisation.clone(), &row.id, self.now());
        }
        self.tend_reviews()
    }

    /// Puts a job that was running back in the queue, with its reservation; nothing of it has left, since a release is
    /// committed together with the job's end. False when it was tried too often, and ended.
    fn resume(&self, row: &JobRow) -> Result<bool, EngineError> {
        let resource = format!("job/{}", row.id);
        let filter = EventFilter { action: Some(RESUME), resource: Some(&resource), ..EventFilter::default() };
        if all(|slice| self.store().events(filter, slice))?.len() < RESUMES_MAX {
            let draft = self.own_draft(RESUME, &row.id);
            self.store().transition(&row.id, &["running"], state_name(JobState::Queued), JobPatch::default(), draft)?;
            return Ok(true);
        }
        self.give_up(row)?;
        Ok(false)
    }

    /// Back to the queue at a shutdown. The present process does not take it up again: its desk is closed.
    pub(crate) fn requeue(&self, id: &JobId) -> Result<(), EngineError> {
        let draft = self.own_draft("job.interrupt", id);
        self.store().transition(id, &["running"], state_name(JobState::Queued), JobPatch::default(), draft)?;
        Ok(())
    }

    fn give_up(&self, row: &JobRow) -> Result<(), EngineError> {
        let rule = format!("a job that was running at {} stops of the enclave is not tried again", RESUMES_MAX + 1);
        let reason = Refusal::new("run.interrupted", rule, "the run", "tell the operator the id of the job");
        let draft = self.own_draft("job.give-up", &row.id);
        if row.reservation.is_none() {
            let patch = JobPatch { reasons: Some(vec![reason]), ended_at: Some(self.now()), ..JobPatch::default() };
            self.store().transition(&row.id, &["running"], state_name(JobState::Failed), patch, draft)?;
            return Ok(());
        }
        let settlement = self.end_unknown(row, &["running"], (JobState::Failed, Way::Failed), vec![reason])?;
        self.store().settle(settlement, draft)?;
        Ok(())
    }
}
