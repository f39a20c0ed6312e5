//! A big contributor subtracts itself from a total, and has its rival's figure.
//!
//! Cox, "Linear sensitivity measures in statistical disclosure control", Journal of Statistical Planning and Inference
//! 5 (1981); Hundepool et al., Statistical Disclosure Control (2012), section 4.2.

use serde_json::json;

use crate::attacks::arena::{Arena, People, generator, profile};
use crate::attacks::guest::keyed;
use crate::attacks::{exactly, measured};
use rand::RngExt;

const GROUPS: usize = 20;
const OF_GROUP: usize = 12;

/// In each group one person has from 500 to 1,000, a second 30, and ten have 1 at most.
fn people() -> People {
    let mut people = People::draw(GROUPS * OF_GROUP, 11);
    let mut random = generator(12);
    for (number, amount) in people.amounts.iter_mut().enumerate() {
        *amount = match number % OF_GROUP {
            0 => random.random_range(500..1_000).into(),
            1 => 30.0,
            _ => f64::from(random.random_range(0..100)) / 100.0,
        };
    }
    people
}

/// The sum of amounts in each group.
fn module() -> Vec<u8> {
    let codes: Vec<String> = (0..GROUPS).map(|group| group.to_string()).collect();
    keyed(
        json!({"name": "amounts", "reducer": "sum", "lower": 0.0, "upper": 1_000.0, "keys": ["group"]}),
        json!([{"name": "group", "domain": {"codes": codes}}]),
        &format!("(i32.div_u (i32.wrap_i64 (local.get $number)) (i32.const {OF_GROUP}))"),
        Some("(local.get $amount)"),
    )
}

/// Share of the largest amounts that are known to within 5 %. Who learns nothing says 750.
fn share(estimates: &[Option<f64>], people: &People) -> f64 {
    let largest = people.amounts.iter().step_by(OF_GROUP);
    let hits = estimates
        .iter()
        .zip(largest)
        .filter(|(estimate, largest)| (estimate.unwrap_or(750.0) - **largest).abs() <= 0.05 * **largest);
    hits.count() as f64 / GROUPS as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_largest_subtracts_itself() {
    let people = people();
    let arena = Arena::start(vec![
        profile("dominated", json!({"round_base": 0, "value_digits": 9})),
        profile("undominated", json!({"round_base": 0, "value_digits": 9, "nk": null, "p_percent": null})),
    ])
    .await;
    let mut shares = Vec::new();
    for rules in ["undominated", "dominated"] {
        let ran = arena.side(rules, &people, rules).await.run(module()).await;
        let sums = (0..GROUPS).map(|group| ran.tables().first()?.cells.get(group)?.value);
        // The second largest knows its own 30.
        let estimates: Vec<_> = sums.map(|sum| Some(sum? - 30.0)).collect();
        shares.push(share(&estimates, &people));
    }
    let guessing = exactly(share(&[None; GROUPS], &people));
    measured("the_second_largest_subtracts_itself", &guessing, &exactly(shares[0]), &exactly(shares[1]));
}
