//! What a client makes of a server's first word: a server that answers what was not asked.

use glovebox_tls::{Suites, explain};
use rustls::AlertDescription;

use super::hello::*;
use super::wire::{Record, Side, Wire};
use super::zone::Zone;

type Edit = Box<dyn Fn(&mut Hello) -> Vec<Record>>;

/// A change to an honest ServerHello, the alert that answers it, and a part of what the operator is told.
struct Case(&'static str, Edit, AlertDescription, &'static str);

/// SHA-256 of "HelloRetryRequest": the random of a ServerHello that asks for another hello (RFC 8446, section 4.1.3).
const RETRY: &str = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c";

fn send(zone: &Zone, edit: &Edit) -> Wire {
    let mut wire = Wire::new(&zone.client_config(), &zone.server_config());
    wire.run(&mut |side, record| match (side, Hello::read(&record)) {
        (Side::Server, Some(mut hello)) => edit(&mut hello),
        _ => vec![record],
    });
    wire
}

fn fault(name: &str, mut wire: Wire, alert: AlertDescription, says: &str) -> Option<String> {
    let end = wire.client_end.clone().err();
    let told = end.as_ref().map(explain).unwrap_or_default();
    let answered = wire.alert_of(Side::Client);
    let silent = wire.plaintext_at(Side::Client).is_empty() && !wire.is_open();
    let right = answered == Some(alert) && !says.is_empty() && told.contains(says) && silent;
    (!right).then(|| format!("{name}: {answered:?}; {end:?}; {told}"))
}

fn case(name: &'static str, alert: AlertDescription, says: &'static str, edit: impl Fn(&mut Hello) + 'static) -> Case {
    let edit = move |hello: &mut Hello| {
        edit(hello);
        vec![hello.record()]
    };
    Case(name, Box::new(edit), alert, says)
}

/// A hello that asks for another: these extensions and nothing else.
fn retry(hello: &mut Hello, extensions: Vec<(u16, Vec<u8>)>) {
    hello.random = bytes(RETRY).try_into().unwrap();
    hello.extensions.retain(|(kind, _)| *kind == SUPPORTED_VERSIONS);
    hello.extensions.extend(extensions);
}

#[test]
fn answers_to_what_was_not_asked() {
    use AlertDescription::*;
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        // A suite, a group and its share of the other kind.
        let (suite, group, share) = match suites {
            Suites::Gm => (TLS_AES_128_GCM_SHA256, X25519, vec![9; 32]),
            Suites::Standard => (TLS_SM4_GCM_SM3, CURVE_SM2, bytes(SM2_BASE)),
        };
        let other_share = key_share(group, &share);
        let known = if suites == Suites::Gm { CURVE_SM2 } else { X25519 };
        let cases = vec![
            case("a suite of the other kind", HandshakeFailure, "rules", move |h| h.suites = vec![suite]),
            case("a suite of TLS 1.2", HandshakeFailure, "rules", |h| h.suites = vec![0xc02b]),
            case("a group of the other kind", IllegalParameter, "rules", move |h| {
                h.set(KEY_SHARE, other_share.clone())
            }),
            case("TLS 1.2", ProtocolVersion, "TLS 1.3", |h| h.remove(SUPPORTED_VERSIONS)),
            case("TLS 1.2 and the mark of a downgrade", ProtocolVersion, "TLS 1.3", |h| {
                h.remove(SUPPORTED_VERSIONS);
                h.random[24..].copy_from_slice(b"DOWNGRD\x01");
            }),
            case("TLS 1.2 by extension", ProtocolVersion, "TLS 1.3", |h| h.set(SUPPORTED_VERSIONS, vec![3, 3])),
            case("no key share", MissingExtension, "rules", |h| h.remove(KEY_SHARE)),
            case("compression", IllegalParameter, "rules", |h| h.compression = vec![1]),
            case("a session that nobody offered", UnsupportedExtension, "rules", |h| h.set(PRE_SHARED_KEY, vec![0, 0])),
            case("an extension twice", IllegalParameter, "no TLS 1.3", |h| {
                let first = h.extensions[0].clone();
                h.extensions.push(first);
            }),
            case("an extension that nobody offered", UnsupportedExtension, "rules", |h| h.set(EARLY_DATA, vec![])),
            case("a retry without a change", IllegalParameter, "rules", |h| retry(h, vec![])),
            case("a retry for the share that is there", IllegalParameter, "rules", move |h| {
                retry(h, vec![(KEY_SHARE, known.to_be_bytes().to_vec())]);
            }),
            case("a retry for a group of the other kind", IllegalParameter, "rules", move |h| {
                retry(h, vec![(KEY_SHARE, group.to_be_bytes().to_vec())]);
            }),
            case("a retry with an empty cookie", DecodeError, "no TLS 1.3", |h| retry(h, vec![(COOKIE, vec16(&[]))])),
            case("a retry with a suite of the other kind", IllegalParameter, "rules", move |h| {
                retry(h, vec![(COOKIE, vec16(&[1]))]);
                h.suites = vec![suite];
            }),
            Case(
                "a second retry",
                Box::new(|h| {
                    retry(h, vec![(COOKIE, vec16(&[1]))]);
                    vec![h.record(), h.record()]
                }),
                UnexpectedMessage,
                "out of turn",
            ),
        ];
        let found: Vec<String> = cases
            .into_iter()
            .filter_map(|Case(name, edit, alert, says)| fault(name, send(&zone, &edit), alert, says))
            .collect();
        assert!(found.is_empty(), "{suites}:\n{}", found.join("\n"));
    }
}

#[test]
fn points_that_are_none() {
    for (suites, group) in [(Suites::Gm, CURVE_SM2), (Suites::Standard, X25519)] {
        let zone = Zone::new(suites);
        // X25519 takes any 32 bytes; what it refuses is a secret of zeros (RFC 8446, section 7.4.2).
        let points = match suites {
            Suites::Gm => points(&bytes(SM2_BASE), &bytes(P256_BASE)),
            Suites::Standard => vec![("of zeros", vec![0; 32]), ("a byte short", vec![9; 31]), ("none", vec![4; 65])],
        };
        for (name, point) in points {
            let edit: Edit = Box::new(move |h| {
                h.set(KEY_SHARE, key_share(group, &point));
                vec![h.record()]
            });
            assert_eq!(
                fault(name, send(&zone, &edit), AlertDescription::IllegalParameter, "no point"),
                None,
                "{suites}"
            );
        }
    }
}
