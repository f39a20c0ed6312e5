//! Sessions that are resumed: the certificate of the first connection is checked as of the second.

use std::io::{Read as _, Write as _};

use rustls::{ClientConnection, HandshakeKind};

use super::*;
use crate::trial::{connect, server_name};

with_both_suites!(
    sessions_are_resumed_with_a_fresh_key_share,
    who_expired_in_between_does_not_come_back,
    who_was_revoked_in_between_does_not_come_back,
    a_reload_forgets_sessions,
    a_revocation_during_a_resumed_handshake_counts,
);

/// The page as the peer of a new connection with this configuration, and how that connection began.
async fn visit(trial: &Trial, config: &Arc<rustls::ClientConfig>) -> (std::io::Result<String>, Option<HandshakeKind>) {
    let mut stream = match connect(trial.address, config.clone()).await {
        Ok(stream) => stream,
        Err(error) => return (Err(error), None),
    };
    let answer = ask(&mut stream, "/").await;
    (answer, stream.get_ref().1.handshake_kind())
}

async fn sessions_are_resumed_with_a_fresh_key_share(suites: Suites) {
    let trial = trial(suites, Limits::default()).await;
    let config = trial.side().connector(Some(&trial.side().client(1, 30)));
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
        let (answer, kind) = visit(&trial, &config).await;
        assert!(answer.unwrap().ends_with("lin.wei@company-c"));
        assert_eq!(kind, Some(expected));
    }
    let text = trial.metrics.text();
    for line in [
        format!("suites=\"{suites}\",session=\"full\",outcome=\"accepted\"}} 1\n"),
        format!("suites=\"{suites}\",session=\"resumed\",outcome=\"accepted\"}} 2\n"),
    ] {
        assert!(text.contains(&line), "{line}{text}");
    }
    let mut stream = connect(trial.address, config).await.unwrap();
    ask(&mut stream, "/").await.unwrap();
    // The group shows that keys were exchanged anew; a session by its secret alone has none.
    let group = stream.get_ref().1.negotiated_key_exchange_group();
    assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
    assert!(group.is_some());
}

async fn who_expired_in_between_does_not_come_back(suites: Suites) {
    let trial = trial(suites, Limits::default()).await;
    let rest = Duration::from_millis(2500);
    let start = Instant::now();
    let config = trial.side().connector(Some(&trial.side().client_for(rest)));
    assert!(visit(&trial, &config).await.0.unwrap().ends_with("lin.wei@company-c"));
    // Terms are in whole seconds.
    tokio::time::sleep((rest + Duration::from_millis(1100)).saturating_sub(start.elapsed())).await;
    let (answer, kind) = visit(&trial, &config).await;
    // The client's side of the handshake succeeds; the server's check comes after it, and before any answer.
    assert_eq!(kind, Some(HandshakeKind::Resumed));
    assert!(answer.is_err(), "{answer:?}");
    let line = format!("suites=\"{suites}\",session=\"resumed\",outcome=\"expired\"}} 1\n");
    trial.wait_for("expired", || trial.metrics.text().contains(&line)).await;
}

async fn who_was_revoked_in_between_does_not_come_back(suites: Suites) {
    let trial = trial(suites, Limits::default()).await;
    let client = trial.side().client(1, 30);
    let config = trial.side().connector(Some(&client));
    assert!(visit(&trial, &config).await.0.unwrap().ends_with("lin.wei@company-c"));
    trial.side().revoke(&[&client], 2);
    trial.wait_for("in-use", || trial.reloads("in-use")).await;
    for _ in 0..3 {
        assert!(visit(&trial, &config).await.0.is_err());
    }
    trial.wait_for("revoked", || trial.counted("revoked") == 3).await;
    assert_eq!(trial.counted("accepted"), 1);
}

async fn a_reload_forgets_sessions(suites: Suites) {
    let trial = trial(suites, Limits::default()).await;
    let config = trial.side().connector(Some(&trial.side().client(1, 30)));
    assert_eq!(visit(&trial, &config).await.1, Some(HandshakeKind::Full));
    trial.side().revoke(&[], 2);
    trial.wait_for("in-use", || trial.reloads("in-use")).await;
    let (answer, kind) = visit(&trial, &config).await;
    assert_eq!((answer.is_ok(), kind), (true, Some(HandshakeKind::Full)));
    assert_eq!(visit(&trial, &config).await.1, Some(HandshakeKind::Resumed));
}

/// The hello of a session comes before the revocation, the end of its handshake after it: the list that is in force at
/// the end counts, although sessions of the state before were still known when the hello came.
async fn a_revocation_during_a_resumed_handshake_counts(suites: Suites) {
    let trial = trial(suites, Limits::default()).await;
    let client = trial.side().client(1, 30);
    let config = trial.side().connector(Some(&client));
    assert!(visit(&trial, &config).await.0.is_ok());

    let mut socket = std::net::TcpStream::connect(trial.address).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut tls = ClientConnection::new(config, server_name()).unwrap();
    tls.write_tls(&mut socket).unwrap();
    while tls.is_handshaking() {
        match tls.read_tls(&mut socket) {
            Ok(read) => assert_ne!(read, 0, "the server hung up"),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
        tls.process_new_packets().unwrap();
    }
    assert_eq!(tls.handshake_kind(), Some(HandshakeKind::Resumed));
    // The client's last message is written and not sent yet.
    trial.side().revoke(&[&client], 2);
    trial.wait_for("in-use", || trial.reloads("in-use")).await;
    tls.writer().write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    while tls.wants_write() {
        tls.write_tls(&mut socket).unwrap();
    }
    let line = format!("suites=\"{suites}\",session=\"resumed\",outcome=\"revoked\"}} 1\n");
    trial.wait_for("revoked", || trial.metrics.text().contains(&line)).await;
    socket.set_nonblocking(false).unwrap();
    let mut answer = Vec::new();
    while tls.read_tls(&mut socket).is_ok_and(|read| read > 0) && tls.process_new_packets().is_ok() {
        let _ = tls.reader().read_to_end(&mut answer);
    }
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
}
