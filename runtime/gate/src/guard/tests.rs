//! Placeholder for the tests that follow.
