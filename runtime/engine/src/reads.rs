//! Reads that are events: of people's and grants' records, reports, meters, and of the log itself.
//!
//! Who reads much would fill the log, so reads of one thing by one caller are one event for each interval, with their
//! number and the times of the first and last. Those not yet in the log are written when the enclave stops in order; a
//! kill loses the interval that was going on, and nothing else.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use glovebox_audit::{Actor, Draft};
use glovebox_catalog::Timestamp;
use glovebox_policy::Action;

use crate::{Caller, Engine, EngineError};

/// How often reads go into the log.
const INTERVAL: Duration = Duration::from_secs(60);
/// Most different reads that wait; the next one writes them all.
const WAITING_MAX: usize = 1_000;

/// What makes two reads one event: caller with address, action, thing, and what was read of it.
type Key = (String, Option<String>, &'static str, String, &'static str);

/// Reads that wait for their event.
#[derive(Debug, Default)]
pub(crate) struct Reads(Mutex<BTreeMap<Key, Batch>>);

#[derive(Debug, Clone)]
struct Batch {
    actor: Actor,
    count: u64,
    first_at: Timestamp,
    last_at: Timestamp,
}

impl Reads {
    /// Notes one read; says whether it is time to write.
    fn note(&self, key: Key, actor: Actor, now: Timestamp) -> bool {
        let mut waiting = self.lock();
        let fresh = || Batch { actor, count: 0, first_at: now, last_at: now };
        let batch = waiting.entry(key).or_insert_with(fresh);
        batch.count = batch.count.saturating_add(1);
        batch.last_at = now;
        waiting.len() >= WAITING_MAX
    }

    fn take(&self) -> BTreeMap<Key, Batch> {
        std::mem::take(&mut *self.lock())
    }

    /// Puts back what could not be written.
    fn put_back(&self, kept: BTreeMap<Key, Batch>) {
        let mut waiting = self.lock();
        for (key, old) in kept {
            let batch = waiting.entry(key).or_insert_with(|| Batch { count: 0, ..old.clone() });
            batch.count = batch.count.saturating_add(old.count);
            batch.first_at = batch.first_at.min(old.first_at);
            batch.last_at = batch.last_at.max(old.last_at);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Batch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Notes that `caller` has read `what` of `resource`. It goes into the log with the next batch.
    ///
    /// # Errors
    /// When the batch is full and can't be written: then nothing more is read, either.
    pub(crate) fn has_read(
        &self,
        caller: &Caller,
        action: Action,
        resource: &str,
        what: &'static str,
    ) -> Result<(), EngineError> {
        let actor = caller.actor();
        let key = (caller.principal.id.to_string(), actor.address.clone(), action.as_str(), resource.to_owned(), what);
        if self.inner.reads.note(key, actor, self.now()) { self.write_reads() } else { Ok(()) }
    }

    /// Writes the reads that wait.
    ///
    /// # Errors
    /// When the log can't be written; they go on waiting.
    pub(crate) fn write_reads(&self) -> Result<(), EngineError> {
        let kept = self.inner.reads.take();
        if kept.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let event = |((_, _, action, resource, what), batch): (&Key, &Batch)| {
            Draft::done(now, batch.actor.clone(), *action, resource.clone())
                .with("read", what)
                .with("count", batch.count)
                .with("first_at", batch.first_at)
                .with("last_at", batch.last_at)
        };
        if let Err(error) = self.store().record_all(kept.iter().map(event).collect()) {
            self.inner.reads.put_back(kept);
            return Err(error.into());
        }
        Ok(())
    }

    /// Writes reads from time to time for as long as the enclave is there.
    pub(crate) fn keep_reads(&self) {
        let enclave = std::sync::Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(INTERVAL).await;
                let Some(inner) = enclave.upgrade() else { return };
                let written = tokio::task::spawn_blocking(move || Self { inner }.write_reads()).await;
                if !matches!(written, Ok(Ok(()))) {
                    tracing::error!("who has read what could not be written to the log; tried again in a minute");
                }
            }
        });
    }
}
