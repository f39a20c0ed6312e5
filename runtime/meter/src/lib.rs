//! What is used and how much may be: amounts, accounts, reservations. Pure.
//!
//! Every amount of a job is reserved before a row is read, and committed or refunded after. Arithmetic saturates, so
//! that no overflow ever gives budget back.

// What a budget holds is decided here: an overflow would give some of it back.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod account;
mod amounts;
mod coarse;
mod meter;
mod privacy;

pub use account::{Account, AccountHolder, Exhausted};
pub use amounts::Amounts;
pub use coarse::{fuel_bucket, two_digits_up};
pub use meter::Meter;
pub use privacy::{EpsilonExhausted, PrivacyAccount, PrivacyHolder, PrivacyLoss};
