//! What the zone suspends stops what would leave, in the transaction in which it would.

use glovebox_catalog::{PrincipalId, Side, Suspended, SuspendedKind, Suspension, Voice};
use glovebox_gm::SigningKey;

use super::fixtures::*;
use crate::StoreError;

fn suspended(kind: SuspendedKind, id: &str) -> Suspended {
    let by = Voice {
        principal: PrincipalId::new("zhao.lei").unwrap(),
        organisation: company(),
        side: Side::Operator,
        reason: "a leak is suspected".into(),
        at: now(),
    };
    let standing = vec![Suspension { by, consents: Vec::new(), waits_for: Vec::new() }];
    Suspended { standing, ..Suspended::none(kind, id) }
}

#[test]
fn nothing_leaves_under_what_is_suspended() {
    let (grant, module) = (grant_id(), module().id);
    for (kind, id) in [
        (SuspendedKind::Zone, "zone"),
        (SuspendedKind::Grant, grant.as_str()),
        (SuspendedKind::Dataset, "table"),
        (SuspendedKind::Module, module.as_str()),
        (SuspendedKind::Organisation, company().as_str()),
    ] {
        let store = furnished();
        start(&store, 1, amounts(600), &limit(1_000));
        let none = store.suspended(kind, id).unwrap();
        assert_eq!(none, Suspended::none(kind, id));
        let stands = suspended(kind, id);
        store.update_suspended(&none, &stands, draft("suspend")).unwrap();
        let key = SigningKey::generate().unwrap();
        let leaves = || store.settle(settlement(1, amounts(100), &key, &store.log_id().unwrap()), draft("job.release"));
        let refused = leaves();
        assert!(matches!(refused, Err(StoreError::Conflict { kind: "grant", .. })), "{kind:?}: {refused:?}");
        assert_eq!(store.release(&release(1).id).unwrap(), None);
        assert_eq!(store.job(&job_id(1)).unwrap().unwrap().state, "running");
        // Of another thing of that kind nothing stands.
        assert_eq!(store.suspended(kind, "another").unwrap().standing, []);
        store.update_suspended(&stands, &none, draft("resume")).unwrap();
        leaves().unwrap();
    }
}

/// An upload takes a while; what was suspended meanwhile takes nothing in at its end.
#[test]
fn nothing_comes_in_under_what_is_suspended() {
    for (kind, id) in [(SuspendedKind::Zone, "zone"), (SuspendedKind::Dataset, "table")] {
        let store = furnished();
        let (none, stands) = (Suspended::none(kind, id), suspended(kind, id));
        store.update_suspended(&none, &stands, draft("suspend")).unwrap();
        let next = snapshot(2);
        let publish = || store.publish(&next, &serde_json::json!({}), draft("dataset.ingest"));
        assert!(matches!(publish(), Err(StoreError::Conflict { kind: "dataset", .. })), "{kind:?}");
        assert_eq!(store.latest_snapshot(&next.dataset).unwrap().unwrap().number, 1);
        store.update_suspended(&stands, &none, draft("resume")).unwrap();
        publish().unwrap();
    }
}

#[test]
fn what_stands_changes_only_from_what_was_read() {
    let store = furnished();
    let (none, stands) = (Suspended::none(SuspendedKind::Zone, "zone"), suspended(SuspendedKind::Zone, "zone"));
    store.update_suspended(&none, &stands, draft("suspend")).unwrap();
    let lifted = store.update_suspended(&none, &none, draft("resume"));
    assert!(matches!(lifted, Err(StoreError::Conflict { .. })), "who read it before it stood lifts nothing");
    let moved = store.update_suspended(&stands, &Suspended::none(SuspendedKind::Dataset, "table"), draft("x"));
    assert!(matches!(moved, Err(StoreError::Conflict { .. })));
    assert_eq!(store.suspended(SuspendedKind::Zone, "zone").unwrap(), stands);
}
