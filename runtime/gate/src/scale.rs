//! Fixed-point numbers between declared bounds, so that sums are exact: no order of addition, NaN payload, negative
//! zero or low digit of a float can carry anything.

/// Steps between the lower and the upper bound. A job of 2^32 contributions adds up to 2^64 steps, which `u128` holds.
pub(crate) const STEPS: f64 = 4_294_967_296.0;

/// Steps from the offset of zero to the norm of a gradient. A clipped vector is shorter than this, measured in steps,
/// after rounding as well; its offset of zero is this, too.
pub(crate) const NORM_STEPS: u64 = 1 << 31;

/// The grid between the bounds of a component that is added up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    lower: f64,
    upper: f64,
    steps_per_unit: f64,
    magnitude_steps_per_unit: f64,
    /// The value that an offset of `origin_steps` stands for: the lower bound at 0, or 0 in the middle.
    origin: f64,
    origin_steps: u64,
}

impl Scale {
    /// A grid from `lower` to `upper`; none when the range or its inverse is not a usable number.
    pub(crate) fn new(lower: f64, upper: f64) -> Option<Self> {
        const SMALLEST: f64 = 1e-100;
        const LARGEST: f64 = 1e100;
        let range = upper - lower;
        let largest = lower.abs().max(upper.abs());
        let usable = range >= SMALLEST && largest <= LARGEST;
        usable.then(|| Self {
            lower,
            upper,
            steps_per_unit: STEPS / range,
            magnitude_steps_per_unit: STEPS / largest,
            origin: lower,
            origin_steps: 0,
        })
    }

    /// The grid of each component of vectors that are clipped to `norm_max`: zero is in its middle, and values are rounded
    /// towards it ([`Scale::quantise_clipped`]).
    pub(crate) fn centred(norm_max: f64) -> Option<Self> {
        let plain = Self::new(-norm_max, norm_max)?;
        // One step is kept free for the last bit of the arithmetic on the way.
        let steps_per_unit = (NORM_STEPS - 1) as f64 / norm_max;
        Some(Self {
            steps_per_unit,
            magnitude_steps_per_unit: steps_per_unit,
            origin: 0.0,
            origin_steps: NORM_STEPS,
            ..plain
        })
    }

    /// Steps of `value` above the lower bound, and steps of its magnitude; `value` is finite and clamped here.
    #[inline]
    pub(crate) fn quantise(&self, value: f64) -> (u64, u64) {
        let value = value.clamp(self.lower, self.upper);
        let offset = (value - self.lower) * self.steps_per_unit;
        let magnitude = value.abs() * self.magnitude_steps_per_unit;
        (nearest(offset), nearest(magnitude))
    }

    /// The same for a component of a vector that is clipped, on a [`Scale::centred`] grid.
    #[inline]
    pub(crate) fn quantise_clipped(&self, value: f64) -> (u64, u64) {
        // Cut towards zero, so that no vector gets longer; below 2^31 in magnitude, so nothing wraps.
        let steps = (value * self.steps_per_unit) as i64;
        (NORM_STEPS.saturating_add_signed(steps), steps.unsigned_abs())
    }

    /// Which of `steps` equal half-open steps between the bounds `value` lies in, clamped; the last includes its end.
    #[inline]
    pub(crate) fn grid_step(&self, value: f64, steps: usize) -> usize {
        let share = (value.clamp(self.lower, self.upper) - self.lower) / self.range();
        ((share * steps as f64) as usize).min(steps.saturating_sub(1))
    }

    /// The sum of `count` values whose offsets add up to `offset_sum` steps.
    pub(crate) fn sum(&self, count: u64, offset_sum: u128) -> f64 {
        let above = offset_sum.cast_signed() - i128::from(count) * i128::from(self.origin_steps);
        count as f64 * self.origin + above as f64 / self.steps_per_unit
    }

    /// Steps for one unit of the value.
    pub(crate) fn steps_per_unit(&self) -> f64 {
        self.steps_per_unit
    }

    /// The value that an offset of 0 stands for.
    pub(crate) fn lower(&self) -> f64 {
        self.origin - self.origin_steps as f64 / self.steps_per_unit
    }

    /// The upper bound.
    pub(crate) fn upper(&self) -> f64 {
        self.upper
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

/// The whole number nearest to `steps`, which lies between 0 and a little above 2^32.
///
/// From 2^52 on a float has no fraction, so adding that much rounds, and leaves the number in the low bits: cheaper than a
/// conversion, which has to see to numbers out of range.
#[inline]
fn nearest(steps: f64) -> u64 {
    const WHOLE: f64 = 4_503_599_627_370_496.0;
    (steps + WHOLE).to_bits().wrapping_sub(WHOLE.to_bits())
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
    fn steps_are_rounded_to_the_nearest() {
        for (steps, whole) in
            [(0.0, 0), (0.4, 0), (0.6, 1), (1.5, 2), (2.5, 2), (STEPS, 1 << 32), (STEPS - 0.4, 1 << 32)]
        {
            assert_eq!(nearest(steps), whole, "{steps}");
        }
    }

    #[test]
    fn a_clipped_vector_is_never_longer_than_its_norm_in_steps() {
        let scale = Scale::centred(3.0).unwrap();
        assert_eq!(scale.quantise_clipped(0.0), (NORM_STEPS, 0));
        assert_eq!(scale.quantise_clipped(-3.0), (1, NORM_STEPS - 1));
        assert_eq!(scale.quantise_clipped(3.0), (2 * NORM_STEPS - 1, NORM_STEPS - 1));
        // Towards zero from both sides.
        let half_a_step = 0.5 / scale.steps_per_unit();
        assert_eq!(scale.quantise_clipped(half_a_step), scale.quantise_clipped(-half_a_step));
        assert_eq!(scale.sum(3, 3 * u128::from(NORM_STEPS)), 0.0);
        assert_eq!(scale.sum(1, u128::from(2 * NORM_STEPS - 1)), 3.0);
    }

    #[test]
    fn ranges_that_overflow_or_vanish_are_refused() {
        for (lower, upper) in [(-f64::MAX, f64::MAX), (0.0, 5e-324), (0.0, 1e101), (1.0, 1.0), (f64::NAN, 1.0)] {
            assert_eq!(Scale::new(lower, upper), None, "{lower} {upper}");
        }
        assert!(Scale::new(-1e100, 1e100).is_some() && Scale::new(0.0, 1e-100).is_some());
    }
}
