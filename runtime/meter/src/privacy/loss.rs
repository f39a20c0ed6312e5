//! The loss of one release or of many, in the sums from which their tightest composition follows.
//!
//! Three sums suffice. ε of pure mechanisms adds up. So does ρ of zero-concentrated ones (Bun and Steinke 2016, lemma
//! 2.3). A pure mechanism is also zero-concentrated with ρ = ε²/2 (their proposition 1.4), and ε²/2 adds up to much less
//! than ε where many small losses meet. Which sum serves best depends on the mix: see [`PrivacyLoss::epsilon_at`].

use glovebox_catalog::{Delta, Epsilon, Privacy, Rho};
use serde::{Deserialize, Serialize};

use super::convert::{mixed_epsilon, zcdp_epsilon};

/// Privacy loss of one release or of many together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrivacyLoss {
    /// ε of the pure mechanisms, added up.
    pub pure: Epsilon,
    /// ρ of the same pure mechanisms: ε²/2 of each, added up.
    pub pure_rho: Rho,
    /// ρ of the other mechanisms, added up.
    pub rho: Rho,
}

impl PrivacyLoss {
    /// No loss.
    pub const ZERO: Self = Self { pure: Epsilon::ZERO, pure_rho: Rho::ZERO, rho: Rho::ZERO };

    /// The loss of `rounds` releases at `privacy` each.
    #[must_use]
    pub fn of(privacy: Privacy, rounds: u32) -> Self {
        let rounds = u64::from(rounds);
        match privacy {
            Privacy::Laplace { epsilon } => {
                Self { pure: epsilon.times(rounds), pure_rho: rho_of_pure(epsilon).times(rounds), rho: Rho::ZERO }
            }
            Privacy::Gaussian { rho } => Self { rho: rho.times(rounds), ..Self::ZERO },
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            pure: self.pure.plus(other.pure),
            pure_rho: self.pure_rho.plus(other.pure_rho),
            rho: self.rho.plus(other.rho),
        }
    }

    /// What is left after `other`, never below nothing.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            pure: self.pure.minus(other.pure),
            pure_rho: self.pure_rho.minus(other.pure_rho),
            rho: self.rho.minus(other.rho),
        }
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// The smallest ε that is known to hold at `delta`, rounded up; [`Epsilon::MAX`] where none is.
    ///
    /// The smallest of three bounds, of which the first needs no δ and the others half of it each:
    /// the sum of pure ε, where there is nothing else; all of it as zero-concentrated, converted; the sum of pure ε plus
    /// the rest converted. Halves, because a job may ask for more or less noise after it has seen earlier releases:
    /// whoever compares this with a fixed limit allows a set of histories, and which of the bounds lets a history pass
    /// depends on the histories themselves. docs/differential-privacy.md has the proof.
    #[must_use]
    pub fn epsilon_at(&self, delta: Delta) -> Epsilon {
        if self.rho.is_zero() && self.pure.is_zero() {
            return Epsilon::ZERO;
        }
        let pure = if self.rho.is_zero() { self.pure } else { Epsilon::MAX };
        let half = delta.value() / 2.0;
        let concentrated = zcdp_epsilon(self.pure_rho.plus(self.rho).value(), half);
        let mixed = mixed_epsilon(self.pure.value(), self.rho.value(), half);
        let converted = Epsilon::new(concentrated.min(mixed)).unwrap_or(Epsilon::MAX);
        pure.min(converted)
    }
}

/// ε²/2, rounded up to a step.
fn rho_of_pure(epsilon: Epsilon) -> Rho {
    // ε = n/10⁶, so that ε²/2 = n²/(2·10¹²), which is n²/2000 steps of 10⁻⁹.
    let steps = u128::from(epsilon.steps()).pow(2).div_ceil(2_000);
    Rho::from_steps(u64::try_from(steps).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn laplace(epsilon: f64, rounds: u32) -> PrivacyLoss {
        PrivacyLoss::of(Privacy::Laplace { epsilon: Epsilon::new(epsilon).unwrap() }, rounds)
    }

    fn gaussian(rho: f64, rounds: u32) -> PrivacyLoss {
        PrivacyLoss::of(Privacy::Gaussian { rho: Rho::new(rho).unwrap() }, rounds)
    }

    fn delta(value: f64) -> Delta {
        Delta::new(value).unwrap()
    }

    #[test]
    fn a_pure_loss_is_also_a_concentrated_one() {
        let loss = laplace(0.5, 4);
        assert_eq!((loss.pure, loss.pure_rho), (Epsilon::new(2.0).unwrap(), Rho::new(0.5).unwrap()));
        // 1e-6 squared by 2 is 0.0005 steps: up to one.
        assert_eq!(laplace(1e-6, 1).pure_rho.steps(), 1);
        assert_eq!(gaussian(0.25, 4), PrivacyLoss { rho: Rho::new(1.0).unwrap(), ..PrivacyLoss::ZERO });
    }

    #[test]
    fn few_large_pure_losses_add_up_and_many_small_ones_concentrate() {
        assert_eq!(laplace(1.0, 3).epsilon_at(delta(1e-6)), Epsilon::new(3.0).unwrap());
        let many = laplace(0.01, 1_000);
        assert_eq!(many.epsilon_at(Delta::ZERO), Epsilon::new(10.0).unwrap());
        let epsilon = many.epsilon_at(delta(1e-6)).value();
        assert!((1.5..1.6).contains(&epsilon), "{epsilon}");
    }

    #[test]
    fn a_mix_adds_the_pure_part_to_the_converted_rest() {
        let delta = delta(1e-6);
        let (pure, rest) = (laplace(2.0, 1), gaussian(0.001, 1));
        let mix = pure.plus(rest).epsilon_at(delta).value();
        let all_concentrated = zcdp_epsilon(2.001, 5e-7);
        assert!(mix < all_concentrated, "{mix} {all_concentrated}");
        assert!(mix > 2.0 + rest.epsilon_at(delta).value() - 1e-6, "{mix}");
        assert!(mix < 2.0 + 1.35 * rest.epsilon_at(delta).value(), "{mix}");
    }

    #[test]
    fn without_delta_gaussian_noise_has_no_epsilon() {
        assert_eq!(gaussian(0.001, 1).epsilon_at(Delta::ZERO), Epsilon::MAX);
        assert_eq!(PrivacyLoss::ZERO.epsilon_at(Delta::ZERO), Epsilon::ZERO);
    }

    #[test]
    fn json_is_decimal_and_exact() {
        let loss = laplace(0.1, 7).plus(gaussian(123.456_789_012, 3));
        let json = serde_json::to_string(&loss).unwrap();
        assert!(json.starts_with(r#"{"pure":0.7,"pure_rho":0.035,"rho":370.370367036"#), "{json}");
        assert_eq!(serde_json::from_str::<PrivacyLoss>(&json).unwrap(), loss);
        assert!(serde_json::from_str::<PrivacyLoss>(r#"{"pure":0,"pure_rho":0,"rho":0,"delta":1}"#).is_err());
    }

    fn losses() -> impl Strategy<Value = PrivacyLoss> {
        (0..3_000_000_u64, 0..3_u32, 0..2_000_000_000_u64).prop_map(|(epsilon, rounds, rho)| {
            let pure = PrivacyLoss::of(Privacy::Laplace { epsilon: Epsilon::from_steps(epsilon) }, rounds);
            pure.plus(PrivacyLoss::of(Privacy::Gaussian { rho: Rho::from_steps(rho) }, 1))
        })
    }

    proptest! {
        #[test]
        fn more_loss_never_costs_less(a in losses(), b in losses(), exponent in 1..12_i32) {
            let delta = delta(10_f64.powi(-exponent));
            prop_assert!(a.plus(b).epsilon_at(delta) >= a.epsilon_at(delta));
            prop_assert!(a.epsilon_at(delta) >= a.epsilon_at(Delta::from_steps(delta.steps() * 2)));
            prop_assert_eq!(a.plus(b).minus(b), a);
        }
    }
}
