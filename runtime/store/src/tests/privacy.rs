//! Privacy loss: set aside in three accounts at once, spent or given back, never un-spent.

use glovebox_catalog::{Delta, Epsilon, Privacy, PrivacyLimit};
use glovebox_meter::{PrivacyHolder, PrivacyLoss};

use super::fixtures::*;
use crate::{PrivacyReservation, Settlement, Store, StoreError};

fn epsilon(value: f64) -> Epsilon {
    Epsilon::new(value).unwrap()
}

fn loss(value: f64) -> PrivacyLoss {
    PrivacyLoss::of(Privacy::Laplace { epsilon: epsilon(value) }, 1)
}

fn asked(value: f64) -> PrivacyReservation {
    let limit = PrivacyLimit {
        epsilon: epsilon(3.0),
        delta: Delta::new(1e-9).unwrap(),
        epsilon_per_developer: Some(epsilon(2.0)),
    };
    PrivacyReservation { loss: loss(value), limit, grant_epsilon_max: epsilon(1.0) }
}

fn reserve(store: &Store, number: u64, privacy: &PrivacyReservation) -> Result<(), StoreError> {
    store.insert_job(&job(number), draft("job.submit")).unwrap();
    let reserved = store.reserve_with_privacy(
        &grant_id(),
        &limit(1_000),
        amounts(10),
        Some(privacy),
        &job_id(number),
        draft("budget.reserve"),
    );
    reserved.map(drop)
}

fn run(store: &Store, number: u64) {
    store.transition(&job_id(number), &["queued"], "running", Default::default(), draft("job.start")).unwrap();
}

/// Runs a job that spends some privacy loss.
pub(crate) fn spend(store: &Store, number: u64) {
    reserve(store, number, &asked(0.5)).unwrap();
    run(store, number);
    let end = Settlement { privacy_used: loss(0.5), ..failure(number, amounts(5)) };
    store.settle(end, draft("job.settle")).unwrap();
}

/// What is committed and held in the accounts of dataset, developer and grant.
fn accounts(store: &Store) -> Vec<(PrivacyHolder, String, PrivacyLoss, PrivacyLoss)> {
    let rows = store.privacy_accounts(&dataset("table").id).unwrap();
    rows.into_iter().map(|row| (row.holder, row.name, row.account.committed, row.account.reserved)).collect()
}

#[test]
fn a_noisy_job_weighs_on_dataset_developer_and_grant() {
    let store = furnished();
    assert_eq!(accounts(&store), []);
    reserve(&store, 1, &asked(0.75)).unwrap();
    run(&store, 1);
    let held = accounts(&store);
    let names: Vec<_> = held.iter().map(|(holder, name, ..)| (*holder, name.as_str())).collect();
    let expected =
        [(PrivacyHolder::Dataset, "table"), (PrivacyHolder::Developer, "company"), (PrivacyHolder::Grant, "grt-1")];
    assert_eq!(names, expected);
    assert!(held.iter().all(|(.., committed, reserved)| committed.is_zero() && *reserved == loss(0.75)));
    let end = Settlement { privacy_used: loss(0.5), ..failure(1, amounts(5)) };
    let (row, _) = store.settle(end, draft("job.settle")).unwrap();
    assert_eq!(row.privacy, None);
    assert!(accounts(&store).iter().all(|(.., committed, held)| *committed == loss(0.5) && held.is_zero()));
}

#[test]
fn the_tightest_account_decides_and_nothing_is_held_then() {
    let store = furnished();
    reserve(&store, 1, &asked(0.75)).unwrap();
    let before = (accounts(&store), store.account(&grant_id()).unwrap(), store.tree_head(now()).unwrap().size + 1);
    match reserve(&store, 2, &asked(0.5)) {
        Err(StoreError::EpsilonExhausted { holder: PrivacyHolder::Grant, .. }) => {}
        other => panic!("{other:?}"),
    }
    let after = (accounts(&store), store.account(&grant_id()).unwrap(), store.tree_head(now()).unwrap().size);
    assert_eq!(after, before, "neither loss nor budget is held, and only the submission is an event");
    store.refund(&job_id(1), draft("budget.refund")).unwrap();
    assert!(accounts(&store).iter().all(|(.., committed, held)| committed.is_zero() && held.is_zero()));
    // Another grant has its own account, and the developer's is shared.
    let wide = PrivacyReservation { grant_epsilon_max: epsilon(9.0), ..asked(1.5) };
    reserve(&store, 3, &wide).unwrap();
    match reserve(&store, 4, &PrivacyReservation { loss: loss(0.75), ..wide }) {
        Err(StoreError::EpsilonExhausted { holder: PrivacyHolder::Developer, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_released_is_spent_though_it_was_not_held() {
    let store = furnished();
    reserve(&store, 1, &asked(0.25)).unwrap();
    run(&store, 1);
    store.settle(Settlement { privacy_used: loss(2.5), ..failure(1, amounts(5)) }, draft("x")).unwrap();
    assert!(accounts(&store).iter().all(|(.., committed, _)| *committed == loss(2.5)));
    assert!(matches!(reserve(&store, 2, &asked(0.25)), Err(StoreError::EpsilonExhausted { .. })));
    // A job that held nothing can't have spent anything: that would be a fault, and changes nothing.
    start(&store, 3, amounts(1), &limit(1_000));
    let end = Settlement { privacy_used: loss(0.1), ..failure(3, amounts(1)) };
    assert!(matches!(store.settle(end, draft("x")), Err(StoreError::Conflict { .. })));
}

#[test]
fn accounts_survive_a_restart_and_the_schema_does_not_unspend() {
    let (_folder, path) = file();
    let store = open_file(&path).unwrap();
    furnish(&store);
    reserve(&store, 1, &asked(0.75)).unwrap();
    run(&store, 1);
    store.settle(Settlement { privacy_used: loss(0.75), ..failure(1, amounts(5)) }, draft("x")).unwrap();
    reserve(&store, 2, &asked(0.25)).unwrap();
    let before = accounts(&store);
    drop(store);
    let store = open_file(&path).unwrap();
    assert_eq!(accounts(&store), before);
    assert_eq!(store.job(&job_id(2)).unwrap().unwrap().privacy, Some(loss(0.25)));
    drop(store);
    let connection = rusqlite::Connection::open(&path).unwrap();
    for member in ["pure", "pure_rho", "rho"] {
        let sql = format!(
            "UPDATE privacy_accounts SET body = json_set(body, '$.account.committed.{member}', -0.5) WHERE id = 'table'"
        );
        assert!(connection.execute_batch(&sql).is_err(), "{member}");
    }
    assert!(connection.execute_batch("DELETE FROM privacy_accounts").is_err());
}
