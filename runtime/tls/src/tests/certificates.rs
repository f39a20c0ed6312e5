//! Whose certificate is refused, by whom, and what the operator reads.

use std::sync::Arc;

use glovebox_gm::pki::{Authority, Kind, Revoked};
use rustls::server::WebPkiClientVerifier;
use rustls::{AlertDescription, Error};

use super::zone::*;
use crate::{Suites, explain};

/// Shakes hands, expects that the server refuses, and gives what its operator reads and the client's alert.
fn refused_by_server(zone: &Zone) -> (String, AlertDescription) {
    refused_in(zone.pair())
}

fn refused_in(mut pair: Pair) -> (String, AlertDescription) {
    let fault = pair.shake().unwrap_err();
    let Fault::Server(error) = fault else { panic!("expected the server to refuse, got {fault:?}") };
    let alert = written(&mut pair.server);
    match pair.give_client(&alert) {
        Err(Fault::Client(Error::AlertReceived(alert))) => (explain(&error), alert),
        other => panic!("expected an alert at the client, got {other:?}"),
    }
}

fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "expected `{part}` in: {text}");
    }
}

#[test]
fn a_revoked_client_is_refused() {
    for suites in Suites::ALL {
        let mut zone = Zone::new(suites);
        let revoked = Revoked { serial_hex: zone.client.serial_hex.clone(), at_unix_ms: now_ms() };
        zone.crl_pem = zone.authority.crl(&[revoked], 2, now_ms() - DAY_MS, now_ms() + DAY_MS).unwrap();
        let (text, alert) = refused_by_server(&zone);
        assert_says(&text, &["revoked", "new one"]);
        assert_eq!(alert, AlertDescription::CertificateRevoked);
    }
}

#[test]
fn a_list_past_its_end_lets_nobody_in() {
    for suites in Suites::ALL {
        let mut zone = Zone::new(suites);
        zone.crl_pem = zone.authority.crl(&[], 2, now_ms() - 3 * DAY_MS, now_ms() - DAY_MS).unwrap();
        let (text, alert) = refused_by_server(&zone);
        assert_says(&text, &["revocation list", "passed at 20", "newer one"]);
        assert_eq!(alert, AlertDescription::UnknownCA);
    }
}

#[test]
fn a_list_of_another_authority_lets_nobody_in() {
    for suites in Suites::ALL {
        let mut zone = Zone::new(suites);
        // Same name, other key: the list is found by name, and its signature must then fail.
        let forger = Authority::create(algorithm(suites), "Zone", now_ms() - DAY_MS, 365).unwrap();
        zone.crl_pem = forger.crl(&[], 9, now_ms() - DAY_MS, now_ms() + DAY_MS).unwrap();
        assert_says(&refused_by_server(&zone).0, &["revocation list is not signed by the authority"]);
        let stranger = Authority::create(algorithm(suites), "Elsewhere", now_ms() - DAY_MS, 365).unwrap();
        zone.crl_pem = stranger.crl(&[], 9, now_ms() - DAY_MS, now_ms() + DAY_MS).unwrap();
        assert_says(&refused_by_server(&zone).0, &["no revocation list covers"]);
    }
}

#[test]
fn expired_and_early_clients_are_refused() {
    for suites in Suites::ALL {
        let mut zone = Zone::new(suites);
        zone.client = issue(&zone.authority, Kind::Client, -10, 5);
        let (text, alert) = refused_by_server(&zone);
        assert_says(&text, &["expired at 20", "now 20"]);
        assert_eq!(alert, AlertDescription::CertificateExpired);
        zone.client = issue(&zone.authority, Kind::Client, 5, 5);
        assert_says(&refused_by_server(&zone).0, &["not valid before 20", "clock"]);
    }
}

#[test]
fn clients_of_another_authority_are_refused() {
    for suites in Suites::ALL {
        let mut zone = Zone::new(suites);
        let stranger = Authority::create(algorithm(suites), "Elsewhere", now_ms() - DAY_MS, 365).unwrap();
        zone.client = issue(&stranger, Kind::Client, 0, 30);
        let (text, alert) = refused_by_server(&zone);
        assert_says(&text, &["no authority that is trusted", "one zone"]);
        assert_eq!(alert, AlertDescription::UnknownCA);
        let forger = Authority::create(algorithm(suites), "Zone", now_ms() - DAY_MS, 365).unwrap();
        zone.client = issue(&forger, Kind::Client, 0, 30);
        refused_by_server(&zone);
    }
}

#[test]
fn a_server_certificate_is_no_client_certificate() {
    for suites in Suites::ALL {
        let mut zone = Zone::new(suites);
        zone.client = issue(&zone.authority, Kind::Server { names: vec!["enclave.test".into()] }, 0, 30);
        assert_says(&refused_by_server(&zone).0, &["another purpose"]);
    }
}

#[test]
fn a_client_without_certificate_is_refused() {
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        let config = rustls::ClientConfig::builder_with_provider(crate::provider(suites))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(zone.authorities().roots())
            .with_no_client_auth();
        let (text, alert) = refused_in(Pair::new(config, zone.server_config()));
        assert_says(&text, &["no certificate", "this zone's authority"]);
        assert_eq!(alert, AlertDescription::CertificateRequired);
    }
}

/// The client's signature is sm2sig_sm3 or ecdsa_secp256r1_sha256; the certificate is of the other kind.
#[test]
fn a_certificate_of_the_other_kind_is_refused_though_the_handshake_is_signed() {
    for (suites, other, named) in
        [(Suites::Gm, Suites::Standard, "ECDSA with SHA-256"), (Suites::Standard, Suites::Gm, "SM2 with SM3")]
    {
        let zone = Zone::new(suites);
        let mut certified = (*credentials(&zone.client).certified()).clone();
        // Of an authority with the same name, so that it is the signature that is looked at.
        let forger = Authority::create(algorithm(other), "Zone", now_ms() - DAY_MS, 365).unwrap();
        certified.cert = vec![der(&issue(&forger, Kind::Client, 0, 30).cert_pem)];
        let config = zone.client_signing(|_| (), Arc::new(certified));
        let (text, alert) = refused_in(Pair::new(config, zone.server_config()));
        assert_says(&text, &[named, "SM2 certificates go with RFC 8998"]);
        assert!(matches!(alert, AlertDescription::DecryptError | AlertDescription::BadCertificate), "{alert:?}");
    }
}

#[test]
fn a_client_that_can_not_sign_as_asked_says_so_and_is_refused() {
    for (suites, other) in [(Suites::Gm, Suites::Standard), (Suites::Standard, Suites::Gm)] {
        let (zone, stranger) = (Zone::new(suites), Zone::new(other));
        let config = zone.client_signing(|_| (), credentials(&stranger.client).certified());
        let (text, alert) = refused_in(Pair::new(config, zone.server_config()));
        assert_says(&text, &["no certificate"]);
        assert_eq!(alert, AlertDescription::CertificateRequired);
    }
}

#[test]
fn servers_of_other_zones_and_names_are_refused() {
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        let refused = |server: rustls::ServerConfig| {
            let fault = Pair::new(zone.client_config(), server).shake().unwrap_err();
            let Fault::Client(error) = fault else { panic!("expected the client to refuse, got {fault:?}") };
            explain(&error)
        };
        let stranger = Authority::create(algorithm(suites), "Elsewhere", now_ms() - DAY_MS, 365).unwrap();
        let names = |name: &str| Kind::Server { names: vec![name.into()] };
        let serve = |issued| crate::server_config(&credentials(&issued), zone.verifier()).unwrap();
        assert_says(&refused(serve(issue(&stranger, names("enclave.test"), 0, 30))), &["no authority that is trusted"]);
        assert_says(
            &refused(serve(issue(&zone.authority, names("other.test"), 0, 30))),
            &["not for the name", "called was enclave.test, it has other.test"],
        );
        assert_says(&refused(serve(issue(&zone.authority, names("enclave.test"), -10, 5))), &["expired at"]);
        assert_says(&refused(serve(issue(&zone.authority, Kind::Client, 0, 30))), &["another purpose"]);
    }
}

/// What stands in config.rs about resumed connections: the verifier of today refuses who came in yesterday.
#[test]
fn the_verifier_checks_a_stored_chain_again() {
    for suites in Suites::ALL {
        let mut zone = Zone::new(suites);
        let mut pair = zone.pair();
        pair.shake().unwrap();
        let chain = pair.server.peer_certificates().unwrap();
        let check = |zone: &Zone| {
            zone.verifier().verify_client_cert(&chain[0], &chain[1..], rustls_pki_types::UnixTime::now()).map(|_| ())
        };
        assert_eq!(check(&zone), Ok(()));
        let revoked = Revoked { serial_hex: zone.client.serial_hex.clone(), at_unix_ms: now_ms() };
        zone.crl_pem = zone.authority.crl(&[revoked], 2, now_ms() - DAY_MS, now_ms() + DAY_MS).unwrap();
        assert_eq!(check(&zone), Err(Error::InvalidCertificate(rustls::CertificateError::Revoked)));
    }
}

#[test]
fn a_verifier_of_the_other_kind_makes_no_server() {
    for (suites, other) in [(Suites::Gm, Suites::Standard), (Suites::Standard, Suites::Gm)] {
        let (zone, stranger) = (Zone::new(suites), Zone::new(other));
        let fault = crate::server_config(&credentials(&zone.server), stranger.verifier()).unwrap_err();
        assert_says(&fault.to_string(), &["different kinds", suites.as_str()]);
        let fault = crate::client_config(&credentials(&zone.client), &stranger.authorities()).unwrap_err();
        assert_says(&fault.to_string(), &["different kinds", suites.as_str()]);
        assert!(crate::client_verifier(suites, &stranger.authorities(), &stranger.crl_pem).is_err());
        let nobody: Arc<dyn rustls::server::danger::ClientCertVerifier> = WebPkiClientVerifier::no_client_auth();
        let fault = crate::server_config(&credentials(&zone.server), nobody).unwrap_err();
        assert_says(&fault.to_string(), &["every client"]);
    }
}
