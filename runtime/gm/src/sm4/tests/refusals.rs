//! What was changed does not open: not a bit of it, and nothing of what is refused is left behind.

use proptest::prelude::*;

use super::*;
use crate::{GmError, Sm4Ccm, Sm4Gcm};

macro_rules! refusals {
    ($name:ident, $mode:ident, $lengths:expr) => {
        #[test]
        fn $name() {
            for (kernel, length) in kernels().into_iter().flat_map(|kernel| $lengths.map(|length| (kernel, length))) {
                let cipher = $mode::with_kernel(&key(), kernel).unwrap();
                let plain = noise(length, 11);
                let mut sealed = plain.clone();
                cipher.seal_in_place(&NONCE, b"aad", &mut sealed).unwrap();
                let refused = |cipher: &$mode, nonce: &[u8; 12], associated: &[u8], data: &[u8]| {
                    let mut buffer = data.to_vec();
                    assert_eq!(cipher.open_in_place(nonce, associated, &mut buffer), Err(GmError::Authentication));
                    assert!(buffer == data, "{kernel}, {length} bytes: the ciphertext is not back");
                    let mut opened = vec![0xA5; data.len().saturating_sub(16)];
                    assert_eq!(cipher.open_into(nonce, associated, data, &mut opened), Err(GmError::Authentication));
                    assert!(opened.iter().all(|byte| *byte == 0), "{kernel}, {length} bytes: plaintext is left");
                };
                let bits = sealed.len() * 8;
                // All bits of short messages, those at the ends of long ones, and a sample between.
                for bit in (0..bits).filter(|bit| bits < 4000 || *bit < 200 || bit + 400 > bits || bit % 1001 == 0) {
                    let mut changed = sealed.clone();
                    changed[bit / 8] ^= 1 << (bit % 8);
                    refused(&cipher, &NONCE, b"aad", &changed);
                }
                (0..sealed.len().min(40)).for_each(|end| refused(&cipher, &NONCE, b"aad", &sealed[..end]));
                refused(&cipher, &NONCE, b"aad", &sealed[..sealed.len() - 1]);
                refused(&cipher, &NONCE, b"aad", &sealed[1..]);
                refused(&cipher, &NONCE, b"aad", &[&sealed[..], &[0]].concat());
                refused(&cipher, &NONCE, b"aae", &sealed);
                refused(&cipher, &NONCE, b"aad\0", &sealed);
                refused(&cipher, &NONCE, b"", &sealed);
                refused(&cipher, &[0; 12], b"aad", &sealed);
                let other = Key128::from_slice(&[1; 16]).unwrap();
                refused(&$mode::with_kernel(&other, kernel).unwrap(), &NONCE, b"aad", &sealed);
                // It was the change that was refused.
                cipher.open_in_place(&NONCE, b"aad", &mut sealed).unwrap();
                assert_eq!(sealed, plain);
            }
        }
    };
}

refusals!(any_change_is_refused_by_gcm, Sm4Gcm, [0, 1, 17, 100, 1008, 1009, 1024, 1025, 2050, 5000]);
refusals!(any_change_is_refused_by_ccm, Sm4Ccm, [0, 1, 17, 100, 1025]);

/// 12-byte nonces leave 3 bytes for the length. A tag of zeros must not pass for the tag of what has none.
#[test]
fn ccm_is_bounded() {
    let cipher = Sm4Ccm::new(&key());
    let mut long = vec![0; 1 << 24];
    assert_eq!(cipher.seal_detached(&NONCE, b"", &mut long), Err(GmError::TooLong));
    assert_eq!(cipher.open_detached(&NONCE, b"", &mut long, &[0; 16]), Err(GmError::Authentication));
    assert!(long.iter().all(|byte| *byte == 0), "untouched");
    long.pop();
    let tag = cipher.seal_detached(&NONCE, b"", &mut long).unwrap();
    cipher.open_detached(&NONCE, b"", &mut long, &tag).unwrap();
    assert!(long.iter().all(|byte| *byte == 0));
}

#[test]
fn buffers_of_another_length_are_refused() {
    for kernel in kernels() {
        let cipher = Sm4Gcm::with_kernel(&key(), kernel).unwrap();
        for length in [0, 15, 18, 20, 36, 38] {
            let fault = GmError::BufferLength { expected_bytes: 37, length_bytes: length };
            assert_eq!(cipher.seal_into(&NONCE, b"", &[1; 21], &mut vec![0; length]), Err(fault));
        }
        let mut sealed = vec![0; 37];
        cipher.seal_into(&NONCE, b"", &[1; 21], &mut sealed).unwrap();
        for length in [0, 20, 22, 37] {
            let mut plain = vec![0xA5; length];
            let fault = GmError::BufferLength { expected_bytes: 21, length_bytes: length };
            assert_eq!(cipher.open_into(&NONCE, b"", &sealed, &mut plain), Err(fault));
            assert_eq!(plain, vec![0; length]);
        }
        let mut plain = [0xA5; 3];
        assert_eq!(cipher.open_into(&NONCE, b"", &sealed[..15], &mut plain), Err(GmError::Authentication));
        assert_eq!(plain, [0; 3]);
    }
}

#[test]
fn kernels_say_what_they_are() {
    for kernel in Kernel::ALL {
        assert_eq!(kernel.is_available(), kernel.missing_features().is_empty());
        match Sm4Gcm::with_kernel(&key(), kernel) {
            Ok(cipher) => {
                assert_eq!(cipher.kernel(), kernel);
                assert_eq!(format!("{cipher:?}"), format!("Sm4Gcm(secret, {})", kernel.name()));
            }
            Err(fault) => {
                let missing = kernel.missing_features().join(", ");
                assert_eq!(fault, GmError::Kernel { kernel: kernel.name(), missing });
            }
        }
    }
    assert_eq!(kernels().first(), Some(&Kernel::best()));
    assert_eq!(Sm4Gcm::new(&key()).kernel(), Kernel::best());
    assert_eq!(Sm4Ccm::new(&key()).kernel(), Kernel::best());
    assert!(Kernel::Portable.is_available() && !Kernel::Portable.is_constant_time());
}

proptest! {
    #[test]
    fn kernels_agree(data: Vec<u8>, associated: Vec<u8>, nonce: [u8; 12], key: [u8; 16]) {
        let key = Key128::from_slice(&key).unwrap();
        let mut expected = vec![0; data.len() + 16];
        Sm4Gcm::with_kernel(&key, Kernel::Portable).unwrap().seal_into(&nonce, &associated, &data, &mut expected).unwrap();
        for kernel in kernels() {
            let mut sealed = data.clone();
            let cipher = Sm4Gcm::with_kernel(&key, kernel).unwrap();
            let tag = cipher.seal_detached(&nonce, &associated, &mut sealed).unwrap();
            prop_assert_eq!([&sealed[..], &tag].concat(), expected.clone());
        }
    }
}
