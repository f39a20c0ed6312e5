//! The witness over a socket: its answers, its bounds, and the client that asks.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;

use super::*;
use crate::testing::{Enclave, open, set_up};
use crate::{CallError, Client};

struct Served {
    address: SocketAddr,
    client: Client,
    _stop: oneshot::Sender<()>,
    _folder: tempfile::TempDir,
}

async fn serve(enclave: &Enclave) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let witness = open(&set_up(folder.path(), enclave, None));
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), witness).await.unwrap();
    let address = server.address();
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(server.run(async move { drop(stopped.await) }));
    let client = Client::new(&format!("http://{address}"), Duration::from_secs(20)).unwrap();
    Served { address, client, _stop: stop, _folder: folder }
}

fn enclave(events: u64) -> Enclave {
    let mut enclave = Enclave::new();
    enclave.work(events, "own");
    enclave
}

/// Sends bytes as they are; the answer's status.
async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_enclave_asks_learns_the_size_and_gets_its_cosignature() {
    let own = enclave(20);
    let served = serve(&own).await;
    assert_eq!(served.client.view().await.unwrap().head, None);
    let first = served.client.add_head(&own.request(0, 10)).await.unwrap();
    assert_eq!(first.witness.as_str(), "hospital-a");
    let Err(CallError::Refused(refusal)) = served.client.add_head(&own.request(0, 20)).await else { panic!() };
    assert_eq!((refusal.code.as_str(), refusal.size), ("witness.old-size", Some(10)));
    assert!(served.client.add_head(&own.request(10, 20)).await.is_ok());
    let view = served.client.view().await.unwrap();
    assert_eq!((view.head, view.forks), (Some(own.head(20, 20)), 0));
}

#[tokio::test]
async fn every_refusal_has_its_status() {
    let mut own = enclave(10);
    let mut copy = own.copy();
    own.work(10, "own");
    copy.work(10, "copy");
    let served = serve(&own).await;
    served.client.add_head(&own.request(0, 12)).await.unwrap();
    let unproven = AddHead { hashes: Vec::new(), ..own.request(12, 20) };
    for (request, status) in [
        (own.request(15, 13), 400),
        (enclave(20).request(12, 20), 403),
        (own.request(0, 20), 409),
        (copy.request(12, 20), 409),
        (unproven, 422),
    ] {
        let body = serde_json::to_string(&request).unwrap();
        let length = body.len();
        let text = format!("POST /v1/heads HTTP/1.1\r\nhost: w\r\ncontent-length: {length}\r\n\r\n{body}");
        let answer = raw(served.address, text.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
    assert_eq!(served.client.view().await.unwrap().forks, 1);
}

#[tokio::test]
async fn what_is_no_request_moves_nothing() {
    let own = enclave(20);
    let served = serve(&own).await;
    served.client.add_head(&own.request(0, 10)).await.unwrap();
    let long = format!("POST /v1/heads HTTP/1.1\r\nhost: w\r\ncontent-length: 999999\r\n\r\n{}", "x".repeat(70_000));
    let headers = format!("GET /v1/head HTTP/1.1\r\nhost: w\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    for (text, status) in [
        ("POST /v1/heads HTTP/1.1\r\nhost: w\r\ncontent-length: 2\r\n\r\n{}", "400"),
        ("GET /v1/heads HTTP/1.1\r\nhost: w\r\n\r\n", "405"),
        ("GET /elsewhere HTTP/1.1\r\nhost: w\r\n\r\n", "404"),
        (&long, "413"),
        (&headers, "431"),
    ] {
        let answer = raw(served.address, text.as_bytes()).await;
        // A peer that is cut off while it still sends may see the cut alone.
        assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {answer}");
    }
    assert_eq!(served.client.view().await.unwrap().head, Some(own.head(10, 10)));
}

/// Who only holds connections open is cut off, and others are answered.
#[tokio::test]
async fn silent_connections_end() {
    let served = serve(&enclave(3)).await;
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        silent.push(TcpStream::connect(served.address).await.unwrap());
    }
    let answered = tokio::time::timeout(Duration::from_secs(30), served.client.view()).await;
    assert!(answered.unwrap().is_ok());
}

#[test]
fn a_witness_is_at_a_plain_address() {
    for url in ["https://w:1", "http://", "w:1", "http://w:1/x", "http://u:p@w:1", "http://w:1/?q", "ftp://w"] {
        assert!(Client::new(url, Duration::from_secs(1)).is_err(), "{url}");
    }
    for url in ["http://w:9470", "http://192.0.2.1", "http://[2001:db8::1]:9470/"] {
        assert!(Client::new(url, Duration::from_secs(1)).is_ok(), "{url}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            while stream.write_all(&[b"1000\r\n", [b'x'; 0x1000].as_slice(), b"\r\n"].concat()).await.is_ok() {}
        }
    });
    let client = Client::new(&format!("http://{address}"), Duration::from_secs(20)).unwrap();
    assert_eq!(client.view().await, Err(CallError::Unreadable { status: 200 }));
}
