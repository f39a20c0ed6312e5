//! `glovebox key`: the enclave's public key.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::authority::write;
use crate::connection::Global;
use crate::output::Output;
use crate::text;

/// The enclave's public key.
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  glovebox key show --pem enclave.pem")]
pub(crate) enum Key {
    /// Show the public key with which receipts and tree heads verify
    #[command(after_help = "Examples:\n  glovebox key show\n  glovebox key show --pem enclave.pem\n\n\
        Compare the fingerprint with one that came to you another way: a key that came with the receipts proves nothing.")]
    Show(Show),
}

#[derive(Args)]
pub(crate) struct Show {
    /// Write the key to this file
    #[arg(long, value_name = "FILE")]
    pem: Option<PathBuf>,
}

impl Key {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        let Self::Show(show) = self;
        let key = global.client()?.key().await?;
        if let Some(path) = &show.pem {
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
