//! A zone of one kind: its authority, a server, a client, and the revocation list that names neither.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use glovebox_gm::pki::{Algorithm, Authority, Issued, Kind, Request, Revoked};
use glovebox_tls::{Authorities, Credentials, Suites, client_config, client_verifier, server_config};
use rustls::{ClientConfig, ServerConfig};

pub(crate) const DAY_MS: i64 = 86_400_000;

pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

pub(crate) struct Zone {
    pub(crate) suites: Suites,
    pub(crate) authority: Authority,
    pub(crate) server: Issued,
    pub(crate) client: Issued,
    pub(crate) crl_pem: String,
}

impl Zone {
    pub(crate) fn new(suites: Suites) -> Self {
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

    pub(crate) fn authorities(&self) -> Authorities {
        Authorities::from_pem(self.authority.cert_pem(), self.suites).unwrap()
    }

    pub(crate) fn server_config(&self) -> Arc<ServerConfig> {
        let verifier = client_verifier(self.suites, &self.authorities(), &self.crl_pem).unwrap();
        Arc::new(server_config(&credentials(&self.server), verifier).unwrap())
    }

    pub(crate) fn client_config(&self) -> Arc<ClientConfig> {
        Arc::new(client_config(&credentials(&self.client), &self.authorities()).unwrap())
    }
}

pub(crate) fn credentials(issued: &Issued) -> Credentials {
    Credentials::from_pem(&issued.cert_pem, issued.key_pem.expose(), None).unwrap()
}

pub(crate) fn issue(authority: &Authority, kind: Kind, starts_in_days: i64, days: u32) -> Issued {
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
pub(crate) fn list(authority: &Authority, revoked: &[&Issued]) -> String {
    let revoked: Vec<Revoked> = revoked
        .iter()
        .map(|issued| Revoked { serial_hex: issued.serial_hex.clone(), at_unix_ms: now_ms() - 1000 })
        .collect();
    authority.crl(&revoked, 1, now_ms() - DAY_MS, now_ms() + DAY_MS).unwrap()
}
