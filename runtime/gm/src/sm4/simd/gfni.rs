//! One block at a time by GFNI: the key schedule, CBC-MAC and single blocks of both kernels that have it.

use std::arch::x86_64::{
    __m128i, _mm_cvtsi32_si128, _mm_cvtsi128_si32, _mm_gf2p8affine_epi64_epi8, _mm_gf2p8affineinv_epi64_epi8,
    _mm_set1_epi64x, _mm_setr_epi8, _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_unpacklo_epi32, _mm_unpacklo_epi64,
    _mm_xor_si128 as xor,
};

use super::field::{BEFORE_INVERSION, INTO, KEY_SCHEDULE, OUT_OF, ROUND};
use super::keys::{CK, FK, RoundKeys};
use super::vector::{from_number, load, load_part, store};

/// What the round keys have that the key schedule has not: what is to be added before inversion.
const SPREAD_BEFORE_INVERSION: u32 = BEFORE_INVERSION as u32 * 0x0101_0101;

/// Expands `key` (GB/T 32907-2016, section 7.3).
#[target_feature(enable = "avx2,gfni")]
pub(super) fn expand(key: &[u8; 16], keys: &mut RoundKeys) {
    let [mut k0, mut k1, mut k2, mut k3] = split(into(xor(load(key), from_number(FK.swap_bytes()))));
    for (parameters, words) in CK.as_chunks::<4>().0.iter().zip(keys.words.as_chunks_mut::<4>().0) {
        let [c0, c1, c2, c3] = *parameters;
        k0 = xor(k0, key_step(k1, k2, k3, c0));
        k1 = xor(k1, key_step(k2, k3, k0, c1));
        k2 = xor(k2, key_step(k3, k0, k1, c2));
        k3 = xor(k3, key_step(k0, k1, k2, c3));
        *words = [round_key(k0), round_key(k1), round_key(k2), round_key(k3)];
    }
    keys.spread();
}

/// Takes `mac` through the cipher once for each block of `data`, the last one filled up with zeros.
#[target_feature(enable = "avx2,gfni")]
pub(super) fn cbc_mac(keys: &RoundKeys, mac: &mut [u8; 16], data: &[u8]) {
    let mut state = into(load(mac));
    let (blocks, tail) = data.as_chunks::<16>();
    for block in blocks {
        state = encrypt_within(keys, xor(state, into(load(block))));
    }
    if !tail.is_empty() {
        state = encrypt_within(keys, xor(state, into(load_part(tail))));
    }
    store(mac, out_of(state));
}

/// Encrypts one block.
#[inline]
#[target_feature(enable = "avx2,gfni")]
pub(super) fn encrypt(keys: &RoundKeys, block: __m128i) -> __m128i {
    out_of(encrypt_within(keys, into(block)))
}

/// Encrypts a block that is in the kernels' form, and stays in it.
#[inline]
#[target_feature(enable = "avx2,gfni")]
fn encrypt_within(keys: &RoundKeys, block: __m128i) -> __m128i {
    let [mut x0, mut x1, mut x2, mut x3] = split(block);
    for &[k0, k1, k2, k3] in keys.words.as_chunks::<4>().0 {
        x0 = step(x0, x1, x2, x3, k0);
        x1 = step(x1, x2, x3, x0, k1);
        x2 = step(x2, x3, x0, x1, k2);
        x3 = step(x3, x0, x1, x2, k3);
    }
    _mm_unpacklo_epi64(_mm_unpacklo_epi32(x3, x2), _mm_unpacklo_epi32(x1, x0))
}

/// One round. The newest word, `x3`, comes in last: all waits for it.
#[inline]
#[target_feature(enable = "avx2,gfni")]
fn step(x0: __m128i, x1: __m128i, x2: __m128i, x3: __m128i, key: u32) -> __m128i {
    let sum = xor(xor(xor(x1, x2), word(key)), x3);
    let own = _mm_gf2p8affineinv_epi64_epi8::<{ ROUND.constant as i32 }>(sum, _mm_set1_epi64x(ROUND.own.gfni()));
    let near = _mm_gf2p8affineinv_epi64_epi8::<0>(sum, _mm_set1_epi64x(ROUND.next.gfni()));
    let third = _mm_gf2p8affineinv_epi64_epi8::<0>(sum, _mm_set1_epi64x(ROUND.third.gfni()));
    let near = xor(rotate::<1>(near), rotate::<2>(near));
    xor(xor(xor(x0, own), rotate::<3>(third)), near)
}

#[inline]
#[target_feature(enable = "avx2,gfni")]
fn key_step(k1: __m128i, k2: __m128i, k3: __m128i, parameter: u32) -> __m128i {
    let sum = xor(xor(xor(k1, k2), word(parameter)), k3);
    let constant = _mm_set1_epi64x(KEY_SCHEDULE.own.gfni());
    let own = _mm_gf2p8affineinv_epi64_epi8::<{ KEY_SCHEDULE.constant as i32 }>(sum, constant);
    let next = _mm_gf2p8affineinv_epi64_epi8::<0>(sum, _mm_set1_epi64x(KEY_SCHEDULE.next.gfni()));
    let second = _mm_gf2p8affineinv_epi64_epi8::<0>(sum, _mm_set1_epi64x(KEY_SCHEDULE.second.gfni()));
    let third = _mm_gf2p8affineinv_epi64_epi8::<0>(sum, _mm_set1_epi64x(KEY_SCHEDULE.third.gfni()));
    xor(xor(own, rotate::<1>(next)), xor(rotate::<2>(second), rotate::<3>(third)))
}

#[inline]
#[target_feature(enable = "avx2,gfni")]
fn round_key(word: __m128i) -> u32 {
    _mm_cvtsi128_si32(word).cast_unsigned() ^ SPREAD_BEFORE_INVERSION
}

#[inline]
#[target_feature(enable = "avx2,gfni")]
fn word(word: u32) -> __m128i {
    _mm_cvtsi32_si128(word.cast_signed())
}

/// The four words of a block, each at the bottom of a vector.
#[inline]
#[target_feature(enable = "avx2,gfni")]
fn split(block: __m128i) -> [__m128i; 4] {
    [block, _mm_shuffle_epi32::<0b01>(block), _mm_shuffle_epi32::<0b10>(block), _mm_shuffle_epi32::<0b11>(block)]
}

/// The bytes of the lowest word, each from `BY` bytes further on: a rotation to the left, as the first byte counts
/// most.
#[inline]
#[target_feature(enable = "avx2,gfni")]
fn rotate<const BY: i8>(word: __m128i) -> __m128i {
    let order =
        _mm_setr_epi8(BY & 3, (BY + 1) & 3, (BY + 2) & 3, (BY + 3) & 3, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    _mm_shuffle_epi8(word, order)
}

/// Into the form in which the kernels hold bytes.
#[inline]
#[target_feature(enable = "avx2,gfni")]
pub(super) fn into(bytes: __m128i) -> __m128i {
    _mm_gf2p8affine_epi64_epi8::<0>(bytes, _mm_set1_epi64x(INTO.gfni()))
}

#[inline]
#[target_feature(enable = "avx2,gfni")]
fn out_of(bytes: __m128i) -> __m128i {
    _mm_gf2p8affine_epi64_epi8::<0>(bytes, _mm_set1_epi64x(OUT_OF.gfni()))
}
