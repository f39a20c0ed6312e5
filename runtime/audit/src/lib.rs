//! The record of what was decided and changed: events, the Merkle log over them, signed tree heads, cosignatures of
//! witnesses, receipts.
//!
//! Pure: no I/O, no clock, no randomness. Whoever verifies needs this crate, the enclave's public key and nothing of
//! the enclave itself. Formats are described in docs/receipts.md.

mod add_head;
mod canonical;
mod cosignature;
mod error;
mod event;
mod export;
mod head;
mod log;
#[cfg(test)]
mod openssl;
mod proof;
mod rebuild;
mod receipt;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod vectors;
mod witness_policy;

pub use add_head::{AddHead, WitnessRefusal, WitnessView};
pub use canonical::canonical_json;
pub use cosignature::Cosignature;
pub use error::{AuditError, VerifyError};
pub use event::{Actor, Draft, Event, Outcome};
pub use export::{ExportSummary, verify_export};
pub use head::{SignedTreeHead, TreeHead};
pub use log::Log;
pub use proof::{ConsistencyProof, InclusionProof};
pub use rebuild::LogBuilder;
pub use receipt::{RECEIPT_VERSION, Receipt, STATEMENT_DETAIL, Statement};
pub use witness_policy::{KnownWitness, WitnessPolicy};

/// The snippets of docs/receipts.md, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/receipts.md")]
struct Receipts;
