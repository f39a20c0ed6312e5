//! Two honest ends and someone between them who changes records; or one end that changes its messages before it seals
//! them. Whoever is between changes nothing of what arrives: both ends agree on everything, or there is no connection.
#![no_main]

use std::cell::RefCell;
use std::io::Write;
use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use glovebox_tls::{Suites, explain, negotiated};
use libfuzzer_sys::fuzz_target;
use rustls::{ClientConfig, ServerConfig};
use wire::{Record, Side, Wire};

#[allow(dead_code, reason = "what the tests of hostile peers need besides")]
#[path = "../../tests/hostile/forge.rs"]
mod forge;
#[allow(dead_code, reason = "what the tests of hostile peers need besides")]
#[path = "../../tests/hostile/hello.rs"]
mod hello;
#[allow(dead_code, reason = "what the tests of hostile peers need besides")]
#[path = "../../tests/hostile/peer.rs"]
mod peer;
#[allow(dead_code, reason = "what the tests of hostile peers need besides")]
#[path = "../../tests/hostile/wire.rs"]
mod wire;
#[allow(dead_code, reason = "what the tests of hostile peers need besides")]
#[path = "../../tests/hostile/zone.rs"]
mod zone;

#[derive(Debug, Arbitrary)]
struct Input {
    is_gm: bool,
    /// Who lies; if nobody, the changes are made on the way.
    liar: Option<bool>,
    changes: Vec<Change>,
}

#[derive(Debug, Clone, Arbitrary)]
struct Change {
    of_client: bool,
    /// Which of its records.
    record: u8,
    what: What,
}

#[derive(Debug, Clone, Arbitrary)]
enum What {
    Flip { at: u16, bits: u8 },
    Cut { at: u16 },
    Insert { at: u16, bytes: Vec<u8> },
    Kind(u8),
    Version(u16),
    Drop,
    Repeat,
    Split { at: u16 },
    Add(u8, Vec<u8>),
}

struct Zones {
    honest: (Arc<ClientConfig>, Arc<ServerConfig>),
    lying: (Arc<ClientConfig>, Arc<ServerConfig>),
}

std::thread_local! {
    /// What the lying end changes, and how many records it has sealed.
    static LIES: RefCell<(Vec<Change>, u8)> = const { RefCell::new((Vec::new(), 0)) };
}

static ZONES: LazyLock<[Zones; 2]> = LazyLock::new(|| {
    Suites::ALL.map(|suites| {
        let zone = zone::Zone::new(suites);
        let certified = |issued: &glovebox_gm::pki::Issued| {
            peer::certified(suites, vec![forge::der(issued)], issued.key_pem.expose())
        };
        let lie: peer::Edit = Arc::new(|inner| {
            LIES.with_borrow_mut(|(changes, sealed)| {
                for change in changes.iter().filter(|change| change.record == *sealed) {
                    alter(&mut inner.body, &change.what);
                    if let What::Kind(kind) = change.what {
                        inner.kind = rustls::ContentType::from(kind);
                    }
                }
                *sealed = sealed.wrapping_add(1);
                // Longer ones, rustls would have to split before it seals them.
                inner.body.truncate(16_000);
            });
        });
        Zones {
            lying: (
                Arc::new(peer::client(suites, certified(&zone.client), lie.clone())),
                Arc::new(peer::server(suites, certified(&zone.server), lie)),
            ),
            honest: (zone.client_config(), zone.server_config()),
        }
    })
});

fn alter(body: &mut Vec<u8>, what: &What) {
    let place = |at: u16| usize::from(at) % (body.len() + 1);
    match what {
        What::Flip { at, bits } => {
            let at = place(*at);
            if let Some(byte) = body.get_mut(at) {
                *byte ^= bits;
            }
        }
        What::Cut { at } => body.truncate(place(*at)),
        What::Insert { at, bytes } => {
            let at = place(*at);
            body.splice(at..at, bytes.iter().copied()).for_each(drop);
        }
        _ => {}
    }
}

/// What arrives in the place of a record.
fn changed(record: Record, what: &What) -> Vec<Record> {
    let mut record = record;
    alter(&mut record.body, what);
    match what {
        What::Kind(kind) => record.kind = *kind,
        What::Version(version) => record.version = *version,
        What::Drop => return vec![],
        What::Repeat => return vec![record.clone(), record],
        What::Add(kind, body) => return vec![record, Record { kind: *kind, version: 0x0303, body: body.clone() }],
        What::Split { at } => {
            let rest = record.body.split_off(usize::from(*at) % (record.body.len() + 1));
            return vec![record.clone(), Record { body: rest, ..record }];
        }
        _ => {}
    }
    vec![record]
}

fuzz_target!(|input: Input| {
    let zone = &ZONES[usize::from(!input.is_gm)];
    peer::begin();
    LIES.set((input.changes.clone(), 0));
    let mut wire = match input.liar {
        Some(true) => Wire::new(&zone.lying.0, &zone.honest.1),
        Some(false) => Wire::new(&zone.honest.0, &zone.lying.1),
        None => Wire::new(&zone.honest.0, &zone.honest.1),
    };
    // Both have something to say from the start; it goes out when the handshake is done.
    wire.client.writer().write_all(b"from the client").unwrap();
    let mut counts = [0_u8; 2];
    wire.run(&mut |side, record| {
        let number = counts[usize::from(side == Side::Server)];
        counts[usize::from(side == Side::Server)] = number.wrapping_add(1);
        let own = |change: &&Change| change.record == number && change.of_client == (side == Side::Client);
        match input.changes.iter().find(own) {
            Some(change) if input.liar.is_none() => changed(record, &change.what),
            _ => vec![record],
        }
    });
    for end in [&wire.client_end, &wire.server_end] {
        let told = end.as_ref().err().map(explain).unwrap_or_else(|| "nothing".to_owned());
        assert!(!told.is_empty() && !told.contains(char::is_control), "{told:?}");
    }
    if input.liar.is_none() {
        agree(&mut wire);
    }
});

/// Both ends hold the same keys if both hold any, and heard nothing that was not said.
fn agree(wire: &mut Wire) {
    let heard = wire.plaintext_at(Side::Server);
    assert!(heard.is_empty() || heard == b"from the client");
    assert_eq!(wire.plaintext_at(Side::Client), b"");
    if wire.client.is_handshaking() || wire.server.is_handshaking() {
        return;
    }
    let exported = |keys: Result<[u8; 32], rustls::Error>| keys.unwrap();
    let client = exported(wire.client.export_keying_material([0; 32], b"fuzz", None));
    let server = exported(wire.server.export_keying_material([0; 32], b"fuzz", None));
    assert_eq!(client, server);
    assert_eq!(negotiated(&wire.client), negotiated(&wire.server));
}
