//! Handshakes that go wrong after the hellos: under the right keys, a peer says what it must not.

use std::sync::Arc;

use glovebox_gm::SigningKey;
use glovebox_tls::{Suites, explain, provider};
use rustls::sign::{CertifiedKey, Signer, SigningKey as TlsKey};
use rustls::{AlertDescription, ContentType, Error, SignatureAlgorithm, SignatureScheme};

use super::forge::der;
use super::hello::*;
use super::peer::{self, Edit, Inner};
use super::wire::{Side, Wire};
use super::zone::Zone;

const ENCRYPTED_EXTENSIONS: u8 = 8;
const CERTIFICATE: u8 = 11;
const CERTIFICATE_REQUEST: u8 = 13;
const CERTIFICATE_VERIFY: u8 = 15;
const FINISHED: u8 = 20;

/// A change under the keys of the handshake, the alert that answers it, and a part of what the operator is told. There
/// are faults at which rustls hangs up without an alert.
struct Case(&'static str, Edit, Option<AlertDescription>, &'static str);

fn honest_key(zone: &Zone, hostile: Side) -> Arc<CertifiedKey> {
    let issued = if hostile == Side::Client { &zone.client } else { &zone.server };
    peer::certified(zone.suites, vec![der(issued)], issued.key_pem.expose())
}

fn meet(zone: &Zone, hostile: Side, certified: Arc<CertifiedKey>, edit: Edit) -> Wire {
    peer::begin();
    let mut wire = match hostile {
        Side::Client => Wire::new(&Arc::new(peer::client(zone.suites, certified, edit)), &zone.server_config()),
        Side::Server => Wire::new(&zone.client_config(), &Arc::new(peer::server(zone.suites, certified, edit))),
    };
    wire.run_untouched();
    wire
}

fn fault(name: &str, hostile: Side, mut wire: Wire, alert: Option<AlertDescription>, says: &str) -> Option<String> {
    let victim = if hostile == Side::Client { Side::Server } else { Side::Client };
    let end = wire.end_of(victim).clone().err();
    let told = end.as_ref().map(explain).unwrap_or_default();
    let answered = wire.alert_of(victim);
    let silent = wire.plaintext_at(victim).is_empty() && !wire.is_open();
    let right = answered == alert && !says.is_empty() && told.contains(says) && silent;
    (!right).then(|| format!("{victim:?}, {name}: {answered:?}; {end:?}; {told}"))
}

fn check(hostile: Side, cases: impl Fn() -> Vec<Case>) {
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        let meet = |edit| meet(&zone, hostile, honest_key(&zone, hostile), edit);
        let found = cases()
            .into_iter()
            .filter_map(|Case(name, edit, alert, says)| fault(name, hostile, meet(edit), alert, says));
        let found: Vec<String> = found.collect();
        assert!(found.is_empty(), "{suites}:\n{}", found.join("\n"));
        assert!(meet(peer::honest()).is_open(), "the honest peer gets through");
    }
}

/// Replaces the handshake messages of this kind in the handshake's epoch.
fn edit(kind: u8, change: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Edit {
    Arc::new(move |inner: &mut Inner| {
        if inner.epoch == 0 {
            inner.edit_message(kind, &change);
        }
    })
}

fn changed(kind: u8, change: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) -> Edit {
    edit(kind, move |body| {
        let mut body = body.to_vec();
        change(&mut body);
        vec![handshake(kind, &body)]
    })
}

/// What both sides may do wrong with certificate, signature and end of the handshake.
fn of_either_side() -> Vec<Case> {
    use AlertDescription::*;
    const SCHEME: &str = "a scheme that was not offered";
    const MALFORMED: &str = "no TLS 1.3";
    const TURN: &str = "out of turn";
    let verify = |change: fn(&mut Vec<u8>)| changed(CERTIFICATE_VERIFY, change);
    let certificate = |change: fn(&mut Vec<u8>)| changed(CERTIFICATE, change);
    let end = |change: fn(&mut Vec<u8>)| changed(FINISHED, change);
    let twice = |kind: u8| edit(kind, move |body| vec![handshake(kind, body); 2]);
    let before_end = |kind: u8| edit(FINISHED, move |body| vec![handshake(kind, &[0]), handshake(FINISHED, body)]);
    vec![
        case("no certificate", UnexpectedMessage, TURN, edit(CERTIFICATE, |_| vec![])),
        case(
            "a certificate of no bytes",
            BadCertificate,
            "malformed",
            certificate(|b| *b = vec![0, 0, 0, 5, 0, 0, 0, 0, 0]),
        ),
        case("a list longer than its message", DecodeError, MALFORMED, certificate(|b| b[3] += 1)),
        case("a certificate twice", UnexpectedMessage, TURN, twice(CERTIFICATE)),
        case("no signature", UnexpectedMessage, TURN, edit(CERTIFICATE_VERIFY, |_| vec![])),
        case("a signature of no bytes", DecryptError, "signature", verify(|b| b.splice(2.., [0, 0]).for_each(drop))),
        case("a signature off by a bit", DecryptError, "signature", verify(|b| *b.last_mut().unwrap() ^= 1)),
        case("a signature by another scheme", IllegalParameter, SCHEME, verify(|b| b[..2].copy_from_slice(&[6, 3]))),
        case("a signature over SHA-1", IllegalParameter, SCHEME, verify(|b| b[..2].copy_from_slice(&[2, 3]))),
        case("a signature twice", UnexpectedMessage, TURN, twice(CERTIFICATE_VERIFY)),
        case("bytes after the signature", DecodeError, MALFORMED, verify(|b| b.push(0))),
        case("a false end", DecryptError, "authenticate", end(|b| b[0] ^= 1)),
        case("an end cut off", DecryptError, "authenticate", end(|b| b.truncate(31))),
        case("an end of no bytes", DecryptError, "authenticate", end(Vec::clear)),
        case("an unknown message", UnexpectedMessage, TURN, before_end(99)),
        case("new keys before the end", UnexpectedMessage, TURN, before_end(24)),
        case("another hello before the end", DecodeError, MALFORMED, before_end(1)),
        case("data before the end", UnexpectedMessage, TURN, first(|inner| inner.kind = ContentType::ApplicationData)),
        case(
            "a message without end",
            None,
            MALFORMED,
            first(|inner| {
                inner.body = [&[CERTIFICATE, 0xff, 0xff, 0xff][..], &[0; 8000]].concat();
            }),
        ),
        case(
            "nothing but zeros",
            None,
            "rules",
            first(|inner| {
                inner.kind = ContentType::Unknown(0);
                inner.body = vec![0; 50];
            }),
        ),
    ]
}

fn case(name: &'static str, alert: impl Into<Option<AlertDescription>>, says: &'static str, edit: Edit) -> Case {
    Case(name, edit, alert.into(), says)
}

/// Changes all records under the keys of the handshake.
fn first(change: impl Fn(&mut Inner) + Send + Sync + 'static) -> Edit {
    Arc::new(move |inner| {
        if inner.epoch == 0 {
            change(inner);
        }
    })
}

#[test]
fn a_client_out_of_line() {
    use AlertDescription::*;
    let both = |body: &[u8]| vec![handshake(FINISHED, body); 2];
    check(Side::Client, || {
        let mut cases = of_either_side();
        cases.extend([
            case("an empty list", CertificateRequired, "no certificate", changed(CERTIFICATE, |b| *b = vec![0; 4])),
            case(
                "the end at once",
                UnexpectedMessage,
                "out of turn",
                first(|inner| inner.body = handshake(FINISHED, &[7; 32])),
            ),
            case("an end twice", UnexpectedMessage, "rules", edit(FINISHED, both)),
            case(
                "another request's context",
                DecodeError,
                "no TLS 1.3",
                changed(CERTIFICATE, |b| {
                    b.splice(..1, [1, 7]).for_each(drop);
                }),
            ),
        ]);
        cases
    });
}

#[test]
fn a_server_out_of_line() {
    use AlertDescription::*;
    let both = |body: &[u8]| vec![handshake(FINISHED, body); 2];
    let with = |kind: u16, body: Vec<u8>| {
        changed(ENCRYPTED_EXTENSIONS, move |b| {
            *b = vec16(&[&b[2..], &kind.to_be_bytes()[..], &vec16(&body)].concat());
        })
    };
    let protocol = |name: &[u8]| vec16(&vec8(name));
    let server_name = [&[0, 0, 0, 0][..], &[0, 0, 0, 0]].concat();
    check(Side::Server, || {
        let mut cases = of_either_side();
        cases.extend([
            case("an empty list", None, "no certificate", changed(CERTIFICATE, |b| *b = vec![0; 4])),
            case("an end twice", None, "rules", edit(FINISHED, both)),
            case("no extensions", UnexpectedMessage, "out of turn", edit(ENCRYPTED_EXTENSIONS, |_| vec![])),
            case("a key share in secret", DecodeError, "no TLS 1.3", with(KEY_SHARE, vec![0, 41])),
            case("a version in secret", UnsupportedExtension, "rules", with(SUPPORTED_VERSIONS, vec![3, 4])),
            case("early data that nobody sent", UnsupportedExtension, "rules", with(EARLY_DATA, vec![])),
            case("a protocol that nobody offered", UnsupportedExtension, "rules", with(16, protocol(b"h3"))),
            case(
                "an extension twice",
                IllegalParameter,
                "no TLS 1.3",
                changed(ENCRYPTED_EXTENSIONS, {
                    let name = server_name.clone();
                    move |b| *b = vec16(&name)
                }),
            ),
            case(
                "a request for no signatures",
                DecodeError,
                "no TLS 1.3",
                changed(CERTIFICATE_REQUEST, |b| {
                    *b = vec![0, 0, 6, 0, 13, 0, 2, 0, 0];
                }),
            ),
            case(
                "two requests",
                UnexpectedMessage,
                "out of turn",
                edit(CERTIFICATE_REQUEST, |b| vec![handshake(CERTIFICATE_REQUEST, b); 2]),
            ),
        ]);
        cases
    });
}

/// Signs handshakes as it should not.
#[derive(Clone, Debug)]
struct Odd {
    key: Arc<SigningKey>,
    id: &'static str,
    message: Option<&'static [u8]>,
    scheme: SignatureScheme,
}

impl TlsKey for Odd {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(self.clone()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::Unknown(8)
    }
}

impl Signer for Odd {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.key.sign_as(self.id, self.message.unwrap_or(message)).unwrap().to_der().unwrap())
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

/// A certificate proves nothing: who signs the handshake must hold its key, and sign this handshake, as one.
#[test]
fn signatures_that_prove_nothing() {
    const HANDSHAKES: &str = "TLSv1.3+GM+Cipher+Suite";
    let sm2sig = SignatureScheme::Unknown(0x0708);
    let zone = Zone::new(Suites::Gm);
    for hostile in [Side::Client, Side::Server] {
        let issued = if hostile == Side::Client { &zone.client } else { &zone.server };
        let own = Arc::new(SigningKey::from_pem(issued.key_pem.expose(), None).unwrap());
        let odd = |id, message, scheme, key: &Arc<SigningKey>| {
            let key = Odd { key: key.clone(), id, message, scheme };
            meet(&zone, hostile, peer::with_key(vec![der(issued)], Arc::new(key)), peer::honest())
        };
        assert!(
            odd(HANDSHAKES, None, sm2sig, &own).is_open(),
            "the odd one is as good as any when it signs as it should"
        );
        let stranger = Arc::new(SigningKey::generate().unwrap());
        let cases = [
            ("under the identifier of certificates", odd("1234567812345678", None, sm2sig, &own)),
            ("under no identifier", odd("", None, sm2sig, &own)),
            ("of something else", odd(HANDSHAKES, Some(b"something else"), sm2sig, &own)),
            ("with another key", odd(HANDSHAKES, None, sm2sig, &stranger)),
        ];
        for (name, wire) in cases {
            assert_eq!(fault(name, hostile, wire, Some(AlertDescription::DecryptError), "identifier"), None);
        }
        let wire = odd(HANDSHAKES, None, SignatureScheme::ECDSA_NISTP256_SHA256, &own);
        assert_eq!(fault("as ECDSA", hostile, wire, Some(AlertDescription::IllegalParameter), "scheme"), None);
    }
}

/// A client that wants no SM2 signature, though all else is of RFC 8998, gets none, and no handshake.
#[test]
fn suites_without_their_signature() {
    let zone = Zone::new(Suites::Gm);
    let mut mixed = (*provider(Suites::Gm)).clone();
    mixed.signature_verification_algorithms = provider(Suites::Standard).signature_verification_algorithms;
    let client = peer::client_of(Arc::new(mixed), honest_key(&zone, Side::Client));
    let mut wire = Wire::new(&Arc::new(client), &zone.server_config());
    wire.run_untouched();
    assert_eq!(fault("no sm2sig_sm3", Side::Client, wire, Some(AlertDescription::HandshakeFailure), "signature"), None);
}
