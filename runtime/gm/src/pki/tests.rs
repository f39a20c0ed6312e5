//! What is certified, what is refused, and what is read back.

use const_oid::ObjectIdentifier;
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use sm2::dsa::signature::{Signer as _, Verifier as _};
use x509_cert::Certificate;
use x509_cert::builder::{Builder as _, CertificateBuilder};
use x509_cert::crl::CertificateList;
use x509_cert::der::asn1::{Any, BitString};
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{Decode as _, Encode as _, EncodePem as _, Tag};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CrlNumber, ExtendedKeyUsage, KeyUsage, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::private_key::{DerSignature, Signer};
use super::*;
use crate::GmError;

const DAY_MS: i64 = 86_400_000;
/// 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;

fn authority() -> Authority {
    authority_of(Algorithm::Sm2)
}

fn authority_of(algorithm: Algorithm) -> Authority {
    Authority::create(algorithm, "Zone 深圳", START_MS, 3650).unwrap()
}

fn request() -> Request {
    Request {
        common_name: "lin.wei".into(),
        organisation: "hospital-a".into(),
        roles: vec!["supplier".into(), "reviewer".into()],
        kind: Kind::Client,
        valid_from_unix_ms: START_MS + 500,
        days: 30,
    }
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

#[test]
fn the_subject_is_read_back() {
    for algorithm in Algorithm::ALL {
        let issued = authority_of(algorithm).issue(&request()).unwrap();
        let der = der(&issued.cert_pem);
        let expected = Identity {
            common_name: "lin.wei".into(),
            organisation: "hospital-a".into(),
            roles: vec!["supplier".into(), "reviewer".into()],
            serial_hex: issued.serial_hex.clone(),
            fingerprint: crate::sm3(&der),
            not_after_unix_ms: START_MS + 30 * DAY_MS,
        };
        assert_eq!(Identity::from_der(&der), Ok(expected));
        assert_eq!(issued.not_after_unix_ms, START_MS + 30 * DAY_MS);
        assert_eq!(issued.serial_hex.len(), 32);
    }
}

#[test]
fn a_subject_without_roles_has_none() {
    let issued = authority().issue(&Request { roles: vec![], ..request() }).unwrap();
    assert_eq!(Identity::from_der(&der(&issued.cert_pem)).unwrap().roles, Vec::<String>::new());
}

#[test]
fn serial_numbers_and_keys_are_fresh() {
    let authority = authority();
    let (one, other) = (authority.issue(&request()).unwrap(), authority.issue(&request()).unwrap());
    assert_ne!(one.serial_hex, other.serial_hex);
    assert_ne!(one.key_pem.expose(), other.key_pem.expose());
}

#[test]
fn what_can_not_be_certified_is_refused() {
    let authority = authority();
    let refused = |change: &dyn Fn(&mut Request)| {
        let mut request = request();
        change(&mut request);
        assert!(matches!(authority.issue(&request), Err(GmError::Certificate { .. })), "{request:?}");
    };
    refused(&|r| r.common_name = String::new());
    refused(&|r| r.common_name = "x".repeat(65));
    refused(&|r| r.organisation = "a\nb".into());
    refused(&|r| r.roles = vec!["supplier,operator".into()]);
    refused(&|r| r.roles = vec![String::new()]);
    refused(&|r| r.days = 0);
    refused(&|r| r.days = 4000);
    refused(&|r| r.days = u32::MAX);
    refused(&|r| r.valid_from_unix_ms = -1);
    refused(&|r| r.valid_from_unix_ms = i64::MAX);
    refused(&|r| r.kind = Kind::Server { names: vec![] });
    assert!(authority.issue(&Request { kind: Kind::Server { names: vec!["ä b".into()] }, ..request() }).is_err());
}

#[test]
fn an_authority_is_taken_up_again_with_its_own_key_only() {
    let (one, other) = (authority(), authority());
    let again = Authority::from_pem(one.cert_pem(), one.key_pem().expose()).unwrap();
    assert_eq!(again.cert_pem(), one.cert_pem());
    assert_eq!(again.key_pem().expose(), one.key_pem().expose());
    assert!(again.issue(&Request { days: 4000, ..request() }).is_err());
    let fault = |cert: &str, key: &str| matches!(Authority::from_pem(cert, key), Err(GmError::Certificate { .. }));
    assert!(fault(one.cert_pem(), other.key_pem().expose()));
    let client = one.issue(&request()).unwrap();
    assert!(fault(&client.cert_pem, client.key_pem.expose()));
    assert!(fault("", one.key_pem().expose()));
    assert!(matches!(Authority::from_pem(one.cert_pem(), ""), Err(GmError::KeyFile { .. })));
}

#[test]
fn revocation_lists_name_serials_and_times() {
    for algorithm in Algorithm::ALL {
        let authority = authority_of(algorithm);
        let issued = authority.issue(&request()).unwrap();
        let revoked = Revoked { serial_hex: issued.serial_hex.clone(), at_unix_ms: START_MS + DAY_MS };
        let list = list(&authority.crl(&[revoked], 7, START_MS + DAY_MS, START_MS + 2 * DAY_MS).unwrap());
        let list = list.tbs_cert_list;
        assert_eq!(list.next_update.unwrap().to_unix_duration().as_secs() as i64, (START_MS + 2 * DAY_MS) / 1000);
        let [revoked] = &list.revoked_certificates.unwrap()[..] else { panic!("expected one serial number") };
        assert_eq!(crate::hex::encode(revoked.serial_number.as_bytes()), issued.serial_hex);
        assert_eq!(revoked.revocation_date.to_unix_duration().as_secs() as i64, (START_MS + DAY_MS) / 1000);
        let [key_id, number] = &list.crl_extensions.unwrap()[..] else { panic!("expected two extensions") };
        assert_eq!(CrlNumber::from_der(number.extn_value.as_bytes()).unwrap(), CrlNumber::try_from(7_u64).unwrap());
        let key_id = AuthorityKeyIdentifier::from_der(key_id.extn_value.as_bytes()).unwrap();
        let root = identity::parse_pem(authority.cert_pem()).unwrap();
        let root_id = root.tbs_certificate().get_extension::<SubjectKeyIdentifier>().unwrap().unwrap().1;
        assert_eq!(key_id.key_identifier, Some(root_id.0));
    }
}

#[test]
fn a_list_of_nothing_has_no_empty_sequence() {
    let empty = list(&authority().crl(&[], 8, START_MS, START_MS + 1000).unwrap());
    assert_eq!(empty.tbs_cert_list.revoked_certificates, None, "RFC 5280, section 5.1.2.6");
}

#[test]
fn lists_that_can_not_hold_are_refused() {
    let authority = authority();
    assert!(authority.crl(&[], 8, START_MS, START_MS).is_err());
    assert!(authority.crl(&[], 8, START_MS, START_MS + 999).is_err(), "lists know whole seconds alone");
    assert!(authority.crl(&[], 8, -1, START_MS).is_err());
    let odd = Revoked { serial_hex: "7".into(), at_unix_ms: START_MS };
    assert!(authority.crl(&[odd], 8, START_MS, START_MS + 1000).is_err());
}

/// Every extension that a verifier asks for (RFC 5280, section 4.2; the usages of RFC 8446, section 4.4.2).
#[test]
fn certificates_say_what_they_are_for() {
    for algorithm in Algorithm::ALL {
        let authority = authority_of(algorithm);
        let root = identity::parse_pem(authority.cert_pem()).unwrap();
        let root = root.tbs_certificate();
        let (critical, usage) = root.get_extension::<KeyUsage>().unwrap().unwrap();
        assert!(critical && usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
        let constraints = BasicConstraints { ca: true, path_len_constraint: Some(0) };
        assert_eq!(root.get_extension().unwrap(), Some((true, constraints)));
        let (_, root_id) = root.get_extension::<SubjectKeyIdentifier>().unwrap().unwrap();

        let server = Kind::Server { names: vec!["enclave.test".into(), "*.test".into(), "::1".into()] };
        for (kind, purpose) in [(Kind::Client, "1.3.6.1.5.5.7.3.2"), (server, "1.3.6.1.5.5.7.3.1")] {
            let issued = authority.issue(&Request { kind: kind.clone(), ..request() }).unwrap();
            let leaf = identity::parse_pem(&issued.cert_pem).unwrap();
            let leaf = leaf.tbs_certificate();
            let (critical, usage) = leaf.get_extension::<KeyUsage>().unwrap().unwrap();
            assert!(critical && usage.digital_signature() && !usage.key_cert_sign());
            let purpose = ExtendedKeyUsage(vec![ObjectIdentifier::new_unwrap(purpose)]);
            assert_eq!(leaf.get_extension().unwrap(), Some((false, purpose)));
            let constraints = BasicConstraints { ca: false, path_len_constraint: None };
            assert_eq!(leaf.get_extension().unwrap(), Some((true, constraints)));
            let (_, issuer_id) = leaf.get_extension::<AuthorityKeyIdentifier>().unwrap().unwrap();
            assert_eq!(issuer_id.key_identifier.as_ref(), Some(&root_id.0));
            let names =
                leaf.get_extension::<SubjectAltName>().unwrap().map(|(critical, names)| (critical, names.0.len()));
            assert_eq!(names, (kind != Kind::Client).then_some((false, 3)));
        }
    }
}

#[test]
fn the_algorithm_is_read_from_key_and_certificate() {
    for algorithm in Algorithm::ALL {
        let authority = authority_of(algorithm);
        assert_eq!(authority.algorithm(), algorithm);
        let issued = authority.issue(&request()).unwrap();
        assert_eq!(Algorithm::of_certificate(&der(&issued.cert_pem)), Ok(algorithm));
        let again = Authority::from_pem(authority.cert_pem(), authority.key_pem().expose()).unwrap();
        assert_eq!(again.algorithm(), algorithm);
        let key = PrivateKey::from_pkcs8_der(&crate::key_file::read(issued.key_pem.expose(), None).unwrap()).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        let certificate = identity::parse_pem(&issued.cert_pem).unwrap();
        let certified = certificate.tbs_certificate().subject_public_key_info().to_der().unwrap();
        assert_eq!(key.public_key_der().unwrap(), certified);
    }
    assert!(Algorithm::of_certificate(b"").is_err());
}

/// The signatures are over the bytes to be signed, under the default identifier alone (RFC 8998, section 3.2.1).
#[test]
fn sm2_certificates_and_lists_verify_under_the_default_id() {
    let authority = authority();
    let root = identity::parse_pem(authority.cert_pem()).unwrap();
    let public = root.tbs_certificate().subject_public_key_info().to_der().unwrap();
    let public = sm2::PublicKey::from_public_key_der(&public).unwrap();
    let issued = authority.issue(&request()).unwrap();
    let leaf = identity::parse_pem(&issued.cert_pem).unwrap();
    let list = list(&authority.crl(&[], 1, START_MS, START_MS + DAY_MS).unwrap());
    for (signed, signature, algorithm) in [
        (root.tbs_certificate().to_der().unwrap(), root.signature(), root.signature_algorithm()),
        (leaf.tbs_certificate().to_der().unwrap(), leaf.signature(), leaf.signature_algorithm()),
        (list.tbs_cert_list.to_der().unwrap(), &list.signature, &list.signature_algorithm),
    ] {
        assert_eq!((algorithm.oid.to_string().as_str(), &algorithm.parameters), ("1.2.156.10197.1.501", &None));
        let signature = sm2::dsa::Signature::from_der(signature.raw_bytes()).unwrap();
        let verifies = |id: &str| sm2::dsa::VerifyingKey::new(id, public).unwrap().verify(&signed, &signature).is_ok();
        assert!(verifies("1234567812345678"));
        assert!(!verifies("TLSv1.3+GM+Cipher+Suite") && !verifies(""));
    }
}

#[test]
fn an_authority_does_not_take_the_key_of_the_other_algorithm() {
    let (sm2, p256) = (authority_of(Algorithm::Sm2), authority_of(Algorithm::P256));
    assert!(Authority::from_pem(sm2.cert_pem(), p256.key_pem().expose()).is_err());
    assert!(Authority::from_pem(p256.cert_pem(), sm2.key_pem().expose()).is_err());
}

/// A root over this key, signed with `signer`.
fn root_over(public: SubjectPublicKeyInfoOwned, signer: &PrivateKey) -> Certificate {
    let name = certificate::root_name("Zone").unwrap();
    let extensions = certificate::root_extensions(&name, &certificate::key_id(&public).unwrap()).unwrap();
    let profile = certificate::Profile { issuer: name.clone(), subject: name, extensions };
    let (_, serial) = certificate::random_serial().unwrap();
    let (validity, _) = certificate::validity(START_MS, 30).unwrap();
    let builder = CertificateBuilder::new(profile, serial, validity, public).unwrap();
    builder.build::<_, DerSignature>(&Signer(signer)).unwrap()
}

fn public_of(key: &PrivateKey) -> SubjectPublicKeyInfoOwned {
    SubjectPublicKeyInfoOwned::from_der(&key.public_key_der().unwrap()).unwrap()
}

#[test]
fn keys_that_are_none_are_refused_by_name() {
    for algorithm in Algorithm::ALL {
        let key = PrivateKey::generate(algorithm).unwrap();
        let refusal = |change: &dyn Fn(&mut SubjectPublicKeyInfoOwned)| {
            let mut public = public_of(&key);
            change(&mut public);
            match Algorithm::of_certificate(&root_over(public, &key).to_der().unwrap()) {
                Err(GmError::Certificate { what }) => what,
                other => panic!("expected a refused certificate, got {other:?}"),
            }
        };
        let point = |public: &SubjectPublicKeyInfoOwned| public.subject_public_key.raw_bytes().to_vec();
        let set = |public: &mut SubjectPublicKeyInfoOwned, point: &[u8]| {
            public.subject_public_key = BitString::from_bytes(point).unwrap();
        };
        let neither = "expected a key on the curve of SM2 or on P-256";
        // secp256k1, no curve, RSA.
        let oid = |oid: &str| Some(Any::encode_from(&ObjectIdentifier::new_unwrap(oid)).unwrap());
        assert_eq!(refusal(&|public| public.algorithm.parameters = oid("1.3.132.0.10")), neither);
        assert_eq!(refusal(&|public| public.algorithm.parameters = None), neither);
        assert_eq!(refusal(&|public| public.algorithm.parameters = Some(Any::null())), neither);
        let rsa = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
        assert_eq!(refusal(&|public| public.algorithm.oid = rsa), neither);
        let no_point = "its key is no point of the curve that it names";
        for byte in [1, 32, 33, 64] {
            let off_curve = |public: &mut SubjectPublicKeyInfoOwned| {
                let mut point = point(public);
                point[byte] ^= 1;
                set(public, &point);
            };
            assert_eq!(refusal(&off_curve), no_point, "byte {byte}");
        }
        // A point of the other curve, one that is cut, one with more after it, and a coordinate beyond the field.
        let other = Algorithm::ALL.into_iter().find(|other| *other != algorithm).unwrap();
        let other = point(&public_of(&PrivateKey::generate(other).unwrap()));
        assert_eq!(refusal(&|public| set(public, &other)), no_point);
        assert_eq!(refusal(&|public| set(public, &point(public)[..64])), no_point);
        assert_eq!(refusal(&|public| set(public, &[&point(public)[..], &[0]].concat())), no_point);
        assert_eq!(refusal(&|public| set(public, &[&[4][..], &[0xff; 64]].concat())), no_point);
        assert_eq!(refusal(&|public| set(public, &[&[4][..], &[0; 64]].concat())), no_point);
        let uncompressed = "expected its key as an uncompressed point";
        assert_eq!(refusal(&|public| set(public, &[0])), uncompressed, "the point at infinity");
        assert_eq!(refusal(&|public| set(public, &[])), uncompressed);
        assert_eq!(refusal(&|public| set(public, &[&[2][..], &point(public)[1..33]].concat())), uncompressed);
    }
}

#[test]
fn roots_that_they_did_not_sign_are_not_taken_up() {
    let taken_up = |root: &Certificate, key: &PrivateKey| {
        Authority::from_pem(&root.to_pem(LineEnding::LF).unwrap(), key.to_pem().unwrap().expose())
    };
    for algorithm in Algorithm::ALL {
        let (key, stranger) = (PrivateKey::generate(algorithm).unwrap(), PrivateKey::generate(algorithm).unwrap());
        assert!(taken_up(&root_over(public_of(&key), &key), &key).is_ok());
        let forged = taken_up(&root_over(public_of(&key), &stranger), &key).err().unwrap().to_string();
        assert!(forged.contains("does not verify"), "{forged}");
        let other = Algorithm::ALL.into_iter().find(|other| *other != algorithm).unwrap();
        let mixed = root_over(public_of(&key), &PrivateKey::generate(other).unwrap());
        assert!(taken_up(&mixed, &key).err().unwrap().to_string().contains("another algorithm"));
    }
}

/// Signed by the right key, but as the handshake signs and not as certificates are (RFC 8998, section 3.2.1).
#[test]
fn a_root_under_another_identifier_is_not_taken_up() {
    let key = PrivateKey::generate(Algorithm::Sm2).unwrap();
    let root = root_over(public_of(&key), &key);
    let secret = sm2::SecretKey::from_pkcs8_der(&key.to_pkcs8_der().unwrap()).unwrap();
    let message = root.tbs_certificate().to_der().unwrap();
    let pem_under = |id: &str| {
        let signer = sm2::dsa::SigningKey::new(id, &secret).unwrap();
        let signature: sm2::dsa::Signature = signer.sign(&message);
        let signature = BitString::from_bytes(signature.to_der().as_bytes()).unwrap().to_der().unwrap();
        let content = [&message[..], &root.signature_algorithm().to_der().unwrap(), &signature].concat();
        let der = Any::new(Tag::Sequence, content).unwrap().to_der().unwrap();
        der::pem::encode_string("CERTIFICATE", LineEnding::LF, &der).unwrap()
    };
    let taken_up = |id: &str| Authority::from_pem(&pem_under(id), key.to_pem().unwrap().expose());
    assert!(taken_up("1234567812345678").is_ok());
    for id in ["TLSv1.3+GM+Cipher+Suite", "", "1234567812345679"] {
        let refused = taken_up(id).err().unwrap().to_string();
        assert!(refused.contains("another identifier than the default"), "{refused}");
    }
}

#[test]
fn two_names_in_a_subject_are_refused() {
    assert!(Identity::from_der(&issued_to("CN=lin.wei,O=hospital-a")).is_ok());
    assert!(Identity::from_der(&issued_to("CN=lin.wei")).is_err());
    assert!(Identity::from_der(&issued_to("O=hospital-a")).is_err());
    assert!(Identity::from_der(&issued_to("CN=lin.wei,O=hospital-a,CN=operator-b")).is_err());
    assert!(Identity::from_der(&issued_to("CN=lin.wei,O=hospital-a,O=operator-b")).is_err());
    // Two in one RDN are two all the same.
    assert!(Identity::from_der(&issued_to("CN=lin.wei+CN=operator-b,O=hospital-a")).is_err());
    let units = issued_to("CN=lin.wei,O=hospital-a,OU=supplier,OU=reviewer");
    let mut roles = Identity::from_der(&units).unwrap().roles;
    roles.sort();
    assert_eq!(roles, ["reviewer", "supplier"], "an OU a role is read too");
}

/// A certificate of another authority's making.
fn issued_to(subject: &str) -> Vec<u8> {
    let key = PrivateKey::generate(Algorithm::P256).unwrap();
    let public = SubjectPublicKeyInfoOwned::from_der(&key.public_key_der().unwrap()).unwrap();
    let name: Name = subject.parse().unwrap();
    let profile = certificate::Profile { issuer: name.clone(), subject: name, extensions: vec![] };
    let (_, serial) = certificate::random_serial().unwrap();
    let (validity, _) = certificate::validity(START_MS, 1).unwrap();
    let builder = CertificateBuilder::new(profile, serial, validity, public).unwrap();
    builder.build::<_, DerSignature>(&Signer(&key)).unwrap().to_der().unwrap()
}

#[test]
fn broken_certificates_are_refused_not_panicked_on() {
    for algorithm in Algorithm::ALL {
        let good = der(&authority_of(algorithm).issue(&request()).unwrap().cert_pem);
        for length in 0..good.len() {
            assert!(Identity::from_der(&good[..length]).is_err(), "{length}");
        }
        assert!(Identity::from_der(&[&good[..], &[0]].concat()).is_err());
        for byte in 0..good.len() {
            let mut changed = good.to_vec();
            changed[byte] ^= 0x81;
            // What it then says is for the signature to refuse; reading it must not panic.
            let _ = (Identity::from_der(&changed), Algorithm::of_certificate(&changed));
        }
    }
}

fn list(pem: &str) -> CertificateList {
    CertificateList::from_der(&CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap()
}

#[test]
fn debug_shows_no_private_key() {
    let authority = authority();
    let issued = authority.issue(&request()).unwrap();
    let shown = format!("{authority:?} {issued:?}");
    assert!(!shown.contains("PRIVATE KEY"));
    assert!(shown.contains("SecretPem(secret)"));
}
