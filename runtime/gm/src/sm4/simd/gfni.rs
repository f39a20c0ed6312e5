//! One block at a time by GFNI, for both kernels that have it.

use std::arch::x86_64::{
    __m128i, _mm_cvtsi32_si128, _mm_cvtsi128_si32, _mm_gf2p8affine_epi64_epi8, _mm_gf2p8affineinv_epi64_epi8,
    _mm_set1_epi64x, _mm_setr_epi8, _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_unpacklo_epi32, _mm_unpacklo_epi64,
    _mm_xor_si128 as xor,
};

use super::field::{INTO, KEY_SCHEDULE, OUT_OF, ROUND};
use super::keys::{CK, FK, RoundKeys, SPREAD_BEFORE_INVERSION};
use super::single::one_block;
use super::vector::{from_number, load, load_part, store};

one_block!("avx2,gfni");

/// What a byte gives to itself, to the two bytes before it, and to the third before it (see [`super::field`]).
#[inline]
#[target_feature(enable = "avx2,gfni")]
fn substitute(bytes: __m128i) -> [__m128i; 3] {
    [
        _mm_gf2p8affineinv_epi64_epi8::<{ ROUND.constant as i32 }>(bytes, _mm_set1_epi64x(ROUND.own.gfni())),
        _mm_gf2p8affineinv_epi64_epi8::<0>(bytes, _mm_set1_epi64x(ROUND.near.gfni())),
        _mm_gf2p8affineinv_epi64_epi8::<0>(bytes, _mm_set1_epi64x(ROUND.third.gfni())),
    ]
}

/// The same in the key schedule, where the two bytes before it are not alike.
#[inline]
#[target_feature(enable = "avx2,gfni")]
fn substitute_key(bytes: __m128i) -> [__m128i; 4] {
    let own = _mm_set1_epi64x(KEY_SCHEDULE.own.gfni());
    [
        _mm_gf2p8affineinv_epi64_epi8::<{ KEY_SCHEDULE.constant as i32 }>(bytes, own),
        _mm_gf2p8affineinv_epi64_epi8::<0>(bytes, _mm_set1_epi64x(KEY_SCHEDULE.next.gfni())),
        _mm_gf2p8affineinv_epi64_epi8::<0>(bytes, _mm_set1_epi64x(KEY_SCHEDULE.second.gfni())),
        _mm_gf2p8affineinv_epi64_epi8::<0>(bytes, _mm_set1_epi64x(KEY_SCHEDULE.third.gfni())),
    ]
}

#[inline]
#[target_feature(enable = "avx2,gfni")]
fn into(bytes: __m128i) -> __m128i {
    _mm_gf2p8affine_epi64_epi8::<0>(bytes, _mm_set1_epi64x(INTO.gfni()))
}

#[inline]
#[target_feature(enable = "avx2,gfni")]
fn out_of(bytes: __m128i) -> __m128i {
    _mm_gf2p8affine_epi64_epi8::<0>(bytes, _mm_set1_epi64x(OUT_OF.gfni()))
}
