//! Jobs: one wins, an end is an end.

use super::fixtures::*;
use crate::{JobFilter, JobPatch, Slice, Store, StoreError};

fn to(store: &Store, from: &[&str], state: &str) -> Result<String, StoreError> {
    store.transition(&job_id(1), from, state, JobPatch::default(), draft("job")).map(|(job, _)| job.state)
}

#[test]
fn of_many_workers_one_takes_the_job() {
    let (_folder, path) = file();
    let store = open_file(&path).unwrap();
    furnish(&store);
    for number in 0..20 {
        store.insert_job(&job(number), draft("job.submit")).unwrap();
    }
    let before = store.tree_head(now()).unwrap().size;
    let won: usize = std::thread::scope(|scope| {
        let worker = || {
            let take = |number: &u64| {
                store
                    .transition(&job_id(*number), &["queued"], "running", JobPatch::default(), draft("job.start"))
                    .is_ok()
            };
            (0..20).filter(take).count()
        };
        let workers: Vec<_> = (0..8).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(won, 20);
    assert_eq!(store.tree_head(now()).unwrap().size, before + 20);
    drop(store);
    let jobs = open_file(&path).unwrap().unfinished().unwrap();
    assert_eq!(jobs.iter().filter(|job| job.state == "running").count(), 20);
}

#[test]
fn an_end_is_an_end() {
    for end in ["released", "withheld", "refused", "failed", "killed"] {
        let store = furnished();
        store.insert_job(&job(1), draft("job.submit")).unwrap();
        assert_eq!(to(&store, &["queued"], end).unwrap(), end);
        // Not even when the caller expects the final state itself: the schema holds it too.
        assert!(matches!(to(&store, &["queued", "running"], "running"), Err(StoreError::Conflict { .. })));
        assert!(matches!(to(&store, &[end], "queued"), Err(StoreError::Database(_))));
        assert_eq!(store.job(&job_id(1)).unwrap().unwrap().state, end);
        assert!(store.unfinished().unwrap().is_empty());
    }
}

#[test]
fn unknown_states_and_jobs_are_refused() {
    let store = furnished();
    assert!(matches!(to(&store, &["queued"], "running"), Err(StoreError::NotFound { .. })));
    let mut odd = job(1);
    odd.state = "asleep".into();
    assert!(matches!(store.insert_job(&odd, draft("job.submit")), Err(StoreError::Database(_))));
    let mut orphan = job(1);
    orphan.grant = glovebox_catalog::GrantId::new("grt-none").unwrap();
    assert!(matches!(store.insert_job(&orphan, draft("job.submit")), Err(StoreError::NotFound { .. })));
    store.insert_job(&job(1), draft("job.submit")).unwrap();
    assert!(matches!(to(&store, &["queued"], "asleep"), Err(StoreError::Database(_))));
    assert_eq!(store.job(&job_id(1)).unwrap().unwrap().state, "queued");
}

#[test]
fn a_job_is_not_born_with_a_reservation() {
    let store = furnished();
    let mut rich = job(1);
    rich.reservation = Some(amounts(7));
    rich.used = Some(amounts(7));
    store.insert_job(&rich, draft("job.submit")).unwrap();
    assert_eq!(store.job(&job_id(1)).unwrap().unwrap(), job(1));
}

#[test]
fn lists_are_newest_first_and_by_party() {
    let store = furnished();
    for number in 1..=5 {
        let mut one = job(number);
        if number == 3 {
            one.supplier = company();
        }
        store.insert_job(&one, draft("job.submit")).unwrap();
    }
    let ids = |filter, limit| {
        let page = store.jobs(filter, &Slice::first(limit)).unwrap();
        (page.items.into_iter().map(|job| job.id.to_string()).collect::<Vec<_>>(), page.next_cursor)
    };
    let (first, cursor) = ids(JobFilter::default(), 2);
    assert_eq!((first, cursor.as_deref()), (vec![job_id(5).to_string(), job_id(4).to_string()], Some("job-00000004")));
    let rest = store.jobs(JobFilter::default(), &Slice::after(cursor, 10)).unwrap();
    assert_eq!((rest.items[0].id.clone(), rest.items.len(), rest.next_cursor), (job_id(3), 3, None));
    let supplier = company();
    assert_eq!(ids(JobFilter { supplier: Some(&supplier), ..Default::default() }, 9).0, [job_id(3).to_string()]);
    assert_eq!(ids(JobFilter { state: Some("running"), ..Default::default() }, 9).0, [""; 0]);
}
