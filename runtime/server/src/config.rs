//! How the server is set up: addresses, files, limits.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use glovebox_engine::Settings;

/// Settings of the server. [`Config::new`] lists the defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the REST interface listens, over mutual TLS.
    pub listen: SocketAddr,
    /// Where metrics and health are served, over plain HTTP. Only a loopback address is accepted.
    pub admin: SocketAddr,
    /// Certificates and keys.
    pub tls: Tls,
    /// What one peer, one request and all of them may take.
    pub limits: Limits,
    /// Time that requests and jobs in progress get to end once shutdown was asked for.
    pub shutdown_grace: Duration,
}

/// What the REST interface speaks. Each set stands by itself and shares nothing with the other; the ClientHello of a
/// connection chooses between them. At least one is given; a server without one of them refuses whoever asks for it.
#[derive(Debug, Clone)]
pub struct Tls {
    /// For the suites of RFC 8998: certificates and keys are SM2.
    pub gm: Option<TlsFiles>,
    /// For the standard suites of TLS 1.3: certificates and keys are P-256.
    pub standard: Option<TlsFiles>,
    /// How often the files are looked at. A revoked certificate is refused on open connections after at most this.
    pub poll_interval: Duration,
}

/// PEM files of one set. All are read again when one of them changes; a set that can't be used is reported in the log
/// and the one before stays in force.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, followed by intermediates if there are any.
    pub certificate: PathBuf,
    /// Its private key, PKCS#8.
    pub key: PathBuf,
    /// File whose first line is the passphrase of an encrypted private key.
    pub key_passphrase: Option<PathBuf>,
    /// The authority (or authorities) whose certificates clients must present.
    pub client_authority: PathBuf,
    /// Certificates of that authority that are revoked. Required: an enclave without revocation is misconfigured;
    /// `glovebox pki init` writes an empty list.
    pub client_revocations: PathBuf,
}

/// Bounds on what peers can make the server hold or wait for. [`Limits::default`] lists the values.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections that are served at once; further ones are closed after their handshake.
    pub connections_max: usize,
    /// Those of one network address.
    pub connections_per_address_max: usize,
    /// Those of whom one certificate's subject names, however many certificates there are.
    pub connections_per_principal_max: usize,
    /// Handshakes that are not finished, in all; for a further one another gives way.
    pub handshakes_max: usize,
    /// Those of one network address.
    pub handshakes_per_address_max: usize,
    /// Requests being answered at once; further ones get 429.
    pub requests_max: usize,
    /// Event streams open at once; further ones get 429.
    pub streams_max: usize,
    /// Headers of one request, in number.
    pub headers_max: usize,
    /// Headers of one request, in bytes.
    pub headers_max_bytes: usize,
    /// A JSON body, in bytes.
    pub json_max_bytes: usize,
    /// A module, in bytes.
    pub module_max_bytes: usize,
    /// An upload of rows, in bytes.
    pub upload_max_bytes: u64,
    /// Time for the first byte of a connection.
    pub first_byte_timeout: Duration,
    /// Time for the whole ClientHello.
    pub hello_timeout: Duration,
    /// Time for the whole TLS handshake.
    pub handshake_timeout: Duration,
    /// Time for the headers of a request, which is also how long a connection may idle.
    pub header_timeout: Duration,
    /// Time for a JSON body or module to arrive.
    pub body_timeout: Duration,
    /// Longest pause within an upload of rows.
    pub upload_pause_max: Duration,
    /// Time between signs of life on an event stream; the caller's standing is checked as often.
    pub keep_alive_interval: Duration,
}

impl Config {
    /// A server on `listen` with the default [`Limits`], 30 seconds of grace, and metrics on `admin`.
    #[must_use]
    pub fn new(listen: SocketAddr, admin: SocketAddr, tls: Tls) -> Self {
        Self { listen, admin, tls, limits: Limits::default(), shutdown_grace: Duration::from_secs(30) }
    }

    /// Every setting, as the log's events hold them. Named one by one, so that a new one can't be left out by mistake;
    /// certificates and revocation lists have events of their own.
    pub(crate) fn settings(&self) -> Settings {
        let Self { listen, admin, tls: Tls { gm: _, standard: _, poll_interval }, limits, shutdown_grace } = self;
        let Limits {
            connections_max,
            connections_per_address_max,
            connections_per_principal_max,
            handshakes_max,
            handshakes_per_address_max,
            requests_max,
            streams_max,
            headers_max,
            headers_max_bytes,
            json_max_bytes,
            module_max_bytes,
            upload_max_bytes,
            first_byte_timeout,
            hello_timeout,
            handshake_timeout,
            header_timeout,
            body_timeout,
            upload_pause_max,
            keep_alive_interval,
        } = limits;
        let settings: [(&'static str, &dyn Display); 23] = [
            ("listen", listen),
            ("admin", admin),
            ("tls_poll_interval_ms", &poll_interval.as_millis()),
            ("shutdown_grace_ms", &shutdown_grace.as_millis()),
            ("connections_max", connections_max),
            ("connections_per_address_max", connections_per_address_max),
            ("connections_per_principal_max", connections_per_principal_max),
            ("handshakes_max", handshakes_max),
            ("handshakes_per_address_max", handshakes_per_address_max),
            ("requests_max", requests_max),
            ("streams_max", streams_max),
            ("headers_max", headers_max),
            ("headers_max_bytes", headers_max_bytes),
            ("json_max_bytes", json_max_bytes),
            ("module_max_bytes", module_max_bytes),
            ("upload_max_bytes", upload_max_bytes),
            ("first_byte_timeout_ms", &first_byte_timeout.as_millis()),
            ("hello_timeout_ms", &hello_timeout.as_millis()),
            ("handshake_timeout_ms", &handshake_timeout.as_millis()),
            ("header_timeout_ms", &header_timeout.as_millis()),
            ("body_timeout_ms", &body_timeout.as_millis()),
            ("upload_pause_max_ms", &upload_pause_max.as_millis()),
            ("keep_alive_interval_ms", &keep_alive_interval.as_millis()),
        ];
        settings.into_iter().map(|(name, value)| (name, value.to_string())).collect()
    }
}

impl Tls {
    /// These sets, looked at every second.
    #[must_use]
    pub fn new(gm: Option<TlsFiles>, standard: Option<TlsFiles>) -> Self {
        Self { gm, standard, poll_interval: Duration::from_secs(1) }
    }
}

impl TlsFiles {
    /// The four files; the private key is not encrypted.
    #[must_use]
    pub fn new(
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
        client_authority: impl Into<PathBuf>,
        client_revocations: impl Into<PathBuf>,
    ) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            key_passphrase: None,
            client_authority: client_authority.into(),
            client_revocations: client_revocations.into(),
        }
    }
}

impl Default for Limits {
    /// 1024 connections, 256 of one address, 64 of one principal; 256 unfinished handshakes, 64 of one address, with 2 s for
    /// the first byte, 3 s for the hello and 5 s in all; 256 requests, 256 event streams; 64 headers in 16 KiB; 1 MiB of JSON,
    /// 32 MiB of module, 64 GiB of rows; 30 s for headers and for a body, pauses of 60 s within an
    /// upload, a sign of life every 15 s.
    fn default() -> Self {
        Self {
            connections_max: 1024,
            connections_per_address_max: 256,
            connections_per_principal_max: 64,
            handshakes_max: 256,
            handshakes_per_address_max: 64,
            requests_max: 256,
            streams_max: 256,
            headers_max: 64,
            headers_max_bytes: 16 << 10,
            json_max_bytes: 1 << 20,
            module_max_bytes: 32 << 20,
            upload_max_bytes: 64 << 30,
            first_byte_timeout: Duration::from_secs(2),
            hello_timeout: Duration::from_secs(3),
            handshake_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            upload_pause_max: Duration::from_secs(60),
            keep_alive_interval: Duration::from_secs(15),
        }
    }
}
