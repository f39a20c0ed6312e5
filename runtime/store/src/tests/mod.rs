//! What the store promises, tried on real files.

mod budgets;
mod crash;
mod fixtures;
mod jobs;
mod log;
mod records;
mod tampering;
