//! The steps of the demo, in order.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, ensure};
use glovebox_api::{Decision, IngestionReport, JobState, JobView, ModuleView, SourceFormat, SubmitJob};
use glovebox_catalog::{
    Budget, Dataset, DatasetScope, Delta, Epsilon, Grant, GrantTerms, LegalBasis, OrganisationId, Privacy,
    PrivacyLimit, Purpose, Recipient, Separation, Timestamp,
};
use glovebox_client::Client;
use glovebox_gate::ReleaseDocument;
use glovebox_gm::Kernel;

use super::cast::Cast;
use super::teller::{LINE_WIDTH, Teller};
use super::{attacks, evidence};
use crate::authority::now_unix_ms;
use crate::output::Output;
use crate::released::{self, Marks};
use crate::text::{bar, number, short_number, wrapped};
use crate::zone::Zone;

/// Tables and modules are in the binary: it alone can play the demo.
mod embedded {
    pub(super) const NHANES: &str = include_str!("../../../../examples/data/nhanes-2017/dataset.json");
    pub(super) const NHANES_CSV: &[u8] = include_bytes!("../../../../examples/data/nhanes-2017/nhanes-2017.csv");
    pub(super) const RAND: &str = include_str!("../../../../examples/data/rand-hie/dataset.json");
    pub(super) const RAND_CSV: &[u8] = include_bytes!("../../../../examples/data/rand-hie/rand-hie.csv");
    pub(super) const BMI: &[u8] = include_bytes!("../../../../examples/jobs/bmi-by-age-sex/bmi-by-age-sex.wasm");
    pub(super) const VISITS: &[u8] =
        include_bytes!("../../../../examples/jobs/visits-per-person/visits-per-person.wasm");
}

const AGREEMENT: &str = "Company C computes statistics on body mass and on visits, for research, for thirty days.";
const TABLE_INDENT: &str = "                ";

/// A zone in which the story has been played.
pub(crate) struct Played {
    /// Its server still runs.
    pub(crate) zone: Zone,
    /// The grant, for going on by hand.
    pub(crate) grant: Grant,
    /// The module of the first job.
    pub(crate) module: ModuleView,
    /// The first job.
    pub(crate) job: JobView,
}

/// Plays the story in `folder`.
pub(crate) async fn play(folder: &Path, output: &Output) -> anyhow::Result<Played> {
    let mut teller = Teller::new(output);
    teller.open("Glovebox: two hospitals' patient tables, one company's code, and what may leave. 数据可用不可见\n")?;
    let (mut zone, officer) = Cast::open_zone(folder).await?;
    // Suite and group as they were agreed on, e.g. TLS_SM4_GCM_SM3, curveSM2.
    let agreed = officer.handshake().await?;
    teller.step("enclave", &[format!("runs on {}: {agreed}, SM4 on {}", zone.url(), Kernel::best())])?;

    let cast = Cast::file(&mut zone, &officer).await?;
    let filed = "7 people of 6 organisations, filed by the officer, each with an SM2 certificate";
    teller.step("people", &[filed.into()])?;

    let first = ingest(&cast.supplier_a, embedded::NHANES, embedded::NHANES_CSV).await?;
    let second = ingest(&cast.supplier_b, embedded::RAND, embedded::RAND_CSV).await?;
    teller.step("data", &[ingested("hospital-a", &first), ingested("hospital-b", &second)])?;

    let proposed = cast.developer.propose_grant(&terms([&first, &second])?).await?;
    let own_approval = attacks::approve_own_grant(&cast, &proposed).await?;
    let grant = approve(&cast, &proposed).await?;
    let fields: usize = grant.terms.scopes.iter().map(|scope| scope.fields.len()).sum();
    let granted = format!("lin.wei of company-c may compute on {fields} of 55 columns, for research, for 30 days");
    teller
        .step("grant", &[granted, "approved by both hospitals and a reviewer; then, and only then, active".into()])?;

    let module = cast.developer.submit_module(embedded::BMI).await?;
    let (job, release) = run(&cast.developer, &grant, &first, &module, None).await?;
    teller.step("row job", &[ran(&module, &release), "mean body-mass index by sex and age:".into()])?;
    output_table(output, &release, "mean_bmi", usize::MAX)?;

    let visits = cast.developer.submit_module(embedded::VISITS).await?;
    let (visits_job, visits_release) = run(&cast.developer, &grant, &second, &visits, None).await?;
    teller.step("person job", &[ran(&visits, &visits_release), "persons by share of the bill and health:".into()])?;
    let marks = output_table(output, &visits_release, "persons", 4)?;
    teller.step("withheld", &withheld(&marks)?)?;

    let privacy = Privacy::Laplace { epsilon: Epsilon::from_steps(1_000_000) };
    let (_, noisy) = run(&cast.developer, &grant, &first, &module, Some(privacy)).await?;
    teller.step("noise", &with_noise(&release, &noisy)?)?;

    let refused = [
        own_approval,
        attacks::keep_state(&cast).await?,
        attacks::read_more(&cast, &grant, &first).await?,
        attacks::subtract(&cast, &grant, &first).await?,
    ];
    teller.step("refused", &refused.concat())?;
    teller.step("meters", &meters(&cast, &grant, &first).await?)?;
    teller.step("evidence", &evidence::verify(&zone, &cast, &visits_job).await?)?;
    teller.close("No row left the enclave.")?;
    Ok(Played { zone, grant, module, job })
}

async fn ingest(supplier: &Client, dataset: &str, csv: &'static [u8]) -> anyhow::Result<IngestionReport> {
    let mut dataset: Dataset = serde_json::from_str(dataset).context("the embedded dataset")?;
    // What hospitals would allow: at most 1 in the square of some ten thousand persons for delta.
    dataset.privacy = Some(PrivacyLimit {
        epsilon: Epsilon::from_steps(3_000_000),
        delta: Delta::from_steps(1_000_000),
        epsilon_per_developer: None,
    });
    supplier.register_dataset(&dataset).await?;
    let rows = futures::stream::iter([Ok(csv.into())]);
    Ok(supplier.ingest(&dataset.id, SourceFormat::Csv, rows, Some(csv.len() as u64), |_| {}).await?)
}

fn ingested(supplier: &str, report: &IngestionReport) -> String {
    let snapshot = &report.snapshot;
    format!(
        "{supplier}: {} rows of {} persons, encrypted with SM4 ({})",
        number(snapshot.rows),
        number(snapshot.persons),
        snapshot.dataset
    )
}

fn terms(reports: [&IngestionReport; 2]) -> anyhow::Result<GrantTerms> {
    let fields: [&[&str]; 2] = [
        &["sex", "age_years", "bmi"],
        &["coinsurance", "self_rated_health", "participation", "physician_visits", "outpatient_usd"],
    ];
    let scopes = reports.iter().zip(fields).map(|(report, fields)| DatasetScope {
        dataset: report.dataset.clone(),
        fields: fields.iter().map(|field| (*field).to_owned()).collect::<BTreeSet<_>>(),
        filter: None,
    });
    let now = Timestamp::from_unix_ms(now_unix_ms());
    Ok(GrantTerms {
        title: "Body mass and visits in two tables".to_owned(),
        purpose: Purpose::Research,
        basis: LegalBasis::PublicOrAnonymised,
        scopes: scopes.collect(),
        valid_from: now,
        valid_until: now.plus_days(30),
        recipients: vec![Recipient { organisation: OrganisationId::new("company-c")?, jurisdiction: "CN".to_owned() }],
        budget: Budget {
            jobs_max: 10,
            releases_max: 10,
            claims_max: 10_000,
            cells_max: 1_000,
            bytes_out_max: 10 << 20,
            fuel_max_units: 1_000_000_000_000,
            rows_max: 200_000,
            leakage_bits_max: 40_000,
            epsilon_max: Epsilon::from_steps(2_000_000),
        },
        disclosure_profile: "default".to_owned(),
        isolations: glovebox_catalog::automatic_isolations(),
        review_required: false,
        agreement_sm3: glovebox_gm::sm3(AGREEMENT.as_bytes()).to_string(),
    })
}

async fn approve(cast: &Cast, proposed: &Grant) -> anyhow::Result<Grant> {
    let yes = |comment: &str| Decision { comment: comment.to_owned() };
    cast.supplier_a.approve_grant(&proposed.id, None, &yes("as agreed")).await?;
    cast.supplier_b.approve_grant(&proposed.id, None, &yes("as agreed")).await?;
    Ok(cast.reviewer.approve_grant(&proposed.id, None, &yes("purpose and fields fit")).await?)
}

async fn run(
    developer: &Client,
    grant: &Grant,
    report: &IngestionReport,
    module: &ModuleView,
    privacy: Option<Privacy>,
) -> anyhow::Result<(JobView, ReleaseDocument)> {
    let request = SubmitJob {
        grant: grant.id.clone(),
        dataset: report.dataset.clone(),
        module: module.id.clone(),
        parameters: std::collections::BTreeMap::new(),
        privacy,
    };
    let submitted = developer.submit_job(&request).await?;
    let job = developer.finished_job(&submitted.id).await?;
    ensure!(job.state == JobState::Released, "job `{}` ended {:?}: {:?}", job.id, job.state, job.reasons);
    let release = job.release.as_ref().context("a released job has a release")?;
    let document = developer.release(release).await?;
    Ok((job, document))
}

fn ran(module: &ModuleView, release: &ReleaseDocument) -> String {
    let isolation = match module.separation {
        Separation::StatelessProof => "proven to keep no state between rows",
        Separation::Reset => "overwritten between persons",
        Separation::FreshInstance => "a fresh sandbox for each person",
        Separation::None => "reviewed by people",
    };
    let ReleaseDocument { cells_released, cells_withheld, .. } = release;
    format!("{}: {isolation}; {cells_released} cells left, {cells_withheld} did not", module.manifest.name)
}

/// One figure with noise beside the same without, and what the noise costs.
fn with_noise(exact: &ReleaseDocument, noisy: &ReleaseDocument) -> anyhow::Result<Vec<String>> {
    let keys = ["female", "[40, 50)"];
    let cell = |release: &ReleaseDocument| {
        let table = release.tables.iter().find(|table| table.output == "mean_bmi")?;
        table.cells.iter().find(|cell| cell.keys == keys).cloned()
    };
    let (exact, noise) = (cell(exact).context("an exact mean")?, cell(noisy).context("a mean with noise")?);
    let (value, mean) = (noise.value.context("noise hides no cell")?, exact.value.context("the mean left")?);
    let half = noise.half_width_95.context("noise has a width")?;
    Ok(vec![
        format!(
            "the same job with ε = 1 instead of rules: {} figures, every cell, none withheld",
            noisy.cells_released
        ),
        format!("women of 40 to 50: {value:.1} ± {half:.1} in 95 of 100 releases; by the rules {mean:.1}"),
    ])
}

/// Shows the first lines of a table, and gives the marks of those withheld in them.
fn output_table(output: &Output, release: &ReleaseDocument, name: &str, lines_max: usize) -> anyhow::Result<Marks> {
    let table = release.tables.iter().find(|table| table.output == name);
    let table = table.with_context(|| format!("the release has no output `{name}`"))?;
    let mut marks = Marks::default();
    let grid = released::grid(table, &mut marks);
    let lines: Vec<_> = grid.lines().take(lines_max).map(|line| format!("{TABLE_INDENT}{line}")).collect();
    let shown = lines.join("\n");
    if !output.is_json() {
        output.line(&shown)?;
    }
    Ok(marks.only_in(&shown))
}

/// Why cells of a table were withheld, and what would help.
fn withheld(marks: &Marks) -> anyhow::Result<Vec<String>> {
    ensure!(marks.reasons().next().is_some(), "no cell was withheld");
    let explained = marks.reasons().flat_map(|(letter, reason)| {
        let rule = format!("✗{letter} {}: {}", reason.code, reason.rule.split(';').next().unwrap_or_default());
        let remedy = format!("remedy: {}", reason.remedy.split(", so that").next().unwrap_or_default());
        // The one that people can do something about; the others follow from it.
        let is_first_rule = reason.code == "gate.cell-below-threshold";
        let mut lines = wrapped(&rule, LINE_WIDTH);
        lines.extend(is_first_rule.then(|| wrapped(&remedy, LINE_WIDTH)).into_iter().flatten());
        lines.into_iter().map(|line| if line.starts_with('✗') { line } else { format!("   {line}") })
    });
    Ok(explained.collect())
}

async fn meters(cast: &Cast, grant: &Grant, data: &IngestionReport) -> anyhow::Result<Vec<String>> {
    let ledger = cast.supplier_a.privacy_ledger(&data.dataset).await?;
    let limit = ledger.limit.context("the dataset has a privacy limit")?;
    let spent = ledger.entries.first().context("the dataset has an account")?.epsilon_spent;
    let share = (1_000.0 * spent.value() / limit.epsilon.value()) as u64;
    let live = cast.operator.live_meters().await?;
    let meters = live.grants.iter().find(|meters| meters.grant == grant.id).context("the grant has meters")?;
    let (used, budget) = (&meters.committed, &meters.budget);
    let line = |name: &str, used: u64, limit: u64| {
        format!("{name} {} {} of {}", bar(used, limit, 12), short_number(used), short_number(limit))
    };
    Ok(vec![
        format!("{}   {}", line("jobs ", used.jobs, budget.jobs_max), line("cells", used.cells, budget.cells_max)),
        format!(
            "{}   {}",
            line("rows ", used.rows_read, budget.rows_max),
            line("bits ", used.leakage_bits, budget.leakage_bits_max)
        ),
        format!(
            "ε of {} {} {spent} of {}, at δ {:e}",
            data.dataset,
            bar(share, 1_000, 12),
            limit.epsilon,
            limit.delta.value()
        ),
    ])
}
