//! Peers and Glovebox, side by side in one run.
fn main() {}
