//! Keys that OpenSSL 3.0 (`*-openssl3-*`) and 4.0 wrote, keys of our own, and what is none. The passphrase of every
//! vector is `correct`; they were made for these tests and open nothing.

use super::*;
use crate::pki::Algorithm;

const PASSPHRASE: Option<&[u8]> = Some(b"correct");
const SM2: &str = include_str!("vectors/sm2.pem");
const SM2_SM3: &str = include_str!("vectors/sm2-openssl4-sm3.pem");
const SM2_SHA256: &str = include_str!("vectors/sm2-openssl3-sha256.pem");
const P256: &str = include_str!("vectors/p256.pem");
const P256_SM3: &str = include_str!("vectors/p256-openssl4-sm3.pem");
/// Of the key in `sm2.pem`, as `openssl pkey -pubout` prints it.
const SM2_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0DQgAE13JOnzidkZ3xasdYAX9aDb5rU2SW
OpOFUATHm4Qq8lclFj6I6uzXZ75HF3WwMhFT1Zs1tmmWr1aIMGsseo1nYw==
-----END PUBLIC KEY-----
";

fn refusal(pem: &str, passphrase: Option<&[u8]>) -> String {
    match read(pem, passphrase) {
        Err(GmError::KeyFile { what }) => what.to_owned(),
        other => panic!("expected a refused key file, got {:?}", other.map(|_| "a key")),
    }
}

#[test]
fn keys_that_openssl_wrote_are_read() {
    let plain = SigningKey::from_pem(SM2, None).unwrap();
    assert_eq!(plain.verifying_key().to_pem().unwrap(), SM2_PUBLIC);
    for encrypted in [SM2_SM3, SM2_SHA256] {
        assert!(is_encrypted(encrypted) && !is_encrypted(SM2));
        assert_eq!(read(encrypted, PASSPHRASE).unwrap(), read(SM2, None).unwrap());
        let key = SigningKey::from_pem(encrypted, PASSPHRASE).unwrap();
        assert_eq!(key.verifying_key(), plain.verifying_key());
    }
    assert_eq!(read(P256_SM3, PASSPHRASE).unwrap(), read(P256, None).unwrap());
    assert_eq!(PrivateKey::from_pem(P256_SM3, PASSPHRASE).unwrap().algorithm(), Algorithm::P256);
}

#[test]
fn what_is_encrypted_is_read_again() {
    for algorithm in Algorithm::ALL {
        let key = PrivateKey::generate(algorithm).unwrap();
        let der = key.to_pkcs8_der().unwrap();
        let (one, other) =
            (encrypt(&der, b"pass", ITERATIONS_MIN).unwrap(), encrypt(&der, b"pass", ITERATIONS_MIN).unwrap());
        assert_ne!(one.expose(), other.expose(), "salt and start value are fresh");
        for pem in [one, other] {
            assert!(pem.expose().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
            assert!(is_encrypted(pem.expose()));
            assert_eq!(read(pem.expose(), Some(b"pass")).unwrap(), der);
            let again = PrivateKey::from_pem(pem.expose(), Some(b"pass")).unwrap();
            assert_eq!(again.fingerprint().unwrap(), key.fingerprint().unwrap());
        }
    }
}

#[test]
fn another_passphrase_opens_nothing() {
    let pem = encrypt(&read(SM2, None).unwrap(), b"correct", ITERATIONS_MIN).unwrap();
    assert!(refusal(pem.expose(), None).contains("give the file of its passphrase"));
    for wrong in [&b""[..], b"correct ", b"Correct", b"correct\n"] {
        assert!(refusal(pem.expose(), Some(wrong)).starts_with("the passphrase is another"));
    }
}

#[test]
fn cut_files_are_refused() {
    for pem in [SM2, SM2_SM3] {
        for length in 0..pem.trim_end().len() {
            assert!(read(&pem[..length], PASSPHRASE).is_err(), "{length}");
        }
    }
    assert_eq!(refusal("", None), "expected a private key as PKCS #8 in PEM");
    assert_eq!(refusal(&SM2[..100], None), "the file is cut off");
    assert_eq!(refusal(&SM2.replace("MIGHAgEA", "MIGH*gEA"), None), "its base64 can't be read; the file is damaged");
    assert!(refusal(&SM2.replace("MIGHAgEA", "MIGHAgEB"), None).contains("damaged"));
    assert!(refusal(&" ".repeat(FILE_LENGTH_MAX + 1), None).contains("too long"));
}

#[test]
fn what_is_no_key_of_ours_is_refused_by_name() {
    let weak = "its encryption is too weak";
    let write_anew = "openssl pkcs8 -topk8";
    for (pem, part) in [
        (include_str!("vectors/sm2-aes.pem"), "expected encryption by SM4-CBC"),
        (include_str!("vectors/sm2-sha1.pem"), "expected PBKDF2 with HMAC-SM3 or HMAC-SHA-256"),
        (include_str!("vectors/sm2-sec1.pem"), "expected PKCS #8, got SEC 1"),
        (include_str!("vectors/sm2-legacy.pem"), weak),
    ] {
        let refusal = refusal(pem, PASSPHRASE);
        assert!(refusal.starts_with(part) && refusal.contains(write_anew), "{refusal}");
    }
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(refusal(certificate, None), "expected a private key as PKCS #8 in PEM");
    assert_eq!(refusal(&[SM2, P256].concat(), None), "expected one private key, got several");
    let rsa = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    assert!(refusal(rsa, None).starts_with("expected an SM2 or P-256 key"));
    assert_eq!(read(&[certificate, SM2].concat(), None).unwrap(), read(SM2, None).unwrap());
    assert_eq!(read(&SM2.replace('\n', "\r\n"), None).unwrap(), read(SM2, None).unwrap());
}

#[test]
fn keys_on_other_curves_are_refused() {
    for pem in [include_str!("vectors/k256.pem"), include_str!("vectors/ed25519.pem")] {
        let refused = PrivateKey::from_pem(pem, None).err();
        assert_eq!(refused, Some(fault("expected a key on the curve of SM2 or on P-256")));
        assert_eq!(SigningKey::from_pem(pem, None).err(), Some(GmError::PrivateKey));
    }
    // A P-256 key is no SM2 key, whatever the file is called; nor is one whose public half is another's.
    assert_eq!(SigningKey::from_pem(P256, None).err(), Some(GmError::PrivateKey));
    let mut der = read(SM2, None).unwrap();
    *der.last_mut().unwrap() ^= 1;
    assert!(matches!(PrivateKey::from_pkcs8_der(&der), Err(GmError::KeyFile { .. })));
}

#[test]
fn weak_or_absurd_encryption_is_not_written() {
    let der = read(SM2, None).unwrap();
    let refused = |der: &[u8], passphrase: &[u8], iterations| {
        matches!(encrypt(der, passphrase, iterations), Err(GmError::KeyFile { .. }))
    };
    assert!(refused(&der, b"", ITERATIONS_DEFAULT));
    assert!(refused(&der, b"pass", 0));
    assert!(refused(&der, b"pass", ITERATIONS_MIN - 1));
    assert!(refused(&der, b"pass", ITERATIONS_MAX + 1));
    assert!(refused(&der[1..], b"pass", ITERATIONS_MIN));
    assert!(refused(b"", b"pass", ITERATIONS_MIN));
}

#[test]
fn an_encrypted_key_shows_nowhere() {
    let pem = encrypt(&read(SM2, None).unwrap(), b"correct", ITERATIONS_MIN).unwrap();
    assert_eq!(format!("{pem:?}"), "SecretPem(secret)");
    let shown = format!("{:?}", PrivateKey::from_pem(SM2, None).unwrap());
    assert!(shown.starts_with("PrivateKey(secret of sm2 ") && !shown.to_lowercase().contains("d78080af"), "{shown}");
}
