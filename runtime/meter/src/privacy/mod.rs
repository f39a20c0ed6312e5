//! Privacy loss: what noisy releases cost together, and what a dataset, a grant and a developer have left.

mod account;
mod convert;
mod loss;

pub use account::{EpsilonExhausted, PrivacyAccount, PrivacyHolder};
pub use loss::PrivacyLoss;
