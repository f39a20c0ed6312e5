//! A zone of one kind: its authority, a server, a client, and the revocation list that names neither.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use glovebox_gm::pki::{Algorithm, Authority, Issued, Kind, Request, Revoked};
use glovebox_tls::{Authorities, Credentials, Suites, client_config, client_verifier, server_config};
use rustls::{ClientConfig, ServerConfig};

pub const DAY_MS: i64 = 86_400_000;

pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

pub struct Zone {
    pub suites: Suites,
    pub authority: Authority,
    pub server: Issued,
    pub client: Issued,
    pub crl_pem: String,
}

impl Zone {
    pub fn new(suites: Suites) -> Self {
        let algorithm = match suites {
            Suites::Gm => Algorithm::Sm2,
            Suites::Standard => Algorithm::P256,
        };
        let authority = Authority::create(algorithm, "Zone", now_ms() - 30 * DAY_MS, 365).unwrap();
        let server = issue(&authority, Kind::Server { names: vec!["enclave.test".into()] }, 0, 30);
        let client = issue(&authority, Kind::Client, 0, 30);
        let crl_pem = list(&authority, &[]);
        Self { suites, authority, server, client, crl_pem }
    }

    pub fn authorities(&self) -> Authorities {
        Authorities::from_pem(self.authority.cert_pem(), self.suites).unwrap()
    }

    pub fn server_config(&self) -> Arc<ServerConfig> {
        let verifier = client_verifier(self.suites, &self.authorities(), &self.crl_pem).unwrap();
        Arc::new(server_config(&credentials(&self.server), verifier).unwrap())
    }

    pub fn client_config(&self) -> Arc<ClientConfig> {
        Arc::new(client_config(&credentials(&self.client), &self.authorities()).unwrap())
    }
}

pub fn credentials(issued: &Issued) -> Credentials {
    Credentials::from_pem(&issued.cert_pem, issued.key_pem.expose(), None).unwrap()
}

pub fn issue(authority: &Authority, kind: Kind, starts_in_days: i64, days: u32) -> Issued {
    let request = Request {
        common_name: "lin.wei".into(),
        organisation: "hospital-a".into(),
        roles: vec!["supplier".into()],
        kind,
        valid_from_unix_ms: now_ms() - 60_000 + starts_in_days * DAY_MS,
        days,
    };
    authority.issue(&request).unwrap()
}

/// A revocation list in force, with these on it.
pub fn list(authority: &Authority, revoked: &[&Issued]) -> String {
    let revoked: Vec<Revoked> = revoked
        .iter()
        .map(|issued| Revoked { serial_hex: issued.serial_hex.clone(), at_unix_ms: now_ms() - 1000 })
        .collect();
    authority.crl(&revoked, 1, now_ms() - DAY_MS, now_ms() + DAY_MS).unwrap()
}
