//! The configurations of both sides.

use std::sync::Arc;

use rustls::client::{ClientSessionMemoryCache, Resumption};
use rustls::server::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, version};

use crate::credentials::Credentials;
use crate::error::TlsError;
use crate::sessions::Sessions;
use crate::suites::provider;
use crate::trust::Authorities;

/// How many servers a client remembers sessions of.
const SERVERS_MAX: usize = 32;

/// Tickets that a client gets with a connection. Each is used once and brings new ones; two, so that a client can open
/// two connections at a time.
const TICKETS: usize = 2;

/// A server: TLS 1.3, client certificates by `verifier`, the suites of `credentials`.
///
/// Sessions are resumed with a fresh key share, from a table of [`SESSIONS_MAX`](crate::SESSIONS_MAX) entries that belongs to this
/// configuration; a new configuration starts with an empty one. No ticket is readable by anyone who holds a key, and
/// there is no 0-RTT. ALPN is left to the caller.
///
/// A resumed connection shows the certificates of the first one, unchecked: whoever serves it checks them again with
/// the verifier, as of now.
///
/// # Errors
/// [`TlsError::Mixed`] when `verifier` takes certificates of the other kind, [`TlsError::ClientsUnproven`] when it
/// does without.
pub fn server_config(
    credentials: &Credentials,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, TlsError> {
    let suites = credentials.suites();
    let provider = provider(suites);
    if !verifier.offer_client_auth() || !verifier.client_auth_mandatory() {
        return Err(TlsError::ClientsUnproven);
    }
    if verifier.supported_verify_schemes() != provider.signature_verification_algorithms.supported_schemes() {
        return Err(TlsError::Mixed { expected: suites });
    }
    let resolver = Arc::new(SingleCertAndKey::from(credentials.certified()));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| unfit("TLS 1.3", &error))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(resolver);
    config.session_storage = Arc::new(Sessions::default());
    config.send_tls13_tickets = TICKETS;
    config.max_early_data_size = 0;
    Ok(config)
}

/// A client: TLS 1.3, the suites of `credentials`, servers of `authorities` alone.
///
/// # Errors
/// [`TlsError::Mixed`] when `authorities` are of the other kind.
pub fn client_config(credentials: &Credentials, authorities: &Authorities) -> Result<ClientConfig, TlsError> {
    let suites = credentials.suites();
    if authorities.suites() != suites {
        return Err(TlsError::Mixed { expected: suites });
    }
    let resolver = Arc::new(SingleCertAndKey::from(credentials.certified()));
    let mut config = ClientConfig::builder_with_provider(provider(suites))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| unfit("TLS 1.3", &error))?
        .with_root_certificates(authorities.roots())
        .with_client_cert_resolver(resolver);
    config.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(SERVERS_MAX)));
    Ok(config)
}

fn unfit(what: &'static str, error: &rustls::Error) -> TlsError {
    TlsError::Unfit { what, detail: error.to_string() }
}
