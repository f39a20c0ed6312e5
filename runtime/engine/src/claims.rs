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
        let job_of = |number: u64| claimed.iter().find(|claim| claim.numbers.contains(&number)).map(|claim| &claim.job);
        let cohorts = self.claimed_cohorts(id)?;
        let mut refused: BTreeMap<(&JobId, &JobId), u64> = BTreeMap::new();
        for (number, beside) in cohorts.refused {
            if let Some(both) = beside.and_then(job_of).zip(job_of(number)) {
                *refused.entry(both).or_default() += 1;
            }
        }
        let claim = |CohortClaim { job, numbers }: &CohortClaim| {
            let sets = cohorts.released.iter().filter(|number| numbers.contains(number)).count() as u64;
            let by_this = refused.iter().filter(|((by, _), _)| *by == job);
            let refused = by_this.map(|((_, job), sets)| self.refused(job, *sets)).collect::<Result<_, _>>()?;
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
