//! Who may do what: the life of grants, approvals, and Cedar decisions that end in a [`Permit`].
//!
//! Pure: no I/O, no clock, no randomness; time is a parameter. The rules about people and resources are data, in
//! `policies/*.cedar`; the rules about a grant's states are one table, [`TRANSITIONS`], and those about a review's
//! another, [`REVIEW_TRANSITIONS`]; what a job may read of a dataset is decided in [`Authoriser::permit`], the only place
//! that makes a [`Permit`].

mod action;
mod authoriser;
mod error;
mod filing;
mod life;
mod narrowing;
mod permit;
mod proposal;
mod request;
mod review;
mod suspension;

pub use action::Action;
pub use authoriser::Authoriser;
pub use error::PolicyError;
pub use filing::{can_be_suspended, check_filing, roles_of};
pub use life::{GrantEvent, TRANSITIONS, Transition, approve_narrowed, decide, diagram, resume, revoke, suspend};
pub use narrowing::narrow;
pub use permit::{Permit, PermitRequest};
pub use proposal::{check_narrowed, check_reviewers, propose};
pub use request::{Context, Decision, Request, ResourceKind, ResourceRef};
pub use review::{
    APPROVALS_NEEDED, REVIEW_TRANSITIONS, ReviewEvent, ReviewTransition, ReviewerAct, answer_review, check_reviewer,
    expire_review, judge, release_review, review_diagram, withdraw_review,
};

pub use suspension::{SUSPENSION_RULES, SuspensionRule, consent_to_resume, place_suspension};

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod review_attacks;
