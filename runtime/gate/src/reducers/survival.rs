//! Survival table: persons at risk, events and censored per interval, from which Kaplan–Meier's estimate follows.
//!
//! Events that are too few to be shown wait: they are counted with those of the next interval, until the threshold
//! holds; censored likewise, by themselves. This is ACRO's rule for survival tables (which adds up both), applied to each
//! number that is shown, so that none stands for fewer persons than the threshold. What is left over at the end joins the
//! last interval that shows something. An interval whose number waits shows none, and says so.
//!
//! At risk is what the shown numbers add up to from an interval on, and nothing else.

use roaring::RoaringBitmap;

use super::{InnerFigure, InnerStatistic, InnerValue};
use crate::Profile;
use crate::cell::{CellStatistics, Detail, Exits};
use crate::rules::{CountStep, Suppression, count_step, round_count};

pub(crate) struct SurvivalTable;

impl InnerStatistic for SurvivalTable {
    fn parameters(&self) -> u32 {
        0
    }

    fn dominance(&self) -> bool {
        // A person counts once.
        false
    }

    fn figures(&self, cell: &CellStatistics, profile: &Profile) -> Vec<InnerFigure> {
        let Detail::Exits(exits) = &cell.detail else { return Vec::new() };
        let threshold = u64::from(profile.threshold_survival.unwrap_or(profile.threshold)).max(1);
        let step = count_step(profile, 1);
        let events = merged(exits.iter().map(|exits: &Exits| &exits.events), threshold);
        let censored = merged(exits.iter().map(|exits| &exits.censored), threshold);
        let count = |persons: &Option<RoaringBitmap>| persons.as_ref().map(|persons| round_count(persons.len(), step));
        let mut at_risk: u64 = events.iter().chain(&censored).filter_map(count).sum();
        let mut figures = Vec::with_capacity(3 * exits.len());
        for (events, censored) in events.into_iter().zip(censored) {
            let left: u64 = [&events, &censored].into_iter().filter_map(count).sum();
            figures
                .push(InnerFigure { shown: shown(Some(at_risk).filter(|at_risk| *at_risk > 0), step), persons: None });
            figures.push(InnerFigure { shown: shown(count(&events), step), persons: events });
            figures.push(InnerFigure { shown: shown(count(&censored), step), persons: censored });
            at_risk = at_risk.saturating_sub(left);
        }
        figures
    }
}

fn shown(count: Option<u64>, step: CountStep) -> Result<InnerValue, Suppression> {
    let count = count.ok_or(Suppression::BelowThreshold)?;
    Ok(InnerValue { value: count as f64, step: step.width as f64 })
}

/// The persons that each interval shows: those of the intervals since the last one that shows some, at least `threshold`.
fn merged<'a>(intervals: impl Iterator<Item = &'a RoaringBitmap>, threshold: u64) -> Vec<Option<RoaringBitmap>> {
    let mut shown: Vec<Option<RoaringBitmap>> = Vec::new();
    let mut waiting = RoaringBitmap::new();
    for persons in intervals {
        waiting |= persons;
        shown.push((waiting.len() >= threshold).then(|| std::mem::take(&mut waiting)));
    }
    if let Some(last) = shown.iter_mut().rev().find_map(Option::as_mut) {
        *last |= waiting;
    }
    shown
}
