//! The gate as its callers see it: the case tables of the profiles, attacks by module authors, and properties.
// All of this is test code, but only functions marked `#[test]` count as such for these lints.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod arithmetic;
mod attacks;
mod cases;
mod feasible;
mod harness;
mod leakage;
mod lint;
mod patience;
mod properties;
mod review;
mod totals;
