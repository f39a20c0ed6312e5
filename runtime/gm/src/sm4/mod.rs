//! SM4 (GB/T 32907-2016) in Galois/counter mode (GB/T 36624-2018; NIST SP 800-38D; RFC 8998 for its use in TLS), in
//! counter mode with CBC-MAC, and in counter mode.

mod aead;
mod ccm;
mod cipher;
mod ctr;
mod gcm;
mod kernel;

pub use aead::{NONCE_LENGTH_BYTES, TAG_LENGTH_BYTES};
pub use ccm::Sm4Ccm;
pub use ctr::Sm4Ctr;
pub use gcm::Sm4Gcm;
pub use kernel::Kernel;

#[cfg(test)]
mod tests {
    use ::sm4::cipher::{BlockCipherDecrypt, BlockCipherEncrypt};
    use proptest::prelude::*;

    use ::sm4::Sm4;
    use ::sm4::cipher::KeyInit as _;

    use super::*;
    use crate::hex::vector;
    use crate::{GmError, Key128};

    const KEY: &str = "0123456789ABCDEFFEDCBA9876543210";

    fn cipher(key: &str) -> Sm4Gcm {
        Sm4Gcm::new(&Key128::from_slice(&vector(key)).unwrap())
    }

    /// GB/T 32907-2016, appendix A.1: one block.
    #[test]
    fn block_vector() {
        let key: [u8; 16] = vector(KEY).try_into().unwrap();
        let sm4 = Sm4::new(&key.into());
        let mut block = key.into();
        sm4.encrypt_block(&mut block);
        assert_eq!(block.as_slice(), vector("681EDF34D206965E86B3E94F536E4246"));
        sm4.decrypt_block(&mut block);
        assert_eq!(block.as_slice(), key);
    }

    /// GB/T 32907-2016, appendix A.2: one block encrypted a million times.
    #[test]
    fn block_vector_a_million_times() {
        let key: [u8; 16] = vector(KEY).try_into().unwrap();
        let sm4 = Sm4::new(&key.into());
        let mut block = key.into();
        (0..1_000_000).for_each(|_| sm4.encrypt_block(&mut block));
        assert_eq!(block.as_slice(), vector("595298C7C6FD271F0402F804C33D3F66"));
    }

    /// RFC 8998, appendix A.1.
    #[test]
    fn gcm_vector_of_rfc_8998() {
        let nonce = vector("00001234567800000000ABCD").try_into().unwrap();
        let associated = vector("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2");
        let plaintext = vector(
            "AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBB CCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDD
             EEEEEEEEEEEEEEEEFFFFFFFFFFFFFFFF EEEEEEEEEEEEEEEEAAAAAAAAAAAAAAAA",
        );
        let sealed = vector(
            "17F399F08C67D5EE19D0DC9969C4BB7D 5FD46FD3756489069157B282BB200735
             D82710CA5C22F0CCFA7CBF93D496AC15 A56834CBCF98C397B4024A2691233B8D
             83DE3541E4C2B58177E065A9BF7B62EC",
        );
        let mut buffer = plaintext.clone();
        cipher(KEY).seal_in_place(&nonce, &associated, &mut buffer).unwrap();
        assert_eq!(buffer, sealed);
        cipher(KEY).open_in_place(&nonce, &associated, &mut buffer).unwrap();
        assert_eq!(buffer, plaintext);
    }

    #[test]
    fn any_changed_bit_is_found_and_nothing_is_decrypted() {
        let nonce = [3; NONCE_LENGTH_BYTES];
        let mut sealed = b"seventeen bytes..".to_vec();
        cipher(KEY).seal_in_place(&nonce, b"aad", &mut sealed).unwrap();
        let refused = |key: &str, nonce: &[u8; 12], associated: &[u8], mut data: Vec<u8>| {
            let before = data.clone();
            assert_eq!(cipher(key).open_in_place(nonce, associated, &mut data), Err(GmError::Authentication));
            assert_eq!(data, before);
        };
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            refused(KEY, &nonce, b"aad", changed);
        }
        for length in 0..sealed.len() {
            refused(KEY, &nonce, b"aad", sealed[..length].to_vec());
        }
        refused(KEY, &nonce, b"aae", sealed.clone());
        refused(KEY, &nonce, b"", sealed.clone());
        refused(KEY, &[4; NONCE_LENGTH_BYTES], b"aad", sealed.clone());
        refused("0123456789ABCDEFFEDCBA9876543211", &nonce, b"aad", sealed);
    }

    proptest! {
        #[test]
        fn detached_and_appended_tags_agree(data: Vec<u8>, associated: Vec<u8>, nonce: [u8; 12]) {
            let mut appended = data.clone();
            cipher(KEY).seal_in_place(&nonce, &associated, &mut appended).unwrap();
            let mut detached = data.clone();
            let tag = cipher(KEY).seal_detached(&nonce, &associated, &mut detached).unwrap();
            prop_assert_eq!(&appended, &[&detached[..], &tag].concat());
            cipher(KEY).open_detached(&nonce, &associated, &mut detached, &tag).unwrap();
            prop_assert_eq!(detached, data);
        }
    }
}
