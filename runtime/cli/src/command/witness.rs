//! `glovebox witness`: a witness of an enclave's log, for a supplier or a regulator.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use glovebox_audit::{Cosignature, KnownWitness, WitnessPolicy};
use glovebox_catalog::{Refusal, WitnessId, refusal_code};
use glovebox_gm::key_file::ITERATIONS_DEFAULT;
use glovebox_witness::{Client, Fork, Server, Setup, Shown, Witness};
use serde_json::json;

use crate::command::init::read_passphrase;
use crate::command::read_document;
use crate::command::receipt::read_key;
use crate::command::serve::{LogFormat, start_log, stop_signal};
use crate::failure::Refused;
use crate::output::Output;
use crate::text::{self, number};

/// Shortest passphrase of a witness's key, in bytes: as for an enclave.
const PASSPHRASE_LENGTH_MIN_BYTES: usize = 12;

/// A witness of an enclave's log: it cosigns what goes on, and nothing leaves an enclave that was put back or copied.
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  \
    glovebox witness init --dir witness --name hospital-a --enclave-key enclave.pem --passphrase-file passphrase\n  \
    glovebox witness serve --dir witness --passphrase-file passphrase\n  \
    glovebox witness show --dir witness\n\n\
    For suppliers and regulators, on a machine that the enclave's operator does not run. See docs/witnesses.md.")]
pub(crate) enum WitnessCommand {
    /// Set a witness up in an empty folder: its key, and whom it watches
    #[command(after_help = "Examples:\n  \
        glovebox witness init --dir witness --name hospital-a --enclave-key enclave.pem --passphrase-file passphrase\n\n\
        Take the enclave's key from a source that you trust (`glovebox key show --pem enclave.pem`, and compare the\n\
        fingerprint). The witness takes heads that this key signed, and no others, for as long as it lives.")]
    Init(Init),
    /// Run the witness: it answers the enclave, over plain HTTP on a private network
    #[command(after_help = "Examples:\n  glovebox witness serve --dir witness --passphrase-file passphrase\n  \
        glovebox witness serve --dir witness --passphrase-file passphrase --listen 10.0.0.7:9470\n\n\
        Whoever reaches it can read the size of the log and its root, and move nothing: it takes heads of the enclave alone.\n\
        SIGINT and SIGTERM end it at once; nothing is lost.")]
    Serve(Serve),
    /// Show what a witness knows, and its entry for the enclave's file of witnesses
    #[command(after_help = "Examples:\n  glovebox witness show --dir witness\n  \
        glovebox witness show --dir witness --url http://10.0.0.7:9470 > hospital-a.toml\n\n\
        Needs no passphrase, and may be asked while the witness runs. With `--url` it prints the entry alone.\n\
        Exit code 1 says that the witness holds evidence of a fork: two heads, both signed by the enclave, that contradict\n\
        each other.")]
    Show(Show),
}

#[derive(Args)]
pub(crate) struct Init {
    /// Folder of the witness; empty or missing
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    /// Its name in receipts
    #[arg(long, value_name = "ID")]
    name: WitnessId,
    /// Public key of the enclave that it watches
    #[arg(long, value_name = "PEM")]
    enclave_key: PathBuf,
    /// The enclave's log, as `glovebox key show` says it; the first that the enclave shows unless given
    #[arg(long, value_name = "ID")]
    log_id: Option<String>,
    /// File whose first line is the passphrase of its key, at least 12 bytes
    #[arg(long, value_name = "FILE")]
    passphrase_file: PathBuf,
}

#[derive(Args)]
pub(crate) struct Serve {
    /// Folder of the witness
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    /// File whose first line is the passphrase of its key
    #[arg(long, value_name = "FILE")]
    passphrase_file: PathBuf,
    /// Where it listens, in the clear
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9470")]
    listen: SocketAddr,
    /// Form of the log on standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log: LogFormat,
}

#[derive(Args)]
pub(crate) struct Show {
    /// Folder of the witness
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    /// Print its entry for a file of witnesses, under this address
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl WitnessCommand {
    pub(crate) async fn run(self, output: &Output) -> anyhow::Result<()> {
        match self {
            Self::Init(init) => init.run(output),
            Self::Serve(serve) => serve.run(output).await,
            Self::Show(show) => show.run(output),
        }
    }
}

impl Init {
    fn run(self, output: &Output) -> anyhow::Result<()> {
        let enclave = read_key(&self.enclave_key)?;
        let passphrase = read_passphrase(&self.passphrase_file, output)?;
        let length = PASSPHRASE_LENGTH_MIN_BYTES;
        ensure!(passphrase.len() >= length, "a passphrase has at least {length} bytes; choose a longer one");
        let setup = Setup { name: self.name, enclave, log_id: self.log_id };
        let key = glovebox_witness::create(&self.dir, &setup, &passphrase, ITERATIONS_DEFAULT)?;
        let (key_sm3, enclave_sm3) = (key.fingerprint(), setup.enclave.fingerprint());
        let facts = json!({
            "witness": setup.name,
            "key_sm3": key_sm3,
            "public_key_pem": key.to_pem()?,
            "enclave_sm3": enclave_sm3,
            "log_id": setup.log_id,
        });
        output.show(&facts, || {
            let (dir, file) = (self.dir.display(), self.passphrase_file.display());
            format!(
                "witness {} in {dir}\npublic key SM3 {key_sm3}\nwatches the enclave with key SM3 {enclave_sm3}\n\
                 next: glovebox witness serve --dir {dir} --passphrase-file {file}",
                setup.name
            )
        })
    }
}

impl Serve {
    async fn run(self, output: &Output) -> anyhow::Result<()> {
        start_log(self.log);
        let passphrase = read_passphrase(&self.passphrase_file, output)?;
        let dir = self.dir.clone();
        // Opening derives a key from the passphrase, on purpose slowly.
        let witness = tokio::task::spawn_blocking(move || Witness::open(&dir, &passphrase)).await??;
        let server = Server::bind(self.listen, witness).await?;
        let shown = glovebox_witness::show(&self.dir)?;
        let (url, size) =
            (format!("http://{}", server.address()), shown.head.as_ref().map_or(0, |head| head.head.size));
        let facts = json!({ "server": url, "witness": shown.setup.name, "size": size, "forks": shown.forks.len() });
        output.show_one(&facts, || {
            format!("witness {} listening on {url}, knows {} events", shown.setup.name, number(size))
        })?;
        if !shown.forks.is_empty() {
            output.note("warning: this witness holds evidence of a fork; see `glovebox witness show`");
        }
        server.run(stop_signal()?).await;
        output.note("stopped");
        Ok(())
    }
}

impl Show {
    fn run(self, output: &Output) -> anyhow::Result<()> {
        let shown = glovebox_witness::show(&self.dir)?;
        if let Some(url) = self.url {
            Client::new(&url, std::time::Duration::from_secs(1))?;
            return output.line(&entry(&shown, &url)?);
        }
        let Shown { setup, key, head, forks } = &shown;
        let facts = json!({
            "witness": setup.name,
            "key_sm3": key.fingerprint(),
            "enclave_sm3": setup.enclave.fingerprint(),
            "log_id": head.as_ref().map(|head| &head.head.log_id).or(setup.log_id.as_ref()),
            "head": head,
            "forks": forks,
        });
        output.show(&facts, || sheet(&shown))?;
        if forks.is_empty() {
            return Ok(());
        }
        let place = self.dir.join("forks").display().to_string();
        let reason = refusal_code("witness.fork").map(|e| Refusal::new(e.code, e.rule, place, e.remedy));
        let what = format!("the enclave's log was put back or forked: {} pieces of evidence", forks.len());
        Err(Refused { what, reasons: reason.into_iter().collect() }.into())
    }
}

/// The entry of a file of witnesses.
fn entry(shown: &Shown, url: &str) -> anyhow::Result<String> {
    let known = KnownWitness { name: shown.setup.name.clone(), key: shown.key.clone(), url: url.to_owned() };
    let policy = toml::to_string(&WitnessPolicy::new(1, vec![known])?)?;
    let (_, entry) = policy.split_once('\n').context("a file of witnesses has two lines at least")?;
    Ok(entry.trim_start().to_owned())
}

fn sheet(shown: &Shown) -> String {
    let Shown { setup, key, head, forks } = shown;
    let known = head.as_ref().map_or_else(
        || "nothing yet".to_owned(),
        |head| format!("{} events of {}, signed {}", number(head.head.size), head.head.log_id, head.head.at),
    );
    let facts = text::sheet(&[
        ("witness", setup.name.to_string()),
        ("key SM3", key.fingerprint().to_string()),
        ("watches", format!("the enclave with key SM3 {}", setup.enclave.fingerprint())),
        ("knows", known),
        ("root SM3", head.as_ref().map_or_else(String::new, |head| head.head.root.to_string())),
        ("forks", if forks.is_empty() { "none seen".to_owned() } else { forks.len().to_string() }),
    ]);
    let row = |fork: &Fork| {
        let head = |head: &glovebox_audit::TreeHead| format!("{} events at {}", head.size, head.at);
        [text::name(&fork.kind), head(&fork.known.head), head(&fork.shown.head), fork.seen_at.to_string()]
    };
    match forks.as_slice() {
        [] => facts,
        forks => format!("{facts}\n{}", text::table(["fork", "cosigned", "shown", "seen"], forks.iter().map(row))),
    }
}

/// Reads the file of an enclave's witnesses.
pub(crate) fn read_policy(path: &Path) -> anyhow::Result<WitnessPolicy> {
    read_document(path).context("see docs/witnesses.md for a file of witnesses")
}

/// The witnesses that cosigned, in words.
pub(crate) fn cosigned(policy: &WitnessPolicy, cosignatures: &[&Cosignature]) -> String {
    let one = |cosignature: &&Cosignature| format!("{} at {}", cosignature.witness, cosignature.at);
    let names: Vec<String> = cosignatures.iter().map(one).collect();
    let (found, known) = (cosignatures.len(), policy.witnesses().len());
    format!("{found} of {known} witnesses, {} needed: {}", policy.required(), names.join(", "))
}
