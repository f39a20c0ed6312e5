//! Blocks and numbers as vectors of 128 bits, which every x86-64 CPU has.
#![allow(unsafe_code, reason = "loads and stores of vectors")]

use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_storeu_si128};

/// 16 bytes as they lie in memory.
#[inline(always)]
pub(super) fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the reference is to 16 readable bytes, and the instruction takes any alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline(always)]
pub(super) fn store(bytes: &mut [u8; 16], vector: __m128i) {
    // SAFETY: the reference is to 16 writable bytes, and the instruction takes any alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), vector) }
}

/// A number, the lowest byte first.
#[inline(always)]
pub(super) fn from_number(number: u128) -> __m128i {
    load(&number.to_le_bytes())
}

#[inline(always)]
pub(super) fn to_number(vector: __m128i) -> u128 {
    let mut bytes = [0; 16];
    store(&mut bytes, vector);
    u128::from_le_bytes(bytes)
}

/// Up to 16 bytes, filled up with zeros.
#[inline(always)]
pub(super) fn load_part(bytes: &[u8]) -> __m128i {
    let mut block = [0; 16];
    block.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    load(&block)
}
