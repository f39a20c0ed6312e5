//! Differential privacy in words and numbers: what a job asks for, what a dataset and a grant allow.
//!
//! Amounts are kept as whole numbers, so that sums are exact and budgets can be compared; on the wire they are decimals.
//! A decimal between two steps is rounded up: what is asked for is never more than what is charged.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Declares an amount of privacy loss as a whole number of steps below one.
macro_rules! amount {
    ($(#[$doc:meta])* $name:ident, $steps_per_one:expr, $max:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);
            /// The largest amount that can be written.
            pub const MAX: Self = Self($max * $steps_per_one);

            /// The smallest amount that is at least `value`; none for a number that is negative, not finite or too large.
            #[must_use]
            pub fn new(value: f64) -> Option<Self> {
                let steps = value * ($steps_per_one as f64);
                // A decimal such as 0.1 is a little more or less than it says; that must not cost a step.
                // Large amounts have coarser last bits: what was written must be read as it was.
                let last_bits = (4.0 * f64::EPSILON * steps).max(1e-6);
                let steps = if (steps - steps.round()).abs() < last_bits { steps.round() } else { steps.ceil() };
                (value.is_finite() && (0.0..=Self::MAX.0 as f64).contains(&steps)).then_some(Self(steps as u64))
            }

            /// From a number of steps, at most [`Self::MAX`].
            #[must_use]
            pub const fn from_steps(steps: u64) -> Self {
                if steps < Self::MAX.0 { Self(steps) } else { Self::MAX }
            }

            /// The number of steps.
            #[must_use]
            pub const fn steps(self) -> u64 {
                self.0
            }

            /// The amount as a number.
            #[must_use]
            pub fn value(self) -> f64 {
                self.0 as f64 / ($steps_per_one as f64)
            }

            /// Both together, at most [`Self::MAX`]: what is written can be read back.
            #[must_use]
            pub fn plus(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0).min(Self::MAX.0))
            }

            /// What is left after `other`, never below nothing.
            #[must_use]
            pub fn minus(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }

            /// So many times as much, at most [`Self::MAX`].
            #[must_use]
            pub fn times(self, count: u64) -> Self {
                Self(self.0.saturating_mul(count).min(Self::MAX.0))
            }

            /// Whether it is nothing.
            #[must_use]
            pub fn is_zero(&self) -> bool {
                self.0 == 0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.value().fmt(f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_f64(self.value())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = f64::deserialize(deserializer)?;
                Self::new(value).ok_or_else(|| {
                    serde::de::Error::custom(format!("expected a number from 0 to {}", Self::MAX.value()))
                })
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                f64::schema()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

amount!(
    /// ε of pure differential privacy, in millionths.
    Epsilon, 1_000_000_u64, 1_000_000_u64
);
amount!(
    /// ρ of zero-concentrated differential privacy (Bun and Steinke 2016), in billionths.
    Rho, 1_000_000_000_u64, 1_000_000_000_u64
);
amount!(
    /// δ of approximate differential privacy, in steps of 10⁻¹⁵.
    Delta, 1_000_000_000_000_000_u64, 1_u64
);

/// How a job asks to be released: with noise, at this loss a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "mechanism", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Privacy {
    /// Discrete Laplace noise; pure differential privacy.
    Laplace {
        /// Loss of a round, shared by all outputs.
        epsilon: Epsilon,
    },
    /// Discrete Gaussian noise; zero-concentrated differential privacy.
    Gaussian {
        /// Loss of a round, shared by all outputs.
        rho: Rho,
    },
}

/// Most privacy loss that a supplier allows on a dataset, over all grants and for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrivacyLimit {
    /// ε at this δ, over everything that is released.
    pub epsilon: Epsilon,
    /// δ: at most 1 in the number of persons, squared, is good practice.
    pub delta: Delta,
    /// ε that one developer organisation may use of it; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon_per_developer: Option<Epsilon>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_become_steps_and_round_up() {
        assert_eq!(Epsilon::new(0.1).unwrap().steps(), 100_000);
        assert_eq!(Epsilon::new(0.100_000_4).unwrap().steps(), 100_001);
        assert_eq!(Delta::new(1e-9).unwrap().steps(), 1_000_000);
        assert_eq!(Rho::new(1e-12).unwrap().steps(), 1);
        for steps in [1, 7, 123_456_789, 999_999_999_999, 123_456_789_012_345_678] {
            let rho = Rho::from_steps(steps.min(1 << 50));
            assert_eq!(Rho::new(rho.value()), Some(rho));
        }
        for value in [-0.1, f64::NAN, f64::INFINITY, 1e12] {
            assert_eq!(Epsilon::new(value), None);
        }
    }

    #[test]
    fn json_holds_decimals() {
        let privacy: Privacy = serde_json::from_str(r#"{"mechanism":"laplace","epsilon":0.5}"#).unwrap();
        assert_eq!(privacy, Privacy::Laplace { epsilon: Epsilon::from_steps(500_000) });
        assert_eq!(serde_json::to_string(&privacy).unwrap(), r#"{"mechanism":"laplace","epsilon":0.5}"#);
        assert!(serde_json::from_str::<Privacy>(r#"{"mechanism":"laplace","epsilon":-1}"#).is_err());
        assert!(serde_json::from_str::<Privacy>(r#"{"mechanism":"laplace","epsilon":1,"delta":1}"#).is_err());
    }

    #[test]
    fn sums_are_exact_and_never_wrap() {
        let tenth = Epsilon::new(0.1).unwrap();
        assert_eq!(tenth.times(10), Epsilon::new(1.0).unwrap());
        assert_eq!(tenth.minus(Epsilon::MAX), Epsilon::ZERO);
        assert_eq!(Epsilon::from_steps(u64::MAX).plus(tenth), Epsilon::MAX);
        let written = serde_json::to_string(&Rho::MAX.plus(Rho::MAX).times(7)).unwrap();
        assert_eq!(serde_json::from_str::<Rho>(&written).unwrap(), Rho::MAX);
    }
}
