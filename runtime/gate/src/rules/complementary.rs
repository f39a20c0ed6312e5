//! A total must not tell what a suppressed cell holds.
//!
//! Lines that show their total although they hold suppressed cells are disjoint (disclose.rs sees to it), so what one
//! tells is told by no other, and each can be judged alone: from a shown total and the shown cells a reader learns the
//! sum of the hidden ones and nothing more. That sum is shown only when every cell that was suppressed for its own sake
//! could, as far as the sum tells, still be anything it could be without it (counts), or vary by what matters (sums).

use glovebox_catalog::Refusal;

use super::hypercube::Bounds;
use super::rounding::{Figure, count_step, round_count};
use super::{Suppression, dominated};
use crate::cell::CellStatistics;
use crate::reducers::Additivity;
use crate::scale::STEPS;
use crate::{Interrupted, Patience, Profile};

/// One hidden cell of a line.
pub(crate) struct Hidden<'a> {
    pub(crate) cell: &'a CellStatistics,
    pub(crate) figure: Figure,
    pub(crate) why: Suppression,
}

/// The hidden cells of a line, and what is known of contributions before any row is read.
pub(crate) struct Line<'a> {
    pub(crate) hidden: Vec<Hidden<'a>>,
    pub(crate) persons_min: u32,
    pub(crate) contributions_max: u32,
}

/// The cell of `line` to suppress besides `suppressed` ones: the first that passes every rule after the first that does
/// not, around the end. It follows from which cells are suppressed and from nothing else, so that the choice tells
/// nothing; a choice by size (the smallest, the largest) would bound the hidden value.
pub(crate) fn complement(
    line: &[usize],
    suppressed: impl Fn(usize) -> bool,
    fit: impl Fn(usize) -> bool,
) -> Option<usize> {
    let first = line.iter().position(|cell| suppressed(*cell))?;
    let around = line.iter().skip(first).chain(line.iter().take(first));
    around.copied().find(|cell| !suppressed(*cell) && fit(*cell))
}

/// Whether the total of a line may be shown, given the cells hidden in it.
pub(crate) fn shows_total(
    line: &Line<'_>,
    additivity: Additivity,
    profile: &Profile,
    patience: &dyn Patience,
) -> Result<bool, Interrupted> {
    let hidden = &line.hidden;
    if hidden.is_empty() {
        return Ok(true);
    }
    let union = CellStatistics::union(hidden.iter().map(|hidden| hidden.cell), patience)?;
    let joint = hidden.len() >= 2 && union.person_count() >= u64::from(line.persons_min);
    let shows = joint
        && match additivity {
            Additivity::Counts => counts_stay_free(line, profile),
            Additivity::Measures => measures_stay_free(line, &union) && dominated(&union, profile).is_none(),
            // Who is in no shown cell of the line is a small group that the total would count.
            Additivity::Union => false,
        };
    Ok(shows)
}

/// Whether every cell below the threshold can be anything from the least to the most it could be, given the sum of the
/// rounded hidden figures. The answer follows from that sum and from which cells are hidden, both of which the reader
/// knows when the total is shown; so showing it tells nothing else.
fn counts_stay_free(line: &Line<'_>, profile: &Profile) -> bool {
    let step = count_step(profile, line.contributions_max);
    let Bounds { small: (least, most), passing_least: least_of_others } =
        small_counts(line.persons_min, line.contributions_max, profile);
    let small = line.hidden.iter().filter(|hidden| hidden.why == Suppression::BelowThreshold).count() as f64;
    let passing = line.hidden.iter().filter(|hidden| hidden.why == Suppression::Complementary).count() as f64;
    if small + passing < line.hidden.len() as f64 {
        // A dominated count has no most: no sum is known to leave it free.
        return false;
    }
    let sum: f64 = line.hidden.iter().map(|hidden| hidden.figure.value).sum();
    let reaches_most = sum - most >= (small - 1.0) * least + passing * least_of_others;
    let reaches_least = passing > 0.0 || sum - least <= (small - 1.0) * most;
    // Without a passing cell the sum must be large enough that it can't stand for fewer persons than the threshold.
    let rounded_up_at_most = line.hidden.len() as f64 * (step.width / 2) as f64;
    let persons_at_least = (sum - rounded_up_at_most) / f64::from(line.contributions_max);
    let joint = passing > 0.0 || persons_at_least >= f64::from(line.persons_min);
    reaches_most && reaches_least && joint
}

/// What is known of hidden counts before any total is seen.
pub(crate) fn small_counts(persons_min: u32, contributions_max: u32, profile: &Profile) -> Bounds {
    let step = count_step(profile, contributions_max);
    let rounded = |count: u64| round_count(count, step) as f64;
    let least = if profile.zeros_disclosive { 0.0 } else { rounded(1) };
    let most = rounded(u64::from(persons_min.saturating_sub(1)).saturating_mul(u64::from(contributions_max)));
    // A cell that passes the rules has at least so many persons, each with a contribution.
    Bounds { small: (least, most), passing_least: rounded(u64::from(persons_min)) }
}

/// Whether the hidden sum leaves every suppressed cell uncertain by its own size and by twice what one person can add,
/// upwards and downwards, even to a reader who knows how many contributions each cell has; and whether the number of
/// persons leaves it uncertain how many are in the suppressed cell, should every value be known.
fn measures_stay_free(line: &Line<'_>, union: &CellStatistics) -> bool {
    let full = STEPS as u128;
    let above = |cell: &CellStatistics| cell.offset_sum;
    let below = |cell: &CellStatistics| (u128::from(cell.count) * full).saturating_sub(cell.offset_sum);
    if union.person_count() < (2 * u64::from(line.persons_min)).saturating_sub(1) {
        return false;
    }
    let two_persons = 2 * u128::from(line.contributions_max) * full;
    line.hidden.iter().filter(|hidden| hidden.why != Suppression::Complementary).all(|hidden| {
        let upwards = above(union) >= (2 * above(hidden.cell)).max(two_persons);
        let downwards = below(union) >= (2 * below(hidden.cell)).max(two_persons);
        upwards && downwards
    })
}

pub(super) fn refusal(place: String) -> Refusal {
    Refusal::new(
        "gate.complementary",
        "no figure that would tell, with the others of its line, what a suppressed cell holds",
        place,
        "merge the suppressed category with a neighbour, so that nothing in the line is suppressed; or ask for this total in \
         a job of its own without the finer key",
    )
}
