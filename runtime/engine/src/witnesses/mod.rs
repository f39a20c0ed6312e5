//! Witnesses: no row is read and no end is told before enough of them cosigned the log with its event in it.
//!
//! An enclave whose folder was put back or copied finds none who cosign, so it stops by itself. Two places ask:
//! [`Engine::await_witnesses`] before a job reads rows, and [`Engine::is_told`] wherever the end of a job, its release or its
//! receipt could be read. Without witnesses in the configuration both say yes at once. How heads get cosigned is in [`rounds`];
//! the protocol is in docs/witnesses.md.

mod asking;
mod kept;
mod rounds;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cap_std::fs::Dir;
use glovebox_api::JobState;
use glovebox_audit::{Cosignature, SignedTreeHead, WitnessPolicy};
use glovebox_catalog::{JobId, Refusal, Timestamp};
use glovebox_gm::VerifyingKey;
use glovebox_sandbox::CancelFlag;
use glovebox_store::JobRow;
use glovebox_witness::Client;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::job::{state_name, state_of};
use crate::{Engine, EngineError};

/// How often whoever waits looks again.
const LOOK: Duration = Duration::from_millis(5);
/// How long a reader waits before it is told that witnesses are missing.
const READER_PATIENCE: Duration = Duration::from_secs(10);
/// How long a witness has for an answer; it waits for its disk.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// A head that enough witnesses cosigned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cosigned {
    pub(crate) head: SignedTreeHead,
    pub(crate) cosignatures: Vec<Cosignature>,
}

/// How a witness stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessFigures {
    /// Its name.
    pub witness: String,
    /// Whether it cosigned when it was last asked.
    pub is_cosigning: bool,
    /// How many events it has cosigned, as far as this process knows.
    pub size: u64,
    /// Why it did not cosign.
    pub trouble: Option<String>,
}

/// The enclave's witnesses, what they cosigned, and what waits for them.
pub(crate) struct Witnesses {
    policy: WitnessPolicy,
    clients: Vec<Client>,
    state: Dir,
    cosigned: Mutex<Option<Cosigned>>,
    /// Size of the cosigned head: events with a lower sequence are covered.
    covered: AtomicU64,
    /// The largest size that somebody waits for.
    wanted: AtomicU64,
    /// Wakes the rounds.
    called: Arc<Notify>,
    /// Jobs that have ended, and the event of their end, which is not covered yet.
    untold: Mutex<Vec<(u64, JobId)>>,
    standing: Mutex<Vec<WitnessFigures>>,
}

impl Witnesses {
    /// The witnesses of `policy`, with the head that they cosigned for the enclave with `key` before.
    ///
    /// # Errors
    /// [`EngineError::Internal`] when an address can't be used or a witness has the enclave's own key.
    pub(crate) fn new(policy: WitnessPolicy, state: Dir, key: &VerifyingKey) -> Result<Self, EngineError> {
        if policy.witnesses().iter().any(|witness| witness.key.fingerprint() == key.fingerprint()) {
            return Err(EngineError::Internal(
                "a witness has the enclave's own key; it would witness itself".to_owned(),
            ));
        }
        let clients = policy.witnesses().iter().map(|witness| Client::new(&witness.url, CALL_TIMEOUT));
        let clients =
            clients.collect::<Result<_, _>>().map_err(|error| EngineError::internal("use witnesses", error))?;
        let cosigned = kept::read(&state, &policy, key);
        let covered = cosigned.as_ref().map_or(0, |cosigned| cosigned.head.head.size);
        let standing = policy.witnesses().iter().map(|witness| WitnessFigures {
            witness: witness.name.to_string(),
            is_cosigning: false,
            size: 0,
            trouble: None,
        });
        Ok(Self {
            standing: Mutex::new(standing.collect()),
            policy,
            clients,
            state,
            cosigned: Mutex::new(cosigned),
            covered: AtomicU64::new(covered),
            wanted: AtomicU64::new(0),
            called: Arc::default(),
            untold: Mutex::default(),
        })
    }

    /// The newest head that enough witnesses cosigned.
    pub(crate) fn cosigned(&self) -> Option<Cosigned> {
        lock(&self.cosigned).clone()
    }

    pub(crate) fn covered(&self) -> u64 {
        self.covered.load(Ordering::Acquire)
    }

    /// How each of them stands.
    pub(crate) fn figures(&self) -> Vec<WitnessFigures> {
        lock(&self.standing).clone()
    }

    /// Asks for a head of at least `size` events.
    fn want(&self, size: u64) {
        self.wanted.fetch_max(size, Ordering::AcqRel);
        self.called.notify_one();
    }

    /// Waits until the first `size` events are covered. False when `stopped` says so before.
    fn wait(&self, size: u64, stopped: impl Fn() -> bool) -> bool {
        self.want(size);
        while self.covered() < size {
            if stopped() {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }
}

impl Engine {
    /// Waits until enough witnesses cosigned the log as it is now. The job's reservation is in it: no copy of the enclave has
    /// its budget again. False when the job was stopped before. On a blocking thread.
    pub(crate) fn await_witnesses(&self, cancel: &CancelFlag) -> Result<bool, EngineError> {
        let Some(witnesses) = &self.inner.witnesses else { return Ok(true) };
        let size = self.store().tree_head(self.now())?.size;
        Ok(witnesses.wait(size, || cancel.is_cancelled()))
    }

    /// Waits a while until enough witnesses cosigned event `sequence`, for a reader who sees something by it.
    ///
    /// # Errors
    /// [`EngineError::Busy`] when they did not in time.
    pub(crate) fn await_witnessed_event(&self, sequence: u64) -> Result<(), EngineError> {
        let Some(witnesses) = &self.inner.witnesses else { return Ok(()) };
        let deadline = Instant::now() + READER_PATIENCE;
        if witnesses.wait(sequence + 1, || Instant::now() > deadline) {
            return Ok(());
        }
        let rule = "what is read is in a log that enough witnesses cosigned";
        let remedy = "try again later; the operator's log and metrics say which witness is missing";
        let reason = Refusal::new("witness.missing", rule, "the log", remedy);
        Err(EngineError::Busy { retry_after_seconds: 30, reason })
    }

    /// A head of the log as it is now that enough witnesses cosigned, if they do so soon.
    pub(crate) fn witnessed_head(&self) -> Result<Option<Cosigned>, EngineError> {
        let Some(witnesses) = &self.inner.witnesses else { return Ok(None) };
        let size = self.store().tree_head(self.now())?.size;
        let deadline = Instant::now() + READER_PATIENCE;
        let is_there = witnesses.wait(size, || Instant::now() > deadline);
        Ok(if is_there { witnesses.cosigned() } else { None })
    }

    /// Whether the end of a job may be told: enough witnesses cosigned its event. A job that has not ended, or ended without
    /// having read a row, has no such event.
    pub(crate) fn is_told(&self, job: &JobId) -> Result<bool, EngineError> {
        let Some(witnesses) = &self.inner.witnesses else { return Ok(true) };
        let sequence = self.store().receipt_sequence(job)?;
        Ok(sequence.is_none_or(|sequence| sequence < witnesses.covered()))
    }

    /// The job as it is told: one whose end waits for witnesses is still running, or in review.
    pub(crate) fn as_told(&self, row: JobRow) -> Result<JobRow, EngineError> {
        if !state_of(&row.state)?.is_final() || self.is_told(&row.id)? {
            return Ok(row);
        }
        let in_review = self.store().review_of_job(&row.id)?.is_some();
        let state = if in_review { JobState::InReview } else { JobState::Running };
        Ok(JobRow {
            state: state_name(state).to_owned(),
            reasons: Vec::new(),
            release: None,
            used: None,
            ended_at: None,
            ..row
        })
    }

    /// Tells watchers of the end of a job, at once or when its event is covered.
    pub(crate) fn tell_end(&self, job: &JobId, state: JobState, at: Timestamp) {
        let Some(witnesses) = &self.inner.witnesses else { return self.inner.desk.end(job, state, at) };
        match self.store().receipt_sequence(job) {
            Ok(Some(sequence)) if sequence >= witnesses.covered() => {
                lock(&witnesses.untold).push((sequence, job.clone()));
                witnesses.want(sequence + 1);
                // It may have been covered in between.
                self.tell_covered_ends(witnesses);
            }
            Ok(_) => self.inner.desk.end(job, state, at),
            Err(error) => tracing::error!(%job, %error, "whether the end of a job may be told can't be read"),
        }
    }

    /// After a start: the ends that nobody was told of yet, since their events are not covered.
    pub(crate) fn recall_untold(&self) -> Result<(), EngineError> {
        let Some(witnesses) = &self.inner.witnesses else { return Ok(()) };
        if let Some(Cosigned { head, .. }) = witnesses.cosigned() {
            self.store().put_signed_head(&head).map_err(|_| {
                EngineError::Internal(format!(
                    "witnesses cosigned {} events of this log, and it does not hold them: its database was put back to an \
                     older state; restore the newest one",
                    head.head.size
                ))
            })?;
        }
        let untold = self.store().receipts_from(witnesses.covered())?;
        lock(&witnesses.untold).extend(untold);
        witnesses.want(self.store().tree_head(self.now())?.size);
        Ok(())
    }

    fn tell_covered_ends(&self, witnesses: &Witnesses) {
        let covered = witnesses.covered();
        let (told, untold) = std::mem::take(&mut *lock(&witnesses.untold)).into_iter().partition(|(s, _)| *s < covered);
        lock(&witnesses.untold).extend::<Vec<_>>(untold);
        let told: Vec<(u64, JobId)> = told;
        for (_, job) in told {
            let ended = self.found_job(&job).and_then(|row| Ok((state_of(&row.state)?, row.ended_at)));
            match ended {
                Ok((state, at)) => self.inner.desk.end(&job, state, at.unwrap_or_else(|| self.now())),
                Err(error) => tracing::error!(%job, %error, "the end of a job can't be told"),
            }
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
