//! What can go wrong when the record is made, and what verification finds.

use glovebox_catalog::WitnessId;
use glovebox_gm::{Digest, GmError};
use thiserror::Error;

/// Why the record can't be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuditError {
    /// An event is not the next of its log.
    #[error("expected event {expected} of the log, got event {found}; append every event once and in order")]
    Sequence {
        /// The sequence number that comes next.
        expected: u64,
        /// The one offered.
        found: u64,
    },
    /// A proof is asked for an event or size that the log does not have.
    #[error("expected {what} of a log of {size} events; ask again once the log has grown so far")]
    OutOfRange {
        /// What was expected.
        what: &'static str,
        /// Size of the log.
        size: u64,
    },
    /// A number that JSON can't write.
    #[error("`{field}` is not a finite number; JSON can't write it")]
    NotFinite {
        /// The field.
        field: String,
    },
    /// A value that can't be written as JSON.
    #[error("the value can't be written as JSON: {0}")]
    Json(String),
    /// A policy of witnesses that protects nothing, or can't be read.
    #[error("the witnesses can't be used: {rule}")]
    WitnessPolicy {
        /// What is expected of them.
        rule: &'static str,
    },
    /// Signing failed.
    #[error(transparent)]
    Signing(#[from] GmError),
}

/// What verification found.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// The signature does not fit.
    #[error("the signature of the {what} does not verify with this key: it was changed, or signed by another key")]
    Signature {
        /// What was signed.
        what: &'static str,
    },
    /// The statement names another enclave's key.
    #[error("the statement is of the enclave with key {found}, but the key given is {expected}")]
    OtherEnclave {
        /// Fingerprint of the key given.
        expected: Digest,
        /// Fingerprint in the statement.
        found: Digest,
    },
    /// Two parts belong to different logs.
    #[error("expected log `{expected}`, found log `{found}`")]
    OtherLog {
        /// Id of the one log.
        expected: String,
        /// Id of the other.
        found: String,
    },
    /// A cosignature that claims to be of a known witness.
    #[error("the cosignature of witness `{witness}` does not verify with its key: it, or the head, was changed")]
    Cosignature {
        /// The witness.
        witness: WitnessId,
    },
    /// Too few witnesses vouch for a head.
    #[error(
        "{found} of the {required} witnesses that are needed cosigned this head; missing: {}. Ask the enclave again once \
         they are there; a log that was rolled back or forked never gets them",
        missing.join(", ")
    )]
    Unwitnessed {
        /// How many are needed.
        required: usize,
        /// How many there are.
        found: usize,
        /// Names of those that are not there.
        missing: Vec<String>,
    },
    /// A receipt of a version that this code does not know.
    #[error("the receipt has version {found}, this verifier knows version {known}; use a newer verifier")]
    Version {
        /// Version known.
        known: u32,
        /// Version found.
        found: u32,
    },
    /// The event does not record the statement.
    #[error("event {sequence} does not record the digest of this statement")]
    StatementNotRecorded {
        /// The event.
        sequence: u64,
    },
    /// The output is not the one that the statement names.
    #[error("the output is not the one of the statement: its SM3 digest is another, or nothing was released")]
    OtherOutput,
    /// The event is not in the tree.
    #[error("event {sequence} is not in the log of size {size} under this tree head")]
    NotIncluded {
        /// The event.
        sequence: u64,
        /// Size of the tree.
        size: u64,
    },
    /// The proof is for other tree heads than those given.
    #[error("the proof is for a tree of size {found}, the tree head is of size {expected}")]
    ProofSize {
        /// Size in the tree head.
        expected: u64,
        /// Size in the proof.
        found: u64,
    },
    /// The newer tree does not go on from the older one.
    #[error("the log was rewritten: its first {old_size} events are not those that were signed before")]
    Forked {
        /// Size of the older tree.
        old_size: u64,
    },
    /// A line is not the one form in which an event or head is written.
    #[error("line {line} of the export is not an event in canonical JSON followed by a line feed")]
    Line {
        /// The line, from 1.
        line: u64,
    },
    /// Events are missing, doubled or out of order.
    #[error("line {line} of the export: expected event {expected}, found event {found}")]
    Order {
        /// The line, from 1.
        line: u64,
        /// Sequence number expected.
        expected: u64,
        /// Sequence number found.
        found: u64,
    },
    /// The export ends early, or holds more than its tree head vouches for.
    #[error("expected {expected} events, the export holds {found}")]
    Size {
        /// Events expected.
        expected: u64,
        /// Events found.
        found: u64,
    },
    /// The export does not end with a tree head.
    #[error("the export does not end with a line `{{\"head\":…}}`: it is truncated, or something was appended")]
    NoHead,
    /// An event was changed.
    #[error("the events do not add up to the root of the signed tree head: at least one was changed")]
    Root,
    /// The export could not be read.
    #[error("the export could not be read: {0}")]
    Read(std::io::ErrorKind),
}
