//! Reviews: opened with the job's state, ended with the job, and the output destroyed unless it leaves.

use std::collections::BTreeSet;

use glovebox_catalog::{Review, ReviewAct, ReviewEntry, ReviewId, ReviewState};
use glovebox_gm::{SigningKey, sm3};
use glovebox_meter::PrivacyLoss;

use super::fixtures::*;
use crate::{JobPatch, OpenReview, ReviewFilter, ReviewStep, Settlement, Slice, Store, StoreError};

const SEALED: &[u8] = b"sealed output";

pub(crate) fn review(number: u64) -> Review {
    Review {
        id: ReviewId::new(format!("rev-{number:08}")).unwrap(),
        job: job_id(number),
        grant: grant_id(),
        dataset: dataset("table").id,
        supplier: hospital(),
        suppliers: BTreeSet::from([hospital()]),
        module: module().id,
        organisation: company(),
        submitted_by: developer(),
        barred_organisations: BTreeSet::from([company()]),
        barred_principals: BTreeSet::from([developer()]),
        opened_at: now(),
        expires_at: now().plus_days(30),
        leakage_bits: Some(10),
        candidate_sm3: sm3(SEALED).to_string(),
        state: ReviewState::Submitted,
        entries: vec![entry(ReviewAct::Submit)],
        release: None,
        fetch_until: None,
        fetches_max: 2,
        fetches: 0,
    }
}

fn entry(act: ReviewAct) -> ReviewEntry {
    ReviewEntry { at: now(), principal: None, organisation: None, act, comment: String::new() }
}

fn with(before: &Review, act: ReviewAct, state: ReviewState) -> Review {
    let mut after = before.clone();
    after.entries.push(entry(act));
    after.state = state;
    after
}

pub(crate) fn open(store: &Store, number: u64) -> Result<Review, StoreError> {
    let review = review(number);
    let privacy_used = PrivacyLoss::ZERO;
    let open = OpenReview { review: &review, sealed: SEALED, from: &["running"], privacy_used };
    store.open_review(open, draft("review.open"))?;
    Ok(review)
}

fn opened(store: &Store, number: u64) -> Review {
    start(store, number, amounts(10), &limit(1_000));
    open(store, number).unwrap()
}

pub(crate) fn approved(store: &Store, review: &Review) -> Review {
    let after = with(review, ReviewAct::Approve, ReviewState::Approved);
    store.update_review(review, &after, draft("review.approve")).unwrap();
    after
}

fn ending(before: &Review, after: &Review, to: &'static str) -> Settlement<'static> {
    let step = ReviewStep { before: before.clone(), after: after.clone() };
    Settlement { review: Some(step), ..Settlement::new(before.job.clone(), &["in-review"], to, amounts(4), now()) }
}

pub(crate) fn released(store: &Store, number: u64, before: &Review) -> Result<Review, StoreError> {
    let key = SigningKey::generate().unwrap();
    let mut after = with(before, ReviewAct::Release, ReviewState::Released);
    after.release = Some(release(number).id);
    after.fetch_until = Some(now().plus_days(90));
    let base = settlement(number, amounts(4), &key, &store.log_id().unwrap());
    let end = Settlement { release: base.release, statement: base.statement, ..ending(before, &after, "released") };
    store.settle(end, draft("review.release"))?;
    Ok(after)
}

fn reserved(store: &Store) -> u64 {
    store.account(&grant_id()).unwrap().unwrap().reserved.fuel_units
}

#[test]
fn an_approved_output_leaves_with_the_end_of_its_job() {
    let (_folder, path) = file();
    let store = open_file(&path).unwrap();
    furnish(&store);
    let review = opened(&store, 1);
    assert_eq!(store.job(&job_id(1)).unwrap().unwrap().state, "in-review");
    assert_eq!((reserved(&store), store.unfinished().unwrap().len()), (10, 0), "held, and not run again");
    drop(store);
    let store = open_file(&path).unwrap();
    assert_eq!(store.open_reviews().unwrap(), std::slice::from_ref(&review));
    assert_eq!(store.review_candidate(&review).unwrap(), SEALED);
    let review = approved(&store, &review);
    let after = released(&store, 1, &review).unwrap();
    let row = store.job(&job_id(1)).unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.release, row.reservation), ("released", Some(release(1).id), None));
    assert_eq!(store.account(&grant_id()).unwrap().unwrap().committed, amounts(4));
    assert_eq!((reserved(&store), store.open_reviews().unwrap().len()), (0, 0));
    assert_eq!(store.review_of_release(&release(1).id).unwrap(), Some(after.clone()));
    assert_eq!(store.review_of_job(&job_id(1)).unwrap(), Some(after.clone()));
    assert_eq!(store.review_candidate(&after).unwrap(), SEALED, "what reviewers let go stays as evidence");
    drop(store);
    open_file(&path).unwrap();
}

#[test]
fn what_does_not_leave_is_destroyed() {
    let (folder, path) = file();
    let store = open_file(&path).unwrap();
    furnish(&store);
    let outcomes = [
        (1, ReviewAct::Refuse, ReviewState::Refused),
        (2, ReviewAct::Expire, ReviewState::Expired),
        (3, ReviewAct::Withdraw, ReviewState::Withdrawn),
    ];
    for (number, act, state) in outcomes {
        let review = opened(&store, number);
        let after = with(&review, act, state);
        store.settle(ending(&review, &after, "withheld"), draft("review.end")).unwrap();
        assert!(matches!(store.review_candidate(&after), Err(StoreError::NotFound { .. })), "{state}");
        assert_eq!((store.review(&after.id).unwrap().unwrap().state, reserved(&store)), (state, 0));
        // Ended is ended.
        let again = with(&after, ReviewAct::Approve, ReviewState::Approved);
        assert!(store.update_review(&after, &again, draft("x")).is_err(), "{state}");
    }
    drop(store);
    open_file(&path).unwrap();
    // Overwritten on the disk, too, once the journal is in the file.
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(SEALED.len()).any(|window| window == SEALED));
    }
}

#[test]
fn job_and_review_end_together_or_not_at_all() {
    let store = furnished();
    let (first, second) = (opened(&store, 1), opened(&store, 2));
    let size = store.tree_head(now()).unwrap().size;
    let refuse = |review: &Review| with(review, ReviewAct::Refuse, ReviewState::Refused);
    // The job alone, the review alone, the review of another job, a review that has not ended.
    let alone = Settlement::new(job_id(1), &["in-review"], "withheld", amounts(1), now());
    assert!(matches!(store.settle(alone, draft("x")), Err(StoreError::Conflict { .. })));
    assert!(matches!(store.update_review(&first, &refuse(&first), draft("x")), Err(StoreError::Conflict { .. })));
    let crossed = ReviewStep { before: second.clone(), after: refuse(&second) };
    let crossed = Settlement { review: Some(crossed), ..ending(&first, &first, "withheld") };
    assert!(matches!(store.settle(crossed, draft("x")), Err(StoreError::Conflict { .. })));
    assert!(matches!(store.settle(ending(&first, &first, "withheld"), draft("x")), Err(StoreError::Conflict { .. })));
    // Nor does a job in review go back to the queue, or end without giving back what it holds.
    for to in ["queued", "running", "withheld"] {
        let moved = store.transition(&job_id(1), &["in-review"], to, JobPatch::default(), draft("x"));
        assert!(moved.is_err(), "{to}");
    }
    assert_eq!(store.tree_head(now()).unwrap().size, size);
    assert_eq!(store.open_reviews().unwrap(), [first, second]);
}

#[test]
fn nothing_leaves_unapproved_or_under_a_stopped_grant() {
    use glovebox_catalog::GrantState;
    let store = furnished();
    let review = opened(&store, 1);
    assert!(released(&store, 1, &review).is_err(), "the schema itself asks for the approval");
    assert_eq!(store.release(&release(1).id).unwrap(), None);
    let review = approved(&store, &review);
    let before = store.grant(&grant_id()).unwrap().unwrap();
    let mut stopped = before.clone();
    stopped.state = GrantState::Suspended;
    store.update_grant(&before, &stopped, draft("grant.suspend")).unwrap();
    assert!(matches!(released(&store, 1, &review), Err(StoreError::Conflict { kind: "grant", .. })));
    store.update_grant(&stopped, &before, draft("grant.resume")).unwrap();
    released(&store, 1, &review).unwrap();
}

#[test]
fn a_review_changes_only_from_what_was_read_and_history_only_grows() {
    let store = furnished();
    let review = opened(&store, 1);
    let claimed = with(&review, ReviewAct::Claim, ReviewState::InReview);
    store.update_review(&review, &claimed, draft("review.claim")).unwrap();
    let change = |after: &Review| store.update_review(&claimed, after, draft("x"));
    assert!(store.update_review(&review, &claimed, draft("x")).is_err(), "someone was faster");
    let forgotten = Review { entries: vec![entry(ReviewAct::Submit)], ..claimed.clone() };
    let longer = Review { expires_at: now().plus_days(90), ..claimed.clone() };
    let other = Review { candidate_sm3: "0".repeat(64), ..claimed.clone() };
    let unbarred = Review { barred_organisations: BTreeSet::new(), ..claimed.clone() };
    let more = Review { fetches_max: 1_000, ..claimed.clone() };
    for after in [forgotten, longer, other, unbarred, more] {
        assert!(matches!(change(&after), Err(StoreError::Conflict { .. })), "{after:?}");
    }
    assert_eq!(store.review(&review.id).unwrap(), Some(claimed));
}

#[test]
fn an_opening_is_whole_or_not_at_all() {
    let store = furnished();
    start(&store, 1, amounts(10), &limit(1_000));
    let forged = Review { state: ReviewState::Approved, ..review(1) };
    let swapped = Review { candidate_sm3: "0".repeat(64), ..review(1) };
    for review in [&forged, &swapped] {
        let privacy_used = PrivacyLoss::ZERO;
        let open = OpenReview { review, sealed: SEALED, from: &["running"], privacy_used };
        assert!(matches!(store.open_review(open, draft("x")), Err(StoreError::Conflict { .. })));
    }
    assert_eq!(store.open_reviews().unwrap().len(), 0);
    assert_eq!(store.job(&job_id(1)).unwrap().unwrap().state, "running");
    let review = open(&store, 1).unwrap();
    assert!(matches!(open(&store, 1), Err(StoreError::Conflict { .. })));
    let after = with(&review, ReviewAct::Refuse, ReviewState::Refused);
    store.settle(ending(&review, &after, "withheld"), draft("x")).unwrap();
}

#[test]
fn lists_are_newest_first_and_by_state() {
    let store = furnished();
    let (first, second) = (opened(&store, 1), opened(&store, 2));
    let second = approved(&store, &second);
    let list = |filter| store.reviews(filter, &Slice::default()).unwrap().items;
    let (company, hospital, grant) = (company(), hospital(), grant_id());
    assert_eq!(list(ReviewFilter::default()), [second.clone(), first.clone()]);
    assert_eq!(list(ReviewFilter { state: Some(ReviewState::Submitted), ..Default::default() }), [first]);
    assert_eq!(list(ReviewFilter { organisation: Some(&company), grant: Some(&grant), ..Default::default() }).len(), 2);
    assert_eq!(list(ReviewFilter { organisation: Some(&hospital), ..Default::default() }), []);
}
