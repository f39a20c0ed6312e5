//! The command line of Glovebox.
fn main() {}
