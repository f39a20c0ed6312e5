//! Promises of the design that no single crate can keep: nobody starves another, nobody uses what is another's, two runs
//! are one, and a damaged file gives an error and never a wrong answer. What leaks is in `leaks`.

use std::path::Path;
use std::time::{Duration, Instant};

use glovebox_api::{JobState, JobView, SubmitJob};
use glovebox_catalog::{Budget, Capacity, GrantTerms, OrganisationId, Recipient};
use glovebox_client::{Client, ReleaseFormat as Format};
use glovebox_engine::{Engine, ReleaseFormat};

use crate::enclave::{self, Contents, caller, ended};
use crate::rest::zone::{PASSPHRASE, Zone};
use crate::world::{World, file_others, ingest, other};

/// A zone in which company-c and company-d each have a grant on the same 400 persons.
async fn two_developers(change: impl FnOnce(&mut glovebox_engine::Config)) -> (Zone, [(Client, SubmitJob); 2]) {
    let zone = Zone::start_with(Default::default(), change).await;
    file_others(&zone).await;
    let dataset = enclave::dataset();
    zone.client("supplier").register_dataset(&dataset).await.unwrap();
    ingest(&zone, &dataset, enclave::table(0)).await;
    let mut both = Vec::new();
    for (developer, organisation) in
        [(zone.client("developer"), "company-c"), (other(&zone, "developer-d"), "company-d")]
    {
        let grant = granted(&zone, &developer, &terms_of(&enclave::terms(&dataset.id), organisation)).await;
        let module = developer.submit_module(enclave::module_bytes()).await.unwrap().id;
        let dataset = dataset.id.clone();
        both.push((developer, SubmitJob { grant, dataset, module, parameters: Default::default(), privacy: None }));
    }
    (zone, both.try_into().ok().unwrap())
}

fn terms_of(terms: &GrantTerms, organisation: &str) -> GrantTerms {
    let recipient =
        Recipient { organisation: OrganisationId::new(organisation).unwrap(), jurisdiction: "CN".to_owned() };
    GrantTerms { recipients: vec![recipient], ..terms.clone() }
}

async fn granted(zone: &Zone, developer: &Client, terms: &GrantTerms) -> glovebox_catalog::GrantId {
    let grant = developer.propose_grant(terms).await.unwrap().id;
    let why = Default::default();
    zone.client("supplier").approve_grant(&grant, Some(Capacity::Supplier), &why).await.unwrap();
    zone.client("reviewer").approve_grant(&grant, None, &why).await.unwrap();
    grant
}

async fn state(client: &Client, job: &JobView) -> JobState {
    client.job(&job.id).await.unwrap().state
}

async fn until(client: &Client, job: &JobView, wanted: JobState) {
    let start = Instant::now();
    while state(client, job).await != wanted {
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", client.job(&job.id).await.unwrap());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One developer's many long jobs delay another's short one by one job, not by all.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_starves_behind_anothers_long_jobs() {
    let (zone, [(c, of_c), (d, of_d)]) = two_developers(|config| config.workers = 1).await;
    let slow = c.submit_module(enclave::slow_module()).await.unwrap().id;
    let slow = SubmitJob { module: slow, ..of_c };
    let mut long = Vec::new();
    for _ in 0..4 {
        long.push(c.submit_job(&slow).await.unwrap());
    }
    until(&c, &long[0], JobState::Running).await;
    let short = d.submit_job(&of_d).await.unwrap();
    // It waits behind the one that runs, not behind the three that came before it.
    let queued: Vec<_> =
        zone.client("operator").live_meters().await.unwrap().queued.iter().map(|job| job.job.clone()).collect();
    assert!(queued.iter().position(|job| *job == short.id).is_none_or(|place| place <= 1), "{queued:?}");
    c.cancel_job(&long[0].id).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), d.finished_job(&short.id)).await.unwrap().unwrap();
    assert_eq!(ended.state, JobState::Released);
    // One of the other's ran before it, one may have begun since; the last still waits.
    assert!([JobState::Queued, JobState::Running].contains(&state(&c, &long[2]).await));
    assert_eq!(state(&c, &long[3]).await, JobState::Queued);
    for job in long.iter().rev() {
        // The second may have come to its own end by now.
        let _ = c.cancel_job(&job.id).await;
        let ended = c.finished_job(&job.id).await.unwrap();
        assert!(ended.state == JobState::Killed || job.id == long[1].id, "{ended:?}");
    }
}

/// Wall time and fuel end a job that does not end by itself, and the worker goes on with the next.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_an_end_is_ended() {
    let (_zone, [(c, of_c), (d, of_d)]) = two_developers(|config| {
        config.workers = 1;
        config.limits.wall = Duration::from_millis(300);
        config.limits.fuel_per_person_units = 1 << 40;
    })
    .await;
    let slow = c.submit_module(enclave::slow_module()).await.unwrap().id;
    let endless = c.submit_job(&SubmitJob { module: slow, ..of_c }).await.unwrap();
    let next = d.submit_job(&of_d).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), c.finished_job(&endless.id)).await.unwrap().unwrap();
    let codes: Vec<_> = ended.reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert_eq!((ended.state, codes), (JobState::Failed, vec!["run.wall-time"]));
    assert_eq!(d.finished_job(&next.id).await.unwrap().state, JobState::Released);
}

/// Two developers who work together have no more than each has alone: no grant, module, job, release or receipt of
/// the other, and no way to tell whether it exists.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_one_developers_is_of_no_use_to_another() {
    let world = World::start().await;
    let (c, d) = (world.zone.client("developer"), other(&world.zone, "developer-d"));
    let forbidden = |error: glovebox_client::ClientError| {
        assert!([Some(403), Some(404)].contains(&error.status()), "{error}");
    };
    // The grant.
    forbidden(d.submit_job(&world.job.request).await.unwrap_err());
    forbidden(d.grant(&world.grant.id).await.unwrap_err());
    forbidden(d.revoke_grant(&world.grant.id, &Default::default()).await.unwrap_err());
    // The job, what it gave, and what proves it.
    forbidden(d.job(&world.job.id).await.unwrap_err());
    forbidden(d.cancel_job(&world.job.id).await.unwrap_err());
    forbidden(d.watch_job(&world.job.id).next().await.unwrap().unwrap_err());
    forbidden(d.release(&world.release).await.unwrap_err());
    for format in [Format::Json, Format::Csv, Format::Arrow, Format::Parquet] {
        forbidden(d.release_bytes(&world.release, format).await.unwrap_err());
    }
    forbidden(d.job_receipt(&world.job.id).await.unwrap_err());
    forbidden(d.release_receipt(&world.release).await.unwrap_err());
    // The module, by its digest: to see, and to run under a grant of their own.
    forbidden(d.module(&world.module).await.unwrap_err());
    let own = granted(&world.zone, &d, &terms_of(&enclave::terms(&world.dataset.id), "company-d")).await;
    let request = SubmitJob { grant: own, ..world.job.request.clone() };
    let refused = d.submit_job(&request).await.unwrap_err();
    assert_eq!(refused.code(), Some("request.not-found"));
    let absent = "0".repeat(64).parse().unwrap();
    let unknown = d.submit_job(&SubmitJob { module: absent, ..request.clone() }).await.unwrap_err();
    assert_eq!((refused.status(), refused.code()), (unknown.status(), unknown.code()));
    // Whoever has the bytes may use them; it does not tell who had them before.
    let theirs = d.submit_module(enclave::module_bytes()).await.unwrap();
    assert_eq!(theirs.id, world.module);
    for seen in [theirs, d.module(&world.module).await.unwrap()] {
        assert_eq!((seen.organisation.as_str(), seen.submitted_by.as_str()), ("company-d", "developer-d"));
    }
    let job = d.submit_job(&request).await.unwrap();
    assert_eq!(d.finished_job(&job.id).await.unwrap().state, JobState::Released);
    assert_eq!(c.module(&world.module).await.unwrap().submitted_by.as_str(), "developer");
    // And neither can pass a grant on: one that names the other's organisation alone, or uses the other's job.
    let passed_on = c.propose_grant(&terms_of(&enclave::terms(&world.dataset.id), "company-d")).await;
    assert_eq!(passed_on.unwrap_err().status(), Some(422));
    forbidden(c.job(&job.id).await.unwrap_err());
    forbidden(c.submit_job(&request).await.unwrap_err());
}

/// The release of a job, as bytes, and the fuel that it burnt.
async fn run(engine: &Engine, contents: &Contents) -> (Vec<u8>, u64) {
    let burnt = || engine.live_meters(&caller("operator")).unwrap().fuel_units;
    let before = burnt();
    let job = engine.submit_job(&caller("developer"), contents.job.clone()).unwrap();
    let job = ended(engine, &job).await;
    assert_eq!(job.state, JobState::Released);
    (release(engine, &job), burnt() - before)
}

fn release(engine: &Engine, job: &JobView) -> Vec<u8> {
    engine.release_bytes(&caller("developer"), job.release.as_ref().unwrap(), ReleaseFormat::Json).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_on_one_snapshot_agree_to_the_byte_and_the_unit_of_fuel() {
    let folder = tempfile::tempdir().unwrap();
    let contents = enclave::make(folder.path()).await;
    let engine = enclave::open(folder.path());
    engine.start();
    let first = run(&engine, &contents).await;
    assert!(first.0.len() > 1_000 && first.1 > 400);
    assert_eq!(run(&engine, &contents).await, first);
    engine.shutdown(Duration::from_secs(10)).await;
    drop(engine);
    // In another process, with other batches under way, and with more workers.
    let mut config = enclave::config(folder.path());
    config.workers = 3;
    let engine = Engine::open(config, PASSPHRASE).unwrap();
    engine.start();
    assert_eq!(run(&engine, &contents).await, first);
    // Other rows, other numbers: what agrees is not a constant.
    enclave::ingest(&engine, &contents.dataset, &enclave::table(3)).await;
    assert_ne!(run(&engine, &contents).await.0, first.0);
    engine.shutdown(Duration::from_secs(10)).await;
}

/// What a flipped bit led to.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    AtStart,
    ByTheJob,
    /// The bit was of no consequence: every answer is what it was.
    NotAtAll,
}

/// Opens a damaged enclave, and runs the job that ran before.
async fn consequence(state: &Path, contents: &Contents, reference: &[u8], place: &str) -> Found {
    let engine = match Engine::open(enclave::config(state), PASSPHRASE) {
        Ok(engine) => engine,
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("internal: ") && text.len() > 30, "{place}: {text}");
            return Found::AtStart;
        }
    };
    engine.start();
    let old = enclave::jobs(&engine).pop().unwrap();
    assert_eq!(release(&engine, &old), reference, "{place}: the old release changed");
    let job = engine.submit_job(&caller("developer"), contents.job.clone()).unwrap();
    let job = ended(&engine, &job).await;
    let found = match job.state {
        JobState::Failed => {
            assert_eq!(job.reasons[0].code, "run.internal", "{place}");
            assert_eq!(job.release, None);
            Found::ByTheJob
        }
        state => {
            assert_eq!(state, JobState::Released, "{place}: {job:?}");
            assert_eq!(release(&engine, &job), reference, "{place}: a wrong answer");
            Found::NotAtAll
        }
    };
    engine.shutdown(Duration::from_secs(10)).await;
    found
}

/// One bit of every file that the enclave keeps, at several places: found, or of no consequence.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_any_file_never_gives_a_wrong_answer() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let contents = enclave::make(&whole).await;
    let reference = {
        let engine = enclave::open(&whole);
        release(&engine, &enclave::jobs(&engine).pop().unwrap())
    };
    let mut told = Vec::new();
    for file in enclave::files(&whole) {
        let name = file.strip_prefix(&whole).unwrap().to_owned();
        let length = std::fs::metadata(&file).unwrap().len() as usize;
        if length == 0 {
            continue;
        }
        for offset in [length / 7, length / 2, length - 1] {
            let state = folder.path().join("flipped");
            enclave::copy(&whole, &state);
            let mut bytes = std::fs::read(&file).unwrap();
            bytes[offset] ^= 1;
            std::fs::write(state.join(&name), bytes).unwrap();
            let place = format!("{} at {offset} of {length}", name.display());
            let found = consequence(&state, &contents, &reference, &place).await;
            told.push((name.display().to_string(), found, place));
            std::fs::remove_dir_all(&state).unwrap();
        }
    }
    // Keys are verified whole at the start; of the rest, no file is without a bit that counts.
    for (name, found, place) in &told {
        if name.contains("key") {
            assert_eq!(*found, Found::AtStart, "{place}");
        }
        assert!(told.iter().any(|other| other.0 == *name && other.1 != Found::NotAtAll), "{name}: {told:?}");
    }
    assert!(told.iter().any(|(_, found, _)| *found == Found::ByTheJob), "{told:?}");
}

/// A budget is what several jobs at once may use together.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_at_once_do_not_overdraw_a_budget() {
    let folder = tempfile::tempdir().unwrap();
    let contents = enclave::make(folder.path()).await;
    let mut config = enclave::config(folder.path());
    config.workers = 3;
    let engine = Engine::open(config, PASSPHRASE).unwrap();
    let budget = Budget { releases_max: 2, ..enclave::terms(&contents.dataset).budget };
    let grant = enclave::granted(&engine, GrantTerms { budget, ..enclave::terms(&contents.dataset) });
    let request = SubmitJob { grant: grant.id, ..contents.job.clone() };
    let submit = |_| engine.submit_job(&caller("developer"), request.clone()).unwrap();
    let jobs: Vec<_> = (0..6).map(submit).collect();
    engine.start();
    let mut released = 0;
    for job in &jobs {
        let job = ended(&engine, job).await;
        match job.state {
            JobState::Released => released += 1,
            state => assert_eq!((state, job.reasons[0].code.as_str()), (JobState::Refused, "meter.releases-exhausted")),
        }
    }
    assert_eq!(released, 2);
    engine.shutdown(Duration::from_secs(10)).await;
}
