//! A server of either kind hears arbitrary bytes: it answers with an alert at most, believes nobody, and hears no
//! plaintext. The first byte says which kind, and in what pieces the rest arrives.
#![no_main]

use std::io::Read;
use std::sync::{Arc, LazyLock};

use glovebox_tls::{Suites, explain};
use libfuzzer_sys::fuzz_target;
use rustls::server::Acceptor;
use rustls::{ServerConfig, ServerConnection};

#[allow(dead_code, reason = "what the tests of hostile peers need besides")]
#[path = "../../tests/hostile/zone.rs"]
mod zone;

static SERVERS: LazyLock<[Arc<ServerConfig>; 2]> =
    LazyLock::new(|| Suites::ALL.map(|suites| zone::Zone::new(suites).server_config()));

fuzz_target!(|bytes: &[u8]| {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let piece = usize::from(how >> 1) * 40 + 1;
    let mut server = ServerConnection::new(SERVERS[usize::from(how & 1)].clone()).unwrap();
    for mut unread in bytes.chunks(piece) {
        server.read_tls(&mut unread).unwrap();
        if let Err(error) = server.process_new_packets() {
            let told = explain(&error);
            assert!(!told.is_empty() && !told.contains(char::is_control), "{told:?}");
            break;
        }
        server.write_tls(&mut std::io::sink()).unwrap();
    }
    assert!(server.is_handshaking() && server.peer_certificates().is_none());
    assert_eq!(server.reader().read(&mut [0; 16]).unwrap_or(0), 0);
    choose(bytes, piece);
});

/// The port's choice between the kinds, which sees the hello first.
fn choose(bytes: &[u8], piece: usize) {
    let mut acceptor = Acceptor::default();
    for mut unread in bytes.chunks(piece) {
        if acceptor.read_tls(&mut unread).is_err() {
            return;
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let suites = Suites::of_hello(&accepted.client_hello());
                let _ = accepted.into_connection(SERVERS[usize::from(suites == Suites::Standard)].clone());
                return;
            }
            Err((error, mut alert)) => {
                let _ = (explain(&error), alert.write(&mut std::io::sink()));
                return;
            }
        }
    }
}
