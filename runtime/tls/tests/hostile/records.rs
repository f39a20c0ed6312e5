//! Records after the handshake: changed, dropped, repeated, turned round, cut off; what is under the keys and what is not.

use std::io::Read;

use glovebox_tls::{Suites, explain};
use rustls::AlertDescription;

use super::hello::handshake;
use super::wire::{Record, Side, Wire};
use super::zone::Zone;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// A connection at rest: tickets are through, and nothing is left to say.
fn open(zone: &Zone) -> Wire {
    let mut wire = Wire::new(&zone.client_config(), &zone.server_config());
    wire.run_untouched();
    assert!(wire.is_open());
    wire
}

/// Both sides say something in three records; what arrives in their place is for `between` to say.
fn talk(wire: &mut Wire, from: Side, between: impl Fn(Vec<Record>) -> Vec<Record>) {
    use std::io::Write;
    let mut bytes = Vec::new();
    for word in [&b"one"[..], b"two", b"three"] {
        let written = match from {
            Side::Client => wire.client.writer().write_all(word).and_then(|()| wire.client.write_tls(&mut bytes)),
            Side::Server => wire.server.writer().write_all(word).and_then(|()| wire.server.write_tls(&mut bytes)),
        };
        written.unwrap();
    }
    let records = super::wire::records(&bytes);
    assert_eq!(records.len(), 3);
    let changed = between(records);
    changed.iter().for_each(|record| wire.feed(from, &record.bytes()));
    // The alert finds its way back.
    wire.run_untouched();
}

/// How the three records are changed on the way, and what of them is heard all the same.
type Change = (&'static str, fn(Vec<Record>) -> Vec<Record>, &'static [u8]);

const CHANGES: &[Change] = &[
    (
        "the first bit",
        |mut r| {
            r[0].body[0] ^= 0x80;
            r
        },
        b"",
    ),
    (
        "the last bit",
        |mut r| {
            *r[1].body.last_mut().unwrap() ^= 1;
            r
        },
        b"one",
    ),
    (
        "a byte less",
        |mut r| {
            r[1].body.pop();
            r
        },
        b"one",
    ),
    (
        "a byte more",
        |mut r| {
            r[1].body.push(0);
            r
        },
        b"one",
    ),
    (
        "less than a tag",
        |mut r| {
            r[1].body.truncate(15);
            r
        },
        b"one",
    ),
    (
        "no bytes",
        |mut r| {
            r[1].body.clear();
            r
        },
        b"one",
    ),
    (
        "one record dropped",
        |mut r| {
            r.remove(1);
            r
        },
        b"one",
    ),
    (
        "one record twice",
        |mut r| {
            r.insert(1, r[0].clone());
            r
        },
        b"one",
    ),
    (
        "two records turned round",
        |mut r| {
            r.swap(1, 2);
            r
        },
        b"one",
    ),
    (
        "two records joined",
        |mut r| {
            let third = r.remove(2);
            r[1].body.extend(third.body);
            r
        },
        b"one",
    ),
];

#[test]
fn records_changed_on_the_way() {
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        for (from, to) in [(Side::Client, Side::Server), (Side::Server, Side::Client)] {
            for (name, change, heard) in CHANGES {
                let mut wire = open(&zone);
                talk(&mut wire, from, change);
                let context = format!("{suites}, {name}: {:?}", wire.end_of(to));
                assert_eq!(wire.alert_of(to), Some(AlertDescription::BadRecordMac), "{context}");
                let told = wire.end_of(to).as_ref().err().map(explain).unwrap();
                assert!(told.contains("does not authenticate"), "{context}: {told}");
                assert_eq!(wire.plaintext_at(to), *heard, "{context}");
            }
        }
    }
}

/// Whoever has no keys can't say anything, not even that all is over.
#[test]
fn records_in_the_clear() {
    let record = |kind: u8, body: &[u8]| Record { kind, version: 0x0303, body: body.to_vec() };
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        let cases = [
            ("an end", record(ALERT, &[1, 0])),
            ("a fault", record(ALERT, &[2, 40])),
            ("data", record(APPLICATION_DATA, b"data in the clear, long enough for a tag")),
            ("a handshake", record(HANDSHAKE, &handshake(1, &[0; 40]))),
            ("new keys", record(HANDSHAKE, &handshake(24, &[0]))),
            ("a change of ciphers", record(CHANGE_CIPHER_SPEC, &[1])),
            ("a kind unknown", record(99, &[0; 40])),
        ];
        for (name, record) in cases {
            let mut wire = open(&zone);
            wire.feed(Side::Client, &record.bytes());
            wire.run_untouched();
            assert!(wire.server_end.is_err(), "{suites}, {name}");
            assert_eq!(wire.plaintext_at(Side::Server), b"", "{suites}, {name}");
        }
        // RFC 8446, section 5.2: an endless record is refused by its header, before it has come.
        let mut wire = open(&zone);
        wire.feed(Side::Client, &[APPLICATION_DATA, 3, 3, 0x48, 0x01]);
        wire.run_untouched();
        assert_eq!(wire.server_end, Err(rustls::Error::InvalidMessage(rustls::InvalidMessage::MessageTooLarge)));
    }
}

/// A connection that ends without the peer's word for it was cut, and whoever reads is told so.
#[test]
fn a_cut_is_not_an_end() {
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        for says_so in [false, true] {
            let mut wire = open(&zone);
            if says_so {
                wire.client.send_close_notify();
            }
            wire.run_untouched();
            wire.server.read_tls(&mut std::io::empty()).unwrap();
            wire.server.process_new_packets().unwrap();
            let end = wire.server.reader().read(&mut [0; 8]);
            match says_so {
                true => assert_eq!(end.unwrap(), 0),
                false => assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof),
            }
        }
    }
}
