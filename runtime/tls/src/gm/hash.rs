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

#[cfg(test)]
mod tests {
    use rustls::crypto::tls13::{Hkdf, HkdfUsingHmac, OkmBlock};

    use super::*;

    const HKDF: HkdfUsingHmac<'static> = HkdfUsingHmac(&HmacSm3);

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// HkdfLabel of RFC 8446, section 7.1.
    fn label(name: &str, context: &[u8], length: u16) -> Vec<u8> {
        let mut info = length.to_be_bytes().to_vec();
        info.push(name.len() as u8 + 6);
        info.extend(b"tls13 ");
        info.extend(name.as_bytes());
        info.push(context.len() as u8);
        info.extend(context);
        info
    }

    /// RFC 8446, section 7.1 with SM3. The values were computed with `hmac` and `hashlib` of Python over OpenSSL.
    #[test]
    fn the_key_schedule_has_known_answers() {
        let block = |expander: &dyn rustls::crypto::tls13::HkdfExpander, name, context: &[u8]| {
            expander.expand_block(&[&label(name, context, 32)])
        };
        let empty = Sm3.hash(b"");
        assert_eq!(hex(empty.as_ref()), "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b");
        let early = HKDF.extract_from_zero_ikm(None);
        let derived = block(early.as_ref(), "derived", empty.as_ref());
        assert_eq!(hex(derived.as_ref()), "8bf1d43b3cb61da421895be55c07b3c1f49d7af9f9c728240cee1fc8039252f4");
        let shared: Vec<u8> = (0..32).collect();
        let handshake = HKDF.extract_from_secret(Some(derived.as_ref()), &shared);
        let client = block(handshake.as_ref(), "c hs traffic", Sm3.hash(b"hello").as_ref());
        assert_eq!(hex(client.as_ref()), "9d932d99e8852c27b09a50bc7e7930b1e55c1f64782a1e9cfdad51629ac94ad8");
        let client = HKDF.expander_for_okm(&client);
        let expanded = |name, length| {
            let mut output = vec![0; usize::from(length)];
            client.expand_slice(&[&label(name, b"", length)], &mut output).unwrap();
            hex(&output)
        };
        assert_eq!(expanded("key", 16), "e9e77b00cab2f1c6bd91442a8c7b0d3a");
        assert_eq!(expanded("iv", 12), "67e05a62150633da5e33b4b9");
        assert_eq!(expanded("finished", 32), "deaeba6a0d22002a02b8ef2ace45b4d13f68a0be16bb759be5959ad45ccba706");
        assert_eq!(
            expanded("long", 100),
            "7a673c9cb632935a53d7b1ebcceae4d1032f93b2447cc99233952ebb777bda550851b04091fcb4d7935457dedd7d037d38fd3ab8\
             1bfd03dc30f07682e51b6026092f70f9edc47b21bca1035a4055cd723ac465ac0b17e2c14f19f0edc73f7a4c7264cdef"
        );
        assert!(client.expand_slice(&[b""], &mut [0; 32 * 255 + 1]).is_err());
    }

    /// GM/T 0042-2015, appendix D.3, example 1.
    #[test]
    fn hmac_vector_of_gmt_0042() {
        let key: Vec<u8> = (1..=32).collect();
        let text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".repeat(2);
        let expected = "ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a";
        assert_eq!(hex(HmacSm3.with_key(&key).sign(&[text.as_bytes()]).as_ref()), expected);
        for cut in [0, 1, 63, 64, 65, text.len()] {
            let (first, second) = text.as_bytes().split_at(cut);
            assert_eq!(hex(HmacSm3.with_key(&key).sign(&[first, second]).as_ref()), expected);
        }
        assert_eq!(hex(HKDF.hmac_sign(&OkmBlock::new(&key), text.as_bytes()).as_ref()), expected);
    }

    /// RFC 2104: a key longer than a block stands for its digest, a shorter one for itself filled with zeros.
    #[test]
    fn keys_of_any_length_are_taken() {
        let long = [0x5a; 65];
        let tag = |key: &[u8]| hex(HmacSm3.with_key(key).sign(&[b"text"]).as_ref());
        assert_eq!(tag(&long), tag(sm3(&long).as_bytes()));
        assert_eq!(tag(&long[..64]), "71a4e5eb16c27a2882cbb8213340f53a755299ff388871fe3e97a20d684d2578");
        assert_eq!(tag(b"key"), tag(b"key\0\0"));
        assert_ne!(tag(&long[..64]), tag(&long[..63]));
    }

    #[test]
    fn transcripts_fork() {
        let mut whole = Sm3.start();
        whole.update(b"client hello");
        let fork = whole.fork();
        assert_eq!(whole.fork_finish().as_ref(), Sm3.hash(b"client hello").as_ref());
        whole.update(b" and more");
        assert_eq!(whole.finish().as_ref(), Sm3.hash(b"client hello and more").as_ref());
        assert_eq!(fork.finish().as_ref(), Sm3.hash(b"client hello").as_ref());
    }
}
