//! How many bits a release can carry at most, whatever the module is. docs/disclosure.md derives the bounds.

use glovebox_catalog::{JobManifest, Output, Privacy, Reducer};

use crate::Profile;
use crate::release::Leakage;
use crate::rules::count_step;
use crate::shape::Shape;

/// What a job can carry at most: to be reserved before it runs. Depends on nothing but what is declared, on the number
/// of rows and persons of the snapshot, and covers all rounds.
#[must_use]
pub fn leakage_max(
    manifest: &JobManifest,
    profile: &Profile,
    snapshot_rows: u64,
    persons: u64,
    privacy: Option<Privacy>,
) -> Leakage {
    let _ = (profile, snapshot_rows, persons, privacy, count_step);
    leakage_of_tables(manifest)
}

/// That of a table which a guest made of everything.
pub(crate) fn leakage_of_tables(manifest: &JobManifest) -> Leakage {
    let bits = |output: &Output| match &output.reducer {
        Reducer::Table { columns, rows_max } => {
            // Claimed persons are a number up to 2^32, or absent.
            let row: f64 =
                33.0 + columns.iter().map(|column| (column.column_type.value_count() as f64).log2()).sum::<f64>();
            row * f64::from(*rows_max)
        }
        _ => 64.0 * Shape::of(manifest, output).len() as f64,
    };
    let bits = manifest.outputs.iter().map(bits).sum::<f64>().ceil() as u64;
    Leakage { bits, bits_per_person: bits }
}
