//! From noisy integers to figures and their half widths: arithmetic on what may be published, which costs nothing more
//! (post-processing, Dwork and Roth 2014, proposition 2.1).

use glovebox_catalog::Reducer;

use super::Noise;
use super::quantity::{HALF_SQUARE, Kind, MIDDLE, Plan};
use crate::margin::Margin;
use crate::rules::Figure;

/// The integers of one output with noise on each.
pub(crate) struct NoisyOutput {
    pub(crate) plan: Plan,
    /// The noise on each of the plan's quantities.
    pub(crate) noises: Vec<Noise>,
    /// The noisy integers of each.
    pub(crate) values: Vec<Vec<i128>>,
}

/// A figure on its way to a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shown {
    pub(crate) value: f64,
    pub(crate) step: f64,
    /// Absent where the noise says nothing about the value's distance, only about its rank.
    pub(crate) half_width: Option<f64>,
}

/// A noisy sum over some cells, and the distance that the exact one keeps to it.
#[derive(Debug, Clone, Copy)]
struct Term {
    value: f64,
    half: f64,
}

impl Term {
    fn low(self) -> f64 {
        self.value - self.half
    }

    fn high(self) -> f64 {
        self.value + self.half
    }

    fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, half: self.half * factor.abs() }
    }
}

impl Shown {
    /// A whole number.
    fn count(term: Term) -> Self {
        Self { value: term.value, step: 1.0, half_width: Some(term.half) }
    }

    /// A number, cut to the digits that the noise leaves some meaning.
    pub(super) fn measure(value: f64, half: f64, range: f64) -> Self {
        let half = half.min(range);
        let figure = Figure::measure(value, half / 100.0);
        // The cut moves the value by half a step at most.
        let half_width = Figure::measure(half + figure.step, figure.step);
        Self { value: figure.value, step: figure.step, half_width: Some(half_width.value) }
    }
}

impl NoisyOutput {
    /// The figure of one cell, or of several added up; none where the noise leaves nothing to say.
    pub(crate) fn figure(&self, cells: &[usize]) -> Option<Shown> {
        match &self.plan.reducer {
            Reducer::DistinctPersons => Some(Shown::count(self.term(Kind::Persons, cells, 0, 1))),
            Reducer::Sum { .. } => {
                let unit = self.unit(0);
                let term = self.term(Kind::Sum(0), cells, 0, 1).times(unit);
                Some(Shown::measure(term.value, term.half, f64::INFINITY))
            }
            Reducer::Mean { lower, upper } => {
                let mean = self.mean(0, cells, 2);
                Some(Shown::measure(mean.value.clamp(*lower, *upper), mean.half, upper - lower))
            }
            Reducer::Variance { lower, upper } => Some(self.variance(cells, upper - lower)),
            Reducer::Ratio { .. } => self.ratio(cells),
            _ => Some(Shown::count(self.term(Kind::Count, cells, 0, 1))),
        }
    }

    /// The distinct persons of margin `index`, where persons may be in several cells.
    pub(crate) fn persons_of_margin(&self, index: usize) -> Option<Shown> {
        let at = self.plan.index_of(Kind::PersonsOfMargins)?;
        let value = *self.values.get(at)?.get(index)? as f64;
        Some(Shown::count(Term { value, half: self.noises.get(at)?.half_width(1, 1) }))
    }

    /// The total of a margin.
    pub(crate) fn margin(&self, index: usize, margin: &Margin) -> Option<Shown> {
        self.persons_of_margin(index).or_else(|| self.figure(&margin.cells))
    }

    /// The figures of a cell that shows several, row-major.
    pub(crate) fn figures(&self, cell: usize) -> Vec<Option<Shown>> {
        match &self.plan.reducer {
            Reducer::SurvivalTable { edges } => self.survival(cell, edges.len().saturating_sub(1)),
            Reducer::CrossProduct { variables } => self.mean_products(cell, variables.len()),
            Reducer::Gradient { length, .. } => {
                let length = *length as usize;
                let unit = self.unit(0);
                let component = |k| {
                    let term = self.term(Kind::Vector(length), &[cell], k, 1).times(unit);
                    Some(Shown::measure(term.value, term.half, f64::INFINITY))
                };
                (0..length).map(component).collect()
            }
            _ => vec![self.figure(&[cell])],
        }
    }

    /// The mean of component `k` and how far the exact one is at most, as one of `figures` that hold together.
    fn mean(&self, k: usize, cells: &[usize], figures: usize) -> Term {
        let (sum, count) = (self.term(Kind::Centred(k), cells, 0, figures), self.count(cells, figures));
        let deviation = quotient(sum, count).times(self.unit(k));
        Term { value: self.middle(k) + deviation.value, half: deviation.half }
    }

    fn variance(&self, cells: &[usize], range: f64) -> Shown {
        let (count, sum) = (self.count(cells, 3), self.term(Kind::Centred(0), cells, 0, 3));
        let squares = self.term(Kind::Product(0, 0), cells, 0, 3);
        let unit = self.unit(0).powi(2);
        let most = range.powi(2) / 2.0;
        let at = |count: f64, squares: f64, sum_squared: f64| {
            let count = count.max(2.0);
            let squares = squares + count * HALF_SQUARE as f64;
            ((squares - sum_squared / count) / (count - 1.0) * unit).clamp(0.0, most)
        };
        let value = at(count.value, squares.value, sum.value.powi(2));
        let sum_squared_min = if sum.low() * sum.high() <= 0.0 { 0.0 } else { sum.low().abs().min(sum.high().abs()) };
        let sum_squared_max = sum.low().abs().max(sum.high().abs());
        let counts = [count.low(), count.high()];
        let high = counts.map(|count| at(count, squares.high(), sum_squared_min.powi(2)));
        let low = counts.map(|count| at(count, squares.low(), sum_squared_max.powi(2)));
        let ends = high.into_iter().chain(low);
        Shown::measure(value, ends.map(|end| (end - value).abs()).fold(0.0, f64::max), most)
    }

    /// Nothing where the noise on the denominator is as large as itself.
    fn ratio(&self, cells: &[usize]) -> Option<Shown> {
        let numerator = self.term(Kind::Sum(0), cells, 0, 2).times(self.unit(0));
        let denominator = self.term(Kind::Sum(1), cells, 0, 2).times(self.unit(1));
        if denominator.low() <= 0.0 {
            return None;
        }
        let value = numerator.value / denominator.value;
        let ends = [numerator.low(), numerator.high()].map(|numerator| {
            [denominator.low(), denominator.high()].map(|denominator| (numerator / denominator - value).abs())
        });
        Some(Shown::measure(value, ends.into_iter().flatten().fold(0.0, f64::max), f64::INFINITY))
    }

    /// Per interval at risk, events, censored; at risk is all who leave from then on.
    fn survival(&self, cell: usize, intervals: usize) -> Vec<Option<Shown>> {
        let exits = |from: usize, count: usize| self.range(Kind::Exits(intervals), cell, from, count);
        let interval = |at: usize| {
            let at_risk = exits(2 * at, 2 * (intervals - at));
            [at_risk, exits(2 * at, 1), exits(2 * at + 1, 1)].map(|term| Some(Shown::count(term)))
        };
        (0..intervals).flat_map(interval).collect()
    }

    /// Row by row: the mean of the variable, then its mean products with every variable.
    ///
    /// With u, v the deviations from the middles a, b: mean xy = mean uv + a·mean v + b·mean u + ab.
    fn mean_products(&self, cell: usize, variables: usize) -> Vec<Option<Shown>> {
        let cells = &[cell];
        let deviation = |k: usize, figures| {
            quotient(self.term(Kind::Centred(k), cells, 0, figures), self.count(cells, figures)).times(self.unit(k))
        };
        let product = |i: usize, j: usize| {
            let (i, j) = (i.min(j), i.max(j));
            let sum = self.term(Kind::Product(i, j), cells, 0, 4);
            let unit = self.unit(i) * self.unit(j);
            let mut uv = quotient(sum, self.count(cells, 4)).times(unit);
            if i == j {
                uv.value += HALF_SQUARE as f64 * unit;
            }
            let (a, b) = (self.middle(i), self.middle(j));
            let (u, v) = (deviation(i, 4), deviation(j, 4));
            let value = uv.value + a * v.value + b * u.value + a * b;
            let half = uv.half + a.abs() * v.half + b.abs() * u.half;
            Some(Shown::measure(value, half, f64::INFINITY))
        };
        let mean = |i: usize| {
            let deviation = deviation(i, 2);
            Some(Shown::measure(self.middle(i) + deviation.value, deviation.half, f64::INFINITY))
        };
        (0..variables)
            .flat_map(|i| std::iter::once(mean(i)).chain((0..variables).map(move |j| product(i, j))))
            .collect()
    }

    fn count(&self, cells: &[usize], figures: usize) -> Term {
        self.term(Kind::Count, cells, 0, figures)
    }

    /// Integer `at` of each of `cells`, added up, as one of `figures` that hold together.
    fn term(&self, kind: Kind, cells: &[usize], at: usize, figures: usize) -> Term {
        let indices = cells.iter().map(|cell| cell * kind.width() + at);
        self.sum(kind, indices, cells.len(), figures)
    }

    /// `count` integers of one cell from `from` on, added up.
    fn range(&self, kind: Kind, cell: usize, from: usize, count: usize) -> Term {
        let first = cell * kind.width() + from;
        self.sum(kind, first..first + count, count, 1)
    }

    fn sum(&self, kind: Kind, indices: impl Iterator<Item = usize>, terms: usize, figures: usize) -> Term {
        let index = self.plan.index_of(kind);
        let (Some(values), Some(noise)) =
            (index.and_then(|index| self.values.get(index)), index.and_then(|index| self.noises.get(index)))
        else {
            return Term { value: 0.0, half: f64::INFINITY };
        };
        let sum = indices.filter_map(|index| values.get(index)).fold(0_i128, |sum, value| sum.saturating_add(*value));
        Term { value: sum as f64, half: noise.half_width(terms, figures) }
    }

    /// One step of component `k`.
    fn unit(&self, k: usize) -> f64 {
        self.plan.scales.get(k).map_or(1.0, |scale| 1.0 / scale.steps_per_unit())
    }

    /// The middle of component `k`'s bounds.
    fn middle(&self, k: usize) -> f64 {
        self.plan.scales.get(k).map_or(0.0, |scale| scale.lower() + MIDDLE as f64 / scale.steps_per_unit())
    }
}

/// A sum over a number of contributions, of which there is at least one.
fn quotient(sum: Term, count: Term) -> Term {
    let value = sum.value / count.value.max(1.0);
    let ends = [sum.low(), sum.high()]
        .map(|sum| [count.low(), count.high()].map(|count| (sum / count.max(1.0) - value).abs()));
    Term { value, half: ends.into_iter().flatten().fold(0.0, f64::max) }
}
