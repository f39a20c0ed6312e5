//! The Merkle log (RFC 9162, section 2.1, with SM3), kept as hashes alone: 64 bytes an event.
//!
//! `ct-merkle` knows which nodes make a proof and verifies it. Its own tree keeps every leaf in memory and proves only
//! against the newest size; the nodes are therefore kept here, and any past size can be proven.

use ct_merkle::{indices_for_consistency_proof, indices_for_inclusion_proof};
use glovebox_catalog::Timestamp;
use glovebox_gm::{Digest, Sm3Hasher, sm3};

use crate::{AuditError, ConsistencyProof, Event, InclusionProof, TreeHead};

/// An append-only log of events.
#[derive(Debug, Clone)]
pub struct Log {
    log_id: String,
    /// `levels[k][i]` is the hash of the complete subtree over leaves `i·2ᵏ` to `(i+1)·2ᵏ − 1`. Once there, it never
    /// changes.
    levels: Vec<Vec<Digest>>,
}

impl Log {
    /// An empty log called `log_id`.
    pub fn new(log_id: impl Into<String>) -> Self {
        Self { log_id: log_id.into(), levels: vec![Vec::new()] }
    }

    /// Its id.
    #[must_use]
    pub fn log_id(&self) -> &str {
        &self.log_id
    }

    /// How many events it holds.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Appends `event`.
    ///
    /// # Errors
    /// [`AuditError::Sequence`] unless `event.sequence` is [`Log::size`].
    pub fn append(&mut self, event: &Event) -> Result<(), AuditError> {
        self.append_leaf(event.sequence, &event.leaf())
    }

    /// Appends an event that is at hand as its leaf. For many of them there is [`crate::LogBuilder`].
    ///
    /// # Errors
    /// [`AuditError::Sequence`] unless `sequence` is [`Log::size`].
    pub fn append_leaf(&mut self, sequence: u64, leaf: &[u8]) -> Result<(), AuditError> {
        if sequence != self.size() {
            return Err(AuditError::Sequence { expected: self.size(), found: sequence });
        }
        self.extend(&[leaf]);
        Ok(())
    }

    /// Appends `leaves` in their order. On every level, all new nodes are hashed beside each other.
    pub(crate) fn extend(&mut self, leaves: &[&[u8]]) {
        let mut new = prefixed(LEAF).finish_each(leaves);
        let mut level = 0;
        while !new.is_empty() {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let Some(nodes) = self.levels.get_mut(level) else { return };
            // All nodes before this one have their parent: the last of an odd number waits for its other half.
            let without_parent = nodes.len() - nodes.len() % 2;
            nodes.append(&mut new);
            let (pairs, _) = nodes.get(without_parent..).unwrap_or_default().as_chunks();
            let pairs: Vec<[u8; 64]> = pairs.iter().map(joined).collect();
            new = prefixed(NODE).finish_each(&pairs);
            level += 1;
        }
    }

    /// Root of the tree over all events.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.subtree(0, self.size()).unwrap_or_else(|| sm3(b""))
    }

    /// Root of the tree over the first `size` events.
    ///
    /// # Errors
    /// [`AuditError::OutOfRange`] when the log is shorter.
    pub fn root_at(&self, size: u64) -> Result<Digest, AuditError> {
        match size {
            0 => Ok(sm3(b"")),
            _ => self.subtree(0, size).ok_or_else(|| self.out_of_range("a size within")),
        }
    }

    /// The head of the whole log, to be signed.
    #[must_use]
    pub fn head(&self, at: Timestamp) -> TreeHead {
        TreeHead { log_id: self.log_id.clone(), size: self.size(), root: self.root(), at }
    }

    /// Proof that event `sequence` is in the log as it is now.
    ///
    /// # Errors
    /// [`AuditError::OutOfRange`] when the log has no such event.
    pub fn inclusion_proof(&self, sequence: u64) -> Result<InclusionProof, AuditError> {
        self.inclusion_proof_at(sequence, self.size())
    }

    /// Proof that event `sequence` is among the first `size` events.
    ///
    /// # Errors
    /// [`AuditError::OutOfRange`] unless `sequence < size ≤` [`Log::size`].
    pub fn inclusion_proof_at(&self, sequence: u64, size: u64) -> Result<InclusionProof, AuditError> {
        if sequence >= size || size > self.size() {
            return Err(self.out_of_range("an event and a size within"));
        }
        let hashes = self.nodes(&indices_for_inclusion_proof(size, sequence), size)?;
        Ok(InclusionProof { sequence, size, hashes })
    }

    /// Proof that the log as it is now goes on from its first `old_size` events.
    ///
    /// # Errors
    /// [`AuditError::OutOfRange`] when the log is shorter.
    pub fn consistency_proof(&self, old_size: u64) -> Result<ConsistencyProof, AuditError> {
        self.consistency_proof_at(old_size, self.size())
    }

    /// Proof that the first `new_size` events go on from the first `old_size`.
    ///
    /// # Errors
    /// [`AuditError::OutOfRange`] unless `old_size ≤ new_size ≤` [`Log::size`].
    pub fn consistency_proof_at(&self, old_size: u64, new_size: u64) -> Result<ConsistencyProof, AuditError> {
        if old_size > new_size || new_size > self.size() {
            return Err(self.out_of_range("two sizes, the older one first, within"));
        }
        // Every log goes on from the empty one.
        let indices = match old_size {
            0 => Vec::new(),
            _ => indices_for_consistency_proof(old_size, new_size - old_size),
        };
        let hashes = self.nodes(&indices, new_size)?;
        Ok(ConsistencyProof { old_size, new_size, hashes })
    }

    /// Nodes of the tree of `size` leaves by their index in the array form of RFC 9420, appendix C: the node over
    /// leaves `p·2ᵏ …` has index `p·2ᵏ⁺¹ + 2ᵏ − 1`, and those at the right edge end with the tree.
    fn nodes(&self, indices: &[u64], size: u64) -> Result<Vec<Digest>, AuditError> {
        let node = |index: &u64| {
            let level = index.trailing_ones();
            let start = (index >> (level + 1)) << level;
            let end = start.saturating_add(1 << level).min(size);
            self.subtree(start, end).ok_or_else(|| self.out_of_range("a node within"))
        };
        indices.iter().map(node).collect()
    }

    /// Hash of the subtree over leaves `start` to `end − 1`, where `start` is a multiple of the width rounded up to a
    /// power of two. None when there are no such leaves.
    fn subtree(&self, start: u64, end: u64) -> Option<Digest> {
        let width = end.checked_sub(start).filter(|width| *width > 0)?;
        if width.is_power_of_two() {
            let level = usize::try_from(width.trailing_zeros()).ok()?;
            let place = usize::try_from(start / width).ok()?;
            return self.levels.get(level)?.get(place).copied();
        }
        let middle = start + width.next_power_of_two() / 2;
        Some(hash_parent(&self.subtree(start, middle)?, &self.subtree(middle, end)?))
    }

    fn out_of_range(&self, what: &'static str) -> AuditError {
        AuditError::OutOfRange { what, size: self.size() }
    }
}

/// What begins the text of a leaf's hash: SM3(0x00 ‖ leaf).
const LEAF: u8 = 0;
/// What begins the text of an inner node's hash: SM3(0x01 ‖ left ‖ right).
const NODE: u8 = 1;

fn prefixed(prefix: u8) -> Sm3Hasher {
    let mut hasher = Sm3Hasher::new();
    hasher.update(&[prefix]);
    hasher
}

fn hash_parent(left: &Digest, right: &Digest) -> Digest {
    let mut hasher = prefixed(NODE);
    hasher.update(left.as_ref());
    hasher.update(right.as_ref());
    hasher.finish()
}

fn joined([left, right]: &[Digest; 2]) -> [u8; 64] {
    let mut both = [0; 64];
    let bytes = left.as_bytes().iter().chain(right.as_bytes());
    both.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    both
}

#[cfg(test)]
mod tests {
    use ::sm3::{Digest as _, Sm3};
    use ct_merkle::mem_backed_tree::MemoryBackedTree;

    use super::*;
    use crate::samples::{event, log};

    /// The largest tree tried: every shape of the right edge up to six levels.
    const SIZE_MAX: u64 = 64;

    fn reference(size: u64) -> MemoryBackedTree<Sm3, Vec<u8>> {
        let mut tree = MemoryBackedTree::new();
        (0..size).for_each(|sequence| tree.push(event(sequence).leaf()));
        tree
    }

    fn bytes(hashes: &[Digest]) -> Vec<u8> {
        hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
    }

    /// RFC 9162, section 2.1.1, by its recursive definition.
    fn tree_hash(leaves: &[Vec<u8>]) -> Vec<u8> {
        match leaves {
            [] => Sm3::digest(b"").to_vec(),
            [leaf] => Sm3::digest([&[0][..], leaf].concat()).to_vec(),
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                Sm3::digest([&[1][..], &tree_hash(left), &tree_hash(right)].concat()).to_vec()
            }
        }
    }

    #[test]
    fn roots_follow_the_definition_at_every_size() {
        let leaves: Vec<_> = (0..SIZE_MAX).map(|sequence| event(sequence).leaf()).collect();
        let whole = log(SIZE_MAX);
        for size in 0..=SIZE_MAX {
            let expected = tree_hash(&leaves[..size as usize]);
            assert_eq!(log(size).root().as_ref(), expected, "{size}");
            assert_eq!(whole.root_at(size).unwrap().as_ref(), expected, "{size} of {SIZE_MAX}");
        }
        assert_eq!(log(0).root().to_string(), "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b");
    }

    #[test]
    fn proofs_equal_those_of_the_library() {
        let whole = log(SIZE_MAX);
        for size in 1..=SIZE_MAX {
            let tree = reference(size);
            assert_eq!(whole.root_at(size).unwrap().as_ref(), tree.root().as_bytes().as_slice());
            for sequence in 0..size {
                let proof = whole.inclusion_proof_at(sequence, size).unwrap();
                assert_eq!(bytes(&proof.hashes), tree.prove_inclusion(sequence as usize).as_bytes());
                let proof = whole.consistency_proof_at(sequence + 1, size).unwrap();
                assert_eq!(bytes(&proof.hashes), tree.prove_consistency((size - sequence - 1) as usize).as_bytes());
            }
        }
    }

    #[test]
    fn events_are_appended_once_and_in_order() {
        let mut log = log(3);
        for found in [0, 2, 4, u64::MAX] {
            assert_eq!(log.append(&event(found)), Err(AuditError::Sequence { expected: 3, found }));
        }
        let root = log.root();
        assert_eq!(log.append(&event(3)), Ok(()));
        assert_eq!(log.size(), 4);
        assert_ne!(log.root(), root);
    }

    #[test]
    fn what_the_log_has_not_can_not_be_proven() {
        let log = log(5);
        for (sequence, size) in [(5, 5), (0, 6), (u64::MAX, u64::MAX), (0, 0)] {
            assert!(matches!(log.inclusion_proof_at(sequence, size), Err(AuditError::OutOfRange { size: 5, .. })));
        }
        for (old, new) in [(6, 6), (3, 2), (0, u64::MAX), (u64::MAX, u64::MAX)] {
            assert!(matches!(log.consistency_proof_at(old, new), Err(AuditError::OutOfRange { size: 5, .. })));
        }
        assert!(log.inclusion_proof(5).is_err());
        assert!(log.root_at(6).is_err());
        assert!(Log::new("empty").inclusion_proof(0).is_err());
    }
}
