//! Budgets: reserved before, committed or refunded after, never un-spent.

use glovebox_gm::SigningKey;
use glovebox_meter::{Account, AccountHolder, Amounts, Meter};

use super::fixtures::*;
use crate::{BudgetLimits, JobPatch, Slice, Store, StoreError};

fn account(store: &Store) -> Account {
    store.account(&grant_id()).unwrap().unwrap()
}

#[test]
fn a_job_takes_and_gives_back() {
    let store = furnished();
    assert_eq!(store.account(&grant_id()).unwrap(), None);
    start(&store, 1, amounts(600), &limit(1_000));
    assert_eq!(account(&store).reserved.fuel_units, 600);
    assert_eq!(store.job(&job_id(1)).unwrap().unwrap().reservation, Some(amounts(600)));
    let (job, _) = store.settle(failure(1, amounts(100)), draft("job.fail")).unwrap();
    assert_eq!((job.state.as_str(), job.used, job.reservation), ("failed", Some(amounts(100)), None));
    let after = account(&store);
    assert_eq!((after.committed, after.reserved), (amounts(100), Amounts::default()));
    // A second end, or a refund after it, would give budget back twice.
    assert!(matches!(store.settle(failure(1, amounts(0)), draft("x")), Err(StoreError::Conflict { .. })));
    assert!(matches!(store.refund(&job_id(1), draft("x")), Err(StoreError::Conflict { .. })));
    assert_eq!(account(&store), after);
}

#[test]
fn what_does_not_fit_is_not_reserved() {
    let store = furnished();
    start(&store, 1, amounts(600), &limit(1_000));
    store.insert_job(&job(2), draft("job.submit")).unwrap();
    let size = store.tree_head(now()).unwrap().size;
    let asked = store.reserve(&grant_id(), &limit(1_000), amounts(401), &job_id(2), draft("job.reserve"));
    match asked {
        Err(StoreError::Exhausted { exhausted, holder: AccountHolder::Grant }) => {
            assert_eq!((exhausted.meter, exhausted.left), (Meter::Fuel, 400));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((account(&store).reserved.fuel_units, store.tree_head(now()).unwrap().size), (600, size));
    assert_eq!(store.job(&job_id(2)).unwrap().unwrap().reservation, None);
    store.reserve(&grant_id(), &limit(1_000), amounts(400), &job_id(2), draft("job.reserve")).unwrap();
    store.refund(&job_id(2), draft("job.refund")).unwrap();
    assert_eq!(account(&store).reserved, amounts(600));
    assert_eq!(store.job(&job_id(2)).unwrap().unwrap().state, "queued");
}

#[test]
fn a_job_holds_one_reservation_under_its_own_grant() {
    let store = furnished();
    let other = glovebox_catalog::GrantId::new("grt-2").unwrap();
    store.put_grant(&grant(&other), draft("grant.propose")).unwrap();
    store.insert_job(&job(1), draft("job.submit")).unwrap();
    let reserve = |grant| store.reserve(grant, &limit(1_000), amounts(1), &job_id(1), draft("job.reserve"));
    let own = grant_id();
    assert!(matches!(reserve(&other), Err(StoreError::Conflict { .. })));
    reserve(&own).unwrap();
    assert!(matches!(reserve(&own), Err(StoreError::Conflict { .. })));
    // Nor does it end beside its account.
    let end = store.transition(&job_id(1), &["queued"], "killed", JobPatch::default(), draft("job.cancel"));
    assert!(matches!(end, Err(StoreError::Conflict { .. })));
    assert_eq!((account(&store).reserved, store.account(&other).unwrap()), (amounts(1), None));
}

#[test]
fn overdraft_is_committed_in_full() {
    let store = furnished();
    start(&store, 1, amounts(600), &limit(1_000));
    store.settle(failure(1, amounts(5_000)), draft("job.fail")).unwrap();
    assert_eq!(account(&store).committed.fuel_units, 5_000);
    store.insert_job(&job(2), draft("job.submit")).unwrap();
    let asked = store.reserve(&grant_id(), &limit(1_000), amounts(1), &job_id(2), draft("job.reserve"));
    assert!(matches!(asked, Err(StoreError::Exhausted { .. })));
}

#[test]
fn a_settlement_is_whole_or_not_at_all() {
    let store = furnished();
    let key = SigningKey::generate().unwrap();
    let log_id = store.log_id().unwrap();
    start(&store, 1, amounts(10), &limit(1_000));
    start(&store, 2, amounts(10), &limit(1_000));
    store.settle(settlement(1, amounts(10), &key, &log_id), draft("release.made")).unwrap();
    let (before, size) = (account(&store), store.tree_head(now()).unwrap().size);
    // The second job's release has the id of the first: the last step fails, and with it all.
    let mut twice = settlement(2, amounts(10), &key, &log_id);
    twice.release = Some(release(1));
    assert!(matches!(store.settle(twice, draft("release.made")), Err(StoreError::Exists { .. })));
    assert_eq!((account(&store), store.tree_head(now()).unwrap().size), (before, size));
    let job = store.job(&job_id(2)).unwrap().unwrap();
    assert_eq!((job.state.as_str(), job.reservation), ("running", Some(amounts(10))));
    assert!(matches!(
        store.receipt(&job_id(2), None, now(), |head| head.sign(&key)),
        Err(StoreError::NotFound { kind: "receipt", .. })
    ));
    store.settle(settlement(2, amounts(10), &key, &log_id), draft("release.made")).unwrap();
    assert_eq!(store.releases(Some(&company()), &Slice::default()).unwrap().items, [release(2), release(1)]);
}

#[test]
fn receipts_verify_without_the_store() {
    let (_folder, path) = file();
    let key = SigningKey::generate().unwrap();
    let store = open_file(&path).unwrap();
    furnish(&store);
    let log_id = store.log_id().unwrap();
    for number in 1..=3 {
        start(&store, number, amounts(10), &limit(1_000));
        store.settle(settlement(number, amounts(10), &key, &log_id), draft("release.made")).unwrap();
    }
    let first = store.receipt(&job_id(2), None, now(), |head| head.sign(&key)).unwrap();
    first.verify(key.verifying_key()).unwrap();
    first.verify_output(store.release(&release(2).id).unwrap().unwrap().document.as_bytes()).unwrap();
    // Asked again, also after a restart and with more events, it needs no new signature.
    store.record(draft("key.read")).unwrap();
    drop(store);
    let store = open_file(&path).unwrap();
    let again = store.receipt(&job_id(2), None, now(), |_| unreachable!()).unwrap();
    assert_eq!(again, first);
}

#[test]
fn accounts_add_up_under_many_threads() {
    let (_folder, path) = file();
    let store = open_file(&path).unwrap();
    furnish(&store);
    let mut committed_seen = 0;
    std::thread::scope(|scope| {
        for worker in 0..4_u64 {
            let store = store.clone();
            scope.spawn(move || {
                for step in 0..6 {
                    let number = worker * 100 + step;
                    store.insert_job(&job(number), draft("job.submit")).unwrap();
                    store.reserve(&grant_id(), &limit(10_000), amounts(100), &job_id(number), draft("r")).unwrap();
                    let running = |store: &Store| {
                        store.transition(&job_id(number), &["queued"], "running", JobPatch::default(), draft("s"))
                    };
                    running(&store).unwrap();
                    store.settle(failure(number, amounts(step * 10)), draft("job.fail")).unwrap();
                }
            });
        }
        for _ in 0..50 {
            let committed = store.account(&grant_id()).unwrap().map_or(0, |account| account.committed.fuel_units);
            assert!(committed >= committed_seen);
            committed_seen = committed;
        }
    });
    let end = account(&store);
    assert_eq!((end.committed.fuel_units, end.committed.jobs), (4 * 10 * (1 + 2 + 3 + 4 + 5), 24));
    assert_eq!(end.reserved, Amounts::default());
}

#[test]
fn six_grants_share_what_the_supplier_allows_a_developer() {
    let store = furnished();
    let limits = BudgetLimits { developer: Amounts { fuel_units: 1_000, ..Amounts::UNLIMITED }, ..limit(600) };
    let grants: Vec<_> = (2..=7).map(|n| glovebox_catalog::GrantId::new(format!("grt-{n}")).unwrap()).collect();
    let mut reserved = Vec::new();
    for (number, id) in (1..).zip(&grants) {
        store.put_grant(&grant(id), draft("grant.propose")).unwrap();
        let row = crate::JobRow { grant: id.clone(), ..job(number) };
        store.insert_job(&row, draft("job.submit")).unwrap();
        reserved.push(store.reserve(id, &limits, amounts(400), &job_id(number), draft("job.reserve")));
    }
    // Each grant has its own fresh budget; the organisation's holds two of them.
    assert!(reserved[0].is_ok() && reserved[1].is_ok());
    for refused in &reserved[2..] {
        let Err(StoreError::Exhausted { exhausted, holder: AccountHolder::Developer }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((exhausted.meter, exhausted.limit, exhausted.left), (Meter::Fuel, 1_000, 200));
    }
    // What did not fit there is not held by the grant either.
    assert_eq!(store.account(&grants[2]).unwrap(), None);
    let shared = || store.developer_account(&dataset("table").id, &company()).unwrap().unwrap();
    assert_eq!(shared().reserved.fuel_units, 800);
    // What ends is committed, or free again, in both.
    store.transition(&job_id(1), &["queued"], "running", JobPatch::default(), draft("job.start")).unwrap();
    store.settle(failure(1, amounts(100)), draft("job.fail")).unwrap();
    store.refund(&job_id(2), draft("job.refund")).unwrap();
    assert_eq!((shared().committed.fuel_units, shared().reserved), (100, Amounts::default()));
    assert_eq!(store.account(&grants[0]).unwrap().unwrap().committed.fuel_units, 100);
    assert_eq!(store.account(&grants[1]).unwrap().unwrap().reserved, Amounts::default());
    // A raise by the supplier counts from the next job on.
    let raised = BudgetLimits { developer: Amounts::UNLIMITED, ..limits };
    store.reserve(&grants[2], &raised, amounts(400), &job_id(3), draft("job.reserve")).unwrap();
}
