//! A release with noise: every declared cell, and the margins that follow from them.
//!
//! Of open keys, of which most may not occur, noise goes on every declared key alike, and those are listed whose noisy
//! number of persons passes a threshold that a key without anybody passes once in twenty releases of the table, over all
//! keys. The domain of keys is declared, so this needs no δ: a key is listed by its noisy number alone.

use glovebox_catalog::{JobManifest, Output, Privacy, Reducer, Refusal};

use super::figure::{NoisyOutput, Shown};
use super::quantile::QuantileSelection;
use super::quantity::{Kind, Plan};
use super::{Noise, Share};
use crate::cell::Detail;
use crate::disclose::CELL_UNITS;
use crate::leakage::{figures, leakage_of_noise};
use crate::margin::{Margin, margins};
use crate::reduction::{Reduced, ReducedOutput};
use crate::release::{Cell, Mechanism, Release, Table, Verdict};
use crate::shape::{Dimension, Shape};
use crate::{GateError, Interrupted, Patience};

/// Releases of a table of open keys in which a key without anybody is listed.
const FALSE_KEYS: f64 = 0.05;
/// More persons than ordinals can number: the leakage bound is for any snapshot, [`Release::within`] narrows it.
const PERSONS_MAX: u64 = 1 << 32;

/// Releases one round with noise: all outputs share the loss of `privacy` equally.
///
/// There is always a release. Once noise is drawn the loss is spent, whatever the tables show.
///
/// # Errors
/// [`GateError::NoPrivacyLoss`] for a loss of nothing, [`GateError::Bounds`] for bounds that noise can't be fitted to,
/// [`GateError::Noise`] for a loss too small or a random source that fails, neither of which depends on data;
/// [`GateError::Interrupted`] when `patience` ends, after noise was drawn perhaps.
pub fn release_private(
    reduced: &Reduced,
    manifest: &JobManifest,
    privacy: Privacy,
    profile_name: &str,
    patience: &dyn Patience,
) -> Result<Verdict, GateError> {
    let share = Share::of(privacy)?.split(manifest.outputs.len());
    let tables = reduced.outputs.iter().map(|output| table(output, manifest, share, patience));
    Ok(noisy_release(tables.collect::<Result<_, _>>()?, manifest, privacy, profile_name))
}

/// The release of noisy tables.
pub(super) fn noisy_release(
    tables: Vec<Table>,
    manifest: &JobManifest,
    privacy: Privacy,
    profile_name: &str,
) -> Verdict {
    let mechanism = match privacy {
        Privacy::Laplace { epsilon } => Mechanism::Laplace { epsilon },
        Privacy::Gaussian { rho } => Mechanism::Gaussian { rho },
    };
    let leakage = leakage_of_noise(figures(manifest), PERSONS_MAX, privacy);
    Verdict::Release(Release::new(tables, profile_name.to_owned(), mechanism, leakage))
}

fn table(
    output: &ReducedOutput,
    manifest: &JobManifest,
    share: Share,
    patience: &dyn Patience,
) -> Result<Table, GateError> {
    let keys = manifest.dimensions(&output.output);
    let plan = Plan::new(&output.output, &keys, &output.shape, manifest.contributions_per_person_max)?;
    let margins =
        if output.inner.is_empty() { margins(&output.shape, &output.output.reducer, patience)? } else { Vec::new() };
    let noisy = add_noise(output, plan, &margins, share, patience)?;
    let listed = listed(&noisy, output.cells.len());
    let quantiles = quantiles(output, &noisy.plan, &listed, share, patience)?;
    Ok(Assembly { output, noisy, listed, quantiles, patience }.table(&margins)?)
}

/// Noise on all integers that the plan asks for.
pub(super) fn add_noise(
    output: &ReducedOutput,
    plan: Plan,
    margins: &[Margin],
    share: Share,
    patience: &dyn Patience,
) -> Result<NoisyOutput, GateError> {
    let part = plan.share(share);
    let mut noises = Vec::with_capacity(plan.quantities.len());
    let mut values = Vec::with_capacity(plan.quantities.len());
    for quantity in &plan.quantities {
        let noise = Noise::calibrate(quantity.sensitivity, part)?;
        let integers = quantity.kind.integers(&output.cells, margins, &plan.scales, patience)?;
        values.push(noise.add(&integers, patience)?);
        noises.push(noise);
    }
    Ok(NoisyOutput { plan, noises, values })
}

/// Whether each cell is listed.
fn listed(noisy: &NoisyOutput, cells: usize) -> Vec<bool> {
    let persons = noisy.plan.index_of(Kind::Persons).filter(|_| noisy.plan.is_open);
    let of = |at: usize| Some((noisy.noises.get(at)?, noisy.values.get(at)?));
    match persons.and_then(of) {
        Some((noise, persons)) => {
            let threshold = noise.threshold(FALSE_KEYS / cells.max(1) as f64);
            persons.iter().map(|persons| *persons as f64 >= threshold).collect()
        }
        None => vec![true; cells],
    }
}

/// The selected edges of every listed cell, ascending; nothing where the output is no quantile.
fn quantiles(
    output: &ReducedOutput,
    plan: &Plan,
    listed: &[bool],
    share: Share,
    patience: &dyn Patience,
) -> Result<Vec<Vec<usize>>, GateError> {
    let Reducer::Quantile { probabilities, .. } = &output.output.reducer else { return Ok(Vec::new()) };
    let part = plan.share(share);
    let select = |probability: &f64| QuantileSelection::calibrate(*probability, plan.contributions_max, part);
    let selections: Vec<_> = probabilities.iter().map(select).collect::<Result<_, _>>()?;
    let edges = |(cell, is_listed): (&crate::cell::CellStatistics, &bool)| {
        let mut edges = match &cell.detail {
            Detail::Grid(grid) if *is_listed => {
                patience.spend(selection_units(grid.counts.len(), selections.len()))?;
                selections.iter().map(|selection| selection.select(grid)).collect::<Result<Vec<_>, _>>()?
            }
            _ => Vec::new(),
        };
        edges.sort_unstable();
        Ok(edges)
    };
    output.cells.iter().zip(listed).map(edges).collect()
}

/// Work of so many selections among the edges of so many steps, in units of [`Patience::spend`].
fn selection_units(steps: usize, selections: usize) -> u64 {
    const EDGE_UNITS: u64 = 200;
    EDGE_UNITS.saturating_mul(steps as u64).saturating_mul(selections as u64)
}

/// A table while it is put together; everything in it is noisy.
struct Assembly<'a> {
    output: &'a ReducedOutput,
    noisy: NoisyOutput,
    listed: Vec<bool>,
    quantiles: Vec<Vec<usize>>,
    patience: &'a dyn Patience,
}

impl Assembly<'_> {
    fn table(self, margins: &[Margin]) -> Result<Table, Interrupted> {
        let output = self.output;
        let mut cells = Vec::new();
        for cell in (0..output.cells.len()).filter(|cell| self.is_listed(*cell)) {
            self.patience.spend(CELL_UNITS)?;
            cells.extend(self.cells(cell));
        }
        let mut totals = Vec::new();
        for (index, margin) in margins.iter().enumerate() {
            self.patience.spend(CELL_UNITS.saturating_add(margin.cells.len() as u64))?;
            totals.extend(self.margin(index, margin));
        }
        Ok(Table {
            output: output.output.name.clone(),
            reducer: output.output.reducer.name().into(),
            dimensions: self.dimensions(),
            cells,
            margins: totals,
        })
    }

    /// Keys that are listed, of open dimensions; all of the others.
    fn dimensions(&self) -> Vec<Dimension> {
        let shape = &self.output.shape;
        let dimension = |(at, dimension): (usize, &Dimension)| {
            if self.output.open.get(at) != Some(&true) {
                return dimension.clone();
            }
            let mut occurs = vec![false; dimension.labels.len()];
            for cell in (0..shape.len()).filter(|cell| self.is_listed(*cell)) {
                if let Some(occurs) = occurs.get_mut(shape.index(cell, at)) {
                    *occurs = true;
                }
            }
            let labels = dimension.labels.iter().zip(occurs).filter(|(_, occurs)| *occurs);
            Dimension { name: dimension.name.clone(), labels: labels.map(|(label, _)| label.clone()).collect() }
        };
        shape.dimensions.iter().enumerate().map(dimension).chain(self.output.inner.iter().cloned()).collect()
    }

    fn cells(&self, cell: usize) -> Vec<Cell> {
        let keys = self.output.shape.keys(cell);
        let inner = Shape { dimensions: self.output.inner.clone() };
        let cells = self.figures(cell).into_iter().enumerate();
        cells.map(|(at, shown)| self.cell([keys.clone(), inner.keys(at)].concat(), shown)).collect()
    }

    fn figures(&self, cell: usize) -> Vec<Option<Shown>> {
        let Reducer::Quantile { lower, upper, steps, .. } = &self.output.output.reducer else {
            return self.noisy.figures(cell);
        };
        let step = (upper - lower) / f64::from(*steps);
        let edge = |edge: &usize| {
            let value = lower + (upper - lower) * *edge as f64 / f64::from(*steps);
            Some(Shown { value, step, half_width: None })
        };
        self.quantiles.get(cell).into_iter().flatten().map(edge).collect()
    }

    /// A margin over what is listed; none where nothing is.
    fn margin(&self, index: usize, margin: &Margin) -> Option<Cell> {
        let listed: Vec<usize> = margin.cells.iter().copied().filter(|cell| self.is_listed(*cell)).collect();
        if listed.is_empty() {
            return None;
        }
        let margin = Margin { keys: margin.keys.clone(), cells: listed, ..*margin };
        let shown = self.noisy.margin(index, &margin);
        Some(self.cell(margin.keys, shown))
    }

    fn cell(&self, keys: Vec<String>, shown: Option<Shown>) -> Cell {
        let suppression = shown.is_none().then(|| too_noisy(&self.output.output, &self.output.shape, &keys));
        Cell {
            keys,
            value: shown.map(|shown| shown.value),
            rounded_to: shown.map(|shown| shown.step),
            half_width_95: shown.and_then(|shown| shown.half_width).filter(|half| half.is_finite()),
            suppression,
        }
    }

    fn is_listed(&self, cell: usize) -> bool {
        self.listed.get(cell).is_some_and(|is_listed| *is_listed)
    }
}

/// Why a ratio is not shown. It follows from noisy integers, so it tells nothing more.
fn too_noisy(output: &Output, shape: &Shape, keys: &[String]) -> Refusal {
    Refusal::new(
        "gate.noise-too-large",
        "the noise on a denominator is smaller than the denominator",
        format!("output `{}`, cell {}", output.name, shape.place(keys)),
        "ask for more loss, merge categories, or lower `contributions_per_person_max`",
    )
}
