//! Fixed-point numbers between declared bounds, so that sums are exact: no order of addition, NaN payload, negative
//! zero or low digit of a float can carry anything.

/// Steps between the lower and the upper bound. A job of 2^32 contributions adds up to 2^64 steps, which `u128` holds.
pub(crate) const STEPS: f64 = 4_294_967_296.0;

/// The grid between the bounds of a sum or mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    lower: f64,
    upper: f64,
    steps_per_unit: f64,
    magnitude_steps_per_unit: f64,
}

impl Scale {
    /// A grid from `lower` to `upper`; none when the range or its inverse is not a usable number.
    pub(crate) fn new(lower: f64, upper: f64) -> Option<Self> {
        const SMALLEST: f64 = 1e-100;
        const LARGEST: f64 = 1e100;
        let range = upper - lower;
        let largest = lower.abs().max(upper.abs());
        let usable = range >= SMALLEST && largest <= LARGEST;
        usable.then(|| Self { lower, upper, steps_per_unit: STEPS / range, magnitude_steps_per_unit: STEPS / largest })
    }

    /// Steps of `value` above the lower bound, and steps of its magnitude; `value` is finite and clamped here.
    #[inline]
    pub(crate) fn quantise(&self, value: f64) -> (u64, u64) {
        let value = value.clamp(self.lower, self.upper);
        let offset = (value - self.lower) * self.steps_per_unit + 0.5;
        let magnitude = value.abs() * self.magnitude_steps_per_unit + 0.5;
        // Both are at least 0.5 and at most 2^32 + 0.5, so the conversions cut nothing but the fraction.
        (offset as u64, magnitude as u64)
    }

    /// The sum of `count` values whose offsets add up to `offset_sum` steps.
    pub(crate) fn sum(&self, count: u64, offset_sum: u128) -> f64 {
        count as f64 * self.lower + offset_sum as f64 / self.steps_per_unit
    }

    /// Upper less lower bound.
    pub(crate) fn range(&self) -> f64 {
        self.upper - self.lower
    }

    /// The larger of the bounds' magnitudes: the most that one contribution moves a sum.
    pub(crate) fn largest(&self) -> f64 {
        self.lower.abs().max(self.upper.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_the_range_are_exact_and_beyond_is_clamped() {
        let scale = Scale::new(-2.0, 6.0).unwrap();
        let full = STEPS as u64;
        assert_eq!(scale.quantise(-2.0), (0, full / 3));
        assert_eq!(scale.quantise(6.0), (full, full));
        assert_eq!(scale.quantise(1e300), (full, full));
        assert_eq!(scale.quantise(-1e300), scale.quantise(-2.0));
        assert_eq!(scale.quantise(-0.0), scale.quantise(0.0));
        assert_eq!(scale.sum(2, u128::from(full) + u128::from(full) / 2), 8.0);
    }

    #[test]
    fn ranges_that_overflow_or_vanish_are_refused() {
        for (lower, upper) in [(-f64::MAX, f64::MAX), (0.0, 5e-324), (0.0, 1e101), (1.0, 1.0), (f64::NAN, 1.0)] {
            assert_eq!(Scale::new(lower, upper), None, "{lower} {upper}");
        }
        assert!(Scale::new(-1e100, 1e100).is_some() && Scale::new(0.0, 1e-100).is_some());
    }
}
