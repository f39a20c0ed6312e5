//! Reviews: what people of other organisations say on an output before it may leave.
//!
//! This is the record as its parties read it. Who may do what and which step follows which is in the policy crate; the
//! output itself is not in the record but sealed beside it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{DatasetId, GrantId, JobId, ModuleId, OrganisationId, PrincipalId, ReleaseId, ReviewId, Timestamp};

/// Where a review stands. The transitions are one table in the policy crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewState {
    /// Waits for a reviewer.
    Submitted,
    /// A reviewer has taken it up.
    InReview,
    /// Went back to the developer with a question; waits for the answer.
    Returned,
    /// Enough reviewers have approved it; leaves as soon as its grant allows it.
    Approved,
    /// A reviewer said no. Final; the output is destroyed.
    Refused,
    /// The output has left. Final.
    Released,
    /// Nobody decided in time. Final; the output is destroyed.
    Expired,
    /// The developer gave it up, or its job or grant was ended. Final; the output is destroyed.
    Withdrawn,
}

impl ReviewState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Submitted,
        Self::InReview,
        Self::Returned,
        Self::Approved,
        Self::Refused,
        Self::Released,
        Self::Expired,
        Self::Withdrawn,
    ];

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::InReview => "in-review",
            Self::Returned => "returned",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether nothing follows.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Refused | Self::Released | Self::Expired | Self::Withdrawn)
    }
}

impl std::fmt::Display for ReviewState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What someone did in a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewAct {
    /// The gate handed the output over.
    Submit,
    /// A reviewer took it up.
    Claim,
    /// A reviewer noted something for the other reviewers.
    Comment,
    /// A reviewer asked the developer.
    Return,
    /// The developer answered.
    Answer,
    /// A reviewer approved.
    Approve,
    /// A reviewer refused.
    Refuse,
    /// The output left.
    Release,
    /// The time was over.
    Expire,
    /// The developer gave it up, or its job or grant was ended.
    Withdraw,
}

impl ReviewAct {
    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Claim => "claim",
            Self::Comment => "comment",
            Self::Return => "return",
            Self::Answer => "answer",
            Self::Approve => "approve",
            Self::Refuse => "refuse",
            Self::Release => "release",
            Self::Expire => "expire",
            Self::Withdraw => "withdraw",
        }
    }

    /// Whether its comment is addressed to the developer. What reviewers write to each other stays with them: it may
    /// speak of what the output shows.
    #[must_use]
    pub fn tells_developer(self) -> bool {
        !matches!(self, Self::Comment | Self::Approve | Self::Claim)
    }
}

impl std::fmt::Display for ReviewAct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One step of a review, for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReviewEntry {
    /// When.
    pub at: Timestamp,
    /// Who; absent where the enclave acted by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalId>,
    /// For which organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<OrganisationId>,
    /// What they did.
    pub act: ReviewAct,
    /// What they wrote.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// A review with its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// The job whose output it is about.
    pub job: JobId,
    /// The grant it would leave under.
    pub grant: GrantId,
    /// The dataset it was computed on.
    pub dataset: DatasetId,
    /// The supplier of the dataset.
    pub supplier: OrganisationId,
    /// Suppliers of the grant. Their people read what is said of their data, and don't review it.
    pub suppliers: BTreeSet<OrganisationId>,
    /// The module that computed it.
    pub module: ModuleId,
    /// The developer's organisation.
    pub organisation: OrganisationId,
    /// Who submitted the job.
    pub submitted_by: PrincipalId,
    /// Organisations whose people don't review it: the developer's, and those that submitted the module.
    pub barred_organisations: BTreeSet<OrganisationId>,
    /// Persons who don't review it, whatever their organisation: who submitted the job or the module.
    pub barred_principals: BTreeSet<PrincipalId>,
    /// When the gate handed the output over.
    pub opened_at: Timestamp,
    /// Until when it can be decided (exclusive).
    pub expires_at: Timestamp,
    /// Upper bound in bits on what the output can carry. Developers are told with the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leakage_bits: Option<u64>,
    /// SM3 digest of the sealed output with its report, 64 hexadecimal digits.
    pub candidate_sm3: String,
    /// Where it stands.
    pub state: ReviewState,
    /// What was said and done, in order.
    pub entries: Vec<ReviewEntry>,
    /// The release, once it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseId>,
    /// Until when the release can be fetched (exclusive).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetch_until: Option<Timestamp>,
    /// How often the release can be fetched in all.
    pub fetches_max: u64,
    /// How often it was fetched.
    pub fetches: u64,
}

impl Review {
    /// The record as the developer's organisation reads it: without what reviewers write to each other, and without
    /// their names while it is open, so that nobody can be pressed to decide.
    #[must_use]
    pub fn for_developer(&self) -> Self {
        let entries = self.entries.iter().map(|entry| {
            let mut entry = entry.clone();
            if !entry.act.tells_developer() {
                entry.comment.clear();
            }
            let is_own = entry.organisation.as_ref() == Some(&self.organisation);
            if !self.state.is_final() && !is_own {
                entry.principal = None;
                entry.organisation = None;
            }
            entry
        });
        let leakage_bits = self.leakage_bits.filter(|_| self.state == ReviewState::Released);
        Self { entries: entries.collect(), leakage_bits, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(principal: &str, organisation: &str, act: ReviewAct, comment: &str) -> ReviewEntry {
        ReviewEntry {
            at: Timestamp::from_unix_ms(0),
            principal: Some(PrincipalId::new(principal).unwrap()),
            organisation: Some(OrganisationId::new(organisation).unwrap()),
            act,
            comment: comment.into(),
        }
    }

    fn review(state: ReviewState) -> Review {
        Review {
            id: ReviewId::new("rev-1").unwrap(),
            job: JobId::new("job-1").unwrap(),
            grant: GrantId::new("grt-1").unwrap(),
            dataset: DatasetId::new("table").unwrap(),
            supplier: OrganisationId::new("hospital").unwrap(),
            suppliers: BTreeSet::from([OrganisationId::new("hospital").unwrap()]),
            module: ModuleId::new("0".repeat(64)).unwrap(),
            organisation: OrganisationId::new("company").unwrap(),
            submitted_by: PrincipalId::new("dev").unwrap(),
            barred_organisations: BTreeSet::new(),
            barred_principals: BTreeSet::new(),
            opened_at: Timestamp::from_unix_ms(0),
            expires_at: Timestamp::from_unix_ms(1),
            leakage_bits: Some(9),
            candidate_sm3: "0".repeat(64),
            state,
            entries: vec![
                entry("eva", "board", ReviewAct::Claim, "mine"),
                entry("eva", "board", ReviewAct::Comment, "row 3 is one ward"),
                entry("eva", "board", ReviewAct::Return, "what is row 3?"),
                entry("dev", "company", ReviewAct::Answer, "ward 7"),
                entry("max", "board", ReviewAct::Approve, "as row 3 is 40 persons"),
            ],
            release: None,
            fetch_until: None,
            fetches_max: 3,
            fetches: 0,
        }
    }

    #[test]
    fn developers_read_what_is_addressed_to_them() {
        let shown = review(ReviewState::InReview).for_developer();
        let comments: Vec<_> = shown.entries.iter().map(|entry| entry.comment.as_str()).collect();
        assert_eq!(comments, ["", "", "what is row 3?", "ward 7", ""]);
        let named: Vec<_> = shown.entries.iter().map(|entry| entry.principal.is_some()).collect();
        assert_eq!(named, [false, false, false, true, false]);
        assert_eq!(shown.leakage_bits, None);
        assert_eq!(shown.entries.len(), 5, "that something was done is never hidden");
        let ended = review(ReviewState::Released).for_developer();
        assert!(ended.entries.iter().all(|entry| entry.principal.is_some()));
        assert!(!serde_json::to_string(&ended).unwrap().contains("row 3 is"));
    }

    #[test]
    fn names_on_the_wire_are_those_in_messages() {
        for state in ReviewState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert_eq!(serde_json::to_value(ReviewAct::Answer).unwrap(), ReviewAct::Answer.as_str());
    }
}
