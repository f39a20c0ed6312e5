//! Who may say yes, and to how much: what people try with grants that are theirs, through the engine.

use glovebox_api::{Decision, JobState, NewPrincipal, SubmitJob};
use glovebox_catalog::{
    BudgetNarrowing, Capacity, DatasetLimits, DeveloperBudget, GrantState, GrantTerms, Narrowing, OrganisationId,
    PrincipalId, Role, ScopeNarrowing, SuspendedKind,
};
use glovebox_engine::{Caller, Engine, EngineError, GrantAction, PageQuery, SuspensionStep};

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

/// What each of these says against the job, told by the same code wherever it is met.
fn submits(engine: &Engine, contents: &enclave::Contents) -> Result<(), String> {
    engine.submit_job(&caller("developer"), contents.job.clone()).map(drop).map_err(|error| code::<()>(Err(error)))
}

fn step(engine: &Engine, who: &str, of: (SuspendedKind, &str), step: SuspensionStep) -> Result<usize, EngineError> {
    engine.step_suspension(&caller(who), of.0, of.1, step, &why()).map(|after| after.standing.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_zone_stops_a_thing_at_once_and_starts_none_alone() {
    let folder = tempfile::tempdir().unwrap();
    let contents = enclave::make(folder.path()).await;
    let engine = enclave::open(folder.path());
    engine.start();
    let (grant, module) = (contents.job.grant.to_string(), contents.job.module.to_string());
    let zone = (SuspendedKind::Zone, "zone");
    let things = [
        (zone, "officer"),
        ((SuspendedKind::Grant, grant.as_str()), "supplier"),
        ((SuspendedKind::Dataset, contents.dataset.as_str()), "supplier"),
        ((SuspendedKind::Module, module.as_str()), "reviewer"),
    ];
    for (thing, other_side) in things {
        for who in ["developer", "regulator"] {
            let tried = step(&engine, who, thing, SuspensionStep::Suspend);
            assert_eq!(code(tried), "policy.not-permitted", "{who} {thing:?}");
        }
        assert_eq!(step(&engine, "operator", thing, SuspensionStep::Suspend).unwrap(), 1);
        assert_eq!(submits(&engine, &contents), Err("policy.suspended".to_owned()), "{thing:?}");
        let release =
            engine.releases(&caller("developer"), &PageQuery { cursor: None, limit: 9 }).unwrap().items[0].id.clone();
        let fetched = engine.release(&caller("developer"), &release);
        assert_eq!(code(fetched.map(drop)), "policy.suspended", "{thing:?}: what left is not handed out");
        // Nobody of one side alone lets it go on, twice neither.
        assert_eq!(step(&engine, "operator", thing, SuspensionStep::Resume).unwrap(), 1);
        assert_eq!(code(step(&engine, "operator", thing, SuspensionStep::Resume)), "policy.same-person");
        assert!(submits(&engine, &contents).is_err());
        assert_eq!(step(&engine, other_side, thing, SuspensionStep::Resume).unwrap(), 0, "{thing:?}");
        let job = engine.submit_job(&caller("developer"), contents.job.clone()).unwrap();
        assert_eq!(ended(&engine, &job).await.state, JobState::Released, "{thing:?}");
    }
    // An organisation comes in again by two people of the zone.
    let company = (SuspendedKind::Organisation, "company-c");
    step(&engine, "officer", company, SuspensionStep::Suspend).unwrap();
    assert!(submits(&engine, &contents).is_err());
    assert_eq!(step(&engine, "officer", company, SuspensionStep::Resume).unwrap(), 1);
    assert_eq!(step(&engine, "operator", company, SuspensionStep::Resume).unwrap(), 0);
    assert_eq!(submits(&engine, &contents), Ok(()));
    for out_of_reach in ["zone-ops", "health-office"] {
        let tried = step(&engine, "operator", (SuspendedKind::Organisation, out_of_reach), SuspensionStep::Suspend);
        assert_eq!(code(tried), "policy.not-suspendable");
    }
    // Every step is in the log, with its reason.
    let log = engine.export(&caller("regulator")).unwrap().map(Result::unwrap).collect::<String>();
    assert!(log.contains("\"action\":\"zone.suspend\"") && log.contains("\"reason\":\"as agreed\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_ends_what_runs_and_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let contents = enclave::make(folder.path()).await;
    let engine = enclave::open(folder.path());
    engine.start();
    let slow = engine.submit_module(&caller("developer"), &enclave::slow_module()).unwrap().id;
    let request = SubmitJob { module: slow, ..contents.job.clone() };
    let runs = engine.submit_job(&caller("developer"), request).unwrap();
    let waits = engine.submit_job(&caller("developer"), contents.job.clone()).unwrap();
    while engine.job(&caller("operator"), &runs.id).unwrap().state != JobState::Running {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    step(&engine, "officer", (SuspendedKind::Zone, "zone"), SuspensionStep::Suspend).unwrap();
    for job in [runs, waits] {
        assert_eq!(ended(&engine, &job).await.state, JobState::Killed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_under_a_grant_that_nobody_answers_for() {
    let folder = tempfile::tempdir().unwrap();
    let contents = enclave::make(folder.path()).await;
    let engine = enclave::open(folder.path());
    engine.start();
    let id = PrincipalId::new("colleague").unwrap();
    let organisation = OrganisationId::new("company-c").unwrap();
    let roles = [Role::Developer].into();
    let person = NewPrincipal { name: "colleague".into(), id: id.clone(), organisation, roles };
    engine.create_principal(&caller("officer"), person).unwrap();
    let mut colleague = caller("developer");
    colleague.principal.id = id;
    let submit = || engine.submit_job(&colleague, contents.job.clone());
    let slow = engine.submit_module(&colleague, &enclave::slow_module()).unwrap().id;
    let runs = engine.submit_job(&colleague, SubmitJob { module: slow, ..contents.job.clone() });
    let runs = runs.expect("a colleague works under it as long as who proposed it is there");
    while engine.job(&caller("operator"), &runs.id).unwrap().state != JobState::Running {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    engine.deactivate_principal(&caller("officer"), &PrincipalId::new("developer").unwrap(), why()).unwrap();
    assert_eq!(ended(&engine, &runs).await.state, JobState::Killed, "what runs stops with who answered for it");
    assert_eq!(code(submit()), "policy.no-responsible-person");
    let take_over = |who: &Caller| engine.take_over_grant(who, &contents.job.grant, &why());
    for who in ["supplier", "reviewer", "operator"] {
        assert_eq!(code(take_over(&caller(who))), "policy.not-permitted", "{who}");
    }
    assert_eq!(take_over(&colleague).unwrap().responsible_person(), &colleague.principal.id);
    let job = submit().unwrap();
    assert_eq!(ended(&engine, &job).await.state, JobState::Released);
}
