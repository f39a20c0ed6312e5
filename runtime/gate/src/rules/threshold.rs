//! At least so many persons behind a cell; an empty cell counts as too small where zeros are disclosive.
//!
//! There is no code of its own for an empty cell or for a mean that lacks one degree of freedom: such a code would tell
//! the exact number of persons that the suppression hides.

use glovebox_catalog::Refusal;

use crate::Profile;
use crate::cell::CellStatistics;

/// Fewest persons behind a figure that estimates `parameters` parameters.
pub(crate) fn persons_min(profile: &Profile, parameters: u32) -> u32 {
    if parameters == 0 { profile.threshold } else { profile.threshold.max(profile.dof_min.saturating_add(parameters)) }
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
