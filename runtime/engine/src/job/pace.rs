//! When the end of a job on real data shows: at a step of a coarse clock that starts with the job.
//!
//! How long a run takes depends on what its guest did with the rows, so an exact end would be a channel: a guest that spins
//! on one person's value shifts it. The end therefore shows 1, 2, 4, … steps after the start. A guest could still bring a
//! run to the brink of a step and let one person tip it over; so where the brink lies is drawn anew for each job, anywhere
//! in the second half of the step. One person can spend at most its own fuel, some milliseconds: that moves the odds of a
//! later step by those milliseconds over half a step, and each look costs a job of the budget.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use glovebox_sandbox::CancelFlag;

use crate::EngineError;

/// How often a waiting job looks whether it was stopped.
const LOOK: Duration = Duration::from_millis(5);

/// Steps at which an end may show: 1, 2, 4, … to 2³¹ of them, which for steps of a quarter of a second are 17 years.
pub(crate) const STEPS_MAX: u32 = 32;

/// The clock of one job.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    started: Instant,
    step: Duration,
    /// Share of a step's second half at which its brink lies, 0 to 1.
    draw: f64,
    /// The step at which it shows, once the run is over.
    shown: Arc<OnceLock<Duration>>,
}

impl Pace {
    /// Starts the clock.
    pub(crate) fn start(step: Duration) -> Result<Self, EngineError> {
        let random = getrandom::u32().map_err(|error| EngineError::internal("draw a random number", error))?;
        let draw = f64::from(random) / f64::from(u32::MAX);
        Ok(Self { started: Instant::now(), step, draw, shown: Arc::default() })
    }

    /// Waits until the end may show, or until the job is stopped. The answer is the time after the start that is told: the
    /// first call decides it, so that what is done between two calls moves nothing.
    pub(crate) fn wait(&self, cancel: &CancelFlag) -> Duration {
        let told = *self.shown.get_or_init(|| self.told(self.started.elapsed()));
        while !cancel.is_cancelled() {
            let left = told.saturating_sub(self.started.elapsed());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(LOOK));
        }
        told
    }

    /// The time that is told of a run that took `elapsed`.
    fn told(&self, elapsed: Duration) -> Duration {
        if self.step.is_zero() {
            return elapsed;
        }
        let mut told = self.step;
        for _ in 1..STEPS_MAX {
            if elapsed <= told.mul_f64(1.0 - self.draw / 2.0) {
                break;
            }
            told = told.saturating_mul(2);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(draw: f64) -> Pace {
        Pace { started: Instant::now(), step: Duration::from_millis(100), draw, shown: Arc::default() }
    }

    #[test]
    fn ends_show_at_doubling_steps() {
        let told = |elapsed| pace(0.0).told(Duration::from_millis(elapsed)).as_millis();
        assert_eq!([0, 99, 100, 101, 200, 201, 900, 100_000].map(told), [100, 100, 100, 200, 200, 400, 1_600, 102_400]);
    }

    #[test]
    fn the_brink_lies_anywhere_in_the_second_half() {
        let told = |draw| pace(draw).told(Duration::from_millis(75)).as_millis();
        assert_eq!([0.0, 0.49, 0.51, 1.0].map(told), [100, 100, 200, 200]);
        for draw in [0.0, 0.3, 0.7, 1.0] {
            assert_eq!(pace(draw).told(Duration::from_millis(50)).as_millis(), 100, "the first half never tips over");
        }
    }

    #[test]
    fn five_milliseconds_of_one_person_move_the_odds_by_a_twentieth_of_half_a_step() {
        // At the worst place, over all draws.
        let later = |elapsed: u64| {
            let told = |draw: u32| pace(f64::from(draw) / 1_000.0).told(Duration::from_millis(elapsed)).as_millis();
            (0..1_000).filter(|draw| told(*draw) > 100).count()
        };
        let (calm, spun) = (later(70), later(75));
        assert_eq!(spun - calm, 100, "of 1,000");
    }

    #[test]
    fn without_a_step_ends_show_at_once() {
        let pace = Pace { step: Duration::ZERO, ..pace(0.5) };
        assert_eq!(pace.told(Duration::from_millis(17)), Duration::from_millis(17));
    }

    #[test]
    fn the_first_wait_decides_what_is_told() {
        let pace = Pace { step: Duration::from_millis(10), ..pace(1.0) };
        let told = pace.wait(&CancelFlag::new());
        // Past its brink: a new look at the clock would tell the next step.
        std::thread::sleep(told);
        assert_eq!(pace.wait(&CancelFlag::new()), told);
    }

    #[test]
    fn a_stopped_job_does_not_wait() {
        let pace = Pace { step: Duration::from_secs(3_600), ..pace(0.0) };
        let cancel = CancelFlag::new();
        cancel.cancel();
        assert_eq!(pace.wait(&cancel), Duration::from_secs(3_600));
        assert!(pace.started.elapsed() < Duration::from_secs(60));
    }
}
