//! What a handshake agrees on: suites, retries, resumption.

use std::sync::Arc;

use rustls::HandshakeKind;
use rustls::crypto::CryptoProvider;

use super::zone::*;
use crate::gm::CURVE_SM2;
use crate::{Suites, negotiated, provider};

#[test]
fn both_kinds_prove_both_sides() {
    for (suites, agreed) in
        [(Suites::Gm, "TLS_SM4_GCM_SM3, curveSM2"), (Suites::Standard, "TLS_AES_256_GCM_SHA384, X25519")]
    {
        let zone = Zone::new(suites);
        let mut pair = zone.pair();
        assert_eq!(negotiated(&pair.client), None, "nothing is agreed before the handshake");
        pair.shake().unwrap();
        assert_eq!(negotiated(&pair.client).as_deref(), Some(agreed));
        assert_eq!(negotiated(&pair.server).as_deref(), Some(agreed));
        assert_eq!(pair.server.peer_certificates().unwrap(), [der(&zone.client.cert_pem)]);
        assert_eq!(pair.client.peer_certificates().unwrap(), [der(&zone.server.cert_pem)]);
    }
}

#[test]
fn ccm_is_spoken_where_it_is_asked_for() {
    let zone = Zone::new(Suites::Gm);
    let config = zone.client_with(|provider| provider.cipher_suites.retain(|s| u16::from(s.suite()) == 0x00c7));
    let mut pair = Pair::new(config, zone.server_config());
    pair.shake().unwrap();
    assert_eq!(negotiated(&pair.server).as_deref(), Some("TLS_SM4_CCM_SM3, curveSM2"));
    let data = vec![7; 100_000];
    assert!(carried(&mut pair.client, &mut pair.server, &data).unwrap() == data);
    assert!(carried(&mut pair.server, &mut pair.client, &data).unwrap() == data);
}

/// A client that offers curveSM2 and sends a key share of another group.
fn shares_another_group(provider: &mut CryptoProvider) {
    provider.kx_groups.insert(0, rustls::crypto::ring::kx_group::X25519);
}

#[test]
fn a_client_without_a_share_of_the_curve_is_asked_for_one() {
    let zone = Zone::new(Suites::Gm);
    let mut pair = Pair::new(zone.client_with(shares_another_group), zone.server_config());
    pair.shake().unwrap();
    assert_eq!(pair.server.handshake_kind(), Some(HandshakeKind::FullWithHelloRetryRequest));
    assert_eq!(negotiated(&pair.client).as_deref(), Some("TLS_SM4_GCM_SM3, curveSM2"));
    assert_eq!(pair.client.negotiated_key_exchange_group().unwrap().name(), CURVE_SM2);
}

#[test]
fn sessions_are_resumed_once_each_with_a_fresh_key_share() {
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        let (client, server) = (Arc::new(zone.client_config()), Arc::new(zone.server_config()));
        let mut first = Pair::new(client.clone(), server.clone());
        first.shake().unwrap();
        assert_eq!(first.server.handshake_kind(), Some(HandshakeKind::Full));
        for _ in 0..2 {
            let mut again = Pair::new(client.clone(), server.clone());
            again.shake().unwrap();
            assert_eq!(again.server.handshake_kind(), Some(HandshakeKind::Resumed));
            let agreed = negotiated(&again.client).unwrap();
            assert!(agreed.ends_with(", resumed") && agreed.split(", ").count() == 3, "a key share too: {agreed}");
            assert_eq!(again.server.peer_certificates().unwrap(), [der(&zone.client.cert_pem)]);
        }
    }
}

#[test]
fn a_ticket_is_taken_once() {
    let zone = Zone::new(Suites::Gm);
    let (client, server) = (Arc::new(zone.client_config()), Arc::new(zone.server_config()));
    Pair::new(client.clone(), server.clone()).shake().unwrap();
    let mut pair = Pair::new(client, server.clone());
    let hello = written(&mut pair.client);
    let mut thief = rustls::ServerConnection::new(server.clone()).unwrap();
    give(&mut pair.server, &hello).unwrap();
    give(&mut thief, &hello).unwrap();
    let (answer, replayed) = (written(&mut pair.server), written(&mut thief));
    assert!(replayed.len() > 2 * answer.len(), "the copy meets a full handshake with its certificate request");
    pair.give_client(&answer).unwrap();
    pair.shake().unwrap();
    assert_eq!(pair.server.handshake_kind(), Some(HandshakeKind::Resumed));
}

#[test]
fn a_new_configuration_knows_no_session() {
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        let client = Arc::new(zone.client_config());
        Pair::new(client.clone(), zone.server_config()).shake().unwrap();
        let mut again = Pair::new(client, zone.server_config());
        again.shake().unwrap();
        assert_eq!(again.server.handshake_kind(), Some(HandshakeKind::Full));
    }
}

/// A client may send 64 KiB of certificates that lead nowhere, and would have them kept with every session.
#[test]
fn a_long_chain_gets_no_session() {
    let zone = Zone::new(Suites::Gm);
    let mut certified = (*credentials(&zone.client).certified()).clone();
    let client = Arc::new(zone.client_signing(|_| (), Arc::new(certified.clone())));
    let server = Arc::new(zone.server_config());
    let again = |client: &Arc<rustls::ClientConfig>| {
        Pair::new(client.clone(), server.clone()).shake().unwrap();
        let mut pair = Pair::new(client.clone(), server.clone());
        pair.shake().unwrap();
        pair.server.handshake_kind()
    };
    assert_eq!(again(&client), Some(HandshakeKind::Resumed));
    certified.cert.extend((0..20).map(|_| der(&zone.server.cert_pem)));
    assert_eq!(again(&Arc::new(zone.client_signing(|_| (), Arc::new(certified)))), Some(HandshakeKind::Full));
}

#[test]
fn nothing_is_accepted_before_the_handshake_ends() {
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        let server = zone.server_config();
        assert_eq!(server.max_early_data_size, 0);
        assert!(!zone.client_config().enable_early_data);
        assert!(!server.ticketer.enabled(), "no key that opens tickets");
    }
}

/// What TLS 1.2 would need is in no provider, so a configuration can't fall back whatever its versions are.
#[test]
fn no_provider_has_a_suite_of_tls_12() {
    for suites in Suites::ALL {
        let provider = provider(suites);
        assert!(!provider.cipher_suites.is_empty());
        assert!(provider.cipher_suites.iter().all(|suite| suite.tls13().is_some()), "{suites}");
    }
    let gm = provider(Suites::Gm);
    let numbers = |suites: &[rustls::SupportedCipherSuite]| {
        suites.iter().map(|suite| u16::from(suite.suite())).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&gm.cipher_suites), [0x00c6, 0x00c7]);
    assert_eq!(gm.kx_groups.iter().map(|group| u16::from(group.name())).collect::<Vec<_>>(), [41]);
    let schemes = gm.signature_verification_algorithms.supported_schemes();
    assert_eq!(schemes.iter().map(|scheme| u16::from(*scheme)).collect::<Vec<_>>(), [0x0708]);
    assert_eq!(gm.signature_verification_algorithms.all.len(), 1);
}
