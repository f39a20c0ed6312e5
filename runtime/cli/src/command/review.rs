//! `glovebox review`: outputs that wait for reviewers.

use clap::{Args, Subcommand};
use glovebox_api::{Decision, FigureChange, ReleaseDifference, ReviewOutput};
use glovebox_catalog::{Review, ReviewEntry, ReviewId, ReviewState};
use glovebox_client::every;

use crate::command::parse_name;
use crate::connection::Global;
use crate::output::Output;
use crate::{released, text};

/// Figures of a comparison that a terminal shows; `--json` has more.
const CHANGES_SHOWN: usize = 20;

/// Outputs that wait for reviewers.
#[derive(Subcommand)]
#[command(after_help = "An output leaves when two reviewers approve who have no part in it: neither they nor their \
        organisation\nsubmitted the job or its module.\n\n\
        Examples:\n  glovebox review list --state submitted\n  glovebox review claim rev-01k9\n  \
        glovebox review show rev-01k9 --output\n  glovebox review approve rev-01k9 --comment 'aggregates only'")]
pub(crate) enum ReviewCommand {
    /// List the reviews that you may read of
    #[command(after_help = "Examples:\n  glovebox review list\n  glovebox review list --state in-review --json")]
    List(List),
    /// Show a review with its history; reviewers see the output, too
    #[command(after_help = "Examples:\n  glovebox review show rev-01k9\n  glovebox review show rev-01k9 --output\n\n\
        With --output: tables, what the rules found, the leakage bound, what the receipt will state, and how the\n\
        output differs from earlier releases of the same module on the same dataset. Looking at it is recorded.")]
    Show(Show),
    /// Take an output up for review
    #[command(after_help = "Examples:\n  glovebox review claim rev-01k9")]
    Claim(Act),
    /// Note something for the other reviewers; the developer does not read it
    #[command(after_help = "Examples:\n  glovebox review comment rev-01k9 --comment 'row 3 is one ward'")]
    Comment(Act),
    /// Ask the developer; the comment is the question
    #[command(after_help = "Examples:\n  glovebox review return rev-01k9 --comment 'what does column 2 mean?'\n\n\
        What you write here leaves the zone: name no figure of the output.")]
    Return(Act),
    /// Approve an output; the second approval lets it leave
    #[command(after_help = "Examples:\n  glovebox review approve rev-01k9 --comment 'aggregates only'")]
    Approve(Act),
    /// Refuse an output, for good; the comment is the reason
    #[command(after_help = "Examples:\n  glovebox review refuse rev-01k9 --comment 'rows of single persons'\n\n\
        What you write here leaves the zone: name no figure of the output.")]
    Refuse(Act),
}

#[derive(Args)]
pub(crate) struct List {
    /// submitted, in-review, returned, approved, refused, released, expired or withdrawn
    #[arg(long, value_parser = parse_name::<ReviewState>)]
    state: Option<ReviewState>,
}

#[derive(Args)]
pub(crate) struct Show {
    /// The review
    review: ReviewId,
    /// Show the output, too, with everything that it is judged by
    #[arg(long)]
    output: bool,
}

#[derive(Args)]
pub(crate) struct Act {
    /// The review
    review: ReviewId,
    /// What is to be said
    #[arg(long, default_value = "")]
    comment: String,
}

impl ReviewCommand {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        let client = &global.client()?;
        let review = match self {
            Self::List(List { state }) => {
                let all = every(|page| async move { client.reviews(state, &page).await }).await?;
                return output.show(&all, || table(&all));
            }
            Self::Show(Show { review, output: true }) => {
                let held = client.review_output(&review).await?;
                return output.show(&held, || shown_output(&held));
            }
            Self::Show(Show { review, output: false }) => client.review(&review).await?,
            Self::Claim(Act { review, comment }) => client.claim_review(&review, &Decision { comment }).await?,
            Self::Comment(Act { review, comment }) => client.comment_review(&review, &Decision { comment }).await?,
            Self::Return(Act { review, comment }) => client.return_review(&review, &Decision { comment }).await?,
            Self::Approve(Act { review, comment }) => client.approve_review(&review, &Decision { comment }).await?,
            Self::Refuse(Act { review, comment }) => client.refuse_review(&review, &Decision { comment }).await?,
        };
        output.show(&review, || shown(&review))
    }
}

fn table(reviews: &[Review]) -> String {
    let row = |review: &Review| {
        let until = review.expires_at.to_string().chars().take(10).collect();
        [
            review.id.to_string(),
            review.state.to_string(),
            review.job.to_string(),
            review.dataset.to_string(),
            review.organisation.to_string(),
            until,
        ]
    };
    text::table(["id", "state", "job", "dataset", "for", "until"], reviews.iter().map(row))
}

/// The record of a review.
pub(crate) fn shown(review: &Review) -> String {
    let release = review.release.as_ref().map(|release| {
        let until = review.fetch_until.map(|until| format!(" until {until}")).unwrap_or_default();
        format!("{release}, fetched {} of {} times{until}", review.fetches, review.fetches_max)
    });
    let facts = text::sheet(&[
        ("review", review.id.to_string()),
        ("state", review.state.to_string()),
        ("job", review.job.to_string()),
        ("of", format!("{} of {}", review.submitted_by, review.organisation)),
        ("grant", review.grant.to_string()),
        ("dataset", format!("{} of {}", review.dataset, review.supplier)),
        ("module", review.module.to_string()),
        ("leakage bound", review.leakage_bits.map(|bits| format!("{} bits", text::number(bits))).unwrap_or_default()),
        ("to be decided", if review.state.is_final() { String::new() } else { format!("until {}", review.expires_at) }),
        ("release", release.unwrap_or_default()),
    ]);
    let history: String = review.entries.iter().map(told).collect();
    format!("{facts}history\n{history}")
}

fn told(entry: &ReviewEntry) -> String {
    let who = match (&entry.principal, &entry.organisation) {
        (Some(principal), Some(organisation)) => format!(" by {principal} of {organisation}"),
        _ => String::new(),
    };
    let comment: String = entry.comment.lines().map(|line| format!("      {}\n", text::clean(line))).collect();
    format!("  {} {}{}\n{comment}", entry.at, entry.act, text::clean(&who))
}

fn shown_output(held: &ReviewOutput) -> String {
    let evidence = &held.evidence;
    let parameters = evidence.parameters.iter().map(|(name, value)| format!("{name}={value}"));
    let facts = text::sheet(&[
        ("review", held.review.to_string()),
        ("job", format!("{} by {} of {}", evidence.job, evidence.developer, evidence.organisation)),
        ("grant", format!("{}, terms {}", evidence.grant, text::short(&evidence.grant_terms_sm3))),
        (
            "dataset",
            format!("{}, snapshot {} ({})", evidence.dataset, evidence.snapshot, text::short(&evidence.snapshot_sm3)),
        ),
        ("module", format!("{}, isolation {}", evidence.module, text::name(&evidence.isolation))),
        ("parameters", parameters.collect::<Vec<_>>().join(", ")),
        ("leakage bound", leakage(held)),
        ("output digest", evidence.output_sm3.clone()),
    ]);
    let report = held.report.iter().map(|found| [found.code.clone(), found.place.clone(), found.finding.clone()]);
    let report = text::table(["rule", "place", "what was found"], report);
    let tables = released::document(&held.document);
    let differences: String = held.differences.iter().map(difference).collect();
    let differences = if differences.is_empty() {
        "no earlier release of this module on this dataset\n".to_owned()
    } else {
        differences
    };
    format!("{facts}\nWhat the rules found\n{report}\n\nThe output\n{tables}\nAgainst earlier releases\n{differences}")
}

fn leakage(held: &ReviewOutput) -> String {
    let bound = held.document.leakage;
    format!("{} bits in all, {} about one person", text::number(bound.bits), text::number(bound.bits_per_person))
}

fn difference(earlier: &ReleaseDifference) -> String {
    let ReleaseDifference { release, organisation, released_at, figures_same, figures_changed, changes, .. } = earlier;
    let snapshot = earlier.snapshot.map(|number| format!(", snapshot {number}")).unwrap_or_default();
    let head = format!(
        "{release} to {organisation}, {released_at}{snapshot}: {} figures the same, {} differ\n",
        text::number(*figures_same),
        text::number(*figures_changed)
    );
    let figure = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
    let line = |change: &FigureChange| {
        let keys = change.keys.join(", ");
        format!("  {} ({keys}): {} then, {} now\n", change.output, figure(change.before), figure(change.now))
    };
    let lines: String = changes.iter().take(CHANGES_SHOWN).map(line).collect();
    let rest = usize::try_from(*figures_changed).unwrap_or(usize::MAX).saturating_sub(CHANGES_SHOWN);
    let rest = if rest > 0 { format!("  and {rest} more\n") } else { String::new() };
    text::clean(&format!("{head}{lines}{rest}"))
}
