//! At least so many persons behind a cell; an empty cell counts as too small where zeros are disclosive.
//!
//! There is no code of its own for an empty cell or for a mean that lacks one degree of freedom: such a code would tell
//! the exact number of persons that the suppression hides.

use glovebox_catalog::{Reducer, Refusal};

use crate::Profile;
use crate::cell::CellStatistics;

/// Fewest persons behind a figure that estimates `parameters` parameters.
fn persons_min(profile: &Profile, parameters: u32) -> u32 {
    if parameters == 0 { profile.threshold } else { profile.threshold.max(profile.dof_min.saturating_add(parameters)) }
}

/// Fewest persons on either side of a figure that divides the persons of its cell.
pub(crate) fn persons_beside(profile: &Profile) -> u32 {
    profile.threshold.max(profile.threshold_measures.unwrap_or(0))
}

/// Fewest persons behind a figure of `reducer`, which estimates `parameters` parameters.
pub(crate) fn fewest_persons(profile: &Profile, reducer: &Reducer, parameters: u32) -> u32 {
    let counts = matches!(
        reducer,
        Reducer::Count
            | Reducer::DistinctPersons
            | Reducer::Histogram { .. }
            | Reducer::ContingencyTable
            | Reducer::SurvivalTable { .. }
    );
    let measures = if counts { 0 } else { profile.threshold_measures.unwrap_or(0) };
    let model = match (reducer, profile.parameters_share_max) {
        (Reducer::CrossProduct { .. } | Reducer::Gradient { .. }, Some(share)) => {
            (f64::from(parameters) / share).ceil() as u32
        }
        _ => 0,
    };
    persons_min(profile, parameters).max(measures).max(model)
}

/// Whether `cell` has too few persons.
pub(crate) fn below_threshold(cell: &CellStatistics, profile: &Profile, persons_min: u32, parameters: u32) -> bool {
    let persons = cell.person_count();
    // An estimate over nobody does not exist, so an empty cell is shown as zero only where nothing is estimated.
    let empty_is_shown = !profile.zeros_disclosive && parameters == 0;
    persons < u64::from(persons_min) && !(persons == 0 && empty_is_shown)
}

pub(super) fn refusal(profile: &Profile, persons_min: u32, place: String) -> Refusal {
    let empty = if profile.zeros_disclosive { "; an empty cell counts as too small" } else { "" };
    let degrees = if persons_min > profile.threshold {
        format!(" ({} residual degrees of freedom)", profile.dof_min)
    } else {
        String::new()
    };
    Refusal::new(
        "gate.cell-below-threshold",
        format!("at least {persons_min} persons behind a cell{degrees}{empty}"),
        place,
        format!(
            "merge categories, widen bands or use fewer keys, so that every cell holds at least {persons_min} persons"
        ),
    )
}
