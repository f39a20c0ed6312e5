//! Every kind of lanes against the `sm3` crate, and both against the standard.

use ::sm3::{Digest as _, Sm3};
use proptest::prelude::*;

use super::{Sm3Hasher, Sm3Lanes, sm3, sm3_many};
use crate::Digest;

fn by_crate(data: &[u8]) -> Digest {
    Digest::from_bytes(Sm3::digest(data).into())
}

/// Bytes that differ from each other and from those of another seed.
fn bytes(seed: usize, length: usize) -> Vec<u8> {
    let mut word = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let next = |_| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (word >> 56) as u8
    };
    (0..length).map(next).collect()
}

/// All lanes of this CPU give for `prefix ‖ message` of every message what the crate gives.
fn compare(prefix: &[u8], messages: &[Vec<u8>]) {
    let expected: Vec<Digest> =
        messages.iter().map(|message| by_crate(&[prefix, message.as_slice()].concat())).collect();
    let mut hasher = Sm3Hasher::new();
    hasher.update(prefix);
    for lanes in Sm3Lanes::available() {
        let digests = hasher.finish_each_with(lanes, messages);
        assert_eq!(digests.len(), expected.len());
        for (at, (found, expected)) in digests.iter().zip(&expected).enumerate() {
            let (of, length) = (messages.len(), messages[at].len());
            assert_eq!(found, expected, "{lanes}: {at} of {of}, {length} bytes after {}", prefix.len());
        }
    }
}

/// GB/T 32905-2016, appendix A: examples 1 and 2.
const STANDARD: [(&str, usize, &str); 2] = [
    ("abc", 1, "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
    ("abcd", 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
];

#[test]
fn standard_vectors_one_by_one() {
    for (text, times, expected) in STANDARD {
        assert_eq!(sm3(text.repeat(times).as_bytes()).to_string(), expected);
    }
}

#[test]
fn standard_vectors_in_every_lane() {
    let messages: Vec<String> = STANDARD.iter().map(|(text, times, _)| text.repeat(*times)).collect();
    for lanes in Sm3Lanes::available() {
        for shift in 0..2 {
            let batch: Vec<&String> = messages.iter().cycle().skip(shift).take(2 * lanes.count()).collect();
            let batch: Vec<&str> = batch.into_iter().map(String::as_str).collect();
            for (at, digest) in Sm3Hasher::new().finish_each_with(lanes, &batch).iter().enumerate() {
                assert_eq!(digest.to_string(), STANDARD[(at + shift) % 2].2, "{lanes}, message {at}");
            }
        }
    }
}

#[test]
fn pieces_make_the_whole() {
    let data = bytes(1, 300);
    for length in 0..data.len() {
        let data = &data[..length];
        assert_eq!(sm3(data), by_crate(data), "{length}");
    }
    for first in 0..data.len() {
        for second in (first..data.len()).step_by(37) {
            let mut hasher = Sm3Hasher::new();
            hasher.update(&data[..first]);
            hasher.update(&data[first..second]);
            hasher.update(&data[second..]);
            assert_eq!(hasher.finish(), by_crate(&data), "{first}, {second}");
        }
    }
}

#[test]
fn every_length_in_every_lane() {
    for length in 0..=1024 {
        let messages: Vec<Vec<u8>> = (0..17).map(|seed| bytes(seed * 1025 + length, length)).collect();
        compare(b"", &messages);
    }
}

#[test]
fn every_size_of_batch() {
    for size in 0..=70 {
        let messages: Vec<Vec<u8>> = (0..size).map(|seed| bytes(seed, seed * 29 % 200)).collect();
        compare(b"", &messages);
        compare(&[1], &messages);
    }
}

/// What is pending of the prefix meets every length of message around the edges of a block.
#[test]
fn every_length_of_prefix() {
    for prefix in 0..=130 {
        let messages: Vec<Vec<u8>> = (0..=130).map(|length| bytes(length, length)).collect();
        compare(&bytes(1000, prefix), &messages);
    }
}

/// One message that is far longer than the others is finished alone, from the middle.
#[test]
fn lengths_far_apart() {
    for long_at in [0, 1, 15, 16, 39] {
        let length = |at| if at == long_at { 100_000 } else { at * 7 };
        let messages: Vec<Vec<u8>> = (0..40).map(|at| bytes(at, length(at))).collect();
        compare(b"", &messages);
        compare(b"prefix", &messages);
    }
}

#[test]
fn messages_at_every_alignment() {
    let data = bytes(5, 64 + 300);
    for offset in 0..64 {
        let messages: Vec<&[u8]> = (0..20).map(|at| &data[offset..offset + 100 + 10 * at]).collect();
        let expected: Vec<Digest> = messages.iter().map(|message| by_crate(message)).collect();
        for lanes in Sm3Lanes::available() {
            assert_eq!(Sm3Hasher::new().finish_each_with(lanes, &messages), expected, "{lanes}, offset {offset}");
        }
    }
}

#[test]
fn a_batch_longer_than_what_is_sorted() {
    let messages: Vec<Vec<u8>> = (0..1500).map(|seed| bytes(seed, seed * 31 % 257)).collect();
    compare(b"", &messages);
}

#[test]
fn the_best_lanes_are_the_first_that_the_cpu_has() {
    let available: Vec<Sm3Lanes> = Sm3Lanes::available().collect();
    assert_eq!(available.first(), Some(&Sm3Lanes::best()));
    assert_eq!(available.last().map(|lanes| (lanes.name(), lanes.count())), Some(("one", 1)));
    assert!(available.is_sorted_by(|wide, narrow| wide.count() > narrow.count()), "{available:?}");
    assert_eq!(sm3_many::<&[u8]>(&[]), []);
}

proptest! {
    #[test]
    fn any_mixture(
        prefix in prop::collection::vec(any::<u8>(), 0..200),
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..60),
    ) {
        compare(&prefix, &messages);
    }
}
