//! The life of a review: one transition table, and the functions that walk it.
//!
//! An output leaves by two reviewers who have no part in it. Whether somebody may act at all is also asked of the
//! policies (`policies/reviews.cedar`); what is counted here, persons and their order, no policy could state.

use std::collections::BTreeSet;

use glovebox_catalog::text::is_plain;
use glovebox_catalog::{
    Principal, PrincipalId, ReleaseId, Review, ReviewAct, ReviewEntry, ReviewState, Role, Timestamp,
};

use crate::PolicyError;

/// How many different reviewers have to approve an output.
pub const APPROVALS_NEEDED: usize = 2;

const COMMENT_CHARS_MAX: usize = 4_000;

/// Something that happens to a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReviewEvent {
    /// A reviewer takes it up.
    Claim,
    /// A reviewer notes something for the others.
    Comment,
    /// A reviewer asks the developer.
    Return,
    /// The developer answers.
    Answer,
    /// An approval after which another is still missing.
    Approve,
    /// The approval that was the last one missing.
    ApproveLast,
    /// A reviewer says no.
    Refuse,
    /// The output leaves.
    Release,
    /// The time is over.
    Expire,
    /// The developer gives it up, or its job or grant is ended.
    Withdraw,
}

impl std::fmt::Display for ReviewEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Claim => "claim",
            Self::Comment => "comment",
            Self::Return => "return",
            Self::Answer => "answer",
            Self::Approve => "approve",
            Self::ApproveLast => "approve (second)",
            Self::Refuse => "refuse",
            Self::Release => "release",
            Self::Expire => "expire",
            Self::Withdraw => "withdraw",
        })
    }
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReviewTransition {
    /// State before.
    pub from: ReviewState,
    /// What happens.
    pub event: ReviewEvent,
    /// State after.
    pub to: ReviewState,
}

const fn line(from: ReviewState, event: ReviewEvent, to: ReviewState) -> ReviewTransition {
    ReviewTransition { from, event, to }
}

/// Everything that can happen to a review. What is not here can't happen.
pub const REVIEW_TRANSITIONS: &[ReviewTransition] = &[
    line(ReviewState::Submitted, ReviewEvent::Claim, ReviewState::InReview),
    line(ReviewState::Submitted, ReviewEvent::Expire, ReviewState::Expired),
    line(ReviewState::Submitted, ReviewEvent::Withdraw, ReviewState::Withdrawn),
    line(ReviewState::InReview, ReviewEvent::Claim, ReviewState::InReview),
    line(ReviewState::InReview, ReviewEvent::Comment, ReviewState::InReview),
    line(ReviewState::InReview, ReviewEvent::Return, ReviewState::Returned),
    line(ReviewState::InReview, ReviewEvent::Approve, ReviewState::InReview),
    line(ReviewState::InReview, ReviewEvent::ApproveLast, ReviewState::Approved),
    line(ReviewState::InReview, ReviewEvent::Refuse, ReviewState::Refused),
    line(ReviewState::InReview, ReviewEvent::Expire, ReviewState::Expired),
    line(ReviewState::InReview, ReviewEvent::Withdraw, ReviewState::Withdrawn),
    line(ReviewState::Returned, ReviewEvent::Comment, ReviewState::Returned),
    line(ReviewState::Returned, ReviewEvent::Answer, ReviewState::InReview),
    line(ReviewState::Returned, ReviewEvent::Refuse, ReviewState::Refused),
    line(ReviewState::Returned, ReviewEvent::Expire, ReviewState::Expired),
    line(ReviewState::Returned, ReviewEvent::Withdraw, ReviewState::Withdrawn),
    line(ReviewState::Approved, ReviewEvent::Release, ReviewState::Released),
    line(ReviewState::Approved, ReviewEvent::Refuse, ReviewState::Refused),
    line(ReviewState::Approved, ReviewEvent::Expire, ReviewState::Expired),
    line(ReviewState::Approved, ReviewEvent::Withdraw, ReviewState::Withdrawn),
];

/// What a reviewer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewerAct {
    /// Takes the output up.
    Claim,
    /// Notes something for the other reviewers.
    Comment,
    /// Asks the developer; the comment is the question.
    Return,
    /// Approves. Final with the second reviewer's.
    Approve,
    /// Says no, for good; the comment is the reason.
    Refuse,
}

impl ReviewerAct {
    fn event(self) -> ReviewEvent {
        match self {
            Self::Claim => ReviewEvent::Claim,
            Self::Comment => ReviewEvent::Comment,
            Self::Return => ReviewEvent::Return,
            Self::Approve => ReviewEvent::Approve,
            Self::Refuse => ReviewEvent::Refuse,
        }
    }

    fn entry(self) -> ReviewAct {
        match self {
            Self::Claim => ReviewAct::Claim,
            Self::Comment => ReviewAct::Comment,
            Self::Return => ReviewAct::Return,
            Self::Approve => ReviewAct::Approve,
            Self::Refuse => ReviewAct::Refuse,
        }
    }
}

/// Records what a reviewer does. The second reviewer's approval makes the review approved, a refusal ends it.
///
/// An answer of the developer's sets the approvals before it aside: what was approved was the output without it.
///
/// # Errors
/// [`PolicyError`] when state, time, person or role do not allow it, or a comment is missing; the review is then
/// unchanged.
pub fn judge(
    review: &mut Review,
    by: &Principal,
    act: ReviewerAct,
    comment: &str,
    now: Timestamp,
) -> Result<ReviewState, PolicyError> {
    let event = act.event();
    let state = next(review.state, event)?;
    check_reviewer(review, by)?;
    check_time(review, now)?;
    let has_claimed =
        review.entries.iter().any(|entry| entry.act == ReviewAct::Claim && entry.principal.as_ref() == Some(&by.id));
    let comment = cleaned(comment);
    match act {
        ReviewerAct::Claim if has_claimed => return Err(PolicyError::ReviewClaimed),
        ReviewerAct::Claim => {}
        _ if !has_claimed => return Err(PolicyError::ReviewNotClaimed),
        ReviewerAct::Approve if approvers(review).contains(&by.id) => return Err(PolicyError::ReviewSamePerson),
        ReviewerAct::Comment | ReviewerAct::Return | ReviewerAct::Refuse if comment.is_empty() => {
            return Err(PolicyError::ReviewCommentMissing { event });
        }
        _ => {}
    }
    let is_last = act == ReviewerAct::Approve && approvers(review).len() + 1 >= APPROVALS_NEEDED;
    review.state = if is_last { next(review.state, ReviewEvent::ApproveLast)? } else { state };
    review.entries.push(entry(Some(by), act.entry(), comment, now));
    Ok(review.state)
}

/// Records the answer of the developer's organisation to a question; the reviewers go on.
///
/// # Errors
/// [`PolicyError`] when state, time, person or role do not allow it, or the answer is empty.
pub fn answer_review(
    review: &mut Review,
    by: &Principal,
    answer: &str,
    now: Timestamp,
) -> Result<ReviewState, PolicyError> {
    let event = ReviewEvent::Answer;
    let state = next(review.state, event)?;
    if !by.active {
        return Err(PolicyError::Inactive);
    }
    if by.organisation != review.organisation || !by.roles.contains(&Role::Developer) {
        return Err(PolicyError::WrongOrganisation { organisation: by.organisation.clone() });
    }
    check_time(review, now)?;
    let answer = cleaned(answer);
    if answer.is_empty() {
        return Err(PolicyError::ReviewCommentMissing { event });
    }
    review.entries.push(entry(Some(by), ReviewAct::Answer, answer, now));
    review.state = state;
    Ok(state)
}

/// Records that the approved output leaves as `release`, which can be fetched until `fetch_until`.
///
/// # Errors
/// [`PolicyError::ReviewState`] unless it is approved, [`PolicyError::ReviewOver`] after its time.
pub fn release_review(
    review: &mut Review,
    release: ReleaseId,
    fetch_until: Timestamp,
    now: Timestamp,
) -> Result<ReviewState, PolicyError> {
    let state = next(review.state, ReviewEvent::Release)?;
    check_time(review, now)?;
    // Not believed from the state alone: a record altered outside of `judge` lets nothing out.
    if approvers(review).len() < APPROVALS_NEEDED {
        return Err(PolicyError::ReviewState { state: review.state, event: ReviewEvent::Release });
    }
    review.entries.push(entry(None, ReviewAct::Release, String::new(), now));
    (review.release, review.fetch_until, review.state) = (Some(release), Some(fetch_until), state);
    Ok(state)
}

/// Records that the time was over before the output left.
///
/// # Errors
/// [`PolicyError::ReviewState`] when it has ended, or its time has not.
pub fn expire_review(review: &mut Review, now: Timestamp) -> Result<ReviewState, PolicyError> {
    let event = ReviewEvent::Expire;
    let state = next(review.state, event)?;
    if now < review.expires_at {
        return Err(PolicyError::ReviewState { state: review.state, event });
    }
    review.entries.push(entry(None, ReviewAct::Expire, String::new(), now));
    review.state = state;
    Ok(state)
}

/// Records that the developer gave the output up, or, without a person, that its job or grant was ended.
///
/// # Errors
/// [`PolicyError::ReviewState`] when it has ended.
pub fn withdraw_review(
    review: &mut Review,
    by: Option<&Principal>,
    now: Timestamp,
) -> Result<ReviewState, PolicyError> {
    let state = next(review.state, ReviewEvent::Withdraw)?;
    review.entries.push(entry(by, ReviewAct::Withdraw, String::new(), now));
    review.state = state;
    Ok(state)
}

/// Whether this person may see and judge the output: a reviewer who has no part in it, of an organisation that is
/// neither its developer nor a supplier of its grant.
///
/// # Errors
/// [`PolicyError`] when not.
pub fn check_reviewer(review: &Review, by: &Principal) -> Result<(), PolicyError> {
    if !by.active {
        return Err(PolicyError::Inactive);
    }
    if !by.roles.contains(&Role::Reviewer) {
        return Err(PolicyError::Capacity { capacity: glovebox_catalog::Capacity::Reviewer });
    }
    let barred = by.organisation == review.organisation
        || by.id == review.submitted_by
        || by.organisation == review.supplier
        || review.suppliers.contains(&by.organisation)
        || review.barred_organisations.contains(&by.organisation)
        || review.barred_principals.contains(&by.id);
    if barred { Err(PolicyError::ReviewBarred) } else { Ok(()) }
}

/// The diagram of [`REVIEW_TRANSITIONS`] in Mermaid; docs/review.md holds the same text.
#[must_use]
pub fn review_diagram() -> String {
    let mut text = String::from("stateDiagram-v2\n    [*] --> Submitted: the gate hands over\n");
    for ReviewTransition { from, event, to } in REVIEW_TRANSITIONS {
        text.push_str(&format!("    {from:?} --> {to:?}: {event}\n"));
    }
    for state in ReviewState::ALL.into_iter().filter(|state| state.is_final()) {
        text.push_str(&format!("    {state:?} --> [*]\n"));
    }
    text
}

/// Who has approved since the last answer.
fn approvers(review: &Review) -> BTreeSet<&PrincipalId> {
    let answered = review.entries.iter().rposition(|entry| entry.act == ReviewAct::Answer).map_or(0, |at| at + 1);
    let since = review.entries.iter().skip(answered);
    since.filter(|entry| entry.act == ReviewAct::Approve).filter_map(|entry| entry.principal.as_ref()).collect()
}

fn next(from: ReviewState, event: ReviewEvent) -> Result<ReviewState, PolicyError> {
    REVIEW_TRANSITIONS
        .iter()
        .find(|line| line.from == from && line.event == event)
        .map(|line| line.to)
        .ok_or(PolicyError::ReviewState { state: from, event })
}

fn check_time(review: &Review, now: Timestamp) -> Result<(), PolicyError> {
    if now < review.expires_at { Ok(()) } else { Err(PolicyError::ReviewOver { until: review.expires_at }) }
}

fn entry(by: Option<&Principal>, act: ReviewAct, comment: String, at: Timestamp) -> ReviewEntry {
    let (principal, organisation) = (by.map(|by| by.id.clone()), by.map(|by| by.organisation.clone()));
    ReviewEntry { at, principal, organisation, act, comment }
}

fn cleaned(comment: &str) -> String {
    let kept: String = comment.chars().filter(|c| *c == '\n' || is_plain(*c)).take(COMMENT_CHARS_MAX).collect();
    kept.trim().to_owned()
}
