//! Distinguishing attacks: an adversary who knows everybody else tells from many releases whether one person is in the
//! data. The frequencies prove a loss (see `odds`). It must not exceed what was spent, and must exceed it where the noise
//! is half of what it should be: else the attack proves nothing.

use serde_json::json;

use super::odds::{epsilon_lost, rho_lost};
use super::{bands, manifest, reduce};
use crate::Endless;
use crate::dp::quantile::QuantileSelection;
use crate::dp::quantity::{Kind, Plan};
use crate::dp::{Noise, Share};
use crate::reduction::ReducedOutput;

/// Targets on whom the adversary practises.
const PRACTICE: usize = 300;

/// One reducer under attack, and what the person contributes who moves integers of `kind` most: (cell within the target's
/// own, values).
struct Victim {
    kind: Kind,
    reducer: serde_json::Value,
    own_cells: u32,
    contributions: Vec<(u32, Vec<f64>)>,
}

/// The worst person for each kind of integers, as the proofs name them.
fn victims(share: Share) -> Vec<Victim> {
    let victim = |kind, reducer, own_cells, contributions| Victim { kind, reducer, own_cells, contributions };
    let variables = json!([{"name": "a", "lower": -1, "upper": 3}, {"name": "b", "lower": 0, "upper": 2}]);
    let gradient = json!({"reducer": "gradient", "length": 2, "norm_max": 2});
    // L1 is largest where a vector is spread, L2 is the same along an axis.
    let steepest = if matches!(share, Share::Pure(_)) { vec![9.0, 9.0] } else { vec![-9.0, 0.0] };
    let bounded = |reducer: &str| json!({"reducer": reducer, "lower": -10, "upper": 30});
    let ratio =
        || json!({"reducer": "ratio", "numerator": {"lower": -5, "upper": 1}, "denominator": {"lower": 1, "upper": 4}});
    let product = json!({"reducer": "cross-product", "variables": variables});
    vec![
        victim(Kind::Count, json!({"reducer": "count"}), 1, vec![(0, vec![]); 3]),
        victim(Kind::Persons, json!({"reducer": "distinct-persons"}), 2, vec![(0, vec![]), (1, vec![])]),
        victim(Kind::Sum(0), bounded("sum"), 1, vec![(0, vec![30.0]); 2]),
        victim(Kind::Centred(0), bounded("mean"), 1, vec![(0, vec![-10.0])]),
        victim(Kind::Product(0, 0), bounded("variance"), 1, vec![(0, vec![30.0])]),
        victim(Kind::Product(0, 0), bounded("variance"), 1, vec![(0, vec![10.0])]),
        victim(Kind::Sum(0), ratio(), 1, vec![(0, vec![-5.0, 4.0])]),
        victim(Kind::Sum(1), ratio(), 1, vec![(0, vec![-5.0, 4.0])]),
        victim(Kind::Product(0, 1), product, 1, vec![(0, vec![3.0, 0.0])]),
        victim(Kind::Exits(1), json!({"reducer": "survival-table", "edges": [0, 2]}), 1, vec![(0, vec![1.5, 1.0])]),
        victim(Kind::Vector(2), gradient, 1, vec![(0, steepest)]),
    ]
}

/// Persons attacked, each in cells of their own: releases to tell them from. Laplace noise on several integers gives itself
/// away more seldom.
fn targets(victim: &Victim, share: Share) -> u32 {
    match (share, victim.kind) {
        (Share::Pure(_), Kind::Vector(_)) => 9_900,
        (Share::Pure(_), Kind::Persons) => 4_900,
        (Share::Pure(_), _) => 3_000,
        (Share::Concentrated(_), _) => 2_000,
    }
}

/// What is proved to be lost when noise is `shrunk` times too small for `share`.
fn loss(victim: &Victim, share: Share, shrunk: f64) -> f64 {
    let contributions_max = victim.contributions.len() as u32;
    let targets = targets(victim, share);
    let manifest = manifest(&victim.reducer, &bands(targets * victim.own_cells), contributions_max);
    let own = |person| {
        let own = victim.contributions.iter();
        own.map(move |(cell, values)| (person, person * victim.own_cells + cell, values.clone()))
    };
    let with = reduce(&manifest, &(0..targets).flat_map(own).collect::<Vec<_>>());
    let without = reduce(&manifest, &[]);
    let (with, without) = (&with.outputs[0], &without.outputs[0]);
    let keys = manifest.dimensions(&manifest.outputs[0]);
    let plan = Plan::new(&with.output, &keys, &with.shape, contributions_max).unwrap();
    let quantity = plan.quantities[plan.index_of(victim.kind).unwrap()];
    let noise = shrink(Noise::calibrate(quantity.sensitivity, share).unwrap(), shrunk);
    let integers = |output: &ReducedOutput| quantity.kind.integers(&output.cells, &[], &plan.scales, &Endless).unwrap();
    let width = quantity.kind.width() * victim.own_cells as usize;
    lost(&integers(with), &integers(without), width, noise, share)
}

/// Loss proved by telling targets of `width` integers each apart.
fn lost(with: &[i128], without: &[i128], width: usize, noise: Noise, share: Share) -> f64 {
    let evidence = |noisy: Vec<i128>| -> Vec<f64> {
        let targets = noisy.chunks(width).zip(with.chunks(width).zip(without.chunks(width)));
        targets.map(|(noisy, (with, without))| likelihood(noise, noisy, with, without)).collect()
    };
    let (seen_with, seen_without) =
        (evidence(noise.add(with, &Endless).unwrap()), evidence(noise.add(without, &Endless).unwrap()));
    let proved = |with: &[f64], without: &[f64], limit: f64| {
        // Equal evidence may differ in the last bits.
        let accused = |evidence: &[f64]| evidence.iter().filter(|evidence| **evidence >= limit - 1e-9).count();
        match share {
            Share::Pure(_) => epsilon_lost(accused(with), accused(without), with.len()),
            Share::Concentrated(_) => rho_lost(accused(with), accused(without), with.len()),
        }
    };
    // Practice tells from which evidence on to accuse; only others are accused. Evidence in Laplace noise has a largest
    // value, which a quarter of the accused reach with two integers; in Gaussian noise most evidence is good.
    let ((practice, with), (_, without)) = (seen_with.split_at(PRACTICE), seen_without.split_at(PRACTICE));
    let mut practice = practice.to_vec();
    practice.sort_by(f64::total_cmp);
    let rank = if matches!(share, Share::Pure(_)) { 0.85 } else { 0.2 };
    proved(with, without, practice[(rank * PRACTICE as f64) as usize])
}

/// Logarithm of the likelihood ratio: the best evidence there is (Neyman and Pearson).
fn likelihood(noise: Noise, noisy: &[i128], with: &[i128], without: &[i128]) -> f64 {
    let elements = noisy.iter().zip(with.iter().zip(without));
    let ratio = |(noisy, (with, without)): (&i128, (&i128, &i128))| {
        let (far, near) = ((noisy - without) as f64, (noisy - with) as f64);
        match noise {
            Noise::Laplace { scale } => (far.abs() - near.abs()) / scale,
            Noise::Gaussian { deviation } => (far.powi(2) - near.powi(2)) / (2.0 * deviation.powi(2)),
        }
    };
    elements.map(ratio).sum()
}

fn shrink(noise: Noise, times: f64) -> Noise {
    match noise {
        Noise::Laplace { scale } => Noise::Laplace { scale: scale / times },
        Noise::Gaussian { deviation } => Noise::Gaussian { deviation: deviation / times },
    }
}

fn attack_all(share: Share, spent: f64) {
    let mut noticed = std::collections::BTreeMap::new();
    for victim in victims(share) {
        let place = format!("{} {:?}", victim.reducer["reducer"], victim.kind);
        let lost = loss(&victim, share, 1.0);
        assert!(lost <= spent, "{place}: {lost} lost of {spent}");
        let most = noticed.entry(place).or_insert(0.0_f64);
        *most = most.max(loss(&victim, share, 2.0));
    }
    for (place, lost) in noticed {
        assert!(lost > spent, "{place}: half the noise goes unnoticed, {lost} of {spent} proved");
    }
}

#[test]
fn laplace_noise_on_every_reducer_loses_no_more_than_its_epsilon() {
    attack_all(Share::Pure(1.0), 1.0);
}

#[test]
fn gaussian_noise_on_every_reducer_loses_no_more_than_its_rho() {
    attack_all(Share::Concentrated(1.0), 1.0);
}

/// Nobody in the lower half of the grid, then one person, as often as allowed: the lowest edge falls behind the middle one
/// by the most that a person can do.
#[test]
fn a_quantile_loses_no_more_than_its_share() {
    const SELECTIONS: usize = 6_000;
    let quantile = json!({"reducer": "quantile", "lower": 0, "upper": 2, "steps": 2, "probabilities": [0.5]});
    for contributions_max in [1, 2] {
        let manifest = manifest(&quantile, &json!([]), contributions_max);
        let others = vec![(1, 0, vec![1.5]); contributions_max as usize];
        let without = reduce(&manifest, &others);
        let with = reduce(&manifest, &[vec![(0, 0, vec![0.5]); contributions_max as usize], others].concat());
        let lowest = |reduced: &crate::Reduced, share: Share| {
            let crate::cell::Detail::Grid(grid) = &reduced.outputs[0].cells[0].detail else { panic!("no grid") };
            let selection = QuantileSelection::calibrate(0.5, contributions_max, share).unwrap();
            (0..SELECTIONS).filter(|_| selection.select(grid).unwrap() == 0).count()
        };
        let epsilon = |share| epsilon_lost(lowest(&without, share), lowest(&with, share), SELECTIONS);
        let rho = |share| rho_lost(lowest(&without, share), lowest(&with, share), SELECTIONS);
        let lost = epsilon(Share::Pure(1.5));
        assert!(lost <= 1.5, "{lost}");
        let lost = epsilon(Share::Pure(3.0));
        assert!(lost > 1.5, "half the noise goes unnoticed: {lost}");
        let lost = rho(Share::Concentrated(0.5));
        assert!(lost <= 0.5, "{lost}");
        let lost = rho(Share::Concentrated(2.0));
        assert!(lost > 0.5, "half the noise goes unnoticed: {lost}");
    }
}
