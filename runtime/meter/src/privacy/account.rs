//! An account of privacy loss: a limit, what was spent for good, and what running jobs hold.

use glovebox_catalog::{Delta, Epsilon, PrivacyLimit, Refusal};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::PrivacyLoss;

/// Whose account it is. Every noisy release is charged to all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PrivacyHolder {
    /// Everything that is released from a dataset.
    Dataset,
    /// What is released under one grant.
    Grant,
    /// What is released to one developer organisation.
    Developer,
}

/// A limit on privacy loss and what was taken from it.
///
/// INVARIANT: `committed` never falls, whatever is called in whatever order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrivacyAccount {
    /// Most ε at `delta`.
    pub epsilon_max: Epsilon,
    /// δ at which losses are compared with the limit.
    pub delta: Delta,
    /// Spent for good.
    pub committed: PrivacyLoss,
    /// Held by running jobs.
    pub reserved: PrivacyLoss,
}

/// A reservation that an account does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("privacy loss would come to epsilon {after} of {epsilon_max}; ask for more noise or wait for running jobs")]
pub struct EpsilonExhausted {
    /// The limit.
    pub epsilon_max: Epsilon,
    /// δ at which it holds.
    pub delta: Delta,
    /// What was asked for, alone, as ε at the same δ.
    pub asked: Epsilon,
    /// ε with what was asked for.
    pub after: Epsilon,
}

impl PrivacyAccount {
    /// An account of which nothing is spent.
    #[must_use]
    pub fn new(epsilon_max: Epsilon, delta: Delta) -> Self {
        Self { epsilon_max, delta, committed: PrivacyLoss::ZERO, reserved: PrivacyLoss::ZERO }
    }

    /// The account of a dataset.
    #[must_use]
    pub fn of_dataset(limit: &PrivacyLimit) -> Self {
        Self::new(limit.epsilon, limit.delta)
    }

    /// The account of one developer organisation on a dataset: all of the dataset's limit when it names no other.
    #[must_use]
    pub fn of_developer(limit: &PrivacyLimit) -> Self {
        Self::new(limit.epsilon_per_developer.unwrap_or(limit.epsilon), limit.delta)
    }

    /// The account of a grant on a dataset; `epsilon_max` is that of the grant's budget.
    #[must_use]
    pub fn of_grant(epsilon_max: Epsilon, limit: &PrivacyLimit) -> Self {
        Self::new(epsilon_max, limit.delta)
    }

    /// ε at the account's δ of what was spent for good.
    #[must_use]
    pub fn epsilon_committed(&self) -> Epsilon {
        self.committed.epsilon_at(self.delta)
    }

    /// ε at the account's δ of what was spent and of what running jobs hold.
    #[must_use]
    pub fn epsilon_held(&self) -> Epsilon {
        self.committed.plus(self.reserved).epsilon_at(self.delta)
    }

    /// ε that is left, were all of the rest spent as one more pure loss beside the sum of pure losses. With many small
    /// or Gaussian losses more can follow: only [`PrivacyAccount::reserve`] tells.
    #[must_use]
    pub fn epsilon_left(&self) -> Epsilon {
        self.epsilon_max.minus(self.epsilon_held())
    }

    /// Whether `asked` could be reserved now.
    ///
    /// # Errors
    /// [`EpsilonExhausted`] when it could not.
    pub fn check(&self, asked: PrivacyLoss) -> Result<(), EpsilonExhausted> {
        let after = self.committed.plus(self.reserved).plus(asked).epsilon_at(self.delta);
        // Sums end at the largest number: from there on nothing is known any more.
        if after <= self.epsilon_max && after < Epsilon::MAX {
            return Ok(());
        }
        let (epsilon_max, delta) = (self.epsilon_max, self.delta);
        Err(EpsilonExhausted { epsilon_max, delta, asked: asked.epsilon_at(delta), after })
    }

    /// Sets `asked` aside, all of it or nothing.
    ///
    /// # Errors
    /// [`EpsilonExhausted`] when the limit does not hold it; nothing is then reserved.
    pub fn reserve(&mut self, asked: PrivacyLoss) -> Result<(), EpsilonExhausted> {
        self.check(asked)?;
        self.reserved = self.reserved.plus(asked);
        Ok(())
    }

    /// Ends a reservation: `used` is spent for good, the rest of `reserved` is free again.
    ///
    /// `used` above `reserved` is committed in full: what was released was released, and the account is overdrawn.
    pub fn commit(&mut self, reserved: PrivacyLoss, used: PrivacyLoss) {
        self.reserved = self.reserved.minus(reserved);
        self.committed = self.committed.plus(used);
    }

    /// Ends a reservation of which nothing was spent.
    pub fn refund(&mut self, reserved: PrivacyLoss) {
        self.commit(reserved, PrivacyLoss::ZERO);
    }
}

impl EpsilonExhausted {
    /// The refusal. It tells the limit and what was asked for; what others have spent is not the asker's to know.
    #[must_use]
    pub fn refusal(&self, holder: PrivacyHolder) -> Refusal {
        let Self { epsilon_max, delta, asked, .. } = self;
        let (whose, place, remedy) = match holder {
            PrivacyHolder::Dataset => (
                "for all releases from this dataset together",
                "dataset",
                "ask for more noise or fewer rounds, or ask the supplier to raise the dataset's limit",
            ),
            PrivacyHolder::Grant => (
                "under this grant",
                "grant",
                "ask for more noise or fewer rounds, or propose a grant with a larger `epsilon_max`",
            ),
            PrivacyHolder::Developer => (
                "for each developer organisation on this dataset",
                "developer",
                "ask for more noise or fewer rounds, or ask the supplier to raise `epsilon_per_developer`",
            ),
        };
        Refusal::new(
            "meter.epsilon-exhausted",
            format!("at most epsilon {epsilon_max} at delta {:e} {whose}", delta.value()),
            format!("{place}: reservation of epsilon {asked}"),
            remedy,
        )
    }
}

#[cfg(test)]
mod tests {
    use glovebox_catalog::{Privacy, Rho};
    use proptest::prelude::*;

    use super::*;

    fn laplace(epsilon: f64) -> PrivacyLoss {
        PrivacyLoss::of(Privacy::Laplace { epsilon: Epsilon::new(epsilon).unwrap() }, 1)
    }

    fn account(epsilon: f64) -> PrivacyAccount {
        PrivacyAccount::new(Epsilon::new(epsilon).unwrap(), Delta::new(1e-9).unwrap())
    }

    #[test]
    fn the_last_step_can_be_reserved_and_no_more() {
        let mut account = account(1.0);
        account.reserve(laplace(0.6)).unwrap();
        account.reserve(laplace(0.4)).unwrap();
        let before = account;
        let refused = account.reserve(laplace(1e-6)).unwrap_err();
        assert_eq!((refused.asked.steps(), refused.after.steps()), (1, 1_000_001));
        assert_eq!(account, before);
        account.commit(laplace(0.6), laplace(0.2));
        account.refund(laplace(0.4));
        assert_eq!((account.epsilon_committed(), account.epsilon_left()), (laplace(0.2).pure, laplace(0.8).pure));
        assert!(account.reserved.is_zero());
    }

    #[test]
    fn an_account_of_nothing_refuses_every_loss() {
        let mut account = account(0.0);
        assert!(account.reserve(laplace(1e-6)).is_err());
        let gaussian = PrivacyLoss::of(Privacy::Gaussian { rho: Rho::from_steps(1) }, 1);
        assert!(account.reserve(gaussian).is_err());
        assert_eq!(account.reserve(PrivacyLoss::ZERO), Ok(()));
    }

    #[test]
    fn gaussian_losses_fill_an_account_to_its_limit() {
        let mut account = account(2.0);
        let asked = PrivacyLoss::of(Privacy::Gaussian { rho: Rho::new(0.001).unwrap() }, 1);
        let mut reserved = 0;
        while account.reserve(asked).is_ok() {
            reserved += 1;
        }
        // ρ = 0.043 by the first bound: 0.043 + 2·√(0.043·ln 2e9) = 1.97. The best allows a quarter more.
        assert!((50..58).contains(&reserved), "{reserved}");
        assert!(account.epsilon_held() <= account.epsilon_max);
        assert!(account.reserve(laplace(1.0)).is_err());
    }

    #[test]
    fn the_refusal_names_whose_limit_it_is_and_not_what_others_spent() {
        let mut account = account(1.0);
        account.reserve(laplace(0.777)).unwrap();
        let exhausted = account.reserve(laplace(0.5)).unwrap_err();
        for (holder, place) in [
            (PrivacyHolder::Dataset, "dataset: "),
            (PrivacyHolder::Grant, "grant: "),
            (PrivacyHolder::Developer, "developer: "),
        ] {
            let refusal = exhausted.refusal(holder);
            assert_eq!(refusal.code, "meter.epsilon-exhausted");
            assert!(refusal.place.starts_with(place) && refusal.place.ends_with("0.5"), "{}", refusal.place);
            let text = refusal.to_string();
            assert!(!text.contains("777") && !text.contains("1.277"), "{text}");
        }
    }

    #[test]
    fn the_developer_has_the_dataset_s_limit_where_it_names_no_other() {
        let epsilon = |value| Epsilon::new(value).unwrap();
        let limit = PrivacyLimit { epsilon: epsilon(4.0), delta: Delta::ZERO, epsilon_per_developer: None };
        assert_eq!(PrivacyAccount::of_developer(&limit).epsilon_max, epsilon(4.0));
        let limit = PrivacyLimit { epsilon_per_developer: Some(epsilon(1.0)), ..limit };
        assert_eq!(PrivacyAccount::of_developer(&limit).epsilon_max, epsilon(1.0));
        assert_eq!(PrivacyAccount::of_grant(epsilon(0.5), &limit).epsilon_max, epsilon(0.5));
        assert_eq!(PrivacyAccount::of_dataset(&limit).epsilon_max, epsilon(4.0));
    }

    proptest! {
        #[test]
        fn nothing_is_ever_unspent(steps in prop::collection::vec((0..3_u8, 0..400_000_u64, 0..400_000_u64), 0..40)) {
            let mut account = account(1.0);
            let loss = |steps| PrivacyLoss::of(Privacy::Laplace { epsilon: Epsilon::from_steps(steps) }, 1);
            for (step, a, b) in steps {
                let before = account.committed;
                match step {
                    0 => if account.reserve(loss(a)).is_ok() {
                        prop_assert!(account.epsilon_held() <= account.epsilon_max);
                    },
                    1 => account.commit(loss(a), loss(b)),
                    _ => account.refund(loss(a)),
                }
                prop_assert!(before.pure <= account.committed.pure && before.pure_rho <= account.committed.pure_rho);
            }
        }
    }
}
