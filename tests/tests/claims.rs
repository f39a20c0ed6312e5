//! Claims of the differencing guard: who sees them, and that a job that told nothing leaves none behind.

use std::time::Duration;

use glovebox_api::{DatasetClaims, JobState};
use serde_json::json;

use crate::attacks::arena::{Arena, People, profile};
use crate::attacks::guest::{Part, Query, survey};
use crate::world::other;

const PERSONS: usize = 200;

fn guarded() -> String {
    profile("guarded", json!({"round_base": 1, "value_digits": 9}))
}

fn secrets_of(chosen: impl Fn(usize) -> bool) -> Vec<Query> {
    vec![(0..PERSONS).map(|number| if chosen(number) { Part::Secret } else { Part::Out }).collect()]
}

#[tokio::test(flavor = "multi_thread")]
async fn suppliers_see_whose_claims_refused_whom() {
    let people = People::draw(PERSONS, 31);
    let arena = Arena::start(vec![guarded()]).await;
    let side = arena.side("seen", &people, "guarded").await;
    let claims = || async { arena.zone.client("supplier").dataset_claims(&side.dataset.id).await.unwrap() };
    assert_eq!(claims().await, DatasetClaims { dataset: side.dataset.id.clone(), claims: Vec::new() });

    let first = side.run(survey(&secrets_of(|number| number < 120))).await.job.unwrap();
    let rival = side.another_developer().await;
    let second = rival.run(survey(&[secrets_of(|number| number < 125), secrets_of(|number| number >= 150)].concat()));
    let second = second.await;
    assert_eq!(second.figures(2).iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
    let second = second.job.unwrap();

    let seen = claims().await;
    let shown: Vec<_> = seen
        .claims
        .iter()
        .map(|claim| {
            let refused = claim.refused.iter().map(|refusal| (refusal.job.clone(), refusal.organisation.to_string()));
            (claim.job.clone(), claim.organisation.to_string(), claim.sets, refused.collect::<Vec<_>>())
        })
        .collect();
    let refused = vec![(second.id.clone(), "company-d".to_owned())];
    let expected = [(first.id, "company-c".to_owned(), 1, refused), (second.id, "company-d".to_owned(), 1, Vec::new())];
    assert_eq!(shown, expected);
    assert_eq!(arena.zone.client("regulator").dataset_claims(&side.dataset.id).await.unwrap(), seen);
    for who in ["developer", "reviewer", "operator", "officer"] {
        let refused = arena.zone.client(who).dataset_claims(&side.dataset.id).await.unwrap_err();
        assert!(matches!(refused.code(), Some("policy.not-permitted" | "request.not-found")), "{who}: {refused}");
    }
    let refused = other(&arena.zone, "supplier-b").dataset_claims(&side.dataset.id).await.unwrap_err();
    assert_eq!(refused.code(), Some("request.not-found"), "another's dataset is none to them");
}

/// A competitor stops job after job before anything shows, each with everybody but a few. Honest totals are answered all the
/// same.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_told_nothing_stand_in_nobodys_way() {
    let people = People::draw(PERSONS, 32);
    let arena = Arena::start_with(vec![guarded()], |config| {
        (config.pace_step, config.workers) = (Duration::from_secs(5), 4);
    })
    .await;
    let side = arena.side("poisoned", &people, "guarded").await;
    for out in 0..3 {
        let job = side.submit(survey(&secrets_of(|number| number >= 12 * out)), None).await.unwrap();
        // Its tables are judged long before its end may show.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        side.developer.cancel_job(&job.id).await.unwrap();
        assert_eq!(side.ended(Ok(job)).await.job.unwrap().state, JobState::Killed);
    }
    let supplier = arena.zone.client("supplier");
    assert_eq!(supplier.dataset_claims(&side.dataset.id).await.unwrap().claims, []);
    let rival = side.another_developer().await;
    let honest = rival.run(survey(&[secrets_of(|_| true), secrets_of(|number| number < 100)].concat())).await;
    assert!(honest.figures(2).iter().all(Option::is_some), "{honest:?}");
}
