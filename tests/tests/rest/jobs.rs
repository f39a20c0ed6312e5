//! A job from submission to receipt over the wire, and what happens to jobs under load and shutdown.

use std::time::{Duration, Instant};

use futures::TryStreamExt as _;
use glovebox_api::{JobState, SourceFormat, SubmitJob};
use glovebox_audit::verify_export;
use glovebox_catalog::{Dataset, Grant, ModuleId};
use glovebox_client::{Paging, ReleaseFormat, verify_receipt, verify_release};
use glovebox_engine::{Config, Engine};
use glovebox_gm::VerifyingKey;

use super::zone::{PASSPHRASE, Zone, repository};

async fn ready(zone: &Zone) -> (Dataset, Grant) {
    let dataset = zone.with_data().await;
    zone.client("operator").ingest_file(&dataset.id, SourceFormat::Csv, zone.table(), |_| {}).await.unwrap();
    let grant = zone.with_grant(&dataset.id).await;
    (dataset, grant)
}

fn job(dataset: &Dataset, grant: &Grant, module: &ModuleId) -> SubmitJob {
    SubmitJob {
        grant: grant.id.clone(),
        dataset: dataset.id.clone(),
        module: module.clone(),
        parameters: Default::default(),
        privacy: None,
    }
}

/// A module whose every person burns all the fuel it may: a job of many seconds.
fn slow_module() -> Vec<u8> {
    let manifest = serde_json::json!({
        "abi": "glovebox:job@0.1.0", "name": "slow", "version": "1", "description": "burns fuel",
        "isolation": "person", "inputs": [{"name": "age_years", "type": "int64"}],
        "outputs": [{"name": "persons", "reducer": "count"}], "contributions_per_person_max": 1,
    })
    .to_string();
    let escaped: String = manifest.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    wat::parse_str(format!(
        "(module
           (@custom \"glovebox.job\" \"{escaped}\")
           (memory (export \"memory\") 1)
           (func (export \"gb_alloc\") (param i32 i32) (result i32) (i32.const 1024))
           (func (export \"gb_person\") (param i32) (result i64)
             (loop $again (br $again))
             (i64.const 0)))"
    ))
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_from_submission_to_a_receipt_that_verifies() {
    let zone = Zone::start().await;
    let (dataset, grant) = ready(&zone).await;
    let developer = zone.client("developer");
    let bytes = std::fs::read(repository("examples/jobs/bmi-by-age-sex/bmi-by-age-sex.wasm")).unwrap();
    let module = developer.submit_module(bytes).await.unwrap();
    let submitted = developer.submit_job(&job(&dataset, &grant, &module.id)).await.unwrap();

    let mut states = Vec::new();
    let mut watching = developer.watch_job(&submitted.id);
    while let Some(event) = watching.next().await {
        states.push(event.unwrap().state);
    }
    assert_eq!(states.last(), Some(&JobState::Released), "{states:?}");
    assert!(states.is_sorted(), "{states:?}");
    // Watching an ended job tells its end.
    let mut ended = developer.watch_job(&submitted.id);
    assert_eq!(ended.next().await.unwrap().unwrap().state, JobState::Released);
    assert!(ended.next().await.is_none());

    let release = developer.job(&submitted.id).await.unwrap().release.unwrap();
    let document = developer.release(&release).await.unwrap();
    assert_eq!(document.tables.len(), 4);
    let metrics = zone.metrics().await;
    let left = format!("glovebox_budget_left{{grant=\"{}\",meter=\"jobs\"}} 99\n", grant.id);
    assert!(metrics.contains(&left), "{metrics}");
    let json = developer.release_bytes(&release, ReleaseFormat::Json).await.unwrap();
    let parquet = developer.release_bytes(&release, ReleaseFormat::Parquet).await.unwrap();
    assert!(parquet.starts_with(b"PAR1"));
    let csv = developer.release_bytes(&release, ReleaseFormat::Csv).await.unwrap();
    assert!(std::str::from_utf8(&csv).unwrap().lines().count() > 20);
    assert!(!developer.release_bytes(&release, ReleaseFormat::Arrow).await.unwrap().is_empty());
    let listed = developer.releases(&Paging::default()).await.unwrap();
    assert_eq!(listed.items.first().map(|summary| summary.id.clone()), Some(release.clone()));

    let key = developer.key().await.unwrap();
    let receipt = developer.release_receipt(&release).await.unwrap();
    verify_release(&json, &receipt, &key).unwrap();
    verify_receipt(&developer.job_receipt(&submitted.id).await.unwrap(), &key).unwrap();
    let mut forged = receipt.clone();
    forged.statement.cells_released += 1;
    assert!(verify_receipt(&forged, &key).is_err());
    assert!(verify_release(&csv, &receipt, &key).is_err());

    let chunks: Vec<_> = zone.client("regulator").export_audit().await.unwrap().try_collect().await.unwrap();
    let public = VerifyingKey::from_pem(&key.public_key_pem).unwrap();
    let summary = verify_export(chunks.concat().as_slice(), &public, Some(&receipt.head)).unwrap();
    assert!(summary.head.size > receipt.head.head.size);
    assert_eq!(zone.client("supplier").export_audit().await.err().unwrap().status(), Some(403));
    let meters = developer.meters(&Paging::default()).await.unwrap();
    assert_eq!(meters.items.len(), 1);
    assert_eq!(meters.items.first().unwrap().committed.releases, 1);
    assert!(zone.client("operator").live_meters().await.unwrap().releases == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_answers_429_and_a_job_can_be_cancelled() {
    let zone = Zone::start_with(Default::default(), |config| {
        config.queue_jobs_max = 1;
        config.queue_jobs_per_organisation_max = 1;
    })
    .await;
    let (dataset, grant) = ready(&zone).await;
    let developer = zone.client("developer");
    let module = developer.submit_module(slow_module()).await.unwrap();
    let request = job(&dataset, &grant, &module.id);
    let first = developer.submit_job(&request).await.unwrap();
    let start = Instant::now();
    while developer.job(&first.id).await.unwrap().state != JobState::Running {
        assert!(start.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let second = developer.submit_job(&request).await.unwrap();
    assert_eq!(second.state, JobState::Queued);

    let raw = zone.raw(Some(&zone.certificate("developer")));
    let post = raw.post(zone.url("/v1/jobs")).header("content-type", "application/json");
    let answer = post.body(serde_json::to_vec(&request).unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), 429);
    let seconds: u32 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3600).contains(&seconds));

    for id in [&second.id, &first.id] {
        developer.cancel_job(id).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(20), developer.finished_job(id)).await.unwrap();
        assert_eq!(ended.unwrap().state, JobState::Killed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_in_the_middle_of_a_job_ends_streams_and_loses_nothing() {
    let mut zone = Zone::start().await;
    let (dataset, grant) = ready(&zone).await;
    let developer = zone.client("developer");
    let module = developer.submit_module(slow_module()).await.unwrap();
    let submitted = developer.submit_job(&job(&dataset, &grant, &module.id)).await.unwrap();
    let mut watching = developer.watch_job(&submitted.id);
    while watching.next().await.unwrap().unwrap().state != JobState::Running {}

    let raw = zone.raw(Some(&zone.certificate("developer")));
    let events = raw.get(zone.url(&format!("/v1/jobs/{}/events", submitted.id))).send().await.unwrap();
    let start = Instant::now();
    zone.ask_to_stop();
    // The stream ends as a whole answer, not as a broken one.
    let text = events.text().await.unwrap();
    assert!(text.contains("event: state") && text.contains("\"running\""), "{text}");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    zone.finished().await;
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(developer.whoami().await.is_err());

    let config = Config::new(zone.folder.path().join("state"));
    // In one process the last task that held the enclave may be dropped a moment after the server has returned.
    let engine = tokio::task::spawn_blocking(move || {
        for _ in 0..50 {
            match Engine::open(config.clone(), PASSPHRASE) {
                Err(error) if error.to_string().contains("in use") => std::thread::sleep(Duration::from_millis(100)),
                opened => return opened,
            }
        }
        Engine::open(config, PASSPHRASE)
    });
    let engine = engine.await.unwrap().unwrap();
    let figures = engine.figures().unwrap();
    // It waits to be run again, and the log is whole (it is verified when it is opened).
    assert_eq!((figures.jobs_queued, figures.jobs_running), (1, 0));
}
