//! Arithmetic modulo primes just below 2⁶¹.

/// A prime 2⁶¹ − c with a small c, so that reduction is a shift and a multiplication.
#[derive(Clone, Copy)]
pub(super) struct Field {
    c: u64,
    p: u64,
}

const BITS: u32 = 61;

/// Five primes, so that what is linearly possible over the rationals shows modulo one of them at least.
///
/// A combination of at most 64 sets that isolates persons is given by determinants of zeros and ones of order 64 at most, each
/// below 2¹³² (Hadamard: 65^32.5 / 2^64), so that no three of the primes divide one. Two of the determinants must not vanish: the
/// combination's value on one isolated atom (then its rows are independent), and its share of the asked set (then the
/// other sets follow from the rows without the asked one, by Cramer's rule). Four primes at most spoil them.
pub(super) const FIELDS: [Field; 5] = [Field::new(1), Field::new(31), Field::new(45), Field::new(229), Field::new(259)];

impl Field {
    const fn new(c: u64) -> Self {
        Self { c, p: (1 << BITS) - c }
    }

    pub(super) fn add(self, a: u64, b: u64) -> u64 {
        let sum = a + b;
        if sum >= self.p { sum - self.p } else { sum }
    }

    pub(super) fn sub(self, a: u64, b: u64) -> u64 {
        if a >= b { a - b } else { a + self.p - b }
    }

    pub(super) fn mul(self, a: u64, b: u64) -> u64 {
        let fold = |x: u128| (x & ((1 << BITS) - 1)) + (x >> BITS) * u128::from(self.c);
        // Below 2¹²² before, 2⁷⁰ after the first fold, below 2p after the second.
        let folded = fold(fold(u128::from(a) * u128::from(b)));
        let folded = u64::try_from(folded).unwrap_or(0);
        if folded >= self.p { folded - self.p } else { folded }
    }

    /// The inverse, by Fermat; 0 for 0.
    pub(super) fn inverse(self, a: u64) -> u64 {
        let (mut power, mut base, mut exponent) = (1, a, self.p - 2);
        while exponent > 0 {
            if exponent & 1 == 1 {
                power = self.mul(power, base);
            }
            base = self.mul(base, base);
            exponent >>= 1;
        }
        power
    }

    /// `row − factor · other`.
    pub(super) fn subtract(self, row: &mut [u64], factor: u64, other: &[u64]) {
        for (a, b) in row.iter_mut().zip(other) {
            *a = self.sub(*a, self.mul(factor, *b));
        }
    }

    /// `row · factor`.
    pub(super) fn scale(self, row: &mut [u64], factor: u64) {
        row.iter_mut().for_each(|a| *a = self.mul(*a, factor));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moduli_are_prime_and_arithmetic_agrees_with_plain_division() {
        let mut x: u64 = 0x9e37_79b9_7f4a_7c15;
        for field in FIELDS {
            let p = u128::from(field.p);
            // Miller–Rabin with the first twelve primes decides every number below 2⁶⁴ (Sorenson and Webster, 2015).
            for base in [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37_u64] {
                let (odd, twos) = ((field.p - 1) >> (field.p - 1).trailing_zeros(), (field.p - 1).trailing_zeros());
                let mut power: u128 = 1;
                let (mut square, mut exponent) = (u128::from(base), odd);
                while exponent > 0 {
                    if exponent & 1 == 1 {
                        power = power * square % p;
                    }
                    square = square * square % p;
                    exponent >>= 1;
                }
                let mut passes = power == 1;
                for _ in 0..twos {
                    passes |= power == p - 1;
                    power = power * power % p;
                }
                assert!(passes, "{} is composite", field.p);
            }
            for _ in 0..10_000 {
                let mut next = || {
                    x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (x ^ (x >> 29)) % field.p
                };
                let (a, b) = (next(), next());
                assert_eq!(u128::from(field.mul(a, b)), u128::from(a) * u128::from(b) % p);
                assert_eq!(field.add(field.sub(a, b), b), a);
                assert_eq!(field.mul(a, field.inverse(a)), u64::from(a != 0));
            }
            let most = field.p - 1;
            assert_eq!(field.mul(most, most), 1);
        }
    }
}
