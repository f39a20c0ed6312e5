//! Tests that look at more than one crate, or at the repository itself: one binary, one module per subject.
// Tells clippy that helpers beside the test functions are test code too.
#![cfg(test)]

mod attacks;
mod audit_search;
mod authority;
mod channels;
mod claims;
mod contributions;
mod crash;
mod doors;
mod enclave;
mod example_data;
mod existence;
mod fitted;
mod guests;
mod layering;
mod leaks;
mod ledger;
mod lifecycle;
mod malformed;
mod models;
mod openssl;
mod oracles;
mod panics;
mod promises;
mod rest;
mod reviews;
mod revocation;
mod roles;
mod scenarios;
mod sinks;
mod synthetic;
mod tidy;
mod witnesses;
mod world;
