//! Large synthetic hospital tables for tests and benches: skewed, seeded, of any size, streamed.
//!
//! ```
//! use glovebox_tests::{Hospital, Table};
//!
//! let hospital = Hospital { persons: 1_000, seed: 7 };
//! let mut csv = Vec::new();
//! let rows = hospital.write_csv(Table::Diagnoses, &mut csv)?;
//! assert!(rows > 1_000);
//! # Ok::<(), glovebox_tests::SyntheticError>(())
//! ```

mod columns;
mod draw;
mod hospital;
mod icd10;
mod tables;

pub use hospital::{Hospital, SyntheticError, Table};
