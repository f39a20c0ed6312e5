//! What a hello asks for, and that the two kinds never mix.

use std::sync::Arc;

use rustls::crypto::ring::{cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::server::Acceptor;
use rustls::{ClientConfig, ClientConnection, Error, PeerIncompatible, RootCertStore, SupportedCipherSuite};
use rustls_pki_types::ServerName;

use super::zone::*;
use crate::{Suites, explain, negotiated, provider};

/// Three times nothing, the national value, the standard one, or both.
const OFFERS: [(bool, bool); 3] = [(true, false), (false, true), (true, true)];

fn mixed<T: Clone>((gm, standard): (bool, bool), ours: &[T], theirs: &[T]) -> Vec<T> {
    let ours = ours.iter().filter(|_| gm);
    ours.chain(theirs.iter().filter(|_| standard)).cloned().collect()
}

/// A provider that offers suites and groups as told; signatures can be checked of both kinds or of the told ones.
fn offering(suites: (bool, bool), groups: (bool, bool), signatures: Suites) -> CryptoProvider {
    let gm = provider(Suites::Gm);
    let standard: [SupportedCipherSuite; 1] = [cipher_suite::TLS13_AES_128_GCM_SHA256];
    let standard_groups: [&'static dyn SupportedKxGroup; 1] = [kx_group::X25519];
    CryptoProvider {
        cipher_suites: mixed(suites, &gm.cipher_suites, &standard),
        kx_groups: mixed(groups, &gm.kx_groups, &standard_groups),
        ..(*provider(signatures)).clone()
    }
}

fn hello(provider: CryptoProvider) -> ClientConnection {
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), ServerName::try_from("enclave.test").unwrap()).unwrap()
}

fn asked_for(client: &mut ClientConnection) -> Suites {
    let bytes = written(client);
    let mut acceptor = Acceptor::default();
    acceptor.read_tls(&mut bytes.as_slice()).unwrap();
    Suites::of_hello(&acceptor.accept().ok().unwrap().unwrap().client_hello())
}

#[test]
fn a_hello_asks_for_rfc_8998_when_it_offers_all_of_it() {
    for suites in OFFERS {
        for groups in OFFERS {
            for signatures in Suites::ALL {
                let expected =
                    if suites.0 && groups.0 && signatures == Suites::Gm { Suites::Gm } else { Suites::Standard };
                let asked = asked_for(&mut hello(offering(suites, groups, signatures)));
                assert_eq!(asked, expected, "suites {suites:?}, groups {groups:?}, signatures {signatures}");
            }
        }
    }
}

/// Whatever a client offers, a configuration agrees to all of its own kind or to nothing.
#[test]
fn kinds_never_mix() {
    for kind in Suites::ALL {
        let zone = Zone::new(kind);
        let (server, whole) = (Arc::new(zone.server_config()), negotiated_by(&zone));
        for suites in OFFERS {
            for groups in OFFERS {
                for signatures in Suites::ALL {
                    let offers = |offer: (bool, bool)| if kind == Suites::Gm { offer.0 } else { offer.1 };
                    let change = |provider: &mut CryptoProvider| *provider = offering(suites, groups, signatures);
                    let mut pair = Pair::new(zone.client_with(change), server.clone());
                    let case = format!("{kind}: suites {suites:?}, groups {groups:?}, signatures {signatures}");
                    if offers(suites) && offers(groups) && signatures == kind {
                        pair.shake().unwrap();
                        assert_eq!(negotiated(&pair.server).unwrap().split(", ").nth(1), Some(whole), "{case}");
                        let standard = negotiated(&pair.server).unwrap().starts_with("TLS_AES_");
                        assert_eq!(standard, kind == Suites::Standard, "{case}");
                        continue;
                    }
                    let fault = pair.shake().unwrap_err();
                    let Fault::Server(error) = fault else { panic!("{case}: {fault:?}") };
                    assert!(matches!(error, Error::PeerIncompatible(_)), "{case}: {error:?}");
                    assert!(explain(&error).contains("sm2sig_sm3 together"), "{case}: {}", explain(&error));
                    assert!(!written(&mut pair.server).is_empty(), "{case}: an alert");
                }
            }
        }
    }
}

fn negotiated_by(zone: &Zone) -> &'static str {
    if zone.suites == Suites::Gm { "curveSM2" } else { "X25519" }
}

#[test]
fn sm4_with_x25519_is_refused_by_name() {
    let zone = Zone::new(Suites::Gm);
    let change = |provider: &mut CryptoProvider| provider.kx_groups = vec![kx_group::X25519];
    let fault = Pair::new(zone.client_with(change), zone.server_config()).shake().unwrap_err();
    assert_eq!(fault, Fault::Server(Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon)));
}

/// A hello of TLS 1.2 is refused by both kinds.
#[test]
fn tls_12_is_refused() {
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        let standard = Zone::new(Suites::Standard);
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_root_certificates(standard.authorities().roots())
            .with_no_client_auth();
        let mut pair = Pair::new(config, zone.server_config());
        let Fault::Server(error) = pair.shake().unwrap_err() else { panic!("the server refuses") };
        assert!(explain(&error).contains("does not speak TLS 1.3"), "{}", explain(&error));
        let alert = written(&mut pair.server);
        assert_eq!(
            pair.give_client(&alert),
            Err(Fault::Client(Error::AlertReceived(rustls::AlertDescription::ProtocolVersion)))
        );
    }
}
