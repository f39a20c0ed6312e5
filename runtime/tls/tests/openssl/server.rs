//! OpenSSL calls our server.

use rustls::HandshakeKind;

use crate::enclave::{Configs, EXPORTER_LABEL, EXPORTER_LENGTH_BYTES, Enclave, Handshake, digits};
use crate::peer::Running;
use crate::wire::{Harm, Towards, relay};
use crate::zone::{CALL, GM, GM_CLIENT, SERVER_NAME, STANDARD, STANDARD_CLIENT, Zone};

/// Some 500 records.
const LARGE_BYTES: usize = 8_000_003;

fn handshake(negotiated: &str, kind: HandshakeKind) -> Handshake {
    Handshake { negotiated: negotiated.to_owned(), kind, peer: "lin.wei".to_owned() }
}

/// One line there and back.
fn echo(client: &Running, text: &str) {
    client.say(format!("echo {text}\n").as_bytes());
    client.wait_for(&format!("{text}\n"));
}

/// Ends a conversation from the side of the client; both must find it in order.
fn farewell(mut client: Running, enclave: &Enclave) -> (Vec<u8>, String) {
    client.hang_up();
    let answer = client.end();
    assert!(answer.success, "{}", answer.err);
    assert_eq!(enclave.ended(), Ok(()));
    (answer.out, answer.err)
}

#[test]
fn both_suites_with_certificates_on_both_sides() {
    let Some(zone) = Zone::create() else { return };
    let enclave = Enclave::start(Configs::of(&zone.gm));
    for suite in ["TLS_SM4_GCM_SM3", "TLS_SM4_CCM_SM3"] {
        let options = GM.replace("TLS_SM4_GCM_SM3", suite);
        let client = zone.openssl.start(&format!("{CALL} {} {options} {GM_CLIENT}", enclave.address));
        assert_eq!(enclave.welcomed(), handshake(&format!("{suite}, curveSM2"), HandshakeKind::Full));
        echo(&client, "hello");
        let (out, err) = farewell(client, &enclave);
        assert_eq!(out, b"hello\n");
        for line in ["Protocol version: TLSv1.3", &format!("Ciphersuite: {suite}"), "Verification: OK"] {
            assert!(err.lines().any(|said| said == line), "{line}: {err}");
        }
        assert!(err.contains("curveSM2"), "{err}");
    }
}

#[test]
fn sessions_are_resumed_until_the_configuration_is_replaced() {
    let Some(zone) = Zone::create() else { return };
    let enclave = Enclave::start(Configs::of(&zone.gm));
    let call = |address, session| {
        let client = zone.openssl.start(&format!("{CALL} {address} {GM} {GM_CLIENT} {session}"));
        (client, enclave.welcomed())
    };
    let (client, first) = call(enclave.address, "-sess_out session.pem");
    assert_eq!(first.kind, HandshakeKind::Full);
    // Tickets come before the answer.
    echo(&client, "first");
    farewell(client, &enclave);
    let (client, second) = call(enclave.address, "-sess_in session.pem -sess_out later.pem");
    assert_eq!(second, handshake("TLS_SM4_GCM_SM3, curveSM2, resumed", HandshakeKind::Resumed));
    echo(&client, "second");
    farewell(client, &enclave);
    // A ticket is good once.
    let (client, third) = call(enclave.address, "-sess_in session.pem");
    assert_eq!(third.kind, HandshakeKind::Full);
    echo(&client, "third");
    farewell(client, &enclave);

    let reloaded = Enclave::start(Configs::of(&zone.gm));
    let options = format!("{CALL} {} {GM} {GM_CLIENT} -sess_in later.pem", reloaded.address);
    let client = zone.openssl.start(&options);
    assert_eq!(reloaded.welcomed().kind, HandshakeKind::Full);
    echo(&client, "anew");
    farewell(client, &reloaded);
}

#[test]
fn a_client_without_a_share_for_the_curve_is_asked_for_one() {
    let Some(zone) = Zone::create() else { return };
    let enclave = Enclave::start(Configs::of(&zone.gm));
    for groups in ["X25519:curveSM2", "*P-256:curveSM2"] {
        let options = GM.replace("-groups curveSM2", &format!("-groups {groups}"));
        let client = zone.openssl.start(&format!("{CALL} {} {options} {GM_CLIENT}", enclave.address));
        let expected = handshake("TLS_SM4_GCM_SM3, curveSM2", HandshakeKind::FullWithHelloRetryRequest);
        assert_eq!(enclave.welcomed(), expected, "{groups}");
        echo(&client, "again");
        farewell(client, &enclave);
    }
}

#[test]
fn one_port_speaks_what_the_hello_asks_for() {
    let Some(zone) = Zone::create() else { return };
    let enclave = Enclave::start(Configs::both(&zone.gm, &zone.standard));
    let offer = |suites: &str, groups: &str, signatures: &str| {
        format!("-tls1_3 -ciphersuites {suites} -groups {groups} -sigalgs {signatures}")
    };
    let (suites, groups) = ("TLS_AES_256_GCM_SHA384:TLS_SM4_GCM_SM3", "X25519:curveSM2");
    let signatures = "ecdsa_secp256r1_sha256:sm2sig_sm3";
    let standard = "TLS_AES_256_GCM_SHA384, X25519";
    let cases = [
        (format!("{GM} {GM_CLIENT}"), "TLS_SM4_GCM_SM3, curveSM2", HandshakeKind::Full),
        (format!("{STANDARD} {STANDARD_CLIENT}"), standard, HandshakeKind::Full),
        // Whoever offers both kinds gets RFC 8998, though the other stands first.
        (
            format!("{} -CAfile ca.pem {GM_CLIENT}", offer(suites, groups, signatures)),
            "TLS_SM4_GCM_SM3, curveSM2",
            HandshakeKind::FullWithHelloRetryRequest,
        ),
        // Whoever offers a part of it beside a whole standard TLS gets that.
        (
            format!("{} {STANDARD} {STANDARD_CLIENT}", offer(suites, "X25519", signatures)),
            standard,
            HandshakeKind::Full,
        ),
        (
            format!("{} {STANDARD} {STANDARD_CLIENT}", offer(suites, groups, "ecdsa_secp256r1_sha256")),
            standard,
            HandshakeKind::Full,
        ),
        (
            format!("{} {STANDARD} {STANDARD_CLIENT}", offer("TLS_AES_256_GCM_SHA384", groups, signatures)),
            standard,
            HandshakeKind::Full,
        ),
    ];
    for (options, negotiated, kind) in cases {
        let client = zone.openssl.start(&format!("{CALL} {} {options}", enclave.address));
        assert_eq!(enclave.welcomed(), handshake(negotiated, kind), "{options}");
        echo(&client, "hello");
        farewell(client, &enclave);
    }
}

#[test]
fn large_transfers_both_ways_with_fresh_keys_between() {
    let Some(zone) = Zone::create() else { return };
    let enclave = Enclave::start(Configs::of(&zone.gm));
    let large = digits(LARGE_BYTES);
    for suite in ["TLS_SM4_GCM_SM3", "TLS_SM4_CCM_SM3"] {
        let options = GM.replace("TLS_SM4_GCM_SM3", suite);
        let client = zone.openssl.start(&format!("{CALL} {} {options} {GM_CLIENT}", enclave.address));
        enclave.welcomed();
        client.say(format!("send {LARGE_BYTES}\n").as_bytes());
        assert!(client.wait_for_bytes(LARGE_BYTES) == large, "{suite}: what arrives is not what was sent");
        client.say(b"update\n");
        client.wait_for("updated");
        // To OpenSSL, a K at the start of its input means: update your keys, and have the peer update its own.
        client.say(b"K\n");
        client.wait_for("KEYUPDATE");
        client.say(format!("take {LARGE_BYTES}\n").as_bytes());
        client.say(&large);
        client.wait_for(&format!("taken {}\n", glovebox_gm::sm3(&large)));
        let (out, _) = farewell(client, &enclave);
        assert!(out.starts_with(&large));
    }
}

#[test]
fn both_sides_export_the_same_keys() {
    let Some(zone) = Zone::create() else { return };
    let enclave = Enclave::start(Configs::of(&zone.gm));
    let exporter = format!("-keymatexport {EXPORTER_LABEL} -keymatexportlen {EXPORTER_LENGTH_BYTES}");
    let command = format!("{CALL} {} {GM} {GM_CLIENT} {exporter}", enclave.address).replace(" -brief", "");
    let client = zone.openssl.start(&command);
    enclave.welcomed();
    let theirs = client.wait_for_line("    Keying material: ");
    client.say(b"exporter\n");
    client.wait_for(&format!("\n{}\n", theirs.trim_start_matches("    Keying material: ")));
    farewell(client, &enclave);
}

#[test]
fn farewells_are_told_from_cut_lines() {
    let Some(zone) = Zone::create() else { return };
    let enclave = Enclave::start(Configs::of(&zone.gm));
    let call = |address| zone.openssl.start(&format!("{CALL} {address} {GM} {GM_CLIENT}"));

    let client = call(enclave.address);
    enclave.welcomed();
    client.say(b"close\n");
    assert!(client.end().success);
    assert_eq!(enclave.ended(), Ok(()));

    let client = call(enclave.address);
    enclave.welcomed();
    echo(&client, "here");
    client.kill();
    assert_eq!(enclave.ended(), Err("UnexpectedEof".into()));

    // In the midst of a download: the client must not take it for the whole.
    let client = call(relay(enclave.address, Towards::Client, 1_000_000, Harm::Cut));
    enclave.welcomed();
    client.say(format!("send {LARGE_BYTES}\n").as_bytes());
    let answer = client.end();
    assert!(!answer.success && answer.out.len() < 1_000_000, "{}", answer.err);
    assert!(answer.err.contains("unexpected eof"), "{}", answer.err);
    assert!(enclave.ended().is_err());

    // In the midst of the handshake: the hello is some 200 bytes long, the client's certificate comes after it.
    for at in [100, 600] {
        let client = call(relay(enclave.address, Towards::Server, at, Harm::Cut));
        assert!(!client.end().success);
        assert!(["UnexpectedEof", "the peer left before its hello"].contains(&enclave.refused().as_str()));
    }
}

#[test]
fn a_changed_bit_ends_the_connection() {
    let Some(zone) = Zone::create() else { return };
    let enclave = Enclave::start(Configs::of(&zone.gm));
    for suite in ["TLS_SM4_GCM_SM3", "TLS_SM4_CCM_SM3"] {
        let options = GM.replace("TLS_SM4_GCM_SM3", suite);
        let call = |address| zone.openssl.start(&format!("{CALL} {address} {options} {GM_CLIENT}"));

        let client = call(relay(enclave.address, Towards::Server, 100_000, Harm::Flip));
        enclave.welcomed();
        client.say(format!("take {LARGE_BYTES}\n").as_bytes());
        client.say(&digits(LARGE_BYTES));
        client.wait_for("alert bad record mac");
        let why = enclave.ended().unwrap_err();
        assert!(why.contains("does not authenticate"), "{why}");

        let client = call(relay(enclave.address, Towards::Client, 100_000, Harm::Flip));
        enclave.welcomed();
        client.say(format!("send {LARGE_BYTES}\n").as_bytes());
        client.wait_for("bad record mac");
        let answer = client.end();
        assert!(!answer.success && answer.out.len() < 100_000 && digits(100_000).starts_with(&answer.out));
        assert!(enclave.ended().is_err());
    }
}

#[test]
fn the_server_is_known_by_its_name() {
    let Some(zone) = Zone::create() else { return };
    let enclave = Enclave::start(Configs::of(&zone.gm));
    let call = format!("{CALL} {} {GM} {GM_CLIENT}", enclave.address);
    let client =
        zone.openssl.start(&call.replace(&format!("-verify_hostname {SERVER_NAME}"), "-verify_hostname other.test"));
    client.wait_for("hostname mismatch");
    let why = enclave.refused();
    assert!(why.contains("BadCertificate"), "{why}");
}
