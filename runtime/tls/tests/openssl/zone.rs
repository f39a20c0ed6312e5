//! A zone for the tests: authorities of both algorithms with what they issued, as files that OpenSSL reads.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use glovebox_gm::pki::{Algorithm, Authority, Issued, Kind, Request, Revoked};
use glovebox_tls::{Authorities, Credentials, Suites};
use tempfile::TempDir;

use crate::peer::OpenSsl;

pub(crate) const DAY_MS: i64 = 86_400_000;
/// The name of the server.
pub(crate) const SERVER_NAME: &str = "enclave.test";

/// `s_client` that checks the server; the address follows.
pub(crate) const CALL: &str = "s_client -brief -servername enclave.test -verify_hostname enclave.test \
                               -verify_return_error -connect";
/// RFC 8998, for either side. Neither is in OpenSSL's defaults.
pub(crate) const GM: &str = "-tls1_3 -ciphersuites TLS_SM4_GCM_SM3 -groups curveSM2 -sigalgs sm2sig_sm3 -CAfile ca.pem";
pub(crate) const GM_CLIENT: &str = "-cert client.pem -key client.key";
/// A server that takes nobody without a certificate.
pub(crate) const GM_SERVER: &str = "-cert server.pem -key server.key -Verify 1 -verify_return_error";
/// OpenSSL's own choice of suites.
pub(crate) const STANDARD: &str = "-CAfile p256-ca.pem";
pub(crate) const STANDARD_CLIENT: &str = "-cert p256-client.pem -key p256-client.key";
pub(crate) const STANDARD_SERVER: &str = "-cert p256-server.pem -key p256-server.key -Verify 1 -verify_return_error";

pub(crate) fn now_unix_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// One authority, the server and one client of it.
pub(crate) struct Side {
    pub(crate) suites: Suites,
    pub(crate) authority: Authority,
    pub(crate) server: Issued,
    pub(crate) client: Issued,
    /// Revocation list, PEM.
    pub(crate) revoked: String,
}

impl Side {
    pub(crate) fn create(algorithm: Algorithm, name: &str) -> Self {
        let authority = Authority::create(algorithm, name, now_unix_ms() - DAY_MS, 365).unwrap();
        let names = vec![SERVER_NAME.to_owned(), "127.0.0.1".to_owned()];
        let server = issue(&authority, "enclave", Kind::Server { names }, 0);
        let client = issue(&authority, "lin.wei", Kind::Client, 0);
        let revoked = list(&authority, &[], 0);
        let suites = match algorithm {
            Algorithm::Sm2 => Suites::Gm,
            Algorithm::P256 => Suites::Standard,
        };
        Self { suites, authority, server, client, revoked }
    }

    pub(crate) fn authorities(&self) -> Authorities {
        Authorities::from_pem(self.authority.cert_pem(), self.suites).unwrap()
    }

    /// Writes `<prefix>ca.pem`, `<prefix>server.pem`, `<prefix>server.key`, `<prefix>client.…`, `<prefix>revoked.pem`.
    fn write(&self, folder: &Path, prefix: &str) {
        write(folder, &format!("{prefix}ca.pem"), self.authority.cert_pem());
        write(folder, &format!("{prefix}revoked.pem"), &self.revoked);
        write_identity(folder, &format!("{prefix}server"), &self.server);
        write_identity(folder, &format!("{prefix}client"), &self.client);
    }
}

/// SM2 files have plain names, those of P-256 start with `p256-`.
pub(crate) struct Zone {
    pub(crate) gm: Side,
    pub(crate) standard: Side,
    pub(crate) openssl: OpenSsl,
    folder: TempDir,
}

impl Zone {
    /// None where there is no OpenSSL 4.
    pub(crate) fn create() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let openssl = OpenSsl::find(folder.path())?;
        let (gm, standard) = (Side::create(Algorithm::Sm2, "zone"), Side::create(Algorithm::P256, "zone"));
        gm.write(folder.path(), "");
        standard.write(folder.path(), "p256-");
        Some(Self { gm, standard, openssl, folder })
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        write(self.folder.path(), name, text);
    }

    /// Writes `<name>.pem` and `<name>.key`.
    pub(crate) fn write_identity(&self, name: &str, issued: &Issued) {
        write_identity(self.folder.path(), name, issued);
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// Reads `<name>.pem` and `<name>.key`.
    pub(crate) fn credentials(&self, name: &str) -> Credentials {
        let (certificate, key) = (self.read(&format!("{name}.pem")), self.read(&format!("{name}.key")));
        Credentials::from_pem(&certificate, &key, None).unwrap()
    }
}

/// A certificate that began to hold `days_ago`, for ten days or until then.
pub(crate) fn issue(authority: &Authority, name: &str, kind: Kind, days_ago: i64) -> Issued {
    let request = Request {
        common_name: name.into(),
        organisation: "hospital-a".into(),
        roles: vec!["developer".into()],
        kind,
        valid_from_unix_ms: now_unix_ms() - days_ago * DAY_MS - 3_600_000,
        days: 10,
    };
    authority.issue(&request).unwrap()
}

/// A revocation list that was made `days_ago` and holds for two days.
pub(crate) fn list(authority: &Authority, revoked: &[&Issued], days_ago: i64) -> String {
    let made = now_unix_ms() - days_ago * DAY_MS - 3_600_000;
    let revoked: Vec<_> =
        revoked.iter().map(|issued| Revoked { serial_hex: issued.serial_hex.clone(), at_unix_ms: made }).collect();
    authority.crl(&revoked, 1, made, made + 2 * DAY_MS).unwrap()
}

/// The certificate and key of an issued identity as ours.
pub(crate) fn credentials(issued: &Issued) -> Credentials {
    Credentials::from_pem(&issued.cert_pem, issued.key_pem.expose(), None).unwrap()
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

fn write_identity(folder: &Path, name: &str, issued: &Issued) {
    write(folder, &format!("{name}.pem"), &issued.cert_pem);
    write(folder, &format!("{name}.key"), issued.key_pem.expose());
}
