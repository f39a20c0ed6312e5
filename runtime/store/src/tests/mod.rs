//! What the store promises, tried on real files.

mod budgets;
mod cohorts;
mod crash;
mod fixtures;
mod jobs;
mod log;
mod privacy;
mod records;
mod reviews;
mod tampering;
