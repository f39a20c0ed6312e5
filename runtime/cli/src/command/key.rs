//! `glovebox key`: the enclave's public key, and key files.

mod inspect;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand, ValueEnum};
use glovebox_gm::key_file;
use glovebox_gm::pki::{Algorithm, PrivateKey};
use serde_json::json;
use zeroize::Zeroizing;

use crate::authority::{write, write_secret};
use crate::command::init::read_passphrase;
use crate::connection::{Global, read};
use crate::output::Output;
use crate::text;

pub(crate) use inspect::Inspect;

/// Shortest passphrase that a key is encrypted under: as for an enclave's state.
const PASSPHRASE_LENGTH_MIN_BYTES: usize = 12;

/// The enclave's public key, and key files.
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  glovebox key show --pem enclave.pem\n  glovebox key new --out key.pem")]
pub(crate) enum Key {
    /// Show the public key with which receipts and tree heads verify
    #[command(after_help = "Examples:\n  glovebox key show\n  glovebox key show --pem enclave.pem\n\n\
        Compare the fingerprint with one that came to you another way: a key that came with the receipts proves nothing.")]
    Show(Show),
    /// Make a private key for a certificate that another authority will sign
    #[command(after_help = "Examples:\n  glovebox key new --out key.pem --passphrase-file passphrase\n  \
        glovebox key new --out key.pem --algorithm p256\n\n\
        PKCS #8 in PEM, as OpenSSL reads it: with a passphrase encrypted by SM4-CBC under PBKDF2 with HMAC-SM3.")]
    New(New),
    /// Say what a private key, a public key or a certificate is
    #[command(after_help = "Examples:\n  glovebox key inspect pki/identities/lin.wei/gm/key.pem\n  \
        glovebox key inspect key.pem --passphrase-file passphrase\n  \
        glovebox key inspect pki/identities/lin.wei/gm/cert.pem\n  glovebox --json key inspect enclave.pem\n\n\
        Of a certificate it tells what it says, not whether it holds: nothing is verified here.")]
    Inspect(Inspect),
    /// Encrypt a key file under a passphrase
    #[command(after_help = "Examples:\n  glovebox key encrypt key.pem --passphrase-file passphrase\n  \
        glovebox key encrypt key.pem --passphrase-file passphrase --out encrypted.pem")]
    Encrypt(Encrypt),
    /// Decrypt a key file
    #[command(
        after_help = "Examples:\n  glovebox key decrypt encrypted.pem --passphrase-file passphrase --out key.pem"
    )]
    Decrypt(Decrypt),
}

#[derive(Args)]
pub(crate) struct Show {
    /// Write the key to this file
    #[arg(long, value_name = "FILE")]
    pem: Option<PathBuf>,
}

/// Of which kind a key is.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum KeyAlgorithm {
    /// SM2, GB/T 32918
    Sm2,
    /// ECDSA over P-256
    P256,
}

#[derive(Args)]
pub(crate) struct New {
    /// Write the key to this file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Of which kind
    #[arg(long, value_enum, default_value_t = KeyAlgorithm::Sm2)]
    algorithm: KeyAlgorithm,
    /// File whose first line is the passphrase under which the key is encrypted, at least 12 bytes
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Encrypt {
    /// Private key, PKCS #8 in PEM
    file: PathBuf,
    /// File whose first line is the passphrase, at least 12 bytes
    #[arg(long, value_name = "FILE")]
    passphrase_file: PathBuf,
    /// Write to this file, which must not be there yet; in place of the key unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How often the passphrase is hashed: every guess costs as much
    #[arg(long, default_value_t = key_file::ITERATIONS_DEFAULT)]
    iterations: u32,
}

#[derive(Args)]
pub(crate) struct Decrypt {
    /// Private key, encrypted PKCS #8 in PEM
    file: PathBuf,
    /// File whose first line is the passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: PathBuf,
    /// Write to this file, which must not be there yet; in place of the key unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Key {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        match self {
            Self::Show(show) => show.run(global, output).await,
            Self::New(new) => new.run(output),
            Self::Inspect(inspect) => inspect.run(output),
            Self::Encrypt(encrypt) => encrypt.run(output),
            Self::Decrypt(decrypt) => decrypt.run(output),
        }
    }
}

impl Show {
    async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        let key = global.client()?.key().await?;
        if let Some(path) = &self.pem {
            write(path, &key.public_key_pem)?;
            output.note(&format!("written to {}", path.display()));
        }
        output.show(&key, || {
            let facts = text::sheet(&[
                ("algorithm", key.algorithm.clone()),
                ("fingerprint SM3", key.fingerprint_sm3.clone()),
                ("log", key.log_id.clone()),
            ]);
            format!("{facts}{}", key.public_key_pem)
        })
    }
}

impl New {
    fn run(self, output: &Output) -> anyhow::Result<()> {
        refuse_overwriting(&self.out)?;
        let passphrase = self.passphrase_file.as_deref().map(|file| new_passphrase(file, output)).transpose()?;
        let algorithm = match self.algorithm {
            KeyAlgorithm::Sm2 => Algorithm::Sm2,
            KeyAlgorithm::P256 => Algorithm::P256,
        };
        let key = PrivateKey::generate(algorithm)?;
        let pem = match &passphrase {
            Some(passphrase) => key_file::encrypt(&key.to_pkcs8_der()?, passphrase, key_file::ITERATIONS_DEFAULT)?,
            None => key.to_pem()?,
        };
        write_secret(&self.out, pem.expose())?;
        show(&self.out, &key, passphrase.is_some(), output)
    }
}

impl Encrypt {
    fn run(self, output: &Output) -> anyhow::Result<()> {
        let pem = read_secret(&self.file)?;
        ensure!(
            !key_file::is_encrypted(&pem),
            "`{0}` is encrypted already; for another passphrase first: glovebox key decrypt {0}",
            self.file.display()
        );
        let key = open(&self.file, &pem, None)?;
        let target = target(&self.file, &pem, self.out)?;
        let passphrase = new_passphrase(&self.passphrase_file, output)?;
        let encrypted = key_file::encrypt(&key.to_pkcs8_der()?, &passphrase, self.iterations)?;
        write_secret(&target, encrypted.expose())?;
        show(&target, &key, true, output)
    }
}

impl Decrypt {
    fn run(self, output: &Output) -> anyhow::Result<()> {
        let pem = read_secret(&self.file)?;
        ensure!(key_file::is_encrypted(&pem), "`{}` is not an encrypted private key", self.file.display());
        let target = target(&self.file, &pem, self.out)?;
        let passphrase = read_passphrase(&self.passphrase_file, output)?;
        let key = open(&self.file, &pem, Some(&passphrase))?;
        write_secret(&target, key.to_pem()?.expose())?;
        show(&target, &key, false, output)
    }
}

/// A passphrase that something is about to be encrypted under.
pub(crate) fn new_passphrase(file: &Path, output: &Output) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let passphrase = read_passphrase(file, output)?;
    ensure!(
        passphrase.len() >= PASSPHRASE_LENGTH_MIN_BYTES,
        "the passphrase in `{}` is too short: expected at least {PASSPHRASE_LENGTH_MIN_BYTES} bytes",
        file.display()
    );
    Ok(passphrase)
}

fn read_secret(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    read(file).map(Zeroizing::new)
}

fn open(file: &Path, pem: &str, passphrase: Option<&Zeroizing<Vec<u8>>>) -> anyhow::Result<PrivateKey> {
    PrivateKey::from_pem(pem, passphrase.map(|passphrase| passphrase.as_slice()))
        .with_context(|| format!("can't read `{}`", file.display()))
}

/// Where the changed key goes.
fn target(file: &Path, pem: &str, out: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(out) = out {
        refuse_overwriting(&out)?;
        return Ok(out);
    }
    ensure!(
        pem.matches("-----BEGIN ").count() == 1,
        "`{}` holds more than a key, which would be lost; write the key elsewhere with --out",
        file.display()
    );
    Ok(file.to_owned())
}

fn refuse_overwriting(file: &Path) -> anyhow::Result<()> {
    ensure!(!file.exists(), "`{}` is there already; a key is never overwritten", file.display());
    Ok(())
}

fn show(file: &Path, key: &PrivateKey, is_encrypted: bool, output: &Output) -> anyhow::Result<()> {
    let (algorithm, fingerprint) = (key.algorithm().as_str(), key.fingerprint()?.to_string());
    let public_key_pem = key.public_key_pem()?;
    let facts = json!({
        "file": file,
        "kind": "private-key",
        "algorithm": algorithm,
        "curve": inspect::curve(key.algorithm()),
        "encrypted": is_encrypted,
        "fingerprint_sm3": fingerprint,
        "public_key_pem": public_key_pem,
    });
    output.show(&facts, || {
        let sheet = text::sheet(&[
            ("file", file.display().to_string()),
            ("holds", "private key".to_owned()),
            ("algorithm", algorithm.to_owned()),
            ("curve", inspect::curve(key.algorithm()).to_owned()),
            ("encrypted", if is_encrypted { "yes" } else { "no" }.to_owned()),
            ("fingerprint SM3", fingerprint.clone()),
        ]);
        format!("{sheet}{public_key_pem}")
    })
}
