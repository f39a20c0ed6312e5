//! How long judging may go on. The gate has no clock: whoever calls it says, between two pieces of work, whether to go on.

use thiserror::Error;

/// Asked before every piece of work that grows with cells, persons or earlier releases.
pub trait Patience {
    /// Notes `units` of work that come next: about as many cells looked at, persons merged, or field operations. A unit
    /// takes some nanoseconds, and callers take at most some millions between two questions.
    ///
    /// # Errors
    /// [`Interrupted`] when the work is to stop. Nothing may then leave.
    fn spend(&self, units: u64) -> Result<(), Interrupted>;
}

/// Why judging stopped before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Interrupted {
    /// Whoever may stop the job did.
    #[error("the job was cancelled while its tables were judged")]
    Cancelled,
    /// The job's wall time was over.
    #[error("the job's time was over while its tables were judged")]
    WallTime,
}

/// Goes on however long it takes: for tests, benches and tables that a caller has bounded itself.
pub struct Endless;

impl Patience for Endless {
    fn spend(&self, _units: u64) -> Result<(), Interrupted> {
        Ok(())
    }
}
