//! `glovebox receipt verify`: offline, with nothing but files.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use glovebox_audit::Receipt;
use glovebox_catalog::Separation;
use glovebox_gm::VerifyingKey;
use serde_json::json;

use crate::command::witness::{cosigned, read_policy};
use crate::connection::{read, read_bytes};
use crate::failure::Unverified;
use crate::output::Output;
use crate::text::{self, number};

/// Receipts, verified offline.
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  glovebox receipt verify receipt.json --key enclave.pem")]
pub(crate) enum ReceiptCommand {
    /// Verify a receipt with the enclave's public key, without the enclave
    #[command(after_help = "Examples:\n  glovebox receipt verify receipt.json --key enclave.pem\n  \
        glovebox receipt verify receipt.json --key enclave.pem --release release.json\n  \
        glovebox receipt verify receipt.json --key enclave.pem --witnesses witnesses.toml\n\n\
        Take the key from a source that you trust: one that came along with the receipt proves nothing.\n\
        Exit code 4 says that it does not verify.")]
    Verify(Verify),
}

#[derive(Args)]
pub(crate) struct Verify {
    /// The receipt, JSON
    file: PathBuf,
    /// The enclave's public key
    #[arg(long, value_name = "PEM")]
    key: PathBuf,
    /// The release as JSON, to check that the receipt is about it
    #[arg(long, value_name = "FILE")]
    release: Option<PathBuf>,
    /// The enclave's witnesses, to check that enough of them cosigned; see docs/witnesses.md
    #[arg(long, value_name = "FILE")]
    witnesses: Option<PathBuf>,
}

impl ReceiptCommand {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let Self::Verify(Verify { file, key, release, witnesses }) = self;
        let key = read_key(&key)?;
        let receipt: Receipt =
            serde_json::from_str(&read(&file)?).with_context(|| format!("`{}` is not a receipt", file.display()))?;
        let unverified = |error| Unverified { what: file.display().to_string(), error };
        receipt.verify(&key).map_err(unverified)?;
        let policy = witnesses.as_deref().map(read_policy).transpose()?;
        let found =
            policy.as_ref().map(|policy| receipt.verify_witnessed(&key, policy)).transpose().map_err(unverified)?;
        if let Some(release) = &release {
            let bytes = read_bytes(release)?;
            receipt.verify_output(&bytes).map_err(|error| Unverified { what: release.display().to_string(), error })?;
        }
        let facts = json!({
            "verified": true,
            "key_sm3": key.fingerprint().to_string(),
            "release_verified": release.is_some(),
            "witnesses_verified": found,
            "statement": receipt.statement,
            "log_id": receipt.head.head.log_id,
            "sequence": receipt.inclusion.sequence,
            "log_size": receipt.inclusion.size,
        });
        let witnesses = match (&policy, &found) {
            (Some(policy), Some(found)) => cosigned(policy, found),
            _ => unchecked(&receipt),
        };
        output.show(&facts, || shown(&receipt, &key, release.as_deref(), witnesses))
    }
}

/// The enclave's public key out of a file.
pub(crate) fn read_key(path: &Path) -> anyhow::Result<VerifyingKey> {
    let pem = read(path)?;
    VerifyingKey::from_pem(&pem)
        .with_context(|| format!("`{}` is not the public key of an enclave; see `glovebox key show`", path.display()))
}

/// What can be said of witnesses whose keys are not at hand.
fn unchecked(receipt: &Receipt) -> String {
    match receipt.cosignatures.len() {
        0 => "none cosigned".to_owned(),
        count => format!("{count} cosignatures, not checked: give `--witnesses FILE`"),
    }
}

fn shown(receipt: &Receipt, key: &VerifyingKey, release: Option<&Path>, witnesses: String) -> String {
    let s = &receipt.statement;
    let meters = s.meters.iter().map(|(name, amount)| format!("{name} {}", number(*amount))).collect::<Vec<_>>();
    let parameters = s.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
    let facts = text::sheet(&[
        ("key SM3", key.fingerprint().to_string()),
        ("job", format!("{}, {}", s.job, s.outcome)),
        ("for", format!("{} of {}", s.developer, s.organisation)),
        ("grant", s.grant.to_string()),
        ("dataset", format!("{}, snapshot {}", s.dataset, s.snapshot)),
        ("module", format!("SM3 {}", s.module)),
        ("", format!("SHA-256 {}", s.module_sha256)),
        ("isolation", format!("{}, {}", text::name(&s.isolation), apart(s.separation))),
        ("parameters", parameters.join(", ")),
        ("mechanism", format!("{}, profile {}", s.mechanism, s.disclosure_profile)),
        ("cells", format!("{} released, {} withheld", s.cells_released, s.cells_withheld)),
        ("meters", meters.join(", ")),
        ("ran", format!("{} to {}", s.started_at, s.ended_at)),
        ("in the log", format!("entry {} of {} in {}", receipt.inclusion.sequence, receipt.inclusion.size, s.log_id)),
        ("witnesses", witnesses),
    ]);
    let about = match release {
        Some(release) => format!(", and it is about {}", release.display()),
        None => String::new(),
    };
    format!("{facts}\nverified: signature, place in the log, the log's signed head{about}")
}

/// What kept the rows of one unit from the next, in words.
fn apart(separation: Separation) -> &'static str {
    match separation {
        Separation::StatelessProof => "proven to keep nothing from row to row",
        Separation::Reset => "overwritten between one and the next",
        Separation::FreshInstance => "a fresh instance for each",
        Separation::None => "all rows at once",
    }
}
