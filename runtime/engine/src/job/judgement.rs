//! What may leave of one round: by the rules of the grant's profile, with noise, or after review.

use glovebox_catalog::Refusal;
use glovebox_gate::{
    GateError, Guard, Interrupted, Patience, Profile, Release, ReviewCandidate, Verdict, disclose, release_estimates,
    release_private, review_table,
};

use crate::job::pass::Collected;
use crate::job::run::Case;
use crate::{Engine, EngineError};

/// What the gate made of a round.
pub(crate) enum Judged {
    /// At least one figure may leave.
    Release(Release),
    /// People decide.
    Candidate(ReviewCandidate),
    /// Nothing may leave.
    Withheld { reasons: Vec<Refusal>, cells_withheld: u64 },
    /// It did not come to a judgement.
    Interrupted(Interrupted),
}

impl Engine {
    /// Judges one round.
    pub(crate) fn judge(
        &self,
        case: &Case,
        collected: Collected,
        profile: &Profile,
        guard: &mut dyn Guard,
        patience: &dyn Patience,
    ) -> Result<Judged, EngineError> {
        let manifest = &case.module.manifest;
        let verdict = match (collected, case.request.privacy) {
            (Collected::Reduced(reduced), None) => {
                disclose(&reduced, profile, guard, patience).map_err(GateError::from)
            }
            (Collected::Reduced(reduced), Some(privacy)) => {
                release_private(&reduced, manifest, privacy, &profile.name, patience)
            }
            (Collected::Estimates(estimates), Some(privacy)) => {
                release_estimates(&estimates, manifest, privacy, &profile.name, patience)
            }
            (Collected::Claims(claims), None) => {
                return Ok(match review_table(&claims, manifest, profile, patience) {
                    Ok(candidate) => Judged::Candidate(candidate),
                    Err(why) => Judged::Interrupted(why),
                });
            }
            (Collected::Estimates(_), None) | (Collected::Claims(_), Some(_)) => {
                return Err(EngineError::Internal("a job came to the gate that should have been refused".to_owned()));
            }
        };
        match verdict {
            Ok(Verdict::Release(release)) => Ok(Judged::Release(release)),
            Ok(Verdict::Withheld { reasons, cells_withheld }) => Ok(Judged::Withheld { reasons, cells_withheld }),
            Err(GateError::Interrupted(why)) => Ok(Judged::Interrupted(why)),
            Err(error) => Err(EngineError::internal("judge a table", error)),
        }
    }
}
