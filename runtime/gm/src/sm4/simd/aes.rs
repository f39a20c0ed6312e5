//! The instructions of 128-bit vectors with AES-NI: 16 blocks a turn.
#![allow(unsafe_code, reason = "calls of what detection has allowed")]

use std::arch::x86_64::*;

use aead::consts::{U16, U256};
use aead::inout::InOutBuf;
use zeroize::zeroize_bytes;

use super::aes_single as single;
use super::field::{Nibbles, ROUND};
use super::ghash::{self, Sum};
use super::keys::{GcmKeys, POWERS, Powers, RoundKeys};
use super::sliced::{four_rounds, many_blocks};
use super::vector::{from_number, load, load_part, store, to_number};
use super::{Direction, Simd};

/// Vectors of 128 bits in a [`Vector`].
const LANES: usize = 1;
type Vector = __m128i;

many_blocks!("aes,pclmulqdq,ssse3", U16, U256);

/// Proof that the CPU has what this kernel needs.
#[derive(Clone, Copy)]
pub(in crate::sm4) struct Aes(());

impl Aes {
    pub(super) fn detect() -> Option<Self> {
        features().iter().all(|(_, has)| *has).then_some(Self(()))
    }
}

/// What this kernel needs, and whether the CPU has it.
pub(super) fn features() -> [(&'static str, bool); 3] {
    [
        ("aes", is_x86_feature_detected!("aes")),
        ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
        ("ssse3", is_x86_feature_detected!("ssse3")),
    ]
}

impl Simd for Aes {
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
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn xor(a: Vector, b: Vector) -> Vector {
    _mm_xor_si128(a, b)
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn xor3(a: Vector, b: Vector, c: Vector) -> Vector {
    xor(xor(a, b), c)
}

/// What a byte gives to itself, to the two bytes before it, and to the third before it (see [`super::field`]). What it
/// gives to the two before is the sum of the others.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn substitute(byte: Vector) -> [Vector; 3] {
    const OWN: Nibbles = ROUND.own.after_aes(ROUND.constant);
    const THIRD: Nibbles = ROUND.third.after_aes(0);
    let (low, high) = single::nibbles(single::aes_s_box(byte));
    let own = single::look_up(&OWN, low, high);
    let third = single::look_up(&THIRD, low, high);
    [own, xor(own, third), third]
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn into(bytes: Vector) -> Vector {
    single::into(bytes)
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn out_of(bytes: Vector) -> Vector {
    single::out_of(bytes)
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn offsets() -> Vector {
    _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
}

/// Which sums of bytes carried: those less than what was added.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn carries(sum: Vector, added: Vector) -> Vector {
    let did_not = _mm_cmpeq_epi8(_mm_max_epu8(sum, added), sum);
    xor(did_not, splat_byte(-1))
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn last_byte() -> Vector {
    _mm_set_epi64x(0xFF_i64 << 56, 0)
}

/// Of each byte, one or the other: `which` is all ones or all zeros.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn select(which: Vector, without: Vector, with: Vector) -> Vector {
    _mm_or_si128(_mm_andnot_si128(which, without), _mm_and_si128(which, with))
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn add_bytes(a: Vector, b: Vector) -> Vector {
    _mm_add_epi8(a, b)
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn shuffle(bytes: Vector, order: Vector) -> Vector {
    _mm_shuffle_epi8(bytes, order)
}

/// Two vectors interleaved byte by byte.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn pair(a: Vector, b: Vector) -> [Vector; 2] {
    [_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b)]
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn splat(number: u64) -> Vector {
    _mm_set1_epi64x(number.cast_signed())
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn splat_byte(byte: i8) -> Vector {
    _mm_set1_epi8(byte)
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn broadcast(lane: __m128i) -> Vector {
    lane
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn widen(lane: __m128i) -> Vector {
    lane
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn product<const HALVES: i32>(a: Vector, b: Vector) -> Vector {
    _mm_clmulepi64_si128::<HALVES>(a, b)
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn sum(lane: Vector) -> __m128i {
    lane
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn load_numbers(&[number]: &[u128; LANES]) -> Vector {
    from_number(number)
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn load_vector(bytes: &[u8; VECTOR_BYTES]) -> Vector {
    load(bytes)
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn store_vector(bytes: &mut [u8; VECTOR_BYTES], vector: Vector) {
    store(bytes, vector);
}

#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3")]
fn store_part(bytes: &mut [u8], vector: Vector) {
    let mut whole = [0; VECTOR_BYTES];
    store_vector(&mut whole, vector);
    bytes.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
}
