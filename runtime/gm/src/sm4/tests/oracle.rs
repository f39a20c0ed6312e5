//! GCM and CCM against the crates `aes-gcm` and `ccm`: lengths, alignments, associated data, wrapping nonces.

use ::sm4::Sm4;
use aead::consts::{U12, U16};
use aead::inout::InOutBuf;
use aead::{AeadInOut, KeyInit};

use super::*;
use crate::{Sm4Ccm, Sm4Gcm};

type GcmOracle = aes_gcm::AesGcm<Sm4, U12>;
type CcmOracle = ccm::Ccm<Sm4, U16, U12>;

/// What the oracle seals: ciphertext, then tag.
fn sealed_by<Oracle>(nonce: &[u8; 12], associated: &[u8], plain: &[u8]) -> Vec<u8>
where
    Oracle: AeadInOut<NonceSize = U12, TagSize = U16> + KeyInit<KeySize = U16>,
{
    let oracle = <Oracle as KeyInit>::new(key().as_array().into());
    let mut data = plain.to_vec();
    let tag = oracle.encrypt_inout_detached(nonce.into(), associated, InOutBuf::from(&mut data[..])).unwrap();
    [&data[..], &tag].concat()
}

/// Seals and opens in place and from buffer to buffer, and compares with what the oracle made of it.
macro_rules! check {
    ($mode:ident, $cipher:expr, $nonce:expr, $associated:expr, $plain:expr, $sealed:expr) => {{
        let (cipher, nonce, associated, plain, sealed): (&$mode, &[u8; 12], &[u8], &[u8], &[u8]) =
            ($cipher, $nonce, $associated, $plain, $sealed);
        let case = format!("{} of {} bytes with {}", cipher.kernel(), plain.len(), associated.len());
        let mut buffer = plain.to_vec();
        cipher.seal_in_place(nonce, associated, &mut buffer).unwrap();
        assert!(buffer == sealed, "sealing in place: {case}");
        cipher.open_in_place(nonce, associated, &mut buffer).unwrap();
        assert!(buffer == plain, "opening in place: {case}");
        let mut other = vec![0xA5; plain.len() + 16];
        cipher.seal_into(nonce, associated, plain, &mut other).unwrap();
        assert!(other == sealed, "sealing into: {case}");
        let mut opened = vec![0xA5; plain.len()];
        cipher.open_into(nonce, associated, sealed, &mut opened).unwrap();
        assert!(opened == plain, "opening into: {case}");
    }};
}

fn gcm() -> Vec<Sm4Gcm> {
    kernels().into_iter().map(|kernel| Sm4Gcm::with_kernel(&key(), kernel).unwrap()).collect()
}

fn ccm() -> Vec<Sm4Ccm> {
    kernels().into_iter().map(|kernel| Sm4Ccm::with_kernel(&key(), kernel).unwrap()).collect()
}

#[test]
fn gcm_of_every_length_to_4096() {
    let (data, associated) = (noise(4096, 1), noise(21, 2));
    let kernels = gcm();
    for length in 0..=data.len() {
        let sealed = sealed_by::<GcmOracle>(&NONCE, &associated, &data[..length]);
        kernels.iter().for_each(|cipher| check!(Sm4Gcm, cipher, &NONCE, &associated, &data[..length], &sealed));
    }
}

#[test]
fn gcm_of_long_messages() {
    let data = noise(3 << 20, 3);
    let kernels = gcm();
    for (index, length) in
        [16_384, 16_401, 65_535, 65_536, 65_552, 1_000_003, (2 << 20) + 1008, (3 << 20) - 1].into_iter().enumerate()
    {
        let nonce = noise(12, index as u64).try_into().unwrap();
        let sealed = sealed_by::<GcmOracle>(&nonce, b"", &data[..length]);
        kernels.iter().for_each(|cipher| check!(Sm4Gcm, cipher, &nonce, b"", &data[..length], &sealed));
    }
}

#[test]
fn gcm_with_associated_data_of_any_length() {
    let (data, associated) = (noise(1100, 4), noise(70_000, 5));
    let kernels = gcm();
    for length in (0..=512).chain([1007, 1008, 1009, 1023, 1024, 1025, 2048, 5000, 70_000]) {
        for plain in [&data[..0], &data[..40], &data] {
            let sealed = sealed_by::<GcmOracle>(&NONCE, &associated[..length], plain);
            kernels.iter().for_each(|cipher| check!(Sm4Gcm, cipher, &NONCE, &associated[..length], plain, &sealed));
        }
    }
}

/// 1500 bytes: a turn of every kernel, and every kind of rest.
#[test]
fn gcm_at_every_alignment() {
    const LENGTH: usize = 1500;
    let data = noise(LENGTH, 6);
    let sealed = sealed_by::<GcmOracle>(&NONCE, b"aad", &data);
    for cipher in gcm() {
        let (mut from, mut to) = (vec![0; LENGTH + 256], vec![0; LENGTH + 256]);
        let (from_base, to_base) = (from.as_ptr().align_offset(64), to.as_ptr().align_offset(64));
        for (from_at, to_at) in (0..64).flat_map(|from| (0..64).map(move |to| (from_base + from, to_base + to))) {
            let case = || format!("{} from {from_at} to {to_at}", cipher.kernel());
            from[from_at..from_at + LENGTH].copy_from_slice(&data);
            cipher
                .seal_into(&NONCE, b"aad", &from[from_at..from_at + LENGTH], &mut to[to_at..to_at + LENGTH + 16])
                .unwrap();
            assert!(to[to_at..to_at + LENGTH + 16] == sealed, "sealing {}", case());
            assert!(to[..to_at].iter().chain(&to[to_at + LENGTH + 16..]).all(|byte| *byte == 0), "outside {}", case());
            from[from_at..from_at + LENGTH].fill(0);
            cipher
                .open_into(&NONCE, b"aad", &to[to_at..to_at + LENGTH + 16], &mut from[from_at..from_at + LENGTH])
                .unwrap();
            assert!(from[from_at..from_at + LENGTH] == data, "opening {}", case());
            from[from_at..from_at + LENGTH].fill(0);
            assert!(from.iter().all(|byte| *byte == 0), "outside {}", case());
            to.fill(0);
        }
    }
}

#[test]
fn ccm_of_every_length_to_520_and_some_longer() {
    let (data, associated) = (noise(20_000, 7), noise(21, 8));
    let kernels = ccm();
    for length in (0..=520).chain([1023, 1024, 1025, 4096, 16_385, 20_000]) {
        let sealed = sealed_by::<CcmOracle>(&NONCE, &associated, &data[..length]);
        kernels.iter().for_each(|cipher| check!(Sm4Ccm, cipher, &NONCE, &associated, &data[..length], &sealed));
    }
}

/// 0xFF00 bytes are the first length that is written in six bytes.
#[test]
fn ccm_with_associated_data_of_any_length() {
    let (data, associated) = (noise(40, 9), noise(70_000, 10));
    let kernels = ccm();
    for length in (0..=100).chain([0xFEFF, 0xFF00, 0xFF01, 70_000]) {
        let sealed = sealed_by::<CcmOracle>(&NONCE, &associated[..length], &data);
        kernels.iter().for_each(|cipher| check!(Sm4Ccm, cipher, &NONCE, &associated[..length], &data, &sealed));
    }
}

/// The traits of RustCrypto, as generic code calls them.
#[test]
fn traits_seal_as_the_methods_do() {
    let sealed = sealed_by::<GcmOracle>(&NONCE, b"aad", b"by the trait");
    assert_eq!(sealed_by::<Sm4Gcm>(&NONCE, b"aad", b"by the trait"), sealed);
    let sealed = sealed_by::<CcmOracle>(&NONCE, b"aad", b"by the trait");
    assert_eq!(sealed_by::<Sm4Ccm>(&NONCE, b"aad", b"by the trait"), sealed);
}
