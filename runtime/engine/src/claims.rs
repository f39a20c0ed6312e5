//! Which claims stand on a dataset, and whom they refused: for its supplier, who decides on grants, and for regulators.

use std::collections::BTreeMap;

use glovebox_api::{Claim, ClaimRefusal, DatasetClaims};
use glovebox_catalog::{Dataset, DatasetId, JobId};
use glovebox_policy::{Action, ResourceRef};
use glovebox_store::CohortClaim;

use crate::{Caller, Engine, EngineError};

impl Engine {
    /// The claims that stand on a dataset, the oldest first.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`].
    pub fn dataset_claims(&self, caller: &Caller, id: &DatasetId) -> Result<DatasetClaims, EngineError> {
        let dataset: Dataset = self.sought(caller, Action::ClaimRead, id)?;
        self.has_read(caller, Action::ClaimRead, &ResourceRef::dataset(&dataset).path(), "claims")?;
        let claimed = self.store().cohort_claims(id)?;
        // Both lists ascend: there may be hundreds of thousands of sets.
        let job_of = |number: u64| {
            let at = claimed.partition_point(|claim| claim.numbers.end <= number);
            claimed.get(at).filter(|claim| claim.numbers.contains(&number)).map(|claim| &claim.job)
        };
        let cohorts = self.claimed_cohorts(id)?;
        let mut refused: BTreeMap<&JobId, BTreeMap<&JobId, u64>> = BTreeMap::new();
        for (number, beside) in cohorts.refused {
            if let Some((by, job)) = beside.and_then(job_of).zip(job_of(number)) {
                *refused.entry(by).or_default().entry(job).or_default() += 1;
            }
        }
        let claim = |CohortClaim { job, numbers }: &CohortClaim| {
            let before = |end: u64| cohorts.released.partition_point(|number| *number < end);
            let sets = (before(numbers.end) - before(numbers.start)) as u64;
            let by_this = refused.get(job).into_iter().flatten();
            let refused = by_this.map(|(job, sets)| self.refused(job, *sets)).collect::<Result<_, _>>()?;
            let row = self.found_job(job)?;
            Ok(Claim { job: row.id, grant: row.grant, organisation: row.organisation, sets: coarse(sets), refused })
        };
        let claims = claimed.iter().map(claim).collect::<Result<_, EngineError>>()?;
        Ok(DatasetClaims { dataset: dataset.id, claims })
    }

    fn refused(&self, job: &JobId, sets: u64) -> Result<ClaimRefusal, EngineError> {
        let row = self.found_job(job)?;
        Ok(ClaimRefusal { job: row.id, organisation: row.organisation, sets: coarse(sets) })
    }
}

/// How many sets differ from one another depends on who is in them: a power of two is enough to see who takes much.
fn coarse(sets: u64) -> u64 {
    sets.checked_next_power_of_two().unwrap_or(u64::MAX)
}
