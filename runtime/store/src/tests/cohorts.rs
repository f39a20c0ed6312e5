//! Cohorts: kept before anything leaves, numbered without gaps, found when changed.

use glovebox_gm::SigningKey;

use super::fixtures::*;
use crate::{CohortRow, Store, StoreError};

pub(crate) fn cohort(number: u64) -> CohortRow {
    CohortRow { number, sketch: vec![number as u8; 5], persons: vec![number as u8 + 100; 50] }
}

fn claim(store: &Store, number: u64, cohorts: &[CohortRow]) -> Result<(), StoreError> {
    store.claim_cohorts(&job_id(number), cohorts, draft("job.claim")).map(drop)
}

fn settle(store: &Store, number: u64) -> Result<(), StoreError> {
    let key = SigningKey::generate().unwrap();
    let end = settlement(number, amounts(5), &key, &store.log_id().unwrap());
    store.settle(end, draft("job.settle")).map(drop)
}

#[test]
fn cohorts_are_kept_whatever_becomes_of_the_job() {
    let (_folder, path) = file();
    let store = open_file(&path).unwrap();
    furnish(&store);
    let dataset = dataset("table").id;
    assert_eq!(store.cohort_count(&dataset).unwrap(), 0);
    for number in 1..=3 {
        start(&store, number, amounts(10), &limit(1_000));
    }
    claim(&store, 1, &[cohort(0), cohort(1)]).unwrap();
    settle(&store, 1).unwrap();
    settle(&store, 2).unwrap();
    claim(&store, 3, &[cohort(2)]).unwrap();
    store.settle(failure(3, amounts(1)), draft("job.kill")).unwrap();
    assert!(matches!(claim(&store, 3, &[cohort(3)]), Err(StoreError::Conflict { .. })), "it does not run any more");
    drop(store);
    let store = open_file(&path).unwrap();
    let sketches: Vec<_> = (0..3).map(|number| (number, cohort(number).sketch)).collect();
    assert_eq!(store.cohort_sketches(&dataset).unwrap(), sketches);
    assert_eq!(store.cohort_count(&dataset).unwrap(), 3);
    assert_eq!(store.cohort_persons(&dataset, 1).unwrap(), cohort(1).persons);
    assert!(matches!(store.cohort_persons(&dataset, 3), Err(StoreError::NotFound { .. })));
    let other = glovebox_catalog::DatasetId::new("other").unwrap();
    assert_eq!(store.cohort_sketches(&other).unwrap(), []);
}

/// Two releases that were judged at the same time know nothing of each other: the second has to be judged again.
#[test]
fn cohorts_judged_without_knowledge_of_others_are_refused() {
    let store = furnished();
    start(&store, 1, amounts(10), &limit(1_000));
    start(&store, 2, amounts(10), &limit(1_000));
    claim(&store, 1, &[cohort(0), cohort(1)]).unwrap();
    let before = (store.tree_head(now()).unwrap().size, store.job(&job_id(2)).unwrap());
    for stale in [vec![cohort(0)], vec![cohort(1), cohort(2)], vec![cohort(3)], vec![cohort(2), cohort(4)]] {
        match claim(&store, 2, &stale) {
            Err(StoreError::Conflict { kind: "cohort", .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!((store.tree_head(now()).unwrap().size, store.job(&job_id(2)).unwrap()), before);
        assert_eq!(store.cohort_count(&dataset("table").id).unwrap(), 2);
    }
    claim(&store, 2, &[cohort(2)]).unwrap();
}

/// Whoever stopped the grant while the job ran was told that nothing leaves any more.
#[test]
fn nothing_leaves_under_a_grant_that_was_stopped() {
    use glovebox_catalog::GrantState;
    for state in [GrantState::Suspended, GrantState::Revoked] {
        let store = furnished();
        start(&store, 1, amounts(10), &limit(1_000));
        let before = store.grant(&grant_id()).unwrap().unwrap();
        let mut after = before.clone();
        after.state = state;
        store.update_grant(&before, &after, draft("grant.stop")).unwrap();
        match settle(&store, 1) {
            Err(StoreError::Conflict { kind: "grant", .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(store.release(&release(1).id).unwrap(), None);
        // It can end, if nothing leaves.
        store.settle(failure(1, amounts(1)), draft("job.kill")).unwrap();
    }
}

/// 20,000 cohorts: opening checks every sketch, within seconds.
#[test]
fn many_cohorts_open_soon_and_grow_cheaply() {
    let (_folder, path) = file();
    let store = open_file(&path).unwrap();
    furnish(&store);
    let (releases, cells) = (200_u64, 100_u64);
    for number in 1..=releases {
        start(&store, number, amounts(1), &limit(1_000_000));
        let first = (number - 1) * cells;
        let rows = (first..first + cells).map(|number| CohortRow {
            number,
            sketch: vec![(number % 251) as u8; 600],
            persons: vec![(number % 241) as u8; 2_000],
        });
        claim(&store, number, &rows.collect::<Vec<_>>()).unwrap();
    }
    drop(store);
    let opening = std::time::Instant::now();
    let store = open_file(&path).unwrap();
    let opened_in = opening.elapsed();
    let reading = std::time::Instant::now();
    assert_eq!(store.cohort_sketches(&dataset("table").id).unwrap().len() as u64, releases * cells);
    let read_in = reading.elapsed();
    assert!(opened_in.as_secs() < 20 && read_in.as_secs() < 5, "{opened_in:?} {read_in:?}");
}
