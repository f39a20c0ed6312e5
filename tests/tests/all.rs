//! Tests that look at more than one crate, or at the repository itself: one binary, one module per subject.
// Tells clippy that helpers beside the test functions are test code too.
#![cfg(test)]

mod contributions;
mod doors;
mod example_data;
mod guests;
mod layering;
mod malformed;
mod synthetic;
mod tidy;
