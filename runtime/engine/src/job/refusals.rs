//! How many jobs of an organisation may be refused: a refusal tells whether something fits, and who asks often enough
//! finds out how much.
//!
//! The first few cost nothing, since people make mistakes; after them one more is free every half a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use glovebox_catalog::OrganisationId;

/// Refusals that an organisation may meet at once.
const AT_ONCE: u32 = 30;
/// How long it takes until one more is free.
const EVERY: Duration = Duration::from_secs(30);

/// What every organisation has left.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<HashMap<OrganisationId, Used>>);

/// Refusals that were not forgotten yet.
#[derive(Debug, Clone, Copy)]
struct Used {
    count: u32,
    /// From when on the next is being forgotten.
    since: Instant,
}

impl Used {
    /// What is left of it at `now`.
    fn at(self, now: Instant) -> Self {
        let forgotten = now.saturating_duration_since(self.since).as_secs() / EVERY.as_secs();
        let forgotten = u32::try_from(forgotten).unwrap_or(u32::MAX);
        if forgotten >= self.count {
            return Self { count: 0, since: now };
        }
        Self { count: self.count - forgotten, since: self.since + EVERY * forgotten }
    }
}

impl Refusals {
    /// Whether a job of `organisation` may be judged; else how long it has to wait.
    pub(crate) fn room(&self, organisation: &OrganisationId, now: Instant) -> Result<(), Duration> {
        let used = self.lock(|all| all.get(organisation).map(|used| used.at(now)));
        match used {
            Some(used) if used.count >= AT_ONCE => Err((used.since + EVERY).saturating_duration_since(now)),
            _ => Ok(()),
        }
    }

    /// Notes that a job of `organisation` was refused.
    pub(crate) fn note(&self, organisation: &OrganisationId, now: Instant) {
        self.lock(|all| {
            let used = all.entry(organisation.clone()).or_insert(Used { count: 0, since: now });
            *used = used.at(now);
            used.count = used.count.saturating_add(1);
        });
    }

    fn lock<T>(&self, work: impl FnOnce(&mut HashMap<OrganisationId, Used>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_first_few_one_is_free_every_half_minute() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let (one, other) = (OrganisationId::new("company-c").unwrap(), OrganisationId::new("company-d").unwrap());
        for _ in 0..AT_ONCE {
            assert_eq!(refusals.room(&one, start), Ok(()));
            refusals.note(&one, start);
        }
        let later = start + Duration::from_secs(10);
        assert_eq!(refusals.room(&one, later), Err(Duration::from_secs(20)));
        assert_eq!(refusals.room(&other, later), Ok(()), "each organisation for itself");
        // An hour of bisecting tells some 150 bits, not a million.
        let mut told = 0;
        for second in 0..3_600 {
            let now = start + Duration::from_secs(second);
            if refusals.room(&one, now).is_ok() {
                refusals.note(&one, now);
                told += 1;
            }
        }
        assert_eq!(told, 3_600 / 30 - 1);
        let rested = start + Duration::from_secs(3_600) + EVERY * (AT_ONCE + 1);
        for _ in 0..AT_ONCE {
            assert_eq!(refusals.room(&one, rested), Ok(()));
            refusals.note(&one, rested);
        }
        assert!(refusals.room(&one, rested).is_err());
    }
}
