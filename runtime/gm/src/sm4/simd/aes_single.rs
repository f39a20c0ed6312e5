//! One block at a time by AES-NI, and the S-box by AES's.

use std::arch::x86_64::{
    __m128i, _mm_aesenclast_si128, _mm_and_si128, _mm_cvtsi32_si128, _mm_cvtsi128_si32, _mm_set1_epi8, _mm_setr_epi8,
    _mm_setzero_si128, _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_srli_epi16, _mm_unpacklo_epi32, _mm_unpacklo_epi64,
    _mm_xor_si128 as xor,
};

use super::field::{INTO, KEY_SCHEDULE, Nibbles, OUT_OF, ROUND};
use super::keys::{CK, FK, RoundKeys, SPREAD_BEFORE_INVERSION};
use super::single::one_block;
use super::vector::{from_number, load, load_part, store};

one_block!("aes,pclmulqdq,ssse3");

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn substitute(bytes: __m128i) -> [__m128i; 3] {
    const OWN: Nibbles = ROUND.own.after_aes(ROUND.constant);
    const NEAR: Nibbles = ROUND.near.after_aes(0);
    const THIRD: Nibbles = ROUND.third.after_aes(0);
    let (low, high) = nibbles(aes_s_box(bytes));
    [look_up(&OWN, low, high), look_up(&NEAR, low, high), look_up(&THIRD, low, high)]
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn substitute_key(bytes: __m128i) -> [__m128i; 4] {
    const OWN: Nibbles = KEY_SCHEDULE.own.after_aes(KEY_SCHEDULE.constant);
    const NEXT: Nibbles = KEY_SCHEDULE.next.after_aes(0);
    const SECOND: Nibbles = KEY_SCHEDULE.second.after_aes(0);
    const THIRD: Nibbles = KEY_SCHEDULE.third.after_aes(0);
    let (low, high) = nibbles(aes_s_box(bytes));
    [look_up(&OWN, low, high), look_up(&NEXT, low, high), look_up(&SECOND, low, high), look_up(&THIRD, low, high)]
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
pub(super) fn into(bytes: __m128i) -> __m128i {
    const TABLES: Nibbles = INTO.nibbles();
    let (low, high) = nibbles(bytes);
    look_up(&TABLES, low, high)
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
pub(super) fn out_of(bytes: __m128i) -> __m128i {
    const TABLES: Nibbles = OUT_OF.nibbles();
    let (low, high) = nibbles(bytes);
    look_up(&TABLES, low, high)
}

/// The S-box of AES for every byte: its last round with a key of zero, and its shift of rows taken back.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
pub(super) fn aes_s_box(bytes: __m128i) -> __m128i {
    let rows_shifted_back = _mm_setr_epi8(0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3);
    _mm_shuffle_epi8(_mm_aesenclast_si128(bytes, _mm_setzero_si128()), rows_shifted_back)
}

/// The low and the high half of every byte.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
pub(super) fn nibbles(bytes: __m128i) -> (__m128i, __m128i) {
    let mask = _mm_set1_epi8(15);
    (_mm_and_si128(bytes, mask), _mm_and_si128(_mm_srli_epi16::<4>(bytes), mask))
}

/// A linear map by its tables. Both are held in registers: no address depends on what is looked up.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
pub(super) fn look_up([of_low, of_high]: &Nibbles, low: __m128i, high: __m128i) -> __m128i {
    xor(_mm_shuffle_epi8(load(of_low), low), _mm_shuffle_epi8(load(of_high), high))
}
