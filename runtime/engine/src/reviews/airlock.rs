//! The airlock itself: an output goes in sealed, and comes out as a release or not at all.

use glovebox_api::{JobState, ReviewEvidence, ReviewOutput};
use glovebox_audit::{Draft, Outcome, Statement, canonical_json};
use glovebox_catalog::{
    Isolation, Refusal, ReleaseId, Review, ReviewAct, ReviewEntry, ReviewId, ReviewState, Timestamp,
};
use glovebox_gate::{ReleaseDocument, ReviewCandidate, release_reviewed};
use glovebox_gm::sm3;
use glovebox_meter::{Amounts, PrivacyLoss};
use glovebox_policy::{self as policy, Action};
use glovebox_store::{EventFilter, OpenReview, ReleaseRow, ReviewStep, Settlement, StoreError};
use serde::{Deserialize, Serialize};

use crate::counters::Counters;
use crate::job::cost::{Cost, Reached, Way, cost};
use crate::job::ending::Ending;
use crate::job::run::Case;
use crate::job::{cancelled, state_name};
use crate::page::all;
use crate::start::new_id;
use crate::{Engine, EngineError};

/// What the vault binds the sealed output to, beside dataset and review.
const SEAL_LABEL: &str = "review";

/// An output that is to be handed over to reviewers.
pub(crate) struct Opening {
    /// What leaves, or doesn't.
    pub(crate) candidate: ReviewCandidate,
    /// The statement of the receipt, were it released as it is: without release, output digest and cells.
    pub(crate) statement: Statement,
    /// Privacy loss of the noise that was drawn.
    pub(crate) privacy_used: PrivacyLoss,
    /// When the run is told to have ended.
    pub(crate) at: Timestamp,
}

/// What lies sealed beside a review.
#[derive(Serialize, Deserialize)]
pub(crate) struct Held {
    candidate: ReviewCandidate,
    statement: Statement,
}

impl Held {
    /// The release document, byte for byte as it would leave.
    pub(crate) fn document(&self) -> Result<String, EngineError> {
        let release = release_reviewed(self.candidate.clone());
        let json = canonical_json(&ReleaseDocument::from(&release))
            .map_err(|error| EngineError::internal("write a release", error))?;
        String::from_utf8(json).map_err(|error| EngineError::internal("write a release", error))
    }

    /// Cells and margins with a value, and without.
    fn cells(&self) -> (u64, u64) {
        let cells = || self.candidate.tables.iter().flat_map(|table| table.cells.iter().chain(&table.margins));
        let shown = cells().filter(|cell| cell.value.is_some()).count() as u64;
        (shown, cells().count() as u64 - shown)
    }
}

impl Engine {
    /// Whether reviewers have to let the output of a job go.
    pub(crate) fn needs_review(&self, case: &Case) -> bool {
        case.grant.terms.review_required || case.module.manifest.isolation == Isolation::Cohort
    }

    /// Hands the output of a running job over to reviewers. None: it waits for them. An ending: nothing can be handed
    /// over; the job has to end in this way.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] when the job has ended meanwhile.
    pub(crate) fn open_review(&self, case: &Case, opening: Opening) -> Result<Option<Ending>, EngineError> {
        let Opening { candidate, statement, privacy_used, at } = opening;
        let leakage_bits = candidate.leakage.bits;
        let held = Held { candidate, statement };
        let reserved = self.found_job(&case.row.id)?.reservation.unwrap_or_default();
        if let Some(ending) = nothing_to_review(&held, &reserved)? {
            return Ok(Some(ending));
        }
        let id = ReviewId::new(new_id("rev")).map_err(|error| EngineError::internal("make an id", error))?;
        let plain = serde_json::to_vec(&held).map_err(|error| EngineError::internal("write an output", error))?;
        let sealed = self.inner.vault.seal(&case.row.dataset, SEAL_LABEL, id.as_str(), &plain)?;
        let review = self.new_review(case, id, leakage_bits, &sealed, at)?;
        let draft = self
            .own_review_draft("review.open", &review)
            .with("grant", &review.grant)
            .with("leakage_bits", leakage_bits)
            .with("expires_at", review.expires_at);
        let open = OpenReview { review: &review, sealed: &sealed, from: &["running"], privacy_used };
        self.store().open_review(open, draft)?;
        self.inner.desk.hand_over(&case.row.id, at);
        Ok(None)
    }

    fn new_review(
        &self,
        case: &Case,
        id: ReviewId,
        leakage_bits: u64,
        sealed: &[u8],
        at: Timestamp,
    ) -> Result<Review, EngineError> {
        let limits = &self.inner.config.reviews;
        let mut review = Review {
            id,
            job: case.row.id.clone(),
            grant: case.grant.id.clone(),
            dataset: case.dataset.id.clone(),
            supplier: case.dataset.supplier.clone(),
            suppliers: case.grant.suppliers.clone(),
            module: case.module.id.clone(),
            organisation: case.row.organisation.clone(),
            submitted_by: case.row.submitted_by.clone(),
            barred_organisations: [case.row.organisation.clone(), case.module.organisation.clone()].into(),
            barred_principals: [case.row.submitted_by.clone(), case.module.submitted_by.clone()].into(),
            opened_at: at,
            // An output leaves within the term of its grant or not at all.
            expires_at: at.plus_days(limits.days).min(case.grant.terms.valid_until),
            leakage_bits: Some(leakage_bits),
            candidate_sm3: sm3(sealed).to_string(),
            state: ReviewState::Submitted,
            entries: vec![ReviewEntry {
                at,
                principal: None,
                organisation: None,
                act: ReviewAct::Submit,
                comment: String::new(),
            }],
            release: None,
            fetch_until: None,
            fetches_max: limits.fetches_max,
            fetches: 0,
        };
        // The same bytes may have been submitted by several; any of them may be the author.
        let resource = format!("module/{}", case.module.id);
        let filter = EventFilter {
            action: Some(Action::ModuleSubmit.as_str()),
            resource: Some(&resource),
            ..EventFilter::default()
        };
        for event in all(|slice| self.store().events(filter, slice))? {
            if event.outcome == Outcome::Done {
                review.barred_organisations.extend(event.actor.organisation);
                review.barred_principals.extend(event.actor.principal);
            }
        }
        Ok(review)
    }

    pub(crate) fn unseal(&self, review: &Review) -> Result<Held, EngineError> {
        let sealed = self.store().review_candidate(review)?;
        let plain = self.inner.vault.unseal(&review.dataset, SEAL_LABEL, review.id.as_str(), &sealed)?;
        serde_json::from_slice(&plain).map_err(|error| EngineError::internal("read an output", error))
    }

    /// The output as reviewers read it.
    pub(crate) fn output_of(&self, review: &Review, held: Held) -> Result<ReviewOutput, EngineError> {
        let output_sm3 = sm3(held.document()?.as_bytes()).to_string();
        let document = ReleaseDocument::from(&release_reviewed(held.candidate.clone()));
        let Statement { grant_terms_sm3, policy_sm3, disclosure_profile_sm3, snapshot_sm3, .. } = held.statement;
        let evidence = ReviewEvidence {
            job: held.statement.job,
            developer: held.statement.developer,
            organisation: held.statement.organisation,
            grant: held.statement.grant,
            grant_terms_sm3: grant_terms_sm3.to_string(),
            policy_sm3: policy_sm3.to_string(),
            disclosure_profile_sm3: disclosure_profile_sm3.to_string(),
            dataset: held.statement.dataset,
            snapshot: held.statement.snapshot,
            snapshot_sm3: snapshot_sm3.to_string(),
            module: held.statement.module,
            isolation: held.statement.isolation,
            parameters: held.statement.parameters,
            started_at: held.statement.started_at,
            output_sm3,
        };
        let differences = self.differences(review, &document)?;
        Ok(ReviewOutput { review: review.id.clone(), document, report: held.candidate.report, evidence, differences })
    }

    /// Lets an approved output leave, in one transaction with the ends of job and review. It goes on waiting while its
    /// grant is suspended.
    pub(crate) fn release_approved(&self, review: Review) -> Result<Review, EngineError> {
        let now = self.now();
        let held = self.unseal(&review)?;
        let document = held.document()?;
        let id = ReleaseId::new(new_id("rel")).map_err(|error| EngineError::internal("make an id", error))?;
        let mut after = review.clone();
        let fetch_until = now.plus_days(self.inner.config.reviews.fetch_days);
        if policy::release_review(&mut after, id.clone(), fetch_until, now).is_err() {
            return Ok(review);
        }
        let (cells_released, cells_withheld) = held.cells();
        let (bytes_out, leakage_bits) = (document.len() as u64, held.candidate.leakage.bits);
        let holding = self.holding(&self.found_job(&review.job)?)?;
        let way = Way::Released { cells: cells_released, bytes_out, leakage_bits };
        let Cost { amounts: used, .. } = cost(way, Reached::Review, &holding);
        let statement = Statement {
            release: Some(id.clone()),
            output_sm3: Some(sm3(document.as_bytes())),
            cells_released,
            cells_withheld,
            ..ended(held.statement, JobState::Released, &used, now)
        };
        let release = ReleaseRow {
            id,
            job: review.job.clone(),
            organisation: review.organisation.clone(),
            created_at: now,
            document,
        };
        let draft = self
            .own_review_draft("review.release", &review)
            .with("outcome", state_name(JobState::Released))
            .with("cells_released", cells_released)
            .with("cells_withheld", cells_withheld)
            .with("approved_by", approvers(&review));
        let end = self.end_of(&review, &after, JobState::Released, used);
        let settlement = Settlement { release: Some(release), statement: Some(self.signed(statement)?), ..end };
        match self.store().settle(settlement, draft) {
            Ok((row, _)) => {
                Counters::add(&self.counters().releases, 1);
                Counters::add(&self.counters().cells_released, cells_released);
                Counters::add(&self.counters().cells_withheld, cells_withheld);
                self.job_ended(&row, JobState::Released);
                Ok(after)
            }
            // The grant is suspended, or someone else was faster.
            Err(StoreError::Conflict { .. }) => self.found_review(&review.id),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends a review and its job without a release, and destroys the output.
    pub(crate) fn end_unreleased(&self, before: &Review, after: &Review, draft: Draft) -> Result<Review, EngineError> {
        let (state, reason) = end_without_release(after);
        let now = self.now();
        let draft = draft.with("outcome", state_name(state));
        // Reviewers who refuse tell why; whoever gives it up, or lets the time pass, learns that there was an output.
        let way = if after.state == ReviewState::Refused { Way::Withheld } else { Way::Stopped };
        let Cost { amounts: used, .. } = cost(way, Reached::Review, &self.holding(&self.found_job(&before.job)?)?);
        let end = self.end_of(before, after, state, used);
        let settlement = match self.unseal(before) {
            Ok(held) => {
                let (shown, withheld) = held.cells();
                let statement = Statement {
                    cells_released: 0,
                    cells_withheld: shown + withheld,
                    ..ended(held.statement, state, &used, now)
                };
                Settlement { statement: Some(self.signed(statement)?), ..end }
            }
            // An output that can't be read any more, say because the key of its dataset was destroyed, must not keep its
            // review from ending. There is no receipt then.
            Err(error) => {
                tracing::error!(review = %before.id, %error, "an output under review can't be read");
                end
            }
        };
        let (row, _) = self.store().settle(Settlement { reasons: vec![reason], ..settlement }, draft)?;
        self.job_ended(&row, state);
        Ok(after.clone())
    }

    fn end_of(&self, before: &Review, after: &Review, state: JobState, used: Amounts) -> Settlement<'static> {
        let from: &'static [&'static str] = &["in-review"];
        let step = ReviewStep { before: before.clone(), after: after.clone() };
        Settlement {
            review: Some(step),
            ..Settlement::new(before.job.clone(), from, state_name(state), used, self.now())
        }
    }

    fn signed(&self, statement: Statement) -> Result<(Statement, glovebox_gm::Signature), EngineError> {
        let signature =
            statement.sign(&self.inner.key).map_err(|error| EngineError::internal("sign a receipt", error))?;
        Ok((statement, signature))
    }
}

/// How a job ends whose output reviewers can't be asked about: it is empty, or larger than what was reserved.
fn nothing_to_review(held: &Held, reserved: &Amounts) -> Result<Option<Ending>, EngineError> {
    let (cells, withheld) = held.cells();
    let reason = if cells == 0 {
        let (rule, remedy) = ("an output has at least one figure that may leave", "declare fewer, larger cells");
        Refusal::new("gate.all-cells-withheld", rule, "the output", remedy)
    } else if held.document()?.len() as u64 > reserved.bytes_out || cells > reserved.cells {
        let rule = "a release is no larger than what was reserved for it";
        let remedy = "propose a grant with a larger budget of bytes, or release fewer cells";
        Refusal::new("meter.bytes-out-exhausted", rule, "the output", remedy)
    } else {
        return Ok(None);
    };
    Ok(Some(Ending::Withheld { reasons: vec![reason], cells_withheld: cells + withheld }))
}

/// The statement of a job that has ended in `state`, with what left by its meters.
fn ended(statement: Statement, state: JobState, used: &Amounts, ended_at: Timestamp) -> Statement {
    let mut statement = Statement { outcome: state_name(state).to_owned(), ended_at, ..statement };
    for (name, value) in [("bytes_out", used.bytes_out), ("cells", used.cells), ("leakage_bits", used.leakage_bits)] {
        statement.meters.insert(name.to_owned(), value);
    }
    statement
}

/// The job's state and reason after a review without a release.
fn end_without_release(review: &Review) -> (JobState, Refusal) {
    let place = format!("review `{}`", review.id);
    match review.state {
        ReviewState::Refused => {
            let rule = "an output leaves when two reviewers approve and none refuses";
            let remedy = "read the reviewers' reason, change the job and submit it again";
            (JobState::Withheld, Refusal::new("review.refused", rule, place, remedy))
        }
        ReviewState::Expired => {
            let rule =
                format!("an output is decided on within the time of its review, here until {}", review.expires_at);
            let remedy = "submit the job again, and agree with the reviewers on a time";
            (JobState::Withheld, Refusal::new("review.expired", rule, place, remedy))
        }
        _ if review.entries.last().is_some_and(|entry| entry.principal.is_some()) => (JobState::Killed, cancelled()),
        _ => {
            let rule = "a review ends with its job and its grant";
            let remedy = "submit the job again under an active grant";
            (JobState::Killed, Refusal::new("review.withdrawn", rule, place, remedy))
        }
    }
}

/// Who approved, for the event that the receipt holds.
fn approvers(review: &Review) -> String {
    let approvals = review.entries.iter().filter(|entry| entry.act == ReviewAct::Approve);
    let mut names: Vec<_> = approvals.filter_map(|entry| entry.principal.as_ref()).map(ToString::to_string).collect();
    names.sort();
    names.dedup();
    names.join(",")
}
