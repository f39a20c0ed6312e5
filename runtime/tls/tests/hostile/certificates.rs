//! Certificates that must not hold: a client's shown to the server, and a server's shown to the client.

use std::sync::Arc;

use glovebox_gm::SigningKey;
use glovebox_tls::{Suites, explain};
use rustls::AlertDescription;
use rustls::sign::CertifiedKey;

use super::forge::*;
use super::peer;
use super::wire::{Side, Wire};
use super::zone::Zone;

/// A chain, the alert that answers it, a part of what the operator is told.
struct Case(&'static str, Vec<Vec<u8>>, AlertDescription, &'static str);

/// `victim` meets a peer that presents `certified`.
fn meet(zone: &Zone, victim: Side, certified: Arc<CertifiedKey>) -> Wire {
    let mut wire = match victim {
        Side::Server => {
            Wire::new(&Arc::new(peer::client(zone.suites, certified, peer::honest())), &zone.server_config())
        }
        Side::Client => {
            Wire::new(&zone.client_config(), &Arc::new(peer::server(zone.suites, certified, peer::honest())))
        }
    };
    wire.run_untouched();
    wire
}

/// A fault, unless the victim refuses with this alert, says so, and told or heard nothing.
fn fault(name: &str, victim: Side, mut wire: Wire, alert: AlertDescription, says: &str) -> Option<String> {
    let end = wire.end_of(victim).clone().err();
    let told = end.as_ref().map(explain).unwrap_or_default();
    let answered = wire.alert_of(victim);
    let silent = wire.plaintext_at(victim).is_empty() && !wire.is_open();
    let right = answered == Some(alert) && !says.is_empty() && told.contains(says) && silent;
    let clean = !told.chars().any(char::is_control);
    (!right || !clean).then(|| format!("{victim:?}, {name}: {answered:?}; {end:?}; {told}"))
}

fn check(zone: &Zone, victim: Side, key: &SigningKey, cases: Vec<Case>) {
    let pem = key.to_pkcs8_pem().unwrap();
    let found = cases.into_iter().filter_map(|Case(name, chain, alert, says)| {
        fault(name, victim, meet(zone, victim, peer::certified(zone.suites, chain, &pem)), alert, says)
    });
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What a victim of either side would accept, so that the cases below are refused for what they are.
#[test]
fn the_draft_itself_is_accepted() {
    let zone = Zone::new(Suites::Gm);
    let key = SigningKey::generate().unwrap();
    for (victim, purpose) in [(Side::Server, CLIENT), (Side::Client, SERVER)] {
        let chain = vec![Draft::good(&key, purpose).sign(&authority_key(&zone))];
        let wire = meet(&zone, victim, peer::certified(Suites::Gm, chain, &key.to_pkcs8_pem().unwrap()));
        assert!(wire.is_open(), "{victim:?}: {:?} {:?}", wire.client_end, wire.server_end);
    }
}

#[test]
fn forged_certificates() {
    use AlertDescription::*;
    let zone = Zone::new(Suites::Gm);
    let (key, authority) = (SigningKey::generate().unwrap(), authority_key(&zone));
    for (victim, own, other) in [(Side::Server, CLIENT, SERVER), (Side::Client, SERVER, CLIENT)] {
        let good = Draft::good(&key, own);
        let of = |edit: &dyn Fn(&mut Draft)| {
            let mut draft = good.clone();
            edit(&mut draft);
            vec![draft.sign(&authority)]
        };
        let algorithms = |d: &mut Draft, inside: &[u8], outside: &[u8]| {
            (d.algorithm_inside, d.algorithm_outside) = (algorithm(inside, &[]), algorithm(outside, &[]));
        };
        let case = |name, alert, says, edit: &dyn Fn(&mut Draft)| Case(name, of(edit), alert, says);
        let cases = vec![
            case("signed under another identifier", DecryptError, "identifier", &|d| d.id = "TLSv1.3+GM+Cipher+Suite"),
            case("signed under an empty identifier", DecryptError, "identifier", &|d| d.id = ""),
            case("of an unknown authority", UnknownCA, "authority", &|d| d.issuer = name("Elsewhere", None)),
            case("its own authority", CertificateUnknown, "an authority", &|d| {
                d.issuer = d.subject.clone();
                d.extensions[0] = basic_constraints(true);
            }),
            case("an authority's", CertificateUnknown, "an authority", &|d| d.extensions[0] = basic_constraints(true)),
            case("expired", CertificateExpired, "expired", &|d| d.not_after = "20210101000000Z".into()),
            case("of the future", CertificateExpired, "not valid before 2098", &|d| {
                d.not_before = "20980101000000Z".into();
            }),
            case("ended before it began", CertificateExpired, "expired", &|d| d.not_after = "20190101000000Z".into()),
            case("for the other side", UnsupportedCertificate, "purpose", &|d| d.extensions[2] = purpose(other)),
            case("an unknown critical extension", CertificateUnknown, "critical extension", &|d| {
                d.extensions.push(extension(&[0x2a, 3], true, &[5, 0]));
            }),
            case("an extension twice", CertificateUnknown, "malformed", &|d| d.extensions.push(key_usage(0x80))),
            case("version 1", CertificateUnknown, "malformed", &|d| {
                d.version.clear();
                d.extensions.clear();
            }),
            case("P-256 in the key's name", DecryptError, "a P-256 key", &|d| {
                d.key_algorithm = algorithm(EC_PUBLIC_KEY, &curve(CURVE_P256));
            }),
            case("no curve", DecryptError, "curve", &|d| d.key_algorithm = algorithm(EC_PUBLIC_KEY, &[])),
            case("a point off the curve", DecryptError, "signature", &|d| d.point[64] ^= 1),
            case("a point at infinity", DecryptError, "signature", &|d| d.point = vec![0]),
            case("a compressed point", DecryptError, "signature", &|d| {
                d.point.truncate(33);
                d.point[0] = 2 + (d.point[32] & 1);
            }),
            case("another's point", DecryptError, "signature", &|d| d.point = point_of(&authority)),
            case("two algorithms", CertificateUnknown, "malformed", &|d| {
                algorithms(d, SM2_WITH_SM3, ECDSA_WITH_SHA256);
            }),
            case("another algorithm", DecryptError, "ECDSA", &|d| algorithms(d, ECDSA_WITH_SHA256, ECDSA_WITH_SHA256)),
        ];
        check(&zone, victim, &key, cases);
    }
}

/// Certificates that are not what their signature was made for, or no certificates.
#[test]
fn broken_certificates() {
    use AlertDescription::*;
    let zone = Zone::new(Suites::Gm);
    let (key, authority) = (SigningKey::generate().unwrap(), authority_key(&zone));
    for (victim, own) in [(Side::Server, CLIENT), (Side::Client, SERVER)] {
        let good = Draft::good(&key, own);
        let sane = good.sign(&authority);
        let as_it_is = |name, alert, says, der: Vec<u8>| Case(name, vec![der], alert, says);
        let cases = vec![
            as_it_is("signed by itself", DecryptError, "signature", good.sign(&key)),
            as_it_is("no signature", DecryptError, "signature", good.with_signature(&[])),
            as_it_is(
                "a signature of zeros",
                DecryptError,
                "signature",
                good.with_signature(&[0x30, 6, 2, 1, 0, 2, 1, 0]),
            ),
            as_it_is("bytes after it", BadCertificate, "malformed", [&sane[..], &[0]].concat()),
            as_it_is("cut off", BadCertificate, "malformed", sane[..sane.len() - 1].to_vec()),
            as_it_is("no bytes", BadCertificate, "malformed", vec![]),
            as_it_is("text", BadCertificate, "malformed", b"-----BEGIN CERTIFICATE-----".to_vec()),
        ];
        check(&zone, victim, &key, cases);
    }
}

/// An end certifies nothing, and nobody is believed whose certificates can't be revoked.
#[test]
fn chains_that_do_not_hold() {
    use AlertDescription::*;
    let zone = Zone::new(Suites::Gm);
    let (key, middle, authority) =
        (SigningKey::generate().unwrap(), SigningKey::generate().unwrap(), authority_key(&zone));
    for (victim, own) in [(Side::Server, CLIENT), (Side::Client, SERVER)] {
        let mut end = Draft::good(&key, own);
        end.issuer = name("Middle", None);
        let middle_of = |is_authority: bool, usage: u8| {
            let mut draft = Draft::good(&middle, own);
            draft.subject = name("Middle", None);
            draft.extensions = vec![basic_constraints(is_authority), key_usage(usage)];
            draft.sign(&authority)
        };
        let end = end.sign(&middle);
        // Everyone whose name is asked for is tried, so a crowd of namesakes must not cost time without bound.
        let crowd =
            |count: usize| std::iter::once(end.clone()).chain((0..count).map(|_| middle_of(true, 0x04))).collect();
        let mut cases = vec![
            Case(
                "under another end",
                vec![end.clone(), middle_of(false, 0x80)],
                CertificateUnknown,
                "not an authority's",
            ),
            Case("without the one between", vec![end.clone()], UnknownCA, "authority"),
        ];
        // A client leaves it to the zone's authority whom else it makes one (its own path length is not in what a
        // trust anchor is); a server wants a revocation list of each.
        if victim == Side::Server {
            let between = vec![end.clone(), middle_of(true, 0x04)];
            cases.push(Case("under an authority between", between, UnknownCA, "revocation list"));
            cases.push(Case("under a crowd", crowd(20), UnknownCA, "revocation list"));
        }
        let started = std::time::Instant::now();
        check(&zone, victim, &key, cases);
        assert!(started.elapsed().as_secs() < 20);
    }
}

/// Ends of the other kind: each side of a zone takes one kind of key, whoever vouches for it.
#[test]
fn certificates_of_the_other_kind() {
    let (gm, standard) = (Zone::new(Suites::Gm), Zone::new(Suites::Standard));
    for victim in [Side::Server, Side::Client] {
        // An SM2 key behind a certificate of P-256, and the reverse: both are real, neither fits the suites.
        let of = |zone: &Zone| der(if victim == Side::Server { &zone.client } else { &zone.server });
        let sm2 = SigningKey::generate().unwrap();
        let found = fault(
            "a P-256 certificate over SM2 suites",
            victim,
            meet(&gm, victim, peer::certified(Suites::Gm, vec![of(&standard)], &sm2.to_pkcs8_pem().unwrap())),
            AlertDescription::DecryptError,
            "P-256",
        );
        assert_eq!(found, None);
        let key = if victim == Side::Server { &standard.client } else { &standard.server };
        let found = fault(
            "an SM2 certificate over standard suites",
            victim,
            meet(&standard, victim, peer::certified(Suites::Standard, vec![of(&gm)], key.key_pem.expose())),
            AlertDescription::DecryptError,
            "SM2",
        );
        assert_eq!(found, None);
    }
}

/// What a stranger wrote into a certificate comes to an operator's terminal as text, not as commands.
#[test]
fn names_with_control_characters_stay_text() {
    let zone = Zone::new(Suites::Gm);
    let key = SigningKey::generate().unwrap();
    let mut draft = Draft::good(&key, SERVER);
    draft.subject = name("a\x1b[2Jb", Some("c\nd"));
    draft.extensions[3] = dns_names(&[b"x\x1b[31m.test", b"y\r\n.test", b"enclave.test.evil"]);
    let chain = vec![draft.sign(&authority_key(&zone))];
    let wire = meet(&zone, Side::Client, peer::certified(Suites::Gm, chain, &key.to_pkcs8_pem().unwrap()));
    assert_eq!(fault("names", Side::Client, wire, AlertDescription::BadCertificate, "enclave.test"), None);
}
