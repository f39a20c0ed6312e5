//! How long a round may take, its judging included: until its job is stopped or its wall time is over.

use std::cell::Cell;
use std::time::{Duration, Instant};

use glovebox_gate::{Interrupted, Patience};
use glovebox_sandbox::{CancelFlag, FailureClass, RunError};

/// Work after which the clock is looked at, in units of [`Patience::spend`]: a millisecond or some.
const CLOCK_UNITS: u64 = 1 << 18;

/// The patience of one round: with the gate, it ends by the same two causes as a run.
pub(crate) struct RoundPatience {
    cancel: CancelFlag,
    /// None where the clock can't express it.
    deadline: Option<Instant>,
    /// Since the clock was looked at.
    units: Cell<u64>,
}

impl RoundPatience {
    /// From now on, for `wall`.
    pub(crate) fn start(cancel: &CancelFlag, wall: Duration) -> Self {
        let deadline = Instant::now().checked_add(wall);
        Self { cancel: cancel.clone(), deadline, units: Cell::new(CLOCK_UNITS) }
    }
}

impl Patience for RoundPatience {
    fn spend(&self, units: u64) -> Result<(), Interrupted> {
        if self.cancel.is_cancelled() {
            return Err(Interrupted::Cancelled);
        }
        let units = self.units.get().saturating_add(units);
        if units < CLOCK_UNITS {
            self.units.set(units);
            return Ok(());
        }
        self.units.set(0);
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Interrupted::WallTime),
            _ => Ok(()),
        }
    }
}

/// The end of a run that was interrupted while its tables were judged.
pub(crate) fn interrupted(why: Interrupted) -> RunError {
    RunError::Failed(match why {
        Interrupted::Cancelled => FailureClass::Cancelled,
        Interrupted::WallTime => FailureClass::WallTime,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_at_the_next_question_after_a_cancel() {
        let cancel = CancelFlag::new();
        let patience = RoundPatience::start(&cancel, Duration::from_secs(3_600));
        assert_eq!(patience.spend(u64::MAX), Ok(()));
        cancel.cancel();
        assert_eq!(patience.spend(0), Err(Interrupted::Cancelled));
    }

    #[test]
    fn the_clock_is_looked_at_first_and_then_after_some_work() {
        let patience = RoundPatience::start(&CancelFlag::new(), Duration::ZERO);
        assert_eq!(patience.spend(1), Err(Interrupted::WallTime));
        assert_eq!(patience.spend(1), Ok(()), "not again at once");
        assert_eq!(patience.spend(CLOCK_UNITS), Err(Interrupted::WallTime));
    }
}
