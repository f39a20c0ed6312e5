//! CTR against the crate `ctr`: carries, pieces, seeking.

use cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};

use super::*;
use crate::Sm4Ctr;

type Oracle = ctr::Ctr128BE<sm4::Sm4>;

fn oracle(counter: u128) -> Oracle {
    Oracle::new(key().as_array().into(), &counter.to_be_bytes().into())
}

fn streams(counter: u128) -> impl Iterator<Item = Sm4Ctr> {
    kernels().into_iter().map(move |kernel| Sm4Ctr::with_kernel(&key(), &counter.to_be_bytes(), kernel).unwrap())
}

/// Counters that carry beyond 8, 16, 24, 32, 64 and 96 bits, and wrap, at every place within the first two turns.
#[test]
fn counters_carry() {
    let data = noise(16 * 150 + 7, 12);
    for bits in [8, 16, 24, 32, 64, 96, 128] {
        for before in (0..=130).step_by(if bits == 32 || bits == 128 { 1 } else { 13 }) {
            let counter = 1_u128.checked_shl(bits).unwrap_or(0).wrapping_sub(before);
            let mut expected = data.clone();
            oracle(counter).apply_keystream(&mut expected);
            for mut stream in streams(counter) {
                let mut buffer = data.clone();
                stream.apply_keystream(&mut buffer);
                assert!(buffer == expected, "{} from {counter:#x}", stream.kernel());
                let mut other = vec![0; data.len()];
                StreamCipherSeek::seek(&mut stream, 0_u64);
                stream.apply_keystream_b2b(&data, &mut other);
                assert!(other == expected, "{} from {counter:#x}", stream.kernel());
            }
        }
    }
}

#[test]
fn pieces_make_the_whole() {
    let data = noise(5000, 13);
    let mut expected = data.clone();
    oracle(7).apply_keystream(&mut expected);
    for (mut stream, pieces) in
        streams(7).flat_map(|_| streams(7).zip([1, 3, 15, 16, 17, 100, 1024, 1031].into_iter().cycle()))
    {
        let mut buffer = data.clone();
        for (index, piece) in buffer.chunks_mut(pieces).enumerate() {
            assert_eq!(stream.current_pos::<usize>(), index * pieces);
            stream.apply_keystream(piece);
        }
        assert!(buffer == expected, "{} in pieces of {pieces}", stream.kernel());
    }
}

#[test]
fn seeking_finds_its_place() {
    for mut stream in streams(u128::MAX - 5) {
        for place in [0_u64, 1, 15, 16, 17, 1000, 1024, 1 << 33, (1 << 40) + 5] {
            let (mut buffer, mut expected) = ([0; 100], [0; 100]);
            let mut oracle = oracle(u128::MAX - 5);
            oracle.seek(place);
            oracle.apply_keystream(&mut expected);
            stream.seek(place);
            assert_eq!(stream.current_pos::<u64>(), place);
            stream.write_keystream(&mut buffer);
            assert_eq!(buffer, expected, "{} at {place}", stream.kernel());
            assert_eq!(stream.current_pos::<u64>(), place + 100);
        }
    }
}
