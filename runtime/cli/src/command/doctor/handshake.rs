//! TLS: what is spoken, and a handshake of either kind with ourselves, certificates of both sides checked.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use glovebox_gm::pki::{Algorithm, Authority, Kind, Request};
use glovebox_tls::{
    Authorities, Credentials, Suites, client_config, client_verifier, negotiated, provider, server_config,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};

use super::report::Report;

const SECTION: &str = "TLS 1.3";
const NAME: &str = "enclave.example";
const DAY_MS: i64 = 86_400_000;

pub(super) fn examine(report: &mut Report, now_ms: i64) {
    for suites in Suites::ALL {
        let suite_names = provider(suites).cipher_suites.len();
        match shake_hands(suites, now_ms) {
            Ok(agreed) => {
                report.good(SECTION, format!("{suites}: {suite_names} suites; a mutual handshake agrees on {agreed}"))
            }
            Err(error) => report.fault(
                SECTION,
                format!("{suites}: a handshake with itself fails: {error:#}"),
                "see what fails above; when nothing else does, the binary is damaged",
            ),
        }
    }
}

/// A handshake in memory under certificates made for it; what was agreed on.
fn shake_hands(suites: Suites, now_ms: i64) -> anyhow::Result<String> {
    let algorithm = match suites {
        Suites::Gm => Algorithm::Sm2,
        Suites::Standard => Algorithm::P256,
    };
    let from = now_ms - DAY_MS;
    let authority = Authority::create(algorithm, "doctor", from, 3)?;
    let credentials = |common_name: &str, kind| {
        let request = Request {
            common_name: common_name.to_owned(),
            organisation: "doctor".to_owned(),
            roles: Vec::new(),
            kind,
            valid_from_unix_ms: from,
            days: 2,
        };
        let issued = authority.issue(&request)?;
        anyhow::Ok(Credentials::from_pem(&issued.cert_pem, issued.key_pem.expose(), None)?)
    };
    let authorities = Authorities::from_pem(authority.cert_pem(), suites)?;
    let list = authority.crl(&[], 1, from, now_ms + DAY_MS)?;
    let verifier = client_verifier(suites, &authorities, &list)?;
    let server = server_config(&credentials("enclave", Kind::Server { names: vec![NAME.to_owned()] })?, verifier)?;
    let client = client_config(&credentials("client", Kind::Client)?, &authorities)?;
    let mut client = ClientConnection::new(Arc::new(client), ServerName::try_from(NAME)?)?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    let mut wire = Vec::new();
    while client.is_handshaking() || server.is_handshaking() {
        ensure!(client.wants_write() || server.wants_write(), "both sides wait");
        while client.wants_write() {
            client.write_tls(&mut wire)?;
        }
        while server.read_tls(&mut wire.as_slice()).map(|taken| wire.drain(..taken).count())? > 0 {
            server.process_new_packets()?;
        }
        while server.wants_write() {
            server.write_tls(&mut wire)?;
        }
        while client.read_tls(&mut wire.as_slice()).map(|taken| wire.drain(..taken).count())? > 0 {
            client.process_new_packets()?;
        }
    }
    ensure!(server.peer_certificates().is_some_and(|chain| !chain.is_empty()), "the client showed no certificate");
    negotiated(&server).context("nothing was agreed on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_shake_hands() {
        let now_ms = crate::authority::now_unix_ms();
        let gm = shake_hands(Suites::Gm, now_ms).unwrap();
        assert!(gm.contains("SM4") && gm.contains("curveSM2"), "{gm}");
        assert!(shake_hands(Suites::Standard, now_ms).unwrap().contains("AES"));
    }
}
