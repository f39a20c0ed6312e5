//! What a profile says about a whole table: how large it may be, and whether figures may leave without noise.

use glovebox_catalog::Refusal;

use crate::Profile;

/// Whether a table of so many cells is too large. Follows from the manifest alone.
pub(crate) fn too_many(cells: usize, profile: &Profile) -> bool {
    profile.rows_max.is_some_and(|most| cells as u64 > most)
}

pub(super) fn refusal(profile: &Profile, place: String) -> Refusal {
    let most = profile.rows_max.unwrap_or_default();
    Refusal::new(
        "gate.too-many-rows",
        format!("a table has at most {most} cells"),
        place,
        "use fewer keys or wider bands, or split the table over several outputs",
    )
}

pub(super) fn noise_refusal(profile: &Profile, place: String) -> Refusal {
    Refusal::new(
        "gate.profile-needs-noise",
        format!("figures leave under the profile `{}` with noise alone", profile.name),
        place,
        "submit the job with a privacy loss: `--epsilon` or `--rho`",
    )
}
