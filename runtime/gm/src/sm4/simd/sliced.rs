//! CTR, GHASH and GCM of many blocks at once, the same for every width of vectors.
//!
//! Vector j of word i holds byte j of word i of all blocks of a turn: 64 blocks in vectors of 512 bits, 32 in those of
//! 256, 16 in those of 128. So a rotation by whole bytes is only another choice of vectors, and a round is XORs and
//! inversions with their affine maps (see [`super::field`]). After the last round a network of byte interleavings puts
//! the blocks together again.
//!
//! While a turn makes key stream, it hashes as many blocks of ciphertext: its own when opening, those of the turn
//! before when sealing. The hash's multiplications fill what the rounds leave free of the vector units.
//!
//! Functions that use vectors have to name the CPU's features one by one, which generic code can't; hence a macro.

/// Four rounds. A macro, not a function, so that the state stays in registers wherever there are enough.
macro_rules! four_rounds {
    ($state:expr, $keys:expr) => {{
        let [mut w0, mut w1, mut w2, mut w3]: [Word; 4] = $state;
        let [k0, k1, k2, k3]: &[[u64; 4]; 4] = $keys;
        let both = add_words(w2, w3);
        w0 = round(w0, w1, both, k0);
        w1 = round(w1, w0, both, k1);
        let both = add_words(w0, w1);
        w2 = round(w2, w3, both, k2);
        w3 = round(w3, w2, both, k3);
        [w0, w1, w2, w3]
    }};
}

/// Writes `apply_key_stream` and `gcm` of [`super::Simd`] for one width. The file around it has the instructions:
/// `Vector`, of `LANES` times 128 bits, and what is done with vectors.
macro_rules! many_blocks {
    ($features:literal, $vector_size:ty, $turn_size:ty) => {
        const VECTOR_BYTES: usize = 16 * LANES;
        const TURN_BLOCKS: usize = 16 * LANES;
        const TURN_BYTES: usize = 16 * TURN_BLOCKS;
        /// How much a turn encrypts when its last block is the mask of the tag.
        const MASKED_TURN_BYTES: usize = TURN_BYTES - 16;

        /// One word of a turn's blocks: four vectors of bytes.
        type Word = [Vector; 4];
        type Turn = [u8; TURN_BYTES];

        #[target_feature(enable = $features)]
        fn apply_key_stream(keys: &RoundKeys, mut counter: u128, data: InOutBuf<'_, '_, u8>) {
            let (turns, tail) = data.into_chunks::<$turn_size>();
            for turn in turns {
                add(key_stream(keys, counters(counter)), turn.into_buf());
                counter = counter.wrapping_add(TURN_BLOCKS as u128);
            }
            if !tail.is_empty() {
                let mut stream = [0; TURN_BYTES];
                write(key_stream(keys, counters(counter)), &mut stream);
                add_part(&stream, tail);
                zeroize_bytes(&mut stream);
            }
        }

        /// Encrypts or decrypts `data` by the counters after `first`, and gives the tag of the ciphertext. What waits to
        /// be hashed when sealing is what was written last.
        #[target_feature(enable = $features)]
        fn gcm<const SEAL: bool>(keys: &GcmKeys, first: u128, associated: &[u8], data: InOutBuf<'_, '_, u8>) -> u128 {
            let lengths = ghash::lengths(associated.len(), data.len());
            let mut hash = from_number(0);
            for part in associated.chunks(TURN_BYTES) {
                hash = absorb(&keys.powers, hash, part, None);
            }
            let mut counter = first.wrapping_add(1);
            let mut sealed: Option<&[u8]> = None;
            let (turns, tail) = data.into_chunks::<$turn_size>();
            for turn in turns {
                let state = counters(counter);
                let mut turn = turn.into_buf();
                let stream = match if SEAL { sealed } else { Some(turn.get_in()) } {
                    None => key_stream(&keys.round, state),
                    Some(ciphertext) => key_stream_and_hash(keys, state, ciphertext, &mut hash),
                };
                add(stream, turn.reborrow());
                sealed = Some(turn.into_out());
                counter = counter.wrapping_add(TURN_BLOCKS as u128);
            }
            let unhashed = if SEAL { sealed } else { None };
            to_number(end::<SEAL>(keys, [first, counter, lengths], hash, unhashed, tail))
        }

        /// What is less than a turn, and the tag. The tag's mask is the last block of the turn that makes the rest of
        /// the key stream, unless all of them are needed.
        #[inline]
        #[target_feature(enable = $features)]
        fn end<const SEAL: bool>(
            keys: &GcmKeys,
            [first, counter, lengths]: [u128; 3],
            mut hash: __m128i,
            unhashed: Option<&[u8]>,
            mut tail: InOutBuf<'_, '_, u8>,
        ) -> __m128i {
            let is_full = tail.len() > MASKED_TURN_BYTES;
            let state = if is_full { counters(counter) } else { with_last(counters(counter), first) };
            let vectors = match unhashed {
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
                _ => single::encrypt(&keys.round, ghash::reverse(from_number(first))),
            };
            zeroize_bytes(&mut stream);
            _mm_xor_si128(hash, ghash::reverse(mask))
        }

        /// Hashes the last bytes, less than a turn, and the block of lengths.
        #[inline]
        #[target_feature(enable = $features)]
        fn absorb_last(powers: &Powers, hash: __m128i, tail: &[u8], lengths: u128) -> __m128i {
            if tail.len() > MASKED_TURN_BYTES {
                let hash = absorb(powers, hash, tail, None);
                return absorb(powers, hash, &[], Some(lengths));
            }
            absorb(powers, hash, tail, Some(lengths))
        }

        /// Hashes up to a turn: `data` filled up with zeros, and the block of lengths if there is one.
        #[inline]
        #[target_feature(enable = $features)]
        fn absorb(powers: &Powers, hash: __m128i, data: &[u8], lengths: Option<u128>) -> __m128i {
            let blocks = data.len().div_ceil(16) + usize::from(lengths.is_some());
            let powers = powers.0.get(POWERS - blocks.min(TURN_BLOCKS)..).unwrap_or_default();
            let Some((highest, _)) = powers.split_first() else { return hash };
            let mut sum = Products::of(widen(hash), widen(from_number(*highest)));
            let (vectors, rest) = data.as_chunks::<VECTOR_BYTES>();
            let (whole, partial) = powers.split_at(powers.len().min(vectors.len() * LANES));
            for (vector, powers) in vectors.iter().zip(whole.as_chunks::<LANES>().0) {
                sum.add(reverse(load_vector(vector)), load_numbers(powers));
            }
            if let (false, Some(powers)) = (rest.is_empty(), partial.first_chunk::<LANES>()) {
                sum.add(reverse(load_part(rest)), load_numbers(powers));
            }
            if let (Some(lengths), Some(lowest)) = (lengths, powers.get(blocks - 1)) {
                sum.add(widen(from_number(lengths)), widen(from_number(*lowest)));
            }
            sum.reduced()
        }

        /// The key stream of a turn, block after block.
        #[inline]
        #[target_feature(enable = $features)]
        fn key_stream(keys: &RoundKeys, mut state: [Word; 4]) -> [Vector; 16] {
            for keys in keys.bytes.as_chunks::<4>().0 {
                state = four_rounds!(state, keys);
            }
            blocks(state)
        }

        /// The same, while a turn of `ciphertext` goes into `hash`: two vectors to four rounds.
        #[inline]
        #[target_feature(enable = $features)]
        fn key_stream_and_hash(
            keys: &GcmKeys,
            mut state: [Word; 4],
            ciphertext: &[u8],
            hash: &mut __m128i,
        ) -> [Vector; 16] {
            let powers = keys.powers.0.last_chunk::<{ TURN_BLOCKS + 4 }>();
            let powers = powers.map_or(&[][..], |powers| powers.as_slice());
            let Some((highest, _)) = powers.split_first() else { return blocks(state) };
            let mut sum = Products::of(widen(*hash), widen(from_number(*highest)));
            let mut powers = powers.as_chunks::<{ 2 * LANES }>().0.iter();
            let mut vectors = ciphertext.as_chunks::<{ 2 * VECTOR_BYTES }>().0.iter();
            for keys in keys.round.bytes.as_chunks::<4>().0 {
                if let (Some(vectors), Some(powers)) = (vectors.next(), powers.next()) {
                    let vectors = vectors.as_chunks::<VECTOR_BYTES>().0;
                    for (vector, powers) in vectors.iter().zip(powers.as_chunks::<LANES>().0) {
                        sum.add(reverse(load_vector(vector)), load_numbers(powers));
                    }
                }
                state = four_rounds!(state, keys);
            }
            *hash = sum.reduced();
            blocks(state)
        }

        /// The counter blocks of a turn from `counter` on, in the kernels' form. Only their last four bytes count, so
        /// none of those that are used may carry beyond.
        #[inline]
        #[target_feature(enable = $features)]
        fn counters(counter: u128) -> [Word; 4] {
            let low = into(broadcast(ghash::reverse(from_number(counter))));
            let high = into(broadcast(ghash::reverse(from_number(counter.wrapping_add(0x100)))));
            let offsets = offsets();
            let last = add_bytes(splat_byte(counter as i8), offsets);
            let carry = carries(last, offsets);
            [
                [byte::<0>(low), byte::<1>(low), byte::<2>(low), byte::<3>(low)],
                [byte::<4>(low), byte::<5>(low), byte::<6>(low), byte::<7>(low)],
                [byte::<8>(low), byte::<9>(low), byte::<10>(low), byte::<11>(low)],
                [
                    select(carry, byte::<12>(low), byte::<12>(high)),
                    select(carry, byte::<13>(low), byte::<13>(high)),
                    select(carry, byte::<14>(low), byte::<14>(high)),
                    into(last),
                ],
            ]
        }

        /// Makes the last of a turn's counters `counter`, which differs from the others in its last four bytes.
        #[inline]
        #[target_feature(enable = $features)]
        fn with_last([w0, w1, w2, [b0, b1, b2, b3]]: [Word; 4], counter: u128) -> [Word; 4] {
            let counter = into(broadcast(ghash::reverse(from_number(counter))));
            let last = last_byte();
            let w3 = [
                select(last, b0, byte::<12>(counter)),
                select(last, b1, byte::<13>(counter)),
                select(last, b2, byte::<14>(counter)),
                select(last, b3, byte::<15>(counter)),
            ];
            [w0, w1, w2, w3]
        }

        /// One byte of a block, everywhere.
        #[inline]
        #[target_feature(enable = $features)]
        fn byte<const INDEX: i8>(block: Vector) -> Vector {
            shuffle(block, splat_byte(INDEX))
        }

        /// One round: `x` with the diffused S-boxes of `word`, of the sum of the two other words and of the round key.
        #[inline]
        #[target_feature(enable = $features)]
        fn round(x: Word, word: Word, both: Word, key: &[u64; 4]) -> Word {
            let ([x0, x1, x2, x3], [w0, w1, w2, w3], [b0, b1, b2, b3], [k0, k1, k2, k3]) = (x, word, both, *key);
            let [own0, near0, third0] = substitute(xor3(w0, b0, splat(k0)));
            let [own1, near1, third1] = substitute(xor3(w1, b1, splat(k1)));
            let [own2, near2, third2] = substitute(xor3(w2, b2, splat(k2)));
            let [own3, near3, third3] = substitute(xor3(w3, b3, splat(k3)));
            [
                xor3(xor3(x0, own0, near1), near2, third3),
                xor3(xor3(x1, own1, near2), near3, third0),
                xor3(xor3(x2, own2, near3), near0, third1),
                xor3(xor3(x3, own3, near0), near1, third2),
            ]
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn add_words([a0, a1, a2, a3]: Word, [b0, b1, b2, b3]: Word) -> Word {
            [xor(a0, b0), xor(a1, b1), xor(a2, b2), xor(a3, b3)]
        }

        /// The blocks of a state, the last word first.
        ///
        /// An interleaving of vectors i and i + 8 moves the topmost bit of a byte's vector number to the bottom of its
        /// place, and the topmost bit of its place to the bottom of its vector number. Four of them exchange number
        /// and place.
        #[inline]
        #[target_feature(enable = $features)]
        fn blocks([d, c, b, a]: [Word; 4]) -> [Vector; 16] {
            let ([a0, a1, a2, a3], [b0, b1, b2, b3], [c0, c1, c2, c3], [d0, d1, d2, d3]) =
                (out_of_each(a), out_of_each(b), out_of_each(c), out_of_each(d));
            let bytes = [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3];
            interleave(interleave(interleave(interleave(bytes))))
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn out_of_each([b0, b1, b2, b3]: Word) -> Word {
            [out_of(b0), out_of(b1), out_of(b2), out_of(b3)]
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn interleave([a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7]: [Vector; 16]) -> [Vector; 16] {
            let ([c0, c1], [c2, c3], [c4, c5], [c6, c7]) = (pair(a0, b0), pair(a1, b1), pair(a2, b2), pair(a3, b3));
            let ([d0, d1], [d2, d3], [d4, d5], [d6, d7]) = (pair(a4, b4), pair(a5, b5), pair(a6, b6), pair(a7, b7));
            [c0, c1, c2, c3, c4, c5, c6, c7, d0, d1, d2, d3, d4, d5, d6, d7]
        }

        /// XORs a turn of key stream.
        #[inline]
        #[target_feature(enable = $features)]
        fn add(stream: [Vector; 16], data: InOutBuf<'_, '_, u8>) {
            for (mut data, stream) in data.into_chunks::<$vector_size>().0.into_iter().zip(stream) {
                let sum = xor(load_vector(data.get_in().as_ref()), stream);
                store_vector(data.get_out().as_mut(), sum);
            }
        }

        /// XORs less than a turn of key stream.
        #[inline]
        #[target_feature(enable = $features)]
        fn add_part(stream: &Turn, data: InOutBuf<'_, '_, u8>) {
            let (vectors, mut rest) = data.into_chunks::<$vector_size>();
            let (streams, _) = stream.as_chunks::<VECTOR_BYTES>();
            let done = vectors.len();
            for (mut data, stream) in vectors.into_iter().zip(streams) {
                let sum = xor(load_vector(data.get_in().as_ref()), load_vector(stream));
                store_vector(data.get_out().as_mut(), sum);
            }
            if let Some(stream) = streams.get(done) {
                let sum = xor(load_part(rest.get_in()), load_vector(stream));
                store_part(rest.get_out(), sum);
            }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn write(stream: [Vector; 16], bytes: &mut Turn) {
            for (bytes, stream) in bytes.as_chunks_mut::<VECTOR_BYTES>().0.iter_mut().zip(stream) {
                store_vector(bytes, stream);
            }
        }

        /// The blocks of a vector as numbers.
        #[inline]
        #[target_feature(enable = $features)]
        fn reverse(blocks: Vector) -> Vector {
            let order = _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
            shuffle(blocks, broadcast(order))
        }

        /// A sum of products of numbers, lane by lane, not yet reduced.
        struct Products {
            low: Vector,
            middle: Vector,
            high: Vector,
        }

        impl Products {
            #[inline]
            #[target_feature(enable = $features)]
            fn of(a: Vector, b: Vector) -> Self {
                let middle = xor(product::<0x01>(a, b), product::<0x10>(a, b));
                Self { low: product::<0x00>(a, b), middle, high: product::<0x11>(a, b) }
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn add(&mut self, a: Vector, b: Vector) {
                self.low = xor(self.low, product::<0x00>(a, b));
                self.middle = xor3(self.middle, product::<0x01>(a, b), product::<0x10>(a, b));
                self.high = xor(self.high, product::<0x11>(a, b));
            }

            /// The sum over the lanes, one number.
            #[inline]
            #[target_feature(enable = $features)]
            fn reduced(self) -> __m128i {
                Sum { low: sum(self.low), middle: sum(self.middle), high: sum(self.high) }.reduced()
            }
        }
    };
}

pub(super) use {four_rounds, many_blocks};
