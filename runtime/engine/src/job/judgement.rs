//! What may leave of one round: by the rules of the grant's profile, with noise, or after review.

use glovebox_catalog::Refusal;
use glovebox_gate::{
    GateError, Guard, Profile, Release, ReviewCandidate, Verdict, disclose, release_estimates, release_private,
    review_table,
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
}

impl Engine {
    /// Judges one round.
    pub(crate) fn judge(
        &self,
        case: &Case,
        collected: Collected,
        profile: &Profile,
        guard: &mut dyn Guard,
    ) -> Result<Judged, EngineError> {
        let manifest = &case.module.manifest;
        let fault = |error: GateError| EngineError::internal("judge a table", error);
        let verdict = match (collected, case.request.privacy) {
            (Collected::Reduced(reduced), None) => disclose(&reduced, profile, guard),
            (Collected::Reduced(reduced), Some(privacy)) => {
                release_private(&reduced, manifest, privacy, &profile.name).map_err(fault)?
            }
            (Collected::Estimates(estimates), Some(privacy)) => {
                release_estimates(&estimates, manifest, privacy, &profile.name).map_err(fault)?
            }
            (Collected::Claims(claims), None) => {
                return Ok(Judged::Candidate(review_table(&claims, manifest, profile)));
            }
            (Collected::Estimates(_), None) | (Collected::Claims(_), Some(_)) => {
                return Err(EngineError::Internal("a job came to the gate that should have been refused".to_owned()));
            }
        };
        Ok(match verdict {
            Verdict::Release(release) => Judged::Release(release),
            Verdict::Withheld { reasons, cells_withheld } => Judged::Withheld { reasons, cells_withheld },
        })
    }
}
