//! Whether a job may, or must, be released with noise: decided from what was declared, before a row is read.

use glovebox_catalog::{Dataset, GrantTerms, Isolation, JobManifest, Privacy, Refusal};
use glovebox_gate::{Profile, refuse_privacy};
use glovebox_meter::PrivacyLoss;
use glovebox_store::PrivacyReservation;

/// What the job may lose of its dataset's privacy; none for a job without noise.
///
/// # Errors
/// Every reason why it may not be released as it asks.
pub(crate) fn privacy_of(
    privacy: Option<Privacy>,
    manifest: &JobManifest,
    terms: &GrantTerms,
    dataset: &Dataset,
    profile: &Profile,
) -> Result<Option<PrivacyReservation>, Vec<Refusal>> {
    let mut reasons: Vec<_> = refuse_privacy(manifest, privacy).into_iter().collect();
    let Some(privacy) = privacy else {
        reasons.extend(must_have_noise(manifest, profile).filter(|_| reasons.is_empty()));
        return if reasons.is_empty() { Ok(None) } else { Err(reasons) };
    };
    if terms.budget.epsilon_max.is_zero() {
        reasons.push(Refusal::new(
            "policy.noise-not-granted",
            "a grant says how much privacy its releases may lose",
            "the grant's `budget.epsilon_max`",
            "propose a grant with an `epsilon_max`, or leave `privacy` out",
        ));
    }
    match dataset.privacy {
        Some(limit) if reasons.is_empty() => Ok(Some(PrivacyReservation {
            loss: PrivacyLoss::of(privacy, manifest.rounds_max()),
            limit,
            grant_epsilon_max: terms.budget.epsilon_max,
        })),
        Some(_) => Err(reasons),
        None => {
            reasons.push(Refusal::new(
                "policy.no-privacy-limit",
                "the supplier has said how much privacy all releases of a dataset together may lose",
                format!("dataset `{}`", dataset.id),
                "ask the supplier to file a limit, or leave `privacy` out",
            ));
            Err(reasons)
        }
    }
}

fn must_have_noise(manifest: &JobManifest, profile: &Profile) -> Option<Refusal> {
    // What reviewers let go has no noise, whatever the profile is.
    (profile.noise_required && manifest.isolation != Isolation::Cohort).then(|| {
        Refusal::new(
            "gate.profile-needs-noise",
            format!("under the profile `{}` figures leave with noise alone", profile.name),
            "the job's `privacy`",
            "submit it with `--epsilon` or `--rho`; `job explain` shows the error to expect",
        )
    })
}
