//! Functions of numbers that keep no state: a `row` job may use them, where those of `std` write to memory.

/// e to the power of `x`, within one unit in the last place; 0 below the smallest normal number.
///
/// Argument reduction and polynomial are those of fdlibm's `e_exp.c` (Sun Microsystems, 1993).
#[inline(always)]
#[must_use]
pub fn exp(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const P: [f64; 5] = [
        1.666_666_666_666_660_2e-1,
        -2.777_777_777_701_559_3e-3,
        6.613_756_321_437_934e-5,
        -1.653_390_220_546_525_2e-6,
        4.138_136_797_057_238_5e-8,
    ];
    if x.is_nan() {
        return x;
    }
    if x > 709.782_712_893_384 {
        return f64::INFINITY;
    }
    if x < -708.396_418_532_264_1 {
        return 0.0;
    }
    let k = (x * core::f64::consts::LOG2_E + if x < 0.0 { -0.5 } else { 0.5 }) as i32;
    let high = x - f64::from(k) * LN2_HIGH;
    let low = f64::from(k) * LN2_LOW;
    let r = high - low;
    let t = r * r;
    let c = r - t * (P[0] + t * (P[1] + t * (P[2] + t * (P[3] + t * P[4]))));
    let y = 1.0 + (r * c / (2.0 - c) - low + high);
    // 2^k in two halves, since 2^1024 is no number.
    y * power_of_two(k / 2) * power_of_two(k - k / 2)
}

/// The natural logarithm of `x`, within one unit in the last place; NaN below 0.
///
/// Argument reduction and polynomial are those of fdlibm's `e_log.c` (Sun Microsystems, 1993).
#[inline(always)]
#[must_use]
pub fn ln(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const L: [f64; 7] = [
        6.666_666_666_666_735e-1,
        3.999_999_999_940_942e-1,
        2.857_142_874_366_239e-1,
        2.222_219_843_214_978_4e-1,
        1.818_357_216_161_805e-1,
        1.531_383_769_920_937_3e-1,
        1.479_819_860_511_658_6e-1,
    ];
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    if x == f64::INFINITY {
        return x;
    }
    // A subnormal number becomes a normal one.
    let (x, shift) = if x < f64::MIN_POSITIVE { (x * power_of_two(54), -54) } else { (x, 0) };
    let bits = x.to_bits();
    // x = 2^k * (1 + f) with sqrt(2)/2 < 1 + f < sqrt(2).
    let high = (bits >> 32) as u32 + (0x3ff0_0000 - 0x3fe6_a09e);
    let k = (high >> 20) as i32 - 1023 + shift;
    let mantissa = (u64::from((high & 0x000f_ffff) + 0x3fe6_a09e) << 32) | (bits & 0xffff_ffff);
    let f = f64::from_bits(mantissa) - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let r = w * (L[1] + w * (L[3] + w * L[5])) + z * (L[0] + w * (L[2] + w * (L[4] + w * L[6])));
    let half = 0.5 * f * f;
    let k = f64::from(k);
    s * (half + r) + k * LN2_LOW - half + f + k * LN2_HIGH
}

/// 1 / (1 + e^-x), which is between 0 and 1 whatever the size of `x`.
#[inline(always)]
#[must_use]
pub fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + exp(-x))
}

/// The x with `matrix` * x = `right`, by elimination with row pivots; none when the matrix is singular. For `update`: a
/// matrix is memory, so that a `row` kernel can't have one.
#[must_use]
pub fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> Option<[f64; N]> {
    for column in 0..N {
        let magnitude = |row: &usize| matrix[*row][column].abs();
        let pivot = (column..N).max_by(|a, b| magnitude(a).total_cmp(&magnitude(b)))?;
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        let leading = matrix[column][column];
        if !leading.is_finite() || leading.abs() < f64::MIN_POSITIVE {
            return None;
        }
        for row in column + 1..N {
            let factor = matrix[row][column] / leading;
            for next in column..N {
                matrix[row][next] -= factor * matrix[column][next];
            }
            right[row] -= factor * right[column];
        }
    }
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N).map(|column| matrix[row][column] * right[column]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    right.iter().all(|value| value.is_finite()).then_some(right)
}

/// 2^k for -1022 ≤ k ≤ 1023.
#[inline(always)]
fn power_of_two(k: i32) -> f64 {
    f64::from_bits(((k + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 2.0 * f64::EPSILON * expected.abs()
    }

    #[test]
    fn they_agree_with_std() {
        for step in -70_000..=70_000 {
            let x = f64::from(step) / 99.7;
            assert!(close(exp(x), x.exp()), "exp({x})");
            let x = x.exp();
            assert!(close(ln(x), x.ln()) || (ln(x) - x.ln()).abs() < 1e-16, "ln({x})");
        }
        for x in [f64::MIN_POSITIVE / 1024.0, 5e-324, f64::MAX, 1.0, 2.0, 0.5] {
            assert!(close(ln(x), x.ln()), "ln({x})");
        }
    }

    #[test]
    fn equations_are_solved() {
        let matrix = [[0.0, 2.0, 1.0], [1.0, -2.0, -3.0], [-1.0, 1.0, 2.0]];
        assert_eq!(solve(matrix, [-8.0, 0.0, 3.0]), Some([-4.0, -5.0, 2.0]));
        assert_eq!(solve([[1.0, 2.0], [2.0, 4.0]], [1.0, 2.0]), None);
        assert_eq!(solve([[f64::NAN]], [1.0]), None);
    }

    #[test]
    fn ends_are_ends() {
        assert_eq!((exp(710.0), exp(-800.0), exp(0.0)), (f64::INFINITY, 0.0, 1.0));
        assert_eq!((exp(f64::INFINITY), exp(f64::NEG_INFINITY)), (f64::INFINITY, 0.0));
        assert_eq!((ln(0.0), ln(1.0), ln(f64::INFINITY)), (f64::NEG_INFINITY, 0.0, f64::INFINITY));
        assert!(exp(f64::NAN).is_nan() && ln(-1.0).is_nan() && ln(f64::NAN).is_nan());
        assert_eq!((logistic(1e9), logistic(-1e9), logistic(0.0)), (1.0, 0.0, 0.5));
    }
}
