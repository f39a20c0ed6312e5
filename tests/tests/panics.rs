//! A worker that panics over a job: the job ends as failed, is paid for, and the next one runs; what the panic says is
//! nobody's to read.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use glovebox_api::JobState;
use glovebox_engine::{Engine, Step, StepWatcher, keep_panics_quiet};
use glovebox_meter::Amounts;

use crate::enclave::{self, account, caller, config, ended, head, key, verified_log};
use crate::rest::zone::PASSPHRASE;

const CHILD: &str = "GLOVEBOX_PANICKING_CHILD";
const VALUE: &str = "a bmi of 41.7";

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_worker_panics_at_any_step_fails_at_once_and_pays() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let contents = enclave::make(&made).await;
    for step in Step::OF_A_JOB.into_iter().filter(|step| *step > Step::Submitted) {
        let state = folder.path().join(format!("{step:?}"));
        enclave::copy(&made, &state);
        let mut config = config(&state);
        let is_due = AtomicBool::new(true);
        config.on_step = Some(StepWatcher::new(move |now| {
            if now == step && is_due.swap(false, Ordering::Relaxed) {
                panic!("{VALUE}");
            }
        }));
        let engine = Engine::open(config, PASSPHRASE).unwrap();
        let (before, start) = (account(&engine, &contents).0, head(&engine));
        engine.start();
        let job = engine.submit_job(&caller("developer"), contents.job.clone()).unwrap();
        let job = ended(&engine, &job).await;
        let (after, reserved) = account(&engine, &contents);
        assert_eq!(reserved, Amounts::default(), "{step:?}: nothing stays reserved");
        if step == Step::Settled {
            // Its end was committed before.
            assert_eq!(job.state, JobState::Released);
        } else {
            let codes: Vec<_> = job.reasons.iter().map(|reason| reason.code.as_str()).collect();
            assert_eq!((job.state, codes.as_slice()), (JobState::Failed, &["run.internal"][..]), "{step:?}");
            // From the reservation on, what it held is used: a panic may be the doing of a row's value.
            let paid = (after.jobs - before.jobs, after.fuel_units > before.fuel_units);
            assert_eq!(paid, if step >= Step::Reserved { (1, true) } else { (0, false) }, "{step:?}");
            assert_eq!(after.leakage_bits > before.leakage_bits, step >= Step::Reserved, "{step:?}");
            assert_eq!(after.cells, before.cells, "{step:?}: nothing left");
        }
        if step > Step::Reserved {
            engine.job_receipt(&caller("developer"), &job.id).unwrap().verify(&key(&engine)).unwrap();
        }
        assert_eq!(engine.figures().unwrap().worker_panics, 1, "{step:?}");
        // The worker goes on, and nothing of the panic is in the log.
        let next = engine.submit_job(&caller("developer"), contents.job.clone()).unwrap();
        assert_eq!(ended(&engine, &next).await.state, JobState::Released, "{step:?}");
        let log = verified_log(&engine, &start).concat();
        assert_eq!(log.contains("\"action\":\"job.panic\""), step != Step::Settled, "{step:?}");
        assert!(!log.contains(VALUE), "{step:?}");
        engine.shutdown(Duration::from_secs(10)).await;
    }
}

/// The child: panics over a value, in a thread of its own.
#[test]
fn the_child_that_panics() {
    let Ok(kind) = std::env::var(CHILD) else { return };
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    if kind == "quiet" {
        keep_panics_quiet();
    }
    assert!(std::thread::spawn(|| panic!("{VALUE}")).join().is_err());
}

#[test]
fn a_panic_says_where_it_happened_and_nothing_else() {
    let said = |kind: &str| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["panics::the_child_that_panics", "--exact", "--nocapture"]).env(CHILD, kind);
        let output = child.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success());
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let quiet = said("quiet");
    assert!(quiet.contains("panics.rs:") && !quiet.contains(VALUE), "{quiet}");
    assert!(said("loud").contains(VALUE), "the value is what would be told");
}
