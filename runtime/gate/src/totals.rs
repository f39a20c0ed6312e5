//! Totals of a table, and what has to be hidden so that they can be shown.
//!
//! Lines of the outermost dimension may show a total over suppressed cells, after complementary suppression; they are
//! disjoint, so each is judged alone. Margins of the other dimensions are then shown only where nothing in them is
//! suppressed: they say nothing that their cells do not say. The grand total is shown when every margin of the outermost
//! dimension is. A contingency table wants all its margins: where every small cell finds a hypercube of its own, each
//! margin is shown but those that meet a cell which it would bound.
//!
//! The guard is asked about what is to be shown and nothing else: a cell that it has seen counts as released, and a total
//! over a hidden one would then look like a difference. So the pattern of hidden cells is settled first; a cell that the
//! guard refuses joins those hidden for their own sake, and the pattern is settled anew.

use crate::cell::CellStatistics;
use crate::disclose::Shown;
use crate::margin::{Margin, margins};
use crate::persons::union;
use crate::reducers::{Additivity, Statistic};
use crate::reduction::ReducedOutput;
use crate::rules::{Figure, Hidden, Line, Suppression, complement, hypercubes, shows_total, small_counts};
use crate::{Guard, Interrupted, Patience, Profile};

/// A table on its way from judged cells to shown figures.
pub(crate) struct Totals<'a> {
    output: &'a ReducedOutput,
    profile: &'a Profile,
    statistic: &'a dyn Statistic,
    patience: &'a dyn Patience,
    persons_min: u32,
    figures: Vec<Figure>,
    /// Why a cell is hidden for its own sake.
    primary: Vec<Option<Suppression>>,
    /// The same with complementary suppressions.
    suppressed: Vec<Option<Suppression>>,
}

/// What the pattern of hidden cells lets a table show.
enum Pattern {
    /// Totals by lines of the outermost dimension.
    Lines,
    /// Every margin that meets none of the marked cells.
    Hypercubes(Vec<bool>),
}

/// A figure, or why it is hidden.
type Judged = Result<Figure, Suppression>;

/// Cells, and margins with their keys.
pub(crate) type Table = (Vec<Shown>, Vec<(Vec<String>, Shown)>);

impl<'a> Totals<'a> {
    pub(crate) fn new(
        output: &'a ReducedOutput,
        profile: &'a Profile,
        statistic: &'a dyn Statistic,
        persons_min: u32,
        primary: Vec<Option<Suppression>>,
        patience: &'a dyn Patience,
    ) -> Result<Self, Interrupted> {
        patience.spend(output.cells.len() as u64)?;
        let figures = output.cells.iter().map(|cell| statistic.figure(cell, profile)).collect();
        Ok(Self { output, profile, statistic, patience, persons_min, figures, suppressed: primary.clone(), primary })
    }

    /// Judges every margin; suppresses complementary cells on the way.
    pub(crate) fn shown(mut self, guard: &mut dyn Guard) -> Result<Table, Interrupted> {
        let margins = margins(&self.output.shape, &self.output.output.reducer, self.patience)?;
        let mut admitted = vec![false; self.primary.len()];
        let pattern = loop {
            let pattern = self.settle(&margins)?;
            if self.admit(&mut admitted, guard)? {
                break pattern;
            }
        };
        let judged = match pattern {
            Pattern::Hypercubes(blocked) => self.around_blocked(&margins, &blocked, guard)?,
            Pattern::Lines => self.by_lines(&margins, guard)?,
        };
        let cells = self.figures.iter().zip(&self.suppressed).map(|(figure, suppressed)| match suppressed {
            None => Ok((figure.value, figure.step)),
            Some(why) => Err(*why),
        });
        let margin = |(margin, shown): (Margin, Judged)| (margin.keys, shown.map(|figure| (figure.value, figure.step)));
        Ok((cells.collect(), margins.into_iter().zip(judged).map(margin).collect()))
    }

    /// Settles what is hidden, from what is hidden for its own sake.
    fn settle(&mut self, margins: &[Margin]) -> Result<Pattern, Interrupted> {
        self.suppressed.clone_from(&self.primary);
        if let Some(blocked) = self.hypercubes(margins)? {
            return Ok(Pattern::Hypercubes(blocked));
        }
        for margin in margins.iter().filter(|margin| is_line(margin, margins)) {
            self.patience.spend(margin.cells.len() as u64)?;
            self.suppress_complement(&margin.cells);
        }
        Ok(Pattern::Lines)
    }

    /// Asks the guard about every cell that is to be shown and that it has not seen; false when it refuses one.
    fn admit(&mut self, admitted: &mut [bool], guard: &mut dyn Guard) -> Result<bool, Interrupted> {
        let mut all = true;
        for (index, cell) in self.output.cells.iter().enumerate() {
            self.patience.spend(1)?;
            let is_seen = admitted.get(index).copied().unwrap_or_default();
            if is_seen || self.is_suppressed(index) || cell.persons.is_empty() {
                continue;
            }
            let admits = guard.admit(&cell.persons, self.patience)?;
            if let Some(admitted) = admitted.get_mut(index) {
                *admitted = admits;
            }
            if !admits && let Some(primary) = self.primary.get_mut(index) {
                *primary = Some(Suppression::Differencing);
            }
            all &= admits;
        }
        Ok(all)
    }

    /// Hides a hypercube about every small cell of a contingency table, and marks the cells that no margin may meet: those
    /// of a hypercube that leaves too little room, and those hidden for a reason that has nothing to do with their size.
    fn hypercubes(&mut self, margins: &[Margin]) -> Result<Option<Vec<bool>>, Interrupted> {
        let wants_all = margins.iter().any(|margin| !margin.is_outermost && !margin.is_grand_total);
        let is_contingency = self.output.output.reducer == glovebox_catalog::Reducer::ContingencyTable;
        let is_open = self.output.open.contains(&true);
        if !(is_contingency && wants_all && self.profile.complementary) || is_open {
            return Ok(None);
        }
        let is = |index: usize, why: Suppression| self.suppressed.get(index) == Some(&Some(why));
        let count = self.suppressed.len();
        let small: Vec<usize> = (0..count).filter(|index| is(*index, Suppression::BelowThreshold)).collect();
        let mut blocked: Vec<bool> =
            (0..count).map(|index| self.is_suppressed(index) && !is(index, Suppression::BelowThreshold)).collect();
        let found = hypercubes(&self.output.shape, &small, |index| self.fits(index), self.patience)?;
        let Some(found) = found else { return Ok(None) };
        let bounds = small_counts(self.persons_min, self.output.contributions_max, self.profile);
        let figure = |index: usize| self.figures.get(index).map_or(0.0, |figure| figure.value);
        for hypercube in found {
            self.patience.spend(1)?;
            let is_bound = !hypercube.leaves_free(figure, bounds);
            for cell in hypercube.cells() {
                if is_bound && let Some(blocked) = blocked.get_mut(cell) {
                    *blocked = true;
                }
                if let Some(suppressed) = self.suppressed.get_mut(cell) {
                    suppressed.get_or_insert(Suppression::Complementary);
                }
            }
        }
        Ok(Some(blocked))
    }

    fn around_blocked(
        &self,
        margins: &[Margin],
        blocked: &[bool],
        guard: &mut dyn Guard,
    ) -> Result<Vec<Judged>, Interrupted> {
        let judge = |margin: &Margin| {
            self.patience.spend(margin.cells.len() as u64)?;
            if margin.cells.iter().any(|cell| blocked.get(*cell) != Some(&false)) {
                Ok(Err(Suppression::Complementary))
            } else {
                self.total(&margin.cells, guard)
            }
        };
        margins.iter().map(judge).collect()
    }

    fn by_lines(&self, margins: &[Margin], guard: &mut dyn Guard) -> Result<Vec<Judged>, Interrupted> {
        let mut all_shown = true;
        let mut judged = Vec::with_capacity(margins.len());
        for margin in margins {
            self.patience.spend(margin.cells.len() as u64)?;
            let shown = if is_line(margin, margins) {
                self.open_total(&margin.cells, guard)?
            } else if !margin.is_grand_total {
                self.closed_total(&margin.cells, guard)?
            } else if all_shown {
                self.grand_total(&margin.cells, guard)?
            } else {
                Err(Suppression::Complementary)
            };
            all_shown &= shown.is_ok() || !margin.is_outermost;
            judged.push(shown);
        }
        Ok(judged)
    }

    /// Suppresses one more cell of `line` where that can let its total be shown. Cells of open keys that do not pass are
    /// not listed, so a total over them would be one over hidden cells always: it is not shown, and none is hidden for it.
    fn suppress_complement(&mut self, line: &[usize]) {
        let has_totals = self.statistic.additivity() != Additivity::Union && !self.output.open.contains(&true);
        if !self.profile.complementary || !has_totals {
            return;
        }
        if let Some(index) = complement(line, |index| self.is_suppressed(index), |index| self.fits(index))
            && let Some(suppressed) = self.suppressed.get_mut(index)
        {
            *suppressed = Some(Suppression::Complementary);
        }
    }

    /// The total of a line that shares no suppressed cell with another shown total.
    fn open_total(&self, line: &[usize], guard: &mut dyn Guard) -> Result<Judged, Interrupted> {
        let hidden: Vec<_> = line.iter().filter_map(|index| self.hidden(*index)).collect();
        let is_open = self.output.open.contains(&true);
        if !hidden.is_empty() && (!self.profile.complementary || is_open) {
            return Ok(Err(Suppression::Complementary));
        }
        let contributions_max = self.output.contributions_max;
        let hidden = Line { hidden, persons_min: self.persons_min, contributions_max };
        if shows_total(&hidden, self.statistic.additivity(), self.profile, self.patience)? {
            self.total(line, guard)
        } else {
            Ok(Err(Suppression::Complementary))
        }
    }

    /// The total of a line that may share suppressed cells with another: shown only when it has none.
    fn closed_total(&self, line: &[usize], guard: &mut dyn Guard) -> Result<Judged, Interrupted> {
        if line.iter().any(|index| self.is_suppressed(*index)) {
            Ok(Err(Suppression::Complementary))
        } else {
            self.total(line, guard)
        }
    }

    /// The total of everything, once every outermost margin is shown. A sum of those says nothing new; a mean or a union
    /// over suppressed cells does, so it is judged as a line of its own.
    fn grand_total(&self, everything: &[usize], guard: &mut dyn Guard) -> Result<Judged, Interrupted> {
        match self.statistic.additivity() {
            Additivity::Counts => self.total(everything, guard),
            Additivity::Measures => self.open_total(everything, guard),
            Additivity::Union => self.closed_total(everything, guard),
        }
    }

    /// The figure of a total that passed every rule but the guard's.
    fn total(&self, line: &[usize], guard: &mut dyn Guard) -> Result<Judged, Interrupted> {
        let cells: Vec<_> = line.iter().filter_map(|index| self.output.cells.get(*index)).collect();
        let persons = union(cells.iter().map(|cell| &cell.persons), self.patience)?;
        if !persons.is_empty() && !guard.admit(&persons, self.patience)? {
            return Ok(Err(Suppression::Differencing));
        }
        let figures: Vec<_> = line.iter().filter_map(|index| self.figures.get(*index).copied()).collect();
        Ok(Ok(self.statistic.total(&cells, &figures, self.profile, self.patience)?))
    }

    fn hidden(&self, index: usize) -> Option<Hidden<'a>> {
        let why = (*self.suppressed.get(index)?)?;
        Some(Hidden { cell: self.output.cells.get(index)?, figure: *self.figures.get(index)?, why })
    }

    /// Whether a cell passes every rule and has persons to hide others among.
    fn fits(&self, index: usize) -> bool {
        let persons = self.output.cells.get(index).map_or(0, CellStatistics::person_count);
        !self.is_suppressed(index) && persons >= u64::from(self.persons_min)
    }

    fn is_suppressed(&self, index: usize) -> bool {
        self.suppressed.get(index).is_some_and(Option::is_some)
    }
}

/// Whether a margin is one of the lines that share no cell: those of the outermost dimension, or of the only one.
fn is_line(margin: &Margin, margins: &[Margin]) -> bool {
    margin.is_outermost || margins.len() == 1
}
