//! The vault: encrypted segments, the keyring, ingestion and views.
//!
//! Everything on disk is sealed (docs/vault-format.md). Rows come in by [`Vault::ingest`] and are seen again only through
//! [`Vault::open_view`], which takes a permit. No error, log line or file name holds anything read from a row.

mod error;
mod folder;
mod ingest;
mod keyring;
mod seal;
mod segment;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod vault;
mod view;

pub use error::VaultError;
pub use ingest::{IngestOptions, Progress, QuarantineReason, SourceFormat, Staged};
pub use keyring::RootKey;
pub use segment::Fault;
pub use vault::{Swept, Vault};
pub use view::{Batches, PersonIds, PlainBatch, View, ViewMeters};
