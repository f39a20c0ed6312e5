//! Sixteen messages at once, one in each 32-bit lane of the 512-bit registers.
#![allow(unsafe_code, reason = "loads and stores of vectors")]

use std::arch::x86_64::*;

use super::round::compress;

pub(super) const LANES: usize = 16;

/// Takes the first `blocks` blocks of each run into its lane of `state` (word by word, a word of all lanes together);
/// stops at the end of the shortest run.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn update(state: &mut [[u32; LANES]; 8], runs: &[&[[u8; 64]]; LANES], blocks: usize) {
    let mut words = state.map(|word| load_words(&word));
    'blocks: for at in 0..blocks {
        let mut rows = [_mm512_setzero_si512(); LANES];
        for (row, run) in rows.iter_mut().zip(runs) {
            let Some(block) = run.get(at) else { break 'blocks };
            *row = load_block(block);
        }
        words = compress!(words, transposed(rows));
    }
    for (to, from) in state.iter_mut().zip(words) {
        store_words(to, from);
    }
}

/// Sixteen rows of sixteen words to columns, and each word from big-endian.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transposed(rows: [__m512i; 16]) -> [__m512i; 16] {
    let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15] = rows;
    // Four rows at a time: words 4q + i of rows 4k to 4k + 3 stand together in quarter q of register i.
    let (a, b) = (quads(r0, r1, r2, r3), quads(r4, r5, r6, r7));
    let (c, d) = (quads(r8, r9, r10, r11), quads(r12, r13, r14, r15));
    // Then a 4 × 4 transposition of the quarters.
    let [w0, w4, w8, w12] = quarters(a[0], b[0], c[0], d[0]);
    let [w1, w5, w9, w13] = quarters(a[1], b[1], c[1], d[1]);
    let [w2, w6, w10, w14] = quarters(a[2], b[2], c[2], d[2]);
    let [w3, w7, w11, w15] = quarters(a[3], b[3], c[3], d[3]);
    [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn quads(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
    let swap = _mm512_broadcast_i32x4(_mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
    let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    [
        _mm512_shuffle_epi8(_mm512_unpacklo_epi64(ab_low, cd_low), swap),
        _mm512_shuffle_epi8(_mm512_unpackhi_epi64(ab_low, cd_low), swap),
        _mm512_shuffle_epi8(_mm512_unpacklo_epi64(ab_high, cd_high), swap),
        _mm512_shuffle_epi8(_mm512_unpackhi_epi64(ab_high, cd_high), swap),
    ]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn quarters(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
    // 0x44 takes quarters 0 and 1 of both, 0xee quarters 2 and 3, 0x88 quarters 0 and 2, 0xdd quarters 1 and 3.
    let (ab_low, ab_high) = (_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0xee>(a, b));
    let (cd_low, cd_high) = (_mm512_shuffle_i32x4::<0x44>(c, d), _mm512_shuffle_i32x4::<0xee>(c, d));
    [
        _mm512_shuffle_i32x4::<0x88>(ab_low, cd_low),
        _mm512_shuffle_i32x4::<0xdd>(ab_low, cd_low),
        _mm512_shuffle_i32x4::<0x88>(ab_high, cd_high),
        _mm512_shuffle_i32x4::<0xdd>(ab_high, cd_high),
    ]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_block(block: &[u8; 64]) -> __m512i {
    // SAFETY: 64 bytes can be read at `block`; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_words(words: &[u32; LANES]) -> __m512i {
    // SAFETY: sixteen words, 64 bytes, can be read at `words`; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store_words(words: &mut [u32; LANES], value: __m512i) {
    // SAFETY: sixteen words, 64 bytes, can be written at `words`; the store asks for no alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn add(a: __m512i, b: __m512i) -> __m512i {
    _mm512_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn xor(a: __m512i, b: __m512i) -> __m512i {
    _mm512_xor_si512(a, b)
}

/// The truth tables of VPTERNLOGD are indexed by the bits of a, b and c, a's the highest.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0b1001_0110>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn majority(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0b1110_1000>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn choose(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0b1100_1010>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rotate<const BITS: i32>(a: __m512i) -> __m512i {
    _mm512_rol_epi32::<BITS>(a)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn broadcast(constant: u32) -> __m512i {
    _mm512_set1_epi32(constant.cast_signed())
}
