//! What developers see of meters: figures too coarse to carry anything about a row.

use crate::{Amounts, Meter};

/// Every amount rounded up to two significant digits.
#[must_use]
pub fn coarse(amounts: &Amounts) -> Amounts {
    let mut result = *amounts;
    for meter in Meter::ALL {
        *meter.of_mut(&mut result) = two_digits_up(meter.of(amounts));
    }
    result
}

/// The smallest power of ten that is at least `fuel_units`: its exponent, 0 to 20.
#[must_use]
pub fn fuel_bucket(fuel_units: u64) -> u8 {
    let mut exponent = 0;
    let mut power = 1_u128;
    while power < u128::from(fuel_units) {
        power *= 10;
        exponent += 1;
    }
    exponent
}

fn two_digits_up(value: u64) -> u64 {
    let mut unit = 1_u64;
    while value / unit >= 100 {
        unit *= 10;
    }
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
        let amounts = Amounts { cells: 1_234, memory_peak_bytes: 65_537, ..Amounts::default() };
        assert_eq!(coarse(&amounts), Amounts { cells: 1_300, memory_peak_bytes: 66_000, ..Amounts::default() });
    }

    #[test]
    fn fuel_falls_in_powers_of_ten() {
        let cases = [(0, 0), (1, 0), (2, 1), (10, 1), (11, 2), (1_000_000, 6), (1_000_001, 7), (u64::MAX, 20)];
        for (units, exponent) in cases {
            assert_eq!(fuel_bucket(units), exponent, "{units}");
        }
    }
}
