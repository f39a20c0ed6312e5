//! The steps of a job and an ingestion after which something is on disk. Faults are injected between them.

use crate::Engine;

/// A step that has just been taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The job is in the store.
    Submitted,
    /// The job is marked as running.
    Started,
    /// Its budget is reserved.
    Reserved,
    /// Its view is open.
    Opened,
    /// It has run.
    Ran,
    /// The gate has decided.
    Gated,
    /// Release, receipt, budget and state are committed.
    Settled,
    /// A snapshot is complete on disk.
    Staged,
    /// The snapshot is in the store.
    SnapshotCommitted,
    /// The snapshot is in its place.
    SnapshotPublished,
}

impl Step {
    /// Every step of a job, in order.
    pub const OF_A_JOB: [Self; 7] =
        [Self::Submitted, Self::Started, Self::Reserved, Self::Opened, Self::Ran, Self::Gated, Self::Settled];

    /// Every step of an ingestion, in order.
    pub const OF_AN_INGESTION: [Self; 3] = [Self::Staged, Self::SnapshotCommitted, Self::SnapshotPublished];
}

impl Engine {
    /// Tells whoever watches the steps.
    pub(crate) fn step(&self, step: Step) {
        if let Some(watcher) = &self.inner.config.on_step {
            watcher.call(step);
        }
    }
}
