//! What the store promises, tried on real files.

mod budgets;
mod cohorts;
mod commitments;
mod counter;
mod coverage;
mod crash;
mod fixtures;
mod forgery;
mod jobs;
mod log;
mod privacy;
mod records;
mod reviews;
mod suspensions;
mod tampering;
