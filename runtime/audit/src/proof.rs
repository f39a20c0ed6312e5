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
