//! Every way in which a head may and may not be cosigned.

use glovebox_audit::AddHead;
use glovebox_gm::sm3;

use super::*;
use crate::testing::{Enclave, at};

/// What a witness says that cosigned the first `known` events.
fn judged(enclave: &Enclave, known: u64, request: &AddHead) -> Judged {
    let head = (known > 0).then(|| enclave.head(known, i64::try_from(known).unwrap()));
    judge(&Known { enclave: enclave.public(), log_id: Some("log-1"), head: head.as_ref() }, request)
}

fn enclave(events: u64) -> Enclave {
    let mut enclave = Enclave::new();
    enclave.work(events, "own");
    enclave
}

fn fork(judged: &Judged) -> Option<ForkKind> {
    match judged {
        Judged::Fork(kind, _) => Some(*kind),
        _ => None,
    }
}

#[test]
fn a_log_that_only_grows_is_cosigned_from_every_size_to_every_size() {
    let enclave = enclave(20);
    for known in 0..=20 {
        for size in known..=20 {
            let request = enclave.request(known, size);
            let request = if known == size { AddHead { hashes: Vec::new(), ..request } } else { request };
            assert_eq!(judged(&enclave, known, &request), Judged::GoesOn, "{known} to {size}");
        }
    }
}

#[test]
fn an_older_head_is_never_cosigned_again() {
    let enclave = enclave(20);
    for size in 1..15 {
        for old in 0..=size {
            let replayed = enclave.request(old, size);
            assert_eq!(
                judged(&enclave, 15, &replayed),
                Judged::Refused(Refusal::OldSize { size: 15 }),
                "{old} to {size}"
            );
        }
    }
}

#[test]
fn a_request_from_another_size_is_told_the_size() {
    let enclave = enclave(20);
    for old in [0, 3, 9, 11] {
        let refused = Judged::Refused(Refusal::OldSize { size: 10 });
        assert_eq!(judged(&enclave, 10, &enclave.request(old, 20)), refused);
    }
    assert_eq!(judged(&enclave, 0, &enclave.request(4, 20)), Judged::Refused(Refusal::OldSize { size: 0 }));
}

/// One size has one root: the second is evidence, whether it is the new head or the one that the proof goes on from.
#[test]
fn two_roots_of_one_size_are_a_fork() {
    let mut one = enclave(10);
    let mut other = one.copy();
    one.work(5, "one");
    other.work(10, "other");
    assert_eq!(fork(&judged(&one, 15, &other.request(10, 15))), Some(ForkKind::TwoRoots));
    assert_eq!(fork(&judged(&one, 15, &other.request(15, 15))), Some(ForkKind::TwoRoots));
    // The copy has grown beyond: its own proof from size 15 holds for its own head of that size alone.
    let grown = other.request(15, 20);
    assert_eq!(grown.verify_goes_on_from(&grown.old.as_ref().unwrap().head), Ok(()));
    let Judged::Fork(kind, shown) = judged(&one, 15, &grown) else { panic!("not found") };
    assert_eq!((kind, *shown), (ForkKind::TwoRoots, grown.old.clone().unwrap()));
    // It keeps to itself what it had at that size: no proof leads there.
    assert_eq!(judged(&one, 15, &AddHead { old: Some(one.head(15, 15)), ..grown }), Judged::Refused(Refusal::Unproven));
}

/// A log that was put back has fewer events at a later time.
#[test]
fn a_log_that_was_put_back_is_a_fork() {
    let mut one = enclave(10);
    let mut restored = one.copy();
    one.work(5, "one");
    restored.work(1, "restored");
    let later = AddHead { head: restored.head(11, 99), ..restored.request(10, 11) };
    assert_eq!(fork(&judged(&one, 15, &later)), Some(ForkKind::WentBack));
    let nothing_new = AddHead { head: restored.head(10, 99), old: None, hashes: Vec::new() };
    assert_eq!(fork(&judged(&one, 15, &nothing_new)), Some(ForkKind::WentBack));
    let larger_but_earlier = AddHead { head: one.head(15, 2), ..one.request(10, 15) };
    assert_eq!(fork(&judged(&one, 10, &larger_but_earlier)), Some(ForkKind::WentBack));
}

/// Whoever has seen heads can send them with what proof they like: that accuses nobody.
#[test]
fn true_heads_with_false_proofs_are_no_evidence() {
    let enclave = enclave(20);
    let request = enclave.request(10, 20);
    let mut proofs = vec![Vec::new(), vec![sm3(b"made up")], vec![sm3(b"made up"); 200]];
    for place in 0..request.hashes.len() {
        let mut cut = request.hashes.clone();
        cut.remove(place);
        let mut changed = request.hashes.clone();
        changed[place] = sm3(b"forged");
        proofs.extend([cut, changed, [&request.hashes[..], &request.hashes[place..=place]].concat()]);
    }
    for hashes in proofs {
        let forged = AddHead { hashes, ..request.clone() };
        assert_eq!(judged(&enclave, 10, &forged), Judged::Refused(Refusal::Unproven));
    }
    let same_size = AddHead { hashes: vec![sm3(b"x")], ..enclave.request(10, 10) };
    assert_eq!(judged(&enclave, 10, &same_size), Judged::Refused(Refusal::Unproven));
    let first = AddHead { hashes: vec![sm3(b"x")], ..enclave.request(0, 10) };
    assert_eq!(judged(&enclave, 0, &first), Judged::Refused(Refusal::Unproven));
}

#[test]
fn a_proof_from_a_larger_size_to_a_smaller_one_is_no_request() {
    let enclave = enclave(20);
    assert_eq!(judged(&enclave, 10, &enclave.request(15, 12)), Judged::Refused(Refusal::Malformed));
}

#[test]
fn heads_of_others_are_not_looked_at() {
    let (own, other) = (enclave(20), enclave(20));
    for request in [
        other.request(10, 20),
        AddHead { head: other.head(20, 20), ..own.request(10, 20) },
        AddHead { old: Some(other.head(10, 10)), ..own.request(10, 20) },
        AddHead {
            head: SignedTreeHead { signature: own.head(19, 19).signature, ..own.head(20, 20) },
            ..own.request(10, 20)
        },
    ] {
        assert_eq!(judged(&own, 10, &request), Judged::Refused(Refusal::Signature));
    }
}

#[test]
fn another_log_of_the_same_enclave_is_refused_and_evidence_once_one_is_known() {
    let own = enclave(20);
    let mut anew = own.copy();
    anew.log = glovebox_audit::Log::new("log-2");
    anew.work(30, "anew");
    assert_eq!(fork(&judged(&own, 10, &anew.request(10, 30))), Some(ForkKind::OtherLog));
    assert_eq!(judged(&own, 0, &anew.request(0, 30)), Judged::Refused(Refusal::OtherLog));
    // Without a pinned log and before the first head, the first log is taken.
    let known = Known { enclave: own.public(), log_id: None, head: None };
    assert_eq!(judge(&known, &anew.request(0, 30)), Judged::GoesOn);
}

#[test]
fn a_head_of_the_empty_log_has_its_one_root() {
    let own = enclave(0);
    assert_eq!(judged(&own, 0, &own.request(0, 0)), Judged::GoesOn);
    let forged = TreeHead { root: sm3(b"x"), ..own.head(0, 0).head }.sign(&own.key).unwrap();
    let request = AddHead { old: None, head: forged, hashes: Vec::new() };
    assert_eq!(judged(&own, 0, &request), Judged::Refused(Refusal::Unproven));
}

#[test]
fn times_alone_accuse_nobody() {
    let own = enclave(20);
    // Signed twice for one size, as when the first was not kept.
    let again = AddHead { head: own.head(10, 77), old: Some(own.head(10, 77)), hashes: Vec::new() };
    assert_eq!(judged(&own, 10, &again), Judged::GoesOn);
    let at_once = AddHead {
        head: TreeHead { at: at(10), ..own.head(20, 20).head }.sign(&own.key).unwrap(),
        ..own.request(10, 20)
    };
    assert_eq!(judged(&own, 10, &at_once), Judged::GoesOn);
}
