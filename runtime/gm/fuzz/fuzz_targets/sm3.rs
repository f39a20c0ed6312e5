//! Many digests at once equal the `sm3` crate's, one by one, in every kind of lanes that this CPU has; so do pieces of
//! one message, and HMAC.
#![no_main]

use arbitrary::Arbitrary;
use glovebox_gm::{Digest, Key256, Sm3Hasher, Sm3Lanes, hmac_sm3, hmac_sm3_many, sm3_many};
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use sm3::{Digest as _, Sm3};

#[derive(Debug, Arbitrary)]
struct Input {
    key: [u8; 32],
    /// What begins all messages.
    start: Vec<u8>,
    /// Lengths of the messages; two bytes reach past the 64-byte blocks and the padding's second block.
    lengths: Vec<u16>,
    /// Repeated to fill the messages.
    pattern: Vec<u8>,
}

/// Longest message, in bytes, and most messages: some turns of sixteen lanes.
const LENGTH_MAX: usize = 700;
const MESSAGES_MAX: usize = 80;

fuzz_target!(|input: Input| {
    let mut pattern = input.pattern.iter().copied().cycle();
    let mut message = |length: u16| -> Vec<u8> {
        (0..usize::from(length) % LENGTH_MAX).map(|at| pattern.next().unwrap_or(at as u8)).collect()
    };
    let messages: Vec<Vec<u8>> = input.lengths.iter().take(MESSAGES_MAX).map(|length| message(*length)).collect();
    let digest = |message: &Vec<u8>| Digest::from_bytes(Sm3::digest(message).into());
    assert_eq!(sm3_many(&messages), messages.iter().map(digest).collect::<Vec<_>>());

    let mut hasher = Sm3Hasher::new();
    hasher.update(&input.start);
    let expected: Vec<_> = messages.iter().map(|end| digest(&[&input.start[..], end].concat())).collect();
    for lanes in Sm3Lanes::available() {
        assert_eq!(hasher.finish_each_with(lanes, &messages), expected, "{}", lanes.name());
    }

    let whole = messages.concat();
    let mut hasher = Sm3Hasher::new();
    messages.iter().for_each(|message| hasher.update(message));
    assert_eq!(hasher.finish(), digest(&whole));

    let key = Key256::from_slice(&input.key).unwrap();
    let macs = hmac_sm3_many(&key, &messages);
    assert_eq!(macs.len(), messages.len());
    for (message, mac) in messages.iter().zip(macs) {
        let mut oracle = Hmac::<Sm3>::new_from_slice(&input.key).unwrap();
        oracle.update(message);
        assert_eq!(mac, <[u8; 32]>::from(oracle.finalize().into_bytes()));
        assert_eq!(mac, hmac_sm3(&key, message));
    }
});
