//! Random guests: what wasm-smith makes, wrapped so that it speaks the job interface, and what must hold of each.
//!
//! wasm-smith's functions do whatever they like with memory, globals, tables and segments. The wrapper adds what it would
//! hardly ever hit: an allocator, an entry point that calls those functions and answers with a record made of all that they
//! returned and of all memory, and the manifest.

mod checks;
mod guests;
mod splice;

use arbitrary::{Result, Unstructured};

pub use checks::Outcome;

/// Arbitrary bytes are inspected, and never panic.
pub fn check_inspection(bytes: &[u8]) {
    let _ = glovebox_sandbox::inspect(bytes);
}

/// A random `person` guest gives each person the same, whoever came before.
///
/// # Errors
/// When `u` has too little data for a module.
pub fn check_reset(u: &mut Unstructured<'_>) -> Result<Outcome> {
    let guest = guests::person(u)?;
    Ok(checks::persons_are_apart(&guest, &order(u)))
}

/// A random `row` module that passes the proof gives each row the same, in whatever order rows come.
///
/// # Errors
/// When `u` has too little data for a module.
pub fn check_row(u: &mut Unstructured<'_>) -> Result<Outcome> {
    let guest = guests::row(u)?;
    Ok(checks::rows_are_apart(&guest, &order(u)))
}

/// An order of persons; with no data left the first to the last.
fn order(u: &mut Unstructured<'_>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..checks::PERSONS).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, u.int_in_range(0..=at).unwrap_or(at));
    }
    order
}
