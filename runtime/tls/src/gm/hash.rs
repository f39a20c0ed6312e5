//! SM3 for the transcript, HMAC-SM3 for the key schedule.

use glovebox_gm::{Sm3Hasher, sm3};
use rustls::crypto::hash::{Context, Hash, HashAlgorithm, Output};
use rustls::crypto::hmac::{Hmac, Key, Tag};
use zeroize::Zeroizing;

/// Length of a digest, in bytes.
const DIGEST_LENGTH_BYTES: usize = 32;
/// Length of a block of SM3, in bytes.
const BLOCK_LENGTH_BYTES: usize = 64;
/// IANA's "TLS HashAlgorithm" registry: SM3, registered by RFC 8998.
const ALGORITHM: HashAlgorithm = HashAlgorithm::Unknown(7);

/// SM3, GB/T 32905-2016.
pub(super) struct Sm3;

impl Hash for Sm3 {
    fn start(&self) -> Box<dyn Context> {
        Box::new(Transcript(Sm3Hasher::new()))
    }

    fn hash(&self, data: &[u8]) -> Output {
        Output::new(sm3(data).as_bytes())
    }

    fn output_len(&self) -> usize {
        DIGEST_LENGTH_BYTES
    }

    fn algorithm(&self) -> HashAlgorithm {
        ALGORITHM
    }
}

struct Transcript(Sm3Hasher);

impl Context for Transcript {
    fn fork_finish(&self) -> Output {
        Output::new(self.0.clone().finish().as_bytes())
    }

    fn fork(&self) -> Box<dyn Context> {
        Box::new(Self(self.0.clone()))
    }

    fn finish(self: Box<Self>) -> Output {
        Output::new(self.0.finish().as_bytes())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}

/// HMAC over SM3, RFC 2104.
pub(super) struct HmacSm3;

impl Hmac for HmacSm3 {
    fn with_key(&self, key: &[u8]) -> Box<dyn Key> {
        let mut block = Zeroizing::new([0; BLOCK_LENGTH_BYTES]);
        if key.len() > BLOCK_LENGTH_BYTES {
            block.iter_mut().zip(sm3(key).as_bytes()).for_each(|(to, from)| *to = *from);
        } else {
            block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        }
        Box::new(PaddedKey(block))
    }

    fn hash_output_len(&self) -> usize {
        DIGEST_LENGTH_BYTES
    }
}

/// A key filled up to a block. The key itself is kept, since it is wiped when dropped; the library's prepared states,
/// which stand for the key as well, would not be.
struct PaddedKey(Zeroizing<[u8; BLOCK_LENGTH_BYTES]>);

impl PaddedKey {
    fn start(&self, pad: u8) -> Sm3Hasher {
        let mut block = self.0.clone();
        block.iter_mut().for_each(|byte| *byte ^= pad);
        let mut hasher = Sm3Hasher::new();
        hasher.update(block.as_slice());
        hasher
    }
}

impl Key for PaddedKey {
    fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> Tag {
        let mut inner = self.start(0x36);
        inner.update(first);
        middle.iter().for_each(|part| inner.update(part));
        inner.update(last);
        let mut outer = self.start(0x5c);
        outer.update(inner.finish().as_bytes());
        Tag::new(outer.finish().as_bytes())
    }

    fn tag_len(&self) -> usize {
        DIGEST_LENGTH_BYTES
    }
}
