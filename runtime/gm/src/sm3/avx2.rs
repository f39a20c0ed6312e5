//! Eight messages at once, one in each 32-bit lane of the 256-bit registers.
#![allow(unsafe_code, reason = "loads and stores of vectors")]

use std::arch::x86_64::*;

use super::round::compress;

pub(super) const LANES: usize = 8;

/// Takes the first `blocks` blocks of each run into its lane of `state` (word by word, a word of all lanes together);
/// stops at the end of the shortest run.
#[target_feature(enable = "avx2")]
pub(super) fn update(state: &mut [[u32; LANES]; 8], runs: &[&[[u8; 64]]; LANES], blocks: usize) {
    let mut words = state.map(|word| load_words(&word));
    'blocks: for at in 0..blocks {
        let (mut left, mut right) = ([_mm256_setzero_si256(); LANES], [_mm256_setzero_si256(); LANES]);
        for ((left, right), run) in left.iter_mut().zip(&mut right).zip(runs) {
            let Some(block) = run.get(at) else { break 'blocks };
            (*left, *right) = load_block(block);
        }
        let [w0, w1, w2, w3, w4, w5, w6, w7] = transposed(left);
        let [w8, w9, w10, w11, w12, w13, w14, w15] = transposed(right);
        words = compress!(words, [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15]);
    }
    for (to, from) in state.iter_mut().zip(words) {
        store_words(to, from);
    }
}

/// Eight rows of eight words to columns, and each word from big-endian.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(rows: [__m256i; 8]) -> [__m256i; 8] {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
    // Four rows at a time: words 4q + i of rows 4k to 4k + 3 stand together in half q of register i.
    let (a, b) = (quads(r0, r1, r2, r3), quads(r4, r5, r6, r7));
    // 0x20 takes the lower halves of both, 0x31 the upper ones.
    [
        _mm256_permute2x128_si256::<0x20>(a[0], b[0]),
        _mm256_permute2x128_si256::<0x20>(a[1], b[1]),
        _mm256_permute2x128_si256::<0x20>(a[2], b[2]),
        _mm256_permute2x128_si256::<0x20>(a[3], b[3]),
        _mm256_permute2x128_si256::<0x31>(a[0], b[0]),
        _mm256_permute2x128_si256::<0x31>(a[1], b[1]),
        _mm256_permute2x128_si256::<0x31>(a[2], b[2]),
        _mm256_permute2x128_si256::<0x31>(a[3], b[3]),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn quads(a: __m256i, b: __m256i, c: __m256i, d: __m256i) -> [__m256i; 4] {
    let swap = _mm256_broadcastsi128_si256(_mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
    let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    [
        _mm256_shuffle_epi8(_mm256_unpacklo_epi64(ab_low, cd_low), swap),
        _mm256_shuffle_epi8(_mm256_unpackhi_epi64(ab_low, cd_low), swap),
        _mm256_shuffle_epi8(_mm256_unpacklo_epi64(ab_high, cd_high), swap),
        _mm256_shuffle_epi8(_mm256_unpackhi_epi64(ab_high, cd_high), swap),
    ]
}

/// The halves of a block.
#[inline]
#[target_feature(enable = "avx2")]
fn load_block(block: &[u8; 64]) -> (__m256i, __m256i) {
    let start: *const __m256i = block.as_ptr().cast();
    // SAFETY: twice 32 bytes can be read at `block`; the loads ask for no alignment.
    unsafe { (_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1))) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_words(words: &[u32; LANES]) -> __m256i {
    // SAFETY: eight words, 32 bytes, can be read at `words`; the load asks for no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_words(words: &mut [u32; LANES], value: __m256i) {
    // SAFETY: eight words, 32 bytes, can be written at `words`; the store asks for no alignment.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: __m256i, b: __m256i) -> __m256i {
    _mm256_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor(a: __m256i, b: __m256i) -> __m256i {
    _mm256_xor_si256(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    xor(xor(a, b), c)
}

#[inline]
#[target_feature(enable = "avx2")]
fn majority(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn choose(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    xor(_mm256_and_si256(xor(b, c), a), c)
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const BITS: i32>(a: __m256i) -> __m256i {
    // The counts are constants: this compiles to shifts by an immediate.
    let (left, right) = (_mm_cvtsi32_si128(BITS), _mm_cvtsi32_si128(32 - BITS));
    _mm256_or_si256(_mm256_sll_epi32(a, left), _mm256_srl_epi32(a, right))
}

#[inline]
#[target_feature(enable = "avx2")]
fn broadcast(constant: u32) -> __m256i {
    _mm256_set1_epi32(constant.cast_signed())
}
