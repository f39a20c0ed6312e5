//! Whom our server turns away, with which alert, and what it tells its operator.

use glovebox_gm::pki::{Algorithm, Kind};

use crate::enclave::{Configs, Enclave};
use crate::wire::{Harm, Towards, relay};
use crate::zone::{CALL, GM, GM_CLIENT, STANDARD, STANDARD_CLIENT, Side, Zone, issue, list};

/// Calls with `options`; the server must send `alert` and say `why`.
#[track_caller]
fn refused(zone: &Zone, enclave: &Enclave, options: &str, alert: &str, why: &str) {
    let client = zone.openssl.start(&format!("{CALL} {} {options}", enclave.address));
    client.wait_for(&format!("alert {alert}"));
    let said = enclave.refused();
    assert!(said.contains(why), "the operator reads `{said}` for {options}");
    let answer = client.end();
    assert!(!answer.success && answer.out.is_empty(), "{options}");
}

#[test]
fn clients_without_a_certificate_of_the_authority() {
    let Some(zone) = Zone::create() else { return };
    let enclave = Enclave::start(Configs::both(&zone.gm, &zone.standard));
    refused(&zone, &enclave, GM, "certificate required", "no certificate");

    let stranger = Side::create(Algorithm::Sm2, "elsewhere");
    zone.write_identity("stranger", &stranger.client);
    refused(&zone, &enclave, &format!("{GM} -cert stranger.pem -key stranger.key"), "unknown ca", "no authority");

    // Same name, another key.
    let forger = Side::create(Algorithm::Sm2, "zone");
    zone.write_identity("forged", &forger.client);
    refused(&zone, &enclave, &format!("{GM} -cert forged.pem -key forged.key"), "decrypt error", "forged");

    let server = issue(&zone.gm.authority, "enclave", Kind::Server { names: vec!["lin.wei.test".into()] }, 0);
    zone.write_identity("no-client", &server);
    let options = format!("{GM} -cert no-client.pem -key no-client.key");
    refused(&zone, &enclave, &options, "unsupported certificate", "purpose");
}

/// The other kind of certificate does not help, on either kind of connection, though both authorities are trusted on
/// this port, each for its own.
#[test]
fn clients_with_a_certificate_of_the_other_kind() {
    let Some(zone) = Zone::create() else { return };
    let enclave = Enclave::start(Configs::both(&zone.gm, &zone.standard));
    // OpenSSL sends no certificate whose signature the server did not ask for.
    let options = format!("{GM}:ecdsa_secp256r1_sha256 {STANDARD_CLIENT}").replace(" -CAfile ca.pem:", ":");
    let options = options.replace(":ecdsa", " -CAfile ca.pem -client_sigalgs sm2sig_sm3:ecdsa");
    refused(&zone, &enclave, &options, "certificate required", "no certificate");
    refused(&zone, &enclave, &format!("{STANDARD} -tls1_3 {GM_CLIENT}"), "certificate required", "no certificate");
}

#[test]
fn revoked_and_past_clients_and_those_under_a_past_list() {
    let Some(mut zone) = Zone::create() else { return };
    let revoked = issue(&zone.gm.authority, "lin.wei", Kind::Client, 0);
    let past = issue(&zone.gm.authority, "lin.wei", Kind::Client, 20);
    let early = issue(&zone.gm.authority, "lin.wei", Kind::Client, -2);
    zone.write_identity("revoked", &revoked);
    zone.write_identity("past", &past);
    zone.write_identity("early", &early);
    zone.gm.revoked = list(&zone.gm.authority, &[&revoked], 0);
    let enclave = Enclave::start(Configs::of(&zone.gm));
    let named = |name: &str| format!("{GM} -cert {name}.pem -key {name}.key");
    refused(&zone, &enclave, &named("revoked"), "certificate revoked", "revoked");
    refused(&zone, &enclave, &named("past"), "certificate expired", "expired");
    refused(&zone, &enclave, &named("early"), "certificate expired", "not valid before");
    let mut client = zone.openssl.start(&format!("{CALL} {} {}", enclave.address, named("client")));
    enclave.welcomed();
    client.hang_up();
    assert!(client.end().success, "the others still get in");

    zone.gm.revoked = list(&zone.gm.authority, &[], 5);
    let enclave = Enclave::start(Configs::of(&zone.gm));
    refused(&zone, &enclave, &named("client"), "unknown ca", "next update of the revocation list");
}

/// A session that was resumed keeps the identity of its first connection; one under another configuration is none.
#[test]
fn a_session_is_no_pass_to_the_other_kind() {
    let Some(zone) = Zone::create() else { return };
    let enclave = Enclave::start(Configs::both(&zone.gm, &zone.standard));
    let options = format!("{STANDARD} -tls1_3 {STANDARD_CLIENT} -sess_out session.pem");
    let mut client = zone.openssl.start(&format!("{CALL} {} {options}", enclave.address));
    enclave.welcomed();
    client.say(b"echo hello\n");
    client.wait_for("hello");
    client.hang_up();
    assert!(client.end().success);
    enclave.ended().unwrap();
    // Without a certificate, the session alone would have to do.
    refused(&zone, &enclave, &format!("{GM} -sess_in session.pem"), "certificate required", "no certificate");
}

#[test]
fn hellos_that_mix_kinds_or_ask_for_less() {
    let Some(zone) = Zone::create() else { return };
    let both = Configs::both(&zone.gm, &zone.standard);
    let (gm, standard) = (Configs::of(&zone.gm), Configs::of(&zone.standard));
    let swap = |from: &str, to: &str| format!("{} {GM_CLIENT}", GM.replace(from, to));
    let other_signature = "sm2sig_sm3";
    let cases = [
        // TLS 1.2, and what OpenSSL offers with both versions when the newer one is struck out on the way.
        (&both, format!("{STANDARD} -tls1_2 {STANDARD_CLIENT}"), "protocol version", "TLS 1.3"),
        (&gm, format!("{STANDARD} -tls1_2 {STANDARD_CLIENT}"), "protocol version", "TLS 1.3"),
        // SM4 with another curve, the curve with another suite, both without the signature.
        (&both, swap("curveSM2", "X25519"), "handshake failure", "RFC 8998"),
        (&both, swap("curveSM2", "P-256"), "handshake failure", "RFC 8998"),
        (&both, swap("TLS_SM4_GCM_SM3", "TLS_AES_128_GCM_SHA256"), "handshake failure", "RFC 8998"),
        (&both, swap(other_signature, "ecdsa_secp256r1_sha256"), "handshake failure", "RFC 8998"),
        // A server with one kind alone never speaks the other.
        (&gm, format!("{STANDARD} -tls1_3 {STANDARD_CLIENT}"), "handshake failure", "RFC 8998"),
        (&standard, format!("{GM} {GM_CLIENT}"), "handshake failure", "RFC 8998"),
        (&gm, swap("curveSM2", "X25519"), "handshake failure", "RFC 8998"),
        (&gm, swap("TLS_SM4_GCM_SM3", "TLS_AES_128_GCM_SHA256"), "handshake failure", "RFC 8998"),
        (&gm, swap(other_signature, "ecdsa_secp256r1_sha256"), "handshake failure", "RFC 8998"),
    ];
    for (configs, options, alert, why) in cases {
        let enclave = Enclave::start(configs.clone());
        refused(&zone, &enclave, &options, alert, why);
    }
}

/// A client that offers both kinds, and someone on the line who strikes out SM4: the server takes the other kind, but
/// derives its keys from a hello that was never said, and the client leaves.
#[test]
fn an_offer_that_is_struck_out_on_the_way() {
    let Some(zone) = Zone::create() else { return };
    let enclave = Enclave::start(Configs::both(&zone.gm, &zone.standard));
    // Record, handshake, version, random and session id come before the list of suites; AES is its first entry.
    let sm4_at = 5 + 4 + 2 + 32 + 33 + 2 + 2;
    let address = relay(enclave.address, Towards::Server, sm4_at, Harm::Flip);
    let offer = "-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384:TLS_SM4_GCM_SM3 -groups X25519:curveSM2 \
                 -sigalgs ecdsa_secp256r1_sha256:sm2sig_sm3";
    let client = zone.openssl.start(&format!("{CALL} {address} {offer} {STANDARD} {STANDARD_CLIENT}"));
    client.wait_for("bad record mac");
    let said = enclave.refused();
    assert!(said.contains("BadRecordMac"), "{said}");
    assert!(!client.end().success);
}

/// What is no TLS at all gets an alert too, and no secret.
#[test]
fn other_protocols() {
    use std::io::{Read, Write};
    let Some(zone) = Zone::create() else { return };
    let enclave = Enclave::start(Configs::both(&zone.gm, &zone.standard));
    for text in ["GET / HTTP/1.1\r\nHost: enclave.test\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n"] {
        let mut socket = std::net::TcpStream::connect(enclave.address).unwrap();
        socket.write_all(text.as_bytes()).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        assert!(answer.len() <= 7, "an alert at most: {answer:?}");
        assert!(enclave.refused().contains("TLS"));
    }
}
