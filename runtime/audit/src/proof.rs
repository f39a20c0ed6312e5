//! Proofs about the log: an event is in it; it goes on from what it was.

use ::sm3::Sm3;
use ct_merkle::RootHash;
use glovebox_gm::{Digest, sm3};
use serde::{Deserialize, Serialize};

use crate::{Event, TreeHead, VerifyError};

/// Largest tree that is believed. Far above any log and far below where the library's index arithmetic overflows, so
/// that no number in a forged proof can reach its panics.
const SIZE_MAX: u64 = 1 << 48;

/// Proof that an event is in a tree (RFC 9162, section 2.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// The event.
    pub sequence: u64,
    /// Size of the tree.
    pub size: u64,
    /// Sibling hashes, from the leaf up.
    pub hashes: Vec<Digest>,
}

impl InclusionProof {
    /// Checks that `event` is in the tree of `head`. Whether the head is signed is checked apart.
    ///
    /// # Errors
    /// [`VerifyError::ProofSize`] for a proof about another tree, [`VerifyError::NotIncluded`] when it does not hold.
    pub fn verify(&self, event: &Event, head: &TreeHead) -> Result<(), VerifyError> {
        if self.size != head.size {
            return Err(VerifyError::ProofSize { expected: head.size, found: self.size });
        }
        let fault = VerifyError::NotIncluded { sequence: event.sequence, size: head.size };
        if self.sequence != event.sequence || self.sequence >= self.size || self.size > SIZE_MAX {
            return Err(fault);
        }
        let proof = ct_merkle::InclusionProof::<Sm3>::try_from_bytes(concatenated(&self.hashes));
        let holds = proof.and_then(|proof| root(head).verify_inclusion(&event.leaf(), self.sequence, &proof));
        holds.map_err(|_| fault)
    }
}

/// Proof that one tree goes on from another (RFC 9162, section 2.1.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// Size of the older tree.
    pub old_size: u64,
    /// Size of the newer tree.
    pub new_size: u64,
    /// The nodes that make both roots.
    pub hashes: Vec<Digest>,
}

impl ConsistencyProof {
    /// Checks that the tree of `new` goes on from that of `old`. Whether the heads are signed is checked apart.
    ///
    /// # Errors
    /// [`VerifyError::OtherLog`] or [`VerifyError::ProofSize`] for heads that the proof is not about,
    /// [`VerifyError::Forked`] when it does not hold.
    pub fn verify(&self, old: &TreeHead, new: &TreeHead) -> Result<(), VerifyError> {
        if old.log_id != new.log_id {
            return Err(VerifyError::OtherLog { expected: old.log_id.clone(), found: new.log_id.clone() });
        }
        for (head, found) in [(old, self.old_size), (new, self.new_size)] {
            if head.size != found {
                return Err(VerifyError::ProofSize { expected: head.size, found });
            }
        }
        let fault = VerifyError::Forked { old_size: old.size };
        if old.size > new.size || new.size > SIZE_MAX {
            return Err(fault);
        }
        if old.size == 0 {
            let holds = self.hashes.is_empty() && old.root == sm3(b"") && (new.size > 0 || new.root == old.root);
            return if holds { Ok(()) } else { Err(fault) };
        }
        let proof = ct_merkle::ConsistencyProof::<Sm3>::try_from_bytes(concatenated(&self.hashes));
        let holds = proof.and_then(|proof| root(new).verify_consistency(&root(old), &proof));
        holds.map_err(|_| fault)
    }
}

fn concatenated(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(Digest::as_bytes).copied().collect()
}

fn root(head: &TreeHead) -> RootHash<Sm3> {
    RootHash::new((*head.root.as_bytes()).into(), head.size)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::samples::{at, event, head, log};
    use crate::{Actor, Draft, Log};

    /// The largest tree tried.
    const SIZE_TRIED_MAX: u64 = 64;

    #[test]
    fn every_event_is_proven_at_every_size() {
        for size in 1..=SIZE_TRIED_MAX {
            let log = log(size);
            for sequence in 0..size {
                let proof = log.inclusion_proof(sequence).unwrap();
                assert_eq!(proof.verify(&event(sequence), &head(&log)), Ok(()));
            }
        }
    }

    #[test]
    fn every_size_goes_on_from_every_smaller_one() {
        let whole = log(SIZE_TRIED_MAX);
        let heads: Vec<_> = (0..=SIZE_TRIED_MAX).map(|size| head(&log(size))).collect();
        for (new_size, new) in heads.iter().enumerate() {
            for (old_size, old) in heads[..=new_size].iter().enumerate() {
                let proof = whole.consistency_proof_at(old_size as u64, new_size as u64).unwrap();
                assert_eq!(proof.verify(old, new), Ok(()), "{old_size} to {new_size}");
            }
        }
    }

    #[test]
    fn a_proof_holds_for_its_event_and_place_only() {
        for size in [1, 2, 3, 7, 8, 13] {
            let log = log(size);
            for sequence in 0..size {
                let proof = log.inclusion_proof(sequence).unwrap();
                let not_included = Err(VerifyError::NotIncluded { sequence, size });
                let mut changed = event(sequence);
                changed.resource.push('x');
                assert_eq!(proof.verify(&changed, &head(&log)), not_included);
                for other in (0..size).filter(|other| *other != sequence) {
                    assert!(proof.verify(&event(other), &head(&log)).is_err());
                    let moved = InclusionProof { sequence: other, ..proof.clone() };
                    assert!(moved.verify(&event(sequence), &head(&log)).is_err());
                    // The event itself renumbered: its leaf changes with it.
                    assert!(moved.verify(&Event { sequence: other, ..event(sequence) }, &head(&log)).is_err());
                }
                for at in 0..proof.hashes.len() {
                    let mut short = proof.clone();
                    short.hashes.remove(at);
                    assert_eq!(short.verify(&event(sequence), &head(&log)), not_included);
                    let mut changed = proof.clone();
                    changed.hashes[at] = sm3(b"forged");
                    assert_eq!(changed.verify(&event(sequence), &head(&log)), not_included);
                }
                let mut long = proof.clone();
                long.hashes.push(sm3(b"more"));
                assert_eq!(long.verify(&event(sequence), &head(&log)), not_included);
            }
        }
    }

    /// A node of the tree must not pass for an event: leaves and nodes are hashed apart.
    #[test]
    fn a_root_of_two_is_no_leaf() {
        let (two, four) = (log(2), log(4));
        let proof = InclusionProof { sequence: 0, size: 2, hashes: vec![four.root_at(2).unwrap()] };
        assert!(proof.verify(&event(0), &head(&two)).is_err());
    }

    #[test]
    fn forks_are_found_at_every_size() {
        for old_size in 1..=16 {
            for changed in 0..old_size {
                let mut fork = Log::new(crate::samples::LOG_ID);
                for sequence in 0..=old_size {
                    let draft = Draft::done(at(9), Actor::default(), "grant.revoke", "grant/other");
                    let event = if sequence == changed { draft.at_sequence(sequence) } else { event(sequence) };
                    fork.append(&event).unwrap();
                }
                let old = head(&log(old_size));
                for proof in [fork.consistency_proof(old_size), log(old_size + 1).consistency_proof(old_size)] {
                    assert_eq!(proof.unwrap().verify(&old, &head(&fork)), Err(VerifyError::Forked { old_size }));
                }
            }
        }
    }

    #[test]
    fn proofs_about_other_heads_are_refused() {
        let log = log(8);
        let (old, new) = (log.consistency_proof_at(3, 8).unwrap(), head(&log));
        let old_head = head(&crate::samples::log(3));
        assert_eq!(old.verify(&old_head, &new), Ok(()));
        assert_eq!(old.verify(&new, &new), Err(VerifyError::ProofSize { expected: 8, found: 3 }));
        let elsewhere = TreeHead { log_id: "log-2".into(), ..new.clone() };
        assert!(matches!(old.verify(&old_head, &elsewhere), Err(VerifyError::OtherLog { .. })));
        let proof = log.inclusion_proof_at(2, 7).unwrap();
        assert_eq!(proof.verify(&event(2), &new), Err(VerifyError::ProofSize { expected: 8, found: 7 }));
        let backwards = ConsistencyProof { old_size: 8, new_size: 3, hashes: old.hashes };
        assert_eq!(backwards.verify(&new, &old_head), Err(VerifyError::Forked { old_size: 8 }));
    }

    #[test]
    fn the_empty_log_is_the_start_of_all() {
        let (empty, one) = (head(&log(0)), head(&log(1)));
        let proof = ConsistencyProof { old_size: 0, new_size: 1, hashes: vec![] };
        assert_eq!(proof.verify(&empty, &one), Ok(()));
        let forged = TreeHead { root: one.root, ..empty.clone() };
        assert!(proof.verify(&forged, &one).is_err());
        let nothing = ConsistencyProof { old_size: 0, new_size: 0, hashes: vec![] };
        assert_eq!(nothing.verify(&empty, &empty), Ok(()));
        assert!(nothing.verify(&empty, &forged).is_err());
        let stuffed = ConsistencyProof { hashes: vec![sm3(b"")], ..proof };
        assert!(stuffed.verify(&empty, &one).is_err());
    }

    #[test]
    fn huge_numbers_are_refused_without_a_panic() {
        for size in [SIZE_MAX + 1, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX - 1, u64::MAX] {
            let huge = TreeHead { size, ..head(&log(1)) };
            for sequence in [0, size - 1] {
                let proof = InclusionProof { sequence, size, hashes: vec![] };
                assert!(proof.verify(&Event { sequence, ..event(0) }, &huge).is_err());
            }
            for old_size in [1, size - 1, size] {
                let old = TreeHead { size: old_size, ..huge.clone() };
                assert!(ConsistencyProof { old_size, new_size: size, hashes: vec![] }.verify(&old, &huge).is_err());
            }
        }
    }

    proptest! {
        #[test]
        fn random_proofs_neither_hold_nor_panic(
            sequence: u64, size: u64, old_size: u64, forged in prop::collection::vec(any::<[u8; 32]>(), 0..70),
        ) {
            let hashes: Vec<_> = forged.into_iter().map(Digest::from_bytes).collect();
            let new = TreeHead { size, ..head(&log(3)) };
            let old = TreeHead { size: old_size, ..head(&log(2)) };
            let inclusion = InclusionProof { sequence, size, hashes: hashes.clone() };
            let renumbered = Event { sequence, ..event(0) };
            prop_assert!(inclusion.verify(&renumbered, &new).is_err());
            let consistency = ConsistencyProof { old_size, new_size: size, hashes };
            prop_assert!(consistency.verify(&old, &new).is_err());
        }
    }
}
