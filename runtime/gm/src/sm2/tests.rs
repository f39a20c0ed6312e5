//! Signatures, keys and agreement as their users see them.

use ::sm2::dsa::signature::{Signer, Verifier};
use ::sm2::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use proptest::prelude::*;

use super::*;
use crate::hex::vector;

/// GB/T 32918.5-2017, appendix A.2.
const PRIVATE: &str = "3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8";
const PUBLIC: &str = "04 09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020
    CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13";
const SIGNATURE: &str = "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3
    B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA";

fn standard_key() -> SigningKey {
    SigningKey::new(SecretKey::from_slice(&vector(PRIVATE)).unwrap()).unwrap()
}

#[test]
fn standard_vector_verifies() {
    let key = standard_key();
    assert_eq!(key.verifying_key().point().as_slice(), vector(PUBLIC));
    let signature = Signature::from_bytes(vector(SIGNATURE).try_into().unwrap());
    assert_eq!(key.verifying_key().verify(b"message digest", &signature), Ok(()));
    assert_eq!(key.verifying_key().verify(b"message digesT", &signature), Err(GmError::Signature));
}

#[test]
fn signatures_are_deterministic_and_differ_by_message() {
    let key = standard_key();
    let signature = key.sign(b"message digest").unwrap();
    assert_eq!(key.verifying_key().verify(b"message digest", &signature), Ok(()));
    assert_eq!(key.sign(b"message digest").unwrap(), signature);
    let other = key.sign(b"another message").unwrap();
    assert_ne!(other.as_bytes()[..32], signature.as_bytes()[..32], "a repeated r would give the key away");
}

#[test]
fn any_changed_bit_is_found() {
    let key = SigningKey::generate().unwrap();
    let signature = key.sign(b"message").unwrap();
    for bit in 0..512 {
        let mut changed = *signature.as_bytes();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(key.verifying_key().verify(b"message", &Signature::from_bytes(changed)), Err(GmError::Signature));
    }
    let other = SigningKey::generate().unwrap();
    assert_eq!(other.verifying_key().verify(b"message", &signature), Err(GmError::Signature));
    for extreme in [[0; 64], [0xff; 64]] {
        assert_eq!(key.verifying_key().verify(b"message", &Signature::from_bytes(extreme)), Err(GmError::Signature));
    }
}

#[test]
fn keys_round_trip_as_pem() {
    let key = SigningKey::generate().unwrap();
    let pem = key.to_pkcs8_pem().unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    let read = SigningKey::from_pkcs8_pem(&pem).unwrap();
    assert_eq!(read.sign(b"m").unwrap(), key.sign(b"m").unwrap());
    let public = VerifyingKey::from_pem(&key.verifying_key().to_pem().unwrap()).unwrap();
    assert_eq!(&public, key.verifying_key());
    assert_eq!(VerifyingKey::from_der(public.to_der()).unwrap().fingerprint(), public.fingerprint());
}

#[test]
fn foreign_and_broken_keys_are_refused() {
    let p256 = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    let (private, public) = (p256.to_pkcs8_pem(LineEnding::LF), p256.public_key().to_public_key_pem(LineEnding::LF));
    assert_eq!(SigningKey::from_pkcs8_pem(&private.unwrap()).err(), Some(GmError::PrivateKey));
    assert_eq!(VerifyingKey::from_pem(&public.unwrap()).err(), Some(GmError::PublicKey));
    let pem = standard_key().to_pkcs8_pem().unwrap();
    assert!(SigningKey::from_pkcs8_pem(&pem[..pem.len() / 2]).is_err());
    let mut off_curve = standard_key().verifying_key().to_der().to_vec();
    *off_curve.last_mut().unwrap() ^= 1;
    assert_eq!(VerifyingKey::from_der(&off_curve).err(), Some(GmError::PublicKey));
}

/// GB/T 32918.1-2016, section 6.1: a private key is in 1 to n − 2.
#[test]
fn the_largest_scalar_is_no_key() {
    let largest = "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54122";
    let secret = SecretKey::from_slice(&vector(largest)).unwrap();
    assert_eq!(SigningKey::new(secret).err(), Some(GmError::PrivateKey));
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?}", standard_key()).to_uppercase();
    assert!(shown.starts_with("SIGNINGKEY(SECRET OF "));
    assert!(!shown.contains(&PRIVATE[..8]));
}

#[test]
fn signatures_are_hexadecimal_in_json() {
    let signature = Signature::from_bytes(vector(SIGNATURE).try_into().unwrap());
    let json = serde_json::to_string(&signature).unwrap();
    assert_eq!(json.len(), 130);
    assert!(json.starts_with("\"f5a03b06"));
    assert_eq!(serde_json::from_str::<Signature>(&json).unwrap(), signature);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// The library signs the same bytes, and both take and refuse the same signatures.
    #[test]
    fn the_library_agrees(secret: [u8; 32], id in "[ -~]{0,40}", message: Vec<u8>, bit in 0_usize..512) {
        let secret = SecretKey::from_slice(&secret);
        prop_assume!(secret.is_ok());
        let secret = secret.unwrap();
        let library = ::sm2::dsa::SigningKey::new(&id, &secret).unwrap();
        let key = SigningKey::new(secret).unwrap();
        let signature = key.sign_as(&id, &message).unwrap();
        let theirs: ::sm2::dsa::Signature = library.sign(&message);
        prop_assert_eq!(signature.as_bytes().to_vec(), theirs.to_vec());
        prop_assert_eq!(signature.to_der().unwrap(), theirs.to_der().to_vec());
        let mut changed = *signature.as_bytes();
        changed[bit / 8] ^= 1 << (bit % 8);
        for bytes in [*signature.as_bytes(), changed] {
            let ours = key.verifying_key().verify_as(&id, &message, &Signature::from_bytes(bytes)).is_ok();
            let theirs = ::sm2::dsa::Signature::from_slice(&bytes)
                .is_ok_and(|signature| library.verifying_key().verify(&message, &signature).is_ok());
            prop_assert_eq!(ours, theirs);
            prop_assert_eq!(ours, bytes != changed);
        }
    }
}

#[test]
fn a_signature_under_one_identifier_is_none_under_another() {
    let key = standard_key();
    let verify = |id: &str, signature: &Signature| key.verifying_key().verify_as(id, b"message", signature);
    let signature = key.sign_as("TLSv1.3+GM+Cipher+Suite", b"message").unwrap();
    assert_eq!(verify("TLSv1.3+GM+Cipher+Suite", &signature), Ok(()));
    for id in [SM2_DEFAULT_ID, "", "TLSv1.3+GM+Cipher+Suit", "TLSv1.3+GM+Cipher+Suite "] {
        assert_eq!(verify(id, &signature), Err(GmError::Signature), "{id}");
    }
    assert_eq!(verify(SM2_DEFAULT_ID, &key.sign(b"message").unwrap()), Ok(()));
    // The identifier's length in bits fills two bytes (GB/T 32918.2-2016, section 5.5).
    let longest = "x".repeat(8191);
    assert_eq!(verify(&longest, &key.sign_as(&longest, b"message").unwrap()), Ok(()));
    assert_eq!(key.sign_as(&"x".repeat(8192), b"message"), Err(GmError::Signing));
    assert_eq!(verify(&"x".repeat(8192), &signature), Err(GmError::Signature));
}

#[test]
fn signatures_have_one_form_in_der() {
    let signature = Signature::from_bytes(vector(SIGNATURE).try_into().unwrap());
    let der = signature.to_der().unwrap();
    assert_eq!(der.len(), 72, "both numbers have their highest bit set and take a leading zero");
    assert_eq!(Signature::from_der(&der), Ok(signature));
    for cut in 0..der.len() {
        assert_eq!(Signature::from_der(&der[..cut]), Err(GmError::Signature));
    }
    assert_eq!(Signature::from_der(&[&der[..], &[0]].concat()), Err(GmError::Signature), "a byte after the end");
    let mut short = [0; 64];
    (short[31], short[63]) = (1, 0x80);
    let short = Signature::from_bytes(short);
    assert_eq!(short.to_der().unwrap(), vector("30070201010202 0080"));
    assert_eq!(Signature::from_der(&vector("30070201010202 0080")), Ok(short));
    for other in [
        "3008 02020001 02020080", // r with a zero too many
        "3006 020101 020180",     // s below zero
        "308107 020101 02020080", // length in the long form
        "3006 020101 020100",     // s = 0
        "3006 020100 020101",     // r = 0
        "3003 020101",
        "3009 020101 020101 020101",
        "3108 020101 02020080",
        "",
    ] {
        assert_eq!(Signature::from_der(&vector(other)), Err(GmError::Signature), "{other}");
    }
    let order = "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123";
    assert_eq!(Signature::from_der(&vector(&format!("3026 022100{order} 020101"))), Err(GmError::Signature), "r = n");
    assert!(Signature::from_bytes([0; 64]).to_der().is_err());
}

/// GB/T 32918.1-2016, section 4.2.9; RFC 8446, section 4.2.8.2: one form, and on the curve.
#[test]
fn points_that_are_none_are_refused() {
    let point = *standard_key().verifying_key().point();
    assert_eq!(VerifyingKey::from_point(&point).unwrap(), *standard_key().verifying_key());
    let refused = |bytes: &[u8]| {
        assert_eq!(VerifyingKey::from_point(bytes).err(), Some(GmError::PublicKey), "{bytes:02x?}");
        let agreed = AgreementKey::generate().unwrap().agree(bytes);
        assert_eq!(agreed.err(), Some(GmError::PublicKey), "{bytes:02x?}");
    };
    for bit in 0..65 * 8 {
        let mut changed = point;
        changed[bit / 8] ^= 1 << (bit % 8);
        refused(&changed);
    }
    refused(&[]);
    refused(&[0]);
    refused(&[0; 65]);
    refused(&[&[4], &[0; 64][..]].concat());
    refused(&[&[4], &[0xff; 64][..]].concat());
    refused(&point[..64]);
    refused(&point[1..]);
    refused(&[&point[..], &[0]].concat());
    // Compressed and hybrid forms of the same point.
    refused(&[&[2 + (point[64] & 1)], &point[1..33]].concat());
    refused(&[&[6 + (point[64] & 1)], &point[1..]].concat());
    // A point of another curve, the generator of P-256.
    refused(&vector(
        "046B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
           4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5",
    ));
}

#[test]
fn both_sides_agree_and_nobody_else() {
    let [one, other, third] = [(); 3].map(|()| AgreementKey::generate().unwrap());
    let (to_one, to_other) = (*one.point(), *other.point());
    assert_eq!(to_one[0], 4);
    let shared = one.agree(&to_other).unwrap();
    assert_eq!(shared, other.agree(&to_one).unwrap());
    assert_ne!(shared, third.agree(&to_one).unwrap());
    let shown = format!("{:?}", AgreementKey::generate().unwrap());
    assert_eq!(shown, "AgreementKey(secret)");
}

/// The x of \[d\]P for the keys of GB/T 32918.5-2017, appendix A.2, computed with plain integers in Python.
#[test]
fn agreement_has_a_known_answer() {
    let private = SecretKey::from_slice(&vector(PRIVATE)).unwrap();
    let peer = "6CB28D99385C175C94F94E934817663FC176D925DD72B727260DBAAE1FB2F96F";
    let peer = SecretKey::from_slice(&vector(peer)).unwrap();
    let (one, other) = (AgreementKey::of(private).unwrap(), AgreementKey::of(peer).unwrap());
    assert_eq!(one.point().as_slice(), vector(PUBLIC));
    let expected = vector("F62F37B21F61ACB446141F787FA055EF7C78D80B940D924B278C1DFE2CE71A56");
    assert_eq!(one.agree(other.point()).unwrap().as_slice(), expected);
}
