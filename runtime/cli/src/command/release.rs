//! `glovebox release`: tables that left.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand, ValueEnum};
use glovebox_api::ReleaseSummary;
use glovebox_catalog::ReleaseId;
use glovebox_client::{ReleaseFormat, every};

use crate::authority::write;
use crate::connection::Global;
use crate::output::Output;
use crate::{released, text};

/// Released tables.
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  glovebox release list\n  glovebox release show rel-01k9")]
pub(crate) enum Release {
    /// List the releases that you may read
    #[command(after_help = "Examples:\n  glovebox release list --json")]
    List,
    /// Show the tables of a release, withheld cells with their reasons
    #[command(after_help = "Examples:\n  glovebox release show rel-01k9")]
    Show(One),
    /// Fetch a release in a format
    #[command(after_help = "Examples:\n  glovebox release get rel-01k9 --output release.json\n  \
        glovebox release get rel-01k9 --format parquet --output release.parquet\n\n\
        The receipt names the digest of the JSON, byte for byte.")]
    Get(Fetch),
    /// Fetch the receipt of a release
    #[command(after_help = "Examples:\n  glovebox release receipt rel-01k9 --output receipt.json")]
    Receipt(FetchReceipt),
}

#[derive(Args)]
pub(crate) struct One {
    /// The release
    release: ReleaseId,
}

#[derive(Args)]
pub(crate) struct Fetch {
    /// The release
    release: ReleaseId,
    /// The format
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Write it to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct FetchReceipt {
    /// The release
    release: ReleaseId,
    /// Write it to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Csv,
    Arrow,
    Parquet,
}

impl From<Format> for ReleaseFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Json => Self::Json,
            Format::Csv => Self::Csv,
            Format::Arrow => Self::Arrow,
            Format::Parquet => Self::Parquet,
        }
    }
}

impl Release {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        let client = &global.client()?;
        match self {
            Self::List => {
                let all = every(|page| async move { client.releases(&page).await }).await?;
                output.show(&all, || table(&all))
            }
            Self::Show(One { release }) => {
                let document = client.release(&release).await?;
                output.show(&document, || released::document(&document))
            }
            Self::Get(Fetch { release, format, output: file }) => {
                let is_binary = matches!(format, Format::Arrow | Format::Parquet);
                ensure!(
                    file.is_some() || !is_binary || !std::io::stdout().is_terminal(),
                    "this format is not for a terminal; name a file with `--output`"
                );
                let bytes = client.release_bytes(&release, format.into()).await?;
                match file {
                    Some(file) => {
                        std::fs::write(&file, &bytes).with_context(|| format!("can't write `{}`", file.display()))
                    }
                    None => output.bytes(&bytes),
                }
            }
            Self::Receipt(FetchReceipt { release, output: file }) => {
                let json = serde_json::to_string_pretty(&client.release_receipt(&release).await?)?;
                match file {
                    Some(file) => write(&file, &json),
                    None => output.line(&json),
                }
            }
        }
    }
}

fn table(releases: &[ReleaseSummary]) -> String {
    let row = |r: &ReleaseSummary| {
        [
            r.id.to_string(),
            r.dataset.to_string(),
            r.organisation.to_string(),
            r.released_at.to_string(),
            r.cells_released.to_string(),
            r.cells_withheld.to_string(),
            r.job.to_string(),
        ]
    };
    let heading = ["id", "dataset", "released to", "at", "cells", "withheld", "job"];
    text::table(heading, releases.iter().map(row))
}
