//! Our client calls OpenSSL.

use std::sync::Arc;

use glovebox_gm::pki::{Algorithm, Kind};
use glovebox_tls::{Suites, client_config, provider};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::caller::{Call, config_of};
use crate::enclave::{EXPORTER_LABEL, EXPORTER_LENGTH_BYTES, Handshake, digits};
use crate::wire::{Harm, Towards, relay};
use crate::zone::{GM, GM_SERVER, STANDARD, STANDARD_SERVER, Side, Zone, credentials, issue, list};

const LARGE_BYTES: usize = 8_000_003;

fn handshake(negotiated: &str, kind: HandshakeKind) -> Handshake {
    Handshake { negotiated: negotiated.to_owned(), kind, peer: "enclave".to_owned() }
}

#[test]
fn both_suites_with_certificates_on_both_sides() {
    let Some(zone) = Zone::create() else { return };
    for suite in ["TLS_SM4_GCM_SM3", "TLS_SM4_CCM_SM3"] {
        let options = GM.replace("TLS_SM4_GCM_SM3", suite);
        let (server, address) = zone.openssl.serve(&format!("{options} {GM_SERVER}"));
        let mut call = Call::make(address, &config_of(&zone.gm)).unwrap();
        assert_eq!(call.handshake, handshake(&format!("{suite}, curveSM2"), HandshakeKind::Full));
        call.say(b"hello\n").unwrap();
        server.wait_for("hello\n");
        server.wait_for("CN=lin.wei");
        server.say(b"welcome\n");
        assert_eq!(call.hear(8).unwrap(), b"welcome\n");
        call.end().unwrap();
        server.wait_for("\nDONE\n");
    }
}

#[test]
fn a_page_ends_with_a_farewell() {
    let Some(zone) = Zone::create() else { return };
    let (_server, address) = zone.openssl.serve(&format!("{GM} {GM_SERVER} -www"));
    let mut call = Call::make(address, &config_of(&zone.gm)).unwrap();
    call.say(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let page = String::from_utf8(call.hear_all().unwrap()).unwrap();
    assert!(page.starts_with("HTTP/1.0 200 ok\r\n") && page.contains("TLS_SM4_GCM_SM3"), "{page}");
}

#[test]
fn standard_suites() {
    let Some(zone) = Zone::create() else { return };
    let (server, address) = zone.openssl.serve(&format!("{STANDARD} {STANDARD_SERVER}"));
    let mut call = Call::make(address, &config_of(&zone.standard)).unwrap();
    assert_eq!(call.handshake, handshake("TLS_AES_256_GCM_SHA384, X25519", HandshakeKind::Full));
    server.say(b"welcome\n");
    assert_eq!(call.hear(8).unwrap(), b"welcome\n");
}

#[test]
fn sessions_are_resumed() {
    let Some(zone) = Zone::create() else { return };
    let config = config_of(&zone.gm);
    // Tickets that carry the session, and those that name one in the server's table.
    for tickets in ["", "-no_ticket"] {
        let (server, address) = zone.openssl.serve(&format!("{GM} {GM_SERVER} {tickets}"));
        for (text, kind, negotiated) in [
            ("first\n", HandshakeKind::Full, "TLS_SM4_GCM_SM3, curveSM2"),
            ("second\n", HandshakeKind::Resumed, "TLS_SM4_GCM_SM3, curveSM2, resumed"),
            ("third\n", HandshakeKind::Resumed, "TLS_SM4_GCM_SM3, curveSM2, resumed"),
        ] {
            let mut call = Call::make(address, &config).unwrap();
            assert_eq!(call.handshake, handshake(negotiated, kind), "{tickets}");
            call.say(text.as_bytes()).unwrap();
            server.wait_for(text);
            server.say(text.as_bytes());
            assert_eq!(call.hear(text.len()).unwrap(), text.as_bytes());
            call.end().unwrap();
        }
        // The next server does not know the session, so a full handshake follows.
    }
}

/// Our configurations offer the one curve and a share for it, so no server asks for another. A client that would, by
/// the parts of ours, starts with a share that the server does not take.
#[test]
fn a_hello_is_repeated_on_demand() {
    let Some(zone) = Zone::create() else { return };
    let mut provider = (*provider(Suites::Gm)).clone();
    provider.kx_groups.insert(0, rustls::crypto::ring::kx_group::X25519);
    let ours = config_of(&zone.gm);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(zone.gm.authority.cert_pem().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.client_auth_cert_resolver = ours.client_auth_cert_resolver.clone();
    let (server, address) = zone.openssl.serve(&format!("{GM} {GM_SERVER}"));
    let mut call = Call::make(address, &Arc::new(config)).unwrap();
    let expected = handshake("TLS_SM4_GCM_SM3, curveSM2", HandshakeKind::FullWithHelloRetryRequest);
    assert_eq!(call.handshake, expected);
    server.say(b"welcome\n");
    assert_eq!(call.hear(8).unwrap(), b"welcome\n");
}

#[test]
fn large_transfers_both_ways_with_fresh_keys_between() {
    let Some(zone) = Zone::create() else { return };
    let large = digits(LARGE_BYTES);
    for suite in ["TLS_SM4_GCM_SM3", "TLS_SM4_CCM_SM3"] {
        let options = GM.replace("TLS_SM4_GCM_SM3", suite);
        let (server, address) = zone.openssl.serve(&format!("{options} {GM_SERVER} -state"));
        let mut call = Call::make(address, &config_of(&zone.gm)).unwrap();
        call.say(&[&large[..], b"end\n"].concat()).unwrap();
        server.wait_for("end\n");
        call.update_keys();
        call.say(b"with new keys\n").unwrap();
        server.wait_for("with new keys\n");
        // To OpenSSL, a K at the start of its input means: update your keys, and have the peer update its own.
        server.say(b"K\n");
        server.wait_for("write server key update");
        server.say(&large);
        assert!(call.hear(LARGE_BYTES).unwrap() == large, "{suite}: what arrives is not what was sent");
        call.say(b"arrived\n").unwrap();
        server.wait_for("arrived\n");
        server.wait_for("read client key update");
        // A Q means: end.
        server.say(b"Q\n");
        let printed = server.end().out;
        let at = printed.windows(16).position(|window| *window == large[..16]).unwrap();
        assert!(printed[at..].starts_with(&large), "{suite}: what arrives is not what was sent");
    }
}

#[test]
fn both_sides_export_the_same_keys() {
    let Some(zone) = Zone::create() else { return };
    let exporter = format!("-keymatexport {EXPORTER_LABEL} -keymatexportlen {EXPORTER_LENGTH_BYTES}");
    let (server, address) = zone.openssl.serve(&format!("{GM} {GM_SERVER} {exporter}"));
    let call = Call::make(address, &config_of(&zone.gm)).unwrap();
    server.wait_for(&format!("Keying material: {}\n", call.exporter()));
}

/// The server's certificate is refused before the client has said anything.
#[test]
fn servers_with_the_wrong_certificate_are_left() {
    let Some(zone) = Zone::create() else { return };
    let names = |name: &str| Kind::Server { names: vec![name.to_owned()] };
    let forger = Side::create(Algorithm::Sm2, "zone");
    let stranger = Side::create(Algorithm::Sm2, "elsewhere");
    let cases = [
        ("other-name", issue(&zone.gm.authority, "enclave", names("other.test"), 0), "bad certificate", "name"),
        ("past", issue(&zone.gm.authority, "enclave", names("enclave.test"), 20), "certificate expired", "expired"),
        ("client", issue(&zone.gm.authority, "lin.wei", Kind::Client, 0), "unsupported certificate", "purpose"),
        ("stranger", stranger.server, "unknown ca", "authority"),
        ("forged", forger.server, "decrypt error", "signature"),
    ];
    for (name, issued, alert, why) in cases {
        zone.write_identity(name, &issued);
        let options = GM_SERVER.replace("server.", &format!("{name}."));
        let (server, address) = zone.openssl.serve(&format!("{GM} {options}"));
        let said = Call::make(address, &config_of(&zone.gm)).map(|_| ()).unwrap_err();
        assert!(said.contains(why), "the user reads `{said}` of {name}");
        server.wait_for(&format!("alert {alert}"));
    }
}

/// No fallback: whoever asked for RFC 8998 gets it or nothing.
#[test]
fn servers_that_lack_the_suites_are_left() {
    let Some(zone) = Zone::create() else { return };
    for (options, why) in [
        (format!("{STANDARD} {STANDARD_SERVER}"), "RFC 8998"),
        (format!("{STANDARD} {STANDARD_SERVER} -tls1_2"), "TLS 1.3"),
        // SM4 without the curve, the curve without SM4, no certificate by SM2.
        (format!("{} {GM_SERVER}", GM.replace("curveSM2", "X25519")), "RFC 8998"),
        (format!("{} {GM_SERVER}", GM.replace("TLS_SM4_GCM_SM3", "TLS_AES_128_GCM_SHA256")), "RFC 8998"),
        // OpenSSL finds no version that it has a certificate for.
        (format!("{GM} {STANDARD_SERVER}"), "TLS 1.3"),
    ] {
        let (_server, address) = zone.openssl.serve(&options);
        let said = Call::make(address, &config_of(&zone.gm)).map(|_| ()).unwrap_err();
        assert!(said.contains(why), "the user reads `{said}` for {options}");
    }
    let (_server, address) = zone.openssl.serve(&format!("{GM} {GM_SERVER}"));
    let said = Call::make(address, &config_of(&zone.standard)).map(|_| ()).unwrap_err();
    assert!(said.contains("HandshakeFailure"), "{said}");
}

/// OpenSSL reads our revocation lists and certificates as a server does; the alert reaches our client as it reads.
#[test]
fn openssl_turns_our_clients_away() {
    let Some(zone) = Zone::create() else { return };
    let authority = &zone.gm.authority;
    let revoked = issue(authority, "lin.wei", Kind::Client, 0);
    let names = vec!["lin.wei.test".to_owned()];
    zone.write("list.pem", &list(authority, &[&revoked], 0));
    let cases = [
        ("revoked", revoked, "revocation list"),
        ("past", issue(authority, "lin.wei", Kind::Client, 20), "expired"),
        ("no client", issue(authority, "enclave", Kind::Server { names }, 0), "UnsupportedCertificate"),
        ("stranger", Side::create(Algorithm::Sm2, "elsewhere").client, "UnknownCA"),
    ];
    let (server, address) = zone.openssl.serve(&format!("{GM} {GM_SERVER} -CRL list.pem -crl_check"));
    for (name, issued, why) in cases {
        let config = client_config(&credentials(&issued), &zone.gm.authorities()).unwrap();
        let said = Call::make(address, &Arc::new(config)).and_then(|mut call| call.hear(1)).unwrap_err();
        assert!(said.contains(why), "the user of a {name} certificate reads `{said}`");
    }
    let mut call = Call::make(address, &config_of(&zone.gm)).unwrap();
    server.say(b"welcome\n");
    assert_eq!(call.hear(8).unwrap(), b"welcome\n", "the others still get in");
}

#[test]
fn cut_lines_and_changed_bits_are_found() {
    let Some(zone) = Zone::create() else { return };
    let start = || zone.openssl.serve(&format!("{GM} {GM_SERVER}"));

    let (server, address) = start();
    let mut call = Call::make(address, &config_of(&zone.gm)).unwrap();
    server.say(b"half a mess");
    call.hear(11).unwrap();
    server.kill();
    assert_eq!(call.hear_all(), Err("UnexpectedEof".into()));

    for (harm, why) in [(Harm::Cut, "UnexpectedEof"), (Harm::Flip, "does not authenticate")] {
        let (server, address) = start();
        let address = relay(address, Towards::Client, 100_000, harm);
        let mut call = Call::make(address, &config_of(&zone.gm)).unwrap();
        server.say(&digits(1_000_000));
        let said = call.hear(1_000_000).unwrap_err();
        assert!(said.contains(why), "{said}");
        if harm == Harm::Flip {
            server.wait_for("alert bad record mac");
        }
    }
    let (server, address) = start();
    let mut call = Call::make(relay(address, Towards::Server, 100_000, Harm::Flip), &config_of(&zone.gm)).unwrap();
    let said = call.say(&digits(1_000_000)).and_then(|()| call.hear(1)).unwrap_err();
    assert!(said.contains("BadRecordMac") || said.contains("BrokenPipe") || said.contains("ConnectionReset"), "{said}");
    server.wait_for("bad record mac");
}
