//! An enclave whose folder was put back or copied stops by itself; one whose witnesses are away stands still and goes on.
//!
//! Enclave and witnesses are the real ones, over sockets of this machine.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use glovebox_api::{JobState, JobView};
use glovebox_audit::{KnownWitness, WitnessPolicy, verify_export};
use glovebox_catalog::{JobId, ReleaseId, WitnessId};
use glovebox_engine::{Config, Engine, EngineError, PageQuery, ReleaseFormat, Step, StepWatcher};
use glovebox_gm::{VerifyingKey, key_file};
use glovebox_witness::{Fork, ForkKind, Server, Setup, Witness};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::enclave::{self, Contents, caller, copy, ended, jobs};
use crate::rest::zone::PASSPHRASE;

const NAMES: [&str; 3] = ["hospital-a", "hospital-b", "regulator"];
const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough for a job that nothing holds up: they take some tenths of a second.
const A_WHILE: Duration = Duration::from_secs(4);

/// What stops a witness, and its end.
type Running = (oneshot::Sender<()>, JoinHandle<()>);

/// Three witnesses of one enclave, two of which it needs.
struct Witnesses {
    folder: tempfile::TempDir,
    addresses: Vec<SocketAddr>,
    running: Mutex<Vec<Option<Running>>>,
}

impl Witnesses {
    async fn of(enclave: &VerifyingKey) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in NAMES {
            let setup = Setup { name: WitnessId::new(name).unwrap(), enclave: enclave.clone(), log_id: None };
            glovebox_witness::create(&folder.path().join(name), &setup, PASSPHRASE, key_file::ITERATIONS_MIN).unwrap();
        }
        let running = Mutex::new(NAMES.map(|_| None).into());
        let mut witnesses = Self { folder, addresses: vec![SocketAddr::from(([127, 0, 0, 1], 0)); 3], running };
        for index in 0..3 {
            witnesses.addresses[index] = witnesses.start(index).await;
        }
        witnesses
    }

    fn path(&self, index: usize) -> PathBuf {
        self.folder.path().join(NAMES[index])
    }

    async fn start(&self, index: usize) -> SocketAddr {
        let witness = Witness::open(&self.path(index), PASSPHRASE).unwrap();
        let server = Server::bind(self.addresses[index], witness).await.unwrap();
        let address = server.address();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async move { drop(stopped.await) }));
        self.running.lock().unwrap()[index] = Some((stop, task));
        address
    }

    async fn stop(&self, index: usize) {
        let running = self.running.lock().unwrap()[index].take();
        let (stop, task) = running.unwrap();
        drop(stop);
        task.await.unwrap();
    }

    fn policy(&self) -> WitnessPolicy {
        let known = |index: usize| KnownWitness {
            name: WitnessId::new(NAMES[index]).unwrap(),
            key: glovebox_witness::show(&self.path(index)).unwrap().key,
            url: format!("http://{}", self.addresses[index]),
        };
        WitnessPolicy::new(2, (0..3).map(known).collect()).unwrap()
    }

    fn config(&self, state: &Path) -> Config {
        Config { witnesses: Some(self.policy()), ..enclave::config(state) }
    }

    fn forks(&self, index: usize) -> Vec<Fork> {
        glovebox_witness::show(&self.path(index)).unwrap().forks
    }
}

/// An enclave in which one job has run before it had witnesses, and its witnesses.
async fn made(folder: &Path) -> (PathBuf, Contents, Witnesses) {
    let state = folder.join("enclave");
    let contents = enclave::make(&state).await;
    let key = enclave::key(&enclave::open(&state));
    (state, contents, Witnesses::of(&key).await)
}

/// Opens an enclave. The one before may be asking a witness just now, and lets go of the folder when it has asked.
fn open(config: &Config) -> Result<Engine, String> {
    let start = Instant::now();
    loop {
        match Engine::open(config.clone(), PASSPHRASE).map_err(|error| error.to_string()) {
            Err(fault) if fault.contains("in use") && start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            opened => return opened,
        }
    }
}

fn start(config: Config) -> Engine {
    let engine = open(&config).unwrap();
    engine.start();
    engine
}

async fn stop(engine: Engine) {
    engine.shutdown(PATIENCE).await;
}

fn submit(engine: &Engine, contents: &Contents) -> JobView {
    engine.submit_job(&caller("developer"), contents.job.clone()).unwrap()
}

async fn releases_one(engine: &Engine, contents: &Contents) -> JobView {
    let job = ended(engine, &submit(engine, contents)).await;
    assert_eq!(job.state, JobState::Released, "{job:?}");
    job
}

fn releases(engine: &Engine) -> Vec<ReleaseId> {
    let page = engine.releases(&caller("developer"), &PageQuery { cursor: None, limit: 500 }).unwrap();
    page.items.into_iter().map(|release| release.id).collect()
}

/// Steps that jobs came to.
#[derive(Clone, Default)]
struct Steps(Arc<Mutex<Vec<Step>>>);

impl Steps {
    fn watch(&self, config: Config) -> Config {
        let steps = self.clone();
        Config { on_step: Some(StepWatcher::new(move |step| steps.0.lock().unwrap().push(step))), ..config }
    }

    fn has(&self, step: Step) -> bool {
        self.0.lock().unwrap().contains(&step)
    }
}

/// Runs a test to its end. A job that waits for witnesses keeps a thread; one that a failed test leaves behind is not waited for.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(test)));
    runtime.shutdown_background();
    ended.unwrap();
}

/// Removes a folder. The last thread that held its database may go a moment after the enclave has stopped.
async fn remove(folder: &Path) {
    until("the folder is still in use", || std::fs::remove_dir_all(folder).is_ok()).await;
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whoever signed heads that contradict each other can't deny it.
fn assert_evidence(fork: &Fork, key: &VerifyingKey) {
    for head in [&fork.known, &fork.shown] {
        assert_eq!(head.verify(key), Ok(()));
    }
    let (known, shown) = (&fork.known.head, &fork.shown.head);
    match fork.kind {
        ForkKind::TwoRoots => assert!(known.size == shown.size && known.root != shown.root),
        ForkKind::WentBack => assert!(shown.size < known.size && shown.at > known.at),
        ForkKind::OtherLog => panic!("one log: {fork:?}"),
    }
}

#[test]
fn with_witnesses_a_release_leaves_and_its_receipt_says_who_cosigned() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (state, contents, witnesses) = made(folder.path()).await;
        let engine = start(witnesses.config(&state));
        let job = releases_one(&engine, &contents).await;
        let (key, policy) = (enclave::key(&engine), witnesses.policy());
        let receipt = engine.job_receipt(&caller("developer"), &job.id).unwrap();
        assert!(receipt.verify_witnessed(&key, &policy).unwrap().len() >= 2);
        let document = engine.release_bytes(&caller("developer"), &job.release.unwrap(), ReleaseFormat::Json).unwrap();
        assert_eq!(receipt.verify_output(&document), Ok(()));
        // The one that left before there were witnesses is covered too: the whole log is.
        let first = jobs(&engine).pop().unwrap();
        let receipt = engine.job_receipt(&caller("developer"), &first.id).unwrap();
        assert!(receipt.verify_witnessed(&key, &policy).is_ok());
        let lines: Vec<String> = engine.export(&caller("regulator")).unwrap().map(Result::unwrap).collect();
        let text: String = lines.iter().map(|line| format!("{}\n", line.trim_end())).collect();
        let summary = verify_export(text.as_bytes(), &key, None).unwrap();
        assert!(policy.verify(&summary.head, &summary.cosignatures).is_ok());
        assert!((0..3).all(|index| witnesses.forks(index).is_empty()));
        stop(engine).await;
    });
}

/// The attack that seals and counters inside of the folder don't see: all of it is put back, and a spent budget with it.
#[test]
fn a_folder_that_was_put_back_reads_no_row_and_releases_nothing() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (state, contents, witnesses) = made(folder.path()).await;
        let engine = start(witnesses.config(&state));
        releases_one(&engine, &contents).await;
        stop(engine).await;
        let backup = folder.path().join("backup");
        copy(&state, &backup);
        let engine = start(witnesses.config(&state));
        releases_one(&engine, &contents).await;
        stop(engine).await;
        remove(&state).await;
        copy(&backup, &state);

        let steps = Steps::default();
        let engine = start(steps.watch(witnesses.config(&state)));
        let before = releases(&engine);
        assert_eq!(before.len(), 2, "what left before and was cosigned is still there");
        let job = submit(&engine, &contents);
        until("the job has its reservation", || steps.has(Step::Reserved)).await;
        tokio::time::sleep(A_WHILE).await;
        assert!(!steps.has(Step::Ran), "rows were read");
        assert_eq!(engine.job(&caller("developer"), &job.id).unwrap().state, JobState::Running);
        assert_eq!(releases(&engine), before);
        let trouble: Vec<_> = engine.figures().unwrap().witnesses.into_iter().filter_map(|w| w.trouble).collect();
        assert_eq!(trouble.len(), 3);
        assert!(trouble.iter().all(|trouble| trouble.contains("put back")), "{trouble:?}");
        let key = enclave::key(&engine);
        until("every witness has evidence", || (0..3).all(|index| !witnesses.forks(index).is_empty())).await;
        for index in 0..3 {
            witnesses.forks(index).iter().for_each(|fork| assert_evidence(fork, &key));
        }
        // It can be stopped: the job waits, and can be taken up by nobody but the true enclave.
        engine.cancel_job(&caller("developer"), &job.id).unwrap();
        stop(engine).await;

        // Without witnesses nothing notices: the attack works.
        let unwitnessed = folder.path().join("unwitnessed");
        copy(&backup, &unwitnessed);
        let engine = start(enclave::config(&unwitnessed));
        releases_one(&engine, &contents).await;
        stop(engine).await;
    });
}

/// Two enclaves from one folder: the one that is cosigned first is the log, the other stands still, however far it goes.
#[test]
fn a_copy_that_goes_its_own_way_releases_nothing() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (state, contents, witnesses) = made(folder.path()).await;
        let fork = folder.path().join("fork");
        copy(&state, &fork);
        let engine = start(witnesses.config(&state));
        releases_one(&engine, &contents).await;
        let size = enclave::head(&engine).head.size;

        let steps = Steps::default();
        let copied = open(&steps.watch(witnesses.config(&fork))).unwrap();
        // It has more events than any witness knows before it asks the first time.
        while enclave::head(&copied).head.size <= size + 10 {
            assert!(copied.events(&caller("developer"), &Default::default()).is_err());
        }
        copied.start();
        let job = submit(&copied, &contents);
        until("the job has its reservation", || steps.has(Step::Reserved)).await;
        until("every witness has evidence", || (0..3).all(|index| !witnesses.forks(index).is_empty())).await;
        tokio::time::sleep(A_WHILE).await;
        assert!(!steps.has(Step::Ran), "rows were read");
        assert!(!copied.job(&caller("developer"), &job.id).unwrap().state.is_final());
        let key = enclave::key(&engine);
        for index in 0..3 {
            let forks = witnesses.forks(index);
            assert!(forks.iter().any(|fork| fork.kind == ForkKind::TwoRoots), "{forks:?}");
            forks.iter().for_each(|fork| assert_evidence(fork, &key));
        }
        // The true one goes on.
        releases_one(&engine, &contents).await;
        copied.cancel_job(&caller("developer"), &job.id).unwrap();
        stop(copied).await;
        stop(engine).await;
    });
}

#[test]
fn without_one_of_three_it_goes_on_without_two_it_stands_still_and_resumes() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (state, contents, witnesses) = made(folder.path()).await;
        let steps = Steps::default();
        let engine = start(witnesses.config(&state));
        witnesses.stop(0).await;
        let job = releases_one(&engine, &contents).await;
        let receipt = engine.job_receipt(&caller("developer"), &job.id).unwrap();
        assert_eq!(receipt.verify_witnessed(&enclave::key(&engine), &witnesses.policy()).unwrap().len(), 2);
        stop(engine).await;

        witnesses.stop(1).await;
        let engine = start(steps.watch(witnesses.config(&state)));
        let job = submit(&engine, &contents);
        until("the job has its reservation", || steps.has(Step::Reserved)).await;
        tokio::time::sleep(A_WHILE).await;
        assert!(!steps.has(Step::Ran), "rows were read");
        let figures = engine.figures().unwrap();
        let away: Vec<_> =
            figures.witnesses.iter().filter(|witness| !witness.is_cosigning).map(|w| w.witness.as_str()).collect();
        assert_eq!(away, ["hospital-a", "hospital-b"]);
        assert!(figures.audit_events_witnessed.unwrap() < figures.audit_events);
        witnesses.start(1).await;
        assert_eq!(ended(&engine, &job).await.state, JobState::Released);
        // The third learns all that it missed.
        witnesses.start(0).await;
        releases_one(&engine, &contents).await;
        let known =
            |index: usize| glovebox_witness::show(&witnesses.path(index)).unwrap().head.map(|head| head.head.size);
        until("the third has caught up", || known(0) == known(2)).await;
        assert!((0..3).all(|index| witnesses.forks(index).is_empty()));
        stop(engine).await;
    });
}

/// The job has ended and its table is in the database; nobody is shown either before its event is cosigned.
#[test]
fn an_end_is_told_once_its_event_is_cosigned_and_not_before() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (state, contents, witnesses) = made(folder.path()).await;
        let witnesses = Arc::new(witnesses);
        let (steps, gone) = (Steps::default(), witnesses.clone());
        let runtime = tokio::runtime::Handle::current();
        let watched = steps.clone();
        let config = Config {
            on_step: Some(StepWatcher::new(move |step| {
                watched.0.lock().unwrap().push(step);
                // The witnesses go after the rows were read and before the job's end is committed.
                if step == Step::Gated {
                    runtime.block_on(async { (gone.stop(0).await, gone.stop(1).await) });
                }
            })),
            ..witnesses.config(&state)
        };
        let engine = start(config);
        until("what left before is cosigned", || releases(&engine).len() == 1).await;
        let before = releases(&engine);
        let job = submit(&engine, &contents);
        let mut told = engine.watch_job(&caller("developer"), &job.id).unwrap();
        until("the end is committed", || steps.has(Step::Settled)).await;
        let release = release_in_the_log(&engine, &job.id);
        let nothing_is_told = |engine: &Engine| {
            let shown = engine.job(&caller("developer"), &job.id).unwrap();
            assert_eq!((shown.state, shown.release, shown.ended_at), (JobState::Running, None, None));
            assert!(shown.reasons.is_empty() && shown.fuel.is_none() && shown.time.is_none());
            assert!(jobs(engine).iter().all(|shown| shown.id != job.id || shown.state == JobState::Running));
            assert_eq!(releases(engine), before);
            let developer = caller("developer");
            let not_found = |error: EngineError| assert!(matches!(error, EngineError::NotFound { .. }), "{error:?}");
            not_found(engine.release(&developer, &release).unwrap_err());
            for format in [ReleaseFormat::Json, ReleaseFormat::Csv, ReleaseFormat::Arrow, ReleaseFormat::Parquet] {
                not_found(engine.release_bytes(&developer, &release, format).unwrap_err());
            }
            not_found(engine.release_receipt(&developer, &release).unwrap_err());
            not_found(engine.job_receipt(&developer, &job.id).unwrap_err());
        };
        tokio::time::sleep(A_WHILE).await;
        nothing_is_told(&engine);
        assert_eq!(told.borrow_and_update().state, JobState::Running);
        // To cancel it now changes nothing and tells nothing.
        assert_eq!(engine.cancel_job(&caller("developer"), &job.id).unwrap().state, JobState::Running);
        stop(engine).await;

        // Nor does a new start, until the witnesses are back.
        let engine = start(witnesses.config(&state));
        tokio::time::sleep(A_WHILE).await;
        nothing_is_told(&engine);
        let mut told = engine.watch_job(&caller("developer"), &job.id).unwrap();
        assert_eq!(told.borrow_and_update().state, JobState::Running);
        witnesses.start(0).await;
        tokio::time::timeout(PATIENCE, told.changed()).await.unwrap().unwrap();
        assert_eq!(told.borrow_and_update().state, JobState::Released);
        assert_eq!(engine.job(&caller("developer"), &job.id).unwrap().release, Some(release.clone()));
        assert!(releases(&engine).contains(&release));
        assert!(engine.release(&caller("developer"), &release).is_ok());
        assert!(engine.job_receipt(&caller("developer"), &job.id).is_ok());
        stop(engine).await;
    });
}

/// The id of a job's release, which regulators can read in the log.
fn release_in_the_log(engine: &Engine, job: &JobId) -> ReleaseId {
    let query = glovebox_engine::EventQuery { resource: Some(format!("job/{job}")), ..Default::default() };
    let query = glovebox_engine::EventQuery { page: PageQuery { cursor: None, limit: 500 }, ..query };
    let events = engine.events(&caller("regulator"), &query).unwrap().items;
    let names = events.iter().flat_map(|event| event.detail.keys());
    let id = names.filter_map(|name| name.split_once("release/")).map(|(_, id)| id).next().unwrap();
    ReleaseId::new(id).unwrap()
}

/// Database and counter are put back, and what witnesses cosigned lies beside them.
#[test]
fn a_database_older_than_what_witnesses_cosigned_does_not_start() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (state, contents, witnesses) = made(folder.path()).await;
        let both = ["enclave.db", "enclave.counter"].map(|name| state.join(name));
        let read = || both.clone().map(|file| std::fs::read(file).unwrap());
        let write = |files: &[Vec<u8>; 2]| {
            both.iter().zip(files).for_each(|(place, bytes)| std::fs::write(place, bytes).unwrap());
        };
        let older = read();
        let engine = start(witnesses.config(&state));
        releases_one(&engine, &contents).await;
        stop(engine).await;
        // Once nobody holds the folder any more, what was written lies in its files.
        drop(open(&enclave::config(&state)).unwrap());
        let (newer, kept) = (read(), state.join("witnessed.json"));
        write(&older);
        let refused = open(&witnesses.config(&state)).err().unwrap();
        assert!(refused.contains("witnesses cosigned") && refused.contains("put back to an older state"), "{refused}");
        // What was cosigned is nobody's word but that of enclave and witnesses: damaged, it counts for nothing.
        write(&newer);
        let text = std::fs::read_to_string(&kept).unwrap();
        std::fs::write(&kept, text.replacen("\"size\":", "\"size\":1", 1)).unwrap();
        for index in [0, 1] {
            witnesses.stop(index).await;
        }
        let engine = start(witnesses.config(&state));
        tokio::time::sleep(A_WHILE).await;
        assert_eq!(releases(&engine), []);
        witnesses.start(0).await;
        until("what left before is there again", || releases(&engine).len() == 2).await;
        stop(engine).await;
    });
}
