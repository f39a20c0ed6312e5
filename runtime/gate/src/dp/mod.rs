//! Differential privacy: releases with noise, and what they will cost and tell before they are made.
//!
//! Protected is one person: all rows of one, given or taken away, change the odds of any release by no more than the
//! loss. The number of persons of a snapshot is public, and a person's place in it stays when the rows go. Contributions
//! per person and output are bounded and values clamped before anything is added up, so each sum has a bound on what one
//! person moves; noise in proportion goes on exact integers, and figures are computed from noisy integers alone.
//! docs/differential-privacy.md explains it to people; each file has the proof of its mechanism.

mod estimates;
mod explain;
mod figure;
mod noise;
mod quantile;
mod quantity;
mod release;
#[cfg(test)]
mod tests;

pub use estimates::{Estimates, refuse_privacy, release_estimates};
pub use explain::{ExpectedError, explain};
use noise::{Noise, Selection, Sensitivity, Share};
pub use release::release_private;
