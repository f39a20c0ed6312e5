//! `glovebox grant`: who may compute what, for which purpose, how much.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use glovebox_api::{ApproveGrant, Decision};
use glovebox_catalog::{Approval, Budget, Capacity, Grant, GrantId, GrantTerms, Isolation, Narrowing};
use glovebox_client::every;
use serde_json::{Value, json};

use crate::authority::now_unix_ms;
use crate::command::{parse_name, read_document};
use crate::connection::{Global, read_bytes};
use crate::output::Output;
use crate::text::{self, number};

/// Grants: who may compute what, for which purpose, how much.
#[derive(Subcommand)]
#[command(
    after_help = "Examples:\n  glovebox grant propose terms.json --agreement agreement.pdf\n  glovebox grant list"
)]
pub(crate) enum GrantCommand {
    /// Propose a grant to your organisation
    #[command(after_help = "Examples:\n  glovebox grant propose --template > terms.json\n  \
        glovebox grant propose terms.json --agreement agreement.pdf\n\n\
        It becomes active once every supplier of a dataset in scope and a reviewer of another organisation approved.\n\n\
        Terms beside those of the template: budget.epsilon_max, for releases with noise from datasets that have a\n\
        privacy limit; isolation `cohort` or review_required, when two reviewers of other organisations are on file.")]
    Propose(Propose),
    /// List the grants that you may see
    #[command(after_help = "Examples:\n  glovebox grant list --json")]
    List,
    /// Show a grant with its terms and approvals
    #[command(after_help = "Examples:\n  glovebox grant show grt-01k9")]
    Show(One),
    /// Approve a grant, as supplier of its data or as reviewer
    #[command(after_help = "Examples:\n  glovebox grant approve grt-01k9 --comment 'as agreed'\n  \
        glovebox grant approve grt-01k9 --as reviewer\n  glovebox grant approve grt-01k9 --narrow less.json\n\n\
        A supplier may approve less. What is left out of less.json stays as asked, what is in it can only take away:\n  \
        {\"scopes\": [{\"dataset\": \"nhanes-2017\", \"fields\": [\"sex\", \"bmi\"],\n               \
        \"filter\": {\"field\": \"age_years\", \"op\": \"ge\", \"value\": 18}}],\n   \
        \"valid_until\": \"2027-06-30T00:00:00Z\", \"budget\": {\"jobs_max\": 5, \"leakage_bits_max\": 10000},\n   \
        \"isolations\": [\"row\"], \"review_required\": true}\n\
        The others then approve what is left; approvals of the wider terms don't count for it.")]
    Approve(Approve),
    /// Refuse a grant, for good
    #[command(after_help = "Examples:\n  glovebox grant refuse grt-01k9 --comment 'purpose too wide'")]
    Refuse(Decide),
    /// Stop a grant for the time being; its waiting and running jobs are stopped
    #[command(after_help = "Examples:\n  glovebox grant suspend grt-01k9 --comment 'under inspection'\n\n\
        For its suppliers, operators and security officers. What the zone suspended goes on once the zone and a supplier\n\
        have consented; `glovebox zone status` shows what stands.")]
    Suspend(Stop),
    /// Lift your suspension, or consent that the zone's is lifted
    #[command(after_help = "Examples:\n  glovebox grant resume grt-01k9")]
    Resume(Stop),
    /// Become responsible for a grant of your organisation, e.g. since whoever was has left
    #[command(
        after_help = "Examples:\n  glovebox grant take-over grt-01k9 --comment 'for Chen Jing, who has left'\n\n\
        Nothing runs under a grant whose responsible person has left."
    )]
    TakeOver(Stop),
    /// End a grant for good; its running jobs are stopped
    #[command(after_help = "Examples:\n  glovebox grant revoke grt-01k9 --comment 'agreement ended'")]
    Revoke(Stop),
}

#[derive(Args)]
pub(crate) struct Propose {
    /// The terms, as JSON or TOML
    #[arg(required_unless_present = "template")]
    file: Option<PathBuf>,
    /// The signed agreement; its SM3 digest goes into the terms
    #[arg(long, value_name = "FILE")]
    agreement: Option<PathBuf>,
    /// Print terms to start from, and propose nothing
    #[arg(long, conflicts_with = "file")]
    template: bool,
}

#[derive(Args)]
pub(crate) struct One {
    /// The grant
    grant: GrantId,
}

#[derive(Args)]
pub(crate) struct Decide {
    /// The grant
    grant: GrantId,
    /// supplier or reviewer, for whoever is both
    #[arg(long = "as", value_name = "CAPACITY", value_parser = parse_name::<Capacity>)]
    capacity: Option<Capacity>,
    /// Why
    #[arg(long, default_value = "")]
    comment: String,
}

#[derive(Args)]
pub(crate) struct Approve {
    #[command(flatten)]
    decide: Decide,
    /// What to take away from the terms, as JSON or TOML; for suppliers
    #[arg(long, value_name = "FILE", conflicts_with = "capacity")]
    narrow: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Stop {
    /// The grant
    grant: GrantId,
    /// Why
    #[arg(long, default_value = "")]
    comment: String,
}

impl GrantCommand {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> anyhow::Result<()> {
        if let Self::Propose(Propose { template: true, .. }) = self {
            return output.line(&serde_json::to_string_pretty(&template())?);
        }
        let client = &global.client()?;
        let grant = match self {
            Self::Propose(propose) => client.propose_grant(&propose.terms()?).await?,
            Self::List => {
                let all = every(|page| async move { client.grants(&page).await }).await?;
                return output.show(&all, || table(&all));
            }
            Self::Show(One { grant }) => client.grant(&grant).await?,
            Self::Approve(Approve { decide: Decide { grant, capacity, comment }, narrow }) => match narrow {
                Some(file) => {
                    let narrowing: Narrowing = read_document(&file)?;
                    let approval = ApproveGrant { comment, narrowing: Some(narrowing) };
                    client.approve_narrowed_grant(&grant, &approval).await?
                }
                None => client.approve_grant(&grant, capacity, &Decision { comment }).await?,
            },
            Self::Refuse(Decide { grant, capacity, comment }) => {
                client.refuse_grant(&grant, capacity, &Decision { comment }).await?
            }
            Self::Suspend(Stop { grant, comment }) => client.suspend_grant(&grant, &Decision { comment }).await?,
            Self::Resume(Stop { grant, comment }) => client.resume_grant(&grant, &Decision { comment }).await?,
            Self::TakeOver(Stop { grant, comment }) => client.take_over_grant(&grant, &Decision { comment }).await?,
            Self::Revoke(Stop { grant, comment }) => client.revoke_grant(&grant, &Decision { comment }).await?,
        };
        output.show(&grant, || shown(&grant))
    }
}

impl Propose {
    fn terms(&self) -> anyhow::Result<GrantTerms> {
        let Some(file) = &self.file else { bail!("name the file with the terms") };
        let mut terms: Value = read_document(file)?;
        if let (Some(agreement), Some(terms)) = (&self.agreement, terms.as_object_mut()) {
            let digest = glovebox_gm::sm3(&read_bytes(agreement)?).to_string();
            terms.insert("agreement_sm3".to_owned(), digest.into());
        }
        serde_json::from_value(terms).with_context(|| {
            format!("`{}` holds no terms of a grant; `glovebox grant propose --template` shows some", file.display())
        })
    }
}

fn template() -> Value {
    let now = glovebox_catalog::Timestamp::from_unix_ms(now_unix_ms());
    json!({
        "title": "Body-mass index by sex and age",
        "purpose": "research",
        "basis": "public-or-anonymised",
        "scopes": [{ "dataset": "nhanes-2017", "fields": ["sex", "age_years", "bmi"] }],
        "valid_from": now,
        "valid_until": now.plus_days(30),
        "recipients": [{ "organisation": "company-c", "jurisdiction": "CN" }],
        "budget": {
            "jobs_max": 10, "releases_max": 10, "cells_max": 1_000, "claims_max": 10_000, "bytes_out_max": 10_000_000,
            "fuel_max_units": 1_000_000_000_000_u64, "rows_max": 1_000_000, "leakage_bits_max": 50_000
        },
        "disclosure_profile": "default",
        "isolations": ["row", "person", "block"],
        "review_required": false,
        "agreement_sm3": "filled in by --agreement FILE"
    })
}

fn table(grants: &[Grant]) -> String {
    let row = |g: &Grant| {
        let datasets = g.terms.scopes.iter().map(|scope| scope.dataset.to_string()).collect::<Vec<_>>().join(", ");
        let until = g.terms.valid_until.to_string().chars().take(10).collect();
        [
            g.id.to_string(),
            text::name(&g.state),
            g.organisation.to_string(),
            text::name(&g.terms.purpose),
            datasets,
            until,
            text::cut(&g.terms.title, 50),
        ]
    };
    text::table(["id", "state", "organisation", "purpose", "datasets", "until", "title"], grants.iter().map(row))
}

fn epsilon_max(budget: &Budget) -> String {
    match budget.epsilon_max {
        none if none.is_zero() => "no release with noise".to_owned(),
        epsilon => format!("ε at most {epsilon} of each dataset, at the dataset's δ"),
    }
}

fn reviewed(terms: &GrantTerms) -> &'static str {
    match (terms.review_required, terms.isolations.contains(&Isolation::Cohort)) {
        (true, _) => "every release waits for two reviewers",
        (false, true) => "releases of isolation cohort wait for two reviewers",
        (false, false) => "",
    }
}

/// What suppliers have taken away of what was asked, a line each.
fn cuts(grant: &Grant) -> Vec<String> {
    let (Some(asked), terms) = (&grant.asked, &grant.terms) else { return Vec::new() };
    let mut cuts = Vec::new();
    for (scope, asked) in terms.scopes.iter().zip(&asked.scopes) {
        let gone: Vec<_> = asked.fields.difference(&scope.fields).cloned().collect();
        if !gone.is_empty() {
            cuts.push(format!("{}: without {}", scope.dataset, gone.join(", ")));
        }
        if scope.filter != asked.filter {
            cuts.push(format!("{}: fewer rows, see scope", scope.dataset));
        }
    }
    if terms.valid_from != asked.valid_from || terms.valid_until != asked.valid_until {
        cuts.push(format!("term asked for: {} to {}", asked.valid_from, asked.valid_until));
    }
    let (budget, wanted) = (&terms.budget, &asked.budget);
    for (name, left, wanted) in [
        ("jobs", budget.jobs_max, wanted.jobs_max),
        ("releases", budget.releases_max, wanted.releases_max),
        ("cells", budget.cells_max, wanted.cells_max),
        ("claimed sets", budget.claims_max, wanted.claims_max),
        ("bytes out", budget.bytes_out_max, wanted.bytes_out_max),
        ("bits of leakage bound", budget.leakage_bits_max, wanted.leakage_bits_max),
        ("rows", budget.rows_max, wanted.rows_max),
        ("fuel", budget.fuel_max_units, wanted.fuel_max_units),
    ] {
        if left != wanted {
            cuts.push(format!("{} of {} {name}", number(left), number(wanted)));
        }
    }
    if budget.epsilon_max != wanted.epsilon_max {
        cuts.push(format!("ε {} of {}", budget.epsilon_max, wanted.epsilon_max));
    }
    let gone: Vec<_> = asked.isolations.difference(&terms.isolations).map(text::name).collect();
    if !gone.is_empty() {
        cuts.push(format!("without isolation {}", gone.join(", ")));
    }
    if terms.review_required != asked.review_required {
        cuts.push("every release waits for reviewers".to_owned());
    }
    cuts
}

fn shown(grant: &Grant) -> String {
    let terms = &grant.terms;
    let scopes = terms.scopes.iter().map(|scope| {
        let fields = scope.fields.iter().cloned().collect::<Vec<_>>().join(", ");
        let filter = scope.filter.as_ref().and_then(|filter| serde_json::to_string(filter).ok());
        format!("{}: {fields}{}", scope.dataset, filter.map(|f| format!(" where {f}")).unwrap_or_default())
    });
    let recipients = terms.recipients.iter().map(|r| format!("{} ({})", r.organisation, r.jurisdiction));
    let budget = &terms.budget;
    let approved: Vec<_> = grant.approvals.iter().filter(|a| a.approved && a.revision == grant.revision).collect();
    let missing = grant
        .suppliers
        .iter()
        .filter(|supplier| !approved.iter().any(|a| a.capacity == Capacity::Supplier && &a.organisation == *supplier));
    let mut missing: Vec<_> = missing.map(|supplier| format!("supplier {supplier}")).collect();
    if !approved.iter().any(|a| a.capacity == Capacity::Reviewer) {
        missing.push("a reviewer".to_owned());
    }
    let facts = text::sheet(&[
        ("grant", grant.id.to_string()),
        ("state", text::name(&grant.state)),
        ("title", terms.title.clone()),
        ("proposed", format!("{} of {}, {}", grant.proposed_by, grant.organisation, grant.proposed_at)),
        ("responsible", grant.responsible_person().to_string()),
        ("purpose", format!("{} on the ground of {}", text::name(&terms.purpose), text::name(&terms.basis))),
        ("term", format!("{} to {}", terms.valid_from, terms.valid_until)),
        ("scope", scopes.collect::<Vec<_>>().join("\n")),
        ("recipients", recipients.collect::<Vec<_>>().join(", ")),
        (
            "budget",
            format!(
                "{} jobs, {} releases, {} cells, {} claimed sets, {} out, {} bits of leakage bound, {} rows, {} fuel",
                number(budget.jobs_max),
                number(budget.releases_max),
                number(budget.cells_max),
                number(budget.claims_max),
                text::bytes(budget.bytes_out_max),
                number(budget.leakage_bits_max),
                number(budget.rows_max),
                text::short_number(budget.fuel_max_units)
            ),
        ),
        ("privacy loss", epsilon_max(budget)),
        ("disclosure", terms.disclosure_profile.clone()),
        ("isolations", text::names(&terms.isolations)),
        ("review", reviewed(terms).to_owned()),
        ("agreement", format!("SM3 {}", terms.agreement_sm3)),
        ("cut", cuts(grant).join("\n")),
        ("suspended by", text::names(&grant.suspended_by)),
        ("waits for", missing.join(", ")),
    ]);
    let row = |a: &Approval| {
        let said = match (a.approved, a.revision == grant.revision) {
            (true, true) if a.narrowing.is_some() => "approved less",
            (true, true) => "approved",
            (true, false) => "approved wider terms",
            (false, _) => "refused",
        };
        [
            text::name(&a.capacity),
            a.principal.to_string(),
            a.organisation.to_string(),
            said.to_owned(),
            a.at.to_string(),
            a.comment.clone(),
        ]
    };
    let approvals = text::table(["capacity", "by", "of", "decision", "at", "comment"], grant.approvals.iter().map(row));
    if grant.approvals.is_empty() { facts } else { format!("{facts}\n{approvals}") }
}
