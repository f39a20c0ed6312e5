//! Noise on integers, all of it drawn by opendp.
//!
//! *Proof.* Discrete Laplace noise of scale b on a vector of L1 sensitivity Δ is Δ/b-private (Ghosh, Roughgarden and
//! Sundararajan 2009). Discrete Gaussian noise of parameter σ on a vector of L2 sensitivity Δ is Δ²/(2σ²)-zero-concentrated
//! (Canonne, Kamath and Steinke 2020, theorem 14). Selection with scale s among scores that one person moves by at most Δ
//! is 2Δ/s-private by permute-and-flip (McKenna and Sheldon 2020) and (2Δ/s)²/8-zero-concentrated by the exponential
//! mechanism (Cesar and Rogers 2021). Values are integers, so that no rounding of floats breaks this (Mironov 2012), and
//! scales are not trusted to the arithmetic here: each is checked with opendp's own proven map before anything is drawn.

use glovebox_catalog::Privacy;
use opendp::core::Measurement;
use opendp::domains::{AtomDomain, VectorDomain};
use opendp::measurements::{make_gaussian, make_laplace, make_noisy_max};
use opendp::measures::{MaxDivergence, ZeroConcentratedDivergence};
use opendp::metrics::{L1Distance, L2Distance, LInfDistance};

use crate::{GateError, Patience};

/// A loss that may be spent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Share {
    /// ε of pure differential privacy.
    Pure(f64),
    /// ρ of zero-concentrated differential privacy.
    Concentrated(f64),
}

/// How much one person can move a vector: in the sum of absolute changes, and in their Euclidean norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sensitivity {
    pub(crate) l1: f64,
    pub(crate) l2: f64,
}

/// Noise of one distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Noise {
    /// Discrete Laplace.
    Laplace {
        /// Scale b: P(z) falls by e for every b steps.
        scale: f64,
    },
    /// Discrete Gaussian.
    Gaussian {
        /// Parameter σ, nearly its standard deviation.
        deviation: f64,
    },
}

/// Selection of the best of several candidates, with noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Selection {
    share: Share,
    scale: f64,
}

/// Two-sided 1 − 0.05/k quantiles of the normal distribution, k = 1 to 4.
const NORMAL: [f64; 4] = [1.959_964, 2.241_403, 2.393_980, 2.497_706];
/// Rounds down what is spent, by more than the last bits of a few operations on it.
const JUST_BELOW: f64 = 1.0 - 1e-12;
/// Largest scale: beyond, noise would not fit the integers that carry it.
const SCALE_MAX: f64 = 1e30;

/// Elements of a vector that get noise between two looks at the clock.
const DRAWN_AT_ONCE: usize = 256;
/// Work of one draw, in units of [`Patience::spend`]: opendp draws with big integers.
const DRAW_UNITS: u64 = 2_000;

type Vectors = VectorDomain<AtomDomain<i128>>;
type Scores = VectorDomain<AtomDomain<i64>>;

impl Share {
    /// The loss of one round.
    ///
    /// # Errors
    /// [`GateError::NoPrivacyLoss`] for a loss of nothing, at which nothing could be said.
    pub(crate) fn of(privacy: Privacy) -> Result<Self, GateError> {
        let (share, loss) = match privacy {
            Privacy::Laplace { epsilon } => (Self::Pure(epsilon.value()), epsilon.value()),
            Privacy::Gaussian { rho } => (Self::Concentrated(rho.value()), rho.value()),
        };
        if loss > 0.0 { Ok(share) } else { Err(GateError::NoPrivacyLoss) }
    }

    /// One of `parts` equal parts, rounded down: together they lose no more than the whole.
    pub(crate) fn split(self, parts: usize) -> Self {
        let part = JUST_BELOW / parts.max(1) as f64;
        match self {
            Self::Pure(epsilon) => Self::Pure(epsilon * part),
            Self::Concentrated(rho) => Self::Concentrated(rho * part),
        }
    }
}

impl Sensitivity {
    /// One person moves the vector by `count` steps at most, all in one element or spread.
    pub(crate) fn steps(count: f64) -> Self {
        Self { l1: count, l2: count }
    }

    /// One person moves at most `count` elements, by one step each.
    pub(crate) fn ones(count: f64) -> Self {
        Self { l1: count, l2: count.sqrt() }
    }
}

impl Noise {
    /// The noise that spends `share` on a vector of this sensitivity.
    pub(crate) fn calibrate(sensitivity: Sensitivity, share: Share) -> Result<Self, GateError> {
        let mut noise = match share {
            Share::Pure(epsilon) => Self::Laplace { scale: sensitivity.l1 / epsilon },
            Share::Concentrated(rho) => Self::Gaussian { deviation: sensitivity.l2 / (2.0 * rho).sqrt() },
        };
        // Rounding in the line above may have cost a last bit; opendp's map rounds against us.
        for _ in 0..4 {
            if noise.scale() > SCALE_MAX {
                break;
            }
            if noise.spends_at_most(sensitivity, share)? {
                return Ok(noise);
            }
            noise = noise.wider();
        }
        Err(GateError::Noise { detail: "the loss is too small for the bounds; ask for more or narrow the bounds" })
    }

    /// `values` with noise on each.
    pub(crate) fn add(self, values: &[i128], patience: &dyn Patience) -> Result<Vec<i128>, GateError> {
        let (laplace, gaussian) = match self {
            Self::Laplace { scale } => (Some(laplace(scale)?), None),
            Self::Gaussian { deviation } => (None, Some(gaussian(deviation)?)),
        };
        let draw = |values: Vec<i128>| match (&laplace, &gaussian) {
            (Some(laplace), _) => laplace.invoke(&values).map_err(|_| DRAWING),
            (_, Some(gaussian)) => gaussian.invoke(&values).map_err(|_| DRAWING),
            _ => Err(DRAWING),
        };
        let mut noisy = Vec::with_capacity(values.len());
        // Noise is independent from element to element, so it makes no difference how many are drawn at a time.
        for values in values.chunks(DRAWN_AT_ONCE) {
            patience.spend(DRAW_UNITS.saturating_mul(values.len() as u64))?;
            noisy.extend(draw(values.to_vec())?);
        }
        Ok(noisy)
    }

    /// Half the width of an interval that holds the sum of `terms` draws with probability 1 − 0.05/`figures`; `figures`
    /// at most 4.
    ///
    /// One Laplace draw is counted exactly, a Gaussian one by the normal bound (Canonne et al. 2020, proposition 25), sums
    /// of Laplace draws by the first terms of Cornish and Fisher's expansion (their excess kurtosis is 3/terms).
    pub(crate) fn half_width(self, terms: usize, figures: usize) -> f64 {
        let normal = NORMAL.get(figures.clamp(1, 4) - 1).copied().unwrap_or(NORMAL[3]);
        let terms = terms.max(1) as f64;
        match self {
            Self::Laplace { scale } if terms <= 1.0 => {
                let tail = 0.05 / figures.max(1) as f64;
                // P(|Z| > w) = 2·exp(−(w + 1)/b)/(1 + exp(−1/b)).
                (scale * (2.0 / (tail * (1.0 + (-1.0 / scale).exp()))).ln() - 1.0).ceil().max(0.0)
            }
            Self::Laplace { scale } => {
                let heavier = 1.0 + ((normal.powi(2) - 3.0) / 8.0 + 0.03) / terms;
                (normal * heavier * scale * (2.0 * terms).sqrt()).ceil()
            }
            Self::Gaussian { deviation } => (normal * deviation * terms.sqrt()).ceil(),
        }
    }

    /// The smallest value that one draw reaches with probability at most `tail`.
    pub(crate) fn threshold(self, tail: f64) -> f64 {
        match self {
            Self::Laplace { scale } => (scale * (1.0 / (tail * (1.0 + (-1.0 / scale).exp()))).ln()).ceil().max(1.0),
            // P(Z ≥ t) is at most that of a normal variable at t − 1.
            Self::Gaussian { deviation } => (deviation * normal_quantile_above(tail) + 1.0).ceil(),
        }
    }

    fn spends_at_most(self, sensitivity: Sensitivity, share: Share) -> Result<bool, GateError> {
        let spent = match self {
            Self::Laplace { scale } => laplace(scale)?.map(&sensitivity.l1),
            Self::Gaussian { deviation } => gaussian(deviation)?.map(&sensitivity.l2),
        };
        Ok(spent.map_err(|_| DRAWING)? <= share.loss())
    }

    fn scale(self) -> f64 {
        match self {
            Self::Laplace { scale } => scale,
            Self::Gaussian { deviation } => deviation,
        }
    }

    fn wider(self) -> Self {
        const LITTLE: f64 = 1.0 + 1e-12;
        match self {
            Self::Laplace { scale } => Self::Laplace { scale: scale * LITTLE },
            Self::Gaussian { deviation } => Self::Gaussian { deviation: deviation * LITTLE },
        }
    }
}

impl Selection {
    /// The selection that spends `share` on scores each of which one person moves by at most `sensitivity`.
    pub(crate) fn calibrate(sensitivity: i64, share: Share) -> Result<Self, GateError> {
        let range = 2.0 * sensitivity as f64;
        let mut scale = match share {
            Share::Pure(epsilon) => range / epsilon,
            Share::Concentrated(rho) => range / (8.0 * rho).sqrt(),
        };
        for _ in 0..4 {
            if scale > SCALE_MAX {
                break;
            }
            let spent = match share {
                Share::Pure(_) => permute_and_flip(scale)?.map(&sensitivity),
                Share::Concentrated(_) => exponential(scale)?.map(&sensitivity),
            };
            if spent.map_err(|_| DRAWING)? <= share.loss() {
                return Ok(Self { share, scale });
            }
            scale *= 1.0 + 1e-12;
        }
        Err(GateError::Noise { detail: "the loss is too small for the grid; ask for more" })
    }

    /// The number of the candidate that is selected; the higher its score, the likelier.
    pub(crate) fn select(self, scores: &[i64]) -> Result<usize, GateError> {
        let scores = scores.to_vec();
        match self.share {
            Share::Pure(_) => permute_and_flip(self.scale)?.invoke(&scores),
            Share::Concentrated(_) => exponential(self.scale)?.invoke(&scores),
        }
        .map_err(|_| DRAWING)
    }

    /// How far the selected score is at most below the best, with probability 0.95, among `candidates`: McSherry and
    /// Talwar 2007, theorem 6; permute-and-flip is never worse.
    pub(crate) fn shortfall(self, candidates: usize) -> f64 {
        self.scale * (candidates as f64 / 0.05).ln()
    }
}

impl Share {
    fn loss(self) -> f64 {
        match self {
            Self::Pure(loss) | Self::Concentrated(loss) => loss,
        }
    }
}

/// A number that a normal variable exceeds with probability at most `tail`, by Mills' bound φ(x)/x.
fn normal_quantile_above(tail: f64) -> f64 {
    let bound = |x: f64| (-x * x / 2.0).exp() / (x * (2.0 * std::f64::consts::PI).sqrt());
    let (mut low, mut high) = (1e-3_f64, 40.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if bound(middle) > tail { low = middle } else { high = middle }
    }
    high
}

const DRAWING: GateError =
    GateError::Noise { detail: "noise could not be drawn; see that the system's random source works" };

fn laplace(scale: f64) -> Result<Measurement<Vectors, L1Distance<f64>, MaxDivergence, Vec<i128>>, GateError> {
    make_laplace(Vectors::default(), L1Distance::default(), scale, None).map_err(|_| DRAWING)
}

fn gaussian(
    deviation: f64,
) -> Result<Measurement<Vectors, L2Distance<f64>, ZeroConcentratedDivergence, Vec<i128>>, GateError> {
    make_gaussian(Vectors::default(), L2Distance::default(), deviation, None).map_err(|_| DRAWING)
}

fn permute_and_flip(scale: f64) -> Result<Measurement<Scores, LInfDistance<i64>, MaxDivergence, usize>, GateError> {
    make_noisy_max(Scores::default(), LInfDistance::default(), MaxDivergence, scale, false).map_err(|_| DRAWING)
}

fn exponential(
    scale: f64,
) -> Result<Measurement<Scores, LInfDistance<i64>, ZeroConcentratedDivergence, usize>, GateError> {
    make_noisy_max(Scores::default(), LInfDistance::default(), ZeroConcentratedDivergence, scale, false)
        .map_err(|_| DRAWING)
}
