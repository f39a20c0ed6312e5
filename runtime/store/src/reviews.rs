//! Reviews: outputs that wait for people, sealed, and what was said and done about them.

use glovebox_audit::{Draft, Event};
use glovebox_catalog::{OrganisationId, ReleaseId, Review, ReviewId, ReviewState};
use glovebox_gm::sm3;
use glovebox_meter::PrivacyLoss;
use rusqlite::{OptionalExtension, params};

use crate::changes::Changes;
use crate::jobs::{JobRow, conflict, in_state};
use crate::privacy;
use crate::records::{self, Table};
use crate::{Page, Slice, Store, StoreError};

/// State of a job whose output waits for reviewers.
pub(crate) const IN_REVIEW: &str = "in-review";

/// An output handed over to reviewers.
#[derive(Debug, Clone)]
pub struct OpenReview<'a> {
    /// The review, submitted.
    pub review: &'a Review,
    /// The output with its report, sealed; the review names its digest.
    pub sealed: &'a [u8],
    /// States that the job may stand in before.
    pub from: &'a [&'a str],
    /// What is spent of the privacy loss that the job holds, for the same reason: people will have read the figures.
    pub privacy_used: PrivacyLoss,
}

/// A step of a review that is taken together with the end of its job.
#[derive(Debug, Clone)]
pub struct ReviewStep {
    /// The review that the step was decided on.
    pub before: Review,
    /// The review after it; it has ended.
    pub after: Review,
}

/// Which reviews are asked for; what is none is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReviewFilter<'a> {
    /// Reviews of this developer organisation's outputs.
    pub organisation: Option<&'a OrganisationId>,
    /// Reviews under this grant.
    pub grant: Option<&'a glovebox_catalog::GrantId>,
    /// Reviews in this state.
    pub state: Option<ReviewState>,
}

impl Store {
    /// Hands the output of a running job over to reviewers: the job waits in review, and keeps its reservation.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the job stands elsewhere or holds no reservation; [`StoreError::Exists`] when the job has a review.
    pub fn open_review(&self, open: OpenReview<'_>, audit: Draft) -> Result<(JobRow, Event), StoreError> {
        let OpenReview { review, sealed, from, privacy_used } = open;
        self.write(audit, |changes| {
            let mut job = in_state(changes, &review.job, from)?;
            if job.reservation.is_none() {
                return Err(conflict(&job.id, "holding a reservation", "without one"));
            }
            if review.state != ReviewState::Submitted || review.candidate_sm3 != sm3(sealed).to_string() {
                return Err(review_conflict(review, "submitted with the digest of its output", review.state.as_str()));
            }
            if find_where(changes.connection(), "job", review.job.as_str())?.is_some() {
                return Err(StoreError::Exists { kind: Table::Reviews.kind(), id: review.id.to_string() });
            }
            privacy::commit(changes, &mut job, privacy_used)?;
            changes.insert(Table::Reviews, review.id.as_str(), review)?;
            changes
                .connection()
                .prepare_cached("INSERT INTO review_candidates (id, sealed) VALUES (?1, ?2)")?
                .execute(params![review.id.as_str(), sealed])?;
            job.state = IN_REVIEW.to_owned();
            changes.update(Table::Jobs, job.id.as_str(), &job)?;
            Ok(job)
        })
    }

    /// Writes a review after a step, if it still is what the step was decided on. Steps that end a review are taken
    /// with [`Store::settle`].
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when someone else changed it meanwhile: read it again and decide anew.
    pub fn update_review(&self, before: &Review, after: &Review, audit: Draft) -> Result<Event, StoreError> {
        let changed = self.write(audit, |changes| {
            if after.state.is_final() && before.state != after.state {
                return Err(review_conflict(before, "ended together with its job", before.state.as_str()));
            }
            replace(changes, before, after)
        });
        changed.map(|((), event)| event)
    }

    /// Reads a review.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn review(&self, id: &ReviewId) -> Result<Option<Review>, StoreError> {
        self.read(|connection| records::find(connection, Table::Reviews, id.as_str()))
    }

    /// The review of a job's output.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn review_of_job(&self, job: &glovebox_catalog::JobId) -> Result<Option<Review>, StoreError> {
        self.read(|connection| find_where(connection, "job", job.as_str()))
    }

    /// The review that a release left by; none for one that left without.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn review_of_release(&self, release: &ReleaseId) -> Result<Option<Review>, StoreError> {
        self.read(|connection| find_where(connection, "release", release.as_str()))
    }

    /// Lists reviews, the newest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn reviews(&self, filter: ReviewFilter<'_>, slice: &Slice) -> Result<Page<Review>, StoreError> {
        let conditions = [
            ("organisation = ?", filter.organisation.map(OrganisationId::as_str)),
            ("\"grant\" = ?", filter.grant.map(glovebox_catalog::GrantId::as_str)),
            ("state = ?", filter.state.map(ReviewState::as_str)),
        ];
        self.read(|connection| records::list(connection, Table::Reviews, &conditions, slice))
    }

    /// Every review that has not ended, the oldest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn open_reviews(&self) -> Result<Vec<Review>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT body FROM reviews WHERE state IN ('submitted', 'in-review', 'returned', 'approved')
                 ORDER BY id";
            let mut statement = connection.prepare_cached(sql)?;
            let bodies = statement.query_map([], |row| row.get::<_, String>(0))?;
            bodies.map(|body| Ok(serde_json::from_str(&body?)?)).collect()
        })
    }

    /// The sealed output of a review, compared with its digest.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] once it was destroyed, [`StoreError::Corrupt`] when it is not what was written.
    pub fn review_candidate(&self, review: &Review) -> Result<Vec<u8>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT sealed FROM review_candidates WHERE id = ?1")?;
            let sealed: Option<Vec<u8>> = statement.query_row([review.id.as_str()], |row| row.get(0)).optional()?;
            let id = review.id.to_string();
            let sealed = sealed.ok_or(StoreError::NotFound { kind: "output of review", id })?;
            if sm3(&sealed).to_string() == review.candidate_sm3 {
                Ok(sealed)
            } else {
                Err(StoreError::corrupt(format!("the output of review `{}` is not what was written", review.id)))
            }
        })
    }
}

/// Takes the step of a review that ends together with `job`; destroys the output unless it leaves.
pub(crate) fn end_with_job(
    changes: &mut Changes<'_>,
    job: &JobRow,
    step: Option<&ReviewStep>,
) -> Result<(), StoreError> {
    let Some(ReviewStep { before, after }) = step else {
        return if job.state == IN_REVIEW {
            Err(conflict(&job.id, "ended together with its review", IN_REVIEW))
        } else {
            Ok(())
        };
    };
    if job.state != IN_REVIEW || before.job != job.id || !after.state.is_final() {
        return Err(review_conflict(before, "the review of the job that ends", before.state.as_str()));
    }
    replace(changes, before, after)?;
    if after.state != ReviewState::Released {
        changes
            .connection()
            .prepare_cached("DELETE FROM review_candidates WHERE id = ?1")?
            .execute([after.id.as_str()])?;
    }
    Ok(())
}

/// Every output that waits or has left is there, and none that was to be destroyed. An output itself is compared with
/// its digest when it is read.
pub(crate) fn check(connection: &rusqlite::Connection) -> Result<(), StoreError> {
    let sql = "SELECT reviews.id FROM reviews LEFT JOIN review_candidates ON reviews.id = review_candidates.id
         WHERE (review_candidates.id IS NULL) <> (reviews.state IN ('refused', 'expired', 'withdrawn')) LIMIT 1";
    let wrong: Option<String> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    match wrong {
        Some(id) => Err(StoreError::corrupt(format!("review `{id}` does not fit the output that is kept for it"))),
        None => Ok(()),
    }
}

fn replace(changes: &mut Changes<'_>, before: &Review, after: &Review) -> Result<(), StoreError> {
    let found: Review = changes.known(Table::Reviews, before.id.as_str())?;
    // Only these change, and history only grows.
    let kept = Review {
        state: after.state,
        entries: after.entries.clone(),
        release: after.release.clone(),
        fetch_until: after.fetch_until,
        fetches: after.fetches,
        ..before.clone()
    };
    if &found != before || &kept != after || !after.entries.starts_with(&before.entries) {
        return Err(review_conflict(before, "unchanged since it was read", found.state.as_str()));
    }
    changes.update(Table::Reviews, before.id.as_str(), after)
}

fn find_where(connection: &rusqlite::Connection, column: &str, value: &str) -> Result<Option<Review>, StoreError> {
    let sql = format!("SELECT body FROM reviews WHERE {column} = ?1");
    let body: Option<String> = connection.prepare_cached(&sql)?.query_row([value], |row| row.get(0)).optional()?;
    Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
}

fn review_conflict(review: &Review, expected: &str, found: &str) -> StoreError {
    StoreError::Conflict {
        kind: Table::Reviews.kind(),
        id: review.id.to_string(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}
