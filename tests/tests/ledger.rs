//! Noise from its explanation to the ledger: what was told before is what is spent after, and everyone sees their part.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use glovebox_api::{JobState, PrivacyLedger, SubmitJob};
use glovebox_catalog::{Dataset, DatasetId, Delta, Epsilon, GrantTerms, Privacy, PrivacyLimit};
use glovebox_engine::{Config, Engine, EngineError, Step, StepWatcher};
use glovebox_gate::Mechanism;
use glovebox_meter::{Amounts, PrivacyHolder};

use crate::enclave::{self, caller, ended};
use crate::rest::zone::PASSPHRASE;

fn epsilon(value: f64) -> Epsilon {
    Epsilon::new(value).unwrap()
}

fn laplace(value: f64) -> Option<Privacy> {
    Some(Privacy::Laplace { epsilon: epsilon(value) })
}

fn dataset(limit: Option<PrivacyLimit>, id: &str) -> Dataset {
    Dataset { id: DatasetId::new(id).unwrap(), privacy: limit, ..enclave::dataset() }
}

fn terms(dataset: &DatasetId, epsilon_max: Epsilon) -> GrantTerms {
    let mut terms = enclave::terms(dataset);
    terms.budget.epsilon_max = epsilon_max;
    terms
}

/// An enclave with a dataset of which ε 2 may be lost, and a job on it under a grant of ε 1.
async fn ready(state: &Path) -> (Engine, SubmitJob) {
    ready_with(state, |_| {}).await
}

async fn ready_with(state: &Path, change: impl FnOnce(&mut Config)) -> (Engine, SubmitJob) {
    let contents = enclave::make(state).await;
    let mut config = enclave::config(state);
    change(&mut config);
    let engine = Engine::open(config, PASSPHRASE).unwrap();
    engine.start();
    let limit = PrivacyLimit {
        epsilon: epsilon(2.0),
        delta: Delta::new(1e-6).unwrap(),
        epsilon_per_developer: Some(epsilon(1.5)),
    };
    let noisy = dataset(Some(limit), "noisy");
    engine.register_dataset(&caller("supplier"), noisy.clone()).unwrap();
    enclave::ingest(&engine, &noisy.id, &enclave::table(0)).await;
    let grant = enclave::granted(&engine, terms(&noisy.id, epsilon(1.0)));
    let job = SubmitJob { grant: grant.id, dataset: noisy.id, privacy: laplace(0.75), ..contents.job };
    (engine, job)
}

fn seen(engine: &Engine, who: &str, dataset: &DatasetId) -> Vec<(PrivacyHolder, String, f64)> {
    let PrivacyLedger { entries, .. } = engine.privacy_ledger(&caller(who), dataset).unwrap();
    entries.into_iter().map(|entry| (entry.holder, entry.id, entry.epsilon_spent.value())).collect()
}

fn codes(error: EngineError) -> Vec<String> {
    match error {
        EngineError::Refused(reasons) | EngineError::Invalid(reasons) => {
            reasons.into_iter().map(|reason| reason.code).collect()
        }
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_explained_is_what_is_spent() {
    let state = tempfile::tempdir().unwrap();
    let (engine, job) = ready(state.path()).await;
    let developer = caller("developer");

    let explained = engine.explain_job(&developer, &job).unwrap();
    assert!(explained.refusals.is_empty(), "{:?}", explained.refusals);
    assert!(!explained.errors.is_empty());
    let charges: Vec<_> = explained.charges.iter().map(|c| (c.holder, c.epsilon_asked, c.epsilon_after)).collect();
    let asked = epsilon(0.75);
    let expected = [
        (PrivacyHolder::Dataset, asked, None),
        (PrivacyHolder::Grant, asked, Some(asked)),
        (PrivacyHolder::Developer, asked, Some(asked)),
    ];
    assert_eq!(charges, expected);
    // Asking spends nothing, however often.
    assert_eq!(engine.explain_job(&developer, &job).unwrap(), explained);
    assert_eq!(seen(&engine, "supplier", &job.dataset), [(PrivacyHolder::Dataset, "noisy".to_owned(), 0.0)]);

    let submitted = engine.submit_job(&developer, job.clone()).unwrap();
    assert_eq!(submitted.request.privacy, laplace(0.75));
    let done = ended(&engine, &submitted).await;
    assert_eq!(done.state, JobState::Released, "{:?}", done.reasons);
    let release = engine.release(&developer, &done.release.unwrap()).unwrap();
    assert_eq!(release.mechanism, Mechanism::Laplace { epsilon: asked });
    assert!(release.tables.iter().flat_map(|table| &table.cells).any(|cell| cell.half_width_95.is_some()));

    let grant = (PrivacyHolder::Grant, job.grant.to_string(), 0.75);
    let company = (PrivacyHolder::Developer, "company-c".to_owned(), 0.75);
    let whole = (PrivacyHolder::Dataset, "noisy".to_owned(), 0.75);
    for who in ["supplier", "operator", "regulator"] {
        assert_eq!(seen(&engine, who, &job.dataset), [whole.clone(), grant.clone(), company.clone()], "{who}");
    }
    assert_eq!(seen(&engine, "developer", &job.dataset), [grant, company]);
    assert_eq!(seen(&engine, "reviewer", &job.dataset), [whole]);
    assert!(engine.privacy_ledger(&caller("officer"), &job.dataset).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_would_be_refused_is_told_so_and_is() {
    let state = tempfile::tempdir().unwrap();
    let (engine, job) = ready(state.path()).await;
    let developer = caller("developer");

    let too_much = SubmitJob { privacy: laplace(1.25), ..job.clone() };
    let explained = engine.explain_job(&developer, &too_much).unwrap();
    let fits: Vec<_> = explained.charges.iter().map(|charge| charge.fits).collect();
    assert_eq!(fits, [true, false, true]);
    assert_eq!(explained.refusals.iter().map(|r| r.code.as_str()).collect::<Vec<_>>(), ["meter.epsilon-exhausted"]);
    // What is told of the others' part is whether the job fits it, and no figure.
    assert!(explained.charges.iter().all(|c| (c.holder == PrivacyHolder::Dataset) == c.epsilon_after.is_none()));
    match engine.submit_job(&developer, too_much) {
        Err(error) => assert_eq!(codes(error), ["meter.epsilon-exhausted"]),
        Ok(submitted) => {
            let done = ended(&engine, &submitted).await;
            assert_eq!((done.state, done.reasons[0].code.as_str()), (JobState::Refused, "meter.epsilon-exhausted"));
        }
    }

    let silent = SubmitJob { privacy: None, ..job.clone() };
    assert_eq!(codes(engine.explain_job(&developer, &silent).unwrap_err()), ["job.no-noise-asked"]);
    assert_eq!(codes(engine.explain_job(&caller("supplier"), &job).unwrap_err()), ["policy.not-permitted"]);
    assert_eq!(seen(&engine, "supplier", &job.dataset).first().unwrap().2, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_terms_that_promise_too_much_are_not_filed() {
    let state = tempfile::tempdir().unwrap();
    let (engine, job) = ready(state.path()).await;
    for (all, share, delta) in [(0.0, None, 1e-9), (1.0, Some(2.0), 1e-9), (1.0, Some(0.0), 1e-9), (1.0, None, 1.0)] {
        let limit = PrivacyLimit {
            epsilon: epsilon(all),
            delta: Delta::new(delta).unwrap(),
            epsilon_per_developer: share.map(epsilon),
        };
        let refused = engine.register_dataset(&caller("supplier"), dataset(Some(limit), "other")).unwrap_err();
        assert_eq!(codes(refused), ["catalog.privacy-limit"]);
    }
    let refused = engine.propose_grant(&caller("developer"), terms(&job.dataset, epsilon(1.75))).unwrap_err();
    assert_eq!(codes(refused), ["policy.terms-invalid"]);
    let reviewed = GrantTerms { review_required: true, ..terms(&job.dataset, epsilon(1.0)) };
    // There is one reviewer on file.
    assert_eq!(codes(engine.propose_grant(&caller("developer"), reviewed).unwrap_err()), ["policy.terms-invalid"]);
}

/// Noise that was drawn is lost, also when its job is stopped before its end shows: else whoever stops each job in time
/// draws as often as they like under one limit, and learns from each how long it took.
#[tokio::test(flavor = "multi_thread")]
async fn stopping_a_job_after_its_noise_was_drawn_gives_nothing_back() {
    let state = tempfile::tempdir().unwrap();
    let gated = Arc::new(AtomicBool::new(false));
    let seen_by_test = gated.clone();
    let watcher = StepWatcher::new(move |step| {
        if step == Step::Gated {
            gated.store(true, Ordering::SeqCst);
        }
    });
    let change = |config: &mut Config| {
        config.on_step = Some(watcher);
        // The end does not show before the test has stopped the job.
        config.pace_step = Duration::from_secs(3_600);
    };
    let (engine, job) = ready_with(state.path(), change).await;
    let developer = caller("developer");
    let submitted = engine.submit_job(&developer, job.clone()).unwrap();
    while !seen_by_test.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    engine.cancel_job(&developer, &submitted.id).unwrap();
    assert_eq!(ended(&engine, &submitted).await.state, JobState::Killed);
    assert_eq!(seen(&engine, "supplier", &job.dataset)[0].2, 0.75, "all that was drawn is lost");
    let meters = engine.meters(&developer).unwrap().into_iter().find(|meters| meters.grant == job.grant).unwrap();
    let Amounts { jobs, releases, leakage_bits, .. } = meters.committed;
    assert_eq!((jobs, releases, leakage_bits), (1, 0, 9), "and how and when it ended is paid, too");
    // So the next one does not fit.
    let next = engine.submit_job(&developer, job).unwrap();
    let done = ended(&engine, &next).await;
    assert_eq!((done.state, done.reasons[0].code.as_str()), (JobState::Refused, "meter.epsilon-exhausted"));
}
