//! A log built from the leaves of many events, as when it is read from disk or from an export.

use crate::{AuditError, Log};

/// Leaves are kept until there are so many, or so many bytes of them, and then hashed beside each other.
const LEAVES_MAX: usize = 1024;
const BYTES_MAX: usize = 1 << 20;

/// Takes leaves in order; gives the [`Log`] of them.
#[derive(Debug)]
pub struct LogBuilder {
    log: Log,
    /// Leaves that are not in the log yet, and where each of them ends.
    leaves: Vec<u8>,
    ends: Vec<usize>,
}

impl LogBuilder {
    /// Of a log called `log_id`.
    pub fn new(log_id: impl Into<String>) -> Self {
        Self { log: Log::new(log_id), leaves: Vec::new(), ends: Vec::new() }
    }

    /// How many leaves it was given.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.log.size() + self.ends.len() as u64
    }

    /// Appends event `sequence` by its leaf.
    ///
    /// # Errors
    /// [`AuditError::Sequence`] unless `sequence` is [`LogBuilder::size`].
    pub fn append_leaf(&mut self, sequence: u64, leaf: &[u8]) -> Result<(), AuditError> {
        if sequence != self.size() {
            return Err(AuditError::Sequence { expected: self.size(), found: sequence });
        }
        self.leaves.extend_from_slice(leaf);
        self.ends.push(self.leaves.len());
        if self.ends.len() >= LEAVES_MAX || self.leaves.len() >= BYTES_MAX {
            self.hash();
        }
        Ok(())
    }

    /// The log of all leaves.
    #[must_use]
    pub fn finish(mut self) -> Log {
        self.hash();
        self.log
    }

    fn hash(&mut self) {
        let starts = std::iter::once(&0).chain(&self.ends);
        let leaf = |(start, end): (&usize, &usize)| self.leaves.get(*start..*end).unwrap_or_default();
        let leaves: Vec<&[u8]> = starts.zip(&self.ends).map(leaf).collect();
        self.log.extend(&leaves);
        self.leaves.clear();
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{LOG_ID, event, log};

    fn built(leaves: &[Vec<u8>]) -> Log {
        let mut builder = LogBuilder::new(LOG_ID);
        for (sequence, leaf) in (0..).zip(leaves) {
            assert_eq!(builder.append_leaf(sequence, leaf), Ok(()));
        }
        assert_eq!(builder.size(), leaves.len() as u64);
        builder.finish()
    }

    #[test]
    fn a_log_built_is_the_log_appended() {
        let size = 2 * LEAVES_MAX as u64 + 3;
        let leaves: Vec<Vec<u8>> = (0..size).map(|sequence| event(sequence).leaf()).collect();
        let appended = log(size);
        for size in (0..70).chain(1020..1030).chain(2040..=leaves.len()) {
            let built = built(&leaves[..size]);
            assert_eq!(built.log_id(), LOG_ID);
            assert_eq!(Ok(built.root()), appended.root_at(size as u64), "{size}");
        }
        // And every node of it: a proof shows those that the root does not.
        let built = built(&leaves);
        for sequence in 0..size {
            assert_eq!(built.inclusion_proof(sequence), appended.inclusion_proof(sequence), "{sequence}");
        }
    }

    #[test]
    fn large_leaves_are_not_all_kept() {
        let leaves: Vec<Vec<u8>> = (0..7).map(|byte| vec![byte; BYTES_MAX / 2 - 1]).collect();
        let mut appended = Log::new(LOG_ID);
        let mut builder = LogBuilder::new(LOG_ID);
        for (sequence, leaf) in (0..).zip(&leaves) {
            appended.append_leaf(sequence, leaf).unwrap();
            builder.append_leaf(sequence, leaf).unwrap();
            assert!(builder.leaves.len() < BYTES_MAX);
        }
        assert_eq!(builder.finish().root(), appended.root());
    }

    #[test]
    fn leaves_come_once_and_in_order() {
        let mut builder = LogBuilder::new(LOG_ID);
        for sequence in 0..LEAVES_MAX as u64 + 2 {
            for found in [sequence + 1, sequence.wrapping_sub(1), u64::MAX - 1] {
                assert_eq!(builder.append_leaf(found, b""), Err(AuditError::Sequence { expected: sequence, found }));
            }
            assert_eq!(builder.append_leaf(sequence, &event(sequence).leaf()), Ok(()));
        }
        assert_eq!(builder.finish().root(), log(LEAVES_MAX as u64 + 2).root());
    }
}
