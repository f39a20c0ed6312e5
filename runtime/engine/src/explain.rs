//! What a job with noise would cost and be worth, told before it is submitted. Nothing is spent, and no row is read.

use glovebox_api::{Explanation, PrivacyCharge, SubmitJob};
use glovebox_catalog::{Dataset, Grant, PrivacyLimit, Refusal};
use glovebox_gate::explain;
use glovebox_meter::{PrivacyAccount, PrivacyHolder, PrivacyLoss};
use glovebox_policy::{Action, Context, PermitRequest};

use crate::job::{noise, parameters};
use crate::{Caller, Engine, EngineError};

impl Engine {
    /// The expected error of every kind of figure, the loss over all rounds, what it would leave of the accounts that the
    /// caller may see, and why the job would be refused, if so.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] for grant, dataset or module, [`EngineError::Refused`] when the caller may not submit
    /// jobs under the grant, [`EngineError::Invalid`] for parameters, or when no noise is asked for.
    pub fn explain_job(&self, caller: &Caller, request: &SubmitJob) -> Result<Explanation, EngineError> {
        let for_purpose = |grant: &Grant, context: Context| context.for_purpose(grant.terms.purpose);
        let grant: Grant = self.sought_in(caller, Action::JobSubmit, &request.grant, for_purpose)?;
        let dataset: Dataset = self.sought(caller, Action::DatasetRead, &request.dataset)?;
        let module = self.submitted_module(caller, &request.module)?;
        let manifest = &module.manifest;
        parameters(manifest, request)?;
        let privacy = request.privacy.ok_or_else(|| {
            let rule = "what is explained is the noise that a job asks for";
            let remedy = "add `privacy` (`--epsilon` or `--rho`), or ask `job lint` about exact figures";
            EngineError::invalid("job.no-noise-asked", rule, "privacy", remedy)
        })?;
        let (profile, _) = self.profile(&grant)?;
        let mut refusals = match noise::privacy_of(request.privacy, manifest, &grant.terms, &dataset, profile) {
            Ok(_) => Vec::new(),
            Err(reasons) => reasons,
        };
        if let Some(snapshot) = self.store().latest_snapshot(&dataset.id)? {
            let permit = self.inner.authoriser.permit(PermitRequest {
                principal: &caller.principal,
                grant: &grant,
                dataset: &dataset,
                snapshot: &snapshot,
                manifest,
                uses_so_far: self.uses(&grant.id)?,
                now: self.now(),
                address: caller.address,
            });
            refusals.extend(permit.err().unwrap_or_default());
        }
        let errors = match explain(manifest, privacy) {
            Ok(errors) => errors,
            // Noise that can't be had is refused above already; a fault of calibration is told as one.
            Err(_) if !refusals.is_empty() => Vec::new(),
            Err(error) => {
                return Err(EngineError::invalid(
                    "gate.no-noise",
                    error.to_string(),
                    "privacy",
                    "ask for another loss",
                ));
            }
        };
        let loss = PrivacyLoss::of(privacy, manifest.rounds_max());
        let (charges, exhausted) = self.charges(&grant, &dataset, loss)?;
        refusals.extend(exhausted);
        Ok(Explanation { privacy, rounds_max: manifest.rounds_max(), loss, charges, errors, refusals })
    }

    /// What the loss takes from each account, and why it would not.
    fn charges(
        &self,
        grant: &Grant,
        dataset: &Dataset,
        loss: PrivacyLoss,
    ) -> Result<(Vec<PrivacyCharge>, Vec<Refusal>), EngineError> {
        let Some(limit) = dataset.privacy else { return Ok((Vec::new(), Vec::new())) };
        let accounts = self.store().privacy_accounts(&dataset.id)?;
        let (mut charges, mut refusals) = (Vec::new(), Vec::new());
        for (holder, name, fresh) in holders(grant, dataset, &limit) {
            let row = accounts.iter().find(|row| row.holder == holder && row.name == name);
            let account = match row {
                Some(row) => PrivacyAccount { epsilon_max: fresh.epsilon_max, delta: fresh.delta, ..row.account },
                None => fresh,
            };
            let after = account.committed.plus(account.reserved).plus(loss).epsilon_at(account.delta);
            let checked = account.check(loss);
            charges.push(PrivacyCharge {
                holder,
                epsilon_max: account.epsilon_max,
                delta: account.delta,
                epsilon_asked: loss.epsilon_at(account.delta),
                // What others spend from the dataset is not the asker's to know.
                epsilon_after: (holder != PrivacyHolder::Dataset).then_some(after),
                fits: checked.is_ok(),
            });
            refusals.extend(checked.err().map(|exhausted| exhausted.refusal(holder)));
        }
        Ok((charges, refusals))
    }
}

/// The accounts that a job under `grant` weighs on, as they are before the first.
fn holders(grant: &Grant, dataset: &Dataset, limit: &PrivacyLimit) -> [(PrivacyHolder, String, PrivacyAccount); 3] {
    let of_grant = PrivacyAccount::of_grant(grant.terms.budget.epsilon_max, limit);
    [
        (PrivacyHolder::Dataset, dataset.id.to_string(), PrivacyAccount::of_dataset(limit)),
        (PrivacyHolder::Grant, grant.id.to_string(), of_grant),
        (PrivacyHolder::Developer, grant.organisation.to_string(), PrivacyAccount::of_developer(limit)),
    ]
}
