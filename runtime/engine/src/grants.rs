//! Grants: proposed by developers, decided on by suppliers and reviewers.

use std::collections::BTreeSet;

use glovebox_api::{Decision, Page};
use glovebox_audit::{Draft, canonical_json};
use glovebox_catalog::{
    Capacity, Dataset, Grant, GrantId, GrantState, GrantTerms, Narrowing, Role, SuspendedKind, Timestamp, text,
};
use glovebox_gm::sm3;
use glovebox_policy::{self as policy, Action, Context, PolicyError, ResourceRef};

use crate::audit::name_of;
use crate::page::all;
use crate::start::new_id;
use crate::{Caller, Engine, EngineError, PageQuery, SuspensionStep};

/// A decision on a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantAction {
    /// Say yes; in which capacity, where the caller has more than one.
    Approve {
        /// The capacity.
        capacity: Option<Capacity>,
    },
    /// Say no, for good.
    Refuse {
        /// The capacity.
        capacity: Option<Capacity>,
    },
    /// Stop it for the time being.
    Suspend,
    /// Lift one's own suspension.
    Resume,
    /// End it for good.
    Revoke,
}

impl GrantAction {
    fn action(self) -> Action {
        match self {
            Self::Approve { .. } => Action::GrantApprove,
            Self::Refuse { .. } => Action::GrantRefuse,
            Self::Suspend => Action::GrantSuspend,
            Self::Resume => Action::GrantResume,
            Self::Revoke => Action::GrantRevoke,
        }
    }
}

impl Engine {
    /// Proposes a grant for the caller's organisation.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::Invalid`] with the first rule of the terms that is broken.
    pub fn propose_grant(&self, caller: &Caller, terms: GrantTerms) -> Result<Grant, EngineError> {
        let id = GrantId::new(new_id("grt")).map_err(|error| EngineError::internal("make an id", error))?;
        let mut datasets = all(|slice| self.store().datasets(None, slice))?;
        // What the caller may not see is, to these terms, not there.
        datasets.retain(|dataset| self.may_see(caller, Action::DatasetRead, ResourceRef::dataset(dataset)));
        // Asked before the terms are checked: what is wrong with them is told only to those who may propose.
        let resource = ResourceRef::grant(&asked_for(&id, &terms, caller, &datasets, self.now()));
        let path = resource.path();
        let context = Context::at(self.now()).from_address(caller.address).for_purpose(terms.purpose);
        self.authorise_in(caller, Action::GrantPropose, resource, context)?;
        self.loaded_profile(&terms.disclosure_profile)?;
        let organisations = all(|slice| self.store().organisations(slice))?;
        let grant = policy::propose(id, terms, &caller.principal, &datasets, &organisations, self.now())
            .map_err(|error| EngineError::Invalid(vec![error.refusal("the grant's terms")]))?;
        let principals = all(|slice| self.store().principals(None, slice))?;
        policy::check_reviewers(&grant, &principals)
            .map_err(|error| EngineError::Invalid(vec![error.refusal("the grant's terms")]))?;
        let draft = self.done(caller, Action::GrantPropose, path).with("terms_sm3", terms_sm3(&grant)?);
        let draft = stated(draft, &grant)?;
        self.store().put_grant(&grant, draft)?;
        Ok(grant)
    }

    /// Lists the grants that the caller may see.
    ///
    /// # Errors
    /// [`EngineError::Internal`].
    pub fn grants(&self, caller: &Caller, query: &PageQuery) -> Result<Page<Grant>, EngineError> {
        self.has_read(caller, Action::GrantRead, "grant/*", "list")?;
        query.visible(
            |slice| self.store().grants(None, None, slice),
            |grant| grant.id.to_string(),
            |grant| Ok(self.may_see(caller, Action::GrantRead, ResourceRef::grant(grant))),
        )
    }

    /// One grant.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`].
    pub fn grant(&self, caller: &Caller, id: &GrantId) -> Result<Grant, EngineError> {
        let grant: Grant = self.sought(caller, Action::GrantRead, id)?;
        self.has_read(caller, Action::GrantRead, &ResourceRef::grant(&grant).path(), "record")?;
        Ok(grant)
    }

    /// Approves a grant as supplier with less than was asked. Approvals of the wider terms don't count any more.
    ///
    /// # Errors
    /// As [`Engine::decide_grant`], and [`EngineError::Invalid`] for a narrowing that is none.
    pub fn narrow_grant(
        &self,
        caller: &Caller,
        id: &GrantId,
        narrowing: &Narrowing,
        decision: &Decision,
    ) -> Result<Grant, EngineError> {
        let as_supplier = |_: &Grant, context: Context| context.in_capacity(Capacity::Supplier);
        let before: Grant = self.sought_in(caller, Action::GrantApprove, id, as_supplier)?;
        let path = ResourceRef::grant(&before).path();
        let datasets = all(|slice| self.store().datasets(None, slice))?;
        let own = datasets.iter().filter(|dataset| dataset.supplier == caller.principal.organisation);
        let own: Vec<_> = own.map(|dataset| dataset.id.clone()).collect();
        let mut grant = before.clone();
        let narrowed =
            policy::approve_narrowed(&mut grant, &caller.principal, narrowing, &own, &decision.comment, self.now());
        if let Err(error) = narrowed.and_then(|_| policy::check_narrowed(&grant.terms, &datasets)) {
            return Err(self.refused_on_grant(caller, Action::GrantApprove, &before, &error));
        }
        let draft = self
            .done(caller, Action::GrantApprove, path)
            .with("state", format!("{:?}", grant.state).to_lowercase())
            .with("capacity", "supplier")
            .with("revision", grant.revision)
            .with("terms_sm3", terms_sm3(&grant)?);
        let draft = stated(commented(draft, decision), &grant)?;
        self.store().update_grant(&before, &grant, draft)?;
        Ok(grant)
    }

    /// Decides on a grant. Suspending and revoking stop its running jobs.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`], [`EngineError::Conflict`] when its state does not allow it.
    pub fn decide_grant(
        &self,
        caller: &Caller,
        id: &GrantId,
        decided: GrantAction,
        decision: Decision,
    ) -> Result<Grant, EngineError> {
        if let Some(step) = self.step_of_zone(caller, id, decided)? {
            self.step_suspension(caller, SuspendedKind::Grant, id.as_str(), step, &decision)?;
            return self.found_grant(id);
        }
        let in_capacity = |grant: &Grant, context: Context| match capacity_of(caller, grant, decided) {
            Some(capacity) => context.in_capacity(capacity),
            None => context,
        };
        let mut grant: Grant = self.sought_in(caller, decided.action(), id, in_capacity)?;
        let path = ResourceRef::grant(&grant).path();
        let capacity = capacity_of(caller, &grant, decided);
        let before = grant.clone();
        let now = self.now();
        let changed = match (decided, capacity) {
            (GrantAction::Approve { .. }, Some(capacity)) => {
                policy::decide(&mut grant, &caller.principal, capacity, true, &decision.comment, now)
            }
            (GrantAction::Refuse { .. }, Some(capacity)) => {
                policy::decide(&mut grant, &caller.principal, capacity, false, &decision.comment, now)
            }
            (GrantAction::Suspend, _) => policy::suspend(&mut grant, &caller.principal),
            (GrantAction::Resume, _) => policy::resume(&mut grant, &caller.principal),
            (GrantAction::Revoke, _) => policy::revoke(&mut grant, &caller.principal),
            (GrantAction::Approve { .. } | GrantAction::Refuse { .. }, None) => {
                Err(PolicyError::Capacity { capacity: Capacity::Reviewer })
            }
        };
        if let Err(error) = changed {
            return Err(self.refused_on_grant(caller, decided.action(), &before, &error));
        }
        let mut draft = self
            .done(caller, decided.action(), path)
            .with("state", format!("{:?}", grant.state).to_lowercase())
            .with("terms_sm3", terms_sm3(&grant)?);
        if let Some(capacity) = capacity {
            draft = draft.with("capacity", format!("{capacity:?}").to_lowercase());
        }
        let draft = stated(commented(draft, &decision), &grant)?;
        self.store().update_grant(&before, &grant, draft)?;
        if matches!(decided, GrantAction::Suspend | GrantAction::Revoke) {
            self.cancel_jobs_where(|row| row.grant == *id)?;
        }
        // While a grant is suspended its reviews go on, and nothing leaves.
        match grant.state {
            GrantState::Revoked => self.withdraw_reviews_under(id)?,
            GrantState::Active if matches!(decided, GrantAction::Resume) => self.tend_reviews()?,
            _ => {}
        }
        Ok(grant)
    }
}

impl Engine {
    /// Whether this is about a suspension by the zone: placed by whoever runs it, or lifted by a supplier who has none of
    /// its own to lift.
    fn step_of_zone(
        &self,
        caller: &Caller,
        id: &GrantId,
        decided: GrantAction,
    ) -> Result<Option<SuspensionStep>, EngineError> {
        let runs_zone = caller.has(Role::Operator) || caller.has(Role::SecurityOfficer);
        Ok(match decided {
            GrantAction::Suspend if runs_zone => Some(SuspensionStep::Suspend),
            GrantAction::Resume if runs_zone => Some(SuspensionStep::Resume),
            GrantAction::Resume => {
                // One that is not there is answered like another's, below.
                let Some(grant) = self.store().grant(id)? else { return Ok(None) };
                let own = grant.suspended_by.contains(&caller.principal.organisation);
                let zone = !self.store().suspended(SuspendedKind::Grant, id.as_str())?.standing.is_empty();
                (zone && !own).then_some(SuspensionStep::Resume)
            }
            _ => None,
        })
    }

    fn refused_on_grant(&self, caller: &Caller, action: Action, grant: &Grant, error: &PolicyError) -> EngineError {
        let path = ResourceRef::grant(grant).path();
        let reason = error.refusal(format!("grant `{}`", grant.id));
        if let Err(error) = self.record_refusal(caller.actor(), action.as_str(), &path, std::slice::from_ref(&reason)) {
            return error;
        }
        match error {
            PolicyError::State { .. } | PolicyError::AlreadyDecided { .. } | PolicyError::TermOver { .. } => {
                EngineError::Conflict(reason)
            }
            PolicyError::Narrowing { .. } | PolicyError::Terms { .. } | PolicyError::Field { .. } => {
                EngineError::Invalid(vec![reason])
            }
            _ => EngineError::Refused(vec![reason]),
        }
    }
}

/// The grant that unchecked terms ask for, as far as the policies look at it.
fn asked_for(id: &GrantId, terms: &GrantTerms, caller: &Caller, datasets: &[Dataset], now: Timestamp) -> Grant {
    let in_scope = |dataset: &&Dataset| terms.scopes.iter().any(|scope| scope.dataset == dataset.id);
    Grant {
        id: id.clone(),
        proposed_by: caller.principal.id.clone(),
        organisation: caller.principal.organisation.clone(),
        proposed_at: now,
        terms: terms.clone(),
        suppliers: datasets.iter().filter(in_scope).map(|dataset| dataset.supplier.clone()).collect(),
        responsible: None,
        revision: 0,
        asked: None,
        approvals: Vec::new(),
        suspended_by: BTreeSet::new(),
        state: GrantState::Proposed,
    }
}

/// The capacity of a decision: as asked, or the one that the caller has.
fn capacity_of(caller: &Caller, grant: &Grant, decided: GrantAction) -> Option<Capacity> {
    let asked = match decided {
        GrantAction::Approve { capacity } | GrantAction::Refuse { capacity } => capacity,
        _ => return None,
    };
    let supplies = caller.has(Role::Supplier) && grant.suppliers.contains(&caller.principal.organisation);
    let own = if supplies {
        Some(Capacity::Supplier)
    } else if caller.has(Role::Reviewer) {
        Some(Capacity::Reviewer)
    } else {
        None
    };
    asked.or(own)
}

/// The event with what the decider wrote.
fn commented(draft: Draft, decision: &Decision) -> Draft {
    if decision.comment.is_empty() { draft } else { draft.with("comment", text::visible(&decision.comment)) }
}

/// The event with why data is asked for and on which ground.
pub(crate) fn stated(draft: Draft, grant: &Grant) -> Result<Draft, EngineError> {
    let GrantTerms { purpose, basis, .. } = &grant.terms;
    Ok(draft.with("purpose", name_of(purpose)?).with("basis", name_of(basis)?))
}

/// SM3 over the terms in canonical JSON: what approvals and receipts name.
pub(crate) fn terms_sm3(grant: &Grant) -> Result<glovebox_gm::Digest, EngineError> {
    let json = canonical_json(&grant.terms).map_err(|error| EngineError::internal("write a grant's terms", error))?;
    Ok(sm3(&json))
}
