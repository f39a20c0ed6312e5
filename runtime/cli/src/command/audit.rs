//! `glovebox audit`: read the log, prove with it, verify an export offline.

use std::io::BufReader;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use futures::TryStreamExt as _;
use glovebox_audit::{Event, SignedTreeHead, VerifyError, WitnessPolicy, verify_export};
use glovebox_catalog::{DatasetId, OrganisationId, PrincipalId, Timestamp};
use glovebox_client::{Client, EventSearch, Paging};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::command::read_document;
use crate::command::receipt::read_key;
use crate::command::witness::{cosigned, read_policy};
use crate::connection::Global;
use crate::failure::Unverified;
use crate::output::Output;
use crate::text::{self, number};

/// The audit log: read, prove, verify offline.
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  glovebox audit list\n  glovebox audit verify audit.jsonl --key enclave.pem")]
pub(crate) enum Audit {
    /// List the newest events; for regulators and security officers
    #[command(after_help = "Examples:\n  glovebox audit list --last 100\n  glovebox audit list --action grant.approve")]
    List(List),
    /// Search the log by person, organisation, dataset, purpose, action, thing and time
    #[command(after_help = "Examples:\n  \
        glovebox audit search --person lin.wei --from 2026-11-01 --until 2026-12-01\n  \
        glovebox audit search --dataset nhanes-2017 --purpose insurance --action view.open\n  \
        glovebox audit search --organisation company-c --last 500 --json\n  \
        glovebox audit search --own --dataset nhanes-2017\n\n\
        Regulators and security officers search the whole log. Suppliers search with `--own` what is about their data: \
        their datasets, grants on them, and jobs, releases and reviews under those. All conditions hold together.")]
    Search(Search),
    /// Write the whole log as JSON lines, with its signed head
    #[command(after_help = "Examples:\n  glovebox audit export --output audit.jsonl")]
    Export(Export),
    /// Show the signed head of the log; keep it, to verify later that nothing was taken away
    #[command(after_help = "Examples:\n  glovebox audit head --json > head.json")]
    Head,
    /// Prove that an event is in the log, or that the log still holds all that an older head vouched for
    #[command(after_help = "Examples:\n  glovebox audit proof --event 41 --key enclave.pem\n  \
        glovebox audit proof --against head.json --key enclave.pem")]
    Proof(Proof),
    /// Verify an export with the enclave's public key, without the enclave
    #[command(after_help = "Examples:\n  glovebox audit verify audit.jsonl --key enclave.pem\n  \
        glovebox audit verify audit.jsonl --key enclave.pem --against head.json\n  \
        glovebox audit verify audit.jsonl --key enclave.pem --witnesses witnesses.toml\n\n\
        Finds any changed byte, gap, reorder and truncation. Without an older head, an export that was cut back to an\n\
        older one verifies: it is true, but old. Exit code 4 says that it does not verify.")]
    Verify(Verify),
}

#[derive(Args)]
pub(crate) struct List {
    /// How many
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    last: u32,
    /// Only of this action, e.g. grant.approve
    #[arg(long)]
    action: Option<String>,
    /// Only about this thing, e.g. grant/grt-01k9
    #[arg(long)]
    resource: Option<String>,
}

#[derive(Args)]
pub(crate) struct Search {
    /// Only what this person did, or what was done to their entry
    #[arg(long, value_name = "ID")]
    person: Option<PrincipalId>,
    /// Only what people of this organisation did, or what was done to its entry
    #[arg(long, value_name = "ID")]
    organisation: Option<OrganisationId>,
    /// Only what is about this dataset, grants on it and jobs on it
    #[arg(long, value_name = "ID")]
    dataset: Option<DatasetId>,
    /// Only what is about grants for this purpose, e.g. research, and jobs under them
    #[arg(long, value_name = "PURPOSE")]
    purpose: Option<String>,
    /// Only of this action, e.g. view.open
    #[arg(long)]
    action: Option<String>,
    /// Only about this thing, e.g. grant/grt-01k9
    #[arg(long)]
    resource: Option<String>,
    /// Only from this day or moment on, e.g. 2026-11-23 or 2026-11-23T08:00:00+08:00; days are in UTC
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Only before this day or moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Only what is about the data of one's own organisation; for suppliers
    #[arg(long)]
    own: bool,
    /// How many, the newest
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    last: u32,
}

/// A day, as its first moment in UTC, or a time of RFC 3339.
fn moment(text: &str) -> Result<Timestamp, String> {
    let day = || Timestamp::parse(&format!("{text}T00:00:00Z"));
    Timestamp::parse(text).or_else(|_| day()).map_err(|error| error.to_string())
}

#[derive(Args)]
pub(crate) struct Export {
    /// Write it to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Proof {
    /// Number of the event
    #[arg(long, value_name = "NUMBER", required_unless_present = "against", conflicts_with = "against")]
    event: Option<u64>,
    /// An older head, from `glovebox audit head --json`
    #[arg(long, value_name = "HEAD")]
    against: Option<PathBuf>,
    /// The enclave's public key
    #[arg(long, value_name = "PEM")]
    key: PathBuf,
}

#[derive(Args)]
pub(crate) struct Verify {
    /// The export, JSON lines
    file: PathBuf,
    /// The enclave's public key
    #[arg(long, value_name = "PEM")]
    key: PathBuf,
    /// An older head, from `glovebox audit head --json`
    #[arg(long, value_name = "HEAD")]
    against: Option<PathBuf>,
    /// The enclave's witnesses, to check that enough of them cosigned; see docs/witnesses.md
    #[arg(long, value_name = "FILE")]
    witnesses: Option<PathBuf>,
}

impl Audit {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        match self {
            Self::Verify(verify) => verify.run(output),
            Self::List(list) => list.run(&global.client()?, output).await,
            Self::Search(search) => search.run(&global.client()?, output).await,
            Self::Export(Export { output: file }) => export(&global.client()?, file, output).await,
            Self::Head => {
                let signed = global.client()?.tree_head().await?;
                let head = &signed.head;
                output.show(&signed, || {
                    text::sheet(&[
                        ("log", head.log_id.clone()),
                        ("events", number(head.size)),
                        ("root SM3", head.root.to_string()),
                        ("signed", head.at.to_string()),
                    ])
                })
            }
            Self::Proof(proof) => proof.run(&global.client()?, output).await,
        }
    }
}

impl List {
    async fn run(self, client: &Client, output: &Output) -> anyhow::Result<()> {
        let last = usize::try_from(self.last)?;
        let mut events: Vec<Event> = Vec::new();
        // Unfiltered, the newest are found by their number: a cursor is the number of the event before.
        let size = client.tree_head().await?.head.size;
        let skipped = size.saturating_sub(u64::from(self.last));
        let is_filtered = self.action.is_some() || self.resource.is_some();
        let mut cursor = (skipped > 0 && !is_filtered).then(|| (skipped - 1).to_string());
        let search = EventSearch { action: self.action, resource: self.resource, ..EventSearch::default() };
        loop {
            let paging = Paging { cursor, limit: Some(500) };
            let page = client.audit_events(&paging, &search).await?;
            events.extend(page.items);
            events.drain(..events.len().saturating_sub(last));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return output.show(&events, || table(&events));
            }
        }
    }
}

impl Search {
    async fn run(self, client: &Client, output: &Output) -> anyhow::Result<()> {
        let Self { person, organisation, dataset, purpose, action, resource, from, until, own, last } = self;
        let search = EventSearch { action, resource, person, organisation, dataset, purpose, from, until };
        let last = usize::try_from(last)?;
        let (mut events, mut cursor): (Vec<Event>, Option<String>) = (Vec::new(), None);
        loop {
            let paging = Paging { cursor, limit: Some(500) };
            let page = match own {
                true => client.own_events(&paging, &search).await?,
                false => client.audit_events(&paging, &search).await?,
            };
            events.extend(page.items);
            events.drain(..events.len().saturating_sub(last));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return output.show(&events, || table(&events));
            }
        }
    }
}

async fn export(client: &Client, file: Option<PathBuf>, output: &Output) -> anyhow::Result<()> {
    let mut chunks = client.export_audit().await?;
    let Some(file) = file else {
        while let Some(chunk) = chunks.try_next().await? {
            output.bytes(&chunk)?;
        }
        return Ok(());
    };
    let place = || format!("can't write `{}`", file.display());
    let mut out = tokio::fs::File::create(&file).await.with_context(place)?;
    let mut bytes = 0;
    while let Some(chunk) = chunks.try_next().await? {
        bytes += chunk.len() as u64;
        out.write_all(&chunk).await.with_context(place)?;
    }
    out.sync_all().await.with_context(place)?;
    let facts = json!({ "file": file, "bytes": bytes });
    output.show(&facts, || format!("{} in {}", text::bytes(bytes), file.display()))
}

impl Proof {
    async fn run(self, client: &Client, output: &Output) -> anyhow::Result<()> {
        let key = read_key(&self.key)?;
        let unverified = |what: &str| {
            let what = what.to_owned();
            move |error: VerifyError| Unverified { what, error }
        };
        if let Some(path) = &self.against {
            let old: SignedTreeHead = read_document(path)?;
            old.verify(&key).map_err(unverified("the older head"))?;
            let new = client.tree_head().await?;
            new.verify(&key).map_err(unverified("the newest head"))?;
            let proof = client.consistency_proof(old.head.size, new.head.size).await?;
            proof.verify(&old.head, &new.head).map_err(unverified("the log"))?;
            let facts = json!({ "verified": true, "old": old, "new": new, "consistency": proof });
            return output.show(&facts, || {
                format!("verified: the log of {} events goes on from that of {}", new.head.size, old.head.size)
            });
        }
        let sequence = self.event.context("name an event")?;
        // The log may grow between the answers: proof and head must be of one size.
        for _ in 0..5 {
            let proof = client.inclusion_proof(sequence).await?;
            let head = client.tree_head().await?;
            if proof.size != head.head.size {
                continue;
            }
            head.verify(&key).map_err(unverified("the head"))?;
            let cursor = sequence.checked_sub(1).map(|before| before.to_string());
            let page = client.audit_events(&Paging { cursor, limit: Some(1) }, &EventSearch::default()).await?;
            let event = page.items.into_iter().next().context("the log gave no such event")?;
            proof.verify(&event, &head.head).map_err(unverified("the event"))?;
            let facts = json!({ "verified": true, "event": event, "inclusion": proof, "head": head });
            return output.show(&facts, || {
                format!("{}\nverified: event {sequence} is in the log of {} events", table(&[event]), proof.size)
            });
        }
        bail!("the log grows too fast for a proof of one moment; try again")
    }
}

impl Verify {
    fn run(self, output: &Output) -> anyhow::Result<()> {
        let key = read_key(&self.key)?;
        let against: Option<SignedTreeHead> = self.against.as_deref().map(read_document).transpose()?;
        let file = std::fs::File::open(&self.file).with_context(|| format!("can't read `{}`", self.file.display()))?;
        let unverified = |error| Unverified { what: self.file.display().to_string(), error };
        let summary = verify_export(BufReader::new(file), &key, against.as_ref()).map_err(unverified)?;
        let head = &summary.head;
        let policy = self.witnesses.as_deref().map(read_policy).transpose()?;
        let verify = |policy: &WitnessPolicy| policy.verify(head, &summary.cosignatures);
        let found = policy.as_ref().map(verify).transpose().map_err(unverified)?;
        let facts = json!({
            "verified": true,
            "head": head,
            "refused": summary.refused,
            "first_at": summary.first_at,
            "last_at": summary.last_at,
            "against_size": against.as_ref().map(|old| old.head.size),
            "witnesses_verified": found,
        });
        output.show(&facts, || {
            let time = |at: Option<glovebox_catalog::Timestamp>| at.map_or_else(String::new, |at| at.to_string());
            let facts = text::sheet(&[
                ("log", head.log_id.clone()),
                ("events", format!("{}, {} of them refusals", number(head.size), number(summary.refused))),
                ("from", time(summary.first_at)),
                ("to", time(summary.last_at)),
                ("root SM3", head.root.to_string()),
                (
                    "witnesses",
                    match (&policy, &found) {
                        (Some(policy), Some(found)) => cosigned(policy, found),
                        _ => format!("{} cosignatures, not checked", summary.cosignatures.len()),
                    },
                ),
            ]);
            let older = against.as_ref().map(|old| format!(", and all {} events of the older head", old.head.size));
            format!("{facts}\nverified: every event, their order, the signed head{}", older.unwrap_or_default())
        })
    }
}

fn table(events: &[Event]) -> String {
    let row = |event: &Event| {
        let actor = event.actor.principal.as_ref().map_or_else(|| "enclave".to_owned(), ToString::to_string);
        let outcome = event.code.clone().unwrap_or_else(|| event.outcome.as_str().to_owned());
        let at = event.at.to_string();
        [event.sequence.to_string(), at, actor, event.action.clone(), text::cut(&event.resource, 60), outcome]
    };
    text::table(["event", "at", "by", "action", "about", "outcome"], events.iter().map(row))
}
