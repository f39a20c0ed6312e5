//! Message authentication and key derivation over SM3: HMAC (RFC 2104), HKDF (RFC 5869), PBKDF2 (RFC 8018).

use ::sm3::Sm3;
use hmac::{Hmac, KeyInit, Mac};
use zeroize::Zeroizing;

use crate::{Key128, Key256, Sm3Hasher, sm3};

/// Block length of SM3, in bytes.
const BLOCK_LENGTH_BYTES: usize = 64;

/// HMAC-SM3 of `data`.
#[must_use]
pub fn hmac_sm3(key: &Key256, data: &[u8]) -> [u8; 32] {
    *hmac(key.expose(), &[data])
}

/// HMAC-SM3 of each of `messages` under one key, in their order; where the CPU allows, many at once.
///
/// Equal to [`hmac_sm3`] of each. Messages may differ in length.
#[must_use]
pub fn hmac_sm3_many<T: AsRef<[u8]>>(key: &Key256, messages: &[T]) -> Vec<[u8; 32]> {
    // RFC 2104: H((K ⊕ opad) ‖ H((K ⊕ ipad) ‖ text)). Both pads fill a block, so each is hashed once for all messages.
    let padded = |pad: u8| {
        let mut block = Zeroizing::new([pad; BLOCK_LENGTH_BYTES]);
        block.iter_mut().zip(key.expose()).for_each(|(to, from)| *to ^= from);
        let mut hasher = Sm3Hasher::new();
        hasher.update(block.as_slice());
        hasher
    };
    let inner = padded(0x36).finish_each(messages);
    padded(0x5c).finish_each(&inner).iter().map(|tag| *tag.as_bytes()).collect()
}

/// HKDF-SM3 to a 128-bit key. `salt` may be public; `info` keeps the uses of one `key` apart.
#[must_use]
pub fn hkdf_sm3_128(key: &Key256, salt: &[u8], info: &[u8]) -> Key128 {
    let output = hkdf_first_block(key, salt, info);
    let mut half = Zeroizing::new([0; 16]);
    half.iter_mut().zip(output.iter()).for_each(|(to, from)| *to = *from);
    Key128::from_zeroizing(half)
}

/// HKDF-SM3 to a 256-bit key. `salt` may be public; `info` keeps the uses of one `key` apart.
#[must_use]
pub fn hkdf_sm3_256(key: &Key256, salt: &[u8], info: &[u8]) -> Key256 {
    Key256::from_zeroizing(hkdf_first_block(key, salt, info))
}

/// PBKDF2-HMAC-SM3: the key that a passphrase stands for.
///
/// `iterations` makes every guess as dear; it is stored beside the salt and never lowered.
#[must_use]
pub fn passphrase_key(passphrase: &[u8], salt: &[u8; 16], iterations: u32) -> Key256 {
    let mut output = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sm3>(passphrase, salt, iterations, output.as_mut_slice());
    Key256::from_zeroizing(output)
}

/// Extract, then the first block of expand: all that keys of up to 32 bytes need. With one block there is no length
/// that could be refused, so derivation can't fail.
fn hkdf_first_block(key: &Key256, salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let pseudorandom_key = hmac(salt, &[key.expose()]);
    hmac(pseudorandom_key.as_slice(), &[info, &[1]])
}

pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    // RFC 2104: a key longer than a block is hashed first, a shorter one filled up with zeros.
    let mut block = Zeroizing::new([0; BLOCK_LENGTH_BYTES]);
    let digest;
    let key = if key.len() > BLOCK_LENGTH_BYTES {
        digest = sm3(key);
        digest.as_ref()
    } else {
        key
    };
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let block: &[u8; BLOCK_LENGTH_BYTES] = &block;
    let mut mac = Hmac::<Sm3>::new(block.into());
    parts.iter().for_each(|part| mac.update(part));
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;

    fn key(byte: u8) -> Key256 {
        Key256::from_slice(&[byte; 32]).unwrap()
    }

    /// HMAC by its definition: H((K ⊕ opad) ‖ H((K ⊕ ipad) ‖ text)).
    fn hmac_by_definition(key: &[u8], text: &[u8]) -> [u8; 32] {
        let mut block = [0; 64];
        if key.len() > 64 {
            block[..32].copy_from_slice(sm3(key).as_ref());
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        let pad = |byte: u8| block.iter().map(|k| k ^ byte).collect::<Vec<u8>>();
        let inner = sm3(&[pad(0x36), text.to_vec()].concat());
        *sm3(&[pad(0x5c), inner.as_ref().to_vec()].concat()).as_bytes()
    }

    #[test]
    fn hmac_follows_its_definition() {
        for length in [0, 1, 31, 32, 63, 64, 65, 200] {
            let secret: Vec<u8> = (0..length).map(|i| i as u8).collect();
            assert_eq!(*hmac(&secret, &[b"text"]), hmac_by_definition(&secret, b"text"), "{length}");
        }
        assert_eq!(hmac_sm3(&key(7), b"text"), hmac_by_definition(&[7; 32], b"text"));
    }

    #[test]
    fn hmac_of_many_is_hmac_of_each() {
        for secret in [[0; 32], [7; 32], std::array::from_fn(|i| (i as u8).wrapping_mul(9))] {
            let key = Key256::from_slice(&secret).unwrap();
            for size in [0, 1, 2, 3, 7, 16, 17, 100] {
                let messages: Vec<Vec<u8>> = (0..size).map(|i| vec![i as u8; i * 13 % 180]).collect();
                let expected: Vec<[u8; 32]> =
                    messages.iter().map(|message| hmac_by_definition(&secret, message)).collect();
                assert_eq!(hmac_sm3_many(&key, &messages), expected, "{size}");
            }
        }
    }

    /// GM/T 0042-2015, appendix D.3, example 1.
    #[test]
    fn hmac_vector_of_gmt_0042() {
        let secret: Vec<u8> = (1..=32).collect();
        let text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".repeat(2);
        let tag = hmac_sm3(&Key256::from_slice(&secret).unwrap(), text.as_bytes());
        assert_eq!(hex::encode(&tag), "ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a");
        assert_eq!(hmac_sm3_many(&Key256::from_slice(&secret).unwrap(), &vec![text; 20]), [tag; 20]);
    }

    #[test]
    fn hkdf_agrees_with_the_library() {
        for (salt, info) in [(&b""[..], &b""[..]), (b"salt", b"info"), (&[9; 100], &[8; 200])] {
            let library = hkdf::Hkdf::<Sm3>::new(Some(salt), key(3).expose());
            let mut expected = [0; 32];
            library.expand(info, &mut expected).unwrap();
            assert_eq!(hkdf_sm3_256(&key(3), salt, info).expose(), expected);
            assert_eq!(hkdf_sm3_128(&key(3), salt, info).expose(), &expected[..16]);
        }
    }

    #[test]
    fn derived_keys_are_kept_apart() {
        let base = hkdf_sm3_256(&key(3), b"salt", b"info");
        for other in [
            hkdf_sm3_256(&key(4), b"salt", b"info"),
            hkdf_sm3_256(&key(3), b"salu", b"info"),
            hkdf_sm3_256(&key(3), b"salt", b"infp"),
        ] {
            assert_ne!(base.expose(), other.expose());
        }
    }

    /// RFC 8018 section 5.2: for one block, U1 = PRF(P, S ‖ 1), Ui = PRF(P, Ui−1), and the key is their exclusive or.
    #[test]
    fn pbkdf2_follows_its_definition() {
        let salt = [5; 16];
        for iterations in [1, 2, 7] {
            let mut block = hmac_by_definition(b"passphrase", &[&salt[..], &1_u32.to_be_bytes()].concat());
            let mut expected = block;
            for _ in 1..iterations {
                block = hmac_by_definition(b"passphrase", &block);
                expected.iter_mut().zip(block).for_each(|(sum, byte)| *sum ^= byte);
            }
            assert_eq!(passphrase_key(b"passphrase", &salt, iterations).expose(), expected);
        }
    }

    #[test]
    fn passphrase_salt_and_iterations_matter() {
        let base = passphrase_key(b"p", &[0; 16], 3);
        for other in
            [passphrase_key(b"q", &[0; 16], 3), passphrase_key(b"p", &[1; 16], 3), passphrase_key(b"p", &[0; 16], 4)]
        {
            assert_ne!(base.expose(), other.expose());
        }
    }
}
