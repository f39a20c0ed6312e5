//! Suspensions: whoever runs the zone stops a grant, a dataset, a module, an organisation or the zone at once, and lets
//! none of them go on alone (the table is in the policy crate).

use glovebox_api::Decision;
use glovebox_catalog::{
    DatasetId, Grant, GrantId, ModuleId, OrganisationId, Refusal, Role, Suspended, SuspendedKind, text,
};
use glovebox_policy::{self as policy, Action, PolicyError, ResourceRef};
use glovebox_store::{JobRow, ModuleRow};

use crate::page::all;
use crate::{Caller, Engine, EngineError};

/// The id of the zone among things that are suspended.
pub(crate) const ZONE: &str = "zone";

/// What somebody does about a suspension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuspensionStep {
    /// Stops the thing at once.
    Suspend,
    /// Consents that it goes on.
    Resume,
}

impl Engine {
    /// Suspends a thing, or consents that it goes on. A suspension stops waiting and running jobs and whatever would
    /// still leave; it is lifted once every side that must has consented.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`], [`EngineError::Conflict`] when it is, or is not, suspended,
    /// [`EngineError::Invalid`] without a reason.
    pub fn step_suspension(
        &self,
        caller: &Caller,
        kind: SuspendedKind,
        id: &str,
        step: SuspensionStep,
        decision: &Decision,
    ) -> Result<Suspended, EngineError> {
        let action = action_of(kind, step);
        let path = self.sought_to_suspend(caller, action, kind, id)?.path();
        let before = self.store().suspended(kind, id)?;
        let mut after = before.clone();
        let taken = match step {
            SuspensionStep::Suspend => {
                policy::place_suspension(&mut after, &caller.principal, &decision.comment, self.now())
            }
            SuspensionStep::Resume => {
                policy::consent_to_resume(&mut after, &caller.principal, &decision.comment, self.now())
            }
        };
        if let Err(error) = taken {
            let reason = error.refusal(before.path());
            self.record_refusal(caller.actor(), action.as_str(), &path, std::slice::from_ref(&reason))?;
            return Err(match error {
                PolicyError::AlreadySuspended { .. } | PolicyError::NotSuspended { .. } | PolicyError::SamePerson => {
                    EngineError::Conflict(reason)
                }
                PolicyError::ReasonMissing => EngineError::Invalid(vec![reason]),
                _ => EngineError::Refused(vec![reason]),
            });
        }
        let reason: String = text::visible(&decision.comment).replace('\n', " ").chars().take(500).collect();
        let draft = self.done(caller, action, path).with("reason", reason).with("standing", after.standing.len());
        self.store().update_suspended(&before, &after, draft)?;
        match step {
            SuspensionStep::Suspend => self.stop_what_runs(kind, id)?,
            SuspensionStep::Resume if after.standing.is_empty() => self.tend_reviews()?,
            SuspensionStep::Resume => {}
        }
        Ok(after)
    }

    /// Everything that is suspended now.
    ///
    /// # Errors
    /// [`EngineError::Refused`].
    pub fn suspensions(&self, caller: &Caller) -> Result<Vec<Suspended>, EngineError> {
        self.authorise(caller, Action::SuspensionRead, ResourceRef::enclave())?;
        self.has_read(caller, Action::SuspensionRead, &ResourceRef::enclave().path(), "suspensions")?;
        let mut suspended = all(|slice| self.store().suspensions(slice))?;
        suspended.retain(|of| !of.standing.is_empty());
        Ok(suspended)
    }

    /// A developer of the grant's organisation becomes responsible for it, e.g. since whoever was has left. Until then
    /// nothing runs under it.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`].
    pub fn take_over_grant(&self, caller: &Caller, id: &GrantId, decision: &Decision) -> Result<Grant, EngineError> {
        let before: Grant = self.sought(caller, Action::GrantTakeOver, id)?;
        let path = ResourceRef::grant(&before).path();
        if before.approvals.iter().any(|approval| approval.principal == caller.principal.id) {
            let reason = PolicyError::SamePerson.refusal(format!("grant `{id}`"));
            return Err(self.refuse(caller, Action::GrantTakeOver, &path, vec![reason]));
        }
        let after = Grant { responsible: Some(caller.principal.id.clone()), ..before.clone() };
        let comment: String = text::visible(&decision.comment).replace('\n', " ").chars().take(500).collect();
        let draft = self
            .done(caller, Action::GrantTakeOver, path)
            .with("before", before.responsible_person())
            .with("comment", comment);
        self.store().update_grant(&before, &after, draft)?;
        Ok(after)
    }

    /// Why nothing may run for `organisation` under the grant now, be it suspended or without a responsible person.
    pub(crate) fn stops(&self, grant: &Grant, dataset: &str, module: &ModuleId) -> Result<Vec<Refusal>, EngineError> {
        let mut reasons = self.suspended_among(&[
            (SuspendedKind::Zone, ZONE),
            (SuspendedKind::Grant, grant.id.as_str()),
            (SuspendedKind::Dataset, dataset),
            (SuspendedKind::Module, module.as_str()),
            (SuspendedKind::Organisation, grant.organisation.as_str()),
        ])?;
        let responsible = self.store().principal(grant.responsible_person())?;
        let stands = responsible.is_some_and(|person| {
            person.active && person.organisation == grant.organisation && person.roles.contains(&Role::Developer)
        });
        if !stands {
            reasons.push(Refusal::new(
                "policy.no-responsible-person",
                "somebody of the developer's organisation is responsible for a grant; who was has left",
                format!("grant `{}`", grant.id),
                "let a colleague take it over: `glovebox grant take-over`",
            ));
        }
        Ok(reasons)
    }

    /// Why nobody may look now at figures that were made under the grant, released or not.
    pub(crate) fn stops_showing(
        &self,
        grant: &GrantId,
        dataset: &DatasetId,
        module: &ModuleId,
    ) -> Result<Vec<Refusal>, EngineError> {
        self.suspended_among(&[
            (SuspendedKind::Zone, ZONE),
            (SuspendedKind::Grant, grant.as_str()),
            (SuspendedKind::Dataset, dataset.as_str()),
            (SuspendedKind::Module, module.as_str()),
        ])
    }

    /// A refusal for each of these that is suspended.
    pub(crate) fn suspended_among(&self, things: &[(SuspendedKind, &str)]) -> Result<Vec<Refusal>, EngineError> {
        let mut reasons = Vec::new();
        for (kind, id) in things {
            if let Some(standing) = self.store().suspended(*kind, id)?.standing.first() {
                let (side, at) = (standing.by.side.as_str(), standing.by.at);
                reasons.push(Refusal::new(
                    "policy.suspended",
                    format!("nothing runs or leaves while it is suspended, here by the {side} since {at}"),
                    format!("{} `{id}`", kind.as_str()),
                    "ask who suspended it; `glovebox zone status` shows them who has to consent",
                ));
            }
        }
        Ok(reasons)
    }

    fn stop_what_runs(&self, kind: SuspendedKind, id: &str) -> Result<(), EngineError> {
        self.cancel_jobs_where(|row: &JobRow| match kind {
            SuspendedKind::Grant => row.grant.as_str() == id,
            SuspendedKind::Dataset => row.dataset.as_str() == id,
            SuspendedKind::Module => row.module.as_str() == id,
            SuspendedKind::Organisation => row.organisation.as_str() == id,
            SuspendedKind::Zone => true,
        })
    }

    /// The thing, if the caller may do this to it.
    fn sought_to_suspend(
        &self,
        caller: &Caller,
        action: Action,
        kind: SuspendedKind,
        id: &str,
    ) -> Result<ResourceRef, EngineError> {
        let missing = |what: &'static str| EngineError::NotFound { what, id: id.to_owned() };
        match kind {
            SuspendedKind::Grant => {
                let id = GrantId::new(id.to_owned()).map_err(|_| missing("grant"))?;
                Ok(ResourceRef::grant(&self.sought(caller, action, &id)?))
            }
            SuspendedKind::Dataset => {
                let id = DatasetId::new(id.to_owned()).map_err(|_| missing("dataset"))?;
                Ok(ResourceRef::dataset(&self.sought(caller, action, &id)?))
            }
            SuspendedKind::Module => {
                let id = ModuleId::new(id.to_owned()).map_err(|_| missing("module"))?;
                let row: ModuleRow = self.sought(caller, action, &id)?;
                Ok(ResourceRef::module(&row.id, &row.organisation, &row.submitted_by))
            }
            SuspendedKind::Organisation => {
                let id = OrganisationId::new(id.to_owned()).map_err(|_| missing("organisation"))?;
                let resource = ResourceRef::organisation(&id);
                self.authorise(caller, action, resource.clone())?;
                let found = self.store().organisation(&id)?.ok_or_else(|| missing("organisation"))?;
                if policy::can_be_suspended(found.kind) {
                    return Ok(resource);
                }
                let rule = "the zone suspends neither itself nor who supervises it";
                let remedy = "deactivate the person, or suspend the zone";
                Err(EngineError::invalid("policy.not-suspendable", rule, resource.path(), remedy))
            }
            SuspendedKind::Zone => {
                self.authorise(caller, action, ResourceRef::enclave())?;
                Ok(ResourceRef::enclave())
            }
        }
    }
}

fn action_of(kind: SuspendedKind, step: SuspensionStep) -> Action {
    match (kind, step) {
        (SuspendedKind::Grant, SuspensionStep::Suspend) => Action::GrantSuspend,
        (SuspendedKind::Grant, SuspensionStep::Resume) => Action::GrantResume,
        (SuspendedKind::Dataset, SuspensionStep::Suspend) => Action::DatasetSuspend,
        (SuspendedKind::Dataset, SuspensionStep::Resume) => Action::DatasetResume,
        (SuspendedKind::Module, SuspensionStep::Suspend) => Action::ModuleSuspend,
        (SuspendedKind::Module, SuspensionStep::Resume) => Action::ModuleResume,
        (SuspendedKind::Organisation, SuspensionStep::Suspend) => Action::OrganisationSuspend,
        (SuspendedKind::Organisation, SuspensionStep::Resume) => Action::OrganisationResume,
        (SuspendedKind::Zone, SuspensionStep::Suspend) => Action::ZoneSuspend,
        (SuspendedKind::Zone, SuspensionStep::Resume) => Action::ZoneResume,
    }
}
