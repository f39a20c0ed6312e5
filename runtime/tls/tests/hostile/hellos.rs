//! What a server answers to a client's first word.

use std::sync::Arc;

use glovebox_tls::{Suites, explain};
use rustls::{AlertDescription, ServerConfig};

use super::hello::*;
use super::wire::{Record, Side, Wire};
use super::zone::Zone;

type Edit = Box<dyn Fn(&mut Hello)>;

/// A change to an honest hello, the alert that answers it, and a part of what the operator is told.
struct Case(&'static str, Edit, AlertDescription, &'static str);

/// Sends the hello of an honest client of the zone, changed.
fn send(zone: &Zone, server: &Arc<ServerConfig>, edit: &Edit) -> Wire {
    let mut wire = Wire::new(&zone.client_config(), server);
    wire.run(&mut |side, record| match (side, Hello::read(&record)) {
        (Side::Client, Some(mut hello)) => {
            edit(&mut hello);
            vec![hello.record()]
        }
        _ => vec![record],
    });
    wire
}

/// Faults, unless the server sends one alert and nothing else, and says why.
fn faults(name: &str, mut wire: Wire, alert: AlertDescription, says: &str) -> Option<String> {
    let end = wire.server_end.clone().err();
    let told = end.as_ref().map(explain).unwrap_or_default();
    let sent = wire.sent.iter().filter(|(side, _)| *side == Side::Server).count();
    let answered = wire.alert_of(Side::Server);
    let silent = wire.plaintext_at(Side::Server).is_empty() && !wire.is_open();
    let right = answered == Some(alert) && sent == 1 && told.contains(says) && silent;
    (!right).then(|| format!("{name}: {answered:?} after {sent} records; {end:?}; {told}"))
}

fn assert_none(suites: Suites, faults: Vec<String>) {
    assert!(faults.is_empty(), "{suites}:\n{}", faults.join("\n"));
}

fn refused(suites: Suites, cases: Vec<Case>) {
    let zone = Zone::new(suites);
    let server = zone.server_config();
    let found = cases
        .into_iter()
        .filter_map(|Case(name, edit, alert, says)| faults(name, send(&zone, &server, &edit), alert, says));
    assert_none(suites, found.collect());
}

fn case(name: &'static str, alert: AlertDescription, says: &'static str, edit: impl Fn(&mut Hello) + 'static) -> Case {
    Case(name, Box::new(edit), alert, says)
}

#[test]
fn hellos_that_break_the_rules() {
    use AlertDescription::*;
    for suites in Suites::ALL {
        refused(
            suites,
            vec![
                case("an extension twice", IllegalParameter, "no TLS 1.3", |h| h.extensions.push((23, vec![]))),
                case("TLS 1.2 alone", ProtocolVersion, "TLS 1.3", |h| h.remove(SUPPORTED_VERSIONS)),
                case("TLS 1.2 by extension", ProtocolVersion, "TLS 1.3", |h| {
                    h.set(SUPPORTED_VERSIONS, vec8(&[3, 3]));
                }),
                case("a version to come", ProtocolVersion, "TLS 1.3", |h| h.set(SUPPORTED_VERSIONS, vec8(&[3, 5]))),
                case("no key share", HandshakeFailure, "TLS 1.3", |h| h.remove(KEY_SHARE)),
                case("no groups", HandshakeFailure, "group", |h| h.remove(SUPPORTED_GROUPS)),
                case("no signatures", HandshakeFailure, "TLS 1.3", |h| h.remove(SIGNATURE_ALGORITHMS)),
                case("no suites", DecodeError, "no TLS 1.3", |h| h.suites.clear()),
                case("no extensions", HandshakeFailure, "TLS 1.3", |h| h.extensions.clear()),
                case("compression", IllegalParameter, "lacks", |h| h.compression = vec![1]),
                case("a share twice", IllegalParameter, "", |h| {
                    let shares = h.extension(KEY_SHARE)[2..].repeat(2);
                    h.set(KEY_SHARE, vec16(&shares));
                }),
                case("a share without a key", DecodeError, "", |h| h.set(KEY_SHARE, vec16(&[0, 41, 0, 0]))),
                case("a share cut off", DecodeError, "", |h| {
                    h.extension(KEY_SHARE).pop();
                }),
                case("bytes after the versions", DecodeError, "", |h| h.extension(SUPPORTED_VERSIONS).push(0)),
                case("an odd list of groups", DecodeError, "", |h| h.set(SUPPORTED_GROUPS, vec16(&[0, 41, 0]))),
                case("a key of an earlier session that is not last", IllegalParameter, "", |h| {
                    h.extensions.insert(0, pre_shared_key());
                }),
                case("a key of an earlier session without modes", MissingExtension, "", |h| {
                    h.remove(45);
                    h.extensions.push(pre_shared_key());
                }),
                case("an ALPN name of no bytes", DecodeError, "", |h| h.set(16, vec16(&vec8(&[])))),
            ],
        );
    }
}

/// A key of an earlier session that the server never gave away.
fn pre_shared_key() -> (u16, Vec<u8>) {
    let identity = [&vec16(&[7; 32])[..], &[0; 4]].concat();
    (PRE_SHARED_KEY, [vec16(&identity), vec16(&vec8(&[9; 32]))].concat())
}

#[test]
fn each_kind_takes_all_of_its_own_or_nothing() {
    use AlertDescription::*;
    let key = |group: u16| vec![(group, vec![4; 65])];
    refused(
        Suites::Gm,
        vec![
            case("standard suites", HandshakeFailure, "cipher suite", |h| h.suites = vec![TLS_AES_128_GCM_SHA256]),
            case("SM4 with X25519", HandshakeFailure, "group", |h| h.offer_groups(&[X25519], &[(X25519, vec![9; 32])])),
            case("SM4 with P-256", HandshakeFailure, "group", move |h| h.offer_groups(&[SECP256R1], &key(SECP256R1))),
            case("a suite of TLS 1.2", HandshakeFailure, "cipher suite", |h| h.suites = vec![0xe013, 0xc02b, 0xc02f]),
        ],
    );
    refused(
        Suites::Standard,
        vec![
            case("SM4 alone", HandshakeFailure, "cipher suite", |h| h.suites = vec![TLS_SM4_GCM_SM3]),
            case("AES with curveSM2", HandshakeFailure, "group", |h| {
                h.offer_groups(&[CURVE_SM2], &[(CURVE_SM2, vec![4; 65])]);
            }),
            case("suites of TLS 1.2", HandshakeFailure, "cipher suite", |h| h.suites = vec![0xc02b, 0xc02f, 0x009c]),
        ],
    );
}

#[test]
fn points_that_are_none() {
    let (sm2, p256) = (bytes(SM2_BASE), bytes(P256_BASE));
    for (suites, group, good, other) in
        [(Suites::Gm, CURVE_SM2, &sm2, &p256), (Suites::Standard, SECP256R1, &p256, &sm2)]
    {
        let zone = Zone::new(suites);
        let server = zone.server_config();
        let offer = |point: Vec<u8>| -> Edit { Box::new(move |h| h.offer_groups(&[group], &[(group, point.clone())])) };
        let found = points(good, other).into_iter().filter_map(|(name, point)| {
            faults(name, send(&zone, &server, &offer(point)), AlertDescription::IllegalParameter, "no point")
        });
        assert_none(suites, found.collect());
        // The base point itself gets an answer, so that the above were refused for what they are.
        let wire = send(&zone, &server, &offer(good.clone()));
        assert_eq!((wire.alert_of(Side::Server), wire.sent[1].1.body[0]), (None, 2), "{suites}");
    }
}

/// What is no hello at all, however long: refused as soon as it can be told, and never kept without bound.
#[test]
fn first_words_of_other_tongues() {
    use AlertDescription::*;
    const HANDSHAKE: u8 = 22;
    let record = |kind: u8, body: &[u8]| Record { kind, version: 0x0301, body: body.to_vec() }.bytes();
    let endless = [record(HANDSHAKE, &[1, 0xff, 0xff, 0xff]), record(HANDSHAKE, &[0; 16_000]).repeat(10)].concat();
    let nothing = record(HANDSHAKE, &[]).repeat(1000);
    let cases: [(&str, Vec<u8>, Option<AlertDescription>); 9] = [
        ("HTTP", b"GET / HTTP/1.1\r\nHost: enclave.test\r\n\r\n".to_vec(), Some(DecodeError)),
        ("SSH", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), Some(DecodeError)),
        ("SSL 2", vec![0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10], Some(DecodeError)),
        ("data before all", record(23, b"data"), Some(UnexpectedMessage)),
        ("an alert before all", record(21, &[2, 40]), None),
        ("a server's hello", record(HANDSHAKE, &handshake(2, &[3; 70])), Some(DecodeError)),
        ("a hello of 16 MiB", endless, None),
        ("a hello of no bytes", record(HANDSHAKE, &handshake(1, &[])), Some(DecodeError)),
        ("a hello in pieces of nothing", nothing, Some(DecodeError)),
    ];
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        let found = cases.iter().filter_map(|(name, bytes, alert)| {
            let mut wire = Wire::new(&zone.client_config(), &zone.server_config());
            wire.feed(Side::Client, bytes);
            wire.run(&mut |_, _| vec![]);
            let told = wire.server_end.as_ref().err().map(explain);
            let answered = wire.alert_of(Side::Server);
            let clean = told.as_ref().is_some_and(|told| !told.contains(char::is_control));
            (answered != *alert || !clean).then(|| format!("{name}: {answered:?}; {:?}; {told:?}", wire.server_end))
        });
        assert_none(suites, found.collect());
    }
}
