//! What may leave: trusted reducers with exact contributor sets, and the disclosure rules between them and a release.
//!
//! A guest's numbers are contributions, never results. [`Reduction`] bounds and adds them up, [`disclose`] decides cell
//! by cell what is shown; [`release_private`] puts noise on everything instead. Only this crate makes a [`Release`]. No I/O,
//! no clock, and no randomness but that of noise: the same contributions under the same profile give the same bytes.
//! docs/disclosure.md and docs/differential-privacy.md explain it to people.

mod cell;
mod contributors;
mod disclose;
mod dp;
mod error;
mod filling;
mod guard;
mod intake;
mod judgement;
mod leakage;
mod lint;
mod margin;
mod patience;
mod persons;
mod profile;
mod reducers;
mod reduction;
mod release;
mod review;
mod rules;
mod scale;
mod shape;
mod tally;
mod totals;

pub use disclose::disclose;
pub use dp::{Estimates, ExpectedError, explain, refuse_privacy, release_estimates, release_private};
pub use error::GateError;
pub use guard::{Guard, GuardFault, GuardIndex, GuardSession, NewCohort, PersonIds, Sketch, Unguarded, read_cohort};
pub use leakage::leakage_max;
pub use lint::{Advice, AdviceLevel, lint};
pub use patience::{Endless, Interrupted, Patience};
pub use profile::{Dominance, Profile, Rounding};
pub use reduction::{Contribution, Dropped, Reduced, Reduction, cells_max, memory_max_bytes};
pub use release::{Cell, Leakage, Mechanism, Model, Release, ReleaseDocument, Table, Verdict};
pub use review::{ClaimedTables, ReviewCandidate, RuleFinding, release_reviewed, review_table};
pub use shape::Dimension;
