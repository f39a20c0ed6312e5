//! The desk: jobs that wait and run in this process, who watches them, and how to stop them.
//!
//! The desk is a picture of the store in memory; what it forgets at a crash is rebuilt from there.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use glovebox_api::{JobEvent, JobState};
use glovebox_catalog::{Isolation, JobId, OrganisationId, Timestamp};
use glovebox_sandbox::{CancelFlag, Progress};
use tokio::sync::{Notify, watch};

use crate::job::pace::Pace;
use crate::job::queue::{FairQueue, Full};

/// A job that runs.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) organisation: OrganisationId,
    pub(crate) isolation: Isolation,
    pub(crate) started_at: Timestamp,
    /// When its end may show.
    pub(crate) pace: Pace,
    pub(crate) cancel: CancelFlag,
    pub(crate) progress: Progress,
    /// Set beside `cancel` when the enclave stops, not the job.
    pub(crate) interrupted: CancelFlag,
}

impl Running {
    /// Stops the run; it goes back to the queue.
    pub(crate) fn interrupt(&self) {
        self.interrupted.cancel();
        self.cancel.cancel();
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.is_cancelled()
    }
}

/// Jobs that wait and run.
#[derive(Debug)]
pub(crate) struct Desk {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug)]
struct State {
    queue: FairQueue,
    running: HashMap<JobId, Running>,
    watched: HashMap<JobId, watch::Sender<JobEvent>>,
    /// Jobs that were stopped after a worker took them and before they stood here as running.
    doomed: HashSet<JobId>,
    closed: bool,
}

impl Desk {
    pub(crate) fn new(jobs_max: usize, per_organisation_max: usize) -> Self {
        let state = State {
            queue: FairQueue::new(jobs_max, per_organisation_max),
            running: HashMap::new(),
            watched: HashMap::new(),
            doomed: HashSet::new(),
            closed: false,
        };
        Self { state: Mutex::new(state), arrived: Notify::new() }
    }

    pub(crate) fn room(&self, organisation: &OrganisationId) -> Result<(), Full> {
        self.lock().queue.room(organisation)
    }

    /// Lets a job wait. Its event tells its place.
    pub(crate) fn enqueue(&self, organisation: OrganisationId, job: &JobId, at: Timestamp) {
        {
            let mut state = self.lock();
            state.queue.push(organisation, job.clone());
            state.tell(job, JobState::Queued, at);
        }
        self.arrived.notify_one();
    }

    /// The next job to run; none once the desk is closed.
    pub(crate) async fn next(&self) -> Option<JobId> {
        loop {
            let arrived = self.arrived.notified();
            {
                let mut state = self.lock();
                if state.closed {
                    return None;
                }
                if let Some(job) = state.queue.pop() {
                    return Some(job);
                }
            }
            arrived.await;
        }
    }

    pub(crate) fn start(&self, job: &JobId, running: Running) {
        let mut state = self.lock();
        let at = running.started_at;
        if state.doomed.remove(job) {
            running.cancel.cancel();
        }
        state.running.insert(job.clone(), running);
        state.tell(job, JobState::Running, at);
    }

    /// Takes an ended job off the desk; its watchers see the final state, then the end of their stream.
    pub(crate) fn end(&self, job: &JobId, ended: JobState, at: Timestamp) {
        let mut state = self.lock();
        state.queue.remove(job);
        state.running.remove(job);
        state.doomed.remove(job);
        state.tell(job, ended, at);
        state.watched.remove(job);
    }

    /// Takes a job off the desk that waits for people; its watchers go on watching.
    pub(crate) fn hand_over(&self, job: &JobId, at: Timestamp) {
        let mut state = self.lock();
        state.running.remove(job);
        state.doomed.remove(job);
        state.tell(job, JobState::InReview, at);
    }

    /// Takes a waiting job out of the queue.
    pub(crate) fn withdraw(&self, job: &JobId) -> bool {
        self.lock().queue.remove(job)
    }

    /// Tells a running job to stop. False when it does not run here; should a worker be about to start it, it stops then.
    pub(crate) fn cancel(&self, job: &JobId) -> bool {
        let mut state = self.lock();
        if let Some(running) = state.running.get(job) {
            running.cancel.cancel();
            return true;
        }
        state.doomed.insert(job.clone());
        false
    }

    /// A stream of the job's states, beginning with `now`.
    pub(crate) fn watch(&self, now: JobEvent) -> watch::Receiver<JobEvent> {
        let mut state = self.lock();
        let mut now = now;
        now.queue_position = state.queue.position(&now.job);
        if now.state.is_final() {
            return watch::channel(now).1;
        }
        let sender = state.watched.entry(now.job.clone()).or_insert_with(|| watch::channel(now).0);
        sender.subscribe()
    }

    pub(crate) fn running(&self) -> Vec<(JobId, Running)> {
        let state = self.lock();
        let mut running: Vec<_> = state.running.iter().map(|(job, running)| (job.clone(), running.clone())).collect();
        running.sort_by(|(a, _), (b, _)| a.cmp(b));
        running
    }

    pub(crate) fn queued(&self) -> Vec<JobId> {
        self.lock().queue.jobs()
    }

    /// Gives out no more jobs. Waiting ones stay in the store and wait for the next start.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell(&mut self, job: &JobId, state: JobState, at: Timestamp) {
        let queue_position = self.queue.position(job);
        if let Some(sender) = self.watched.get(job) {
            sender.send_replace(JobEvent { job: job.clone(), state, at, queue_position });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(job: &JobId, state: JobState) -> JobEvent {
        JobEvent { job: job.clone(), state, at: Timestamp::from_unix_ms(0), queue_position: None }
    }

    #[tokio::test]
    async fn watchers_see_the_states_and_then_the_end() {
        let desk = Desk::new(4, 4);
        let job = JobId::new("j1").unwrap();
        let at = Timestamp::from_unix_ms(1);
        desk.enqueue(OrganisationId::new("a").unwrap(), &job, at);
        let mut watch = desk.watch(event(&job, JobState::Queued));
        assert_eq!(watch.borrow_and_update().queue_position, Some(0));
        assert_eq!(desk.next().await, Some(job.clone()));
        desk.end(&job, JobState::Released, at);
        watch.changed().await.unwrap();
        assert_eq!(watch.borrow_and_update().state, JobState::Released);
        assert!(watch.changed().await.is_err());
    }

    #[tokio::test]
    async fn closing_wakes_every_worker() {
        let desk = std::sync::Arc::new(Desk::new(4, 4));
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let desk = desk.clone();
                tokio::spawn(async move { desk.next().await })
            })
            .collect();
        tokio::task::yield_now().await;
        desk.close();
        for worker in workers {
            let ended = tokio::time::timeout(std::time::Duration::from_secs(5), worker).await;
            assert_eq!(ended.unwrap().unwrap(), None);
        }
    }
}
