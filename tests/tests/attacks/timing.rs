//! How long a job runs: a guest that spins on the target's secret, and a developer with a stopwatch.
//!
//! Kocher, "Timing attacks on implementations", CRYPTO 1996; for queries, Haeberlen, Pierce and Narayan (2011).

use std::time::{Duration, Instant};

use glovebox_catalog::GrantTerms;
use glovebox_client::EventSearch;
use serde_json::json;

use crate::attacks::arena::{Arena, People, profile, told};
use crate::attacks::guest::{Part, personal, survey};
use crate::attacks::{at_least, at_most, measured};

const TARGETS: usize = 24;

/// Burns all the fuel that a person has if the target's secret is 1, and counts everybody else.
fn spinner(target: usize) -> Vec<u8> {
    personal(
        json!({"name": "persons", "reducer": "count"}),
        json!([]),
        &format!(
            "(if (i32.and (i64.eq (local.get $number) (i64.const {target})) (i32.wrap_i64 (local.get $secret)))
               (then (loop $again (br $again))))"
        ),
    )
}

/// Looks at each target until `is_enough` of what is told, `looks` times at most; the shortest run of a target counts,
/// since the machine's other work only adds.
async fn attack(pace_step: Duration, looks: usize, is_enough: impl Fn(f64) -> bool, people: &People) -> f64 {
    // The differencing guard is off: whom a job leaves out, by running out of fuel or otherwise, is what it looks at.
    let arena = Arena::start_with(vec![profile("unguarded", json!({"differencing": null}))], |config| {
        config.pace_step = pace_step;
        // Four times what a person is given by default, in the attacker's favour.
        config.limits.fuel_per_person_units = 20_000_000;
    })
    .await;
    let more_jobs = |terms: &mut GrantTerms| {
        (terms.budget.jobs_max, terms.budget.releases_max) = (1_000, 1_000);
    };
    let side = arena.side_with("clinic", people, "unguarded", |_, terms| more_jobs(terms)).await;
    let mut times = [Duration::MAX; TARGETS];
    let mut share = 0.0;
    for _ in 0..looks {
        for (target, time) in times.iter_mut().enumerate() {
            let start = Instant::now();
            assert!(side.run(spinner(target)).await.is_released());
            *time = (*time).min(start.elapsed());
        }
        // The attacker knows that half the secrets are 1, and takes the slower half.
        let mut sorted = times;
        sorted.sort();
        let guesses = times.map(|time| Some(time >= sorted[TARGETS / 2]));
        share = told(&guesses, &people.secrets[..TARGETS]);
        if is_enough(share) {
            break;
        }
    }
    share
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_spins_on_a_secret() {
    let mut people = People::draw(60, 41);
    // Half of them, in no order.
    (0..TARGETS).for_each(|target| people.secrets[target] = (0b1011_0010_0110_1001_0101_1100 >> target) & 1 == 1);
    // On a machine that does much else it takes some looks; a grant has a hundred jobs, and there are other grants.
    let without = attack(Duration::ZERO, 16, |share| share >= 0.75, &people).await;
    let with = attack(Duration::from_millis(250), 2, |_| false, &people).await;
    // Twelve of twenty-four picked blindly are all the right ones once in 2.7 million.
    measured("a_guest_spins_on_a_secret", "50 %", &at_least(without, 0.75), &at_most(with, 0.92));
}

/// Everybody may read the size of the log. Whoever saw it grow when a run was over, and not when its end shows, would have
/// the stopwatch back.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_does_not_grow_when_a_run_is_over() {
    let arena = Arena::start_with(Vec::new(), |config| config.pace_step = Duration::from_secs(2)).await;
    let side = arena.side("clinic", &People::draw(60, 41), "default").await;
    let ran = side.run(survey(&[vec![Part::Secret; 60]])).await;
    assert!(ran.is_released(), "{ran:?}");
    let job = ran.job.unwrap();
    let regulator = arena.zone.client("regulator");
    let resource = format!("job/{}", job.id);
    let search = EventSearch { resource: Some(resource), ..EventSearch::default() };
    let events = regulator.audit_events(&Default::default(), &search).await.unwrap().items;
    let at = |action: &str| events.iter().find(|event| event.action == action).map(|event| event.at.unix_ms()).unwrap();
    let (claimed, ended) = (at("job.claim"), job.ended_at.unwrap().unix_ms());
    assert!(claimed >= ended, "claimed {} ms before the end shows: {events:?}", ended - claimed);
    assert!(ended - at("view.open") >= 2_000);
}
