//! One message on general registers: what remains when there are too few messages to fill lanes.

use super::round::compress;

/// Takes `blocks` into `state`.
pub(super) fn update(state: &mut [u32; 8], blocks: &[[u8; 64]]) {
    for block in blocks {
        let mut words = [0; 16];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        *state = compress!(*state, words);
    }
}

#[inline(always)]
fn add(a: u32, b: u32) -> u32 {
    a.wrapping_add(b)
}

#[inline(always)]
fn xor(a: u32, b: u32) -> u32 {
    a ^ b
}

#[inline(always)]
fn xor3(a: u32, b: u32, c: u32) -> u32 {
    a ^ b ^ c
}

#[inline(always)]
fn majority(a: u32, b: u32, c: u32) -> u32 {
    (a & b) | (c & (a | b))
}

#[inline(always)]
fn choose(a: u32, b: u32, c: u32) -> u32 {
    ((b ^ c) & a) ^ c
}

#[inline(always)]
fn rotate<const BITS: u32>(a: u32) -> u32 {
    a.rotate_left(BITS)
}

#[inline(always)]
fn broadcast(constant: u32) -> u32 {
    constant
}
