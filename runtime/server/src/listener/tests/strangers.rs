//! Strangers at the door: however many come and whatever they leave undone, a holder of a certificate gets in at once.

use std::net::Ipv4Addr;

use rustls::ClientConnection;
use tokio::net::TcpSocket;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::trial::server_name;

with_both_suites!(
    silent_strangers_keep_nobody_out,
    strangers_who_drip_keep_nobody_out,
    half_done_handshakes_keep_nobody_out,
    strangers_from_everywhere_keep_nobody_out,
    strangers_do_not_disturb_who_is_served,
    one_caller_does_not_take_the_room_of_another,
    silence_and_dripping_have_deadlines
);

/// Strangers in a test: above every bound of [`narrow`] together.
const STRANGERS: usize = 60;
/// In which a holder of a certificate has its answer, on a machine that does much else.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Little room, and so much time for everything that no deadline can make any.
fn narrow() -> Limits {
    let ever = Duration::from_secs(600);
    Limits {
        connections_max: 8,
        connections_per_address_max: 8,
        handshakes_max: 16,
        handshakes_per_address_max: 8,
        first_byte_timeout: ever,
        hello_timeout: ever,
        handshake_timeout: ever,
        ..Limits::default()
    }
}

/// A connection that says nothing yet, from an address of its own.
async fn stranger(trial: &Trial, from: Ipv4Addr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    socket.connect(trial.address).await.unwrap()
}

/// The first flight of a client of these suites, byte by byte.
fn hello(trial: &Trial) -> Vec<u8> {
    let mut client = ClientConnection::new(trial.side().connector(None), server_name()).unwrap();
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}

async fn gets_in(trial: &Trial) -> TlsStream<TcpStream> {
    let client = trial.side().client(1, 30);
    let served = async {
        let mut stream = trial.side().connect(trial.address, Some(&client)).await.unwrap();
        assert!(ask(&mut stream, "/").await.unwrap().ends_with("lin.wei@company-c"));
        stream
    };
    tokio::time::timeout(AT_ONCE, served).await.expect("kept out by strangers")
}

async fn silent_strangers_keep_nobody_out(suites: Suites) {
    let trial = trial(suites, narrow()).await;
    let mut there = Vec::new();
    for _ in 0..STRANGERS {
        there.push(stranger(&trial, Ipv4Addr::LOCALHOST).await);
    }
    gets_in(&trial).await;
    trial.wait_for("gave-way", || trial.counted("gave-way") >= 40).await;
}

async fn strangers_who_drip_keep_nobody_out(suites: Suites) {
    let trial = trial(suites, narrow()).await;
    let hello = hello(&trial);
    let dripping: Vec<_> = (0..STRANGERS)
        .map(|_| {
            let (address, hello) = (trial.address, hello.clone());
            tokio::spawn(async move {
                loop {
                    // Whoever is sent away comes again.
                    let Ok(mut stream) = TcpStream::connect(address).await else { continue };
                    for byte in &hello {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        if stream.write_all(&[*byte]).await.is_err() {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    gets_in(&trial).await;
    dripping.iter().for_each(tokio::task::JoinHandle::abort);
}

async fn half_done_handshakes_keep_nobody_out(suites: Suites) {
    let trial = trial(suites, narrow()).await;
    let hello = hello(&trial);
    let mut there = Vec::new();
    for _ in 0..STRANGERS {
        let mut stream = stranger(&trial, Ipv4Addr::LOCALHOST).await;
        stream.write_all(&hello).await.unwrap();
        // The server's whole flight is on its way; nothing comes back to it.
        there.push(stream);
    }
    gets_in(&trial).await;
}

async fn strangers_from_everywhere_keep_nobody_out(suites: Suites) {
    let trial = trial(suites, narrow()).await;
    let mut there = Vec::new();
    for number in 0..STRANGERS {
        let last = u8::try_from(2 + number % 4).unwrap();
        there.push(stranger(&trial, Ipv4Addr::new(127, 0, 0, last)).await);
    }
    gets_in(&trial).await;
}

async fn strangers_do_not_disturb_who_is_served(suites: Suites) {
    let trial = trial(suites, narrow()).await;
    let mut served = gets_in(&trial).await;
    let mut there = Vec::new();
    for _ in 0..STRANGERS {
        there.push(stranger(&trial, Ipv4Addr::LOCALHOST).await);
    }
    let answer = tokio::time::timeout(AT_ONCE, ask(&mut served, "/")).await;
    assert!(answer.unwrap().unwrap().ends_with("lin.wei@company-c"));
}

/// Nor with many certificates: what is counted is whom they name.
async fn one_caller_does_not_take_the_room_of_another(suites: Suites) {
    let trial = trial(suites, Limits { connections_per_principal_max: 3, ..narrow() }).await;
    let (mut held, mut refused) = (Vec::new(), 0);
    for _ in 0..20 {
        let greedy = trial.side().client_named("greedy");
        let mut stream = trial.side().connect(trial.address, Some(&greedy)).await.unwrap();
        match ask(&mut stream, "/").await {
            Ok(_) => held.push(stream),
            Err(_) => refused += 1,
        }
    }
    assert_eq!((held.len(), refused), (3, 17));
    assert_eq!(trial.counted("too-many-of-principal"), 17);
    gets_in(&trial).await;
}

async fn silence_and_dripping_have_deadlines(suites: Suites) {
    let (first, whole) = (Duration::from_millis(200), Duration::from_millis(600));
    let trial = trial(suites, Limits { first_byte_timeout: first, hello_timeout: whole, ..narrow() }).await;
    let start = Instant::now();
    let mut silent = stranger(&trial, Ipv4Addr::LOCALHOST).await;
    let mut dripping = stranger(&trial, Ipv4Addr::LOCALHOST).await;
    dripping.write_all(&hello(&trial)[..20]).await.unwrap();
    let mut rest = Vec::new();
    for stream in [&mut silent, &mut dripping] {
        let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "still open");
    }
    assert!(start.elapsed() >= whole);
    assert_eq!((trial.counted("silent"), trial.counted("timed-out")), (1, 1));
}
