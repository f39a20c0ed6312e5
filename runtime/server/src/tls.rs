//! The TLS side: what the server presents, whom it trusts, and what changes when the files change.
//!
//! Up to two sets, for the suites of RFC 8998 and for the standard ones, which share nothing: key, authority, revocation
//! list, sessions. TLS 1.3 alone. Sessions are resumed, but a resumed connection shows the certificate of the one
//! before, so it is checked again before anything is served; a reload forgets the sessions of its set.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use glovebox_engine::{Clock, Engine, EngineError, TlsIdentity};
use glovebox_tls::{Authorities, Credentials, Suites, TlsError, client_verifier, server_config};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ServerConfig};
use rustls::time_provider::TimeProvider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::config::{Tls, TlsFiles};
use crate::error::ServerError;
use crate::metrics::Metrics;

/// How soon files that can't be used are tried again as they stand. A change of them is tried at the next tick.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// The sets in use; at least one.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    gm: Option<Arc<TrustSet>>,
    standard: Option<Arc<TrustSet>>,
}

/// The time by which terms of certificates and of revocation lists are judged: the enclave's, which never goes back. The host's
/// where there is no enclave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time(pub(crate) Option<Clock>);

impl Time {
    /// Since the Unix epoch; before it, a time at which nothing holds any more.
    pub(crate) fn since_epoch(self) -> Duration {
        match self.0 {
            Some(clock) => u64::try_from(clock.now().unix_ms()).map_or(Duration::MAX, Duration::from_millis),
            None => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::MAX),
        }
    }

    fn now(self) -> UnixTime {
        UnixTime::since_unix_epoch(self.since_epoch())
    }
}

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.now())
    }
}

/// One state of the files of a set, in use until the next.
pub(crate) struct TrustSet {
    /// What it speaks.
    pub(crate) suites: Suites,
    /// For the acceptor.
    pub(crate) config: Arc<ServerConfig>,
    /// Counts the states, so that a connection knows when its certificate has to be checked again.
    pub(crate) generation: u64,
    /// By what its certificates are judged.
    pub(crate) time: Time,
    verifier: Arc<dyn ClientCertVerifier>,
    identity: TlsIdentity,
}

impl std::fmt::Debug for TrustSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustSet")
            .field("suites", &self.suites)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl Trust {
    /// Reads the files of every set that is given.
    fn load(tls: &Tls, time: Time) -> Result<Self, ServerError> {
        let load = |suites, files: &Option<TlsFiles>| {
            files.as_ref().map(|files| TrustSet::load(suites, files, 0, time).map(Arc::new)).transpose()
        };
        let trust = Self { gm: load(Suites::Gm, &tls.gm)?, standard: load(Suites::Standard, &tls.standard)? };
        if trust.gm.is_none() && trust.standard.is_none() { Err(ServerError::NoTls) } else { Ok(trust) }
    }

    /// The set for these suites, where the server has one.
    pub(crate) fn of(&self, suites: Suites) -> Option<&Arc<TrustSet>> {
        match suites {
            Suites::Gm => self.gm.as_ref(),
            Suites::Standard => self.standard.as_ref(),
        }
    }

    /// The set that answers a hello: the one it asks for. Where there is none the other one answers, which refuses with
    /// an alert a hello that offers nothing of it.
    pub(crate) fn answer(&self, hello: &ClientHello<'_>) -> Option<&Arc<TrustSet>> {
        self.of(Suites::of_hello(hello)).or(self.gm.as_ref()).or(self.standard.as_ref())
    }

    fn put(&mut self, set: TrustSet) {
        match set.suites {
            Suites::Gm => self.gm = Some(Arc::new(set)),
            Suites::Standard => self.standard = Some(Arc::new(set)),
        }
    }
}

impl TrustSet {
    /// Reads the files and checks that they fit together.
    ///
    /// # Errors
    /// [`ServerError`] names the file at fault.
    pub(crate) fn load(suites: Suites, files: &TlsFiles, generation: u64, time: Time) -> Result<Self, ServerError> {
        let passphrase = files.key_passphrase.as_deref().map(first_line).transpose()?;
        let (certificate, key) = (read(&files.certificate)?, read(&files.key)?);
        let credentials = Credentials::from_pem(&certificate, &key, passphrase.as_deref().map(Vec::as_slice))
            .map_err(|source| unusable(if is_of_key(&source) { &files.key } else { &files.certificate }, source))?;
        if credentials.suites() != suites {
            return Err(ServerError::OtherSuites { path: files.certificate.clone(), suites });
        }
        let (authorities_pem, revocations_pem) = (read(&files.client_authority)?, read(&files.client_revocations)?);
        let authorities = Authorities::from_pem(&authorities_pem, suites)
            .map_err(|source| unusable(&files.client_authority, source))?;
        let verifier = client_verifier(suites, &authorities, &revocations_pem)
            .map_err(|source| unusable(&files.client_revocations, source))?;
        let mut config =
            server_config(&credentials, verifier.clone()).map_err(|source| unusable(&files.certificate, source))?;
        // HTTP/2 is not offered: the listener does not speak it.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.time_provider = Arc::new(time);
        let identity = TlsIdentity {
            suites: suites.as_str(),
            certificates: digests::<CertificateDer<'_>>(&certificate),
            authorities: digests::<CertificateDer<'_>>(&authorities_pem),
            revocations: digests::<CertificateRevocationListDer<'_>>(&revocations_pem),
        };
        Ok(Self { suites, config: Arc::new(config), generation, time, verifier, identity })
    }

    /// Whether a chain presented earlier would still be accepted: authority, term and revocation, as of now.
    ///
    /// # Errors
    /// What the verifier said.
    pub(crate) fn check(&self, chain: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        let (end_entity, intermediates) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.verifier.verify_client_cert(end_entity, intermediates, self.time.now()).map(|_| ())
    }
}

/// Loads the files now, and those of a set again whenever one of them changes, until `stop`. Each state that is taken
/// into use is an event of the engine's log, where there is an engine.
///
/// # Errors
/// [`ServerError`] when they can't be used at the start. Later faults are logged and the state before stays.
pub(crate) fn watch_files(
    tls: Tls,
    engine: Option<Engine>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> Result<watch::Receiver<Arc<Trust>>, ServerError> {
    let (poll_interval, time) = (tls.poll_interval, Time(engine.as_ref().map(Engine::clock)));
    // Before the files are read: what changes in between is then read twice rather than never.
    let given = [(Suites::Gm, tls.gm.clone()), (Suites::Standard, tls.standard.clone())];
    let mut watched: Vec<_> =
        given.into_iter().filter_map(|(suites, files)| Some(Watched::new(suites, Arc::new(files?), time))).collect();
    let trust = Trust::load(&tls, time)?;
    for set in [&trust.gm, &trust.standard].into_iter().flatten() {
        engine.iter().try_for_each(|engine| engine.note_tls(&set.identity))?;
    }
    let (sender, receiver) = watch::channel(Arc::new(trust));
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(poll_interval);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            for set in &mut watched {
                match set.reload().await {
                    None => {}
                    Some(Ok(trust)) => {
                        let (suites, generation) = (trust.suites, trust.generation);
                        tracing::info!(%suites, generation, "TLS files changed and are in use");
                        metrics.tls_reload(suites, true);
                        let identity = trust.identity.clone();
                        // First in use: a revocation must not wait for a disk.
                        sender.send_modify(|trusted| Arc::make_mut(trusted).put(trust));
                        note(engine.clone(), move |engine| engine.note_tls(&identity)).await;
                    }
                    Some(Err(Unused { error, is_new })) => {
                        let suites = set.suites;
                        tracing::error!(%suites, %error, "TLS files changed but can't be used; those before stay in use");
                        metrics.tls_reload(suites, false);
                        if is_new {
                            note(engine.clone(), move |engine| engine.note_tls_kept(suites.as_str())).await;
                        }
                    }
                }
            }
        }
    });
    Ok(receiver)
}

async fn note<N>(engine: Option<Engine>, write: N)
where
    N: FnOnce(&Engine) -> Result<(), EngineError> + Send + 'static,
{
    let Some(engine) = engine else { return };
    let noted = tokio::task::spawn_blocking(move || write(&engine)).await;
    if !matches!(noted, Ok(Ok(()))) {
        tracing::error!("that TLS files changed could not be written to the log");
    }
}

/// The digests of everything of one kind in a PEM text that was read before.
fn digests<T: PemObject + AsRef<[u8]>>(pem: &str) -> Vec<glovebox_gm::Digest> {
    T::pem_slice_iter(pem.as_bytes()).flatten().map(|der| glovebox_gm::sm3(der.as_ref())).collect()
}

/// Files of a set and the state in which they were last used.
struct Watched {
    suites: Suites,
    files: Arc<TlsFiles>,
    time: Time,
    seen: Stamps,
    /// The state that could not be used, and when that was found.
    refused: Option<(Stamps, Instant)>,
    generation: u64,
}

/// Why files can't be used, and whether that is new or was found before of the same files.
struct Unused {
    error: ServerError,
    is_new: bool,
}

impl Watched {
    fn new(suites: Suites, files: Arc<TlsFiles>, time: Time) -> Self {
        let seen = Stamps::of(&files);
        Self { suites, files, time, seen, refused: None, generation: 0 }
    }

    /// What the files hold now, if that is not what is in use.
    async fn reload(&mut self) -> Option<Result<TrustSet, Unused>> {
        let now = Stamps::of(&self.files);
        let is_known = |(stamps, since): &(Stamps, Instant)| *stamps == now && since.elapsed() < RETRY_AFTER;
        if now == self.seen || self.refused.as_ref().is_some_and(is_known) {
            return None;
        }
        self.generation += 1;
        let (suites, files, generation, time) = (self.suites, self.files.clone(), self.generation, self.time);
        // A key under a passphrase is opened slowly, on purpose.
        let load = move || TrustSet::load(suites, &files, generation, time);
        let loaded = tokio::task::spawn_blocking(load).await.ok()?;
        // Only what was used counts as seen. A half-written set is tried again once it changes, and not before, or the
        // log would say the same each second and an encrypted key be opened slowly each time.
        match loaded {
            Ok(trust) => {
                self.seen = now;
                Some(Ok(trust))
            }
            Err(error) => {
                let is_new = self.refused.as_ref().is_none_or(|(stamps, _)| *stamps != now);
                self.refused = Some((now, Instant::now()));
                Some(Err(Unused { error, is_new }))
            }
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, ServerError> {
    std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|source| ServerError::File { path: path.to_owned(), source })
}

fn first_line(path: &Path) -> Result<Zeroizing<Vec<u8>>, ServerError> {
    let text = read(path)?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().as_bytes().to_vec()))
}

fn is_of_key(error: &TlsError) -> bool {
    matches!(error, TlsError::Key(_) | TlsError::KeyKind | TlsError::KeyOfAnother)
}

fn unusable(path: &Path, source: TlsError) -> ServerError {
    ServerError::Unusable { path: path.to_owned(), source }
}

/// What tells that a file changed: time and length of each.
#[derive(PartialEq)]
struct Stamps([Option<(SystemTime, u64)>; 5]);

impl Stamps {
    fn of(files: &TlsFiles) -> Self {
        let stamp = |path: &Path| {
            let data = std::fs::metadata(path).ok()?;
            Some((data.modified().ok()?, data.len()))
        };
        Self([
            stamp(&files.certificate),
            stamp(&files.key),
            files.key_passphrase.as_deref().and_then(stamp),
            stamp(&files.client_authority),
            stamp(&files.client_revocations),
        ])
    }
}

#[cfg(test)]
mod tests {
    use glovebox_catalog::Timestamp;

    use super::*;
    use crate::trial::Zone;

    /// Whoever sets the host's clock back does not open the door again for certificates whose term is over: the enclave's
    /// clock stays at the latest event.
    #[tokio::test]
    async fn terms_of_certificates_are_judged_by_the_enclaves_clock() {
        let zone = Zone::new();
        let host = Time(None);
        let in_forty_days = Timestamp::from_unix_ms(host.since_epoch().as_millis() as i64).plus_days(40);
        let enclave = Time(Some(Clock::starting_at(in_forty_days)));
        assert!(enclave.since_epoch() > host.since_epoch() + Duration::from_secs(39 * 86_400));
        for suites in [Suites::Gm, Suites::Standard] {
            let issued = zone.of(suites).client(1, 30);
            let chain = [CertificateDer::from_pem_slice(issued.cert_pem.as_bytes()).unwrap()];
            for (time, holds) in [(host, true), (enclave, false)] {
                let trust = Trust::load(&zone.tls(), time).unwrap();
                assert_eq!(trust.of(suites).unwrap().check(&chain).is_ok(), holds, "{suites}");
            }
        }
    }
}
