//! What observed frequencies prove: exact binomial bounds and chi-square limits.

/// False alarms of one bound.
const ALPHA: f64 = 1e-9;

/// The smallest probability with which `hits` of `trials` or more are not a surprise (Clopper and Pearson 1934).
pub(super) fn at_least(hits: usize, trials: usize) -> f64 {
    if hits == 0 {
        return 0.0;
    }
    let ways = (0..hits).map(|k| ((trials - k) as f64 / (k + 1) as f64).ln()).sum::<f64>();
    bisect(|p| tail(ways, hits, trials, p) < ALPHA)
}

/// The largest probability with which `hits` of `trials` or fewer are not a surprise.
pub(super) fn at_most(hits: usize, trials: usize) -> f64 {
    1.0 - at_least(trials - hits, trials)
}

/// ε that these frequencies of one event with and without a person prove to be lost.
pub(super) fn epsilon_lost(with: usize, without: usize, trials: usize) -> f64 {
    (at_least(with, trials) / at_most(without, trials)).ln().max(0.0)
}

/// ρ that they prove to be lost: the Rényi divergence of the event at order α is at most α·ρ (data processing).
pub(super) fn rho_lost(with: usize, without: usize, trials: usize) -> f64 {
    let (p, q) = (at_least(with, trials), at_most(without, trials));
    if p <= q {
        return 0.0;
    }
    let divergence = |order: f64| {
        let moment = p.powf(order) * q.powf(1.0 - order) + (1.0 - p).powf(order) * (1.0 - q).powf(1.0 - order);
        moment.ln() / (order - 1.0) / order
    };
    [1.001, 1.2, 1.5, 2.0, 3.0, 5.0].map(divergence).into_iter().fold(0.0, f64::max)
}

/// Chi-square of observed against expected counts, and the limit that chance passes once in a thousand million times.
pub(super) fn chi_square(observed: &[usize], expected: &[f64]) -> (f64, f64) {
    assert!(expected.iter().all(|expected| *expected >= 5.0), "bins too small: {expected:?}");
    let statistic = observed.iter().zip(expected).map(|(o, e)| (*o as f64 - e).powi(2) / e).sum();
    let freedom = (observed.len() - 1) as f64;
    // Wilson and Hilferty 1931, at 6 standard deviations.
    let third = 2.0 / (9.0 * freedom);
    (statistic, freedom * (1.0 - third + 6.0 * third.sqrt()).powi(3))
}

/// P(Bin(trials, p) ≥ hits); `ways` is the logarithm of the number of ways to have so many hits.
fn tail(ways: f64, hits: usize, trials: usize, p: f64) -> f64 {
    // As likely as not from the mean on (Greenberg and Mohri 2014: more than a quarter).
    if hits as f64 <= p * trials as f64 {
        return 0.25;
    }
    let mut term = (ways + hits as f64 * p.ln() + (trials - hits) as f64 * (1.0 - p).ln()).exp();
    let (mut sum, odds) = (0.0, p / (1.0 - p));
    for k in hits..=trials {
        sum += term;
        // Terms fall beyond the mean; what is left adds nothing.
        if term < 1e-6 * sum {
            break;
        }
        term *= (trials - k) as f64 / (k + 1) as f64 * odds;
    }
    sum
}

fn bisect(is_below: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (1e-12, 1.0 - 1e-12);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if is_below(middle) { low = middle } else { high = middle }
    }
    low
}

#[test]
fn bounds_are_those_of_the_binomial_distribution() {
    // 0 of n: 1 − α^(1/n). All of n: α^(1/n).
    assert!((at_most(0, 100) - (1.0 - ALPHA.powf(0.01))).abs() < 1e-9);
    assert!((at_least(100, 100) - ALPHA.powf(0.01)).abs() < 1e-9);
    // By the normal law, six standard deviations off: 0.5 − 6·0.0158.
    assert!(at_least(500, 1000) > 0.40 && at_least(500, 1000) < 0.42);
    assert!(at_most(20, 3000) > 0.013 && at_most(20, 3000) < 0.022, "{}", at_most(20, 3000));
    assert!(epsilon_lost(500, 500, 1000) == 0.0 && epsilon_lost(900, 100, 1000) > 1.4);
    assert!(rho_lost(500, 500, 1000) == 0.0 && rho_lost(900, 100, 1000) > 0.7);
}
