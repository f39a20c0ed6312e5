//! The instructions of 256-bit vectors with GFNI: 32 blocks a turn.
#![allow(unsafe_code, reason = "loads and stores of vectors, and calls of what detection has allowed")]

use std::arch::x86_64::*;

use aead::consts::{U32, U512};
use aead::inout::InOutBuf;
use zeroize::zeroize_bytes;

use super::field::{INTO, OUT_OF, ROUND};
use super::gfni as single;
use super::ghash::{self, Sum};
use super::keys::{GcmKeys, POWERS, Powers, RoundKeys};
use super::sliced::{four_rounds, many_blocks};
use super::vector::{from_number, load, to_number};
use super::{Direction, Simd};

/// Vectors of 128 bits in a [`Vector`].
const LANES: usize = 2;
type Vector = __m256i;

many_blocks!("avx2,gfni,vpclmulqdq", U32, U512);

/// Proof that the CPU has what this kernel needs.
#[derive(Clone, Copy)]
pub(in crate::sm4) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        features().iter().all(|(_, has)| *has).then_some(Self(()))
    }
}

/// What this kernel needs, and whether the CPU has it.
pub(super) fn features() -> [(&'static str, bool); 3] {
    [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("gfni", is_x86_feature_detected!("gfni")),
        ("vpclmulqdq", is_x86_feature_detected!("vpclmulqdq")),
    ]
}

impl Simd for Avx2 {
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
        unsafe { ghash::fill_powers(hash_key, TURN_BLOCKS, powers) }
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
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn xor(a: Vector, b: Vector) -> Vector {
    _mm256_xor_si256(a, b)
}

#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
    xor(xor(a, b), c)
}

/// What a byte gives to itself, to the two bytes before it, and to the third before it (see [`super::field`]).
#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn substitute(byte: Vector) -> [Vector; 3] {
    [
        _mm256_gf2p8affineinv_epi64_epi8::<{ ROUND.constant as i32 }>(byte, _mm256_set1_epi64x(ROUND.own.gfni())),
        _mm256_gf2p8affineinv_epi64_epi8::<0>(byte, _mm256_set1_epi64x(ROUND.near.gfni())),
        _mm256_gf2p8affineinv_epi64_epi8::<0>(byte, _mm256_set1_epi64x(ROUND.third.gfni())),
    ]
}

#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn into(bytes: Vector) -> Vector {
    _mm256_gf2p8affine_epi64_epi8::<0>(bytes, _mm256_set1_epi64x(INTO.gfni()))
}

#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn out_of(bytes: Vector) -> Vector {
    _mm256_gf2p8affine_epi64_epi8::<0>(bytes, _mm256_set1_epi64x(OUT_OF.gfni()))
}

/// Where a turn's blocks stand: lane l holds blocks l, l + 2, l + 4, …, so that the interleavings put them in order.
#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn offsets() -> Vector {
    _mm256_setr_epi8(
        0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, //
        1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
    )
}

/// Which sums of bytes carried: those less than what was added.
#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn carries(sum: Vector, added: Vector) -> Vector {
    let did_not = _mm256_cmpeq_epi8(_mm256_max_epu8(sum, added), sum);
    xor(did_not, splat_byte(-1))
}

#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn last_byte() -> Vector {
    _mm256_set_epi64x(i64::MIN, 0, 0, 0)
}

/// Of each byte, one or the other, by the topmost bit of `which`.
#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn select(which: Vector, without: Vector, with: Vector) -> Vector {
    _mm256_blendv_epi8(without, with, which)
}

#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn add_bytes(a: Vector, b: Vector) -> Vector {
    _mm256_add_epi8(a, b)
}

#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn shuffle(bytes: Vector, order: Vector) -> Vector {
    _mm256_shuffle_epi8(bytes, order)
}

/// Two vectors interleaved byte by byte, within each lane.
#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn pair(a: Vector, b: Vector) -> [Vector; 2] {
    [_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)]
}

#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn splat(number: u64) -> Vector {
    _mm256_set1_epi64x(number.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn splat_byte(byte: i8) -> Vector {
    _mm256_set1_epi8(byte)
}

#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn broadcast(lane: __m128i) -> Vector {
    _mm256_broadcastsi128_si256(lane)
}

/// One lane, and zeros.
#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn widen(lane: __m128i) -> Vector {
    _mm256_zextsi128_si256(lane)
}

#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn product<const HALVES: i32>(a: Vector, b: Vector) -> Vector {
    _mm256_clmulepi64_epi128::<HALVES>(a, b)
}

#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn sum(lanes: Vector) -> __m128i {
    _mm_xor_si128(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes))
}

#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn load_numbers(numbers: &[u128; LANES]) -> Vector {
    // SAFETY: the reference is to 32 readable bytes, and the instruction takes any alignment.
    unsafe { _mm256_loadu_si256(numbers.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn load_vector(bytes: &[u8; VECTOR_BYTES]) -> Vector {
    // SAFETY: the reference is to 32 readable bytes, and the instruction takes any alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn store_vector(bytes: &mut [u8; VECTOR_BYTES], vector: Vector) {
    // SAFETY: the reference is to 32 writable bytes, and the instruction takes any alignment.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), vector) }
}

/// Up to 32 bytes, filled up with zeros.
#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn load_part(bytes: &[u8]) -> Vector {
    let mut whole = [0; VECTOR_BYTES];
    whole.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    load_vector(&whole)
}

#[inline]
#[target_feature(enable = "avx2,gfni,vpclmulqdq")]
fn store_part(bytes: &mut [u8], vector: Vector) {
    let mut whole = [0; VECTOR_BYTES];
    store_vector(&mut whole, vector);
    bytes.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
}
