//! Public keys, signatures and points of strangers: read, used, and never believed.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use glovebox_gm::{AgreementKey, Signature, SigningKey, VerifyingKey};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    /// Bits of a good signature that are flipped, and a signature that is all the stranger's.
    flips: Vec<u16>,
    signature: [u8; 64],
    message: Vec<u8>,
    point: Vec<u8>,
    key: Vec<u8>,
    pem: String,
}

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate().unwrap());

fuzz_target!(|input: Input| {
    let verifying = KEY.verifying_key();
    let good = KEY.sign(&input.message).unwrap();
    verifying.verify(&input.message, &good).unwrap();
    let mut bytes = *good.as_bytes();
    for flip in &input.flips {
        let bit = usize::from(*flip) % 512;
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    for bytes in [bytes, input.signature] {
        let held = verifying.verify(&input.message, &Signature::from_bytes(bytes)).is_ok();
        assert_eq!(held, bytes == *good.as_bytes());
    }
    if let Ok(signature) = Signature::from_der(&input.key) {
        assert_eq!(signature.to_der().unwrap(), input.key, "two encodings of one signature");
    }
    assert!(verifying.verify_as("TLSv1.3+GM+Cipher+Suite", &input.message, &good).is_err());

    if let Ok(key) = VerifyingKey::from_der(&input.key) {
        assert_eq!(VerifyingKey::from_der(key.to_der()).unwrap(), key);
        let _ = key.verify(&input.message, &Signature::from_bytes(input.signature));
    }
    let _ = VerifyingKey::from_pem(&input.pem);
    let (own, peer) = (AgreementKey::generate().unwrap(), AgreementKey::generate().unwrap());
    let points = (*own.point(), *peer.point());
    assert_eq!(own.agree(&points.1).unwrap(), peer.agree(&points.0).unwrap());
    let agreed = AgreementKey::generate().unwrap().agree(&input.point);
    assert_eq!(agreed.is_ok(), VerifyingKey::from_point(&input.point).is_ok());
});
