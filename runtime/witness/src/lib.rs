//! A witness of an enclave's log, for a supplier or a regulator: a small program with a key and a folder of its own.
//!
//! It remembers one head of one log of one enclave. Shown a newer one with a proof that the log goes on from there, it
//! remembers that, on disk, and then cosigns it. It never goes back and never cosigns two roots of one size; two heads of
//! the enclave that contradict each other are kept as evidence. Protocol, formats and limits: docs/witnesses.md.
//!
//! Here too is the client with which an enclave asks.

mod client;
mod error;
mod folder;
mod judgement;
mod server;
#[cfg(test)]
mod testing;
mod witness;

pub use client::{CallError, Client};
pub use error::WitnessError;
pub use folder::{Fork, ForkKind, Setup, Shown, create, show};
pub use server::Server;
pub use witness::{Refusal, Witness};
