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

    /// Appends an event that is at hand as its leaf, as when the log is read back from disk.
    ///
    /// # Errors
    /// [`AuditError::Sequence`] unless `sequence` is [`Log::size`].
    pub fn append_leaf(&mut self, sequence: u64, leaf: &[u8]) -> Result<(), AuditError> {
        if sequence != self.size() {
            return Err(AuditError::Sequence { expected: self.size(), found: sequence });
        }
        let mut node = hash_leaf(leaf);
        for level in 0.. {
            let Some(nodes) = self.levels.get_mut(level) else {
                self.levels.push(vec![node]);
                break;
            };
            nodes.push(node);
            // An even count means that the last two are the halves of a subtree that is now complete.
            match nodes.last_chunk() {
                Some([left, right]) if nodes.len() % 2 == 0 => node = hash_parent(left, right),
                _ => break,
            }
        }
        Ok(())
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

/// Hash of a leaf: SM3(0x00 ‖ leaf).
fn hash_leaf(leaf: &[u8]) -> Digest {
    let mut hasher = Sm3Hasher::new();
    hasher.update(&[0]);
    hasher.update(leaf);
    hasher.finish()
}

/// Hash of a node: SM3(0x01 ‖ left ‖ right).
fn hash_parent(left: &Digest, right: &Digest) -> Digest {
    let mut hasher = Sm3Hasher::new();
    hasher.update(&[1]);
    hasher.update(left.as_ref());
    hasher.update(right.as_ref());
    hasher.finish()
}
