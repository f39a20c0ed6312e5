//! Rounding, so that one person moves no figure by more than a step, and digits carry nothing else.

use crate::{Profile, Rounding};

/// Units that a figure may have: so many whole numbers are exact in a float.
const DIGITS: f64 = 1e15;
/// Nothing larger is shown: bounds end at 1e100, and their products at 1e200.
const LARGEST: f64 = 1e250;
const LARGEST_EXPONENT: i32 = 250;

/// A rounded figure and what it is a multiple of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    pub(crate) step: f64,
    /// Decimal exponent of the digits of `value`: the value is a whole number of ten to this power.
    exponent: i32,
}

impl Figure {
    /// A rounded count.
    pub(crate) fn count(value: u64, step: CountStep) -> Self {
        Self { value: value as f64, step: step.width as f64, exponent: 0 }
    }

    /// `value` rounded to a multiple of `step`, itself first rounded up to one significant digit, and further up where the
    /// value would have more than 15 digits, which are all that a float keeps. Nothing is said of a value or step that is no
    /// number.
    pub(crate) fn measure(value: f64, step: f64) -> Self {
        if !(value.abs() <= LARGEST && step.abs() <= LARGEST) {
            return Self { value: 0.0, step: LARGEST, exponent: LARGEST_EXPONENT };
        }
        // At this step every quotient below has less than 2^53 units, and the product with a digit as well.
        let (digit, exponent) = one_digit_up(step.max(value.abs() / DIGITS));
        let step = decimal(digit, exponent);
        let multiples = (value / step).round() as i64;
        Self { value: decimal(multiples.saturating_mul(digit), exponent), step, exponent }
    }

    /// The sum of rounded figures: a multiple of the finest of their steps.
    pub(crate) fn sum(figures: &[Self]) -> Self {
        let Some(finest) = figures.iter().min_by(|a, b| a.step.total_cmp(&b.step)) else {
            return Self { value: 0.0, step: 1.0, exponent: 0 };
        };
        // Adding whole numbers of the finest power of ten leaves no trace of binary fractions, below 2^53 of them.
        let unit = decimal(1, finest.exponent);
        let units: f64 = figures.iter().map(|figure| (figure.value / unit).round()).sum();
        if units.abs() > DIGITS {
            // Figures of very different sizes: the small ones are below the last digit of the large.
            return Self::measure(figures.iter().map(|figure| figure.value).sum(), finest.step);
        }
        Self { value: decimal(units as i64, finest.exponent), ..*finest }
    }
}

/// How counts are rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CountStep {
    /// From one rounded count to the next.
    pub(crate) width: u64,
    rounding: Rounding,
}

/// Step of counts: the smallest multiple of the base that one person's contributions do not exceed.
pub(crate) fn count_step(profile: &Profile, contributions_max: u32) -> CountStep {
    let width = match u64::from(profile.round_base) {
        0 => 1,
        base => u64::from(contributions_max).max(1).div_ceil(base).saturating_mul(base),
    };
    CountStep { width, rounding: profile.rounding }
}

/// Contributions by which a figure that adds up values is coarse: those of a count's step; none where rounding is off.
pub(crate) fn coarse_contributions(profile: &Profile, contributions_max: u32) -> f64 {
    if profile.round_base == 0 { 0.0 } else { count_step(profile, contributions_max).width as f64 }
}

/// A claimed number of persons, rounded as the profile rounds counts.
pub(crate) fn round_claim(count: f64, profile: &Profile) -> f64 {
    round_count(count.clamp(0.0, f64::from(u32::MAX)) as u64, count_step(profile, 1)) as f64
}

/// `count` rounded: to the nearest multiple, half way up; or to the middle of the step that it lies in, 0 staying 0.
pub(crate) fn round_count(count: u64, step: CountStep) -> u64 {
    let width = step.width.max(1);
    match step.rounding {
        Rounding::Nearest => count.saturating_add(width / 2) / width * width,
        Rounding::Midpoint => {
            count.div_ceil(width).saturating_mul(width).saturating_sub(width / 2 * u64::from(count > 0))
        }
    }
}

/// The number of contributions as far as a rounding step may depend on it: rounded like a count itself.
pub(crate) fn published_count(count: u64, profile: &Profile) -> f64 {
    round_count(count, count_step(profile, 1)).max(u64::from(profile.threshold)) as f64
}

/// The last digit that is shown of a figure in a range of this width.
pub(crate) fn digits_of(range: f64, profile: &Profile) -> f64 {
    (0..profile.value_digits).fold(range, |digit, _| digit / 10.0)
}

/// The smallest number of one significant digit that is at least `step`, as digit and exponent. Works on the shortest
/// decimal form, so that it does not depend on a library's logarithm.
fn one_digit_up(step: f64) -> (i64, i32) {
    let text = format!("{step:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or(("1", "0"));
    let (digits, exponent) = (digits.parse::<f64>().unwrap_or(1.0), exponent.parse::<i32>().unwrap_or(0));
    // Arithmetic on the way here may have added a last bit, which must not cost a digit.
    let digit = (digits - 1e-9).ceil().max(1.0) as i64;
    if digit < 10 { (digit, exponent) } else { (1, exponent + 1) }
}

/// The number nearest to `digits` times ten to `exponent`; never a negative zero.
fn decimal(digits: i64, exponent: i32) -> f64 {
    format!("{digits}e{exponent}").parse().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_round_to_the_nearest_multiple() {
        let fives = CountStep { width: 5, rounding: Rounding::Nearest };
        assert_eq!([0, 2, 3, 7, 8, 12, 13].map(|count| round_count(count, fives)), [0, 0, 5, 5, 10, 10, 15]);
        assert_eq!(round_count(u64::MAX, fives) % 5, 0);
    }

    #[test]
    fn counts_round_to_the_middle_of_their_step() {
        let sixes = CountStep { width: 6, rounding: Rounding::Midpoint };
        assert_eq!([0, 1, 6, 7, 12, 13].map(|count| round_count(count, sixes)), [0, 3, 3, 9, 9, 15]);
    }

    #[test]
    fn without_rounding_counts_and_steps_are_exact() {
        let profile = Profile { round_base: 0, ..Profile::shipped_default() };
        assert_eq!((count_step(&profile, 4_096).width, coarse_contributions(&profile, 4_096)), (1, 0.0));
        assert_eq!(round_count(17, count_step(&profile, 4_096)), 17);
    }

    #[test]
    fn a_person_moves_no_count_by_more_than_a_step() {
        let profile = Profile::shipped_default();
        let steps: Vec<_> = [1, 5, 6, 4_096].map(|bound| count_step(&profile, bound).width).into();
        assert_eq!(steps, [5, 5, 10, 4_100]);
    }

    #[test]
    fn measures_are_short_decimals() {
        let cases = [
            (28.437, 0.07, 28.42, 0.07),
            (28.437, 0.000_41, 28.437, 0.000_5),
            (-0.04, 0.1, 0.0, 0.1),
            (0.3, 0.1, 0.3, 0.1),
            (12_345.0, 910.0, 12_000.0, 1_000.0),
            (12_345.0, 600.0 + 1e-10, 12_600.0, 600.0),
            (1e-9, 3e-10, 9e-10, 3e-10),
            // More digits than a float has, and no number at all.
            (1.000_000_000_000_000_2, 2e-17, 1.0, 1e-15),
            (1e90, 1e-90, 1e90, 1e75),
            (f64::NAN, 0.1, 0.0, 1e250),
            (1.0, f64::INFINITY, 0.0, 1e250),
        ];
        for (value, step, rounded, rounded_to) in cases {
            let figure = Figure::measure(value, step);
            assert_eq!((figure.value, figure.step), (rounded, rounded_to), "{value} by {step}");
            assert!(figure.value.is_sign_positive());
        }
    }

    #[test]
    fn sums_of_figures_have_no_tail_of_digits() {
        let figures = [Figure::measure(0.1, 0.1), Figure::measure(0.2, 0.1), Figure::measure(3.5, 0.5)];
        assert_eq!(0.1 + 0.2, 0.300_000_000_000_000_04);
        let sum = Figure::sum(&figures);
        assert_eq!((sum.value, sum.step), (3.8, 0.1));
        assert_eq!(Figure::sum(&[]).value, 0.0);
        let (large, small) = (Figure::measure(1e60, 1e50), Figure::measure(0.25, 0.01));
        assert_eq!(Figure::sum(&[large, small]).value, 1e60);
    }
}
