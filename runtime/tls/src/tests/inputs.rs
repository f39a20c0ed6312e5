//! Keys, certificates and lists that make no configuration, and what is said of them.

use glovebox_gm::pki::Kind;

use super::zone::*;
use crate::{Authorities, Credentials, Suites, TlsError, client_verifier};

#[test]
fn certificate_and_key_belong_together() {
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        let read = |cert: &str, key: &str| Credentials::from_pem(cert, key, None);
        let (cert, key) = (&zone.client.cert_pem, zone.client.key_pem.expose());
        assert_eq!(read(cert, key).unwrap().suites(), suites);
        assert!(matches!(read(cert, zone.server.key_pem.expose()), Err(TlsError::KeyOfAnother)));
        let other = Zone::new(if suites == Suites::Gm { Suites::Standard } else { Suites::Gm });
        assert!(matches!(read(cert, other.client.key_pem.expose()), Err(TlsError::KeyOfAnother)), "{suites}");
        assert!(matches!(read(key, cert), Err(TlsError::Pem { expected: "a certificate" })));
        assert!(matches!(read("", key), Err(TlsError::Pem { .. })));
        assert!(matches!(read(cert, ""), Err(TlsError::Key(_))));
        assert!(matches!(read(cert, &key[..key.len() / 2]), Err(TlsError::Key(_))));
    }
}

#[test]
fn an_authority_of_the_other_kind_is_refused_by_name() {
    let (gm, standard) = (Zone::new(Suites::Gm), Zone::new(Suites::Standard));
    let text = |zone: &Zone, suites| Authorities::from_pem(zone.authority.cert_pem(), suites).unwrap_err().to_string();
    assert_eq!(
        text(&standard, Suites::Gm),
        "the authority `CN=Zone` has no SM2 key, but gm suites need an SM2 one; give the authority of these suites"
    );
    assert_eq!(
        text(&gm, Suites::Standard),
        "the authority `CN=Zone` has an SM2 key, but standard suites need a P-256 one; give the authority of these \
         suites"
    );
    let both = format!("{}{}", gm.authority.cert_pem(), standard.authority.cert_pem());
    for suites in Suites::ALL {
        assert!(matches!(Authorities::from_pem(&both, suites), Err(TlsError::AuthorityKind { .. })));
        assert!(matches!(Authorities::from_pem("", suites), Err(TlsError::Pem { .. })));
    }
}

#[test]
fn a_verifier_needs_a_list_of_its_kind() {
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        let verifier = |pem: &str| client_verifier(suites, &zone.authorities(), pem).map(|_| ());
        verifier(&zone.crl_pem).unwrap();
        assert!(matches!(verifier(""), Err(TlsError::Pem { .. })));
        assert!(matches!(verifier(zone.authority.cert_pem()), Err(TlsError::Pem { .. })));
        let other = Zone::new(if suites == Suites::Gm { Suites::Standard } else { Suites::Gm });
        let text = verifier(&other.crl_pem).unwrap_err().to_string();
        assert!(text.contains("revocation list") && text.contains("CN=Zone"), "{text}");
        let broken = zone.crl_pem.replacen("MI", "NI", 1);
        assert!(matches!(verifier(&broken), Err(TlsError::Unfit { .. } | TlsError::Pem { .. })));
    }
}

#[test]
fn every_cut_or_changed_certificate_is_refused_not_panicked_on() {
    use base64_of as pem;
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        let good = der(&zone.client.cert_pem);
        let key = zone.client.key_pem.expose();
        for length in 0..good.len() {
            assert!(Credentials::from_pem(&pem(&good[..length]), key, None).is_err(), "{length}");
        }
        assert!(Credentials::from_pem(&pem(&[&good[..], &[0]].concat()), key, None).is_err(), "trailing byte");
        assert!(Credentials::from_pem(&pem(&good), key, None).is_ok());
        for at in 0..good.len() {
            let mut changed = good.to_vec();
            changed[at] ^= 0x55;
            // Some changes leave a certificate for the same key; its signature is for the peer to check.
            let _ = Credentials::from_pem(&pem(&changed), key, None);
            let _ = Authorities::from_pem(&pem(&changed), suites);
        }
    }
}

#[test]
fn nothing_secret_is_shown() {
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        let issued = issue(&zone.authority, Kind::Client, 0, 1);
        let shown = format!("{:?}", credentials(&issued));
        assert_eq!(shown, format!("Credentials {{ suites: {suites:?}, .. }}"));
    }
}

fn base64_of(der: &[u8]) -> String {
    x509_cert::der::pem::encode_string("CERTIFICATE", x509_cert::der::pem::LineEnding::LF, der).unwrap()
}
