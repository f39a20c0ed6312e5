//! Figures too coarse to count rows by.

/// The smallest power of ten that is at least `fuel_units`: its exponent, 0 to 20.
#[must_use]
pub fn fuel_bucket(fuel_units: u64) -> u8 {
    let mut exponent = 0_u8;
    let mut power = 1_u128;
    while power < u128::from(fuel_units) {
        power = power.saturating_mul(10);
        exponent = exponent.saturating_add(1);
    }
    exponent
}

/// Two significant digits, rounded up: the size of a snapshot as far as anybody finds it out by what is shown, charged or
/// refused.
#[must_use]
pub fn two_digits_up(value: u64) -> u64 {
    let digits = value.checked_ilog10().unwrap_or(0).saturating_sub(1);
    let unit = 10_u64.saturating_pow(digits).max(1);
    value.div_ceil(unit).saturating_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_are_left_and_never_too_few() {
        let cases = [(0, 0), (7, 7), (99, 99), (100, 100), (101, 110), (990, 990), (991, 1_000), (123_456, 130_000)];
        for (value, expected) in cases {
            assert_eq!(two_digits_up(value), expected, "{value}");
        }
        assert_eq!(two_digits_up(u64::MAX), u64::MAX);
    }

    #[test]
    fn fuel_falls_in_powers_of_ten() {
        let cases = [(0, 0), (1, 0), (2, 1), (10, 1), (11, 2), (1_000_000, 6), (1_000_001, 7), (u64::MAX, 20)];
        for (units, exponent) in cases {
            assert_eq!(fuel_bucket(units), exponent, "{units}");
        }
    }
}
