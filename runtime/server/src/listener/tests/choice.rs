//! One port for two kinds of suites: the hello chooses, and who asks for what is not served is told so.

use rustls::{AlertDescription, Error};

use super::*;
use crate::trial::connect;

#[tokio::test]
async fn the_hello_chooses() {
    let trial = trial(Suites::Gm, Limits::default()).await;
    for (suites, agreed) in [(Suites::Gm, "TLS_SM4_GCM_SM3, curveSM2"), (Suites::Standard, "AES_256_GCM_SHA384")] {
        let side = trial.zone.of(suites);
        let mut stream = side.connect(trial.address, Some(&side.client(1, 30))).await.unwrap();
        let answer = ask(&mut stream, "/").await.unwrap();
        assert!(answer.ends_with(&format!("{suites} lin.wei@company-c")), "{answer}");
        let negotiated = glovebox_tls::negotiated(stream.get_ref().1).unwrap();
        assert!(negotiated.contains(agreed), "{negotiated}");
    }
}

/// Each set believes its own authority alone, whatever the other one believes.
#[tokio::test]
async fn certificates_of_one_kind_do_not_open_the_other() {
    let trial = trial(Suites::Gm, Limits::default()).await;
    for suites in Suites::ALL {
        let stranger = Zone::new();
        let client = stranger.of(suites).client(1, 30);
        let mut stream = trial.zone.of(suites).connect(trial.address, Some(&client)).await.unwrap();
        assert!(ask(&mut stream, "/").await.is_err());
    }
}

#[tokio::test]
async fn what_is_not_served_is_refused_with_an_alert() {
    for (served, asked) in [(Suites::Gm, Suites::Standard), (Suites::Standard, Suites::Gm)] {
        let zone = Zone::new();
        let tls = zone.tls_of(served);
        let trial = trial_with(zone, served, tls, Limits::default()).await;
        let other = trial.zone.of(asked);
        let refused = other.connect(trial.address, Some(&other.client(1, 30))).await.unwrap_err();
        let alert = refused.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).unwrap();
        assert_eq!(*alert, Error::AlertReceived(AlertDescription::HandshakeFailure), "{asked}");
        trial.expect("suites-not-served").await;
        // Those that are served are served on.
        let client = trial.side().client(1, 30);
        let mut stream = trial.side().connect(trial.address, Some(&client)).await.unwrap();
        assert!(ask(&mut stream, "/").await.unwrap().contains("lin.wei"));
    }
}

#[tokio::test]
async fn a_server_needs_certificates_of_one_kind_at_least() {
    let zone = Zone::new();
    let none = Tls { gm: None, standard: None, ..zone.tls() };
    let error = watch_files(none, None, Arc::new(Metrics::new(None)), CancellationToken::new()).unwrap_err();
    assert!(error.to_string().starts_with("no TLS files"), "{error}");
}

/// A set of the wrong kind is refused by the file's name, at the start.
#[tokio::test]
async fn files_in_the_wrong_set_are_named() {
    let zone = Zone::new();
    let load =
        |tls| watch_files(tls, None, Arc::new(Metrics::new(None)), CancellationToken::new()).unwrap_err().to_string();
    let swapped = Tls { gm: Some(zone.standard.files()), standard: None, ..zone.tls() };
    let error = load(swapped);
    assert!(error.contains("server.pem") && error.contains("an SM2 one"), "{error}");

    let mut files = zone.gm.files();
    files.client_authority = zone.standard.path("ca.pem");
    let error = load(Tls { gm: Some(files), standard: None, ..zone.tls() });
    assert!(error.contains("ca.pem") && error.contains("SM2"), "{error}");

    let mut files = zone.gm.files();
    files.key = zone.standard.path("server.key");
    let error = load(Tls { gm: Some(files), standard: None, ..zone.tls() });
    assert!(error.contains("server.key"), "{error}");
}

/// What is wrong with one set must not keep a revocation in the other from counting.
#[tokio::test]
async fn sets_are_reloaded_each_by_itself() {
    for suites in Suites::ALL {
        let trial = trial(suites, Limits::default()).await;
        let client = trial.side().client(1, 30);
        let broken = trial.zone.of(if suites == Suites::Gm { Suites::Standard } else { Suites::Gm });
        broken.write("server.pem", "nothing");
        let line = format!("suites=\"{}\",outcome=\"rejected\"", broken.suites);
        trial.wait_for("rejected", || trial.metrics.text().contains(&line)).await;
        trial.side().revoke(&[&client], 2);
        trial.wait_for("in-use", || trial.reloads("in-use")).await;
        let mut stream = trial.side().connect(trial.address, Some(&client)).await.unwrap();
        assert!(ask(&mut stream, "/").await.is_err());
        trial.expect("revoked").await;
        // And whoever has a session of the broken set goes on with it.
        let mut other = broken.connect(trial.address, Some(&broken.client(1, 30))).await.unwrap();
        assert!(ask(&mut other, "/").await.unwrap().contains("lin.wei"));
    }
}

#[tokio::test]
async fn what_is_no_hello_gets_an_alert() {
    let trial = trial(Suites::Gm, Limits::default()).await;
    let client = trial.zone.gm.client(1, 30);
    for nonsense in
        [&b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..], &[0x16, 3, 1, 0, 4, 2, 0, 0, 0], &[0x17, 3, 3, 0, 1, 0]]
    {
        let mut stream = TcpStream::connect(trial.address).await.unwrap();
        stream.write_all(nonsense).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.unwrap();
        // A record of type alert, at level fatal.
        assert_eq!((answer.first(), answer.get(5)), (Some(&21), Some(&2)), "{answer:?}");
    }
    trial.wait_for("misbehaved", || trial.counted("misbehaved") == 3).await;
    let mut stream = connect(trial.address, trial.zone.gm.connector(Some(&client))).await.unwrap();
    ask(&mut stream, "/").await.unwrap();
}

/// A hello is read before anything is known of the peer, so its length is bounded.
#[tokio::test]
async fn a_hello_is_bounded() {
    let trial = trial(Suites::Gm, Limits::default()).await;
    let mut stream = TcpStream::connect(trial.address).await.unwrap();
    // A ClientHello of 16 MiB, record by record.
    let mut record = vec![0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff];
    record.resize(5 + (16 << 10), 0);
    let mut sent = 0;
    while sent < 1 << 20 && stream.write_all(&record).await.is_ok() {
        sent += record.len();
        tokio::task::yield_now().await;
    }
    trial.wait_for("misbehaved", || trial.counted("misbehaved") == 1).await;
}

/// A hello byte by byte takes no longer than any other handshake may.
#[tokio::test]
async fn a_hello_that_trickles_meets_the_deadline() {
    let limits = Limits { handshake_timeout: Duration::from_millis(300), ..Limits::default() };
    let trial = super::trial(Suites::Gm, limits).await;
    let mut stream = TcpStream::connect(trial.address).await.unwrap();
    let start = Instant::now();
    for byte in [0x16, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3].into_iter().chain(std::iter::repeat(0)) {
        if stream.write_all(&[byte]).await.is_err() || start.elapsed() > Duration::from_secs(3) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(start.elapsed() < Duration::from_secs(3), "still open");
    trial.expect("timed-out").await;
}
