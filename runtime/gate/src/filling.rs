//! Cells while they fill, one kind for each kind of statistics. Nothing here knows of turns and bounds.

use glovebox_catalog::{Output, Reducer};

use crate::GateError;
use crate::cell::{CellStatistics, Component, Detail, Exits, Grid, Moments, product_index};
use crate::contributors::ContributorSets;
use crate::scale::Scale;
use crate::tally::Tallies;

/// Takes contributions one after another: reads a row's values, then, if the row may count, adds what it read.
pub(crate) trait Fill {
    /// What a row's values come to.
    type Read;
    /// Reads component k of row `row` at `values[k * rows + row]`; nothing when one of them is not finite.
    fn read(&mut self, values: &[f64], rows: usize, row: usize) -> Option<Self::Read>;
    /// Adds what was read last to a cell that the guest addressed. Persons ascend.
    fn add(&mut self, person: u32, cell: usize, read: Self::Read);
}

/// The cells of one output.
pub(crate) enum Filling {
    /// Count, distinct persons, contingency table.
    Counts(Counts),
    /// Histogram.
    Bins(Bins),
    /// Sum, mean.
    Sums(Sums),
    /// Variance, ratio, cross-product, gradient.
    Vectors(Box<Vectors>),
    /// Quantile.
    Grids(Grids),
    /// Survival table.
    Exits(ExitTables),
}

impl Filling {
    /// `cells` empty cells for `output`.
    pub(crate) fn new(output: &Output, cells: usize, contributions_max: u32) -> Result<Self, GateError> {
        let fault = || GateError::Bounds { output: output.name.clone() };
        let scale = |lower: f64, upper: f64| Scale::new(lower, upper).ok_or_else(fault);
        let vectors = |scales: Vec<Scale>, norm_max: Option<f64>, products: usize| {
            Self::Vectors(Box::new(Vectors::new(scales, norm_max, products, cells)))
        };
        let empty = || Tallies::new(cells);
        Ok(match &output.reducer {
            Reducer::Count | Reducer::DistinctPersons | Reducer::ContingencyTable => {
                Self::Counts(Counts { cells: empty() })
            }
            Reducer::Histogram { edges } => {
                Self::Bins(Bins { edges: edges.clone(), bins: edges.len().saturating_sub(1), cells: empty() })
            }
            Reducer::Sum { lower, upper } | Reducer::Mean { lower, upper } => {
                Self::Sums(Sums { scale: scale(*lower, *upper)?, cells: empty() })
            }
            Reducer::Variance { lower, upper } => vectors(vec![scale(*lower, *upper)?], None, 1),
            Reducer::Ratio { numerator, denominator } => {
                let scales = [numerator, denominator].map(|bounds| scale(bounds.lower, bounds.upper));
                vectors(scales.into_iter().collect::<Result<_, _>>()?, None, 0)
            }
            Reducer::CrossProduct { variables } => {
                let scales = variables.iter().map(|variable| scale(variable.lower, variable.upper));
                let products = variables.len() * (variables.len() + 1) / 2;
                vectors(scales.collect::<Result<_, _>>()?, None, products)
            }
            Reducer::Gradient { length, norm_max } => {
                let scale = Scale::centred(*norm_max).ok_or_else(fault)?;
                vectors(vec![scale; *length as usize], Some(*norm_max), 0)
            }
            Reducer::Quantile { lower, upper, steps, .. } => {
                Self::Grids(Grids::new(scale(*lower, *upper)?, *steps, cells, contributions_max))
            }
            Reducer::SurvivalTable { edges } => Self::Exits(ExitTables::new(edges, cells)),
            Reducer::BlockMean { .. } | Reducer::BlockMedian { .. } | Reducer::Table { .. } => {
                return Err(GateError::NoContributions { output: output.name.clone() });
            }
        })
    }

    /// Ends it: the scale of each component, and the cells.
    pub(crate) fn finish(self) -> (Vec<Scale>, Vec<CellStatistics>) {
        let plain = |cells: Tallies| cells.finish(std::iter::repeat_with(Detail::default));
        match self {
            Self::Counts(counts) => (Vec::new(), plain(counts.cells)),
            Self::Bins(bins) => (Vec::new(), plain(bins.cells)),
            Self::Sums(sums) => (vec![sums.scale], plain(sums.cells)),
            Self::Vectors(vectors) => vectors.finish(),
            Self::Grids(grids) => (Vec::new(), grids.finish()),
            Self::Exits(tables) => (Vec::new(), tables.finish()),
        }
    }
}

/// Contributions and contributors.
pub(crate) struct Counts {
    cells: Tallies,
}

impl Fill for Counts {
    type Read = ();

    #[inline]
    fn read(&mut self, _: &[f64], _: usize, _: usize) -> Option<()> {
        Some(())
    }

    #[inline]
    fn add(&mut self, person: u32, cell: usize, (): ()) {
        self.cells.add(cell, person, 0, 1);
    }
}

/// The same, in bins of a value.
pub(crate) struct Bins {
    edges: Vec<f64>,
    bins: usize,
    cells: Tallies,
}

impl Fill for Bins {
    type Read = usize;

    #[inline]
    fn read(&mut self, values: &[f64], _: usize, row: usize) -> Option<usize> {
        let value = values.get(row)?;
        value.is_finite().then(|| interval(&self.edges, *value))
    }

    #[inline]
    fn add(&mut self, person: u32, cell: usize, bin: usize) {
        self.cells.add(cell * self.bins + bin, person, 0, 1);
    }
}

/// Sums of one value.
pub(crate) struct Sums {
    scale: Scale,
    cells: Tallies,
}

impl Fill for Sums {
    type Read = (u64, u64);

    #[inline]
    fn read(&mut self, values: &[f64], _: usize, row: usize) -> Option<(u64, u64)> {
        let value = values.get(row)?;
        value.is_finite().then(|| self.scale.quantise(*value))
    }

    #[inline]
    fn add(&mut self, person: u32, cell: usize, (offset, magnitude): (u64, u64)) {
        self.cells.add(cell, person, offset, magnitude);
    }
}

/// Sums of vectors and of products of their components.
pub(crate) struct Vectors {
    scales: Vec<Scale>,
    /// To which vectors are clipped, if they are.
    norm_max: Option<f64>,
    values: Vec<f64>,
    /// Offset and magnitude of each component.
    read: Vec<(u64, u64)>,
    cells: Tallies,
    moments: Vec<Moments>,
    /// Magnitudes of the person who contributed last to each cell, component after component.
    person_magnitudes: Vec<u64>,
}

impl Vectors {
    fn new(scales: Vec<Scale>, norm_max: Option<f64>, products: usize, cells: usize) -> Self {
        let components = scales.len();
        let moments = Moments { components: vec![Component::default(); components], products: vec![0; products] };
        Self {
            scales,
            norm_max,
            values: vec![0.0; components],
            read: vec![(0, 0); components],
            cells: Tallies::new(cells),
            moments: vec![moments; cells],
            person_magnitudes: vec![0; cells * components],
        }
    }

    fn finish(self) -> (Vec<Scale>, Vec<CellStatistics>) {
        let running = self.person_magnitudes.chunks(self.scales.len().max(1));
        let details = self.moments.into_iter().zip(running).map(|(mut moments, running)| {
            for (component, magnitude) in moments.components.iter_mut().zip(running) {
                component.rank(*magnitude);
            }
            Detail::Moments(moments)
        });
        let cells = self.cells.finish(details);
        (self.scales, cells)
    }
}

impl Fill for Vectors {
    /// What was read is kept in `self.read`.
    type Read = ();

    #[inline]
    fn read(&mut self, values: &[f64], rows: usize, row: usize) -> Option<()> {
        for (own, value) in self.values.iter_mut().zip(values.iter().skip(row).step_by(rows.max(1))) {
            *own = *value;
        }
        if !self.values.iter().all(|value| value.is_finite()) {
            return None;
        }
        let components = self.read.iter_mut().zip(&self.scales).zip(&self.values);
        match self.norm_max {
            None => components.for_each(|((read, scale), value)| *read = scale.quantise(*value)),
            Some(norm_max) => {
                let factor = clipping(&self.values, norm_max);
                components.for_each(|((read, scale), value)| *read = scale.quantise_clipped(*value * factor));
            }
        }
        Some(())
    }

    #[inline]
    fn add(&mut self, person: u32, cell: usize, (): ()) {
        let components = self.scales.len();
        let Some(moments) = self.moments.get_mut(cell) else { return };
        let Some(running) = self.person_magnitudes.get_mut(cell * components..(cell + 1) * components) else { return };
        let is_new = self.cells.is_new(cell, person);
        let (offset, magnitude) = self.read.first().copied().unwrap_or_default();
        self.cells.add(cell, person, offset, magnitude);
        for ((component, running), (offset, magnitude)) in moments.components.iter_mut().zip(running).zip(&self.read) {
            if is_new {
                component.rank(*running);
                *running = 0;
            }
            *running += magnitude;
            component.offset_sum += u128::from(*offset);
            component.magnitude += u128::from(*magnitude);
        }
        if moments.products.is_empty() {
            return;
        }
        for (i, (own, _)) in self.read.iter().enumerate() {
            let row = product_index(i, i, components);
            let products = moments.products.iter_mut().skip(row);
            for (product, (other, _)) in products.zip(self.read.iter().skip(i)) {
                *product += u128::from(*own) * u128::from(*other);
            }
        }
    }
}

/// What to multiply a vector with so that it is at most `norm_max` long.
fn clipping(values: &[f64], norm_max: f64) -> f64 {
    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    if norm <= norm_max {
        return 1.0;
    }
    if norm.is_finite() {
        return norm_max / norm;
    }
    // Squares overflow beyond 1e154: measure in units of the largest.
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let norm = values.iter().map(|value| (value / largest) * (value / largest)).sum::<f64>().sqrt();
    norm_max / norm / largest
}

/// Contributions per step of a grid.
pub(crate) struct Grids {
    scale: Scale,
    steps: usize,
    /// Whether a person may contribute more than once.
    is_many: bool,
    cells: Tallies,
    grids: Vec<Grid>,
    /// Lowest and highest step of the person who contributed last to each cell.
    extremes: Vec<(usize, usize)>,
}

impl Grids {
    fn new(scale: Scale, steps: u32, cells: usize, contributions_max: u32) -> Self {
        let steps = steps as usize;
        let is_many = contributions_max > 1;
        let persons = vec![0; if is_many { steps } else { 0 }];
        let grid = Grid { counts: vec![0; steps], lowest: persons.clone(), highest: persons };
        Self {
            scale,
            steps,
            is_many,
            cells: Tallies::new(cells),
            grids: vec![grid; cells],
            extremes: vec![(0, 0); cells],
        }
    }

    fn finish(self) -> Vec<CellStatistics> {
        let has_person: Vec<bool> = (0..self.grids.len()).map(|cell| !self.cells.is_empty(cell)).collect();
        let grids = self.grids.into_iter().zip(self.extremes).zip(has_person);
        let details = grids.map(|((mut grid, extremes), has_person)| {
            if self.is_many && has_person {
                grid.close_person(extremes);
            }
            Detail::Grid(grid)
        });
        self.cells.finish(details)
    }
}

impl Fill for Grids {
    type Read = usize;

    #[inline]
    fn read(&mut self, values: &[f64], _: usize, row: usize) -> Option<usize> {
        let value = values.get(row)?;
        value.is_finite().then(|| self.scale.grid_step(*value, self.steps))
    }

    #[inline]
    fn add(&mut self, person: u32, cell: usize, step: usize) {
        let Some(grid) = self.grids.get_mut(cell) else { return };
        if self.is_many
            && let Some(extremes) = self.extremes.get_mut(cell)
        {
            if !self.cells.is_new(cell, person) {
                *extremes = (extremes.0.min(step), extremes.1.max(step));
            } else {
                if !self.cells.is_empty(cell) {
                    grid.close_person(*extremes);
                }
                *extremes = (step, step);
            }
        }
        self.cells.add(cell, person, 0, 1);
        if let Some(count) = grid.counts.get_mut(step) {
            *count += 1;
        }
    }
}

/// Who left in which interval.
pub(crate) struct ExitTables {
    edges: Vec<f64>,
    intervals: usize,
    cells: Tallies,
    /// Those with an event and those censored in each interval of each cell.
    exits: ContributorSets,
}

impl ExitTables {
    fn new(edges: &[f64], cells: usize) -> Self {
        let intervals = edges.len().saturating_sub(1);
        let exits = ContributorSets::new(2 * intervals * cells);
        Self { edges: edges.to_vec(), intervals, cells: Tallies::new(cells), exits }
    }

    fn finish(self) -> Vec<CellStatistics> {
        let mut sets = self.exits.finish().into_iter();
        let details = std::iter::repeat_with(|| {
            let mut next = || sets.next().unwrap_or_default();
            let exits = (0..self.intervals).map(|_| Exits { events: next(), censored: next() });
            Detail::Exits(exits.collect())
        });
        self.cells.finish(details)
    }
}

impl Fill for ExitTables {
    /// Interval, and whether by an event.
    type Read = (usize, bool);

    #[inline]
    fn read(&mut self, values: &[f64], rows: usize, row: usize) -> Option<(usize, bool)> {
        let (time, event) = (values.get(row)?, values.get(rows + row)?);
        let is_finite = time.is_finite() && event.is_finite();
        is_finite.then(|| (interval(&self.edges, *time), *event >= 0.5))
    }

    #[inline]
    fn add(&mut self, person: u32, cell: usize, (interval, is_event): (usize, bool)) {
        self.cells.add(cell, person, 0, 1);
        // A person leaves once (the bound of a survival table is 1), so is new to every set.
        let set = 2 * (cell * self.intervals + interval) + usize::from(!is_event);
        self.exits.push(set, person, true);
    }
}

/// The half-open interval of `value` between `edges`; below the first edge the first, above the last the last.
fn interval(edges: &[f64], value: f64) -> usize {
    let inner = edges.get(1..edges.len().saturating_sub(1)).unwrap_or_default();
    inner.partition_point(|edge| *edge <= value)
}
