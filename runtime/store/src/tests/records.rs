//! Records: written once, found again, listed in pages.

use glovebox_catalog::{GrantId, GrantState, OrganisationKind, PrincipalId, Timestamp};
use glovebox_gm::sm3;

use super::fixtures::*;
use crate::{Answer, Claim, EventFilter, Slice, Store, StoreError};

#[test]
fn what_is_put_is_found_again_after_a_restart() {
    let (_folder, path) = file();
    let store = open_file(&path).unwrap();
    furnish(&store);
    drop(store);
    let store = open_file(&path).unwrap();
    assert_eq!(
        store.organisation(&hospital()).unwrap().unwrap(),
        organisation(&hospital(), OrganisationKind::Supplier)
    );
    assert_eq!(store.principal(&developer()).unwrap().unwrap(), principal("dev"));
    assert_eq!(store.dataset(&dataset("table").id).unwrap().unwrap(), dataset("table"));
    assert_eq!(store.latest_snapshot(&dataset("table").id).unwrap().unwrap(), snapshot(1));
    let (found, report) = store.snapshot(&dataset("table").id, 1).unwrap().unwrap();
    assert_eq!((found, report["rows_read"].as_u64()), (snapshot(1), Some(10)));
    assert_eq!(store.grant(&grant_id()).unwrap().unwrap(), grant(&grant_id()));
    assert_eq!(store.module(&module().id).unwrap().unwrap(), module());
    assert_eq!(store.module_bytes(&module().id).unwrap(), WASM);
    assert_eq!(store.events(EventFilter::default(), &Slice::default()).unwrap().items.len(), 7);
}

#[test]
fn an_id_is_taken_once_and_the_failed_try_leaves_no_event() {
    let store = furnished();
    let size = store.tree_head(now()).unwrap().size;
    let again = store.put_dataset(&dataset("table"), draft("dataset.register"));
    assert!(matches!(again, Err(StoreError::Exists { kind: "dataset", .. })));
    let mut orphan = dataset("orphan");
    orphan.supplier = glovebox_catalog::OrganisationId::new("nobody").unwrap();
    assert!(matches!(store.put_dataset(&orphan, draft("dataset.register")), Err(StoreError::NotFound { .. })));
    let stranger = PrincipalId::new("stranger").unwrap();
    assert!(matches!(store.set_active(&stranger, false, draft("x")), Err(StoreError::NotFound { .. })));
    assert_eq!(store.tree_head(now()).unwrap().size, size);
    assert_eq!(store.dataset(&orphan.id).unwrap(), None);
}

#[test]
fn snapshots_count_up_without_gaps() {
    let store = furnished();
    let publish = |number| store.publish(&snapshot(number), &serde_json::json!({}), draft("dataset.ingest"));
    for wrong in [1, 3, 0] {
        assert!(matches!(publish(wrong), Err(StoreError::Conflict { .. })), "{wrong}");
    }
    for number in 2..=12 {
        publish(number).unwrap();
    }
    assert_eq!(store.latest_snapshot(&dataset("table").id).unwrap().unwrap().number, 12);
    let page = store.snapshots(&dataset("table").id, &Slice::default()).unwrap();
    assert_eq!(page.items.iter().map(|one| one.number).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
}

#[test]
fn a_grant_changes_only_from_what_was_read_and_never_its_terms() {
    let store = furnished();
    let before = store.grant(&grant_id()).unwrap().unwrap();
    let mut suspended = before.clone();
    suspended.state = GrantState::Suspended;
    suspended.suspended_by.insert(hospital());
    store.update_grant(&before, &suspended, draft("grant.suspend")).unwrap();
    // Someone who read it before comes too late.
    let mut revoked = before.clone();
    revoked.state = GrantState::Revoked;
    let late = store.update_grant(&before, &revoked, draft("grant.revoke"));
    assert!(matches!(late, Err(StoreError::Conflict { .. })));
    assert_eq!(store.grant(&grant_id()).unwrap().unwrap(), suspended);
    let mut wider = suspended.clone();
    wider.terms.budget.jobs_max = 1_000_000;
    let widened = store.update_grant(&suspended, &wider, draft("grant.resume"));
    assert!(matches!(widened, Err(StoreError::Conflict { .. })));
}

#[test]
fn lists_come_in_pages_and_by_party() {
    let store = furnished();
    for number in 2..=25 {
        let id = GrantId::new(format!("grt-{number}")).unwrap();
        let mut one = grant(&id);
        if number % 5 == 0 {
            one.suppliers = [company()].into();
            one.organisation = hospital();
        }
        store.put_grant(&one, draft("grant.propose")).unwrap();
    }
    let mut seen = Vec::new();
    let mut slice = Slice::first(7);
    loop {
        let page = store.grants(None, None, &slice).unwrap();
        assert!(page.items.len() <= 7);
        seen.extend(page.items.into_iter().map(|grant| grant.id.to_string()));
        match page.next_cursor {
            Some(cursor) => slice = Slice::after(Some(cursor), 7),
            None => break,
        }
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((seen.len(), &seen), (25, &sorted));
    assert_eq!(store.grants(Some(&hospital()), None, &Slice::default()).unwrap().items.len(), 5);
    assert_eq!(store.grants(None, Some(&hospital()), &Slice::default()).unwrap().items.len(), 20);
    assert_eq!(store.grants(Some(&hospital()), Some(&hospital()), &Slice::default()).unwrap().items.len(), 0);
    // A limit of nothing or of everything is cut.
    assert_eq!(store.grants(None, None, &Slice::first(0)).unwrap().items.len(), 1);
    assert_eq!(store.grants(None, None, &Slice::first(u32::MAX)).unwrap().items.len(), 25);
    // A cursor is a value, not SQL.
    let hostile = Slice::after(Some("' OR 1=1 --".into()), 10);
    assert_eq!(store.grants(None, None, &hostile).unwrap().items.len(), 10);
}

#[test]
fn module_bytes_are_the_ones_their_id_names() {
    let store = Store::in_memory().unwrap();
    assert!(matches!(store.put_module(&module(), b"other", draft("module.submit")), Err(StoreError::Corrupt { .. })));
    assert!(matches!(store.module_bytes(&module().id), Err(StoreError::NotFound { .. })));
    assert_eq!(store.tree_head(now()).unwrap().size, 0);
}

#[test]
fn a_request_sent_again_gets_the_first_answer() {
    let (_folder, path) = file();
    let store = open_file(&path).unwrap();
    let (who, other) = (developer(), PrincipalId::new("other").unwrap());
    let (request, another) = (sm3(b"request"), sm3(b"another"));
    assert_eq!(store.claim(&who, "k", request, now()).unwrap(), Claim::New);
    assert_eq!(store.claim(&who, "k", request, now()).unwrap(), Claim::InProgress);
    assert_eq!(store.claim(&other, "k", request, now()).unwrap(), Claim::New);
    let answer = Answer { status: 201, body: b"made".to_vec() };
    store.answer(&who, "k", &answer).unwrap();
    assert!(store.answer(&who, "k", &Answer { status: 500, body: Vec::new() }).is_err());
    assert_eq!(store.claim(&who, "k", request, now()).unwrap(), Claim::Answered(answer.clone()));
    assert_eq!(store.claim(&who, "k", another, now()).unwrap(), Claim::OtherRequest);
    store.abandon(&who, "k").unwrap();
    assert_eq!(store.claim(&who, "k", request, now()).unwrap(), Claim::Answered(answer.clone()));
    drop(store);
    // What was under way when the process ended may be sent again; what was answered stays answered.
    let store = open_file(&path).unwrap();
    assert_eq!(store.claim(&other, "k", request, now()).unwrap(), Claim::New);
    assert_eq!(store.claim(&who, "k", request, now()).unwrap(), Claim::Answered(answer));
    assert_eq!(
        store.prune_answers(Timestamp::from_unix_ms(now().unix_ms() + 1)).unwrap(),
        1,
        "what is under way stays"
    );
    assert_eq!(store.claim(&who, "k", another, now()).unwrap(), Claim::New);
}

#[test]
fn the_terms_of_a_grant_become_narrower_and_never_wider() {
    let store = furnished();
    let before = store.grant(&grant_id()).unwrap().unwrap();
    let before = glovebox_catalog::Grant { state: glovebox_catalog::GrantState::Proposed, ..before };
    let id = glovebox_catalog::GrantId::new("grt-9").unwrap();
    let mut before = glovebox_catalog::Grant { id, ..before };
    let fields = ["sex".to_owned()].into();
    before.terms.scopes = vec![glovebox_catalog::DatasetScope { dataset: dataset("table").id, fields, filter: None }];
    store.put_grant(&before, draft("grant.propose")).unwrap();
    let narrowed = |change: &dyn Fn(&mut glovebox_catalog::GrantTerms)| {
        let mut after = before.clone();
        (after.revision, after.asked) = (1, Some(Box::new(before.terms.clone())));
        change(&mut after.terms);
        after
    };
    let wider = narrowed(&|terms| terms.budget.jobs_max += 1);
    let longer = narrowed(&|terms| terms.valid_until = terms.valid_until.plus_days(1));
    let more = narrowed(&|terms| terms.scopes[0].fields.extend(["hiv".to_owned()]));
    let unsaid = glovebox_catalog::Grant { asked: None, ..narrowed(&|terms| terms.budget.cells_max = 1) };
    let same = glovebox_catalog::Grant { revision: 0, asked: None, ..narrowed(&|terms| terms.budget.cells_max = 1) };
    for after in [wider, longer, more, unsaid, same] {
        assert!(matches!(store.update_grant(&before, &after, draft("x")), Err(StoreError::Conflict { .. })));
    }
    let after = narrowed(&|terms| terms.budget.cells_max = 1);
    store.update_grant(&before, &after, draft("grant.approve")).unwrap();
    assert_eq!(store.grant(&after.id).unwrap(), Some(after));
}
