//! What people would try in a review, and the diagram of its states.

use std::collections::BTreeSet;

use glovebox_catalog::{
    DatasetId, JobId, ModuleId, Principal, ReleaseId, Review, ReviewAct, ReviewId, ReviewState, Role, Timestamp,
};
use proptest::prelude::*;

use crate::fixtures::{developer, grant_id, now, organisation_id, parties, principal, reviewer};
use crate::{
    PolicyError, REVIEW_TRANSITIONS, ReviewEvent, ReviewTransition, ReviewerAct, answer_review, expire_review, judge,
    release_review, review_diagram, withdraw_review,
};

fn submitted() -> Review {
    Review {
        id: ReviewId::new("rev-1").unwrap(),
        job: JobId::new("job-1").unwrap(),
        grant: grant_id(),
        dataset: DatasetId::new("table").unwrap(),
        supplier: organisation_id("hospital"),
        suppliers: parties(&["hospital", "clinic"]),
        module: ModuleId::new("0".repeat(64)).unwrap(),
        organisation: developer().organisation,
        submitted_by: developer().id,
        barred_organisations: parties(&["company", "workshop"]),
        barred_principals: BTreeSet::from([developer().id, principal("author", "workshop", &[]).id]),
        opened_at: now(),
        expires_at: now().plus_days(30),
        leakage_bits: Some(100),
        candidate_sm3: "0".repeat(64),
        state: ReviewState::Submitted,
        entries: Vec::new(),
        release: None,
        fetch_until: None,
        fetches_max: 10,
        fetches: 0,
    }
}

fn second() -> Principal {
    principal("rev-2", "ministry", &[Role::Reviewer])
}

fn release_id() -> ReleaseId {
    ReleaseId::new("rel-1").unwrap()
}

fn does(review: &mut Review, by: &Principal, act: ReviewerAct) -> Result<ReviewState, PolicyError> {
    judge(review, by, act, "because", now())
}

fn claimed() -> Review {
    let mut review = submitted();
    does(&mut review, &reviewer(), ReviewerAct::Claim).unwrap();
    does(&mut review, &second(), ReviewerAct::Claim).unwrap();
    review
}

/// Tries `change` and expects it to fail without a trace.
fn refused(review: &Review, code: &str, change: impl FnOnce(&mut Review) -> Result<ReviewState, PolicyError>) {
    let mut after = review.clone();
    let error = change(&mut after).expect_err(code);
    assert_eq!(error.code(), code, "{error}");
    assert_eq!(&after, review, "{code}");
}

#[test]
fn two_reviewers_let_an_output_go() {
    let mut review = claimed();
    assert_eq!(does(&mut review, &reviewer(), ReviewerAct::Approve).unwrap(), ReviewState::InReview);
    refused(&review, "review.state", |review| release_review(review, release_id(), now(), now()));
    assert_eq!(does(&mut review, &second(), ReviewerAct::Approve).unwrap(), ReviewState::Approved);
    let until = now().plus_days(90);
    assert_eq!(release_review(&mut review, release_id(), until, now()).unwrap(), ReviewState::Released);
    assert_eq!((review.release, review.fetch_until), (Some(release_id()), Some(until)));
    let acts: Vec<_> = review.entries.iter().map(|entry| entry.act).collect();
    let expected = [ReviewAct::Claim, ReviewAct::Claim, ReviewAct::Approve, ReviewAct::Approve, ReviewAct::Release];
    assert_eq!(acts, expected);
    assert_eq!(review.entries.last().unwrap().principal, None);
}

#[test]
fn one_person_is_not_two() {
    let mut review = claimed();
    does(&mut review, &reviewer(), ReviewerAct::Approve).unwrap();
    refused(&review, "review.same-person", |review| does(review, &reviewer(), ReviewerAct::Approve));
    // Nor under another organisation's name.
    let turncoat = principal("rev", "ministry", &[Role::Reviewer]);
    refused(&review, "review.same-person", |review| does(review, &turncoat, ReviewerAct::Approve));
    // Whoever has not taken it up has not looked.
    let third = principal("rev-3", "ministry", &[Role::Reviewer]);
    refused(&review, "review.not-claimed", |review| does(review, &third, ReviewerAct::Approve));
    refused(&review, "review.already-claimed", |review| does(review, &second(), ReviewerAct::Claim));
}

#[test]
fn nobody_with_a_part_in_it_judges() {
    let review = claimed();
    let no_reviewer = principal("sup", "hospital", &[Role::Supplier]);
    let left = Principal { active: false, ..second() };
    for (who, code) in [
        (principal("colleague", "company", &[Role::Reviewer]), "review.not-independent"),
        (principal("colleague", "workshop", &[Role::Reviewer]), "review.not-independent"),
        (principal("ethics", "hospital", &[Role::Reviewer]), "review.not-independent"),
        (principal("ethics", "clinic", &[Role::Reviewer, Role::Supplier]), "review.not-independent"),
        (principal("dev", "ministry", &[Role::Reviewer]), "review.not-independent"),
        (principal("author", "ministry", &[Role::Reviewer]), "review.not-independent"),
        (no_reviewer, "policy.capacity"),
        (developer(), "policy.capacity"),
        (left, "policy.principal-inactive"),
    ] {
        for act in
            [ReviewerAct::Claim, ReviewerAct::Comment, ReviewerAct::Return, ReviewerAct::Approve, ReviewerAct::Refuse]
        {
            refused(&review, code, |review| does(review, &who, act));
        }
    }
}

#[test]
fn an_answer_sets_earlier_approvals_aside() {
    let mut review = claimed();
    does(&mut review, &reviewer(), ReviewerAct::Approve).unwrap();
    does(&mut review, &second(), ReviewerAct::Return).unwrap();
    refused(&review, "review.state", |review| does(review, &second(), ReviewerAct::Approve));
    answer_review(&mut review, &developer(), "ward 7", now()).unwrap();
    assert_eq!(does(&mut review, &second(), ReviewerAct::Approve).unwrap(), ReviewState::InReview);
    assert_eq!(does(&mut review, &reviewer(), ReviewerAct::Approve).unwrap(), ReviewState::Approved);
}

#[test]
fn only_the_developers_answer_and_only_when_asked() {
    let mut review = claimed();
    refused(&review, "review.state", |review| answer_review(review, &developer(), "unasked", now()));
    does(&mut review, &second(), ReviewerAct::Return).unwrap();
    let rival = principal("dev", "rival", &[Role::Developer]);
    for who in [rival, reviewer(), principal("clerk", "company", &[Role::Reviewer])] {
        refused(&review, "policy.wrong-organisation", |review| answer_review(review, &who, "mine", now()));
    }
    refused(&review, "review.comment-missing", |review| answer_review(review, &developer(), " \n\u{7} ", now()));
    let colleague = principal("colleague", "company", &[Role::Developer]);
    assert_eq!(answer_review(&mut review, &colleague, "ours", now()).unwrap(), ReviewState::InReview);
}

#[test]
fn what_others_must_understand_is_explained() {
    let review = claimed();
    for act in [ReviewerAct::Comment, ReviewerAct::Return, ReviewerAct::Refuse] {
        refused(&review, "review.comment-missing", |review| judge(review, &second(), act, "\t", now()));
    }
    let mut review = review;
    let long = format!("a\u{1b}[31m{}", "x".repeat(10_000));
    judge(&mut review, &second(), ReviewerAct::Comment, &long, now()).unwrap();
    let kept = &review.entries.last().unwrap().comment;
    assert!(kept.starts_with("a[31mx") && kept.chars().count() == 4_000);
}

#[test]
fn time_ends_everything_but_what_has_ended() {
    let over = now().plus_days(30);
    let mut review = claimed();
    for act in [ReviewerAct::Comment, ReviewerAct::Approve, ReviewerAct::Refuse] {
        refused(&review, "review.expired", |review| judge(review, &second(), act, "late", over));
    }
    refused(&review, "review.state", |review| expire_review(review, Timestamp::from_unix_ms(over.unix_ms() - 1)));
    does(&mut review, &reviewer(), ReviewerAct::Approve).unwrap();
    does(&mut review, &second(), ReviewerAct::Approve).unwrap();
    refused(&review, "review.expired", |review| release_review(review, release_id(), over, over));
    assert_eq!(expire_review(&mut review, over).unwrap(), ReviewState::Expired);
    refused(&review, "review.state", |review| release_review(review, release_id(), over, now()));
    refused(&review, "review.state", |review| withdraw_review(review, None, over));
}

#[test]
fn a_state_alone_lets_nothing_out() {
    let forged = Review { state: ReviewState::Approved, ..claimed() };
    refused(&forged, "review.state", |review| release_review(review, release_id(), now(), now()));
}

#[test]
fn a_refusal_can_come_until_it_has_left() {
    let mut review = claimed();
    does(&mut review, &reviewer(), ReviewerAct::Approve).unwrap();
    does(&mut review, &second(), ReviewerAct::Approve).unwrap();
    assert_eq!(does(&mut review, &reviewer(), ReviewerAct::Refuse).unwrap(), ReviewState::Refused);
    refused(&review, "review.state", |review| release_review(review, release_id(), now(), now()));
}

#[test]
fn the_table_has_one_line_a_step_and_final_states_are_final() {
    let mut seen = BTreeSet::new();
    for ReviewTransition { from, event, .. } in REVIEW_TRANSITIONS {
        assert!(seen.insert((from, event)), "two lines for {from:?} {event:?}");
        assert!(!from.is_final());
    }
    for state in ReviewState::ALL.into_iter().filter(|state| !state.is_final()) {
        assert!(seen.contains(&(&state, &ReviewEvent::Expire)) && seen.contains(&(&state, &ReviewEvent::Withdraw)));
    }
    let to_released: Vec<_> = REVIEW_TRANSITIONS.iter().filter(|line| line.to == ReviewState::Released).collect();
    assert_eq!(to_released.len(), 1);
    assert_eq!((to_released[0].from, to_released[0].event), (ReviewState::Approved, ReviewEvent::Release));
}

/// `GLOVEBOX_BLESS=1 cargo test -p glovebox-policy` writes it anew.
#[test]
fn the_documented_diagram_is_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/review.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once("```mermaid\n").unwrap();
    let (found, tail) = rest.split_once("```").unwrap();
    if std::env::var_os("GLOVEBOX_BLESS").is_some() {
        std::fs::write(&path, format!("{head}```mermaid\n{}```{tail}", review_diagram())).unwrap();
    } else {
        assert_eq!(found, review_diagram());
    }
}

proptest! {
    /// Whatever people do in whatever order: what leaves was approved, after the last question, by two different
    /// reviewers who have no part in it.
    #[test]
    fn nothing_leaves_but_by_two(steps in prop::collection::vec((0..8_u8, 0..6_usize), 0..40)) {
        let people = [
            reviewer(), second(), principal("rev-3", "ministry", &[Role::Reviewer]),
            principal("colleague", "company", &[Role::Reviewer]), developer(),
            principal("author", "ministry", &[Role::Reviewer]),
        ];
        let mut review = submitted();
        for (step, who) in steps {
            let (before, by) = (review.clone(), &people[who]);
            let done = match step {
                0 => does(&mut review, by, ReviewerAct::Claim),
                1 => does(&mut review, by, ReviewerAct::Comment),
                2 => does(&mut review, by, ReviewerAct::Return),
                3 | 4 => does(&mut review, by, ReviewerAct::Approve),
                5 if who == 5 => does(&mut review, by, ReviewerAct::Refuse),
                6 => answer_review(&mut review, by, "so", now()),
                _ => release_review(&mut review, release_id(), now(), now()),
            };
            if done.is_err() {
                prop_assert_eq!(&review, &before);
            }
            prop_assert!(review.entries.starts_with(&before.entries));
        }
        if review.release.is_some() {
            let answered = review.entries.iter().rposition(|entry| entry.act == ReviewAct::Answer).unwrap_or(0);
            let approvals = review.entries[answered..].iter().filter(|entry| entry.act == ReviewAct::Approve);
            let who: BTreeSet<_> = approvals.map(|entry| entry.principal.clone().unwrap().to_string()).collect();
            prop_assert!(who.len() >= 2 && who.iter().all(|id| ["rev", "rev-2", "rev-3"].contains(&id.as_str())));
        }
    }
}
