//! Bytes changed, lost, doubled, cut off on the way.

use std::io::{Read, Write};

use proptest::prelude::*;
use rustls::{AlertDescription, Error};

use super::zone::*;
use crate::{Suites, explain};

/// A connection, and the record that carries `data` from the client.
fn sent(zone: &Zone, data: &[u8]) -> (Pair, Vec<u8>) {
    let mut pair = zone.pair();
    pair.shake().unwrap();
    pair.client.writer().write_all(data).unwrap();
    let record = written(&mut pair.client);
    (pair, record)
}

#[test]
fn any_changed_bit_of_a_record_ends_the_connection() {
    for suite in [0x00c6, 0x00c7] {
        let zone = Zone::new(Suites::Gm);
        let config =
            std::sync::Arc::new(zone.client_with(|p| p.cipher_suites.retain(|s| u16::from(s.suite()) == suite)));
        let server = std::sync::Arc::new(zone.server_config());
        // Header, ciphertext and tag: 5, 1 + 9, 16 bytes. The length is left out: other bytes are then waited for.
        for bit in (0..24).chain(5 * 8..(5 + 10 + 16) * 8) {
            let mut pair = Pair::new(config.clone(), server.clone());
            pair.shake().unwrap();
            pair.client.writer().write_all(b"plaintext").unwrap();
            let mut record = written(&mut pair.client);
            assert_eq!(record.len(), 5 + 10 + 16);
            record[bit / 8] ^= 1 << (bit % 8);
            let outcome = pair.give_server(&record);
            let mut plain = Vec::new();
            let _ = pair.server.reader().read_to_end(&mut plain);
            if outcome == Err(Fault::Server(Error::DecryptError)) {
                let alert = written(&mut pair.server);
                let expected = Err(Fault::Client(Error::AlertReceived(AlertDescription::BadRecordMac)));
                assert_eq!(pair.give_client(&alert), expected, "bit {bit}");
            }
            match outcome {
                // rustls authenticates the header that a record must have, whatever stands there; type and version on
                // the outside then mean nothing.
                Ok(()) => assert!(bit < 24 && plain == b"plaintext", "bit {bit}"),
                Err(_) => assert!(plain.is_empty(), "bit {bit}: nothing of a changed record is handed on"),
            }
        }
    }
    assert!(explain(&Error::DecryptError).contains("changed on the way"));
}

#[test]
fn records_lost_doubled_or_out_of_order_end_the_connection() {
    let zone = Zone::new(Suites::Gm);
    let three = || {
        let mut pair = zone.pair();
        pair.shake().unwrap();
        let records = [b"one", b"two", b"six"].map(|data| {
            pair.client.writer().write_all(data).unwrap();
            written(&mut pair.client)
        });
        (pair, records)
    };
    for order in [&[1][..], &[0, 0], &[0, 2], &[1, 0], &[0, 1, 1]] {
        let (mut pair, records) = three();
        let outcome = order.iter().try_for_each(|i| pair.give_server(&records[*i]));
        assert_eq!(outcome, Err(Fault::Server(Error::DecryptError)), "{order:?}");
    }
    let (mut pair, records) = three();
    records.iter().try_for_each(|record| pair.give_server(record)).unwrap();
}

#[test]
fn a_record_of_another_connection_or_direction_is_refused() {
    let zone = Zone::new(Suites::Gm);
    let (_, record) = sent(&zone, b"data");
    let (mut other, _) = sent(&zone, b"data");
    assert_eq!(other.give_server(&record), Err(Fault::Server(Error::DecryptError)));
    let (mut pair, record) = sent(&zone, b"data");
    assert_eq!(pair.give_client(&record), Err(Fault::Client(Error::DecryptError)), "a record sent back");
}

/// The flights of one handshake, both directions in turn.
fn flights(pair: &mut Pair, mut change: impl FnMut(usize, &mut Vec<u8>)) -> Result<(), Fault> {
    for turn in 0..8 {
        let mut bytes = if turn % 2 == 0 { written(&mut pair.client) } else { written(&mut pair.server) };
        change(turn, &mut bytes);
        if turn % 2 == 0 { pair.give_server(&bytes)? } else { pair.give_client(&bytes)? }
    }
    Ok(())
}

#[test]
fn a_handshake_cut_off_anywhere_is_no_connection() {
    let zone = Zone::new(Suites::Gm);
    let (client, server) = (std::sync::Arc::new(zone.client_config()), std::sync::Arc::new(zone.server_config()));
    let mut lengths = Vec::new();
    flights(&mut zone.pair(), |_, bytes| lengths.push(bytes.len())).unwrap();
    // Hello, server's flight, client's flight; what follows are tickets.
    for (turn, length) in lengths.iter().take(3).enumerate() {
        for cut in (0..*length).step_by(17).chain([length - 1]) {
            let mut pair = Pair::new(client.clone(), server.clone());
            let outcome = flights(&mut pair, |now, bytes| {
                if now == turn {
                    // Signatures differ in length from one handshake to the next.
                    bytes.truncate(cut.min(bytes.len() - 1));
                }
            });
            assert!(pair.server.is_handshaking(), "turn {turn} cut at {cut}: {outcome:?}");
            assert_eq!(crate::negotiated(&pair.server), None);
            assert!(pair.server.peer_certificates().is_none() || turn == 2);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever byte of the handshake changes, the server never ends up with a connection that the client did not
    /// mean: someone finds fault, or the byte stands where TLS gives it no meaning and both agree.
    #[test]
    fn a_changed_byte_never_splits_the_two_sides(turn in 0_usize..3, at: prop::sample::Index, change in 1_u8..) {
        let zone = ZONE.get_or_init(|| Zone::new(Suites::Gm));
        let mut pair = zone.pair();
        let outcome = flights(&mut pair, |now, bytes| {
            if now == turn {
                let at = at.index(bytes.len());
                bytes[at] ^= change;
            }
        });
        if outcome.is_ok() && !pair.server.is_handshaking() {
            let export = |label: &[u8]| (
                pair.client.export_keying_material([0; 32], label, None).unwrap(),
                pair.server.export_keying_material([0; 32], label, None).unwrap(),
            );
            let (client, server) = export(b"EXPERIMENTAL both");
            prop_assert_eq!(client, server);
            prop_assert_eq!(crate::negotiated(&pair.server), Some("TLS_SM4_GCM_SM3, curveSM2".to_owned()));
        }
    }

    /// Bytes that are no hello end in an alert or are waited on, and never in a panic.
    #[test]
    fn noise_is_no_hello(bytes: Vec<u8>) {
        let zone = ZONE.get_or_init(|| Zone::new(Suites::Gm));
        let mut pair = zone.pair();
        let _ = pair.give_server(&bytes);
        prop_assert!(pair.server.is_handshaking());
    }
}

static ZONE: std::sync::OnceLock<Zone> = std::sync::OnceLock::new();
