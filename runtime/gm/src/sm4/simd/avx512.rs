//! The kernel for GFNI on 512-bit vectors: 64 blocks a turn.
//!
//! Vector j of word i holds byte j of word i of all 64 blocks, so that a rotation by whole bytes is only another choice
//! of vectors. A round is then four XORs of three, twelve inversions with their affine maps, and eight XORs of three,
//! for 64 blocks. After the last round a network of byte interleavings puts the blocks together again.
//!
//! While a turn makes key stream, it hashes 64 blocks of ciphertext: its own when opening, those of the turn before
//! when sealing. The hash's multiplications fill what the rounds leave free of the vector units.
#![allow(unsafe_code, reason = "loads and stores of vectors, and calls of what detection has allowed")]

use std::arch::x86_64::*;

use aead::consts::{U64, U1024};
use aead::inout::InOutBuf;
use zeroize::Zeroize;

use super::field::{INTO, OUT_OF, ROUND};
use super::gfni;
use super::ghash::{self, REDUCTION, Sum};
use super::keys::{GcmKeys, POWERS, Powers, RoundKeys};
use super::vector::{from_number, load, to_number};
use super::{Direction, Simd};

const TURN_BYTES: usize = 1024;
/// How much a turn encrypts when its last block is the mask of the tag.
const MASKED_TURN_BYTES: usize = TURN_BYTES - 16;

/// One word of 64 blocks: four vectors of bytes.
type Word = [__m512i; 4];

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
        unsafe { gfni::expand(key, keys) }
    }

    fn cbc_mac(self, keys: &RoundKeys, mac: &mut [u8; 16], data: &[u8]) {
        // SAFETY: as above.
        unsafe { gfni::cbc_mac(keys, mac, data) }
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
        counter: u128,
        associated: &[u8],
        data: InOutBuf<'_, '_, u8>,
    ) -> u128 {
        // SAFETY: as above.
        unsafe {
            match direction {
                Direction::Seal => gcm::<true>(keys, counter, associated, data),
                Direction::Open => gcm::<false>(keys, counter, associated, data),
            }
        }
    }
}

#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn apply_key_stream(keys: &RoundKeys, mut counter: u128, data: InOutBuf<'_, '_, u8>) {
    let (turns, tail) = data.into_chunks::<U1024>();
    for turn in turns {
        add(key_stream(keys, counters(counter)), turn.into_buf());
        counter = counter.wrapping_add(64);
    }
    if !tail.is_empty() {
        let mut stream = [0; TURN_BYTES];
        write(key_stream(keys, counters(counter)), &mut stream);
        add_part(&stream, tail);
        stream.zeroize();
    }
}

/// Encrypts or decrypts `data` by the counters after `first`, and gives the tag of the ciphertext.
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn gcm<const SEAL: bool>(keys: &GcmKeys, first: u128, associated: &[u8], data: InOutBuf<'_, '_, u8>) -> u128 {
    let lengths = ghash::lengths(associated.len(), data.len());
    let mut hash =
        associated.chunks(TURN_BYTES).fold(from_number(0), |hash, part| absorb(&keys.powers, hash, part, None));
    let mut counter = first.wrapping_add(1);
    let mut sealed: Option<&[u8]> = None;
    let (turns, mut tail) = data.into_chunks::<U1024>();
    for turn in turns {
        let state = counters(counter);
        let mut turn = turn.into_buf();
        let stream = match if SEAL { sealed } else { Some(turn.get_in()) } {
            None => key_stream(&keys.round, state),
            Some(ciphertext) => key_stream_and_hash(keys, state, ciphertext, &mut hash),
        };
        add(stream, turn.reborrow());
        sealed = Some(turn.into_out());
        counter = counter.wrapping_add(64);
    }
    // The tag's mask is the last block of this turn, unless that is needed.
    let is_full = tail.len() > MASKED_TURN_BYTES;
    let state = if is_full { counters(counter) } else { with_last(counters(counter), first) };
    let vectors = match if SEAL { sealed } else { None } {
        None => key_stream(&keys.round, state),
        Some(ciphertext) => key_stream_and_hash(keys, state, ciphertext, &mut hash),
    };
    let mut stream = [0; TURN_BYTES];
    write(vectors, &mut stream);
    if SEAL {
        add_part(&stream, tail.reborrow());
        hash = absorb_last(&keys.powers, hash, tail.get_out(), lengths);
    } else {
        hash = absorb_last(&keys.powers, hash, tail.get_in(), lengths);
        add_part(&stream, tail);
    }
    let mask = match stream.last_chunk() {
        Some(mask) if !is_full => load(mask),
        _ => gfni::encrypt(&keys.round, ghash::reverse(from_number(first))),
    };
    stream.zeroize();
    to_number(_mm_xor_si128(hash, ghash::reverse(mask)))
}

/// Hashes the last bytes, less than a turn, and the block of lengths.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn absorb_last(powers: &Powers, hash: __m128i, tail: &[u8], lengths: u128) -> __m128i {
    if tail.len() > MASKED_TURN_BYTES {
        let hash = absorb(powers, hash, tail, None);
        return absorb(powers, hash, &[], Some(lengths));
    }
    absorb(powers, hash, tail, Some(lengths))
}

/// Hashes up to 64 blocks, `data` filled up with zeros and the block of lengths if there is one.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn absorb(powers: &Powers, hash: __m128i, data: &[u8], lengths: Option<u128>) -> __m128i {
    let blocks = data.len().div_ceil(16) + usize::from(lengths.is_some());
    let powers = powers.0.get(POWERS - blocks.min(POWERS)..).unwrap_or_default();
    let Some((highest, _)) = powers.split_first() else { return hash };
    let mut sum = Products::of(_mm512_zextsi128_si512(hash), _mm512_zextsi128_si512(from_number(*highest)));
    let (vectors, rest) = data.as_chunks::<64>();
    let (whole, partial) = powers.split_at(powers.len().min(vectors.len() * 4));
    for (vector, powers) in vectors.iter().zip(whole.as_chunks::<4>().0) {
        sum.add(reverse(load_64(vector)), load_numbers(powers));
    }
    if let (false, Some(powers)) = (rest.is_empty(), partial.first_chunk::<4>()) {
        sum.add(reverse(load_part_64(rest)), load_numbers(powers));
    }
    if let (Some(lengths), Some(lowest)) = (lengths, powers.get(blocks - 1)) {
        sum.add(_mm512_zextsi128_si512(from_number(lengths)), _mm512_zextsi128_si512(from_number(*lowest)));
    }
    sum.reduced()
}

/// The key stream of 64 blocks, four to a vector.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn key_stream(keys: &RoundKeys, state: [Word; 4]) -> [__m512i; 16] {
    let state = keys.bytes.as_chunks::<4>().0.iter().fold(state, |state, keys| four_rounds(state, keys));
    blocks(state)
}

/// The same, while `ciphertext`, 64 blocks, goes into `hash`.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn key_stream_and_hash(keys: &GcmKeys, mut state: [Word; 4], ciphertext: &[u8], hash: &mut __m128i) -> [__m512i; 16] {
    let mut powers = keys.powers.0.as_chunks::<8>().0.iter();
    let mut vectors = ciphertext.as_chunks::<128>().0.iter();
    let mut sum = Products::of(_mm512_zextsi128_si512(*hash), highest(&keys.powers));
    for keys in keys.round.bytes.as_chunks::<4>().0 {
        if let (Some(vectors), Some(powers)) = (vectors.next(), powers.next()) {
            for (vector, powers) in vectors.as_chunks::<64>().0.iter().zip(powers.as_chunks::<4>().0) {
                sum.add(reverse(load_64(vector)), load_numbers(powers));
            }
        }
        state = four_rounds(state, keys);
    }
    *hash = sum.reduced();
    blocks(state)
}

/// The highest power, in the lowest lane.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn highest(powers: &Powers) -> __m512i {
    let [highest, ..] = powers.0;
    _mm512_zextsi128_si512(from_number(highest))
}

/// 64 counter blocks from `counter` on, in the kernel's form. Only the last four bytes count, so none of the counters
/// that are used may carry beyond them.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn counters(counter: u128) -> [Word; 4] {
    let low = into(_mm512_broadcast_i32x4(ghash::reverse(from_number(counter))));
    let high = into(_mm512_broadcast_i32x4(ghash::reverse(from_number(counter.wrapping_add(0x100)))));
    // Lane l holds blocks l, l + 4, l + 8, …: this is how the interleavings put them in order.
    let offsets = _mm512_add_epi8(
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60)),
        _mm512_set_epi64(THREE, THREE, TWO, TWO, ONE, ONE, 0, 0),
    );
    let last = _mm512_add_epi8(_mm512_set1_epi8(counter as i8), offsets);
    let carry = _mm512_cmplt_epu8_mask(last, offsets);
    [
        [byte::<0>(low), byte::<1>(low), byte::<2>(low), byte::<3>(low)],
        [byte::<4>(low), byte::<5>(low), byte::<6>(low), byte::<7>(low)],
        [byte::<8>(low), byte::<9>(low), byte::<10>(low), byte::<11>(low)],
        [
            _mm512_mask_blend_epi8(carry, byte::<12>(low), byte::<12>(high)),
            _mm512_mask_blend_epi8(carry, byte::<13>(low), byte::<13>(high)),
            _mm512_mask_blend_epi8(carry, byte::<14>(low), byte::<14>(high)),
            into(last),
        ],
    ]
}

/// Makes the last of 64 counters `counter`, which differs from the others in its last four bytes.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn with_last([w0, w1, w2, [b0, b1, b2, b3]]: [Word; 4], counter: u128) -> [Word; 4] {
    let counter = into(_mm512_broadcast_i32x4(ghash::reverse(from_number(counter))));
    let last = 1 << 63;
    let w3 = [
        _mm512_mask_blend_epi8(last, b0, byte::<12>(counter)),
        _mm512_mask_blend_epi8(last, b1, byte::<13>(counter)),
        _mm512_mask_blend_epi8(last, b2, byte::<14>(counter)),
        _mm512_mask_blend_epi8(last, b3, byte::<15>(counter)),
    ];
    [w0, w1, w2, w3]
}

const ONE: i64 = 0x0101_0101_0101_0101;
const TWO: i64 = 2 * ONE;
const THREE: i64 = 3 * ONE;

/// One byte of a block, everywhere.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn byte<const INDEX: i8>(block: __m512i) -> __m512i {
    _mm512_shuffle_epi8(block, _mm512_set1_epi8(INDEX))
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn four_rounds([mut w0, mut w1, mut w2, mut w3]: [Word; 4], keys: &[[u64; 4]; 4]) -> [Word; 4] {
    let [k0, k1, k2, k3] = keys;
    let both = add_words(w2, w3);
    w0 = round(w0, w1, both, k0);
    w1 = round(w1, w0, both, k1);
    let both = add_words(w0, w1);
    w2 = round(w2, w3, both, k2);
    w3 = round(w3, w2, both, k3);
    [w0, w1, w2, w3]
}

/// One round: `x` with the diffused S-boxes of `word`, of the sum of the two other words and of the round key.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn round(x: Word, word: Word, both: Word, key: &[u64; 4]) -> Word {
    let ([x0, x1, x2, x3], [w0, w1, w2, w3], [b0, b1, b2, b3], [k0, k1, k2, k3]) = (x, word, both, *key);
    let [own0, near0, third0] = substitute(xor3(w0, b0, _mm512_set1_epi64(k0.cast_signed())));
    let [own1, near1, third1] = substitute(xor3(w1, b1, _mm512_set1_epi64(k1.cast_signed())));
    let [own2, near2, third2] = substitute(xor3(w2, b2, _mm512_set1_epi64(k2.cast_signed())));
    let [own3, near3, third3] = substitute(xor3(w3, b3, _mm512_set1_epi64(k3.cast_signed())));
    [
        xor3(xor3(x0, own0, near1), near2, third3),
        xor3(xor3(x1, own1, near2), near3, third0),
        xor3(xor3(x2, own2, near3), near0, third1),
        xor3(xor3(x3, own3, near0), near1, third2),
    ]
}

/// What a byte gives to itself, to the two bytes before it, and to the third before it (see [`super::field`]).
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn substitute(byte: __m512i) -> [__m512i; 3] {
    [
        _mm512_gf2p8affineinv_epi64_epi8::<{ ROUND.constant as i32 }>(byte, _mm512_set1_epi64(ROUND.own.gfni())),
        _mm512_gf2p8affineinv_epi64_epi8::<0>(byte, _mm512_set1_epi64(ROUND.next.gfni())),
        _mm512_gf2p8affineinv_epi64_epi8::<0>(byte, _mm512_set1_epi64(ROUND.third.gfni())),
    ]
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn add_words([a0, a1, a2, a3]: Word, [b0, b1, b2, b3]: Word) -> Word {
    [_mm512_xor_si512(a0, b0), _mm512_xor_si512(a1, b1), _mm512_xor_si512(a2, b2), _mm512_xor_si512(a3, b3)]
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0x96>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn into(bytes: __m512i) -> __m512i {
    _mm512_gf2p8affine_epi64_epi8::<0>(bytes, _mm512_set1_epi64(INTO.gfni()))
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn out_of(bytes: __m512i) -> __m512i {
    _mm512_gf2p8affine_epi64_epi8::<0>(bytes, _mm512_set1_epi64(OUT_OF.gfni()))
}

/// The blocks of a state, the last word first: vector i holds blocks 4i to 4i + 3.
///
/// An interleaving of vectors i and i + 8 moves the topmost bit of a byte's vector number to the bottom of its place,
/// and the topmost bit of its place to the bottom of its vector number. Four of them exchange number and place.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn blocks([[d0, d1, d2, d3], [c0, c1, c2, c3], [b0, b1, b2, b3], [a0, a1, a2, a3]]: [Word; 4]) -> [__m512i; 16] {
    let bytes = [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3];
    let [v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, va, vb, vc, vd, ve, vf] =
        interleave(interleave(interleave(interleave(bytes))));
    [
        out_of(v0),
        out_of(v1),
        out_of(v2),
        out_of(v3),
        out_of(v4),
        out_of(v5),
        out_of(v6),
        out_of(v7),
        out_of(v8),
        out_of(v9),
        out_of(va),
        out_of(vb),
        out_of(vc),
        out_of(vd),
        out_of(ve),
        out_of(vf),
    ]
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn interleave(vectors: [__m512i; 16]) -> [__m512i; 16] {
    let [v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, va, vb, vc, vd, ve, vf] = vectors;
    [
        _mm512_unpacklo_epi8(v0, v8),
        _mm512_unpackhi_epi8(v0, v8),
        _mm512_unpacklo_epi8(v1, v9),
        _mm512_unpackhi_epi8(v1, v9),
        _mm512_unpacklo_epi8(v2, va),
        _mm512_unpackhi_epi8(v2, va),
        _mm512_unpacklo_epi8(v3, vb),
        _mm512_unpackhi_epi8(v3, vb),
        _mm512_unpacklo_epi8(v4, vc),
        _mm512_unpackhi_epi8(v4, vc),
        _mm512_unpacklo_epi8(v5, vd),
        _mm512_unpackhi_epi8(v5, vd),
        _mm512_unpacklo_epi8(v6, ve),
        _mm512_unpackhi_epi8(v6, ve),
        _mm512_unpacklo_epi8(v7, vf),
        _mm512_unpackhi_epi8(v7, vf),
    ]
}

/// XORs a turn of key stream.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn add(stream: [__m512i; 16], data: InOutBuf<'_, '_, u8>) {
    for (mut data, stream) in data.into_chunks::<U64>().0.into_iter().zip(stream) {
        let sum = _mm512_xor_si512(load_64(data.get_in().as_ref()), stream);
        store_64(data.get_out().as_mut(), sum);
    }
}

/// XORs less than a turn of key stream.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn add_part(stream: &[u8; TURN_BYTES], data: InOutBuf<'_, '_, u8>) {
    let (vectors, mut rest) = data.into_chunks::<U64>();
    let (streams, _) = stream.as_chunks::<64>();
    let done = vectors.len();
    for (mut data, stream) in vectors.into_iter().zip(streams) {
        let sum = _mm512_xor_si512(load_64(data.get_in().as_ref()), load_64(stream));
        store_64(data.get_out().as_mut(), sum);
    }
    if let Some(stream) = streams.get(done) {
        let sum = _mm512_xor_si512(load_part_64(rest.get_in()), load_64(stream));
        store_part_64(rest.get_out(), sum);
    }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn write(stream: [__m512i; 16], bytes: &mut [u8; TURN_BYTES]) {
    for (bytes, stream) in bytes.as_chunks_mut::<64>().0.iter_mut().zip(stream) {
        store_64(bytes, stream);
    }
}

/// A sum of products of numbers, lane by lane, not yet reduced.
struct Products {
    low: __m512i,
    middle: __m512i,
    high: __m512i,
}

impl Products {
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
    fn of(a: __m512i, b: __m512i) -> Self {
        Self {
            low: _mm512_clmulepi64_epi128::<0x00>(a, b),
            middle: _mm512_xor_si512(_mm512_clmulepi64_epi128::<0x01>(a, b), _mm512_clmulepi64_epi128::<0x10>(a, b)),
            high: _mm512_clmulepi64_epi128::<0x11>(a, b),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
    fn add(&mut self, a: __m512i, b: __m512i) {
        let cross = (_mm512_clmulepi64_epi128::<0x01>(a, b), _mm512_clmulepi64_epi128::<0x10>(a, b));
        self.low = _mm512_xor_si512(self.low, _mm512_clmulepi64_epi128::<0x00>(a, b));
        self.middle = xor3(self.middle, cross.0, cross.1);
        self.high = _mm512_xor_si512(self.high, _mm512_clmulepi64_epi128::<0x11>(a, b));
    }

    /// The sum over the lanes, one number.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
    fn reduced(self) -> __m128i {
        Sum { low: sum(self.low), middle: sum(self.middle), high: sum(self.high) }.reduced()
    }

    /// A number in each lane.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
    fn reduced_each(self) -> __m512i {
        let low = _mm512_xor_si512(self.low, _mm512_bslli_epi128::<8>(self.middle));
        let high = _mm512_xor_si512(self.high, _mm512_bsrli_epi128::<8>(self.middle));
        _mm512_xor_si512(high, divided(divided(low)))
    }
}

/// Divides the number in each lane by x⁶⁴ (see [`super::ghash`]).
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn divided(numbers: __m512i) -> __m512i {
    let multiple = _mm512_clmulepi64_epi128::<0x00>(numbers, _mm512_set1_epi64(REDUCTION));
    _mm512_xor_si512(_mm512_shuffle_epi32::<0b0100_1110>(numbers), multiple)
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn sum(lanes: __m512i) -> __m128i {
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
            store_numbers(to, Products::of(load_numbers(from), highest).reduced_each());
        }
        done *= 2;
    }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn reverse(blocks: __m512i) -> __m512i {
    let order = _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    _mm512_shuffle_epi8(blocks, _mm512_broadcast_i32x4(order))
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn load_numbers(numbers: &[u128; 4]) -> __m512i {
    // SAFETY: the reference is to 64 readable bytes, and the instruction takes any alignment.
    unsafe { _mm512_loadu_si512(numbers.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn store_numbers(numbers: &mut [u128; 4], vector: __m512i) {
    // SAFETY: the reference is to 64 writable bytes, and the instruction takes any alignment.
    unsafe { _mm512_storeu_si512(numbers.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn load_64(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: as above.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn store_64(bytes: &mut [u8; 64], vector: __m512i) {
    // SAFETY: the reference is to 64 writable bytes, and the instruction takes any alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), vector) }
}

/// Up to 64 bytes, filled up with zeros.
#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn load_part_64(bytes: &[u8]) -> __m512i {
    // SAFETY: the mask has a bit for each byte of the slice, and the instruction touches no other.
    unsafe { _mm512_maskz_loadu_epi8(mask(bytes.len()), bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512bw,avx512vl,gfni,vpclmulqdq")]
fn store_part_64(bytes: &mut [u8], vector: __m512i) {
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
