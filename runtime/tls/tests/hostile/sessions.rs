//! Sessions that are not the peer's to resume, and two kinds of TLS behind one port.

use std::sync::Arc;

use glovebox_tls::{Suites, explain, negotiated, provider};
use rustls::server::Acceptor;
use rustls::{AlertDescription, ClientConfig, HandshakeKind, ServerConfig};

use super::forge::der;
use super::hello::*;
use super::peer;
use super::wire::{Record, Side, Wire};
use super::zone::Zone;

/// `psk_key_exchange_modes`.
const MODES: u16 = 45;

/// A client of the zone with a session at `server`.
fn known_client(zone: &Zone, server: &Arc<ServerConfig>) -> Arc<ClientConfig> {
    let client = zone.client_config();
    let mut wire = Wire::new(&client, server);
    wire.run_untouched();
    assert!(wire.is_open());
    client
}

/// What the server makes of a hello that would resume a session, changed.
fn resume(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, edit: impl Fn(&mut Hello)) -> Wire {
    let mut wire = Wire::new(client, server);
    wire.run(&mut |side, record| match (side, Hello::read(&record)) {
        (Side::Client, Some(mut hello)) => {
            assert!(hello.extensions.iter().any(|(kind, _)| *kind == PRE_SHARED_KEY), "a session is at hand");
            edit(&mut hello);
            vec![hello.record()]
        }
        _ => vec![record],
    });
    wire
}

/// Whether the server's hello takes the session up.
fn is_taken_up(wire: &Wire) -> bool {
    let answer = wire.sent.iter().filter(|(side, _)| *side == Side::Server).find_map(|(_, r)| Hello::read(r));
    answer.is_some_and(|hello| hello.extensions.iter().any(|(kind, _)| *kind == PRE_SHARED_KEY))
}

#[test]
fn sessions_are_resumed_by_their_owner_once() {
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        let server = zone.server_config();
        let client = known_client(&zone, &server);
        let mut ticket = Vec::new();
        let wire = resume(&client, &server, |_| {});
        assert!(wire.is_open() && is_taken_up(&wire));
        assert_eq!(wire.server.handshake_kind(), Some(HandshakeKind::Resumed));
        // The same hello again, as whoever listened would send it.
        let hello = wire.sent.iter().find(|(side, _)| *side == Side::Client).unwrap().1.clone();
        ticket.push(hello);
        let mut replayed = Wire::new(&client, &server);
        ticket.iter().for_each(|record| replayed.feed(Side::Client, &record.bytes()));
        replayed.run(&mut |_, _| vec![]);
        assert!(!is_taken_up(&replayed), "{suites}: a session is there once");
        // A configuration that was loaded anew knows nobody.
        let again = known_client(&zone, &server);
        assert!(!is_taken_up(&resume(&again, &zone.server_config(), |_| {})), "{suites}");
    }
}

#[test]
fn sessions_that_do_not_hold() {
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        let server = zone.server_config();
        let meet = |edit: &dyn Fn(&mut Hello)| resume(&known_client(&zone, &server), &server, edit);

        // The binder is by the session's key over the hello: without it, knowing the ticket is worth nothing.
        let binder = |hello: &mut Hello| *hello.extension(PRE_SHARED_KEY).last_mut().unwrap() ^= 1;
        let moved = |hello: &mut Hello| hello.random[0] ^= 1;
        for edit in [&binder as &dyn Fn(&mut Hello), &moved] {
            let wire = meet(edit);
            let told = wire.server_end.as_ref().err().map(explain).unwrap();
            assert_eq!(wire.alert_of(Side::Server), Some(AlertDescription::DecryptError), "{suites}: {told}");
            assert!(!wire.is_open() && told.contains("without knowing its secret"), "{suites}: {told}");
        }
        // A ticket of nobody's, and a session without fresh keys (psk_ke): a full handshake, or none.
        let nobody = meet(&|hello| hello.extension(PRE_SHARED_KEY)[5] ^= 1);
        let stale = meet(&|hello| hello.set(MODES, vec8(&[0])));
        assert!(!is_taken_up(&nobody) && !is_taken_up(&stale), "{suites}");
        assert!(!nobody.is_open() && !stale.is_open(), "{suites}: the hello was changed on the way");
        // Early data is neither offered nor read.
        let early = meet(&|hello| hello.extensions.insert(0, (EARLY_DATA, vec![])));
        assert!(!early.is_open());
    }
}

/// A server of both kinds, as one port has them.
struct Port {
    gm: (Zone, Arc<ServerConfig>),
    standard: (Zone, Arc<ServerConfig>),
}

impl Port {
    fn new() -> Self {
        let side = |suites| {
            let zone = Zone::new(suites);
            let server = zone.server_config();
            (zone, server)
        };
        Self { gm: side(Suites::Gm), standard: side(Suites::Standard) }
    }

    /// The configuration that this hello chooses.
    fn choose(&self, hello: &Record) -> Arc<ServerConfig> {
        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut hello.bytes().as_slice()).unwrap();
        let accepted = acceptor.accept().map_err(|(error, _)| error).unwrap().unwrap();
        match Suites::of_hello(&accepted.client_hello()) {
            Suites::Gm => self.gm.1.clone(),
            Suites::Standard => self.standard.1.clone(),
        }
    }

    /// A client meets the port; the hello is changed on the way.
    fn meet(&self, client: &Arc<ClientConfig>, edit: impl Fn(&mut Hello)) -> Wire {
        let first = |wire: &mut Wire| {
            let mut bytes = Vec::new();
            wire.client.write_tls(&mut bytes).unwrap();
            let mut hello = Hello::read(&super::wire::records(&bytes)[0]).unwrap();
            edit(&mut hello);
            hello.record()
        };
        let mut wire = Wire::new(client, &self.gm.1);
        let hello = first(&mut wire);
        wire.server = rustls::ServerConnection::new(self.choose(&hello)).unwrap();
        wire.feed(Side::Client, &hello.bytes());
        wire.run_untouched();
        wire
    }
}

#[test]
fn each_client_gets_its_kind() {
    let port = Port::new();
    for (zone, expected) in [(&port.gm.0, "TLS_SM4_GCM_SM3, curveSM2"), (&port.standard.0, "TLS_AES_")] {
        let wire = port.meet(&zone.client_config(), |_| {});
        assert!(wire.is_open());
        assert!(negotiated(&wire.server).unwrap().starts_with(expected), "{:?}", negotiated(&wire.server));
    }
}

/// Who takes the offer of RFC 8998 out of a hello gets no weaker connection, but none.
#[test]
fn stripped_offers_end_the_handshake() {
    let port = Port::new();
    let client = port.gm.0.client_config();
    type Strip = fn(&mut Hello);
    let strips: [(&str, Strip); 4] = [
        ("suites", |h| h.suites = vec![TLS_AES_128_GCM_SHA256]),
        ("group", |h| h.offer_groups(&[X25519], &[(X25519, vec![9; 32])])),
        ("signature", |h| h.offer_signatures(&[ECDSA_SECP256R1_SHA256])),
        ("all three", |h| {
            h.suites = vec![TLS_AES_128_GCM_SHA256];
            h.offer_groups(&[X25519], &[(X25519, vec![9; 32])]);
            h.offer_signatures(&[ECDSA_SECP256R1_SHA256]);
        }),
    ];
    for (name, strip) in strips {
        let wire = port.meet(&client, |hello| {
            strip(hello);
            let chosen = port.choose(&hello.record());
            assert!(Arc::ptr_eq(&chosen, &port.standard.1), "{name}: a part of RFC 8998 is not RFC 8998");
        });
        assert!(!wire.is_open(), "{name}");
        assert!(wire.client_end.is_err(), "{name}: {:?}", wire.client_end);
        assert_eq!(negotiated(&wire.client), None, "{name}");
    }
}

/// A client that offers everything at once gets one kind whole, never a suite of one with a group of the other.
#[test]
fn mixed_offers_get_one_kind_whole() {
    let port = Port::new();
    let (gm, standard) = (provider(Suites::Gm), provider(Suites::Standard));
    for gm_first in [true, false] {
        let mut mixed = (*gm).clone();
        let (first, second) = if gm_first { (&gm, &standard) } else { (&standard, &gm) };
        mixed.cipher_suites = [&first.cipher_suites[..], &second.cipher_suites].concat();
        mixed.kx_groups = [&first.kx_groups[..], &second.kx_groups].concat();
        let client = &port.gm.0.client;
        let certified = peer::certified(Suites::Gm, vec![der(client)], client.key_pem.expose());
        let client = Arc::new(peer::client_of(Arc::new(mixed), certified));
        let wire = port.meet(&client, |_| {});
        assert!(wire.is_open(), "{:?} {:?}", wire.client_end, wire.server_end);
        let agreed = negotiated(&wire.server).unwrap();
        assert!(agreed.ends_with("_SM3, curveSM2"), "{agreed}");
    }
}

/// The kind is settled by the first hello: after a retry, the second one can't change it.
#[test]
fn a_second_hello_can_not_change_the_kind() {
    let port = Port::new();
    let mut wire = Wire::new(&port.gm.0.client_config(), &port.gm.1);
    let mut bytes = Vec::new();
    wire.client.write_tls(&mut bytes).unwrap();
    let hello = Hello::read(&super::wire::records(&bytes)[0]).unwrap();
    let mut first = hello.clone();
    first.offer_groups(&[CURVE_SM2], &[]);
    let mut second = hello;
    second.suites = vec![TLS_AES_128_GCM_SHA256];
    second.offer_groups(&[X25519], &[(X25519, vec![9; 32])]);
    wire.feed(Side::Client, &first.record().bytes());
    assert_eq!(wire.server_end, Ok(()), "asks for a share");
    wire.feed(Side::Client, &second.record().bytes());
    wire.run(&mut |_, _| vec![]);
    assert_eq!(wire.alert_of(Side::Server), Some(AlertDescription::HandshakeFailure), "{:?}", wire.server_end);
}

/// A session of one kind is nothing to the other.
#[test]
fn sessions_do_not_cross_the_kinds() {
    let port = Port::new();
    for (own, other) in [(&port.gm, &port.standard), (&port.standard, &port.gm)] {
        let client = known_client(&own.0, &own.1);
        let mut ticket = None;
        let mut wire = Wire::new(&client, &own.1);
        let mut bytes = Vec::new();
        wire.client.write_tls(&mut bytes).unwrap();
        if let Some(mut hello) = Hello::read(&super::wire::records(&bytes)[0]) {
            ticket = Some(hello.extension(PRE_SHARED_KEY).clone());
        }
        let ticket = ticket.expect("a session is at hand");
        let wire = port.meet(&other.0.client_config(), |hello| hello.extensions.push((PRE_SHARED_KEY, ticket.clone())));
        assert!(!is_taken_up(&wire) && !wire.is_open());
    }
}
