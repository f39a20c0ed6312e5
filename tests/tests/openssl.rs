//! The whole stack with OpenSSL 4 at the other end of the line: it asks a real server, and our client asks it.

#[path = "../../runtime/tls/tests/openssl/peer.rs"]
#[allow(dead_code, reason = "the tests of the TLS crate use more of it")]
mod peer;

use std::time::{Duration, Instant};

use glovebox_client::{Access, Client, ClientError, Retries, Suites};
use glovebox_gm::pki::Issued;
use glovebox_server::Limits;

use crate::rest::zone::Zone;
use peer::OpenSsl;

const GM: &str = "-tls1_3 -ciphersuites TLS_SM4_GCM_SM3 -groups curveSM2 -sigalgs sm2sig_sm3 -CAfile gm-ca.pem";
const STANDARD: &str = "-CAfile ca.pem";

fn write_identity(zone: &Zone, name: &str, issued: &Issued) {
    let path = |end: &str| zone.folder.path().join(format!("{name}.{end}"));
    std::fs::write(path("pem"), &issued.cert_pem).unwrap();
    std::fs::write(path("key"), issued.key_pem.expose()).unwrap();
}

/// `GET /v1/whoami` by `s_client`: the answer, or what OpenSSL has to say instead.
fn ask(openssl: &OpenSsl, zone: &Zone, options: &str) -> Result<String, String> {
    let call = "s_client -brief -servername localhost -verify_hostname localhost -verify_return_error -connect";
    let client = openssl.start(&format!("{call} {} {options}", zone.address));
    client.say(b"GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    // The server closes the connection, which ends the program.
    let answer = client.end();
    let text = String::from_utf8(answer.out).unwrap();
    if text.is_empty() { Err(answer.err) } else { Ok(text) }
}

#[track_caller]
fn is_developer(answer: Result<String, String>) {
    let text = answer.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("\"principal\":\"developer\""), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_asks_the_enclave() {
    let zone = Zone::start_over(Suites::Gm, Limits::default()).await;
    let Some(openssl) = OpenSsl::find(zone.folder.path()) else { return };
    let developer = zone.certificate("developer");
    write_identity(&zone, "developer", &developer);
    write_identity(&zone, "p256", &Zone::certificate_of(&zone.other, "developer"));
    let as_developer = "-cert developer.pem -key developer.key";
    let as_p256 = "-cert p256.pem -key p256.key";

    tokio::task::block_in_place(|| {
        let ask = |options: &str| ask(&openssl, &zone, options);
        is_developer(ask(&format!("{GM} {as_developer} -sess_out session.pem")));
        is_developer(ask(&format!("{GM} {as_developer} -sess_in session.pem -sess_out later.pem")));
        is_developer(ask(&format!("{} {as_developer}", GM.replace("GCM", "CCM"))));
        is_developer(ask(&format!("{} {as_developer}", GM.replace("curveSM2", "X25519:curveSM2"))));
        is_developer(ask(&format!("{STANDARD} {as_p256}")));
        for (options, alert) in [
            (GM.to_owned(), "certificate required"),
            (format!("{GM} {as_p256}"), "certificate required"),
            (format!("{STANDARD} -tls1_3 {as_developer}"), "certificate required"),
            (format!("{STANDARD} -tls1_2 {as_p256}"), "protocol version"),
            (format!("{} {as_developer}", GM.replace("curveSM2", "X25519")), "handshake failure"),
        ] {
            let said = ask(&options).unwrap_err();
            assert!(said.contains(&format!("alert {alert}")), "{options}: {said}");
        }
    });
    let metrics = zone.metrics().await;
    for (suites, session, count) in [("gm", "full", 3), ("gm", "resumed", 1), ("standard", "full", 1)] {
        let labels = format!("suites=\"{suites}\",session=\"{session}\",outcome=\"accepted\"");
        // The people of the zone were filed over RFC 8998, too.
        let counted = metrics.lines().find(|line| line.contains(&labels)).unwrap_or("none 0");
        let counted: u32 = counted.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(counted >= count, "{labels}: {counted}");
    }

    tokio::task::block_in_place(|| {
        zone.revoke(&[&developer], 2);
        let (start, mut is_out) = (Instant::now(), false);
        // A handshake that began before the new list was read ends without an alert: it had succeeded by then.
        loop {
            let answer = ask(&openssl, &zone, &format!("{GM} {as_developer} -sess_in later.pem"));
            if answer.as_ref().is_err_and(|said| said.contains("alert certificate revoked")) {
                break;
            }
            assert!(!is_out || answer.is_err(), "let in again: {answer:?}");
            is_out |= answer.is_err();
            assert!(start.elapsed() < Duration::from_secs(20), "a revoked session: {answer:?}");
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_asks_openssl() {
    let zone = Zone::start_over(Suites::Gm, Limits::default()).await;
    let Some(openssl) = OpenSsl::find(zone.folder.path()) else { return };
    let developer = zone.certificate("developer");
    let known = zone.client_with(&developer).whoami().await.unwrap();
    // `s_server -HTTP` sends the file of the path, with the header in it.
    let body = serde_json::to_string(&known).unwrap();
    let header = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    std::fs::create_dir(zone.folder.path().join("v1")).unwrap();
    std::fs::write(zone.folder.path().join("v1/whoami"), format!("{header}Connection: close\r\n\r\n{body}")).unwrap();

    let client = |port: u16| {
        let access = Access {
            server: format!("https://localhost:{port}"),
            authority_pem: zone.authority.cert_pem().to_owned(),
            certificate_pem: developer.cert_pem.clone(),
            key_pem: developer.key_pem.expose().to_owned(),
            key_passphrase: None,
            tls: None,
        };
        Client::connect(access).unwrap().with_retries(Retries::NONE)
    };
    let demanding = "-Verify 1 -verify_return_error -HTTP";
    for suite in ["TLS_SM4_GCM_SM3", "TLS_SM4_CCM_SM3"] {
        let options = GM.replace("TLS_SM4_GCM_SM3", suite);
        let options = format!("{options} -cert gm-server.pem -key gm-server.key {demanding}");
        let (_server, address) = tokio::task::block_in_place(|| openssl.serve(&options));
        for _ in 0..2 {
            assert_eq!(client(address.port()).whoami().await.unwrap(), known, "{suite}");
        }
    }
    // A server without the suites is left; there is no falling back.
    let options = format!("{STANDARD} -cert server.pem -key server.key -HTTP");
    let (_server, address) = tokio::task::block_in_place(|| openssl.serve(&options));
    let fault = client(address.port()).whoami().await.unwrap_err();
    let remedy = matches!(&fault, ClientError::Connection { remedy: Some(text), .. } if text.contains("RFC 8998"));
    assert!(remedy && fault.to_string().contains("HandshakeFailure"), "{fault:?}");
}
