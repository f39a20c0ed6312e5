//! The airlock: an output waits for two people who have no part in it, and leaves by them or not at all.

use std::path::Path;
use std::time::{Duration, Instant};

use glovebox_api::{Decision, JobState, JobView, NewPrincipal, SubmitJob};
use glovebox_catalog::{
    Grant, GrantTerms, Isolation, Organisation, OrganisationId, OrganisationKind, PrincipalId, Review, ReviewAct,
    ReviewId, ReviewState, Role, SuspendedKind,
};
use glovebox_engine::{
    Caller, Config, Engine, EngineError, GrantAction, PageQuery, ReleaseFormat, ReviewerAct, SuspensionStep,
};
use glovebox_meter::Amounts;

use crate::enclave::{self, Contents, caller, ended, key};
use crate::rest::zone::PASSPHRASE;

/// Bits of how and when a job ended (docs/disclosure.md).
const END_BITS: u64 = 9;

/// A second reviewer, and a reviewer of the developer's own organisation.
const REVIEWERS: [(&str, &str, OrganisationKind); 2] =
    [("second", "ministry", OrganisationKind::ReviewBoard), ("colleague", "company-c", OrganisationKind::Developer)];

fn as_reviewer(id: &str) -> Caller {
    let (_, organisation, _) = REVIEWERS.into_iter().find(|person| person.0 == id).unwrap();
    let mut caller = caller("reviewer");
    caller.principal.id = PrincipalId::new(id).unwrap();
    caller.principal.organisation = OrganisationId::new(organisation).unwrap();
    caller
}

fn why(comment: &str) -> Decision {
    Decision { comment: comment.into() }
}

/// An enclave with a grant whose releases are reviewed, and a request for a job under it.
async fn zone(state: &Path, change: impl FnOnce(&mut Config)) -> (Engine, Contents, SubmitJob) {
    let contents = enclave::make(state).await;
    let mut config = enclave::config(state);
    change(&mut config);
    let engine = Engine::open(config, PASSPHRASE).unwrap();
    for (id, organisation, kind) in REVIEWERS {
        let organisation = OrganisationId::new(organisation).unwrap();
        if organisation.as_str() != "company-c" {
            let (name, jurisdiction) = (organisation.to_string(), "CN".to_owned());
            let filed = Organisation { id: organisation.clone(), name, kind, jurisdiction };
            engine.create_organisation(&caller("officer"), filed).unwrap();
        }
        let id = PrincipalId::new(id).unwrap();
        let person = NewPrincipal { name: id.to_string(), id, organisation, roles: [Role::Reviewer].into() };
        // A developer's organisation may have nobody of that role; then the policies alone keep such a person out.
        let _ = engine.create_principal(&caller("officer"), person);
    }
    let grant = reviewed(&engine, &contents);
    engine.start();
    let request = SubmitJob { grant: grant.id, ..contents.job.clone() };
    (engine, contents, request)
}

fn reviewed(engine: &Engine, contents: &Contents) -> Grant {
    let isolations = [Isolation::Row, Isolation::Person, Isolation::Cohort].into();
    let terms = GrantTerms { review_required: true, isolations, ..enclave::terms(&contents.dataset) };
    enclave::granted(engine, terms)
}

async fn in_review(engine: &Engine, request: &SubmitJob) -> (JobView, ReviewId) {
    let job = engine.submit_job(&caller("developer"), request.clone()).unwrap();
    let start = Instant::now();
    loop {
        let now = engine.job(&caller("developer"), &job.id).unwrap();
        match now.state {
            JobState::InReview => {
                let review = now.review.clone().unwrap();
                return (now, review);
            }
            state => assert!(!state.is_final() && start.elapsed() < Duration::from_secs(120), "{now:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn does(engine: &Engine, who: &Caller, review: &ReviewId, act: ReviewerAct) -> Result<Review, EngineError> {
    engine.judge_review(who, review, act, &why("because"))
}

/// Both reviewers take it up.
fn claimed(engine: &Engine, review: &ReviewId) -> [Caller; 2] {
    let both = [caller("reviewer"), as_reviewer("second")];
    for who in &both {
        does(engine, who, review, ReviewerAct::Claim).unwrap();
    }
    both
}

fn approved(engine: &Engine, review: &ReviewId) -> Review {
    let [first, second] = claimed(engine, review);
    does(engine, &first, review, ReviewerAct::Approve).unwrap();
    does(engine, &second, review, ReviewerAct::Approve).unwrap()
}

fn meters(engine: &Engine, request: &SubmitJob) -> (Amounts, Amounts) {
    let meters = engine.meters(&caller("operator")).unwrap();
    let meters = meters.into_iter().find(|meters| meters.grant == request.grant).unwrap();
    (meters.committed, meters.reserved)
}

fn code<T: std::fmt::Debug>(outcome: Result<T, EngineError>) -> String {
    match outcome.unwrap_err() {
        EngineError::Refused(reasons) | EngineError::Invalid(reasons) => reasons[0].code.clone(),
        EngineError::Conflict(reason) => reason.code,
        EngineError::NotFound { .. } => "request.not-found".to_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_reviewers_let_an_output_leave() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, contents, request) = zone(folder.path(), |_| {}).await;
    let developer = caller("developer");
    let (job, review) = in_review(&engine, &request).await;
    let (committed, reserved) = meters(&engine, &request);
    assert_eq!((committed, reserved.jobs, reserved.releases), (Amounts::default(), 1, 1), "held until the end");
    assert_eq!(engine.releases(&developer, &PageQuery::default()).unwrap().items.len(), 1, "that of the other grant");

    // What reviewers see is what will leave, and what they judge it by.
    let [first, second] = claimed(&engine, &review);
    let output = engine.review_output(&first, &review).unwrap();
    assert_eq!(output.evidence.job, job.id);
    assert!(output.document.leakage.bits > 0 && output.document.cells_released > 0);
    let earlier = &output.differences[0];
    assert_eq!(output.differences.len(), 1, "the release of the same module on the same dataset");
    assert_eq!((earlier.figures_changed, earlier.changes.as_slice()), (0, [].as_slice()));
    assert!(earlier.figures_same > 20, "{earlier:?}");

    assert_eq!(does(&engine, &first, &review, ReviewerAct::Approve).unwrap().state, ReviewState::InReview);
    assert_eq!(code(does(&engine, &first, &review, ReviewerAct::Approve)), "review.same-person");
    let ended_review = does(&engine, &second, &review, ReviewerAct::Approve).unwrap();
    assert_eq!(ended_review.state, ReviewState::Released);
    let job = ended(&engine, &job).await;
    assert_eq!((job.state, &job.release), (JobState::Released, &ended_review.release));
    let release = job.release.clone().unwrap();
    let bytes = engine.release_bytes(&developer, &release, ReleaseFormat::Json).unwrap();
    let receipt = engine.job_receipt(&developer, &job.id).unwrap();
    receipt.verify(&key(&engine)).unwrap();
    receipt.verify_output(&bytes).unwrap();
    assert_eq!(receipt.statement.output_sm3.unwrap().to_string(), output.evidence.output_sm3);
    assert_eq!(receipt.event.action, "review.release");
    assert_eq!(receipt.event.detail["approved_by"], "reviewer,second");
    assert_eq!(receipt.statement.cells_released, output.document.cells_released);
    let (committed, reserved) = meters(&engine, &request);
    assert_eq!((committed.releases, reserved), (1, Amounts::default()));
    // The bits of the figures, and those of how and when it ended.
    assert_eq!(committed.leakage_bits, output.document.leakage.bits + END_BITS);
    assert_eq!(committed.bytes_out, bytes.len() as u64);
    // The other grant's is as before.
    assert_eq!(enclave::account(&engine, &contents).1, Amounts::default());
}

/// Neither the developer nor a colleague of theirs, nor who supplies the data, watches or runs the enclave, sees or
/// decides anything; and developers read no word that was not meant for them.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_sees_or_decides() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _, request) = zone(folder.path(), |_| {}).await;
    let (job, review) = in_review(&engine, &request).await;
    let [first, second] = claimed(&engine, &review);
    let outsiders = ["developer", "supplier", "operator", "regulator", "officer"]
        .map(caller)
        .into_iter()
        .chain([as_reviewer("colleague")]);
    for who in outsiders {
        let name = &who.principal.id;
        // Whoever is no party to it does not learn that there is one.
        let told = if name.as_str() == "officer" { "request.not-found" } else { "policy.not-permitted" };
        assert_eq!(code(engine.review_output(&who, &review)), told, "{name}");
        for act in
            [ReviewerAct::Claim, ReviewerAct::Comment, ReviewerAct::Return, ReviewerAct::Approve, ReviewerAct::Refuse]
        {
            assert_eq!(code(does(&engine, &who, &review, act)), told, "{name} {act:?}");
        }
    }
    let state = format!("{:?}", engine.job(&caller("developer"), &job.id).unwrap());
    assert!(!state.contains("value"), "{state}");

    engine.judge_review(&first, &review, ReviewerAct::Comment, &why("cell 7 shows a ward")).unwrap();
    engine.judge_review(&second, &review, ReviewerAct::Return, &why("what is cell 7?")).unwrap();
    let read = |who: &Caller| format!("{:?}", engine.review(who, &review).unwrap());
    let developers = read(&caller("developer"));
    assert!(developers.contains("what is cell 7?") && !developers.contains("shows a ward"), "{developers}");
    assert!(!developers.contains("ministry") && !developers.contains("leakage_bits: Some"), "{developers}");
    assert!(!read(&caller("operator")).contains("shows a ward"));
    for who in [first.clone(), caller("supplier"), caller("regulator")] {
        assert!(read(&who).contains("shows a ward"), "{}", who.principal.id);
    }
    // Nor does the log hold what was said, but that it was.
    let log = enclave::verified_log(&engine, &enclave::head(&engine)).join("\n");
    assert!(log.contains("review.comment") && log.contains("comment_sm3") && !log.contains("shows a ward"));
    let listed = |who: &Caller| engine.reviews(who, None, &PageQuery::default()).unwrap().items.len();
    assert_eq!([listed(&caller("developer")), listed(&first), listed(&caller("officer"))], [1, 1, 0]);
    let submitted = Some(ReviewState::Submitted);
    assert_eq!(engine.reviews(&first, submitted, &PageQuery::default()).unwrap().items.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_goes_to_the_developer_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _, request) = zone(folder.path(), |_| {}).await;
    let (_, review) = in_review(&engine, &request).await;
    let [first, second] = claimed(&engine, &review);
    let developer = caller("developer");
    assert_eq!(code(engine.answer_review(&developer, &review, &why("unasked"))), "review.state");
    does(&engine, &first, &review, ReviewerAct::Approve).unwrap();
    does(&engine, &second, &review, ReviewerAct::Return).unwrap();
    assert_eq!(code(does(&engine, &second, &review, ReviewerAct::Approve)), "review.state");
    assert_eq!(code(engine.answer_review(&first, &review, &why("mine"))), "policy.not-permitted");
    assert_eq!(code(engine.answer_review(&developer, &review, &why(" "))), "review.comment-missing");
    engine.answer_review(&developer, &review, &why("all of them")).unwrap();
    // The approval from before the answer does not count.
    assert_eq!(does(&engine, &second, &review, ReviewerAct::Approve).unwrap().state, ReviewState::InReview);
    let after = does(&engine, &first, &review, ReviewerAct::Approve).unwrap();
    assert_eq!(after.state, ReviewState::Released);
    let acts: Vec<_> = after.entries.iter().map(|entry| entry.act).collect();
    let expected = [
        ReviewAct::Submit,
        ReviewAct::Claim,
        ReviewAct::Claim,
        ReviewAct::Approve,
        ReviewAct::Return,
        ReviewAct::Answer,
        ReviewAct::Approve,
        ReviewAct::Approve,
        ReviewAct::Release,
    ];
    assert_eq!(acts, expected);
}

/// However a review ends without a release: the output is gone, the job has ended, nothing is held, and a receipt says so.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_leave_is_destroyed_and_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _, request) = zone(folder.path(), |_| {}).await;
    let reviewer = caller("reviewer");
    let refuse = |engine: &Engine, _: &JobView, review: &ReviewId| {
        let [first, second] = claimed(engine, review);
        does(engine, &second, review, ReviewerAct::Approve).unwrap();
        does(engine, &first, review, ReviewerAct::Refuse).unwrap();
    };
    let cancel = |engine: &Engine, job: &JobView, _: &ReviewId| {
        engine.cancel_job(&caller("developer"), &job.id).unwrap();
    };
    let revoke = |engine: &Engine, job: &JobView, _: &ReviewId| {
        let (grant, revoked) = (&job.request.grant, GrantAction::Revoke);
        engine.decide_grant(&caller("supplier"), grant, revoked, Decision::default()).unwrap();
    };
    type End = fn(&Engine, &JobView, &ReviewId);
    let ends: [(End, ReviewState, JobState, &str); 3] = [
        (refuse, ReviewState::Refused, JobState::Withheld, "review.refused"),
        (cancel, ReviewState::Withdrawn, JobState::Killed, "run.cancelled"),
        (revoke, ReviewState::Withdrawn, JobState::Killed, "review.withdrawn"),
    ];
    for (number, (end, state, job_state, reason)) in (1..).zip(ends) {
        let (job, review) = in_review(&engine, &request).await;
        end(&engine, &job, &review);
        assert_eq!(engine.review(&reviewer, &review).unwrap().state, state);
        let job = ended(&engine, &job).await;
        assert_eq!((job.state, job.reasons[0].code.as_str(), &job.release), (job_state, reason, &None));
        assert_eq!(code(engine.review_output(&reviewer, &review)), "review.output-destroyed");
        assert_eq!(code(does(&engine, &reviewer, &review, ReviewerAct::Claim)), "review.state");
        let (committed, reserved) = meters(&engine, &request);
        assert_eq!((committed.releases, committed.cells, committed.bytes_out), (0, 0, 0));
        assert_eq!((committed.jobs, reserved), (number, Amounts::default()));
        assert!(committed.fuel_units > 0, "what was computed is paid for");
        let receipt = engine.job_receipt(&caller("developer"), &job.id).unwrap();
        receipt.verify(&key(&engine)).unwrap();
        assert_eq!((receipt.statement.output_sm3, receipt.statement.cells_released), (None, 0));
    }
    let head = enclave::head(&engine);
    enclave::verified_log(&engine, &head);
}

/// A suspended grant lets nothing out; what was approved meanwhile leaves when it is resumed. A restart changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_approved_output_waits_for_its_grant_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _, request) = zone(folder.path(), |_| {}).await;
    let (job, review) = in_review(&engine, &request).await;
    engine.shutdown(Duration::from_secs(60)).await;
    drop(engine);
    let engine = enclave::open(folder.path());
    engine.start();
    assert_eq!(engine.job(&caller("operator"), &job.id).unwrap().state, JobState::InReview, "and is not run again");
    let supplier = caller("supplier");
    let decide = |engine: &Engine, action| {
        engine.decide_grant(&supplier, &request.grant, action, Decision::default()).unwrap();
    };
    decide(&engine, GrantAction::Suspend);
    assert_eq!(approved(&engine, &review).state, ReviewState::Approved);
    assert_eq!(engine.job(&caller("operator"), &job.id).unwrap().state, JobState::InReview);
    engine.shutdown(Duration::from_secs(60)).await;
    drop(engine);
    let engine = enclave::open(folder.path());
    assert_eq!(engine.review(&caller("reviewer"), &review).unwrap().state, ReviewState::Approved);
    decide(&engine, GrantAction::Resume);
    assert_eq!(engine.review(&caller("reviewer"), &review).unwrap().state, ReviewState::Released);
    assert_eq!(engine.job(&caller("operator"), &job.id).unwrap().state, JobState::Released);
}

/// What the zone stops is not shown in review, either, and what was approved meanwhile leaves when it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_of_what_the_zone_suspends() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, contents, request) = zone(folder.path(), |_| {}).await;
    let (job, review) = in_review(&engine, &request).await;
    let [first, second] = claimed(&engine, &review);
    let step = |who: &str, kind, id: &str, step| {
        engine.step_suspension(&caller(who), kind, id, step, &why("a leak is suspected")).unwrap()
    };
    for (kind, id, other_side) in [
        (SuspendedKind::Zone, "zone", "officer"),
        (SuspendedKind::Grant, request.grant.as_str(), "supplier"),
        (SuspendedKind::Dataset, contents.dataset.as_str(), "supplier"),
        (SuspendedKind::Module, request.module.as_str(), "reviewer"),
    ] {
        step("operator", kind, id, SuspensionStep::Suspend);
        assert_eq!(code(engine.review_output(&first, &review).map(drop)), "policy.suspended", "{kind:?}");
        step("operator", kind, id, SuspensionStep::Resume);
        step(other_side, kind, id, SuspensionStep::Resume);
        engine.review_output(&first, &review).unwrap();
    }
    step("officer", SuspendedKind::Zone, "zone", SuspensionStep::Suspend);
    for who in [&first, &second] {
        does(&engine, who, &review, ReviewerAct::Approve).unwrap();
    }
    assert_eq!(engine.job(&caller("operator"), &job.id).unwrap().state, JobState::InReview, "approved, and waits");
    step("officer", SuspendedKind::Zone, "zone", SuspensionStep::Resume);
    assert_eq!(engine.job(&caller("operator"), &job.id).unwrap().state, JobState::InReview);
    step("operator", SuspendedKind::Zone, "zone", SuspensionStep::Resume);
    assert_eq!(engine.job(&caller("operator"), &job.id).unwrap().state, JobState::Released);
}

#[tokio::test(flavor = "multi_thread")]
async fn time_and_use_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _, request) = zone(folder.path(), |config| config.reviews.fetches_max = 2).await;
    let (job, review) = in_review(&engine, &request).await;
    approved(&engine, &review);
    let developer = caller("developer");
    let release = ended(&engine, &job).await.release.unwrap();
    engine.release(&developer, &release).unwrap();
    engine.release_bytes(&developer, &release, ReleaseFormat::Csv).unwrap();
    assert_eq!(code(engine.release(&developer, &release)), "review.fetches-exhausted");
    assert_eq!(engine.review(&developer, &review).unwrap().fetches, 2);
    // One that left without review has no such bound.
    let page = engine.releases(&developer, &PageQuery::default()).unwrap().items;
    let other = page.iter().find(|other| other.id != release).unwrap();
    (0..4).for_each(|_| drop(engine.release(&developer, &other.id).unwrap()));
    engine.shutdown(Duration::from_secs(60)).await;
    drop(engine);

    let mut config = enclave::config(folder.path());
    (config.reviews.days, config.reviews.fetch_days) = (0, 0);
    let engine = Engine::open(config, PASSPHRASE).unwrap();
    engine.start();
    // No day at all is over at once.
    let job = engine.submit_job(&developer, request.clone()).unwrap();
    let start = Instant::now();
    let review = loop {
        if let Some(review) = engine.job(&developer, &job.id).unwrap().review {
            break review;
        }
        assert!(start.elapsed() < Duration::from_secs(120));
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(code(does(&engine, &caller("reviewer"), &review, ReviewerAct::Claim)), "review.state");
    assert_eq!(engine.review(&developer, &review).unwrap().state, ReviewState::Expired);
    let job = ended(&engine, &job).await;
    assert_eq!((job.state, job.reasons[0].code.as_str()), (JobState::Withheld, "review.expired"));
}

/// A module that saw every row claims a table; people alone decide on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_cohort_leaves_by_review_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, contents, request) = zone(folder.path(), |_| {}).await;
    let module = engine.submit_module(&caller("developer"), &claims_a_table()).unwrap();
    let request = SubmitJob { module: module.id, ..request };
    let plain = SubmitJob { grant: contents.job.grant.clone(), ..request.clone() };
    let refused = engine.submit_job(&caller("developer"), plain);
    assert!(code(refused).starts_with("policy."), "a grant that names no cohort opens none");
    let (job, review) = in_review(&engine, &request).await;
    let output = engine.review_output(&caller("reviewer"), &review).unwrap();
    let figures: Vec<_> = output.document.tables[0].cells.iter().map(|cell| cell.value).collect();
    assert_eq!(figures, [Some(50.0), Some(25.0), None, None], "three claimed persons are too few");
    let found: Vec<_> = output.report.iter().map(|found| found.code.as_str()).collect();
    assert!(found.contains(&"gate.claims-unchecked") && found.contains(&"gate.cell-below-threshold"), "{found:?}");
    assert_eq!(approved(&engine, &review).state, ReviewState::Released);
    let job = ended(&engine, &job).await;
    let receipt = engine.job_receipt(&caller("developer"), &job.id).unwrap();
    receipt.verify(&key(&engine)).unwrap();
    assert_eq!((receipt.statement.isolation, receipt.statement.cells_released), (Isolation::Cohort, 2));
}

/// Claims 50 persons of 25 and 3 of 30, whatever it sees.
fn claims_a_table() -> Vec<u8> {
    let manifest = r#"{"abi": "glovebox:job@0.1.0", "name": "claims", "version": "1", "description": "a test",
        "isolation": "cohort", "inputs": [{"name": "bmi", "type": "float64"}],
        "outputs": [{"name": "out", "reducer": "table", "rows_max": 4,
            "columns": [{"name": "mean", "type": "number", "lower": 0, "upper": 100, "step": 5}]}],
        "contributions_per_person_max": 1}"#;
    let escaped = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\{byte:02x}")).collect::<String>();
    let records = [(0_u32, 50.0_f64), (1, 25.0), (2, 3.0), (3, 30.0)];
    let record =
        |(cell, value): (u32, f64)| [&0_u32.to_le_bytes()[..], &cell.to_le_bytes(), &value.to_le_bytes()].concat();
    let data: Vec<u8> = records.into_iter().flat_map(record).collect();
    wat::parse_str(format!(
        "(module
           (@custom \"glovebox.job\" \"{}\")
           (memory (export \"memory\") 64)
           (global $next (mut i32) (i32.const 65536))
           (data (i32.const 1024) \"{}\")
           (func (export \"gb_alloc\") (param $size i32) (param $align i32) (result i32)
             (local $at i32)
             (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
             (global.set $next (i32.add (local.get $at) (local.get $size)))
             (local.get $at))
           (func (export \"gb_batch\") (param i32) (global.set $next (i32.const 65536)))
           (func (export \"gb_partial\") (result i64) (i64.const 0x800000008))
           (func (export \"gb_merge\") (param i32 i32))
           (func (export \"gb_finish\") (param i32) (result i64) (i64.const 0x40000000004)))",
        escaped(manifest.as_bytes()),
        escaped(&data)
    ))
    .unwrap()
}
