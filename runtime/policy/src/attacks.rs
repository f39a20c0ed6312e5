//! What an attacker would try on a grant and its permit, and the diagram of a grant's states.

use glovebox_catalog::{
    Approval, BudgetNarrowing, Capacity, DatasetId, Grant, GrantState, InputType, Isolation, JobManifest, Narrowing,
    OrganisationId, Principal, Purpose, Recipient, Refusal, Role, ScopeNarrowing,
};

use crate::fixtures::{
    active, authoriser, dataset, developer, manifest, now, organisations, principal, proposed, reviewer, snapshot,
    supplier, terms,
};
use crate::{
    GrantEvent, Permit, PermitRequest, PolicyError, TRANSITIONS, approve_narrowed, decide, diagram, propose, resume,
    revoke, suspend,
};

fn approve(grant: &mut Grant, by: &Principal, capacity: Capacity) -> Result<GrantState, PolicyError> {
    decide(grant, by, capacity, true, "", now())
}

fn inputs() -> Vec<(&'static str, InputType)> {
    vec![("sex", InputType::Code(vec!["2".into()])), ("bmi", InputType::Float64)]
}

/// Asks for a permit after `change` of a request that is in order.
fn ask(grant: &Grant, change: impl for<'a> FnOnce(&mut PermitRequest<'a>)) -> Result<Permit, Vec<String>> {
    ask_for(grant, &inputs(), change)
}

fn ask_for(
    grant: &Grant,
    inputs: &[(&str, InputType)],
    change: impl for<'a> FnOnce(&mut PermitRequest<'a>),
) -> Result<Permit, Vec<String>> {
    let (principal, dataset, snapshot, manifest) = (developer(), dataset(), snapshot(), manifest(inputs));
    let mut request = PermitRequest {
        principal: &principal,
        grant,
        dataset: &dataset,
        snapshot: &snapshot,
        manifest: &manifest,
        uses_so_far: 0,
        now: now(),
        address: None,
    };
    change(&mut request);
    codes(authoriser().permit(request))
}

fn codes(outcome: Result<Permit, Vec<Refusal>>) -> Result<Permit, Vec<String>> {
    outcome.map_err(|refusals| refusals.into_iter().map(|refusal| refusal.code).collect())
}

fn refused(outcome: Result<Permit, Vec<String>>, code: &str) {
    let codes = outcome.expect_err(code);
    assert!(codes.iter().any(|found| found == code), "expected {code}, found {codes:?}");
}

#[test]
fn a_job_in_order_gets_exactly_what_it_asks_for() {
    let grant = active();
    let permit = ask(&grant, |_| {}).unwrap();
    assert_eq!(permit.grant(), &grant.id);
    assert_eq!(permit.dataset().id.as_str(), "table");
    assert_eq!(permit.snapshot().number, 1);
    assert_eq!(permit.columns().iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["sex", "bmi"]);
    assert_eq!(permit.filter(), None);
    assert_eq!(permit.purpose(), Purpose::Research);
    assert_eq!(permit.recipients(), grant.terms.recipients);
    assert_eq!(permit.profile(), "default");
    assert_eq!((permit.issued_at(), permit.valid_until()), (now(), grant.terms.valid_until));
    assert_eq!(permit.policy_ids(), ["jobs.developer-own"]);
}

#[test]
fn a_guest_of_the_wrong_organisation_gets_nothing() {
    let stranger = principal("dev", "rival", &[Role::Developer]);
    let grant = active();
    let (dataset, snapshot, manifest) = (dataset(), snapshot(), manifest(&inputs()));
    let request = PermitRequest {
        principal: &stranger,
        grant: &grant,
        dataset: &dataset,
        snapshot: &snapshot,
        manifest: &manifest,
        uses_so_far: 0,
        now: now(),
        address: None,
    };
    let codes = codes(authoriser().permit(request)).unwrap_err();
    assert_eq!(codes, ["policy.wrong-organisation", "policy.not-a-recipient", "policy.not-permitted"]);
    // Nor does a person of the right organisation in another role, or one who has left.
    let mut left = developer();
    left.active = false;
    for person in [principal("op", "company", &[Role::Operator]), left] {
        assert_eq!(super::attacks::codes(authoriser().permit(PermitRequest { principal: &person, ..request })), {
            Err(vec!["policy.not-permitted".to_owned()])
        });
    }
}

#[test]
fn a_grant_can_t_be_passed_on() {
    // Sub-delegation: a recipient who is not the grantee receives outputs, and opens nothing.
    let mut with_partner = terms();
    with_partner
        .recipients
        .push(Recipient { organisation: OrganisationId::new("laboratory").unwrap(), jurisdiction: "CN".into() });
    let mut grant = propose(proposed().id, with_partner, &developer(), &[dataset()], &organisations(), now()).unwrap();
    approve(&mut grant, &supplier(), Capacity::Supplier).unwrap();
    approve(&mut grant, &reviewer(), Capacity::Reviewer).unwrap();
    let partner = principal("par", "laboratory", &[Role::Developer]);
    let (dataset, snapshot, manifest) = (dataset(), snapshot(), manifest(&inputs()));
    let request = PermitRequest {
        principal: &partner,
        grant: &grant,
        dataset: &dataset,
        snapshot: &snapshot,
        manifest: &manifest,
        uses_so_far: 0,
        now: now(),
        address: None,
    };
    assert_eq!(codes(authoriser().permit(request)).unwrap_err(), ["policy.wrong-organisation", "policy.not-permitted"]);
}

#[test]
fn the_term_is_kept_to_the_millisecond() {
    let grant = active();
    let (from, until) = (grant.terms.valid_from.unix_ms(), grant.terms.valid_until.unix_ms());
    let at = glovebox_catalog::Timestamp::from_unix_ms;
    refused(ask(&grant, |request| request.now = at(from - 1)), "policy.grant-not-yet-valid");
    assert!(ask(&grant, |request| request.now = at(from)).is_ok());
    assert!(ask(&grant, |request| request.now = at(until - 1)).is_ok());
    refused(ask(&grant, |request| request.now = at(until)), "policy.grant-expired");
}

#[test]
fn uses_are_counted() {
    let grant = active();
    assert!(ask(&grant, |request| request.uses_so_far = 2).is_ok());
    refused(ask(&grant, |request| request.uses_so_far = 3), "policy.grant-uses-exhausted");
    refused(ask(&grant, |request| request.uses_so_far = u64::MAX), "policy.grant-uses-exhausted");
}

#[test]
fn what_a_supplier_stops_is_stopped() {
    let mut grant = active();
    suspend(&mut grant, &supplier()).unwrap();
    refused(ask(&grant, |_| {}), "policy.grant-not-active");
    resume(&mut grant, &supplier()).unwrap();
    assert!(ask(&grant, |_| {}).is_ok());
    revoke(&mut grant, &supplier()).unwrap();
    refused(ask(&grant, |_| {}), "policy.grant-not-active");
    assert!(matches!(resume(&mut grant, &supplier()), Err(PolicyError::State { .. })));
}

#[test]
fn a_state_written_by_hand_opens_nothing() {
    let mut forged = proposed();
    forged.state = GrantState::Active;
    refused(ask(&forged, |_| {}), "policy.approval-missing");
    // Approvals that `decide` would not have taken count for nothing: by the proposer, by the developer's own
    // reviewer, by the supplier's person in both capacities, by the supplier's own reviewer.
    let approval = |by: &Principal, capacity| Approval {
        principal: by.id.clone(),
        organisation: by.organisation.clone(),
        capacity,
        approved: true,
        revision: 0,
        narrowing: None,
        comment: String::new(),
        at: now(),
    };
    let own_reviewer = principal("rev", "company", &[Role::Reviewer]);
    let ethics_board = principal("ethics", "hospital", &[Role::Reviewer]);
    let mut by_proposer = approval(&supplier(), Capacity::Supplier);
    by_proposer.principal = developer().id;
    for approvals in [
        vec![by_proposer, approval(&reviewer(), Capacity::Reviewer)],
        vec![approval(&supplier(), Capacity::Supplier), approval(&own_reviewer, Capacity::Reviewer)],
        vec![approval(&supplier(), Capacity::Supplier), approval(&supplier(), Capacity::Reviewer)],
        vec![approval(&supplier(), Capacity::Supplier), approval(&ethics_board, Capacity::Reviewer)],
    ] {
        forged.approvals = approvals;
        refused(ask(&forged, |_| {}), "policy.approval-missing");
    }
    forged.suppliers.clear();
    refused(ask(&forged, |_| {}), "policy.approval-missing");
}

#[test]
fn columns_that_are_not_granted_stay_closed() {
    let mut grant = active();
    refused(ask_for(&grant, &[("visit", InputType::Date)], |_| {}), "policy.column-not-granted");
    refused(ask_for(&grant, &[("absent", InputType::Int64)], |_| {}), "policy.column-closed");
    // Even under a grant whose record was altered to name them.
    let closed = ["person", "phone", "note"];
    grant.terms.scopes[0].fields.extend(closed.iter().map(|name| (*name).to_owned()));
    for name in closed {
        refused(ask_for(&grant, &[(name, InputType::Int64)], |_| {}), "policy.column-closed");
    }
}

#[test]
fn a_manifest_states_the_types_of_the_dictionary() {
    let grant = active();
    for (name, input_type) in [("bmi", InputType::Int64), ("age", InputType::Float64), ("sex", InputType::Boolean)] {
        refused(ask_for(&grant, &[(name, input_type)], |_| {}), "policy.column-type");
    }
    let codes = InputType::Code(vec!["1".into(), "9".into()]);
    refused(ask_for(&grant, &[("sex", codes)], |_| {}), "policy.code-not-declared");
}

#[test]
fn fields_of_the_highest_grade_reach_no_job() {
    refused(ask_for(&active(), &[("hiv", InputType::Boolean)], |_| {}), "policy.not-permitted");
}

#[test]
fn a_module_for_another_purpose_does_not_run() {
    let grant = active();
    let mut other = manifest(&inputs());
    for (purpose, runs) in [(Purpose::Research, true), (Purpose::Insurance, false)] {
        other.purpose = Some(purpose);
        let (principal, dataset, snapshot) = (developer(), dataset(), snapshot());
        let request = PermitRequest {
            principal: &principal,
            grant: &grant,
            dataset: &dataset,
            snapshot: &snapshot,
            manifest: &other,
            uses_so_far: 0,
            now: now(),
            address: None,
        };
        let outcome = codes(authoriser().permit(request));
        assert_eq!(outcome.is_ok(), runs);
        if !runs {
            refused(outcome, "policy.purpose-mismatch");
        }
    }
}

#[test]
fn a_job_of_an_isolation_that_was_not_granted_is_refused() {
    let mut grant = active();
    grant.terms.isolations = [Isolation::Row].into();
    let (principal, dataset, snapshot) = (developer(), dataset(), snapshot());
    for (isolation, runs) in [(Isolation::Row, true), (Isolation::Person, false), (Isolation::Cohort, false)] {
        let manifest = JobManifest { isolation, ..manifest(&inputs()) };
        let request = PermitRequest {
            principal: &principal,
            grant: &grant,
            dataset: &dataset,
            snapshot: &snapshot,
            manifest: &manifest,
            uses_so_far: 0,
            now: now(),
            address: None,
        };
        let outcome = codes(authoriser().permit(request));
        assert_eq!(outcome.is_ok(), runs, "{isolation:?}");
        if !runs {
            refused(outcome, "policy.isolation-not-granted");
        }
    }
}

#[test]
fn another_dataset_or_its_snapshot_is_not_opened() {
    let grant = active();
    let (principal, manifest) = (developer(), manifest(&inputs()));
    let (mut other, snapshot) = (dataset(), snapshot());
    other.id = DatasetId::new("other").unwrap();
    let request = PermitRequest {
        principal: &principal,
        grant: &grant,
        dataset: &other,
        snapshot: &snapshot,
        manifest: &manifest,
        uses_so_far: 0,
        now: now(),
        address: None,
    };
    let codes = codes(authoriser().permit(request)).unwrap_err();
    assert_eq!(codes, ["policy.snapshot-mismatch", "policy.dataset-not-granted"]);
    // A dataset that went to another supplier since: the new one was never asked.
    let mut sold = dataset();
    sold.supplier = OrganisationId::new("clinic").unwrap();
    let request = PermitRequest { dataset: &sold, snapshot: &snapshot, ..request };
    refused(super::attacks::codes(authoriser().permit(request)), "policy.supplier-not-asked");
}

#[test]
fn nobody_approves_alone() {
    let all = [Role::Supplier, Role::Reviewer, Role::Developer];
    // The proposer, though they hold every role for a supplier that researches on its own data.
    let proposer = principal("all", "hospital", &all);
    let mut own = terms();
    own.recipients[0].organisation = proposer.organisation.clone();
    let mut grant = propose(proposed().id, own, &proposer, &[dataset()], &organisations(), now()).unwrap();
    assert_eq!(approve(&mut grant, &proposer, Capacity::Supplier), Err(PolicyError::SelfApproval));
    assert_eq!(approve(&mut grant, &proposer, Capacity::Reviewer), Err(PolicyError::SelfApproval));
    let colleague = principal("col", "hospital", &all);
    assert_eq!(approve(&mut grant, &colleague, Capacity::Reviewer), Err(PolicyError::OwnOrganisation));
    assert_eq!(approve(&mut grant, &colleague, Capacity::Supplier), Ok(GrantState::Proposed));
    // One person in both capacities, on another's grant.
    let mut grant = proposed();
    let both = principal("both", "hospital", &all);
    assert_eq!(approve(&mut grant, &both, Capacity::Supplier), Ok(GrantState::Proposed));
    assert_eq!(approve(&mut grant, &both, Capacity::Reviewer), Err(PolicyError::OwnOrganisation));
    assert_eq!(approve(&mut grant, &colleague, Capacity::Supplier), {
        Err(PolicyError::AlreadyDecided { organisation: both.organisation.clone() })
    });
    assert_eq!(grant.approvals.len(), 1);
    // Nor is the supplier's own reviewer the one from outside.
    assert_eq!(approve(&mut grant, &colleague, Capacity::Reviewer), Err(PolicyError::OwnOrganisation));
    let turncoat = principal("both", "laboratory", &all);
    assert_eq!(approve(&mut grant, &turncoat, Capacity::Reviewer), Err(PolicyError::SamePerson));
    assert_eq!(approve(&mut grant, &reviewer(), Capacity::Reviewer), Ok(GrantState::Active));
}

#[test]
fn who_decides_holds_the_role_for_a_party() {
    let mut grant = proposed();
    let mut fault = |by: &Principal, capacity| approve(&mut grant, by, capacity).unwrap_err().code();
    assert_eq!(fault(&reviewer(), Capacity::Supplier), "policy.capacity");
    assert_eq!(fault(&supplier(), Capacity::Reviewer), "policy.capacity");
    assert_eq!(fault(&principal("x", "clinic", &[Role::Supplier]), Capacity::Supplier), "policy.wrong-organisation");
    for concerned in ["company", "hospital"] {
        assert_eq!(fault(&principal("x", concerned, &[Role::Reviewer]), Capacity::Reviewer), "policy.own-organisation");
    }
    for role in [Role::Operator, Role::Regulator, Role::SecurityOfficer, Role::Developer] {
        assert_eq!(fault(&principal("x", "hospital", &[role]), Capacity::Supplier), "policy.capacity");
    }
    let mut left = supplier();
    left.active = false;
    assert_eq!(fault(&left, Capacity::Supplier), "policy.principal-inactive");
    assert_eq!(grant, proposed());
}

#[test]
fn one_no_is_final_and_a_late_yes_is_none() {
    let mut grant = proposed();
    approve(&mut grant, &supplier(), Capacity::Supplier).unwrap();
    decide(&mut grant, &reviewer(), Capacity::Reviewer, false, "too wide\u{7}", now()).unwrap();
    assert_eq!(grant.state, GrantState::Refused);
    assert_eq!(grant.approvals[1].comment, "too wide");
    let other = principal("rev2", "laboratory", &[Role::Reviewer]);
    assert!(matches!(approve(&mut grant, &other, Capacity::Reviewer), Err(PolicyError::State { .. })));
    let mut grant = proposed();
    let end = grant.terms.valid_until;
    let late = decide(&mut grant, &supplier(), Capacity::Supplier, true, "", end);
    assert!(matches!(late, Err(PolicyError::TermOver { .. })));
}

#[test]
fn a_narrowing_sets_earlier_approvals_aside() {
    let jobs = |jobs: u64| Narrowing {
        budget: BudgetNarrowing { jobs_max: Some(jobs), ..Default::default() },
        ..Default::default()
    };
    let own = [dataset().id];
    let mut grant = proposed();
    approve(&mut grant, &reviewer(), Capacity::Reviewer).unwrap();
    let cut =
        |grant: &mut Grant, by: &Principal, jobs_max| approve_narrowed(grant, by, &jobs(jobs_max), &own, "", now());
    assert_eq!(cut(&mut grant, &supplier(), 1), Ok(GrantState::Proposed), "the reviewer approved other terms");
    assert_eq!((grant.revision, grant.terms.budget.jobs_max), (1, 1));
    assert_eq!(grant.asked.as_ref().unwrap().budget.jobs_max, 3);
    // A state or a number set by hand makes the old approval count no more than before.
    let mut forged = grant.clone();
    forged.state = GrantState::Active;
    refused(ask(&forged, |_| {}), "policy.approval-missing");
    assert_eq!(approve(&mut grant, &supplier(), Capacity::Supplier), Err(PolicyError::SamePerson));
    assert_eq!(approve(&mut grant, &reviewer(), Capacity::Reviewer), Ok(GrantState::Active));
    assert!(ask(&grant, |_| {}).is_ok());
    refused(ask(&grant, |request| request.uses_so_far = 1), "policy.grant-uses-exhausted");
}

#[test]
fn nobody_but_a_supplier_narrows_and_only_what_is_its_own() {
    let cut = Narrowing { review_required: true, ..Default::default() };
    let mut grant = proposed();
    for by in [reviewer(), developer(), principal("x", "clinic", &[Role::Supplier])] {
        assert!(approve_narrowed(&mut grant, &by, &cut, &[dataset().id], "", now()).is_err(), "{by:?}");
    }
    let scope = ScopeNarrowing { dataset: dataset().id, fields: Some(["sex".to_owned()].into()), filter: None };
    let cut = Narrowing { scopes: vec![scope], ..Default::default() };
    let foreign = approve_narrowed(&mut grant, &supplier(), &cut, &[DatasetId::new("other").unwrap()], "", now());
    assert_eq!(foreign, Err(PolicyError::NotTheirsToNarrow));
    assert_eq!(grant, proposed());
    approve_narrowed(&mut grant, &supplier(), &cut, &[dataset().id], "", now()).unwrap();
    approve(&mut grant, &reviewer(), Capacity::Reviewer).unwrap();
    refused(ask(&grant, |_| {}), "policy.column-not-granted");
    // Once active, nothing is narrowed: whoever wants less suspends.
    let late =
        approve_narrowed(&mut grant, &principal("y", "hospital", &[Role::Supplier]), &cut, &[dataset().id], "", now());
    assert!(matches!(late, Err(PolicyError::State { .. })));
}

#[test]
fn each_supplier_lifts_its_own_suspension_only() {
    let mut grant = active();
    let second = principal("sup", "clinic", &[Role::Supplier]);
    assert!(matches!(suspend(&mut grant, &second), Err(PolicyError::WrongOrganisation { .. })));
    grant.suppliers.insert(second.organisation.clone());
    assert_eq!(suspend(&mut grant, &supplier()), Ok(GrantState::Suspended));
    assert!(matches!(resume(&mut grant, &second), Err(PolicyError::WrongOrganisation { .. })));
    assert_eq!(suspend(&mut grant, &second), Ok(GrantState::Suspended));
    assert!(matches!(suspend(&mut grant, &second), Err(PolicyError::AlreadyDecided { .. })));
    assert_eq!(resume(&mut grant, &supplier()), Ok(GrantState::Suspended));
    assert_eq!(resume(&mut grant, &second), Ok(GrantState::Active));
}

#[test]
fn only_parties_end_a_grant() {
    for by in [developer(), supplier()] {
        assert_eq!(revoke(&mut active(), &by), Ok(GrantState::Revoked));
    }
    for by in [
        reviewer(),
        principal("x", "rival", &[Role::Developer]),
        principal("x", "company", &[Role::Reviewer]),
        principal("x", "hospital", &[Role::Developer]),
    ] {
        assert!(matches!(revoke(&mut active(), &by), Err(PolicyError::WrongOrganisation { .. })), "{by:?}");
    }
}

#[test]
fn the_table_has_one_line_for_state_and_event_and_final_states_have_none() {
    for line in TRANSITIONS {
        let same = |other: &&crate::Transition| other.from == line.from && other.event == line.event;
        assert_eq!(TRANSITIONS.iter().filter(same).count(), 1, "{line:?}");
        assert!(!matches!(line.from, GrantState::Refused | GrantState::Revoked));
        // Nothing but the last approval or the last lifted suspension makes a grant active.
        if line.to == GrantState::Active {
            assert!(matches!(line.event, GrantEvent::ApproveLast | GrantEvent::ResumeLast));
        }
    }
}

/// `GLOVEBOX_BLESS=1 cargo test -p glovebox-policy` rewrites the page.
#[test]
fn the_diagram_in_the_docs_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/grant-states.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (head, rest) = page.split_once("```mermaid\n").unwrap();
    let (found, tail) = rest.split_once("```").unwrap();
    if std::env::var_os("GLOVEBOX_BLESS").is_some() {
        std::fs::write(path, format!("{head}```mermaid\n{}```{tail}", diagram())).unwrap();
        return;
    }
    assert_eq!(found, diagram(), "run the test with GLOVEBOX_BLESS=1 and look at the change");
}
