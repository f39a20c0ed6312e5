//! GB/T 32907-2016, appendix A, and RFC 8998, appendix A.

use super::*;
use crate::sm4::cipher::Cipher;
use crate::{Sm4Ccm, Sm4Gcm};

/// Appendix A.1: one block.
#[test]
fn one_block() {
    for kernel in kernels() {
        let cipher = Cipher::new(&vector(KEY).try_into().unwrap(), kernel);
        assert_eq!(cipher.kernel(), kernel);
        let block = cipher.encrypt(vector(KEY).try_into().unwrap());
        assert_eq!(block.as_slice(), vector("681EDF34D206965E86B3E94F536E4246"), "{kernel}");
    }
}

/// Appendix A.2: one block encrypted a million times, which CBC-MAC of zeros does.
#[test]
fn one_block_a_million_times() {
    let zeros = vec![0; 16_000_000];
    for kernel in kernels() {
        let cipher = Cipher::new(&vector(KEY).try_into().unwrap(), kernel);
        let mut block = vector(KEY).try_into().unwrap();
        cipher.cbc_mac(&mut block, &zeros);
        assert_eq!(block.as_slice(), vector("595298C7C6FD271F0402F804C33D3F66"), "{kernel}");
    }
}

const NONCE_OF_RFC_8998: &str = "00001234567800000000ABCD";
const ASSOCIATED_OF_RFC_8998: &str = "FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2";
const PLAIN_OF_RFC_8998: &str = "AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBB CCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDD
                                 EEEEEEEEEEEEEEEEFFFFFFFFFFFFFFFF EEEEEEEEEEEEEEEEAAAAAAAAAAAAAAAA";

/// RFC 8998, appendix A.1.
#[test]
fn gcm_of_rfc_8998() {
    let sealed = vector(
        "17F399F08C67D5EE19D0DC9969C4BB7D 5FD46FD3756489069157B282BB200735
         D82710CA5C22F0CCFA7CBF93D496AC15 A56834CBCF98C397B4024A2691233B8D
         83DE3541E4C2B58177E065A9BF7B62EC",
    );
    for kernel in kernels() {
        let cipher = Sm4Gcm::with_kernel(&key(), kernel).unwrap();
        let (nonce, associated) = (vector(NONCE_OF_RFC_8998).try_into().unwrap(), vector(ASSOCIATED_OF_RFC_8998));
        let mut buffer = vector(PLAIN_OF_RFC_8998);
        cipher.seal_in_place(&nonce, &associated, &mut buffer).unwrap();
        assert_eq!(buffer, sealed, "{kernel}");
        cipher.open_in_place(&nonce, &associated, &mut buffer).unwrap();
        assert_eq!(buffer, vector(PLAIN_OF_RFC_8998), "{kernel}");
    }
}

/// RFC 8998, appendix A.2.
#[test]
fn ccm_of_rfc_8998() {
    let sealed = vector(
        "48AF93501FA62ADBCD414CCE6034D895 DDA1BF8F132F042098661572E7483094
         FD12E518CE062C98ACEE28D95DF4416B ED31A2F04476C18BB40C84A74B97DC5B
         16842D4FA186F56AB33256971FA110F4",
    );
    for kernel in kernels() {
        let cipher = Sm4Ccm::with_kernel(&key(), kernel).unwrap();
        let (nonce, associated) = (vector(NONCE_OF_RFC_8998).try_into().unwrap(), vector(ASSOCIATED_OF_RFC_8998));
        let mut buffer = vector(PLAIN_OF_RFC_8998);
        cipher.seal_in_place(&nonce, &associated, &mut buffer).unwrap();
        assert_eq!(buffer, sealed, "{kernel}");
        cipher.open_in_place(&nonce, &associated, &mut buffer).unwrap();
        assert_eq!(buffer, vector(PLAIN_OF_RFC_8998), "{kernel}");
    }
}
