//! The log: search, export, proofs, and how fast it opens.

use std::time::{Duration, Instant};

use glovebox_audit::verify_export;
use glovebox_catalog::{DatasetId, OrganisationId};
use glovebox_gm::SigningKey;

use super::fixtures::*;
use crate::{EventFilter, Slice, StoreError};

#[test]
fn events_are_found_by_action_resource_and_principal() {
    let store = furnished();
    let mut other = draft("job.read");
    other.resource = "job/job-1".into();
    other.actor.principal = Some(developer());
    store.record(other).unwrap();
    let found = |filter| {
        let page = store.events(filter, &Slice::default()).unwrap();
        page.items.into_iter().map(|event| event.sequence).collect::<Vec<_>>()
    };
    assert_eq!(found(EventFilter { action: Some("organisation.create"), ..Default::default() }), [0, 1]);
    assert_eq!(found(EventFilter { resource: Some("job/job-1"), ..Default::default() }), [7]);
    let who = developer();
    assert_eq!(found(EventFilter { principal: Some(&who), ..Default::default() }), [7]);
    let both = EventFilter { action: Some("job.read"), resource: Some("thing/1"), ..Default::default() };
    assert_eq!(found(both), [0; 0]);
    let page = store.events(EventFilter::default(), &Slice::first(3)).unwrap();
    assert_eq!((page.items.len(), page.next_cursor.as_deref()), (3, Some("2")));
    let page = store.events(EventFilter::default(), &Slice::after(page.next_cursor, 100)).unwrap();
    assert_eq!((page.items[0].sequence, page.items.len(), page.next_cursor), (3, 5, None));
    let odd = Slice::after(Some("x".into()), 1);
    assert!(matches!(store.events(EventFilter::default(), &odd), Err(StoreError::Cursor { .. })));
}

#[test]
fn an_export_verifies_offline() {
    let store = furnished();
    let key = SigningKey::generate().unwrap();
    store.record_all((0..2_500).map(|_| draft("key.read")).collect()).unwrap();
    let head = store.signed_head(now(), |head| head.sign(&key)).unwrap();
    store.record(draft("audit.export")).unwrap();
    let mut lines = Vec::new();
    for leaf in store.export(head.head.size) {
        lines.extend_from_slice(leaf.unwrap().as_bytes());
        lines.push(b'\n');
    }
    lines.extend(head.export_line(&[]).unwrap());
    verify_export(lines.as_slice(), key.verifying_key(), Some(&head)).unwrap();
    let cut: Vec<u8> = lines.split_inclusive(|byte| *byte == b'\n').skip(1).flatten().copied().collect();
    assert!(verify_export(cut.as_slice(), key.verifying_key(), None).is_err());
}

#[test]
fn proofs_hold_between_signed_heads() {
    let store = furnished();
    let key = SigningKey::generate().unwrap();
    let old = store.signed_head(now(), |head| head.sign(&key)).unwrap();
    assert_eq!(store.latest_signed_head().unwrap().as_ref(), Some(&old));
    store.record(draft("key.read")).unwrap();
    let new = store.signed_head(now(), |head| head.sign(&key)).unwrap();
    assert_eq!((old.head.size, new.head.size), (7, 8));
    store.consistency_proof(7, 8).unwrap().verify(&old.head, &new.head).unwrap();
    store.inclusion_proof(3, 7).unwrap().verify(&store.event(3).unwrap(), &old.head).unwrap();
    assert!(matches!(store.inclusion_proof(7, 7), Err(StoreError::Audit(_))));
    assert!(matches!(store.event(8), Err(StoreError::NotFound { .. })));
    // A head of another log is not kept.
    let mut foreign = new;
    foreign.head.root = old.head.root;
    assert!(matches!(store.put_signed_head(&foreign), Err(StoreError::Conflict { .. })));
}

#[test]
fn a_detail_from_outside_does_not_pass_for_a_digest() {
    let (_folder, path) = file();
    let store = open_file(&path).unwrap();
    furnish(&store);
    let forged = draft("x")
        .with("commitment:grant/grt-1", "0")
        .with("note", "{\"commitment:grant/grt-1\":\"0\",\"commitment:job/x\":\"1\"}");
    let event = store.record(forged).unwrap();
    assert_eq!(event.detail.keys().collect::<Vec<_>>(), ["note"]);
    drop(store);
    open_file(&path).unwrap();
}

#[test]
fn a_panic_in_a_change_leaves_nothing_behind() {
    let store = furnished();
    let before = store.tree_head(now()).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.write(draft("x"), |changes| -> Result<(), StoreError> {
            changes.connection().execute("INSERT INTO datasets (id, body, salt) VALUES ('ghost', '{}', x'')", [])?;
            panic!("in the middle");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(store.tree_head(now()).unwrap(), before);
    assert_eq!(store.record(draft("key.read")).unwrap().sequence, before.size);
    let ghosts = store.read(|connection| {
        Ok(connection.query_row("SELECT count(*) FROM datasets WHERE id = 'ghost'", [], |row| row.get::<_, i64>(0))?)
    });
    assert_eq!(ghosts.unwrap(), 0);
}

#[test]
fn a_commit_that_fails_takes_the_event_back() {
    let store = furnished();
    let before = store.tree_head(now()).unwrap();
    store
        .read(|connection| {
            connection.execute_batch(
            "CREATE TEMP TRIGGER broken BEFORE UPDATE ON main.log_state BEGIN SELECT RAISE(ABORT, 'broken disk'); END",
        )?;
            Ok(())
        })
        .unwrap();
    assert!(matches!(store.set_active(&developer(), false, draft("x")), Err(StoreError::Database(_))));
    store.read(|connection| Ok(connection.execute_batch("DROP TRIGGER broken")?)).unwrap();
    assert_eq!(store.tree_head(now()).unwrap(), before);
    assert!(store.principal(&developer()).unwrap().unwrap().active);
    assert_eq!(store.set_active(&developer(), false, draft("x")).unwrap().sequence, before.size);
}

/// A hundred thousand events, a few years of a busy zone, are read and verified in a moment.
#[test]
fn a_long_log_opens_soon_and_grows_cheaply() {
    let (_folder, path) = file();
    let store = open_file(&path).unwrap();
    furnish(&store);
    for _ in 0..100 {
        store.record_all((0..1_000).map(|_| draft("job.read").with("grant", "grt-1")).collect()).unwrap();
    }
    drop(store);
    let begun = Instant::now();
    let store = open_file(&path).unwrap();
    let opened = begun.elapsed();
    let begun = Instant::now();
    for _ in 0..100 {
        store.record(draft("key.read")).unwrap();
    }
    let appended = begun.elapsed() / 100;
    assert_eq!(store.tree_head(now()).unwrap().size, 100_107);
    assert!(opened < Duration::from_secs(20), "{opened:?}");
    assert!(appended < Duration::from_millis(500), "{appended:?}");
}

#[test]
fn no_event_is_earlier_than_the_one_before_unless_the_clock_was_set_back() {
    let (_folder, path) = file();
    let store = open_file(&path).unwrap();
    let day = |days| now().plus_days(days);
    let at = |days| glovebox_audit::Draft { at: day(days), ..draft("key.read") };
    assert_eq!(store.record(at(2)).unwrap().at, day(2));
    let both = store.record_all(vec![at(1), at(3)]).unwrap();
    assert_eq!([both[0].at, both[1].at], [day(2), day(3)]);
    drop(store);
    // The latest time is kept with the log.
    let store = open_file(&path).unwrap();
    assert_eq!(store.latest_time().unwrap(), day(3));
    assert_eq!(store.record(at(0)).unwrap().at, day(3));
    let event = store.set_clock_back(at(1)).unwrap();
    assert_eq!((event.at, store.latest_time().unwrap()), (day(1), day(1)));
    assert_eq!(store.record(at(0)).unwrap().at, day(1));
    drop(store);
    assert_eq!(open_file(&path).unwrap().latest_time().unwrap(), day(1));
}

/// Whoever searches a log of years waits for what is found, not for the log.
#[test]
fn every_search_goes_by_an_index() {
    let store = furnished();
    let (person, organisation) = (developer(), OrganisationId::new("hospital").unwrap());
    let dataset = DatasetId::new("table").unwrap();
    let none = EventFilter::default();
    for (what, filter, index) in [
        ("action", EventFilter { action: Some("a"), ..none }, "events_by_action"),
        ("resource", EventFilter { resource: Some("a/b"), ..none }, "events_by_resource"),
        ("person", EventFilter { principal: Some(&person), ..none }, "events_by_principal"),
        ("organisation", EventFilter { organisation: Some(&organisation), ..none }, "events_by_organisation"),
        ("dataset", EventFilter { dataset: Some(&dataset), ..none }, "events_by_dataset"),
        ("grants of a dataset", EventFilter { dataset: Some(&dataset), ..none }, "events_by_grant"),
        ("purpose", EventFilter { purpose: Some("research"), ..none }, "events_by_grant"),
        ("supplier", EventFilter { supplier: Some(&organisation), ..none }, "events_by_dataset"),
        ("time", EventFilter { from: Some(now()), until: Some(now()), ..none }, "events_by_time"),
    ] {
        let (sql, values) = filter.query(501);
        let plan: Vec<String> = store
            .read(|connection| {
                let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                let after: &dyn rusqlite::types::ToSql = &-1_i64;
                let values: Vec<_> = std::iter::once(after).chain(values.iter().map(|value| value as _)).collect();
                let steps = statement.query_map(values.as_slice(), |row| row.get(3))?;
                Ok(steps.collect::<Result<_, _>>()?)
            })
            .unwrap();
        assert!(plan.iter().any(|step| step.contains(index)), "{what}: {plan:?}");
        assert!(!plan.iter().any(|step| step.starts_with("SCAN events")), "{what}: {plan:?}");
    }
}
