//! Why a grant, a principal or a set of policies can't be accepted.

use glovebox_catalog::{
    Capacity, DatasetId, GrantState, OrganisationId, OrganisationKind, Refusal, ReviewState, Role, RoleError, Timestamp,
};
use thiserror::Error;

use crate::{GrantEvent, ReviewEvent};

/// Everything that can be wrong with what this crate is given.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// The policies or their schema don't parse or don't validate.
    #[error("the policies can't be loaded: {detail}")]
    Policies {
        /// What Cedar said; it names policy and position.
        detail: String,
    },
    /// A part of the terms breaks a rule.
    #[error("`{place}`: {rule}")]
    Terms {
        /// The part.
        place: String,
        /// The rule, and what was expected.
        rule: String,
    },
    /// A narrowing asks for more than was asked, or leaves nothing.
    #[error("`{place}`: {rule}; a narrowing takes away and adds nothing")]
    Narrowing {
        /// The part.
        place: String,
        /// What was expected.
        rule: String,
    },
    /// Somebody narrows terms that are not theirs to narrow.
    #[error("a supplier narrows the terms, and of the scopes those of its own datasets")]
    NotTheirsToNarrow,
    /// The terms name a dataset that is not filed.
    #[error("dataset `{dataset}` is not in the catalogue")]
    UnknownDataset {
        /// The dataset.
        dataset: DatasetId,
    },
    /// The dataset is listed, but not shared.
    #[error("dataset `{dataset}` has sharing type none; its supplier grants nothing on it")]
    NotShared {
        /// The dataset.
        dataset: DatasetId,
    },
    /// The scope asks for a field that no grant can open.
    #[error("dataset `{dataset}`, field `{field}`: {rule}")]
    Field {
        /// The dataset.
        dataset: DatasetId,
        /// The field.
        field: String,
        /// The rule.
        rule: &'static str,
    },
    /// The state of the grant does not allow the event.
    #[error("a grant that is {state:?} can't take `{event}`")]
    State {
        /// Where the grant stands.
        state: GrantState,
        /// What was tried.
        event: GrantEvent,
    },
    /// The principal may not act in this capacity.
    #[error("a {capacity:?} decision needs the role of that name")]
    Capacity {
        /// The capacity.
        capacity: Capacity,
    },
    /// The organisation is not the one that may.
    #[error("organisation `{organisation}` is not one that may do this")]
    WrongOrganisation {
        /// The organisation of the principal.
        organisation: OrganisationId,
    },
    /// The proposer decides on their own grant.
    #[error("nobody decides on a grant that they proposed")]
    SelfApproval,
    /// A reviewer decides on a grant that is their own organisation's, or opens its data.
    #[error("a reviewer decides on grants in which their organisation has no part, as developer or as supplier")]
    OwnOrganisation,
    /// One person decides twice.
    #[error("one person decides on a grant once, in one capacity")]
    SamePerson,
    /// The organisation has decided in this capacity.
    #[error("organisation `{organisation}` has decided in this capacity")]
    AlreadyDecided {
        /// The organisation.
        organisation: OrganisationId,
    },
    /// The term is over.
    #[error("the grant's term ended at {until}")]
    TermOver {
        /// Its end.
        until: Timestamp,
    },
    /// The state of the review does not allow the step.
    #[error("a review that is {state} can't take `{event}`")]
    ReviewState {
        /// Where the review stands.
        state: ReviewState,
        /// What was tried.
        event: ReviewEvent,
    },
    /// The person or their organisation has a part in the output.
    #[error("an output is judged by people who have no part in it: neither in the job, the module nor the data")]
    ReviewBarred,
    /// The reviewer decides without having taken the output up.
    #[error("a reviewer takes an output up before saying anything on it")]
    ReviewNotClaimed,
    /// One person approves twice.
    #[error("an output is approved by two different reviewers")]
    ReviewSamePerson,
    /// The reviewer has taken it up already.
    #[error("this reviewer has taken the output up already")]
    ReviewClaimed,
    /// A step that has to be explained is not.
    #[error("`{event}` comes with a comment")]
    ReviewCommentMissing {
        /// What was tried.
        event: ReviewEvent,
    },
    /// The time of the review is over.
    #[error("the time of the review ended at {until}")]
    ReviewOver {
        /// Its end.
        until: Timestamp,
    },
    /// No suspension of this kind is theirs to place or to lift.
    #[error("neither suspends this nor has to consent that it goes on")]
    NotTheirSide,
    /// A suspension without a reason.
    #[error("a suspension says why")]
    ReasonMissing,
    /// Their side has suspended it already.
    #[error("{what} is suspended already by this side")]
    AlreadySuspended {
        /// What.
        what: String,
    },
    /// Nothing stands against it.
    #[error("{what} is not suspended")]
    NotSuspended {
        /// What.
        what: String,
    },
    /// The principal has left.
    #[error("the principal is no longer active")]
    Inactive,
    /// The principal's roles can't be held together.
    #[error(transparent)]
    Roles(#[from] RoleError),
    /// An organisation of this kind has no such role.
    #[error("an organisation of kind {kind:?} has no {role:?}")]
    RoleOfKind {
        /// The role.
        role: Role,
        /// The kind.
        kind: OrganisationKind,
    },
}

impl PolicyError {
    /// Stable code of the fault.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Policies { .. } => "policy.policies-invalid",
            Self::Terms { .. } => "policy.terms-invalid",
            Self::Narrowing { .. } => "policy.narrowing-invalid",
            Self::NotTheirsToNarrow => "policy.narrowing-not-theirs",
            Self::UnknownDataset { .. } => "policy.dataset-unknown",
            Self::NotShared { .. } => "policy.dataset-not-shared",
            Self::Field { .. } => "policy.field-not-grantable",
            Self::State { .. } => "policy.grant-state",
            Self::Capacity { .. } => "policy.capacity",
            Self::WrongOrganisation { .. } => "policy.wrong-organisation",
            Self::SelfApproval => "policy.self-approval",
            Self::OwnOrganisation => "policy.own-organisation",
            Self::SamePerson => "policy.same-person",
            Self::AlreadyDecided { .. } => "policy.already-decided",
            Self::TermOver { .. } => "policy.grant-expired",
            Self::ReviewState { .. } => "review.state",
            Self::ReviewBarred => "review.not-independent",
            Self::ReviewNotClaimed => "review.not-claimed",
            Self::ReviewSamePerson => "review.same-person",
            Self::ReviewClaimed => "review.already-claimed",
            Self::ReviewCommentMissing { .. } => "review.comment-missing",
            Self::ReviewOver { .. } => "review.expired",
            Self::NotTheirSide => "policy.not-their-side",
            Self::ReasonMissing => "policy.reason-missing",
            Self::AlreadySuspended { .. } => "policy.already-suspended",
            Self::NotSuspended { .. } => "policy.not-suspended",
            Self::Inactive => "policy.principal-inactive",
            Self::Roles(_) | Self::RoleOfKind { .. } => "policy.roles",
        }
    }

    /// The fault as a refusal, met at `place`.
    #[must_use]
    pub fn refusal(&self, place: impl Into<String>) -> Refusal {
        Refusal::new(self.code(), self.to_string(), place, self.remedy())
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::Policies { .. } => "correct the policies and load them again",
            Self::Terms { .. } | Self::UnknownDataset { .. } => "correct the terms and propose again",
            Self::Narrowing { .. } => "take away what was asked for, or refuse the grant",
            Self::NotTheirsToNarrow => "leave out what is not yours, or refuse the grant and say why",
            Self::NotShared { .. } => "ask the supplier to change the sharing type",
            Self::Field { .. } => "leave the field out of the scope",
            Self::State { .. } => "read the grant's state; final states need a new grant",
            Self::Capacity { .. } => "decide in the capacity of a role that you hold",
            Self::WrongOrganisation { .. } => "ask an organisation that is party to it",
            Self::SelfApproval | Self::OwnOrganisation => "ask a reviewer of an organisation that is not concerned",
            Self::SamePerson => "ask a second person",
            Self::AlreadyDecided { .. } => "nothing is left to do in this capacity",
            Self::TermOver { .. } => "propose a grant with a new term",
            Self::ReviewState { .. } => "read the review's state; final states need a new job",
            Self::ReviewBarred => {
                "ask a reviewer of an organisation that is not concerned, who did not submit the job or the module"
            }
            Self::ReviewNotClaimed => "claim the review first",
            Self::ReviewSamePerson => "ask a second reviewer",
            Self::ReviewClaimed => "comment, return, approve or refuse",
            Self::ReviewCommentMissing { .. } => "say in a comment what the other side has to know",
            Self::ReviewOver { .. } => "submit the job again, and agree with the reviewers on a time",
            Self::NotTheirSide => "ask a person of a side that the suspension waits for",
            Self::ReasonMissing => "say why, for those who must consent later",
            Self::AlreadySuspended { .. } => "nothing is left to do; `glovebox zone status` shows what stands",
            Self::NotSuspended { .. } => "read what stands with `glovebox zone status`",
            Self::Inactive => "ask the security officer",
            Self::Roles(_) | Self::RoleOfKind { .. } => "file the principal with roles that go together",
        }
    }
}
