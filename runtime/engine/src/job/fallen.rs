//! Jobs over which a worker panicked: a fault of the enclave, which ends the job as failed.
//!
//! A panic may depend on a value of a row, so it costs what a failed run costs that used all it held, and shows at a step of
//! the clock like every end. What the panic says may hold such a value, so nobody is told: not the log either.

use glovebox_api::JobState;
use glovebox_catalog::{JobId, Refusal};
use glovebox_store::JobPatch;

use crate::counters::Counters;
use crate::job::cost::{Reached, Way};
use crate::job::ending::Ending;
use crate::job::{state_name, state_of};
use crate::{Engine, EngineError};

/// From now on a panic of this process says where it happened, and nothing else. For servers: tests want to read it all.
pub fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        tracing::error!(place, thread, "a thread panicked; what it said is left out, as it may hold a value of a row");
    }));
}

impl Engine {
    /// Ends a job whose worker panicked, wherever that was.
    pub(crate) fn end_fallen(&self, id: &JobId) -> Result<(), EngineError> {
        Counters::add(&self.counters().worker_panics, 1);
        tracing::error!(job = %id, "alarm: a worker panicked over a job; the job ends as failed");
        let row = self.found_job(id)?;
        let state = state_of(&row.state)?;
        if state.is_final() || state == JobState::InReview {
            // Its end was committed first; those who watch are told of it.
            self.tell_end(&row.id, state, row.ended_at.unwrap_or_else(|| self.now()));
            return Ok(());
        }
        let reasons = vec![panicked()];
        let draft = self.own_draft("job.panic", id);
        let running = self.inner.desk.running().into_iter().find(|(job, _)| job == id);
        let ended = match (row.reservation, running) {
            (Some(_), Some((_, running))) if state == JobState::Running => {
                self.store().record(draft)?;
                let (holding, ending) = (self.holding(&row)?, Ending::Failed { reasons });
                return self.settle_job(&self.case(id)?, &running, (holding, Reached::Unknown), ending);
            }
            (Some(_), _) => {
                let end = self.end_unknown(&row, &["queued", "running"], (JobState::Failed, Way::Failed), reasons)?;
                self.store().settle(end, draft)?.0
            }
            (None, _) => {
                let patch = JobPatch { reasons: Some(reasons), ended_at: Some(self.now()), ..JobPatch::default() };
                let from = ["queued", "running"];
                self.store().transition(&row.id, &from, state_name(JobState::Failed), patch, draft)?.0
            }
        };
        self.job_ended(&ended, JobState::Failed);
        Ok(())
    }
}

fn panicked() -> Refusal {
    let rule = "the enclave failed, not the job";
    Refusal::new("run.internal", rule, "the run", "tell the operator the id of the job")
}
