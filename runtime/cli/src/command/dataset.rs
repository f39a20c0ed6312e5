//! `glovebox dataset`: the catalogue, ingestion, snapshots.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use glovebox_api::{Claim, DatasetClaims, IngestionReport, LedgerEntry, PrivacyLedger, QuarantineReason, SourceFormat};
use glovebox_catalog::{Dataset, DatasetId, DatasetLimits, DeveloperBudget, Field, PrivacyLimit, Snapshot};
use glovebox_client::{Stoppable, every};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::command::{parse_name, read_document, zone};
use crate::connection::Global;
use crate::output::Output;
use crate::text::{self, number};

/// Datasets: catalogue, ingestion, snapshots.
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  glovebox dataset list\n  glovebox dataset ingest nhanes-2017 nhanes-2017.csv")]
pub(crate) enum DatasetCommand {
    /// File a dataset: what it is, its fields with grades and types, its terms of sharing
    #[command(after_help = "Examples:\n  glovebox dataset register examples/data/nhanes-2017/dataset.json\n\n\
        With `\"privacy\": {\"epsilon\": 4, \"delta\": 1e-9, \"epsilon_per_developer\": 1}` releases with noise may leave,\n\
        until they have lost that much in all; without it none may.")]
    Register(Register),
    /// List the datasets that you may see
    #[command(after_help = "Examples:\n  glovebox dataset list --json")]
    List,
    /// Show a dataset with its fields
    #[command(after_help = "Examples:\n  glovebox dataset show nhanes-2017")]
    Show(One),
    /// Encrypt the rows of a file into a new snapshot
    #[command(after_help = "Examples:\n  glovebox dataset ingest nhanes-2017 nhanes-2017.csv\n  \
        glovebox dataset ingest encounters encounters.parquet\n\n\
        Rows that do not fit the schema are set aside with a reason; none is lost, none is shown.")]
    Ingest(Ingest),
    /// List the snapshots of a dataset
    #[command(after_help = "Examples:\n  glovebox dataset snapshots nhanes-2017")]
    Snapshots(One),
    /// Set what one developer organisation may take of a dataset under all its grants, and the longest term
    #[command(
        after_help = "Examples:\n  glovebox dataset limit nhanes-2017 --jobs 200 --cells 20000 --bits 500000\n  \
        glovebox dataset limit nhanes-2017 --term-days 365\n\n\
        What is left out stays as it is. A new dataset has 1,000 jobs, 1,000 releases, 100,000 cells,\n\
        1,000,000 claimed sets, 4,000,000 bits, terms of 730 days, or the \"limits\" of the file that registered it. `meter show` shows the use."
    )]
    Limit(Limit),
    /// Show whose figures others are compared with, and whom that refused
    #[command(after_help = "Examples:\n  glovebox dataset claims nhanes-2017\n\n\
        For its supplier and for regulators. Numbers are rounded up to a power of two.")]
    Claims(One),
    /// Stop a dataset at once: no job on it runs, nothing comes in or leaves
    #[command(after_help = "Examples:\n  glovebox dataset suspend nhanes-2017 --reason 'a leak is suspected'\n\n\
        It goes on once its supplier has consented, and the zone where the zone suspended it.")]
    Suspend(Suspend),
    /// Consent that a dataset is used again
    #[command(after_help = "Examples:\n  glovebox dataset resume nhanes-2017 --reason 'looked into'")]
    Resume(Resume),
    /// Show what is spent and left of a dataset's privacy limit
    #[command(after_help = "Examples:\n  glovebox dataset privacy nhanes-2017\n\n\
        The supplier, operators and regulators see every account, a developer those of its organisation.")]
    Privacy(One),
    /// Show what ingestion found
    #[command(after_help = "Examples:\n  glovebox dataset report nhanes-2017 1")]
    Report(Report),
}

#[derive(Args)]
pub(crate) struct Register {
    /// The dataset, as JSON or TOML
    file: PathBuf,
}

#[derive(Args)]
pub(crate) struct Suspend {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    why: zone::Why,
}

#[derive(Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    why: zone::Consent,
}

#[derive(Args)]
pub(crate) struct One {
    /// The dataset
    dataset: DatasetId,
}

#[derive(Args)]
pub(crate) struct Limit {
    /// The dataset
    dataset: DatasetId,
    /// Jobs that may run
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<u64>,
    /// Releases that may leave
    #[arg(long, value_name = "NUMBER")]
    releases: Option<u64>,
    /// Cells that may leave
    #[arg(long, value_name = "NUMBER")]
    cells: Option<u64>,
    /// Sets of persons that jobs may claim
    #[arg(long, value_name = "NUMBER")]
    claims: Option<u64>,
    /// Bits that releases may carry at most
    #[arg(long, value_name = "NUMBER")]
    bits: Option<u64>,
    /// Longest term of a grant, in days
    #[arg(long, value_name = "DAYS")]
    term_days: Option<u32>,
}

impl Limit {
    fn of(&self, limits: DatasetLimits) -> DatasetLimits {
        let DatasetLimits { per_developer: budget, term_max_days } = limits;
        DatasetLimits {
            per_developer: DeveloperBudget {
                jobs_max: self.jobs.unwrap_or(budget.jobs_max),
                releases_max: self.releases.unwrap_or(budget.releases_max),
                cells_max: self.cells.unwrap_or(budget.cells_max),
                claims_max: self.claims.unwrap_or(budget.claims_max),
                leakage_bits_max: self.bits.unwrap_or(budget.leakage_bits_max),
            },
            term_max_days: self.term_days.unwrap_or(term_max_days),
        }
    }
}

#[derive(Args)]
pub(crate) struct Ingest {
    /// The dataset
    dataset: DatasetId,
    /// CSV with a header line, or Parquet
    file: PathBuf,
    /// csv or parquet; from the file's name unless given
    #[arg(long, value_parser = parse_name::<SourceFormat>)]
    format: Option<SourceFormat>,
}

#[derive(Args)]
pub(crate) struct Report {
    /// The dataset
    dataset: DatasetId,
    /// Number of the snapshot; the newest unless given
    snapshot: Option<u32>,
}

impl DatasetCommand {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        let client = &global.client()?;
        match self {
            Self::Register(Register { file }) => {
                let dataset: Dataset = read_document(&file)?;
                let filed = client.register_dataset(&dataset).await?;
                output.show(&filed, || format!("{}: {}", filed.id, filed.title))
            }
            Self::List => {
                let all = every(|page| async move { client.datasets(&page).await }).await?;
                output.show(&all, || table(&all))
            }
            Self::Show(One { dataset }) => {
                let dataset = client.dataset(&dataset).await?;
                output.show(&dataset, || shown(&dataset))
            }
            Self::Ingest(ingest) => ingest.run(global, output).await,
            Self::Snapshots(One { dataset }) => {
                let dataset = &dataset;
                let all = every(|page| async move { client.snapshots(dataset, &page).await }).await?;
                output.show(&all, || snapshots(&all))
            }
            Self::Limit(limit) => {
                let limits = limit.of(client.dataset(&limit.dataset).await?.limits);
                let dataset = client.limit_dataset(&limit.dataset, &limits).await?;
                output.show(&dataset, || shown(&dataset))
            }
            Self::Claims(One { dataset }) => {
                let claims = client.dataset_claims(&dataset).await?;
                output.show(&claims, || claimed(&claims))
            }
            Self::Suspend(Suspend { one, why }) => why.suspend(client, &Stoppable::Dataset(one.dataset), output).await,
            Self::Resume(Resume { one, why }) => why.resume(client, &Stoppable::Dataset(one.dataset), output).await,
            Self::Privacy(One { dataset }) => {
                let ledger = client.privacy_ledger(&dataset).await?;
                output.show(&ledger, || privacy(&ledger))
            }
            Self::Report(Report { dataset, snapshot }) => {
                let dataset = &dataset;
                let number = match snapshot {
                    Some(number) => number,
                    None => {
                        let all = every(|page| async move { client.snapshots(dataset, &page).await }).await?;
                        let newest = all.iter().map(|snapshot| snapshot.number).max();
                        newest.with_context(|| format!("`{dataset}` has no snapshot; ingest its rows first"))?
                    }
                };
                let report = client.ingestion_report(dataset, number).await?;
                output.show(&report, || reported(&report))
            }
        }
    }
}

impl Ingest {
    async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        let format = self.format.or_else(|| {
            let ending = self.file.extension()?.to_str()?.to_ascii_lowercase();
            parse_name(&ending).ok()
        });
        let format = format
            .with_context(|| format!("`{}`: is it csv or parquet? say it with `--format`", self.file.display()))?;
        let length =
            std::fs::metadata(&self.file).with_context(|| format!("can't read `{}`", self.file.display()))?.len();
        let progress = progress(length, output);
        let told = progress.clone();
        let client = global.client()?;
        let sent = client.ingest_file(&self.dataset, format, &self.file, move |bytes| {
            told.set_position(bytes);
            if bytes >= length {
                told.set_message("encrypting");
            }
        });
        let report = sent.await;
        progress.finish_and_clear();
        let report = report?;
        output.show(&report, || reported(&report))
    }
}

fn progress(length: u64, output: &Output) -> ProgressBar {
    let target = if output.is_watched() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}");
    let bar = ProgressBar::with_draw_target(Some(length), target);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn table(datasets: &[Dataset]) -> String {
    let row = |d: &Dataset| {
        let fields = d.schema.fields.len().to_string();
        [
            d.id.to_string(),
            d.supplier.to_string(),
            text::cut(&d.title, 60),
            d.grade.number().to_string(),
            text::name(&d.sharing),
            fields,
        ]
    };
    text::table(["id", "supplier", "title", "grade", "sharing", "fields"], datasets.iter().map(row))
}

fn shown(dataset: &Dataset) -> String {
    let facts = text::sheet(&[
        ("dataset", dataset.id.to_string()),
        ("supplier", dataset.supplier.to_string()),
        ("title", dataset.title.clone()),
        ("description", dataset.description.clone()),
        ("category", text::name(&dataset.category)),
        ("grade", dataset.grade.number().to_string()),
        ("sharing", text::name(&dataset.sharing)),
        ("conditions", dataset.conditions.clone()),
        ("source", dataset.source.clone()),
        ("licence", dataset.licence.clone()),
        ("privacy limit", dataset.privacy.as_ref().map(limit).unwrap_or_default()),
        ("each developer", per_developer(&dataset.limits)),
    ]);
    let row = |field: &Field| {
        let key = if field.name == dataset.schema.person_key { "person key" } else { "" };
        let kind = serde_json::to_value(&field.field_type).unwrap_or_default();
        let kind = kind.get("type").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let unit = field.unit.clone().unwrap_or_default();
        let nullable = if field.nullable { "may be missing" } else { "" };
        [
            field.name.clone(),
            kind,
            unit,
            field.grade.number().to_string(),
            text::name(&field.identifiability),
            [key, nullable].concat(),
            text::cut(&field.description, 50),
        ]
    };
    let heading = ["field", "type", "unit", "grade", "identifies", "", "description"];
    format!("{facts}\n{}", text::table(heading, dataset.schema.fields.iter().map(row)))
}

fn per_developer(limits: &DatasetLimits) -> String {
    let DatasetLimits { per_developer: budget, term_max_days } = limits;
    format!(
        "{} jobs, {} releases, {} cells, {} claimed sets, {} bits of leakage bound; terms of at most {term_max_days} days",
        number(budget.jobs_max),
        number(budget.releases_max),
        number(budget.cells_max),
        number(budget.claims_max),
        number(budget.leakage_bits_max)
    )
}

fn limit(limit: &PrivacyLimit) -> String {
    let share = limit.epsilon_per_developer.map(|share| format!(", {share} for each developer")).unwrap_or_default();
    format!("ε {} at δ {:e}{share}", limit.epsilon, limit.delta.value())
}

fn privacy(ledger: &PrivacyLedger) -> String {
    let Some(allowed) = &ledger.limit else {
        return format!("{}: no privacy limit, so no release with noise may leave", ledger.dataset);
    };
    let row = |entry: &LedgerEntry| {
        let (held, max) = (entry.epsilon_held, entry.account.epsilon_max);
        [
            text::name(&entry.holder),
            entry.id.clone(),
            text::bar(held.steps(), max.steps(), 20),
            entry.epsilon_spent.to_string(),
            held.minus(entry.epsilon_spent).to_string(),
            max.to_string(),
            entry.epsilon_left.to_string(),
        ]
    };
    let heading = ["account", "of", "", "ε spent", "held", "of", "left"];
    let entries = text::table(heading, ledger.entries.iter().map(row));
    format!("{}: {}\n\n{entries}", ledger.dataset, limit(allowed))
}

fn claimed(claims: &DatasetClaims) -> String {
    if claims.claims.is_empty() {
        return format!("{}: no figure without noise was released yet", claims.dataset);
    }
    let refused = |claim: &Claim| {
        let each = claim.refused.iter().map(|refusal| format!("{} of {}", refusal.organisation, refusal.job));
        if claim.refused.is_empty() { "nobody".to_owned() } else { each.collect::<Vec<_>>().join(", ") }
    };
    let row = |claim: &Claim| {
        let (job, organisation) = (claim.job.to_string(), claim.organisation.to_string());
        [job, organisation, claim.grant.to_string(), format!("≤ {}", number(claim.sets)), refused(claim)]
    };
    text::table(["job", "of", "grant", "sets", "stood in the way of"], claims.claims.iter().map(row))
}

fn snapshots(snapshots: &[Snapshot]) -> String {
    let row = |s: &Snapshot| {
        [
            s.number.to_string(),
            number(s.rows),
            number(s.persons),
            number(s.quarantined_rows),
            text::bytes(s.size_bytes),
            s.published_at.to_string(),
            text::short(&s.digest_sm3),
        ]
    };
    text::table(["number", "rows", "persons", "quarantined", "size", "published", "sm3"], snapshots.iter().map(row))
}

fn reported(report: &IngestionReport) -> String {
    let snapshot = &report.snapshot;
    let missing = report.missing_values.iter().filter(|(_, count)| **count > 0);
    let missing = missing.map(|(field, count)| format!("{field} {}", number(*count))).collect::<Vec<_>>().join(", ");
    let facts = text::sheet(&[
        ("dataset", format!("{}, snapshot {}", report.dataset, snapshot.number)),
        ("read", format!("{} rows, {}", number(report.rows_read), text::bytes(report.bytes_read))),
        ("published", format!("{} rows of {} persons", number(snapshot.rows), number(snapshot.persons))),
        ("quarantined", format!("{} rows", number(snapshot.quarantined_rows))),
        ("on disk", format!("{}, encrypted", text::bytes(snapshot.size_bytes))),
        ("digest SM3", snapshot.digest_sm3.clone()),
        ("missing", missing),
    ]);
    if report.quarantine.is_empty() {
        return facts;
    }
    let row = |q: &QuarantineReason| {
        [q.code.clone(), q.field.clone().unwrap_or_default(), number(q.rows), number(q.first_row)]
    };
    format!("{facts}\n{}", text::table(["reason", "field", "rows", "first row"], report.quarantine.iter().map(row)))
}
