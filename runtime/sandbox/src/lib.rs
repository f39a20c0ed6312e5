//! Inspection and execution of job modules: what a guest is allowed to be, and what it is allowed to do.
//!
//! [`inspect`] decides from a module's bytes alone whether it may run at all, and proves for isolation `row` that it keeps
//! no state. [`Sandbox`] compiles what passed, [`Run`] drives it over batches of a view and hands contributions to a
//! [`ContributionSink`]. Nothing ambient reaches a guest: no clock, randomness, files, network or logs.
//! The interface that guests speak is in sdk/wit; the argument why it bounds what can leave, in docs/isolation.md.

mod block;
mod caps;
mod chamber;
mod cohort;
mod columnar;
mod columns;
mod compiling;
mod component;
mod door;
mod driver;
mod error;
mod gather;
mod globals;
mod guest;
mod host;
mod inspect;
mod layout;
mod limits;
mod record;
mod row;
mod run;
#[cfg(test)]
mod tests;
mod unit;
mod update;

pub use caps::{
    COHORT_BASE_ROWS, COHORT_BATCH_ROWS, COHORT_STRETCH_ROWS, COMPONENT_SIZE_MAX_BYTES, MODULE_SIZE_MAX_BYTES,
    RECORD_FUEL_UNITS, RECORDS_PER_PERSON_MAX, ROWS_PER_BLOCK,
};
pub use error::{FailureClass, RunError, SandboxError, SinkError};
pub use host::{Compiled, Config, Sandbox};
pub use inspect::{Inspected, inspect};
pub use limits::{CancelFlag, Faults, Limits, Progress, RunMeters};
pub use run::{ContributionSink, Plan, Run};
pub use update::{ReleasedOutput, Update, UpdateInput};
