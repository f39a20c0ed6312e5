//! A warm job on a small table, from submission to release over mutual TLS, beside a bare round trip there.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use glovebox_api::{JobState, SourceFormat, SubmitJob};
use glovebox_benches::clock::{percentile, process_cpu};
use glovebox_benches::figure::{Aim, Figure};
use glovebox_catalog::Dataset;
use glovebox_client::Client;

use crate::zone::Zone;

const WARM_UP_JOBS: usize = 20;
const ROUND_TRIPS_PER_JOB: usize = 5;
const BARE: &str = "GET /v1/whoami";

pub(crate) fn figures(jobs: usize) -> Result<Vec<Figure>> {
    tokio::runtime::Runtime::new()?.block_on(measure(jobs))
}

async fn measure(jobs: usize) -> Result<Vec<Figure>> {
    let zone = Zone::start().await?;
    let developer = zone.client("developer")?;
    let (request, rows) = prepare(&zone, &developer).await?;
    for _ in 0..WARM_UP_JOBS {
        carry_out(&developer, &request).await?;
    }
    let (mut whole, mut bare) = (Vec::new(), Vec::new());
    let (mut whole_cpu, mut bare_cpu) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..jobs {
        let before = process_cpu();
        whole.push(carry_out(&developer, &request).await?);
        let between = process_cpu();
        for _ in 0..ROUND_TRIPS_PER_JOB {
            let start = Instant::now();
            developer.whoami().await?;
            bare.push(start.elapsed());
        }
        whole_cpu += between.saturating_sub(before);
        bare_cpu += process_cpu().saturating_sub(between);
    }
    zone.stop().await?;
    whole.sort_unstable();
    bare.sort_unstable();
    let ms = |sorted: &[Duration], share| percentile(sorted, share).as_secs_f64() * 1e3;
    let name = format!("warm job on {rows} rows, submitted to released");
    let figure = |share: f64, rank: &str| {
        let name = format!("{name}, {rank} of {jobs}");
        Figure::new(name, ms(&whole, share), "ms").beside(BARE, ms(&bare, share))
    };
    // What other programs on the machine do lengthens the times above, and this one hardly.
    let cpu_ms = |taken: Duration, times: usize| taken.as_secs_f64() * 1e3 / times as f64;
    let cpu = Figure::new(format!("{name}, CPU of client and enclave"), cpu_ms(whole_cpu, jobs), "ms");
    let cpu = cpu.beside(BARE, cpu_ms(bare_cpu, jobs * ROUND_TRIPS_PER_JOB));
    Ok(vec![figure(0.5, "p50").aiming(Aim::AtMost(20.0)), figure(0.99, "p99"), cpu])
}

/// Takes in NHANES 2017–2018, files the job and has it granted.
async fn prepare(zone: &Zone, developer: &Client) -> Result<(SubmitJob, u64)> {
    let text = std::fs::read_to_string(repository("examples/data/nhanes-2017/dataset.json"))?;
    let dataset: Dataset = serde_json::from_str(&text)?;
    zone.client("supplier")?.register_dataset(&dataset).await?;
    let table = repository("examples/data/nhanes-2017/nhanes-2017.csv");
    let report = zone.client("operator")?.ingest_file(&dataset.id, SourceFormat::Csv, table, |_| {}).await?;
    let module = tokio::fs::read(repository("examples/jobs/bmi-by-age-sex/bmi-by-age-sex.wasm")).await?;
    let module = developer.submit_module(module).await?;
    let grant = zone.grant(&dataset.id, &["sex", "age_years", "bmi"]).await?;
    let parameters = Default::default();
    let request = SubmitJob { grant: grant.id, dataset: dataset.id, module: module.id, parameters, privacy: None };
    Ok((request, report.snapshot.rows))
}

/// Time from submission until the developer is told that the job is released.
async fn carry_out(developer: &Client, request: &SubmitJob) -> Result<Duration> {
    let start = Instant::now();
    let submitted = developer.submit_job(request).await?;
    let mut states = developer.watch_job(&submitted.id);
    let mut last = None;
    while let Some(event) = states.next().await {
        last = Some(event?.state);
    }
    let taken = start.elapsed();
    let state = last.context("no state was told")?;
    ensure!(state == JobState::Released, "the job ended as {state:?}");
    Ok(taken)
}

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
