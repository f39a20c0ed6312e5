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
    /// Fewest persons behind a figure that is no count of persons or contributions; `threshold` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold_measures: Option<u32>,
    /// Fewest persons who leave in an interval of a survival table; `threshold` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold_survival: Option<u32>,
    /// Dominance by the (n, k) rule; absent: not applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nk: Option<Dominance>,
    /// Dominance by the p% rule: unsafe when all but the two largest make up less than this percentage of the largest;
    /// absent: not applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_percent: Option<f64>,
    /// Fewest residual degrees of freedom of an estimate: persons less estimated parameters.
    pub dof_min: u32,
    /// Most parameters of a model (cross-product, gradient) as a share of its persons; absent: not applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters_share_max: Option<f64>,
    /// A cell differs from everybody in its output by nobody or by at least so many persons; absent: not applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset_difference_min: Option<u32>,
    /// Counts are rounded to a multiple of this; 1 leaves them as they are, 0 leaves other figures as they are, too,
    /// but for their digits.
    pub round_base: u32,
    /// To which number of a step counts are rounded.
    #[serde(default)]
    pub rounding: Rounding,
    /// Sums and means are rounded to this many digits of their declared range, or coarser: to the most that
    /// `round_base` contributions, or one person, can move them.
    pub value_digits: u32,
    /// Whether further cells are suppressed so that a total can be shown; otherwise the total is withheld.
    pub complementary: bool,
    /// Most cells of one table; absent: not applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_max: Option<u64>,
    /// A figure differs from those released before by nobody or by at least so many persons; absent: not applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differencing: Option<u32>,
    /// Whether figures leave with noise alone; the rules above then show nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub noise_required: bool,
}

/// To which number of a step a count is rounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rounding {
    /// The nearest multiple, half way up.
    #[default]
    Nearest,
    /// The middle of the step above the multiple below: with 6, 1 to 6 become 3, 7 to 12 become 9; 0 stays.
    Midpoint,
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

    /// Persons by whom a figure must differ from those released before, for the session of a guard: 1 where the rule is
    /// off, so that such a session refuses nothing and still notes what is released.
    #[must_use]
    pub fn differencing_persons(&self) -> u32 {
        self.differencing.unwrap_or(1)
    }

    fn check(&self) -> Result<(), GateError> {
        const COMPLEMENTARY: &str = "`complementary` needs a larger `threshold` or another `round_base`";
        let share = |nk: Dominance| (1..=2).contains(&nk.n) && nk.k > 0.0 && nk.k <= 1.0;
        let rules = [
            (!self.name.is_empty() && self.name.len() <= 64, "`name` has 1 to 64 characters"),
            ((1..=LARGEST).contains(&self.threshold), "`threshold` is 1 to 1000000"),
            (!self.complementary || self.withheld_total_is_vague(), COMPLEMENTARY),
            (self.nk.is_none_or(share), "`nk` has n = 1 or 2 and k above 0, at most 1"),
            (self.p_percent.is_none_or(|p| p > 0.0 && p <= 100.0), "`p_percent` is above 0, at most 100"),
            (self.dof_min <= LARGEST, "`dof_min` is at most 1000000"),
            (self.round_base <= LARGEST, "`round_base` is at most 1000000"),
            ((1..=15).contains(&self.value_digits), "`value_digits` is 1 to 15"),
        ];
        match rules.into_iter().chain(self.further_checks()).find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(GateError::Profile { detail: rule.into() }),
            None => Ok(()),
        }
    }
}

/// The largest number of persons that a rule can name.
const LARGEST: u32 = 1_000_000;

impl Profile {
    fn further_checks(&self) -> [(bool, &'static str); 8] {
        let number = |number: Option<u32>| number.is_none_or(|number| (1..=LARGEST).contains(&number));
        let is_even = self.round_base >= 2 && self.round_base.is_multiple_of(2);
        [
            (number(self.threshold_measures), "`threshold_measures` is 1 to 1000000"),
            (number(self.threshold_survival), "`threshold_survival` is 1 to 1000000"),
            (
                self.parameters_share_max.is_none_or(|share| share > 0.0 && share <= 1.0),
                "`parameters_share_max` is above 0, at most 1",
            ),
            (number(self.subset_difference_min), "`subset_difference_min` is 1 to 1000000"),
            (number(self.differencing), "`differencing` is 1 to 1000000"),
            (self.rows_max != Some(0), "`rows_max` is at least 1"),
            (self.rounding == Rounding::Nearest || is_even, "midpoints need an even `round_base` of at least 2"),
            (
                !(self.complementary && self.rounding == Rounding::Midpoint),
                "`complementary` needs multiples: a middle of a step can't stand for another count of the line",
            ),
        ]
    }

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
            threshold_measures: None,
            threshold_survival: None,
            parameters_share_max: None,
            subset_difference_min: None,
            rounding: Rounding::Nearest,
            rows_max: None,
            differencing: Some(10),
            noise_required: false,
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
            ("round_base", 1_000_001.into()),
            ("value_digits", 16.into()),
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
