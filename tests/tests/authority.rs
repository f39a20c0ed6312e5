//! Who may say yes, and to how much: what people try with grants that are theirs, through the engine.

use glovebox_api::{Decision, JobState, SubmitJob};
use glovebox_catalog::{
    BudgetNarrowing, Capacity, DatasetLimits, DeveloperBudget, GrantState, GrantTerms, Narrowing, ScopeNarrowing,
};
use glovebox_engine::{Engine, EngineError, GrantAction};

use crate::enclave::{self, caller, ended};

pub(crate) fn why() -> Decision {
    Decision { comment: "as agreed".into() }
}

pub(crate) fn code<T: std::fmt::Debug>(outcome: Result<T, EngineError>) -> String {
    match outcome.unwrap_err() {
        EngineError::Refused(reasons) | EngineError::Invalid(reasons) => reasons[0].code.clone(),
        EngineError::Conflict(reason) => reason.code,
        EngineError::NotFound { .. } => "request.not-found".to_owned(),
        other => panic!("{other:?}"),
    }
}

async fn released(engine: &Engine, request: &SubmitJob) -> Result<(), String> {
    let job = engine.submit_job(&caller("developer"), request.clone()).unwrap();
    let end = ended(engine, &job).await;
    if end.state == JobState::Released { Ok(()) } else { Err(format!("{:?}", end.reasons)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_grants_are_no_more_budget() {
    let folder = tempfile::tempdir().unwrap();
    let contents = enclave::make(folder.path()).await;
    let engine = enclave::open(folder.path());
    engine.start();
    // One job has run. The supplier allows two more, whatever grants say.
    let per_developer = DeveloperBudget { jobs_max: 3, ..DeveloperBudget::default() };
    let limits = DatasetLimits { per_developer, ..DatasetLimits::default() };
    assert_eq!(code(engine.limit_dataset(&caller("developer"), &contents.dataset, limits)), "policy.not-permitted");
    assert_eq!(code(engine.limit_dataset(&caller("operator"), &contents.dataset, limits)), "policy.not-permitted");
    let nothing = DatasetLimits { term_max_days: 0, ..limits };
    assert_eq!(code(engine.limit_dataset(&caller("supplier"), &contents.dataset, nothing)), "catalog.limits");
    engine.limit_dataset(&caller("supplier"), &contents.dataset, limits).unwrap();
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        let grant = enclave::granted(&engine, enclave::terms(&contents.dataset)).id;
        outcomes.push(released(&engine, &SubmitJob { grant, ..contents.job.clone() }).await);
    }
    assert_eq!(outcomes[..2], [Ok(()), Ok(())]);
    for refused in &outcomes[2..] {
        let told = refused.as_ref().unwrap_err();
        assert!(told.contains("meter.jobs-exhausted") && told.contains("all its grants"), "{told}");
    }
    // Both see it in their meters: what the organisation used of the dataset, beside what each grant did.
    for who in ["supplier", "developer"] {
        let meters = engine.meters(&caller(who)).unwrap();
        let of: Vec<_> =
            meters.iter().map(|grant| (grant.datasets[0].committed.jobs, grant.datasets[0].budget)).collect();
        assert_eq!(of, vec![(3, per_developer); 5], "{who}");
    }
    engine.limit_dataset(&caller("supplier"), &contents.dataset, DatasetLimits::default()).unwrap();
    assert_eq!(released(&engine, &contents.job).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supplier_approves_less_than_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let contents = enclave::make(folder.path()).await;
    let engine = enclave::open(folder.path());
    engine.start();
    let asked = enclave::terms(&contents.dataset);
    let grant = engine.propose_grant(&caller("developer"), asked.clone()).unwrap().id;
    let approve = |who: &str, capacity| {
        let approve = GrantAction::Approve { capacity: Some(capacity) };
        engine.decide_grant(&caller(who), &grant, approve, why())
    };
    approve("reviewer", Capacity::Reviewer).unwrap();
    let fields = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let scope = |fields, filter| ScopeNarrowing { dataset: contents.dataset.clone(), fields, filter };
    let narrow = |who: &str, narrowing: &Narrowing| engine.narrow_grant(&caller(who), &grant, narrowing, &why());
    // Nobody else narrows, and nothing becomes more, nor a filter on a person.
    let less = Narrowing {
        scopes: vec![scope(fields(&["sex", "bmi"]), None)],
        budget: BudgetNarrowing { jobs_max: Some(1), ..Default::default() },
        ..Default::default()
    };
    for who in ["developer", "reviewer", "operator"] {
        assert_eq!(code(narrow(who, &less)), "policy.not-permitted", "{who}");
    }
    assert_eq!(code(narrow("officer", &less)), "request.not-found");
    let more = Narrowing { scopes: vec![scope(fields(&["sex", "person_id"]), None)], ..Default::default() };
    assert_eq!(code(narrow("supplier", &more)), "policy.narrowing-invalid");
    let on_a_person =
        serde_json::from_value(serde_json::json!({"field": "person_id", "op": "eq", "value": "p7"})).unwrap();
    let singled = Narrowing { scopes: vec![scope(None, Some(on_a_person))], ..Default::default() };
    assert_eq!(code(narrow("supplier", &singled)), "policy.field-not-grantable");

    let after = narrow("supplier", &less).unwrap();
    assert_eq!((after.state, after.revision), (GrantState::Proposed, 1), "the reviewer approved wider terms");
    let seen = engine.grant(&caller("developer"), &grant).unwrap();
    assert_eq!(seen.asked.as_deref(), Some(&asked), "the developer sees what was cut");
    assert_eq!(seen.terms, GrantTerms { budget: seen.terms.budget, scopes: seen.terms.scopes.clone(), ..asked });
    assert_eq!(approve("reviewer", Capacity::Reviewer).unwrap().state, GrantState::Active);
    // The module reads `age_years`, which is not granted any more.
    let refused = engine.submit_job(&caller("developer"), SubmitJob { grant: grant.clone(), ..contents.job.clone() });
    assert_eq!(code(refused), "policy.column-not-granted");
}
