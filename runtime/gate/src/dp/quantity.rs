//! The integers of each reducer that noise goes on, and how far one person moves them.
//!
//! *Proof.* Let m be the bound on contributions per person and output, which the host enforces person by person, so that
//! taking one person's rows away changes nothing of what others contribute. All values are whole steps of a scale of 2³²
//! steps between the bounds; h = 2³¹ is its middle. Taking a person's rows away takes at most m contributions away, in one
//! cell or in several, so a vector over the cells of integers of which one contribution adds at most s to one element
//! moves by at most m·s in L1 and, all of it in one element, m·s in L2:
//!
//! | integers | one contribution adds at most |
//! |---|---|
//! | contributions; bins of a histogram | 1 |
//! | sum of values, in steps from zero | the larger bound's distance from zero |
//! | sum of values from the middle | h |
//! | sum of products of two variables from their middles | h² |
//! | sum of squares from the middle, less h²/2 each | h²/2, as a square is 0 to h² |
//!
//! Persons of a cell: each of at most m cells moves by 1, so L1 is at most min(m, cells) and L2 its root. Unions of persons
//! over margins: likewise for every dimension, and 1 for the grand total. A contingency or survival table has each person
//! in one element: 1. A gradient's vector is at most h steps long, so sums move by m·h in L2 and by m·h·√length in L1.
//!
//! An output's share of the loss is split equally over the kinds of integers that it needs, and losses add up (simple
//! composition; for ρ: Bun and Steinke 2016, lemma 2.3).

use glovebox_catalog::{KeyDimension, Output, Reducer};

use super::{Sensitivity, Share};
use crate::cell::{CellStatistics, Detail, product_index};
use crate::margin::Margin;
use crate::persons::union;
use crate::scale::{NORM_STEPS, STEPS, Scale};
use crate::shape::Shape;
use crate::{GateError, Interrupted, Patience};

/// Half of the steps of a scale: the middle.
pub(crate) const MIDDLE: i128 = 1 << 31;
/// What is taken off each square.
pub(crate) const HALF_SQUARE: i128 = 1 << 61;
/// Farthest that a bound may be from zero, in steps: sums of 2³² of them fit the integers.
const FARTHEST_STEPS: f64 = 1e24;

/// One kind of integers of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Contributions.
    Count,
    /// Distinct persons.
    Persons,
    /// Distinct persons of every margin.
    PersonsOfMargins,
    /// Sum of component k, in steps from zero.
    Sum(usize),
    /// Sum of component k, in steps from the middle.
    Centred(usize),
    /// Sum of products of two components, in steps from the middle; of squares less [`HALF_SQUARE`] each.
    Product(usize, usize),
    /// Sums of all components, in steps from zero.
    Vector(usize),
    /// Persons who left, per interval by an event and censored.
    Exits(usize),
}

/// A kind and what one person can do to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quantity {
    pub(crate) kind: Kind,
    pub(crate) sensitivity: Sensitivity,
}

/// What an output needs; known before a row is read.
pub(crate) struct Plan {
    pub(crate) reducer: Reducer,
    pub(crate) scales: Vec<Scale>,
    pub(crate) quantities: Vec<Quantity>,
    /// Selections by the exponential mechanism: the probabilities of a quantile.
    pub(crate) selections: usize,
    /// Most contributions of one person that count.
    pub(crate) contributions_max: u32,
    /// Whether a key is open, so that only those are listed which pass a noisy threshold.
    pub(crate) is_open: bool,
}

impl Plan {
    pub(crate) fn new(
        output: &Output,
        keys: &[&KeyDimension],
        shape: &Shape,
        contributions_max: u32,
    ) -> Result<Self, GateError> {
        let m = match output.reducer {
            Reducer::ContingencyTable | Reducer::SurvivalTable { .. } => 1,
            _ => contributions_max,
        };
        let scales = scales(&output.reducer).ok_or_else(|| GateError::Bounds { output: output.name.clone() })?;
        let is_open = keys.iter().any(|key| key.domain.is_open());
        let mut kinds = kinds(&output.reducer, m, is_open, shape);
        if is_open && !kinds.contains(&Kind::Persons) {
            kinds.push(Kind::Persons);
        }
        let sensitivity = |kind: Kind| sensitivity(kind, f64::from(m), &scales, shape);
        let quantities: Vec<_> =
            kinds.into_iter().map(|kind| Quantity { kind, sensitivity: sensitivity(kind) }).collect();
        if quantities.iter().any(|quantity| quantity.sensitivity.l1 > FARTHEST_STEPS) {
            return Err(GateError::Bounds { output: output.name.clone() });
        }
        let selections = match &output.reducer {
            Reducer::Quantile { probabilities, .. } => probabilities.len(),
            _ => 0,
        };
        Ok(Self { reducer: output.reducer.clone(), scales, quantities, selections, contributions_max: m, is_open })
    }

    /// Parts into which the output's share of the loss is split.
    pub(crate) fn parts(&self) -> usize {
        self.quantities.len() + self.selections
    }

    /// The share of one part.
    pub(crate) fn share(&self, output: Share) -> Share {
        output.split(self.parts())
    }

    /// Which of the quantities is of this kind.
    pub(crate) fn index_of(&self, kind: Kind) -> Option<usize> {
        self.quantities.iter().position(|quantity| quantity.kind == kind)
    }
}

impl Kind {
    /// Integers of one cell.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Vector(length) => length,
            Self::Exits(intervals) => 2 * intervals,
            _ => 1,
        }
    }

    /// The exact integers over all cells, those of one cell together.
    pub(crate) fn integers(
        self,
        cells: &[CellStatistics],
        margins: &[Margin],
        scales: &[Scale],
        patience: &dyn Patience,
    ) -> Result<Vec<i128>, Interrupted> {
        match self {
            Self::PersonsOfMargins => {
                let of_margin = |margin: &Margin| {
                    let persons = margin.cells.iter().filter_map(|cell| cells.get(*cell)).map(|cell| &cell.persons);
                    Ok(i128::from(union(persons, patience)?.len()))
                };
                margins.iter().map(of_margin).collect()
            }
            _ => {
                let mut integers = Vec::with_capacity(cells.len());
                for cell in cells {
                    patience.spend(1)?;
                    integers.extend(self.of_cell(cell, scales));
                }
                Ok(integers)
            }
        }
    }

    fn of_cell(self, cell: &CellStatistics, scales: &[Scale]) -> Vec<i128> {
        let count = i128::from(cell.count);
        let offset = |k: usize| cell.components().get(k).map_or(0, |component| component.offset_sum.cast_signed());
        match self {
            Self::Count => vec![count],
            Self::Persons => vec![i128::from(cell.person_count())],
            Self::Sum(k) => vec![offset(k) + count * scales.get(k).map_or(0, lower_steps)],
            Self::Centred(k) => vec![offset(k) - count * MIDDLE],
            Self::Product(i, j) => {
                let product = offset_product(cell, i, j) - MIDDLE * (offset(i) + offset(j)) + count * MIDDLE * MIDDLE;
                vec![if i == j { product - count * HALF_SQUARE } else { product }]
            }
            Self::Vector(length) => (0..length).map(|k| offset(k) - count * i128::from(NORM_STEPS)).collect(),
            Self::Exits(intervals) => exits(cell, intervals),
            Self::PersonsOfMargins => Vec::new(),
        }
    }
}

/// The kinds of integers that a reducer needs.
fn kinds(reducer: &Reducer, contributions_max: u32, is_open: bool, shape: &Shape) -> Vec<Kind> {
    match reducer {
        Reducer::Count | Reducer::Histogram { .. } | Reducer::ContingencyTable => vec![Kind::Count],
        // Where a person is in one cell, totals are sums. Of open keys there are too many margins to spend on.
        Reducer::DistinctPersons if contributions_max == 1 || is_open || shape.dimensions.is_empty() => {
            vec![Kind::Persons]
        }
        Reducer::DistinctPersons => vec![Kind::Persons, Kind::PersonsOfMargins],
        Reducer::Sum { .. } => vec![Kind::Sum(0)],
        Reducer::Mean { .. } => vec![Kind::Count, Kind::Centred(0)],
        Reducer::Variance { .. } => vec![Kind::Count, Kind::Centred(0), Kind::Product(0, 0)],
        Reducer::Ratio { .. } => vec![Kind::Sum(0), Kind::Sum(1)],
        Reducer::SurvivalTable { edges } => vec![Kind::Exits(edges.len().saturating_sub(1))],
        Reducer::CrossProduct { variables } => {
            let length = variables.len();
            let products = (0..length).flat_map(|i| (i..length).map(move |j| Kind::Product(i, j)));
            std::iter::once(Kind::Count).chain((0..length).map(Kind::Centred)).chain(products).collect()
        }
        Reducer::Gradient { length, .. } => vec![Kind::Vector(*length as usize)],
        Reducer::Quantile { .. } | Reducer::BlockMean { .. } | Reducer::BlockMedian { .. } | Reducer::Table { .. } => {
            Vec::new()
        }
    }
}

/// How far one person moves integers of this kind; see the proof at the top.
fn sensitivity(kind: Kind, m: f64, scales: &[Scale], shape: &Shape) -> Sensitivity {
    let middle = MIDDLE as f64;
    match kind {
        Kind::Count | Kind::Exits(_) => Sensitivity::steps(m),
        Kind::Persons => Sensitivity::ones(m.min(shape.len() as f64)),
        Kind::PersonsOfMargins => {
            let dimensions = shape.dimensions.len();
            let lines = (0..dimensions).filter(|_| dimensions > 1).map(|dimension| m.min(shape.size(dimension) as f64));
            Sensitivity::ones(1.0 + lines.sum::<f64>())
        }
        Kind::Sum(k) => Sensitivity::steps((m * scales.get(k).map_or(f64::INFINITY, farthest_steps)).next_up()),
        Kind::Centred(_) => Sensitivity::steps(m * middle),
        Kind::Product(i, j) if i == j => Sensitivity::steps(m * HALF_SQUARE as f64),
        Kind::Product(..) => Sensitivity::steps(m * middle * middle),
        Kind::Vector(length) => {
            let l2 = m * NORM_STEPS as f64;
            Sensitivity { l1: l2 * (length as f64).sqrt() * (1.0 + 1e-12), l2 }
        }
    }
}

/// The scale of each component that a reducer adds up.
fn scales(reducer: &Reducer) -> Option<Vec<Scale>> {
    match reducer {
        Reducer::Sum { lower, upper } | Reducer::Mean { lower, upper } | Reducer::Variance { lower, upper } => {
            Some(vec![Scale::new(*lower, *upper)?])
        }
        Reducer::Ratio { numerator, denominator } => {
            [numerator, denominator].map(|bounds| Scale::new(bounds.lower, bounds.upper)).into_iter().collect()
        }
        Reducer::CrossProduct { variables } => {
            variables.iter().map(|variable| Scale::new(variable.lower, variable.upper)).collect()
        }
        Reducer::Gradient { length, norm_max } => Scale::centred(*norm_max).map(|scale| vec![scale; *length as usize]),
        _ => Some(Vec::new()),
    }
}

/// The lower bound in whole steps from zero. Cut off at a bound that [`Plan::new`] refuses long before.
fn lower_steps(scale: &Scale) -> i128 {
    (scale.lower() * scale.steps_per_unit()).round() as i128
}

/// The larger of the bounds' distances from zero, in steps.
fn farthest_steps(scale: &Scale) -> f64 {
    let lower = (scale.lower() * scale.steps_per_unit()).round();
    lower.abs().max((lower + STEPS).abs().next_up())
}

fn offset_product(cell: &CellStatistics, i: usize, j: usize) -> i128 {
    match &cell.detail {
        Detail::Moments(moments) => {
            let index = product_index(i, j, moments.components.len());
            moments.products.get(index).map_or(0, |product| product.cast_signed())
        }
        _ => 0,
    }
}

fn exits(cell: &CellStatistics, intervals: usize) -> Vec<i128> {
    let exits: &[_] = match &cell.detail {
        Detail::Exits(exits) => exits,
        _ => &[],
    };
    let left = exits.iter().flat_map(|exits| [&exits.events, &exits.censored]).map(|persons| persons.len().into());
    left.chain(std::iter::repeat(0)).take(2 * intervals).collect()
}
