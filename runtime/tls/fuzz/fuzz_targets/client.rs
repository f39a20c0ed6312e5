//! A client of either kind hears arbitrary bytes in answer to its hello: it tells nothing of what it was to send, and
//! believes nobody. The first byte says which kind, and in what pieces the rest arrives.
#![no_main]

use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};

use glovebox_tls::{Suites, explain};
use libfuzzer_sys::fuzz_target;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

#[allow(dead_code, reason = "what the tests of hostile peers need besides")]
#[path = "../../tests/hostile/zone.rs"]
mod zone;

const SECRET: &[u8] = b"what the client is to send once it knows to whom";

static CLIENTS: LazyLock<[Arc<ClientConfig>; 2]> =
    LazyLock::new(|| Suites::ALL.map(|suites| zone::Zone::new(suites).client_config()));

fuzz_target!(|bytes: &[u8]| {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let name = ServerName::try_from("enclave.test").unwrap();
    let mut client = ClientConnection::new(CLIENTS[usize::from(how & 1)].clone(), name).unwrap();
    client.writer().write_all(SECRET).unwrap();
    let mut sent = Vec::new();
    client.write_tls(&mut sent).unwrap();
    for mut unread in bytes.chunks(usize::from(how >> 1) * 40 + 1) {
        client.read_tls(&mut unread).unwrap();
        let heard = client.process_new_packets();
        while client.wants_write() {
            client.write_tls(&mut sent).unwrap();
        }
        if let Err(error) = heard {
            let told = explain(&error);
            assert!(!told.is_empty() && !told.contains(char::is_control), "{told:?}");
            break;
        }
    }
    assert!(client.is_handshaking() && client.peer_certificates().is_none());
    assert_eq!(client.reader().read(&mut [0; 16]).unwrap_or(0), 0);
    assert!(!sent.windows(SECRET.len()).any(|window| window == SECRET));
});
