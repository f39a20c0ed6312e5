//! The algorithms by themselves: what OpenSSL computes, we compute.

use cipher::StreamCipher;
use glovebox_gm::{
    Kernel, Key128, Key256, SM2_DEFAULT_ID, Signature, SigningKey, Sm4Ctr, Sm4Gcm, VerifyingKey, hkdf_sm3_256,
    hmac_sm3, passphrase_key, sm3,
};

use crate::enclave::digits;
use crate::zone::Zone;

/// Around the lengths of a block of either algorithm, of a tail, and of the widest turn of a kernel.
const LENGTHS_BYTES: [usize; 12] = [0, 1, 15, 16, 17, 55, 64, 255, 1023, 1024, 1025, 100_003];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The last line that a command prints, without what stands between its digits.
fn digest(zone: &Zone, command: &str, input: &[u8]) -> String {
    let answer = zone.openssl.run_with(command, input);
    assert!(answer.success, "openssl {command}: {}", answer.err);
    let text = String::from_utf8(answer.out).unwrap();
    text.trim().rsplit(' ').next().unwrap().replace(':', "").to_uppercase()
}

fn kernels() -> impl Iterator<Item = Kernel> {
    Kernel::ALL.into_iter().filter(|kernel| kernel.is_available())
}

#[test]
fn sm3_and_what_is_built_on_it() {
    let Some(zone) = Zone::create() else { return };
    let key = Key256::random().unwrap();
    let key_hex = hex(key.expose());
    for length in LENGTHS_BYTES {
        let input = digits(length);
        assert_eq!(digest(&zone, "dgst -sm3", &input), sm3(&input).to_string().to_uppercase(), "{length}");
        let theirs = digest(&zone, &format!("mac -digest SM3 -macopt hexkey:{key_hex} HMAC"), &input);
        assert_eq!(theirs, hex(&hmac_sm3(&key, &input)), "{length}");
    }
    let options = format!("-kdfopt digest:SM3 -kdfopt hexkey:{key_hex} -kdfopt salt:grain -kdfopt info:use");
    let theirs = digest(&zone, &format!("kdf -keylen 32 {options} HKDF"), b"");
    assert_eq!(theirs, hex(hkdf_sm3_256(&key, b"grain", b"use").expose()));
    let options = "-kdfopt digest:SM3 -kdfopt pass:open-sesame -kdfopt salt:0123456789abcdef -kdfopt iter:2000";
    let theirs = digest(&zone, &format!("kdf -keylen 32 {options} PBKDF2"), b"");
    assert_eq!(theirs, hex(passphrase_key(b"open-sesame", b"0123456789abcdef", 2000).expose()));
}

/// OpenSSL's commands offer no SM4-GCM of a text, but the GCM of nothing with associated data: that is GHASH, the key
/// schedule and one block. SM4-CTR is the rest of it, and the TLS records of the other tests are the whole.
#[test]
fn sm4_on_every_kernel() {
    let Some(zone) = Zone::create() else { return };
    let key = Key128::random().unwrap();
    let key_hex = hex(key.expose());
    let nonce = [7, 0, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    // The second counter carries through all of its 128 bits.
    for (length, counter) in LENGTHS_BYTES.into_iter().flat_map(|length| [(length, 1), (length, u128::MAX - 3)]) {
        let input = digits(length);
        let options = format!("-macopt hexkey:{key_hex} -macopt hexiv:{}", hex(&nonce));
        let tag = digest(&zone, &format!("mac -cipher SM4-GCM {options} GMAC"), &input);
        let command = format!("enc -sm4-ctr -K {key_hex} -iv {}", hex(&counter.to_be_bytes()));
        let stream = zone.openssl.run_with(&command, &input);
        assert!(stream.success, "{}", stream.err);
        for kernel in kernels() {
            let gcm = Sm4Gcm::with_kernel(&key, kernel).unwrap();
            assert_eq!(hex(&gcm.seal_detached(&nonce, &input, &mut []).unwrap()), tag, "{kernel}, {length}");
            let mut ours = input.clone();
            let counter = counter.to_be_bytes();
            Sm4Ctr::with_kernel(&key, &counter, kernel).unwrap().apply_keystream(&mut ours);
            assert!(ours == stream.out, "{kernel}, {length}");
        }
    }
}

#[test]
fn sm2_signatures_of_both() {
    let Some(zone) = Zone::create() else { return };
    let key = SigningKey::generate().unwrap();
    zone.write("key.pem", &key.to_pkcs8_pem().unwrap());
    zone.write("key.pub", &key.verifying_key().to_pem().unwrap());
    let public = VerifyingKey::from_pem(&zone.openssl.text("pkey -in key.pem -pubout")).unwrap();
    assert_eq!(&public, key.verifying_key());
    for id in [SM2_DEFAULT_ID, "TLSv1.3+GM+Cipher+Suite", "x"] {
        for length in LENGTHS_BYTES {
            let message = digits(length);
            let write = |name: &str, bytes: &[u8]| std::fs::write(zone.openssl.folder.join(name), bytes).unwrap();
            write("message", &message);
            let options = format!("-rawin -digest sm3 -pkeyopt distid:{id} -in message");
            let verify = format!("pkeyutl -verify -pubin -inkey key.pub -sigfile signature {options}");

            write("signature", &key.sign_as(id, &message).unwrap().to_der().unwrap());
            assert!(zone.openssl.text(&verify).contains("Verified Successfully"), "{id}, {length}");
            assert!(!zone.openssl.run(&verify.replace("distid:", "distid:y")).success);
            write("message", &[&message[..], b"+"].concat());
            assert!(!zone.openssl.run(&verify).success);

            write("message", &message);
            zone.openssl.text(&format!("pkeyutl -sign -inkey key.pem -out signature {options}"));
            let der = std::fs::read(zone.openssl.folder.join("signature")).unwrap();
            let signature = Signature::from_der(&der).unwrap();
            assert_eq!(public.verify_as(id, &message, &signature), Ok(()), "{id}, {length}");
            assert!(public.verify_as("y", &message, &signature).is_err());
        }
    }
}
