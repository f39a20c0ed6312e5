//! An account: a limit, what is used up for good, and what running jobs hold.

use glovebox_catalog::Refusal;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Amounts, Meter};

/// A limit and what was taken from it.
///
/// INVARIANT: `committed` never falls, whatever is called in whatever order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Most that may be used in all. `u64::MAX` means without limit.
    pub limit: Amounts,
    /// Used up for good.
    pub committed: Amounts,
    /// Held by running jobs. A peak is checked at the reservation and holds nothing.
    pub reserved: Amounts,
}

/// A reservation that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{asked} {} asked for, {left} of {limit} left; ask for less, wait for running jobs or propose a larger grant", .meter.unit())]
pub struct Exhausted {
    /// The first meter that does not fit, in the order of [`Meter::ALL`].
    pub meter: Meter,
    /// Its limit.
    pub limit: u64,
    /// What was asked for.
    pub asked: u64,
    /// What was left.
    pub left: u64,
}

impl Account {
    /// An account of which nothing is used.
    #[must_use]
    pub fn new(limit: Amounts) -> Self {
        Self { limit, committed: Amounts::default(), reserved: Amounts::default() }
    }

    /// What a new reservation may take of `meter`.
    #[must_use]
    pub fn left(&self, meter: Meter) -> u64 {
        let limit = meter.of(&self.limit);
        if limit == u64::MAX {
            return limit;
        }
        limit.saturating_sub(meter.of(&self.committed)).saturating_sub(meter.of(&self.reserved))
    }

    /// Sets `asked` aside, all of it or nothing.
    ///
    /// # Errors
    /// [`Exhausted`] with the first meter that does not fit; nothing is then reserved.
    pub fn reserve(&mut self, asked: Amounts) -> Result<(), Exhausted> {
        for meter in Meter::ALL {
            let (asked, left) = (meter.of(&asked), self.left(meter));
            if asked > left {
                return Err(Exhausted { meter, limit: meter.of(&self.limit), asked, left });
            }
        }
        self.reserved = self.reserved.add(&asked);
        Ok(())
    }

    /// Ends a reservation: `used` is used up for good, the rest of `reserved` is free again.
    ///
    /// `used` above `reserved` is committed in full: what has happened has happened, and the account is overdrawn.
    pub fn commit(&mut self, reserved: Amounts, used: Amounts) {
        self.reserved = self.reserved.minus(&reserved);
        self.committed = self.committed.add(&used);
    }

    /// Ends a reservation of which nothing was used.
    pub fn refund(&mut self, reserved: Amounts) {
        self.commit(reserved, Amounts::default());
    }
}

/// Whose account it is that a reservation did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountHolder {
    /// One grant.
    Grant,
    /// A developer organisation on a dataset, over all its grants.
    Developer,
}

impl Exhausted {
    /// Tells whose account it is, the limit and what was asked for; what is left depends on the data of other jobs and is
    /// not told.
    #[must_use]
    pub fn refusal(self, holder: AccountHolder) -> Refusal {
        let Self { meter, limit, asked, .. } = self;
        let (whose, remedy) = match holder {
            AccountHolder::Grant => (
                "under this grant",
                "ask for less, wait until running jobs give back what they did not use, or propose a grant with a larger \
                 budget",
            ),
            AccountHolder::Developer => (
                "of this dataset for your organisation, under all its grants",
                "ask for less, wait until running jobs give back what they did not use, or ask the supplier to allow your \
                 organisation more of the dataset",
            ),
        };
        Refusal::new(
            format!("meter.{}-exhausted", meter.as_str()),
            format!("at most {limit} {} in all {whose}", meter.unit()),
            format!("reservation of {asked} {}", meter.unit()),
            remedy,
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fuel(fuel_units: u64) -> Amounts {
        Amounts { fuel_units, ..Amounts::default() }
    }

    #[test]
    fn the_last_unit_can_be_reserved_and_no_more() {
        let mut account = Account::new(Amounts { fuel_units: 100, ..Amounts::UNLIMITED });
        account.reserve(fuel(60)).unwrap();
        account.reserve(fuel(40)).unwrap();
        let refused = account.reserve(fuel(1)).unwrap_err();
        assert_eq!(refused, Exhausted { meter: Meter::Fuel, limit: 100, asked: 1, left: 0 });
        account.commit(fuel(60), fuel(10));
        assert_eq!((account.left(Meter::Fuel), account.committed.fuel_units), (50, 10));
        account.refund(fuel(40));
        assert_eq!((account.left(Meter::Fuel), account.reserved), (90, Amounts::default()));
    }

    #[test]
    fn a_refused_reservation_holds_nothing_of_any_meter() {
        let mut account = Account::new(Amounts { jobs: 5, cells: 10, ..Amounts::UNLIMITED });
        let before = account;
        assert_eq!(
            account.reserve(Amounts { jobs: 1, cells: 11, ..Amounts::default() }).unwrap_err().meter,
            Meter::Cells
        );
        assert_eq!(account, before);
    }

    #[test]
    fn use_beyond_the_reservation_is_committed_in_full() {
        let mut account = Account::new(Amounts { fuel_units: 100, ..Amounts::UNLIMITED });
        account.reserve(fuel(10)).unwrap();
        account.commit(fuel(10), fuel(150));
        assert_eq!((account.committed.fuel_units, account.left(Meter::Fuel)), (150, 0));
        assert!(account.reserve(fuel(1)).is_err());
    }

    #[test]
    fn refunding_twice_frees_no_more_than_was_held() {
        let mut account = Account::new(Amounts { fuel_units: 100, ..Amounts::UNLIMITED });
        account.reserve(fuel(10)).unwrap();
        account.commit(fuel(10), fuel(10));
        account.refund(fuel(10));
        assert_eq!(account.left(Meter::Fuel), 90);
    }

    #[test]
    fn the_refusal_has_a_stable_code_and_does_not_tell_what_is_left() {
        let exhausted = Exhausted { meter: Meter::BytesOut, limit: 1000, asked: 700, left: 313 };
        let refusal = exhausted.refusal(AccountHolder::Grant);
        assert_eq!(refusal.code, "meter.bytes-out-exhausted");
        assert!(refusal.rule.contains("1000") && refusal.place.contains("700"));
        assert!(!refusal.to_string().contains("313"));
        let shared = exhausted.refusal(AccountHolder::Developer);
        assert_eq!(shared.code, refusal.code);
        assert!(shared.rule.contains("all its grants") && !shared.to_string().contains("313"));
    }

    fn amounts() -> impl Strategy<Value = Amounts> {
        let amount = prop_oneof![4 => 0..50_u64, 1 => Just(u64::MAX)];
        prop::collection::vec(amount, 9).prop_map(|values| {
            let mut amounts = Amounts::default();
            for (meter, value) in Meter::ALL.into_iter().zip(values) {
                *meter.of_mut(&mut amounts) = value;
            }
            amounts
        })
    }

    proptest! {
        #[test]
        fn nothing_is_ever_unspent(steps in prop::collection::vec((0..3_u8, amounts(), amounts()), 0..40)) {
            let mut account = Account::new(Amounts { fuel_units: 200, cells: 90, ..Amounts::UNLIMITED });
            for (step, a, b) in steps {
                let before = account.committed;
                match step {
                    0 => drop(account.reserve(a)),
                    1 => account.commit(a, b),
                    _ => account.refund(a),
                }
                prop_assert!(before.fits_within(&account.committed));
            }
        }

        #[test]
        fn reservations_that_end_are_conserved(jobs in prop::collection::vec((amounts(), 0..=100_u64), 0..30)) {
            let limit = Amounts { fuel_units: 200, rows_read: 120, cells: 90, ..Amounts::UNLIMITED };
            let mut account = Account::new(limit);
            let mut running = Vec::new();
            for (asked, percent) in jobs {
                if account.reserve(asked).is_ok() {
                    running.push((asked, asked.fuel_units.min(200) * percent / 100));
                }
                prop_assert!(account.reserved.fuel_units + account.committed.fuel_units <= 200);
                if running.len() > 3 {
                    let (asked, used) = running.remove(0);
                    account.commit(asked, fuel(used));
                }
            }
            let expected: u64 = account.committed.fuel_units + running.iter().map(|(_, used)| used).sum::<u64>();
            for (asked, used) in running {
                account.commit(asked, fuel(used));
            }
            prop_assert_eq!(account.committed, fuel(expected));
            prop_assert_eq!(account.left(Meter::Fuel), 200 - expected);
            prop_assert_eq!(account.reserved.fuel_units, 0);
        }
    }
}
