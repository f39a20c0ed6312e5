//! A right that ends, ends the job: whatever step it stands at, nothing of it leaves afterwards.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use glovebox_api::{Decision, JobState, SubmitJob};
use glovebox_catalog::PrincipalId;
use glovebox_engine::{Engine, GrantAction, PageQuery, Step, StepWatcher};
use glovebox_meter::Amounts;

use crate::enclave::{self, Contents, account, caller, ended};
use crate::rest::zone::PASSPHRASE;

/// Who stops a job, and how.
type Stop = fn(&Engine, &SubmitJob);

fn revoke(engine: &Engine, job: &SubmitJob) {
    engine.decide_grant(&caller("supplier"), &job.grant, GrantAction::Revoke, Decision::default()).unwrap();
}

fn suspend(engine: &Engine, job: &SubmitJob) {
    engine.decide_grant(&caller("supplier"), &job.grant, GrantAction::Suspend, Decision::default()).unwrap();
}

fn cancel(engine: &Engine, _: &SubmitJob) {
    engine.cancel_job(&caller("operator"), &enclave::jobs(engine)[0].id).unwrap();
}

fn deactivate(engine: &Engine, _: &SubmitJob) {
    let developer = PrincipalId::new("developer").unwrap();
    engine.deactivate_principal(&caller("officer"), &developer, Decision::default()).unwrap();
}

/// Runs a job that is stopped right after `step`, by the thread that takes the step.
async fn stopped_at(state: &std::path::Path, contents: &Contents, step: Step, stop: Stop, place: &str) {
    let slot: Arc<OnceLock<Engine>> = Arc::default();
    let (engine_of, request) = (slot.clone(), contents.job.clone());
    let mut config = enclave::config(state);
    config.on_step = Some(StepWatcher::new(move |now| {
        if now == step {
            stop(engine_of.get().unwrap(), &request);
        }
    }));
    let engine = Engine::open(config, PASSPHRASE).unwrap();
    slot.set(engine.clone()).ok().unwrap();
    let (before, _) = account(&engine, contents);
    engine.start();
    let job = engine.submit_job(&caller("developer"), contents.job.clone()).unwrap();
    let job = ended(&engine, &job).await;
    assert!(matches!(job.state, JobState::Killed | JobState::Refused), "{place}: {job:?}");
    let releases = engine.releases(&caller("developer"), &PageQuery::default()).unwrap().items;
    assert!(releases.iter().all(|release| release.job != job.id), "{place}");
    let (committed, reserved) = account(&engine, contents);
    let left = (committed.releases, committed.cells, committed.bytes_out);
    assert_eq!(left, (before.releases, before.cells, before.bytes_out), "{place}");
    assert_eq!(reserved, Amounts::default(), "{place}");
    // What read rows has paid for them.
    let read = u64::from((Step::Ran..Step::Settled).contains(&step));
    assert!(committed.jobs - before.jobs >= read, "{place}");
    engine.shutdown(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_once_a_job_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let contents = enclave::make(&made).await;
    let stops: [(&str, Stop); 4] =
        [("revoked", revoke), ("suspended", suspend), ("cancelled", cancel), ("deactivated", deactivate)];
    for (at, step) in Step::OF_A_JOB.into_iter().filter(|step| *step != Step::Settled).enumerate() {
        // Every way at the step where nothing but the desk knows of the job, and after the gate; in turns elsewhere.
        let all = [Step::Started, Step::Gated].contains(&step);
        for (turn, (name, stop)) in stops.into_iter().enumerate() {
            if !all && turn != at % stops.len() {
                continue;
            }
            let place = format!("{name} at {step:?}");
            let state = folder.path().join(place.replace(' ', "-"));
            enclave::copy(&made, &state);
            stopped_at(&state, &contents, step, stop, &place).await;
        }
    }
}
