//! The instructions of 512-bit vectors with GFNI: 64 blocks a turn.
#![allow(unsafe_code, reason = "loads and stores of vectors, and calls of what detection has allowed")]

use std::arch::x86_64::*;

use aead::consts::{U64, U1024};
use aead::inout::InOutBuf;
use zeroize::zeroize_bytes;

use super::field::{INTO, OUT_OF, ROUND};
use super::gfni as single;
use super::ghash::{self, REDUCTION, Sum};
use super::keys::{GcmKeys, POWERS, Powers, RoundKeys};
use super::sliced::{four_rounds, many_blocks};
use super::vector::{from_number, load, to_number};
use super::{Direction, Simd};

/// Vectors of 128 bits in a [`Vector`].
const LANES: usize = 4;
type Vector = __m512i;

many_blocks!("avx512bw,avx512vl,gfni,vpclmulqdq", U64, U1024);

/// Proof that the CPU has what this kernel needs.
#[derive(Clone, Copy)]
pub(in crate::sm4) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        features().iter().all(|(_, has)| *has).then_some(Self(()))
    }
}

/// What this kernel needs, and whether the CPU has it.
pub(super) fn features() -> [(&'static str, bool); 5] {
    [
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512bw", is_x86_feature_detected!("avx512bw")),
        ("avx512vl", is_x86_feature_detected!("avx512vl")),
        ("gfni", is_x86_feature_detected!("gfni")),
        ("vpclmulqdq", is_x86_feature_detected!("vpclmulqdq")),
    ]
}

impl Simd for Avx512 {
    fn expand(self, key: &[u8; 16], keys: &mut RoundKeys) {
        // SAFETY: `self` exists only where the CPU has the features.
        unsafe { single::expand(key, keys) }
    }

    fn cbc_mac(self, keys: &RoundKeys, mac: &mut [u8; 16], data: &[u8]) {
        // SAFETY: as above.
        unsafe { single::cbc_mac(keys, mac, data) }
    }

    fn apply_key_stream(self, keys: &RoundKeys, counter: u128, data: InOutBuf<'_, '_, u8>) {
        // SAFETY: as above.
        unsafe { apply_key_stream(keys, counter, data) }
    }

    fn fill_powers(self, hash_key: u128, powers: &mut Powers) {
        // SAFETY: as above.
        unsafe { fill_powers(hash_key, powers) }
    }

    fn gcm(
        self,
        direction: Direction,
        keys: &GcmKeys,
        first: u128,
        associated: &[u8],
        data: InOutBuf<'_, '_, u8>,
    ) -> u128 {
        // SAFETY: as above.
        unsafe {
            match direction {
                Direction::Seal => gcm::<true>(keys, first, associated, data),
                Direction::Open => gcm::<false>(keys, first, associated, data),
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn xor(a: Vector, b: Vector) -> Vector {
    _mm512_xor_si512(a, b)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_ternarylogic_epi64::<0x96>(a, b, c)
}

/// What a byte gives to itself, to the two bytes before it, and to the third before it (see [`super::field`]).
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn substitute(byte: Vector) -> [Vector; 3] {
    [
        _mm512_gf2p8affineinv_epi64_epi8::<{ ROUND.constant as i32 }>(byte, _mm512_set1_epi64(ROUND.own.gfni())),
        _mm512_gf2p8affineinv_epi64_epi8::<0>(byte, _mm512_set1_epi64(ROUND.near.gfni())),
        _mm512_gf2p8affineinv_epi64_epi8::<0>(byte, _mm512_set1_epi64(ROUND.third.gfni())),
    ]
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn into(bytes: Vector) -> Vector {
    _mm512_gf2p8affine_epi64_epi8::<0>(bytes, _mm512_set1_epi64(INTO.gfni()))
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn out_of(bytes: Vector) -> Vector {
    _mm512_gf2p8affine_epi64_epi8::<0>(bytes, _mm512_set1_epi64(OUT_OF.gfni()))
}

/// Where a turn's blocks stand: lane l holds blocks l, l + 4, l + 8, …, so that the interleavings put them in order.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn offsets() -> Vector {
    let of_lane_0 = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60));
    let lanes = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
    _mm512_add_epi8(of_lane_0, _mm512_mullo_epi32(lanes, _mm512_set1_epi32(0x0101_0101)))
}

/// Which sums of bytes carried: those less than what was added.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn carries(sum: Vector, added: Vector) -> __mmask64 {
    _mm512_cmplt_epu8_mask(sum, added)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn last_byte() -> __mmask64 {
    1 << 63
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn select(which: __mmask64, without: Vector, with: Vector) -> Vector {
    _mm512_mask_blend_epi8(which, without, with)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn add_bytes(a: Vector, b: Vector) -> Vector {
    _mm512_add_epi8(a, b)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn shuffle(bytes: Vector, order: Vector) -> Vector {
    _mm512_shuffle_epi8(bytes, order)
}

/// Two vectors interleaved byte by byte, within each lane.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn pair(a: Vector, b: Vector) -> [Vector; 2] {
    [_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b)]
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn splat(number: u64) -> Vector {
    _mm512_set1_epi64(number.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn splat_byte(byte: i8) -> Vector {
    _mm512_set1_epi8(byte)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn broadcast(lane: __m128i) -> Vector {
    _mm512_broadcast_i32x4(lane)
}

/// One lane, and zeros.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn widen(lane: __m128i) -> Vector {
    _mm512_zextsi128_si512(lane)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn product<const HALVES: i32>(a: Vector, b: Vector) -> Vector {
    _mm512_clmulepi64_epi128::<HALVES>(a, b)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn sum(lanes: Vector) -> __m128i {
    let halves = _mm256_xor_si256(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64::<1>(lanes));
    _mm_xor_si128(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves))
}

/// Fills the table of powers by doubling: the first four, then as many again, times the highest.
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn fill_powers(hash_key: u128, powers: &mut Powers) {
    let first = from_number(hash_key);
    let second = ghash::product(first, first);
    let third = ghash::product(second, first);
    let fourth = ghash::product(second, second);
    let fours = powers.0.as_chunks_mut::<4>().0;
    let Some((_, fours)) = fours.split_last_mut() else { return };
    if let Some(lowest) = fours.last_mut() {
        *lowest = [to_number(fourth), to_number(third), to_number(second), to_number(first)];
    }
    let mut done = 1;
    while done < fours.len() {
        let (to_do, known) = fours.split_at_mut(fours.len() - done);
        let Some([highest, ..]) = known.first() else { return };
        let highest = _mm512_broadcast_i32x4(from_number(*highest));
        for (to, from) in to_do.iter_mut().rev().zip(known.iter().rev()) {
            store_numbers(to, reduced_each(Products::of(load_numbers(from), highest)));
        }
        done *= 2;
    }
}

/// A number in each lane.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn reduced_each(products: Products) -> Vector {
    let low = xor(products.low, _mm512_bslli_epi128::<8>(products.middle));
    let high = xor(products.high, _mm512_bsrli_epi128::<8>(products.middle));
    xor(high, divided(divided(low)))
}

/// Divides the number in each lane by x⁶⁴ (see [`super::ghash`]).
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn divided(numbers: Vector) -> Vector {
    xor(_mm512_shuffle_epi32::<0b0100_1110>(numbers), product::<0x00>(numbers, _mm512_set1_epi64(REDUCTION)))
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn load_numbers(numbers: &[u128; LANES]) -> Vector {
    // SAFETY: the reference is to 64 readable bytes, and the instruction takes any alignment.
    unsafe { _mm512_loadu_si512(numbers.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn store_numbers(numbers: &mut [u128; LANES], vector: Vector) {
    // SAFETY: the reference is to 64 writable bytes, and the instruction takes any alignment.
    unsafe { _mm512_storeu_si512(numbers.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn load_vector(bytes: &[u8; VECTOR_BYTES]) -> Vector {
    // SAFETY: the reference is to 64 readable bytes, and the instruction takes any alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn store_vector(bytes: &mut [u8; VECTOR_BYTES], vector: Vector) {
    // SAFETY: the reference is to 64 writable bytes, and the instruction takes any alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), vector) }
}

/// Up to 64 bytes, filled up with zeros.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn load_part(bytes: &[u8]) -> Vector {
    // SAFETY: the mask has a bit for each byte of the slice, and the instruction touches no other.
    unsafe { _mm512_maskz_loadu_epi8(mask(bytes.len()), bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn store_part(bytes: &mut [u8], vector: Vector) {
    // SAFETY: as above.
    unsafe { _mm512_mask_storeu_epi8(bytes.as_mut_ptr().cast(), mask(bytes.len()), vector) }
}

/// A bit for each of the first `bytes` bytes, at most 64.
fn mask(bytes: usize) -> u64 {
    match bytes {
        0 => 0,
        bytes => u64::MAX >> (64 - bytes.min(64)),
    }
}
