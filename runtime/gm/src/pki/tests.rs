//! What is certified, what is refused, and what is read back.

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::*;
use crate::GmError;

const DAY_MS: i64 = 86_400_000;
/// 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;

fn authority() -> Authority {
    Authority::create(Algorithm::P256, "Zone 深圳", START_MS, 3650).unwrap()
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
    let issued = authority().issue(&request()).unwrap();
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
    assert!(fault(one.cert_pem(), ""));
}

#[test]
fn revocation_lists_name_serials_and_times() {
    let authority = authority();
    let issued = authority.issue(&request()).unwrap();
    let revoked = Revoked { serial_hex: issued.serial_hex.clone(), at_unix_ms: START_MS + DAY_MS };
    let pem = authority.crl(&[revoked], 7, START_MS + DAY_MS, START_MS + 2 * DAY_MS).unwrap();
    let der = rustls_pki_types::CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap();
    let (_, list) = x509_parser::parse_x509_crl(&der).unwrap();
    assert_eq!(list.crl_number().map(|number| number.to_string()), Some("7".into()));
    assert_eq!(list.next_update().unwrap().timestamp(), (START_MS + 2 * DAY_MS) / 1000);
    let serials: Vec<_> = list.iter_revoked_certificates().map(|r| crate::hex::encode(r.raw_serial())).collect();
    assert_eq!(serials, [issued.serial_hex]);
    assert!(authority.crl(&[], 8, START_MS, START_MS).is_err());
    let odd = Revoked { serial_hex: "7".into(), at_unix_ms: START_MS };
    assert!(authority.crl(&[odd], 8, START_MS, START_MS + 1000).is_err());
}

#[test]
fn two_names_in_a_subject_are_refused() {
    let issue = |extra: &[(DnType, &str)]| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "lin.wei");
        for (kind, value) in extra {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    };
    let organisation = (DnType::OrganizationName, "hospital-a");
    let second = |id: u64| (DnType::CustomDnType(vec![2, 5, 4, id]), "operator-b");
    assert!(Identity::from_der(&issue(std::slice::from_ref(&organisation))).is_ok());
    assert!(Identity::from_der(&issue(&[])).is_err());
    assert!(Identity::from_der(&issue(&[organisation.clone(), second(3)])).is_err());
    assert!(Identity::from_der(&issue(&[organisation.clone(), second(10)])).is_err());
    let units = issue(&[organisation, (DnType::OrganizationalUnitName, "supplier"), second(11)]);
    assert_eq!(Identity::from_der(&units).unwrap().roles, ["supplier", "operator-b"], "an OU a role is read too");
}

#[test]
fn broken_certificates_are_refused_not_panicked_on() {
    let mut params = CertificateParams::default();
    params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 2, 3], vec![0xff; 8]));
    let odd = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    assert!(Identity::from_der(odd.der()).is_err());
    let good = der(&authority().issue(&request()).unwrap().cert_pem);
    for length in 0..good.len() {
        assert!(Identity::from_der(&good[..length]).is_err(), "{length}");
    }
    assert!(Identity::from_der(&[&good[..], &[0]].concat()).is_err());
}

#[test]
fn debug_shows_no_private_key() {
    let authority = authority();
    let issued = authority.issue(&request()).unwrap();
    let shown = format!("{authority:?} {issued:?}");
    assert!(!shown.contains("PRIVATE KEY"));
    assert!(shown.contains("SecretPem(secret)"));
}
