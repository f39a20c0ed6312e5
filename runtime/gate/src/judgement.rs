//! Every cell by itself: has it enough persons, does one of them dominate it, may it stand beside what was released?

use roaring::RoaringBitmap;

use crate::cell::CellStatistics;
use crate::disclose::Shown;
use crate::reducers::InnerFigure;
use crate::reduction::ReducedOutput;
use crate::rules::{Suppression, below_threshold, differs_by_few, dominated, everybody, fewest_persons, too_many};
use crate::{Guard, Interrupted, Patience, Profile};

/// The rules for the cells of one output.
pub(crate) struct Judge<'a> {
    output: &'a ReducedOutput,
    profile: &'a Profile,
    /// Parameters that a figure estimates.
    parameters: u32,
    dominance: bool,
    persons_min: u32,
    everybody: Option<RoaringBitmap>,
}

/// What became of the cells.
pub(crate) struct Judgement {
    /// Fewest persons behind a cell.
    pub(crate) persons_min: u32,
    /// Why a cell is hidden, if it is.
    pub(crate) suppressed: Vec<Option<Suppression>>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(
        output: &'a ReducedOutput,
        profile: &'a Profile,
        parameters: u32,
        dominance: bool,
        patience: &dyn Patience,
    ) -> Result<Self, Interrupted> {
        let persons_min = fewest_persons(profile, &output.output.reducer, parameters);
        let everybody = everybody(&output.cells, profile, patience)?;
        Ok(Self { output, profile, parameters, dominance, persons_min, everybody })
    }

    /// Judges every cell of a table that has `figures` in all; the guard's judgement is yet to come.
    pub(crate) fn judge(&self, figures: usize, patience: &dyn Patience) -> Result<Judgement, Interrupted> {
        let everywhere = if self.profile.noise_required {
            Some(Suppression::NoiseRequired)
        } else if too_many(figures, self.profile) && !self.output.open.contains(&true) {
            Some(Suppression::TooManyRows)
        } else {
            None
        };
        let mut suppressed = Vec::with_capacity(self.output.cells.len());
        for cell in &self.output.cells {
            patience.spend(1)?;
            suppressed.push(everywhere.or_else(|| self.cell(cell)));
        }
        Ok(Judgement { persons_min: self.persons_min, suppressed })
    }

    fn cell(&self, cell: &CellStatistics) -> Option<Suppression> {
        // A key of an open domain that does not occur is no cell at all.
        let is_missing = cell.person_count() == 0 && self.output.open.contains(&true);
        if is_missing || below_threshold(cell, self.profile, self.persons_min, self.parameters) {
            return Some(Suppression::BelowThreshold);
        }
        // An empty cell that the profile shows has no contributors to dominate it, or to compare with others.
        if cell.person_count() == 0 {
            return None;
        }
        if self.dominance
            && let Some(dominated) = dominated(cell, self.profile)
        {
            return Some(dominated);
        }
        differs_by_few(cell, self.everybody.as_ref(), self.profile).then_some(Suppression::SubsetDifference)
    }

    /// The figures of a cell that passed. Numbers at risk follow from the other figures of a cell, so one that the guard
    /// refuses takes all of them with it.
    pub(crate) fn figures(
        cell: &CellStatistics,
        figures: Vec<InnerFigure>,
        guard: &mut dyn Guard,
        patience: &dyn Patience,
    ) -> Result<Vec<Shown>, Interrupted> {
        let mut admitted = true;
        for persons in std::iter::once(&cell.persons).chain(figures.iter().filter_map(|figure| figure.persons.as_ref()))
        {
            admitted = admitted && guard.admit(persons, patience)?;
        }
        let shown = |figure: InnerFigure| match figure.shown {
            Ok(_) if !admitted => Err(Suppression::Differencing),
            Ok(figure) => Ok((figure.value, figure.step)),
            Err(why) => Err(why),
        };
        Ok(figures.into_iter().map(shown).collect())
    }
}
