//! One block at a time: the key schedule, CBC-MAC and single blocks.
//!
//! Functions that use vectors have to name the CPU's features one by one, which generic code can't; hence a macro.

/// Writes `expand`, `cbc_mac` and `encrypt` for the CPU features named. The file around it has `into`, `out_of`,
/// `substitute` and `substitute_key`.
macro_rules! one_block {
    ($features:literal) => {
        /// Expands `key` (GB/T 32907-2016, section 7.3).
        #[target_feature(enable = $features)]
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
        #[target_feature(enable = $features)]
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
        #[target_feature(enable = $features)]
        pub(super) fn encrypt(keys: &RoundKeys, block: __m128i) -> __m128i {
            out_of(encrypt_within(keys, into(block)))
        }

        /// Encrypts a block that is in the kernels' form, and stays in it.
        #[inline]
        #[target_feature(enable = $features)]
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
        #[target_feature(enable = $features)]
        fn step(x0: __m128i, x1: __m128i, x2: __m128i, x3: __m128i, key: u32) -> __m128i {
            let [own, near, third] = substitute(xor(xor(xor(x1, x2), word(key)), x3));
            let near = xor(rotate::<1>(near), rotate::<2>(near));
            xor(xor(xor(x0, own), rotate::<3>(third)), near)
        }

        /// What a step of the key schedule adds.
        #[inline]
        #[target_feature(enable = $features)]
        fn key_step(k1: __m128i, k2: __m128i, k3: __m128i, parameter: u32) -> __m128i {
            let [own, next, second, third] = substitute_key(xor(xor(xor(k1, k2), word(parameter)), k3));
            xor(xor(own, rotate::<1>(next)), xor(rotate::<2>(second), rotate::<3>(third)))
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn round_key(word: __m128i) -> u32 {
            _mm_cvtsi128_si32(word).cast_unsigned() ^ SPREAD_BEFORE_INVERSION
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn word(word: u32) -> __m128i {
            _mm_cvtsi32_si128(word.cast_signed())
        }

        /// The four words of a block, each at the bottom of a vector.
        #[inline]
        #[target_feature(enable = $features)]
        fn split(block: __m128i) -> [__m128i; 4] {
            [
                block,
                _mm_shuffle_epi32::<0b01>(block),
                _mm_shuffle_epi32::<0b10>(block),
                _mm_shuffle_epi32::<0b11>(block),
            ]
        }

        /// The bytes of the lowest word, each from `BY` bytes further on: a rotation to the left, as the first byte counts
        /// most.
        #[inline]
        #[target_feature(enable = $features)]
        fn rotate<const BY: i8>(word: __m128i) -> __m128i {
            let order = _mm_setr_epi8(
                BY & 3,
                (BY + 1) & 3,
                (BY + 2) & 3,
                (BY + 3) & 3,
                -1,
                -1,
                -1,
                -1,
                -1,
                -1,
                -1,
                -1,
                -1,
                -1,
                -1,
                -1,
            );
            _mm_shuffle_epi8(word, order)
        }
    };
}

pub(super) use one_block;
