//! GHASH (NIST SP 800-38D, section 6.4) by carry-less multiplication.
//!
//! GHASH numbers its bits backwards. A block read as a big-endian number is an element of POLYVAL's field
//! GF(2)\[x\]/(x¹²⁸+x¹²⁷+x¹²⁶+x¹²¹+1) (RFC 8452, appendix A), where products come out divided by x¹²⁸; with the hash key
//! multiplied by x beforehand both hashes are equal. There a product of 256 bits is reduced by two multiplications of
//! 64 bits by [`REDUCTION`], and many products may be added before one reduction.

use std::arch::x86_64::{
    __m128i, _mm_clmulepi64_si128, _mm_set1_epi64x, _mm_setr_epi8, _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_slli_si128,
    _mm_srli_si128, _mm_xor_si128 as xor,
};

use super::keys::{POWERS, Powers};
use super::vector::{from_number, to_number};

/// x¹²⁷+x¹²⁶+x¹²¹, its upper half.
pub(super) const REDUCTION: i64 = (0xC2_u64 << 56).cast_signed();

/// The number that products are taken with: the hash key times x, in a time that does not tell its topmost bit.
pub(in crate::sm4) fn key(hash_key: u128) -> u128 {
    let carry = 0_u128.wrapping_sub(hash_key >> 127);
    (hash_key << 1) ^ (carry & ((0xC2 << 120) | 1))
}

/// The block of lengths that ends the hash, as a number: both in bits.
pub(super) fn lengths(associated_bytes: usize, data_bytes: usize) -> u128 {
    ((associated_bytes as u128 * 8) << 64) | (data_bytes as u128 * 8)
}

/// A sum of products of 256 bits, in three parts that overlap: what counts 1, x⁶⁴ and x¹²⁸.
pub(super) struct Sum {
    pub(super) low: __m128i,
    pub(super) middle: __m128i,
    pub(super) high: __m128i,
}

/// The block that 16 bytes stand for as a number, or the bytes of a number.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
pub(super) fn reverse(block: __m128i) -> __m128i {
    _mm_shuffle_epi8(block, _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0))
}

#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
pub(super) fn product(a: __m128i, b: __m128i) -> __m128i {
    Sum {
        low: _mm_clmulepi64_si128::<0x00>(a, b),
        middle: xor(_mm_clmulepi64_si128::<0x01>(a, b), _mm_clmulepi64_si128::<0x10>(a, b)),
        high: _mm_clmulepi64_si128::<0x11>(a, b),
    }
    .reduced()
}

impl Sum {
    #[inline]
    #[target_feature(enable = "pclmulqdq,ssse3")]
    pub(super) fn reduced(self) -> __m128i {
        let low = xor(self.low, _mm_slli_si128::<8>(self.middle));
        let high = xor(self.high, _mm_srli_si128::<8>(self.middle));
        let low = reduced_by_64(reduced_by_64(low));
        xor(high, low)
    }
}

/// Fills the lowest `count` powers, a power of two: the first, then as many again, times the highest.
#[target_feature(enable = "pclmulqdq,ssse3")]
pub(super) fn fill_powers(hash_key: u128, count: usize, powers: &mut Powers) {
    let Some(table) = powers.0.get_mut(POWERS - count..POWERS) else { return };
    if let Some(lowest) = table.last_mut() {
        *lowest = hash_key;
    }
    let mut done = 1;
    while done < count {
        let (to_do, known) = table.split_at_mut(count - done);
        let Some(highest) = known.first().copied() else { return };
        for (to, from) in to_do.iter_mut().rev().zip(known.iter().rev()) {
            *to = to_number(product(from_number(*from), from_number(highest)));
        }
        done *= 2;
    }
}

/// Divides by x⁶⁴ within the field.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
fn reduced_by_64(number: __m128i) -> __m128i {
    let multiple = _mm_clmulepi64_si128::<0x00>(number, _mm_set1_epi64x(REDUCTION));
    xor(_mm_shuffle_epi32::<0b0100_1110>(number), multiple)
}
