//! The life of a grant: one transition table, and the functions that walk it.

use glovebox_catalog::text::is_plain;
use glovebox_catalog::{Approval, Capacity, DatasetId, Grant, GrantState, Narrowing, Principal, Role, Timestamp};

use crate::{PolicyError, narrow};

const COMMENT_CHARS_MAX: usize = 2_000;

/// Something that happens to a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantEvent {
    /// An approval after which others are still missing.
    Approve,
    /// The approval that was the last one missing.
    ApproveLast,
    /// A refusal by anyone whose approval counts.
    Refuse,
    /// A supplier concerned stops it.
    Suspend,
    /// A supplier lifts its suspension, but another's stands.
    Resume,
    /// The last suspension is lifted.
    ResumeLast,
    /// A supplier concerned or the proposer's organisation ends it.
    Revoke,
}

impl std::fmt::Display for GrantEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Approve => "approve",
            Self::ApproveLast => "approve (last)",
            Self::Refuse => "refuse",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::ResumeLast => "resume (last)",
            Self::Revoke => "revoke",
        })
    }
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// State before.
    pub from: GrantState,
    /// What happens.
    pub event: GrantEvent,
    /// State after.
    pub to: GrantState,
}

const fn line(from: GrantState, event: GrantEvent, to: GrantState) -> Transition {
    Transition { from, event, to }
}

/// Everything that can happen to a grant. What is not here can't happen.
pub const TRANSITIONS: &[Transition] = &[
    line(GrantState::Proposed, GrantEvent::Approve, GrantState::Proposed),
    line(GrantState::Proposed, GrantEvent::ApproveLast, GrantState::Active),
    line(GrantState::Proposed, GrantEvent::Refuse, GrantState::Refused),
    line(GrantState::Proposed, GrantEvent::Revoke, GrantState::Revoked),
    line(GrantState::Active, GrantEvent::Suspend, GrantState::Suspended),
    line(GrantState::Active, GrantEvent::Revoke, GrantState::Revoked),
    line(GrantState::Suspended, GrantEvent::Suspend, GrantState::Suspended),
    line(GrantState::Suspended, GrantEvent::Resume, GrantState::Suspended),
    line(GrantState::Suspended, GrantEvent::ResumeLast, GrantState::Active),
    line(GrantState::Suspended, GrantEvent::Revoke, GrantState::Revoked),
];

/// Records the decision of `by` in `capacity`; the last approval missing makes the grant active, a refusal ends it.
///
/// Active needs the approval of every supplier concerned and of one reviewer of an organisation that is neither the
/// developer nor one of those suppliers. One person decides once: the reviewer is never one of the approving suppliers' persons.
///
/// # Errors
/// [`PolicyError`] when the state, the person, their role or their organisation does not allow it; the grant is then
/// unchanged.
pub fn decide(
    grant: &mut Grant,
    by: &Principal,
    capacity: Capacity,
    approved: bool,
    comment: &str,
    now: Timestamp,
) -> Result<GrantState, PolicyError> {
    let event = if approved { GrantEvent::Approve } else { GrantEvent::Refuse };
    check_decision(grant, by, capacity, event, now)?;
    let approval = decision(by, capacity, approved, comment, now);
    record(grant, Approval { revision: grant.revision, ..approval }, event)
}

/// Records that a supplier approves less than was asked. The others then approve what is left: approvals of the terms
/// before it don't count for it, their authors decide again. What was asked for stays on record.
///
/// # Errors
/// As [`decide`]; [`PolicyError::NotTheirsToNarrow`] for anybody but a supplier, or for a scope outside of
/// `own_datasets`; [`PolicyError::Narrowing`] for what would be more than was asked. The grant is then unchanged.
pub fn approve_narrowed(
    grant: &mut Grant,
    by: &Principal,
    narrowing: &Narrowing,
    own_datasets: &[DatasetId],
    comment: &str,
    now: Timestamp,
) -> Result<GrantState, PolicyError> {
    let capacity = Capacity::Supplier;
    check_decision(grant, by, capacity, GrantEvent::Approve, now)?;
    if narrowing.scopes.iter().any(|scope| !own_datasets.contains(&scope.dataset)) {
        return Err(PolicyError::NotTheirsToNarrow);
    }
    let terms = narrow(&grant.terms, narrowing)?;
    if now >= terms.valid_until {
        return Err(PolicyError::TermOver { until: terms.valid_until });
    }
    let mut after = grant.clone();
    if terms != grant.terms {
        after.revision = grant.revision.saturating_add(1);
        after.asked = Some(grant.asked.clone().unwrap_or_else(|| Box::new(grant.terms.clone())));
        after.terms = terms;
    }
    let approval = decision(by, capacity, true, comment, now);
    let approval = Approval { revision: after.revision, narrowing: Some(narrowing.clone()), ..approval };
    let state = record(&mut after, approval, GrantEvent::Approve)?;
    *grant = after;
    Ok(state)
}

fn check_decision(
    grant: &Grant,
    by: &Principal,
    capacity: Capacity,
    event: GrantEvent,
    now: Timestamp,
) -> Result<(), PolicyError> {
    next(grant.state, event)?;
    check_decider(grant, by, capacity)?;
    if now >= grant.terms.valid_until {
        return Err(PolicyError::TermOver { until: grant.terms.valid_until });
    }
    Ok(())
}

fn decision(by: &Principal, capacity: Capacity, approved: bool, comment: &str, at: Timestamp) -> Approval {
    Approval {
        principal: by.id.clone(),
        organisation: by.organisation.clone(),
        capacity,
        approved,
        revision: 0,
        narrowing: None,
        comment: comment.chars().filter(|c| *c == '\n' || is_plain(*c)).take(COMMENT_CHARS_MAX).collect(),
        at,
    }
}

fn record(grant: &mut Grant, approval: Approval, event: GrantEvent) -> Result<GrantState, PolicyError> {
    let approved = approval.approved;
    let mut after = grant.clone();
    after.approvals.push(approval);
    let event = if approved && missing_approvals(&after).is_empty() { GrantEvent::ApproveLast } else { event };
    after.state = next(grant.state, event)?;
    *grant = after;
    Ok(grant.state)
}

/// Stops the grant for the time being, on behalf of a supplier concerned.
///
/// # Errors
/// [`PolicyError`] when the state or the organisation does not allow it.
pub fn suspend(grant: &mut Grant, by: &Principal) -> Result<GrantState, PolicyError> {
    check_supplier(grant, by)?;
    let state = next(grant.state, GrantEvent::Suspend)?;
    if !grant.suspended_by.insert(by.organisation.clone()) {
        return Err(PolicyError::AlreadyDecided { organisation: by.organisation.clone() });
    }
    grant.state = state;
    Ok(state)
}

/// Lifts the suspension of the principal's own organisation. Another supplier's stands until that one lifts it.
///
/// # Errors
/// [`PolicyError`] when the state or the organisation does not allow it.
pub fn resume(grant: &mut Grant, by: &Principal) -> Result<GrantState, PolicyError> {
    check_supplier(grant, by)?;
    next(grant.state, GrantEvent::Resume)?;
    if !grant.suspended_by.contains(&by.organisation) {
        return Err(PolicyError::WrongOrganisation { organisation: by.organisation.clone() });
    }
    let event = if grant.suspended_by.len() == 1 { GrantEvent::ResumeLast } else { GrantEvent::Resume };
    grant.state = next(grant.state, event)?;
    grant.suspended_by.remove(&by.organisation);
    Ok(grant.state)
}

/// Ends the grant for good, on behalf of a supplier concerned or of the organisation that proposed it.
///
/// # Errors
/// [`PolicyError`] when the state or the organisation does not allow it.
pub fn revoke(grant: &mut Grant, by: &Principal) -> Result<GrantState, PolicyError> {
    let proposes = by.active && by.roles.contains(&Role::Developer) && by.organisation == grant.organisation;
    if !proposes {
        check_supplier(grant, by)?;
    }
    grant.state = next(grant.state, GrantEvent::Revoke)?;
    Ok(grant.state)
}

/// The diagram of [`TRANSITIONS`] in Mermaid; docs/grant-states.md holds the same text.
#[must_use]
pub fn diagram() -> String {
    let mut text = String::from("stateDiagram-v2\n    [*] --> Proposed: propose\n");
    for Transition { from, event, to } in TRANSITIONS {
        text.push_str(&format!("    {from:?} --> {to:?}: {event}\n"));
    }
    for state in [GrantState::Refused, GrantState::Revoked] {
        text.push_str(&format!("    {state:?} --> [*]\n"));
    }
    text
}

/// What is missing for the grant to be active, in words. Counts only approvals that [`decide`] would have taken, so that
/// a record altered outside of it opens nothing.
pub(crate) fn missing_approvals(grant: &Grant) -> Vec<String> {
    let Grant { suppliers, organisation: developer, proposed_by: proposer, approvals, revision, .. } = grant;
    let counted =
        |approval: &&Approval| approval.approved && &approval.principal != proposer && approval.revision == *revision;
    let by_suppliers: Vec<&Approval> =
        approvals.iter().filter(counted).filter(|approval| approval.capacity == Capacity::Supplier).collect();
    let reviewed = approvals.iter().filter(counted).any(|approval| {
        approval.capacity == Capacity::Reviewer
            && &approval.organisation != developer
            && !suppliers.contains(&approval.organisation)
            && !by_suppliers.iter().any(|other| other.principal == approval.principal)
    });
    let mut missing: Vec<String> = suppliers
        .iter()
        .filter(|supplier| !by_suppliers.iter().any(|approval| &approval.organisation == *supplier))
        .map(|supplier| format!("supplier `{supplier}`"))
        .collect();
    if suppliers.is_empty() {
        missing.push("any supplier".into());
    }
    if !reviewed {
        missing.push("a reviewer of an organisation that is not concerned".into());
    }
    missing
}

fn next(from: GrantState, event: GrantEvent) -> Result<GrantState, PolicyError> {
    TRANSITIONS
        .iter()
        .find(|line| line.from == from && line.event == event)
        .map(|line| line.to)
        .ok_or(PolicyError::State { state: from, event })
}

fn check_decider(grant: &Grant, by: &Principal, capacity: Capacity) -> Result<(), PolicyError> {
    if !by.active {
        return Err(PolicyError::Inactive);
    }
    if by.id == grant.proposed_by {
        return Err(PolicyError::SelfApproval);
    }
    let role = match capacity {
        Capacity::Supplier => Role::Supplier,
        Capacity::Reviewer => Role::Reviewer,
    };
    if !by.roles.contains(&role) {
        return Err(PolicyError::Capacity { capacity });
    }
    match capacity {
        Capacity::Supplier if !grant.suppliers.contains(&by.organisation) => {
            return Err(PolicyError::WrongOrganisation { organisation: by.organisation.clone() });
        }
        Capacity::Reviewer if by.organisation == grant.organisation || grant.suppliers.contains(&by.organisation) => {
            return Err(PolicyError::OwnOrganisation);
        }
        _ => {}
    }
    // Decisions on terms that were narrowed since don't count, so their authors decide again.
    let standing = || grant.approvals.iter().filter(|approval| approval.revision == grant.revision);
    if standing().any(|approval| approval.principal == by.id) {
        return Err(PolicyError::SamePerson);
    }
    if standing().any(|approval| approval.capacity == capacity && approval.organisation == by.organisation) {
        return Err(PolicyError::AlreadyDecided { organisation: by.organisation.clone() });
    }
    Ok(())
}

fn check_supplier(grant: &Grant, by: &Principal) -> Result<(), PolicyError> {
    if !by.active {
        return Err(PolicyError::Inactive);
    }
    if by.roles.contains(&Role::Supplier) && grant.suppliers.contains(&by.organisation) {
        return Ok(());
    }
    Err(PolicyError::WrongOrganisation { organisation: by.organisation.clone() })
}
