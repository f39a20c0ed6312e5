//! What runs over an agreed connection.

use super::zone::*;
use crate::Suites;

/// Bytes that no shift leaves unchanged.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i ^ (i >> 8).wrapping_mul(31) ^ (i >> 16)) as u8).collect()
}

#[test]
fn large_transfers_arrive_whole() {
    for suites in Suites::ALL {
        let mut pair = Zone::new(suites).pair();
        pair.shake().unwrap();
        let data = pattern(3_000_017);
        assert!(carried(&mut pair.client, &mut pair.server, &data).unwrap() == data);
        assert!(carried(&mut pair.server, &mut pair.client, &data).unwrap() == data);
    }
}

#[test]
fn records_of_every_length_arrive() {
    let mut pair = Zone::new(Suites::Gm).pair();
    pair.shake().unwrap();
    let data = pattern(16_384);
    for length in (1..600).chain([1024, 4095, 4096, 16_383, 16_384]) {
        let part = &data[..length];
        assert_eq!(carried(&mut pair.client, &mut pair.server, part).unwrap(), part);
    }
}

#[test]
fn keys_are_renewed_in_both_directions() {
    for suites in Suites::ALL {
        let mut pair = Zone::new(suites).pair();
        pair.shake().unwrap();
        for round in 0..3_u8 {
            pair.client.refresh_traffic_keys().unwrap();
            let data = [round; 40_000];
            assert!(carried(&mut pair.client, &mut pair.server, &data).unwrap() == data);
            pair.shake().unwrap();
            assert!(carried(&mut pair.server, &mut pair.client, &data).unwrap() == data);
            pair.server.refresh_traffic_keys().unwrap();
            pair.shake().unwrap();
        }
    }
}

#[test]
fn both_sides_export_the_same_key_and_no_two_connections_do() {
    let export = |pair: &Pair, label: &[u8]| {
        let client = pair.client.export_keying_material([0; 32], label, Some(b"context")).unwrap();
        let server = pair.server.export_keying_material([0; 32], label, Some(b"context")).unwrap();
        assert_eq!(client, server);
        client
    };
    for suites in Suites::ALL {
        let zone = Zone::new(suites);
        let (mut one, mut other) = (zone.pair(), zone.pair());
        one.shake().unwrap();
        other.shake().unwrap();
        assert_ne!(export(&one, b"EXPERIMENTAL one"), export(&one, b"EXPERIMENTAL two"));
        assert_ne!(export(&one, b"EXPERIMENTAL one"), export(&other, b"EXPERIMENTAL one"));
    }
}

#[test]
fn a_connection_cut_off_is_not_taken_for_its_end() {
    use std::io::Read;
    let mut pair = Zone::new(Suites::Gm).pair();
    pair.shake().unwrap();
    pair.server.read_tls(&mut std::io::empty()).unwrap();
    pair.server.process_new_packets().unwrap();
    let cut = pair.server.reader().read(&mut [0; 1]).unwrap_err();
    assert_eq!(cut.kind(), std::io::ErrorKind::UnexpectedEof);
    pair.client.send_close_notify();
    let mut pair = Zone::new(Suites::Gm).pair();
    pair.shake().unwrap();
    pair.client.send_close_notify();
    let end = written(&mut pair.client);
    pair.give_server(&end).unwrap();
    assert_eq!(pair.server.reader().read(&mut [0; 1]).unwrap(), 0);
}

/// Keys never leave for a kernel of the operating system.
#[test]
fn keys_can_not_be_taken_out() {
    let zone = Zone::new(Suites::Gm);
    let mut server = zone.server_config();
    server.enable_secret_extraction = true;
    let mut pair = Pair::new(zone.client_config(), server);
    pair.shake().unwrap();
    let server = std::mem::replace(&mut pair.server, zone.pair().server);
    assert!(server.dangerous_extract_secrets().is_err());
}
