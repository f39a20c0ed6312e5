//! Estimates from blocks of persons: any estimator, made private by averaging (sample and aggregate).
//!
//! *Proof.* The host cuts persons into disjoint blocks by a keyed digest of each person alone, so that nobody else
//! changes block when a person goes, and runs each block in a sandbox of its own. So one person is in one block and changes one estimate, whatever the
//! estimator does. Estimates are whole steps between the bounds, a missing one the middle. The sum of estimates moves by at
//! most 2³² steps, that is the mean over b blocks by (upper − lower)/b (Mohan et al., GUPT, SIGMOD 2012). For the median,
//! the score of a point of the grid is −|estimates below − estimates above|; one estimate that changes place moves the
//! difference by at most 2 (Smith 2011). The number of blocks is declared.

use glovebox_catalog::{JobManifest, Output, Privacy, Reducer, Refusal};

use super::figure::Shown;
use super::release::noisy_release;
use super::{Noise, Selection, Sensitivity, Share};
use crate::release::{Cell, Table, Verdict};
use crate::rules::Figure;
use crate::scale::{STEPS, Scale};
use crate::{GateError, Patience};

/// Farthest that one estimate moves the score of a median.
pub(super) const MEDIAN_SENSITIVITY: i64 = 2;

/// Estimates of every block on their way to a release.
pub struct Estimates {
    outputs: Vec<BlockOutput>,
    blocks: u32,
}

/// Estimates of one output.
struct BlockOutput {
    output: Output,
    grid: Grid,
    /// Steps above the lower bound; absent where a block has not given any.
    values: Vec<Option<u64>>,
}

/// Whole steps between the bounds of an estimate.
#[derive(Debug, Clone, Copy)]
struct Grid {
    lower: f64,
    upper: f64,
    steps: u64,
}

/// Why a job can't run as it asks to: a block job needs noise, and a reviewed one takes none.
#[must_use]
pub fn refuse_privacy(manifest: &JobManifest, privacy: Option<Privacy>) -> Option<Refusal> {
    use glovebox_catalog::Isolation::{Block, Cohort};
    let no_loss = privacy.is_some_and(|privacy| Share::of(privacy).is_err());
    match (manifest.isolation, privacy) {
        (_, Some(_)) if no_loss => Some(Refusal::new(
            "gate.no-privacy-loss",
            "a noisy release has a privacy loss above 0",
            "privacy request",
            "ask for some `epsilon` or `rho`",
        )),
        (Block, None) => Some(Refusal::new(
            "gate.block-needs-noise",
            "estimates from blocks leave only with noise",
            format!("job `{}`, isolation block", manifest.name),
            "submit the job with a privacy request: `epsilon` or `rho`",
        )),
        (Cohort, Some(_)) => Some(Refusal::new(
            "gate.noise-needs-bounds",
            "noise goes on what the host adds up, not on tables that a module makes of everything",
            format!("job `{}`, isolation cohort", manifest.name),
            "submit the job without a privacy request; reviewers decide on its tables",
        )),
        _ => None,
    }
}

impl Estimates {
    /// No estimate yet from any block.
    ///
    /// # Errors
    /// [`GateError::Manifest`] for a faulty manifest, [`GateError::Bounds`] for bounds that can't be computed with.
    pub fn new(manifest: &JobManifest) -> Result<Self, GateError> {
        manifest.check()?;
        let blocks = manifest.blocks.unwrap_or(0);
        let outputs = manifest.outputs.iter().map(|output| {
            let grid = Grid::of(&output.reducer).ok_or_else(|| GateError::Bounds { output: output.name.clone() })?;
            Ok(BlockOutput { output: output.clone(), grid, values: vec![None; blocks as usize] })
        });
        Ok(Self { outputs: outputs.collect::<Result<_, GateError>>()?, blocks })
    }

    /// Takes the estimate of one block. A number that is not finite is none; of several, the first counts.
    ///
    /// # Errors
    /// [`GateError::UnknownEstimate`] for a block or output that the job does not have.
    pub fn take(&mut self, block: u32, output: u32, value: f64) -> Result<(), GateError> {
        let (outputs, blocks) = (self.outputs.len(), self.blocks);
        let unknown = || GateError::UnknownEstimate { output, block, outputs, blocks };
        let of_output = self.outputs.get_mut(output as usize).ok_or_else(unknown)?;
        let slot = of_output.values.get_mut(block as usize).ok_or_else(unknown)?;
        if slot.is_none() && value.is_finite() {
            *slot = Some(of_output.grid.quantise(value));
        }
        Ok(())
    }

    /// Estimates that are missing. For operators: it depends on data.
    #[must_use]
    pub fn missing(&self) -> u64 {
        let missing = |output: &BlockOutput| output.values.iter().filter(|value| value.is_none()).count() as u64;
        self.outputs.iter().map(missing).sum()
    }
}

/// Releases means and medians over blocks with noise: all outputs share the loss of `privacy` equally.
///
/// # Errors
/// As [`super::release_private`].
pub fn release_estimates(
    estimates: &Estimates,
    manifest: &JobManifest,
    privacy: Privacy,
    profile_name: &str,
    patience: &dyn Patience,
) -> Result<Verdict, GateError> {
    let share = Share::of(privacy)?.split(estimates.outputs.len());
    let tables = estimates.outputs.iter().map(|output| {
        let shown = output.figure(share, patience)?;
        let cell = Cell {
            keys: Vec::new(),
            value: Some(shown.value),
            rounded_to: Some(shown.step),
            half_width_95: shown.half_width,
            suppression: None,
        };
        Ok(Table {
            output: output.output.name.clone(),
            reducer: output.output.reducer.name().into(),
            dimensions: Vec::new(),
            cells: vec![cell],
            margins: Vec::new(),
        })
    });
    Ok(noisy_release(tables.collect::<Result<_, GateError>>()?, manifest, privacy, profile_name))
}

impl BlockOutput {
    fn figure(&self, share: Share, patience: &dyn Patience) -> Result<Shown, GateError> {
        patience.spend((self.values.len() as u64).saturating_add(self.grid.points()))?;
        let values: Vec<u64> = self.values.iter().map(|value| value.unwrap_or(self.grid.steps / 2)).collect();
        match self.output.reducer {
            Reducer::BlockMedian { .. } => self.grid.median(&values, share),
            _ => self.grid.mean(&values, share, patience),
        }
    }
}

impl Grid {
    fn of(reducer: &Reducer) -> Option<Self> {
        let (lower, upper, steps) = match reducer {
            Reducer::BlockMean { lower, upper } => (*lower, *upper, STEPS as u64),
            Reducer::BlockMedian { lower, upper, steps } => (*lower, *upper, u64::from(*steps)),
            _ => return None,
        };
        Scale::new(lower, upper).map(|_| Self { lower, upper, steps })
    }

    /// Points among which a median is selected; a mean has none.
    fn points(&self) -> u64 {
        if self.steps == STEPS as u64 { 0 } else { self.steps.saturating_add(1) }
    }

    /// The nearest step, of a finite value.
    fn quantise(&self, value: f64) -> u64 {
        let share = (value.clamp(self.lower, self.upper) - self.lower) / (self.upper - self.lower);
        ((share * self.steps as f64).round() as u64).min(self.steps)
    }

    fn value(&self, steps: f64) -> f64 {
        (self.lower + (self.upper - self.lower) * steps / self.steps as f64).clamp(self.lower, self.upper)
    }

    fn mean(&self, values: &[u64], share: Share, patience: &dyn Patience) -> Result<Shown, GateError> {
        let noise = mean_noise(share)?;
        let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
        let noisy = noise.add(&[sum], patience)?.first().copied().unwrap_or(0);
        let value = self.value(noisy as f64 / values.len().max(1) as f64);
        Ok(Shown::measure(
            value,
            mean_half_width(noise, self.upper - self.lower, values.len()),
            self.upper - self.lower,
        ))
    }

    fn median(&self, values: &[u64], share: Share) -> Result<Shown, GateError> {
        let selected = median_selection(share)?.select(&median_scores(values, self.steps))?;
        let step = (self.upper - self.lower) / self.steps as f64;
        let figure = Figure::measure(self.value(selected as f64), step / 1000.0);
        Ok(Shown { value: figure.value, step, half_width: None })
    }
}

/// Noise on a sum of estimates, each of up to 2³² steps.
pub(super) fn mean_noise(share: Share) -> Result<Noise, GateError> {
    Noise::calibrate(Sensitivity::steps(STEPS), share)
}

/// What that noise comes to on the mean.
pub(super) fn mean_half_width(noise: Noise, range: f64, blocks: usize) -> f64 {
    (noise.half_width(1, 1) / STEPS / blocks.max(1) as f64 * range).min(range)
}

/// Selection of the median.
pub(super) fn median_selection(share: Share) -> Result<Selection, GateError> {
    Selection::calibrate(MEDIAN_SENSITIVITY, share)
}

/// The score of every point of the grid.
pub(super) fn median_scores(values: &[u64], steps: u64) -> Vec<i64> {
    let mut counts = vec![0_i64; usize::try_from(steps).unwrap_or(0) + 1];
    for value in values {
        if let Some(count) = usize::try_from(*value).ok().and_then(|value| counts.get_mut(value)) {
            *count += 1;
        }
    }
    let all = values.len() as i64;
    let mut below = 0;
    let score = |count: i64| {
        let above = all - below - count;
        let score = -(below - above).abs();
        below += count;
        score
    };
    counts.into_iter().map(score).collect()
}
