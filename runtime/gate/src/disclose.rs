//! The sequence of the rules, from statistics to a verdict.
//!
//! Which totals are shown: of a table with one dimension the grand total; of a table with more, one margin per value of
//! every dimension and the grand total. Lines of the outermost dimension may show a total over suppressed cells, after
//! complementary suppression; they are disjoint, so each is judged alone. Margins of the other dimensions are shown
//! only where nothing in them is suppressed: they then say nothing that their cells do not say. The grand total is
//! shown when every margin of the outermost dimension is.

use glovebox_catalog::Refusal;

use crate::cell::CellStatistics;
use crate::reducers::{Additivity, Statistic, statistic};
use crate::reduction::{Reduced, ReducedOutput};
use crate::release::{Cell, Leakage, Mechanism, Release, Table, Verdict};
use crate::rules::{
    Figure, Hidden, Line, Suppression, below_threshold, complement, dominated, persons_min, shows_total,
};
use crate::{Guard, Profile};

/// Applies `profile` to every cell and margin; `guard` compares those that pass with everything released before.
#[must_use]
pub fn disclose(reduced: &Reduced, profile: &Profile, guard: &mut dyn Guard) -> Verdict {
    let _ = &guard;
    let tables = reduced.outputs.iter().map(|output| Disclosure::new(output, profile).table()).collect();
    let release = Release::new(tables, profile.name.clone(), Mechanism::DisclosureRules, Leakage::default());
    if release.cells_released() > 0 {
        return Verdict::Release(release);
    }
    Verdict::Withheld { reasons: reasons(release.tables(), profile), cells_withheld: release.cells_withheld() }
}

/// One output on its way through the rules.
struct Disclosure<'a> {
    output: &'a ReducedOutput,
    profile: &'a Profile,
    statistic: Box<dyn Statistic>,
    persons_min: u32,
    figures: Vec<Figure>,
    suppressed: Vec<Option<Suppression>>,
}

/// A margin on its way: keys and what it shows.
type Margin = (Vec<String>, Result<Figure, Suppression>);

impl<'a> Disclosure<'a> {
    fn new(output: &'a ReducedOutput, profile: &'a Profile) -> Self {
        let statistic = statistic(output);
        let parameters = statistic.parameters();
        let persons_min = persons_min(profile, parameters);
        let judge = |cell: &CellStatistics| {
            if below_threshold(cell, profile, persons_min, parameters) {
                return Some(Suppression::BelowThreshold);
            }
            // An empty cell that the profile shows has no contributors to dominate it.
            if statistic.dominance() && cell.person_count() > 0 { dominated(cell, profile) } else { None }
        };
        let suppressed = output.cells.iter().map(judge).collect();
        let figures = output.cells.iter().map(|cell| statistic.figure(cell, profile)).collect();
        Self { output, profile, statistic, persons_min, figures, suppressed }
    }

    fn table(mut self) -> Table {
        let margins = self.margins();
        let shape = &self.output.shape;
        let cells = (0..shape.len()).map(|index| {
            let shown = match (self.suppressed.get(index), self.figures.get(index)) {
                (Some(None), Some(figure)) => Ok(*figure),
                (Some(Some(why)), _) => Err(*why),
                _ => Err(Suppression::BelowThreshold),
            };
            self.cell(shape.keys(index), shown)
        });
        Table {
            output: self.output.output.name.clone(),
            reducer: self.statistic.name().into(),
            dimensions: shape.dimensions.clone(),
            cells: cells.collect(),
            margins: margins.into_iter().map(|(keys, shown)| self.cell(keys, shown)).collect(),
        }
    }

    /// Judges every margin; suppresses complementary cells on the way, outermost lines first.
    fn margins(&mut self) -> Vec<Margin> {
        let shape = &self.output.shape;
        let everything: Vec<usize> = (0..shape.len()).collect();
        let mut margins = Vec::with_capacity(shape.margin_count());
        match shape.dimensions.len() {
            0 => {}
            1 => {
                self.suppress_complement(&everything);
                margins.push((shape.total_keys(), self.open_total(&everything)));
            }
            dimensions => {
                let outermost = shape.lines(0);
                outermost.iter().for_each(|line| self.suppress_complement(line));
                for (index, line) in outermost.iter().enumerate() {
                    margins.push((shape.margin_keys(0, index), self.open_total(line)));
                }
                let all_shown = margins.iter().all(|(_, shown)| shown.is_ok());
                for dimension in 1..dimensions {
                    for (index, line) in shape.lines(dimension).iter().enumerate() {
                        margins.push((shape.margin_keys(dimension, index), self.closed_total(line)));
                    }
                }
                let total = if all_shown { self.grand_total(&everything) } else { Err(Suppression::Complementary) };
                margins.push((shape.total_keys(), total));
            }
        }
        margins
    }

    /// Suppresses one more cell of `line` where that can let its total be shown.
    fn suppress_complement(&mut self, line: &[usize]) {
        if !self.profile.complementary || self.statistic.additivity() == Additivity::Union {
            return;
        }
        let fit = |index: usize| {
            let persons = self.output.cells.get(index).map_or(0, CellStatistics::person_count);
            persons >= u64::from(self.persons_min)
        };
        if let Some(index) = complement(line, |index| self.is_suppressed(index), fit)
            && let Some(suppressed) = self.suppressed.get_mut(index)
        {
            *suppressed = Some(Suppression::Complementary);
        }
    }

    /// The total of a line that shares no suppressed cell with another shown total.
    fn open_total(&self, line: &[usize]) -> Result<Figure, Suppression> {
        let hidden: Vec<_> = line.iter().filter_map(|index| self.hidden(*index)).collect();
        if !hidden.is_empty() && !self.profile.complementary {
            return Err(Suppression::Complementary);
        }
        let hidden = Line { hidden, persons_min: self.persons_min, contributions_max: self.contributions_max() };
        if shows_total(&hidden, self.statistic.additivity(), self.profile) {
            Ok(self.total(line))
        } else {
            Err(Suppression::Complementary)
        }
    }

    /// The total of a line that may share suppressed cells with another: shown only when it has none.
    fn closed_total(&self, line: &[usize]) -> Result<Figure, Suppression> {
        if line.iter().any(|index| self.is_suppressed(*index)) {
            Err(Suppression::Complementary)
        } else {
            Ok(self.total(line))
        }
    }

    /// The total of everything, once every outermost margin is shown. A sum of those says nothing new; a mean or a union
    /// over suppressed cells does, so it is judged as a line of its own.
    fn grand_total(&self, everything: &[usize]) -> Result<Figure, Suppression> {
        match self.statistic.additivity() {
            Additivity::Counts => Ok(self.total(everything)),
            Additivity::Measures => self.open_total(everything),
            Additivity::Union => self.closed_total(everything),
        }
    }

    fn total(&self, line: &[usize]) -> Figure {
        let cells: Vec<_> = line.iter().filter_map(|index| self.output.cells.get(*index)).collect();
        let figures: Vec<_> = line.iter().filter_map(|index| self.figures.get(*index).copied()).collect();
        self.statistic.total(&cells, &figures, self.profile)
    }

    fn hidden(&self, index: usize) -> Option<Hidden<'a>> {
        let why = (*self.suppressed.get(index)?)?;
        Some(Hidden { cell: self.output.cells.get(index)?, figure: *self.figures.get(index)?, why })
    }

    fn is_suppressed(&self, index: usize) -> bool {
        self.suppressed.get(index).is_some_and(Option::is_some)
    }

    fn contributions_max(&self) -> u32 {
        self.output.contributions_max
    }

    fn cell(&self, keys: Vec<String>, shown: Result<Figure, Suppression>) -> Cell {
        match shown {
            Ok(figure) => Cell {
                keys,
                value: Some(figure.value),
                rounded_to: Some(figure.step),
                half_width_95: None,
                suppression: None,
            },
            Err(why) => {
                let place = format!("output `{}`, cell {}", self.output.output.name, self.output.shape.place(&keys));
                let refusal = why.refusal(self.profile, self.persons_min, place);
                Cell { keys, value: None, rounded_to: None, half_width_95: None, suppression: Some(refusal) }
            }
        }
    }
}

/// Why nothing leaves: each rule met, once per output, without the cells.
fn reasons(tables: &[Table], profile: &Profile) -> Vec<Refusal> {
    let mut reasons = vec![Refusal::new(
        "gate.all-cells-withheld",
        format!("at least one cell passes every rule of the profile `{}`", profile.name),
        "release",
        "merge categories, widen bands or use fewer keys; the reasons that follow name the rules met",
    )];
    for table in tables {
        let mut codes = Vec::new();
        for refusal in table.cells.iter().filter_map(|cell| cell.suppression.as_ref()) {
            if !codes.contains(&&refusal.code) {
                codes.push(&refusal.code);
                reasons.push(Refusal { place: format!("output `{}`", table.output), ..refusal.clone() });
            }
        }
    }
    reasons
}
