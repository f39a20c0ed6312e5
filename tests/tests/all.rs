//! Tests that look at more than one crate, or at the repository itself: one binary, one module per subject.

mod example_data;
mod layering;
mod synthetic;
mod tidy;
