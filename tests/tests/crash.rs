//! `kill -9` at every step of a job and of an ingestion, and at random moments: after the next start the log verifies,
//! no budget is un-spent, every job ends, and nothing leaves twice.
//!
//! The process that dies is this test binary again, told by an environment variable what to do and when to die.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glovebox_api::{JobState, JobView, SubmitJob};
use glovebox_audit::SignedTreeHead;
use glovebox_catalog::{DatasetId, GrantTerms, Timestamp};
use glovebox_engine::{Engine, PageQuery, Step, StepWatcher};
use glovebox_meter::Amounts;
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};

use crate::enclave::{self, Contents, account, caller, config, ended, head, jobs, key, table, verified_log};
use crate::rest::zone::{PASSPHRASE, now_unix_ms};

const ERRAND: &str = "GLOVEBOX_CRASH_ERRAND";
/// More rounds of random kills than the default.
const ROUNDS: &str = "GLOVEBOX_CRASH_ROUNDS";
const KILL: i32 = 9;
/// Bits of how and when a job ended (docs/disclosure.md).
const END_BITS: u64 = 9;
/// What a job on the 400 rows holds and pays: 10,000 units for each of its four outputs and each row.
const FUEL_UNITS: u64 = 400 * 4 * 10_000;

/// What the child does until it dies.
#[derive(Serialize, Deserialize)]
struct Errand {
    state: PathBuf,
    /// Name of the step after which it dies.
    dies_at: Option<String>,
    dies_after_ms: Option<u64>,
    does: Does,
}

#[derive(Serialize, Deserialize)]
enum Does {
    /// Submits a job and waits for its end.
    Job(SubmitJob),
    /// Waits for the end of the jobs that are there.
    Resume,
    Ingest(DatasetId),
    /// Jobs and ingestions, one after another, for ever.
    Everything(SubmitJob),
}

fn die() -> ! {
    kill_process(getpid(), Signal::KILL).unwrap();
    loop {
        std::thread::park();
    }
}

/// Does its errand when it is the child; in an ordinary run of the tests there is nothing to do.
#[test]
fn the_child_that_dies() {
    let Ok(errand) = std::env::var(ERRAND) else { return };
    let Errand { state, dies_at, dies_after_ms, does } = serde_json::from_str(&errand).unwrap();
    if let Some(after) = dies_after_ms {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(after));
            die()
        });
    }
    let mut config = config(&state);
    config.on_step = Some(StepWatcher::new(move |step| {
        if dies_at.as_deref() == Some(&name(step)) {
            die();
        }
    }));
    runtime().block_on(async move {
        let engine = Engine::open(config, PASSPHRASE).unwrap();
        engine.start();
        match does {
            Does::Job(job) => {
                let job = engine.submit_job(&caller("developer"), job).unwrap();
                ended(&engine, &job).await;
            }
            Does::Resume => end_all(&engine).await,
            Does::Ingest(dataset) => {
                enclave::ingest(&engine, &dataset, &table(1)).await;
            }
            Does::Everything(job) => loop {
                let submitted = engine.submit_job(&caller("developer"), job.clone()).unwrap();
                engine.submit_job(&caller("developer"), job.clone()).unwrap();
                enclave::ingest(&engine, &job.dataset, &table(1)).await;
                ended(&engine, &submitted).await;
            },
        }
    });
}

fn name(step: Step) -> String {
    format!("{step:?}")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn send(errand: &Errand) -> ExitStatus {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["crash::the_child_that_dies", "--exact", "--nocapture"])
        .env(ERRAND, serde_json::to_string(errand).unwrap());
    child.stdout(Stdio::null()).status().unwrap()
}

fn killed_at(state: &Path, step: Step, does: Does) {
    let errand = Errand { state: state.to_owned(), dies_at: Some(name(step)), dies_after_ms: None, does };
    let status = send(&errand);
    assert_eq!(status.signal(), Some(KILL), "{step:?}: {status}");
}

/// Where the enclave stood before a crash.
struct Before {
    head: SignedTreeHead,
    committed: Amounts,
    jobs: Vec<JobView>,
    files: Vec<PathBuf>,
}

/// An enclave to be copied, and where it stands.
fn made(runtime: &tokio::runtime::Runtime, folder: &Path) -> (Contents, Before) {
    let state = folder.join("made");
    let contents = runtime.block_on(enclave::make(&state));
    let engine = enclave::open(&state);
    let (committed, reserved) = account(&engine, &contents);
    assert_eq!((committed.jobs, committed.releases, reserved), (1, 1, Amounts::default()));
    let before = Before { head: head(&engine), committed, jobs: jobs(&engine), files: vault_files(&state) };
    drop(engine);
    (contents, before)
}

fn vault_files(state: &Path) -> Vec<PathBuf> {
    let files = enclave::files(&state.join("vault"));
    files.into_iter().map(|path| path.strip_prefix(state).unwrap().to_owned()).collect()
}

async fn end_all(engine: &Engine) {
    for job in jobs(engine) {
        ended(engine, &job).await;
    }
}

/// The releases of a job; there must never be two.
fn releases_of(engine: &Engine, job: &JobView) -> usize {
    let page = engine.releases(&caller("developer"), &PageQuery { cursor: None, limit: 500 }).unwrap();
    page.items.iter().filter(|release| release.job == job.id).count()
}

/// What a job holds, and pays when nobody knows how far it came.
fn worst_case(claims: u64) -> Amounts {
    Amounts { jobs: 1, claims, fuel_units: FUEL_UNITS, rows_read: 400, leakage_bits: END_BITS, ..Amounts::default() }
}

fn less(a: Amounts, b: Amounts) -> Amounts {
    Amounts {
        jobs: a.jobs - b.jobs,
        releases: a.releases - b.releases,
        cells: a.cells - b.cells,
        claims: a.claims - b.claims,
        bytes_out: a.bytes_out - b.bytes_out,
        leakage_bits: a.leakage_bits - b.leakage_bits,
        fuel_units: a.fuel_units - b.fuel_units,
        rows_read: a.rows_read - b.rows_read,
    }
}

#[test]
fn a_job_killed_at_any_step_ends_once_and_pays_once() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let (contents, before) = made(&runtime, folder.path());
    // All jobs read the same snapshot, so each costs what the first did, to the unit.
    let price = before.committed;
    for step in Step::OF_A_JOB {
        let state = folder.path().join(name(step));
        enclave::copy(&folder.path().join("made"), &state);
        killed_at(&state, step, Does::Job(contents.job.clone()));

        let engine = enclave::open(&state);
        let job = jobs(&engine).into_iter().find(|job| before.jobs.iter().all(|old| old.id != job.id)).unwrap();
        let (committed, reserved) = account(&engine, &contents);
        if step == Step::Settled {
            assert_eq!((job.state, releases_of(&engine, &job)), (JobState::Released, 1), "{step:?}");
            assert_eq!(less(committed, before.committed), price, "{step:?}");
        } else {
            // Nothing has left, and what was reserved stays so until it has run.
            assert_eq!((job.state, releases_of(&engine, &job)), (JobState::Queued, 0), "{step:?}");
            assert_eq!(committed, before.committed, "{step:?}");
        }
        let holds = (Step::Reserved..Step::Settled).contains(&step);
        assert_eq!((reserved.jobs, reserved.releases), (u64::from(holds), u64::from(holds)), "{step:?}");

        runtime.block_on(async {
            engine.start();
            let job = ended(&engine, &job).await;
            assert_eq!((job.state, releases_of(&engine, &job)), (JobState::Released, 1), "{step:?}");
            let (committed, reserved) = account(&engine, &contents);
            assert_eq!(less(committed, before.committed), price, "{step:?}");
            assert_eq!(reserved, Amounts::default(), "{step:?}");
            let receipt = engine.job_receipt(&caller("developer"), &job.id).unwrap();
            receipt.verify(&key(&engine)).unwrap();
            assert_eq!(receipt.statement.release, job.release);
            let log = verified_log(&engine, &before.head);
            let of_job = |action: &str| {
                let (action, resource) =
                    (format!("\"action\":\"{action}\""), format!("\"resource\":\"job/{}\"", job.id));
                log.iter().filter(|line| line.contains(&action) && line.contains(&resource)).count()
            };
            assert_eq!((of_job("job.submit"), of_job("budget.reserve"), of_job("job.settle")), (1, 1, 1), "{step:?}");
            let resumed = (Step::Started..Step::Settled).contains(&step);
            assert_eq!(of_job("job.resume"), usize::from(resumed), "{step:?}");
            engine.shutdown(Duration::from_secs(10)).await;
        });
    }
}

#[test]
fn an_ingestion_killed_at_any_step_is_whole_or_absent() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let (contents, before) = made(&runtime, folder.path());
    for step in Step::OF_AN_INGESTION {
        let state = folder.path().join(name(step));
        enclave::copy(&folder.path().join("made"), &state);
        killed_at(&state, step, Does::Ingest(contents.dataset.clone()));

        let engine = enclave::open(&state);
        let published = step != Step::Staged;
        let snapshots = engine.snapshots(&caller("operator"), &contents.dataset).unwrap();
        let numbers: Vec<u32> = snapshots.iter().map(|snapshot| snapshot.number).collect();
        assert_eq!(numbers, if published { vec![1, 2] } else { vec![1] }, "{step:?}");
        if !published {
            assert_eq!(vault_files(&state), before.files, "what was staged is gone");
        }
        runtime.block_on(async {
            if !published {
                assert_eq!(enclave::ingest(&engine, &contents.dataset, &table(1)).await, 2);
            }
            engine.start();
            let job = engine.submit_job(&caller("developer"), contents.job.clone()).unwrap();
            assert_eq!(ended(&engine, &job).await.state, JobState::Released, "{step:?}");
            let receipt = engine.job_receipt(&caller("developer"), &job.id).unwrap();
            receipt.verify(&key(&engine)).unwrap();
            let snapshots = engine.snapshots(&caller("operator"), &contents.dataset).unwrap();
            let latest = snapshots.last().unwrap();
            assert_eq!((receipt.statement.snapshot, latest.rows), (2, 400), "{step:?}");
            assert_eq!(receipt.statement.snapshot_sm3.to_string(), latest.digest_sm3, "{step:?}");
            verified_log(&engine, &before.head);
            assert_eq!(enclave::ingest(&engine, &contents.dataset, &table(2)).await, 3);
            engine.shutdown(Duration::from_secs(10)).await;
        });
    }
}

/// A job that had run when the process was killed may not go on: someone stops it, or the term of its grant is over.
/// It read the rows all the same, so it pays.
#[test]
fn a_job_that_may_not_go_on_after_a_kill_pays_for_what_it_read() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let (contents, before) = made(&runtime, folder.path());
    let spent = worst_case(before.committed.claims);

    let state = folder.path().join("stopped");
    enclave::copy(&folder.path().join("made"), &state);
    killed_at(&state, Step::Ran, Does::Job(contents.job.clone()));
    let engine = enclave::open(&state);
    let job = engine.cancel_job(&caller("developer"), &jobs(&engine)[0].id).unwrap();
    assert_eq!(job.state, JobState::Killed);
    let (committed, reserved) = account(&engine, &contents);
    assert_eq!((less(committed, before.committed), reserved), (spent, Amounts::default()));
    verified_log(&engine, &before.head);
    drop(engine);

    let state = folder.path().join("expired");
    enclave::copy(&folder.path().join("made"), &state);
    let engine = enclave::open(&state);
    let until = now_unix_ms() + 20_000;
    let terms = GrantTerms { valid_until: Timestamp::from_unix_ms(until), ..enclave::terms(&contents.dataset) };
    let grant = enclave::granted(&engine, terms).id;
    drop(engine);
    let job = SubmitJob { grant, ..contents.job.clone() };
    killed_at(&state, Step::Ran, Does::Job(job.clone()));
    std::thread::sleep(Duration::from_millis(u64::try_from(until - now_unix_ms()).unwrap_or(0)));
    runtime.block_on(async {
        let engine = enclave::open(&state);
        engine.start();
        let ended = ended(&engine, &jobs(&engine)[0]).await;
        let codes: Vec<_> = ended.reasons.iter().map(|reason| reason.code.as_str()).collect();
        assert_eq!((ended.state, codes[0]), (JobState::Refused, "policy.grant-expired"));
        assert_eq!(account(&engine, &Contents { job, ..contents.clone() }), (spent, Amounts::default()));
        verified_log(&engine, &before.head);
        engine.shutdown(Duration::from_secs(10)).await;
    });
}

/// A job that takes the process with it every time must not do so for ever; and what it held is spent, since nobody
/// knows what it used.
#[test]
fn a_job_that_was_running_at_four_kills_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let (contents, before) = made(&runtime, folder.path());
    for step in [Step::Started, Step::Ran] {
        let state = folder.path().join(name(step));
        enclave::copy(&folder.path().join("made"), &state);
        killed_at(&state, step, Does::Job(contents.job.clone()));
        for _ in 0..3 {
            killed_at(&state, step, Does::Resume);
        }
        let engine = enclave::open(&state);
        let job = jobs(&engine).into_iter().find(|job| before.jobs.iter().all(|old| old.id != job.id)).unwrap();
        assert_eq!((job.state, releases_of(&engine, &job)), (JobState::Failed, 0), "{step:?}");
        assert_eq!(job.reasons.first().map(|reason| reason.code.as_str()), Some("run.interrupted"));
        let (committed, reserved) = account(&engine, &contents);
        assert_eq!(reserved, Amounts::default(), "{step:?}");
        let spent = less(committed, before.committed);
        if step == Step::Ran {
            assert_eq!(spent, worst_case(before.committed.claims));
        } else {
            assert_eq!(spent, Amounts::default());
        }
        verified_log(&engine, &before.head);
        // It does not come back, and others run.
        runtime.block_on(async {
            engine.start();
            let next = engine.submit_job(&caller("developer"), contents.job.clone()).unwrap();
            assert_eq!(ended(&engine, &next).await.state, JobState::Released);
            assert_eq!(ended(&engine, &job).await.state, JobState::Failed);
            engine.shutdown(Duration::from_secs(10)).await;
        });
    }
}

#[test]
fn kills_at_random_moments_lose_nothing() {
    let rounds = std::env::var(ROUNDS).map_or(3, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let (contents, mut before) = made(&runtime, folder.path());
    let state = folder.path().join("made");
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    let mut random = seed;
    for round in 0..rounds {
        // Numerical Recipes' generator is random enough for moments.
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let after = u64::from(random >> 8) % 1_200 + 100;
        let does = Does::Everything(contents.job.clone());
        let errand = Errand { state: state.clone(), dies_at: None, dies_after_ms: Some(after), does };
        let status = send(&errand);
        let moment = format!("seed {seed}, round {round}, after {after} ms");
        assert_eq!(status.signal(), Some(KILL), "{moment}: {status}");

        let engine = enclave::open(&state);
        verified_log(&engine, &before.head);
        let (committed, _) = account(&engine, &contents);
        // Panics on any meter that fell.
        less(committed, before.committed);
        let now = jobs(&engine);
        assert!(before.jobs.iter().all(|old| now.iter().any(|job| job.id == old.id)), "{moment}");
        for old in before.jobs.iter().filter(|old| old.state.is_final()) {
            let new = now.iter().find(|job| job.id == old.id).unwrap();
            assert_eq!((new.state, &new.release), (old.state, &old.release), "{moment}");
        }
        assert!(now.iter().all(|job| releases_of(&engine, job) <= 1), "{moment}");
        before = Before { head: head(&engine), committed, jobs: now, files: Vec::new() };
    }
    runtime.block_on(async {
        let engine = enclave::open(&state);
        engine.start();
        end_all(&engine).await;
        let (committed, reserved) = account(&engine, &contents);
        assert_eq!(reserved, Amounts::default(), "seed {seed}");
        let all = jobs(&engine);
        let released = all.iter().filter(|job| job.state == JobState::Released).count() as u64;
        assert!(all.iter().all(|job| matches!(job.state, JobState::Released | JobState::Failed)), "seed {seed}");
        assert_eq!(committed.releases, released, "seed {seed}");
        for job in all.iter().filter(|job| job.state == JobState::Released) {
            assert_eq!(releases_of(&engine, job), 1, "seed {seed}");
            engine.job_receipt(&caller("developer"), &job.id).unwrap().verify(&key(&engine)).unwrap();
        }
        verified_log(&engine, &before.head);
        engine.shutdown(Duration::from_secs(10)).await;
    });
}
