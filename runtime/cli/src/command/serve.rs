//! `glovebox serve`: the server of an enclave, from start to an orderly end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use glovebox_catalog::PrincipalId;
use glovebox_client::Suites;
use glovebox_engine::{Config as EngineConfig, EarlierClock, Engine};
use glovebox_server::{Config, Server, Tls};
use serde::Deserialize;
use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::command::init::{First, read_passphrase};
use crate::command::witness::read_policy;
use crate::connection::{Global, TlsChoice, read};
use crate::output::Output;
use crate::tls_files::{Named, Sources, needs_passphrase};

/// Run the server of an enclave.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    glovebox serve --state enclave --passphrase-file passphrase --pki pki\n  \
    glovebox serve --config glovebox.toml --listen 10.0.0.5:8443\n  \
    glovebox serve --state enclave --passphrase-file passphrase --pki pki --tls gm\n  \
    glovebox serve --config glovebox.toml --witnesses witnesses.toml\n  \
    glovebox serve --state new --passphrase-file passphrase --pki pki \\\n      \
      --organisation zone-operator --security-officer wang.min\n\n\
    One port serves RFC 8998 (SM2, SM3, SM4) and standard TLS 1.3, as far as there are certificates for each: a client's \
    hello chooses. `--tls gm` serves RFC 8998 alone.\n\
    The last example makes the enclave first if the folder holds none. Options win over the file. SIGINT and SIGTERM \
    end it in order: running jobs get the grace, waiting ones are kept. RUST_LOG sets what is logged, e.g. RUST_LOG=warn.")]
pub(crate) struct Serve {
    /// TOML file with the settings below, named with `_` for `-`
    #[arg(long, value_name = "TOML")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    first: First,
    /// Start although the host's clock is earlier than the latest event, on the word of this security officer; goes into
    /// the log. For a clock that was ahead and is right now: terms that were over by it run again
    #[arg(long, value_name = "OFFICER", requires = "earlier_clock_reason")]
    accept_earlier_clock: Option<String>,
    /// Why the earlier clock is accepted; goes into the log
    #[arg(long, value_name = "TEXT", requires = "accept_earlier_clock")]
    earlier_clock_reason: Option<String>,
    /// Form of the log on standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// What options and file can both say. Paths in the file are relative to the working folder.
#[derive(Args, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Folder that holds the enclave
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// File whose first line is the passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Address of the REST interface, over mutual TLS; 127.0.0.1:8443 unless given
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Loopback address of metrics and health; 127.0.0.1:9464 unless given
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// Folder of `glovebox pki`; stands for the eight files below, as far as it has them
    #[arg(long, value_name = "FOLDER")]
    pki: Option<PathBuf>,
    /// The server's P-256 certificate, for standard TLS
    #[arg(long, value_name = "PEM")]
    certificate: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "PEM")]
    private_key: Option<PathBuf>,
    /// Authority whose P-256 certificates clients present
    #[arg(long, value_name = "PEM")]
    client_authority: Option<PathBuf>,
    /// Its revocation list
    #[arg(long, value_name = "PEM")]
    client_revocations: Option<PathBuf>,
    /// The server's SM2 certificate, for RFC 8998
    #[arg(long, value_name = "PEM")]
    gm_certificate: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "PEM")]
    gm_private_key: Option<PathBuf>,
    /// Authority whose SM2 certificates clients present
    #[arg(long, value_name = "PEM")]
    gm_client_authority: Option<PathBuf>,
    /// Its revocation list
    #[arg(long, value_name = "PEM")]
    gm_client_revocations: Option<PathBuf>,
    /// File whose first line is the passphrase of the server's private keys, where they are encrypted
    #[arg(long, value_name = "FILE")]
    key_passphrase_file: Option<PathBuf>,
    /// The same as `--tls`
    #[arg(skip)]
    tls: Option<TlsChoice>,
    /// Jobs that run at once; one a core but one unless given
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Jobs that may wait; 64 unless given
    #[arg(long, value_name = "N")]
    queue_jobs_max: Option<usize>,
    /// Jobs of one organisation that may wait; 16 unless given
    #[arg(long, value_name = "N")]
    queue_jobs_per_organisation_max: Option<usize>,
    /// Memory for the rows of one ingestion; 256 unless given
    #[arg(long, value_name = "MIB")]
    ingest_memory_mib: Option<usize>,
    /// Longest time that a job may run; 3600 unless given
    #[arg(long, value_name = "SECONDS")]
    job_wall_seconds: Option<u64>,
    /// Step of the coarse clock at which ends of jobs show, 10 at least; 250 unless given
    #[arg(long, value_name = "MS")]
    pace_step_ms: Option<u64>,
    /// File of the witnesses that have to cosign before anything leaves; nobody unless given. See docs/witnesses.md
    #[arg(long, value_name = "FILE")]
    witnesses: Option<PathBuf>,
    /// Further disclosure profiles, each a TOML file like those under policies/disclosure
    #[arg(long, value_name = "TOML")]
    disclosure: Option<Vec<PathBuf>>,
    /// Days in which reviewers decide on an output; 30 unless given
    #[arg(long, value_name = "DAYS")]
    review_days: Option<u32>,
    /// How often a reviewed release can be fetched; 100 unless given
    #[arg(long, value_name = "N")]
    review_fetches_max: Option<u64>,
    /// Time for requests and jobs to end at shutdown; 30 unless given
    #[arg(long, value_name = "SECONDS")]
    shutdown_grace_seconds: Option<u64>,
}

impl Serve {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        let mut settings = match &self.config {
            Some(path) => {
                let file: Settings =
                    toml::from_str(&read(path)?).with_context(|| format!("read `{}`", path.display()))?;
                self.settings.or(file)
            }
            None => self.settings,
        };
        settings.tls = global.tls.or(settings.tls);
        start_log(self.log);
        glovebox_engine::keep_panics_quiet();
        let mut engine_config = settings.engine()?;
        engine_config.earlier_clock = earlier_clock(self.accept_earlier_clock, self.earlier_clock_reason)?;
        let server_config = settings.server()?;
        let spoken = spoken(&server_config.tls);
        let witnesses = engine_config.witnesses.as_ref().map(|policy| (policy.required(), policy.witnesses().len()));
        let passphrase_file = settings.passphrase_file.as_deref().context("give `--passphrase-file FILE`")?;
        let passphrase = read_passphrase(passphrase_file, output)?;
        let first = self.first;
        // Opening derives keys from the passphrase, on purpose slowly.
        let engine = tokio::task::spawn_blocking(move || open(engine_config, &passphrase, &first)).await??;
        let server = match Server::bind(server_config, engine.clone()).await {
            Ok(server) => server,
            Err(error) => {
                engine.shutdown(Duration::ZERO).await;
                return Err(error.into());
            }
        };
        let key = engine.key()?;
        let facts = json!({
            "server": format!("https://{}", server.address()),
            "tls": spoken,
            "admin": format!("http://{}", server.admin_address()),
            "key_sm3": key.fingerprint_sm3,
            "log_id": key.log_id,
            "witnesses_required": witnesses.map(|(required, _)| required),
            "witnesses": witnesses.map(|(_, count)| count),
        });
        output.show_one(&facts, || {
            format!(
                "listening on https://{} (TLS: {}), metrics on http://{}/metrics, key SM3 {}",
                server.address(),
                spoken.join(", "),
                server.admin_address(),
                key.fingerprint_sm3
            )
        })?;
        match witnesses {
            Some((required, count)) => output.note(&format!(
                "witnesses: nothing is read or told before {required} of {count} have cosigned the log"
            )),
            None => output.note(
                "witnesses: nobody; a state folder that is put back whole, or copied, is not noticed (docs/witnesses.md)",
            ),
        }
        let stop = stop_signal()?;
        server.run(stop).await?;
        output.note("stopped");
        Ok(())
    }
}

fn earlier_clock(officer: Option<String>, reason: Option<String>) -> anyhow::Result<Option<EarlierClock>> {
    officer
        .zip(reason)
        .map(|(officer, reason)| {
            let officer =
                PrincipalId::new(officer).context("`--accept-earlier-clock` names a security officer by id")?;
            Ok(EarlierClock { officer, reason })
        })
        .transpose()
}

fn open(config: EngineConfig, passphrase: &[u8], first: &First) -> anyhow::Result<Engine> {
    let place = config.state.display().to_string();
    if Engine::exists(&config) {
        return Engine::open(config, passphrase).with_context(|| format!("can't open the enclave in `{place}`"));
    }
    if !first.is_given() {
        bail!(
            "`{place}` holds no enclave; make one with `glovebox init`, \
             or name `--organisation` and `--security-officer` here"
        );
    }
    tracing::info!(state = place, "a new enclave is made");
    Engine::create(config, passphrase, first.bootstrap()?)
        .with_context(|| format!("can't make an enclave in `{place}`"))
}

impl Settings {
    /// These, and for what they leave out the others.
    fn or(self, other: Self) -> Self {
        Self {
            state: self.state.or(other.state),
            passphrase_file: self.passphrase_file.or(other.passphrase_file),
            listen: self.listen.or(other.listen),
            admin: self.admin.or(other.admin),
            pki: self.pki.or(other.pki),
            certificate: self.certificate.or(other.certificate),
            private_key: self.private_key.or(other.private_key),
            client_authority: self.client_authority.or(other.client_authority),
            client_revocations: self.client_revocations.or(other.client_revocations),
            gm_certificate: self.gm_certificate.or(other.gm_certificate),
            gm_private_key: self.gm_private_key.or(other.gm_private_key),
            gm_client_authority: self.gm_client_authority.or(other.gm_client_authority),
            gm_client_revocations: self.gm_client_revocations.or(other.gm_client_revocations),
            key_passphrase_file: self.key_passphrase_file.or(other.key_passphrase_file),
            tls: self.tls.or(other.tls),
            workers: self.workers.or(other.workers),
            queue_jobs_max: self.queue_jobs_max.or(other.queue_jobs_max),
            queue_jobs_per_organisation_max: self
                .queue_jobs_per_organisation_max
                .or(other.queue_jobs_per_organisation_max),
            ingest_memory_mib: self.ingest_memory_mib.or(other.ingest_memory_mib),
            job_wall_seconds: self.job_wall_seconds.or(other.job_wall_seconds),
            pace_step_ms: self.pace_step_ms.or(other.pace_step_ms),
            witnesses: self.witnesses.or(other.witnesses),
            disclosure: self.disclosure.or(other.disclosure),
            review_days: self.review_days.or(other.review_days),
            review_fetches_max: self.review_fetches_max.or(other.review_fetches_max),
            shutdown_grace_seconds: self.shutdown_grace_seconds.or(other.shutdown_grace_seconds),
        }
    }

    fn engine(&self) -> anyhow::Result<EngineConfig> {
        let mut config = EngineConfig::new(self.state.clone().context("give `--state FOLDER`")?);
        config.workers = self.workers.unwrap_or(config.workers);
        ensure!(config.workers > 0, "`--workers` is at least 1");
        config.queue_jobs_max = self.queue_jobs_max.unwrap_or(config.queue_jobs_max);
        config.queue_jobs_per_organisation_max =
            self.queue_jobs_per_organisation_max.unwrap_or(config.queue_jobs_per_organisation_max);
        config.ingest_memory_bytes = self.ingest_memory_mib.map_or(config.ingest_memory_bytes, |mib| mib << 20);
        config.limits.wall = self.job_wall_seconds.map_or(config.limits.wall, Duration::from_secs);
        config.pace_step = self.pace_step_ms.map_or(config.pace_step, Duration::from_millis);
        ensure!(config.pace_step >= Duration::from_millis(10), "`--pace-step-ms` is at least 10");
        config.reviews.days = self.review_days.unwrap_or(config.reviews.days);
        config.reviews.fetches_max = self.review_fetches_max.unwrap_or(config.reviews.fetches_max);
        config.witnesses = self.witnesses.as_deref().map(read_policy).transpose()?;
        config.profiles = self.disclosure.iter().flatten().map(|path| read(path)).collect::<anyhow::Result<_>>()?;
        Ok(config)
    }

    fn tls_sources(&self) -> Sources {
        let standard = Named {
            certificate: self.certificate.clone(),
            private_key: self.private_key.clone(),
            client_authority: self.client_authority.clone(),
            client_revocations: self.client_revocations.clone(),
        };
        let gm = Named {
            certificate: self.gm_certificate.clone(),
            private_key: self.gm_private_key.clone(),
            client_authority: self.gm_client_authority.clone(),
            client_revocations: self.gm_client_revocations.clone(),
        };
        Sources { pki: self.pki.clone(), standard, gm, key_passphrase: self.key_passphrase_file.clone() }
    }

    fn server(&self) -> anyhow::Result<Config> {
        let tls = self.tls_sources().tls(self.tls.unwrap_or_default())?;
        for files in [&tls.gm, &tls.standard].into_iter().flatten() {
            // A file that can't be read is the server's to tell of.
            let key = zeroize::Zeroizing::new(std::fs::read_to_string(&files.key).unwrap_or_default());
            needs_passphrase(&files.key, &key, files.key_passphrase.is_some())?;
        }
        let listen = self.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8443)));
        let admin = self.admin.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9464)));
        let mut config = Config::new(listen, admin, tls);
        config.shutdown_grace = self.shutdown_grace_seconds.map_or(config.shutdown_grace, Duration::from_secs);
        Ok(config)
    }
}

/// The sets that are served.
fn spoken(tls: &Tls) -> Vec<&'static str> {
    let sets = [(Suites::Gm, &tls.gm), (Suites::Standard, &tls.standard)];
    sets.into_iter().filter(|(_, files)| files.is_some()).map(|(suites, _)| suites.as_str()).collect()
}

pub(crate) fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // Without colours: they are what a line of somebody else's could forge.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| OneLine(std::io::stderr()));
    let log = log.with_target(false).with_ansi(false);
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}

/// Writes each event of the log as one line of plain text, whatever was put into it: who can break a line could forge the next.
struct OneLine<W>(W);

impl<W: std::io::Write> std::io::Write for OneLine<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // An event comes whole.
        let text = String::from_utf8_lossy(bytes);
        let event = text.strip_suffix('\n').unwrap_or(&text);
        writeln!(self.0, "{}", glovebox_catalog::text::visible(event).replace('\n', "\u{fffd}"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Ends at the first SIGINT or SIGTERM.
pub(crate) fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// The command that starts a server again.
pub(crate) fn command_line(state: &Path, passphrase_file: &Path, pki: &Path, listen: SocketAddr) -> String {
    format!(
        "glovebox serve --state {} --passphrase-file {} --pki {} --listen {listen}",
        state.display(),
        passphrase_file.display(),
        pki.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_the_log_is_one_line_of_plain_text() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::<u8>::new()));
            let into = kept.clone();
            let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || OneLine(Kept(into.clone())));
            let told = || {
                tracing::info!(who = %"a\u{1b}[2Jb", "one\n2026-11-23 ERROR forged\u{202e}\u{9b}2J");
                tracing::info!("two");
            };
            match format {
                LogFormat::Text => tracing::subscriber::with_default(log.finish(), told),
                LogFormat::Json => tracing::subscriber::with_default(log.json().finish(), told),
            }
            let text = String::from_utf8(kept.lock().unwrap().clone()).unwrap();
            assert_eq!(text.lines().count(), 2, "{text:?}");
            assert!(
                text.chars().all(|c| c == '\n' || c == '\u{fffd}' || glovebox_catalog::text::is_plain(c)),
                "{text:?}"
            );
        }
    }

    struct Kept(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn options_win_over_the_file() {
        let file: Settings = toml::from_str("state = \"a\"\nworkers = 3\nlisten = \"10.0.0.5:8443\"").unwrap();
        let options = Settings { state: Some("b".into()), ..Settings::default() };
        let engine = options.or(file).engine().unwrap();
        assert_eq!((engine.state, engine.workers), (PathBuf::from("b"), 3));
    }

    #[test]
    fn unknown_settings_are_named() {
        let error = toml::from_str::<Settings>("wrokers = 3").err().unwrap().to_string();
        assert!(error.contains("wrokers"), "{error}");
    }

    #[test]
    fn missing_settings_are_named_with_their_option() {
        let fault = |settings: Settings| settings.server().err().unwrap().to_string();
        assert!(fault(Settings::default()).contains("--pki"));
        assert!(fault(Settings { certificate: Some("c".into()), ..Settings::default() }).contains("--private-key"));
        assert!(Settings::default().engine().err().unwrap().to_string().contains("--state"));
    }
}
