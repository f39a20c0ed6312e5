//! `glovebox meter`: budgets, their use, and what runs now.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;

use anyhow::ensure;
use clap::{Args, Subcommand};
use glovebox_api::{GrantMeters, LiveMeters};
use glovebox_client::every;

use crate::connection::Global;
use crate::output::Output;
use crate::screen;
use crate::text::{self, bar};

/// Budgets, their use, and what runs now.
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  glovebox meter show\n  glovebox meter watch")]
pub(crate) enum Meter {
    /// Show budget and use of the grants that you may see
    #[command(after_help = "Examples:\n  glovebox meter show --json\n\n\
        Developers see fuel and rows as powers of ten: anything finer would count rows.\n\
        `bits` is what releases can carry at most, by their leakage bounds. Privacy loss stands in\n\
        `glovebox dataset privacy`: it is a dataset's.")]
    Show,
    /// Watch jobs, fuel, budgets left and refusals, live; for operators and regulators
    #[command(after_help = "Examples:\n  glovebox meter watch\n  glovebox meter watch --once\n\n\
        Keys: q or Esc ends it. With --json, one line of JSON a second.")]
    Watch(Watch),
}

#[derive(Args)]
pub(crate) struct Watch {
    /// Print one plain snapshot and end
    #[arg(long)]
    once: bool,
}

impl Meter {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        let client = &global.client()?;
        match self {
            Self::Show => {
                let all = every(|page| async move { client.meters(&page).await }).await?;
                output.show(&all, || budgets(&all))
            }
            Self::Watch(Watch { once: true }) => {
                let live = client.live_meters().await?;
                output.show(&live, || snapshot(&live))
            }
            Self::Watch(Watch { once: false }) if output.is_json() => {
                let mut moments = client.watch_meters();
                while let Some(live) = moments.next().await {
                    output.show_one(&live?, String::new)?;
                }
                Ok(())
            }
            Self::Watch(Watch { once: false }) => {
                ensure!(std::io::stdout().is_terminal(), "this is not a terminal; use `--once` or `--json`");
                // Whoever may not see it is told so before the screen is taken.
                client.live_meters().await?;
                screen::watch(client, global.server.as_deref().unwrap_or("the enclave")).await
            }
        }
    }
}

/// Name, use and limit of each meter that a budget limits.
pub(crate) fn limited(meters: &GrantMeters) -> [(&'static str, u64, u64); 8] {
    let GrantMeters { budget, committed, reserved, .. } = meters;
    let used = committed.add(reserved);
    [
        ("jobs", used.jobs, budget.jobs_max),
        ("releases", used.releases, budget.releases_max),
        ("cells", used.cells, budget.cells_max),
        ("claims", used.claims, budget.claims_max),
        ("bytes", used.bytes_out, budget.bytes_out_max),
        ("bits", used.leakage_bits, budget.leakage_bits_max),
        ("rows", used.rows_read, budget.rows_max),
        ("fuel", used.fuel_units, budget.fuel_max_units),
    ]
}

fn budgets(grants: &[GrantMeters]) -> String {
    let rows = grants.iter().flat_map(|grant| {
        limited(grant).into_iter().enumerate().map(move |(index, (name, used, limit))| {
            let id = if index == 0 { grant.grant.to_string() } else { String::new() };
            let left = limit.saturating_sub(used);
            [
                id,
                name.to_owned(),
                bar(used, limit, 20),
                text::short_number(used),
                text::short_number(limit),
                text::short_number(left),
            ]
        })
    });
    let budgets = text::table(["grant", "meter", "used", "", "of", "left"], rows);
    // Several grants of one organisation share the account of a dataset: it stands there once.
    let shared: BTreeMap<_, _> = grants
        .iter()
        .flat_map(|grant| grant.datasets.iter().map(|of| ((of.dataset.clone(), of.organisation.clone()), of)))
        .collect();
    let rows = shared.values().flat_map(|of| {
        let used = of.committed.add(&of.reserved);
        let limits = [
            ("jobs", used.jobs, of.budget.jobs_max),
            ("releases", used.releases, of.budget.releases_max),
            ("cells", used.cells, of.budget.cells_max),
            ("claims", used.claims, of.budget.claims_max),
            ("bits", used.leakage_bits, of.budget.leakage_bits_max),
        ];
        limits.into_iter().enumerate().map(|(index, (name, used, limit))| {
            let shown = |text: String| if index == 0 { text } else { String::new() };
            let left = text::short_number(limit.saturating_sub(used));
            [
                shown(of.dataset.to_string()),
                shown(of.organisation.to_string()),
                name.to_owned(),
                bar(used, limit, 20),
                text::short_number(used),
                text::short_number(limit),
                left,
            ]
        })
    });
    let heading = ["dataset, all grants", "organisation", "meter", "used", "", "of", "left"];
    if shared.is_empty() { budgets } else { format!("{budgets}\n\n{}", text::table(heading, rows)) }
}

fn snapshot(live: &LiveMeters) -> String {
    let facts = text::sheet(&[
        ("at", live.at.to_string()),
        ("since start", format!("{} rows, {} fuel", text::number(live.rows_read), text::short_number(live.fuel_units))),
        ("", format!("{} releases, {} cells withheld", live.releases, text::number(live.cells_withheld))),
    ]);
    let jobs = live.running.iter().map(|job| ("running", job)).chain(live.queued.iter().map(|job| ("queued", job)));
    let jobs = jobs.map(|(state, job)| {
        [job.job.to_string(), state.to_owned(), job.organisation.to_string(), text::name(&job.isolation)]
    });
    let jobs = text::table(["job", "state", "organisation", "isolation"], jobs);
    let refusals = live.refusals.iter().map(|(code, count)| [code.clone(), text::number(*count)]);
    let refusals = text::table(["refusals", "count"], refusals);
    format!("{facts}\njobs\n{jobs}\n\nbudgets of active grants\n{}\n\n{refusals}", budgets(&live.grants))
}
