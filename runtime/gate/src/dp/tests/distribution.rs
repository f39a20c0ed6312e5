//! Draws follow the distributions that the proofs are about.

use super::odds::chi_square;
use crate::Endless;
use crate::dp::{Noise, Selection, Sensitivity, Share};

const DRAWS: usize = 20_000;

/// Chi-square of `noise` against the probabilities `mass` over −12 to 12 (tails in the ends).
fn against(noise: Noise, mass: impl Fn(i128) -> f64) -> (f64, f64) {
    let draws = noise.add(&vec![0; DRAWS], &Endless).unwrap();
    let mut observed = vec![0_usize; 25];
    for draw in draws {
        observed[(draw.clamp(-12, 12) + 12) as usize] += 1;
    }
    let mut expected = vec![0.0; 25];
    for z in -2_000..=2_000_i128 {
        expected[(z.clamp(-12, 12) + 12) as usize] += mass(z) * DRAWS as f64;
    }
    chi_square(&observed, &expected)
}

#[test]
fn laplace_noise_is_discrete_laplace_of_its_scale() {
    let scale = 4.0_f64;
    let decay = (-1.0 / scale).exp();
    let mass = |z: i128| (1.0 - decay) / (1.0 + decay) * decay.powf(z.unsigned_abs() as f64);
    let noise = Noise::calibrate(Sensitivity::steps(2.0), Share::Pure(0.5)).unwrap();
    assert_eq!(noise, Noise::Laplace { scale });
    let (statistic, limit) = against(noise, mass);
    assert!(statistic < limit, "{statistic} {limit}");
    let (statistic, limit) = against(Noise::Laplace { scale: scale / 2.0 }, mass);
    assert!(statistic > 10.0 * limit, "half the noise goes unnoticed: {statistic} {limit}");
}

#[test]
fn gaussian_noise_is_discrete_gaussian_of_its_deviation() {
    let deviation = 4.0_f64;
    let weight = |z: i128| (-((z * z) as f64) / (2.0 * deviation * deviation)).exp();
    let all: f64 = (-2_000..=2_000).map(weight).sum();
    // ρ = 2²/(2·4²).
    let noise = Noise::calibrate(Sensitivity::steps(2.0), Share::Concentrated(0.125)).unwrap();
    assert_eq!(noise, Noise::Gaussian { deviation });
    let (statistic, limit) = against(noise, |z| weight(z) / all);
    assert!(statistic < limit, "{statistic} {limit}");
    let (statistic, limit) = against(Noise::Gaussian { deviation: deviation / 2.0 }, |z| weight(z) / all);
    assert!(statistic > 10.0 * limit, "half the noise goes unnoticed: {statistic} {limit}");
}

/// Probabilities of permute-and-flip (McKenna and Sheldon 2020, section 3): candidate r is kept with probability p_r when
/// its turn comes, so P(r) = p_r·Σ_S (−1)^|S|/(|S|+1)·Π_{s∈S} p_s over subsets S of the others.
fn permute_and_flip(kept: &[f64]) -> Vec<f64> {
    let of = |r: usize| {
        let others: Vec<f64> = kept.iter().enumerate().filter(|(s, _)| *s != r).map(|(_, kept)| *kept).collect();
        let subset = |set: u32| {
            let chosen = others.iter().enumerate().filter(|(s, _)| set & (1 << s) != 0).map(|(_, kept)| *kept);
            let sign = if set.count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
            sign / f64::from(set.count_ones() + 1) * chosen.product::<f64>()
        };
        kept[r] * (0..1 << others.len()).map(subset).sum::<f64>()
    };
    (0..kept.len()).map(of).collect()
}

fn exponential(kept: &[f64]) -> Vec<f64> {
    let all: f64 = kept.iter().sum();
    kept.iter().map(|kept| kept / all).collect()
}

#[test]
fn selection_has_the_probabilities_of_its_mechanism() {
    let scores = [-6, 0, -2, -4];
    // Scale 2Δ/ε = 4 with ε = 0.5·Δ, and 2Δ/√(8ρ) = 4 with ρ = 1/32·Δ².
    for (share, law) in [
        (Share::Pure(0.5), permute_and_flip as fn(&[f64]) -> Vec<f64>),
        (Share::Concentrated(1.0 / 32.0), exponential as fn(&[f64]) -> Vec<f64>),
    ] {
        let expected = |scale: f64| {
            let kept = scores.map(|score| (f64::from(score) / scale).exp());
            law(&kept).into_iter().map(|p| p * DRAWS as f64).collect::<Vec<_>>()
        };
        let selection = Selection::calibrate(1, share).unwrap();
        let mut observed = [0_usize; 4];
        for _ in 0..DRAWS {
            observed[selection.select(&scores.map(i64::from)).unwrap()] += 1;
        }
        let (statistic, limit) = chi_square(&observed, &expected(4.0));
        assert!(statistic < limit, "{share:?}: {statistic} {limit}");
        let (statistic, limit) = chi_square(&observed, &expected(8.0));
        assert!(statistic > 5.0 * limit, "half the noise goes unnoticed: {statistic} {limit}");
    }
}

#[test]
fn half_widths_hold_what_they_say_and_little_more() {
    const SUMS: usize = 2_000;
    for share in [Share::Pure(0.25), Share::Concentrated(1.0 / 32.0)] {
        let noise = Noise::calibrate(Sensitivity::steps(1.0), share).unwrap();
        for terms in [1, 2, 5] {
            let draws = noise.add(&vec![0; SUMS * terms], &Endless).unwrap();
            for (figures, tail) in [(1, 0.05), (4, 0.0125)] {
                let half = noise.half_width(terms, figures);
                let outside = draws.chunks(terms).filter(|sum| sum.iter().sum::<i128>().abs() as f64 > half).count();
                let expected = tail * SUMS as f64;
                let outside = outside as f64;
                // Six standard deviations; integers leave less outside than asked for.
                let spread = 6.0 * expected.sqrt();
                assert!(outside < expected + spread, "{share:?} {terms} {figures}: {outside}");
                assert!(outside > 0.6 * expected - spread, "{share:?} {terms} {figures}: {outside}");
            }
        }
    }
}

#[test]
fn a_threshold_is_passed_as_seldom_as_it_says() {
    for share in [Share::Pure(0.5), Share::Concentrated(0.125)] {
        let noise = Noise::calibrate(Sensitivity::steps(8.0), share).unwrap();
        let threshold = noise.threshold(0.01);
        let draws = noise.add(&vec![0; DRAWS], &Endless).unwrap();
        let passed = draws.iter().filter(|draw| **draw as f64 >= threshold).count() as f64;
        let expected = 0.01 * DRAWS as f64;
        assert!(passed < expected + 6.0 * expected.sqrt() && passed > 0.5 * expected, "{share:?} {passed}");
    }
}
