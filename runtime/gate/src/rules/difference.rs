//! No figure about all but a few of those behind another: within one output (subset difference) and beside everything
//! released before (the guard).
//!
//! Sources: DataSHIELD's `nfilter.subset`, by which a subset keeps at least three rows and differs from its source by
//! nobody or by at least three; docs/differencing.md for the guard.

use glovebox_catalog::Refusal;
use roaring::RoaringBitmap;

use crate::cell::CellStatistics;
use crate::persons::union;
use crate::{Interrupted, Patience, Profile};

/// Everybody who contributed to an output; none when the profile does not compare with them.
pub(crate) fn everybody(
    cells: &[CellStatistics],
    profile: &Profile,
    patience: &dyn Patience,
) -> Result<Option<RoaringBitmap>, Interrupted> {
    let everybody = || union(cells.iter().map(|cell| &cell.persons), patience);
    profile.subset_difference_min.map(|_| everybody()).transpose()
}

/// Whether `cell` leaves out a few of `everybody`.
pub(crate) fn differs_by_few(cell: &CellStatistics, everybody: Option<&RoaringBitmap>, profile: &Profile) -> bool {
    let (Some(everybody), Some(min)) = (everybody, profile.subset_difference_min) else { return false };
    let left_out = everybody.len().saturating_sub(cell.person_count());
    left_out > 0 && left_out < u64::from(min)
}

pub(super) fn subset_refusal(profile: &Profile, place: String) -> Refusal {
    let min = profile.subset_difference_min.unwrap_or_default();
    Refusal::new(
        "gate.subset-difference",
        format!("a cell leaves out nobody of its output, or at least {min} persons"),
        place,
        "merge the small categories beside it, or drop the key",
    )
}

pub(super) fn refusal(profile: &Profile, place: String) -> Refusal {
    let persons = profile.differencing_persons();
    Refusal::new(
        "gate.differencing",
        format!("no figure whose persons differ from those of figures released before by fewer than {persons}"),
        place,
        "ask for the same groups as before, or for groups that differ by more; the filter of an earlier job is the \
         usual cause",
    )
}
