//! Disclosure profiles: the numbers that the rules go by, from files under policies/disclosure.

use serde::{Deserialize, Serialize};

use crate::GateError;
use crate::rules::{count_step, round_count};

/// Dominance by the (n, k) rule: a cell is unsafe when its n largest contributors make up the share k or more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Dominance {
    /// Number of contributors, 1 or 2.
    pub n: u8,
    /// Their share, above 0, at most 1.
    pub k: f64,
}

/// A disclosure profile. Every rule is explained in docs/disclosure.md.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name, as grants state it.
    pub name: String,
    /// Fewest persons behind a cell.
    pub threshold: u32,
    /// Whether an empty cell counts as too small. It then looks like any other cell below the threshold.
    pub zeros_disclosive: bool,
    /// Dominance by the (n, k) rule; absent: not applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nk: Option<Dominance>,
    /// Dominance by the p% rule: unsafe when all but the two largest make up less than this percentage of the largest;
    /// absent: not applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_percent: Option<f64>,
    /// Fewest residual degrees of freedom of an estimate: persons less estimated parameters.
    pub dof_min: u32,
    /// Counts are rounded to a multiple of this; 1 leaves them as they are.
    pub round_base: u32,
    /// Sums and means are rounded to this many digits of their declared range, or coarser: to the most that
    /// `round_base` contributions, or one person, can move them.
    pub value_digits: u32,
    /// Whether further cells are suppressed so that a total can be shown; otherwise the total is withheld.
    pub complementary: bool,
}

impl Profile {
    /// Reads a profile from TOML, or from JSON when the text starts with `{`.
    ///
    /// # Errors
    /// [`GateError::Profile`] for text that is neither, an unknown or missing rule, or a number out of range.
    pub fn parse(text: &str) -> Result<Self, GateError> {
        let profile: Self = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| GateError::Profile { detail: error.to_string() })?
        } else {
            toml::from_str(text).map_err(|error| GateError::Profile { detail: error.to_string() })?
        };
        profile.check()?;
        Ok(profile)
    }

    fn check(&self) -> Result<(), GateError> {
        const LARGEST: u32 = 1_000_000;
        const COMPLEMENTARY: &str = "`complementary` needs a larger `threshold` or another `round_base`";
        let share = |nk: Dominance| (1..=2).contains(&nk.n) && nk.k > 0.0 && nk.k <= 1.0;
        let rules = [
            (!self.name.is_empty() && self.name.len() <= 64, "`name` has 1 to 64 characters"),
            ((1..=LARGEST).contains(&self.threshold), "`threshold` is 1 to 1000000"),
            (!self.complementary || self.withheld_total_is_vague(), COMPLEMENTARY),
            (self.nk.is_none_or(share), "`nk` has n = 1 or 2 and k above 0, at most 1"),
            (self.p_percent.is_none_or(|p| p > 0.0 && p <= 100.0), "`p_percent` is above 0, at most 100"),
            (self.dof_min <= LARGEST, "`dof_min` is at most 1000000"),
            ((1..=LARGEST).contains(&self.round_base), "`round_base` is 1 to 1000000"),
            ((1..=6).contains(&self.value_digits), "`value_digits` is 1 to 6"),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(GateError::Profile { detail: rule.into() }),
            None => Ok(()),
        }
    }
}

impl Profile {
    /// Whether a small count stays unknown when a total is withheld, as that tells that the count, rounded, is not the
    /// largest of small counts: at least two others must be left, or none be told apart.
    fn withheld_total_is_vague(&self) -> bool {
        let step = count_step(self, 1);
        let small = u64::from(!self.zeros_disclosive)..u64::from(self.threshold);
        let most = round_count(small.end.saturating_sub(1), step);
        let others = small.clone().filter(|count| round_count(*count, step) < most).take(2).count();
        others == 2 || round_count(small.start, step) == most
    }
}

#[cfg(test)]
impl Profile {
    /// The profile that ships as `default`.
    pub(crate) fn shipped_default() -> Self {
        Self::parse(include_str!("../../../policies/disclosure/default.toml")).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_profile_is_the_design() {
        let profile = Profile::shipped_default();
        let expected = Profile {
            name: "default".into(),
            threshold: 10,
            zeros_disclosive: true,
            nk: Some(Dominance { n: 2, k: 0.9 }),
            p_percent: Some(10.0),
            dof_min: 10,
            round_base: 5,
            value_digits: 3,
            complementary: true,
        };
        assert_eq!(profile, expected);
        assert_eq!(Profile::parse(&serde_json::to_string(&profile).unwrap()), Ok(profile));
    }

    #[test]
    fn a_profile_with_a_hole_is_no_profile() {
        let json = serde_json::to_value(Profile::shipped_default()).unwrap();
        let faults: [(&str, serde_json::Value); 9] = [
            ("threshold", 0.into()),
            ("threshold", serde_json::Value::Null),
            ("nk", serde_json::json!({"n": 3, "k": 0.9})),
            ("nk", serde_json::json!({"n": 2, "k": 0.0})),
            ("p_percent", (-1.0).into()),
            ("round_base", 0.into()),
            ("value_digits", 9.into()),
            ("treshold", 10.into()),
            ("name", "".into()),
        ];
        for (key, value) in faults {
            let mut faulty = json.clone();
            faulty[key] = value;
            assert!(Profile::parse(&faulty.to_string()).is_err(), "{key}");
        }
    }

    #[test]
    fn complementary_suppression_needs_room_below_the_threshold() {
        let with = |threshold, round_base, zeros_disclosive| {
            Profile { threshold, round_base, zeros_disclosive, ..Profile::shipped_default() }.check().is_ok()
        };
        let cases = [((3, 1, true), true), ((2, 1, true), false), ((3, 2, true), false), ((3, 1, false), false)];
        for ((threshold, round_base, zeros), expected) in cases.into_iter().chain([((4, 1, false), true)]) {
            assert_eq!(with(threshold, round_base, zeros), expected, "{threshold} {round_base} {zeros}");
        }
        assert!(
            Profile { threshold: 2, round_base: 1, complementary: false, ..Profile::shipped_default() }.check().is_ok()
        );
    }
}
