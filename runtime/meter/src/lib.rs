//! What is used and how much may be: amounts, accounts, reservations. Pure.
use serde::{Deserialize, Serialize};

/// Amounts of everything that is metered; also the balance of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Amounts {
    /// Jobs started.
    pub jobs: u64,
    /// Releases that left.
    pub releases: u64,
    /// Cells that left.
    pub cells: u64,
    /// Bytes that left.
    pub bytes_out: u64,
    /// Fuel burnt, in wasmtime units.
    pub fuel_units: u64,
    /// Rows read.
    pub rows_read: u64,
    /// Plaintext bytes decrypted.
    pub bytes_read: u64,
    /// CPU time, in milliseconds.
    pub cpu_ms: u64,
    /// Peak memory of guests, in bytes; combined by maximum, not by sum.
    pub memory_peak_bytes: u64,
}
