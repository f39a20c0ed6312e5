//! Conversion of zero-concentrated differential privacy to (ε, δ).
//!
//! A mechanism of Rényi divergence at most r at order α is (ε, δ)-private for
//! ε = r + ln(1 − 1/α) − ln(α·δ)/(α − 1): Canonne, Kamath and Steinke, "The discrete Gaussian for differential privacy"
//! (2020), proposition 12. ρ-zCDP is r = α·ρ at every order, so any order gives a valid ε and the search for the best
//! can only miss tightness, never validity.

/// Orders for the mixed bound, α − 1 = 0.25·1.7^k: each pays its part of δ, so they are few.
const ORDERS: u32 = 24;
/// Steps of the search: an interval of 40 shrinks below 10⁻⁹.
const SEARCH_STEPS: u32 = 60;

/// ε of ρ-zCDP at δ; infinite where there is none.
pub(super) fn zcdp_epsilon(rho: f64, delta: f64) -> f64 {
    if rho <= 0.0 {
        return 0.0;
    }
    if delta <= 0.0 {
        return f64::INFINITY;
    }
    let at = |log_order: f64| {
        let order = 1.0 + log_order.exp();
        epsilon_at_order(order * rho, order, delta)
    };
    // One valley in ln(α − 1): αρ rises, the rest falls.
    let (mut low, mut high) = (-10.0_f64, 30.0_f64);
    for _ in 0..SEARCH_STEPS {
        let third = (high - low) / 3.0;
        if at(low + third) <= at(high - third) { high -= third } else { low += third }
    }
    at((low + high) / 2.0).max(0.0)
}

/// ε at δ of pure mechanisms that add up to `pure`, with others that add up to `rho`, where either may be spent in the
/// light of earlier releases: for each order a bound that then holds, at its part of δ.
pub(super) fn mixed_epsilon(pure: f64, rho: f64, delta: f64) -> f64 {
    if delta <= 0.0 {
        return f64::INFINITY;
    }
    let part = delta / f64::from(ORDERS);
    let orders = (0..ORDERS).scan(0.25, |excess, _| {
        let order = 1.0 + *excess;
        *excess *= 1.7;
        Some(order)
    });
    let bounds = orders.map(|order| pure.max(0.0) + epsilon_at_order(order * rho, order, part).max(0.0));
    bounds.fold(f64::INFINITY, f64::min)
}

fn epsilon_at_order(divergence: f64, order: f64, delta: f64) -> f64 {
    divergence + (-1.0 / order).ln_1p() - (order * delta).ln() / (order - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// δ of the Gaussian mechanism of sensitivity 1 with ρ = 1/(2σ²) at ε, in closed form (Balle and Wang 2018), by
    /// numerical integration of the hockey-stick divergence: the truth that a conversion must not undercut.
    fn gaussian_delta(rho: f64, epsilon: f64) -> f64 {
        let sigma = (0.5 / rho).sqrt();
        let density =
            |x: f64, mean: f64| (-((x - mean) / sigma).powi(2) / 2.0).exp() / (sigma * 2.506_628_274_631_000_2);
        let (from, step) = (-12.0 * sigma, sigma / 500.0);
        let excess = (0..12_500).map(|at| {
            let x = from + f64::from(at) * step;
            (density(x, 1.0) - epsilon.exp() * density(x, 0.0)).max(0.0) * step
        });
        excess.sum()
    }

    #[test]
    fn conversion_is_never_below_the_truth_and_near_it() {
        for (rho, delta) in [(0.5, 1e-6), (0.05, 1e-6), (0.001, 1e-5), (2.0, 1e-9), (0.1, 1e-3)] {
            let epsilon = zcdp_epsilon(rho, delta);
            let exact = gaussian_delta(rho, epsilon);
            assert!(exact <= delta, "rho {rho}: delta {exact} at epsilon {epsilon}");
            let closer = gaussian_delta(rho, epsilon * 0.85);
            assert!(closer > delta, "rho {rho}: epsilon {epsilon} is loose, {closer}");
        }
    }

    #[test]
    fn conversion_beats_the_first_bound_of_bun_and_steinke() {
        for rho in [1e-9, 1e-4, 0.01, 0.5, 3.0, 40.0] {
            let delta = 1e-6_f64;
            let simple = rho + 2.0 * (rho * (1.0 / delta).ln()).sqrt();
            let epsilon = zcdp_epsilon(rho, delta);
            assert!(epsilon <= simple && epsilon > simple * 0.3, "{rho}: {epsilon} {simple}");
        }
    }

    #[test]
    fn the_mixed_bound_costs_little_beside_the_best_order() {
        for rho in [1e-6, 1e-4, 0.01, 0.1, 1.0, 5.0] {
            let (best, mixed) = (zcdp_epsilon(rho, 1e-6), mixed_epsilon(0.0, rho, 1e-6));
            assert!(mixed >= best && mixed <= best * 1.3, "{rho}: {best} {mixed}");
        }
    }

    #[test]
    fn nothing_is_lost_without_a_mechanism_and_everything_without_delta() {
        assert_eq!(zcdp_epsilon(0.0, 1e-9), 0.0);
        assert_eq!(zcdp_epsilon(0.1, 0.0), f64::INFINITY);
        assert_eq!(mixed_epsilon(1.0, 0.1, 0.0), f64::INFINITY);
    }
}
