//! The REST interface of a real server over a real engine: who gets in, what comes back, what happens under faults.

mod connections;
mod jobs;
mod requests;
mod uploads;
pub(crate) mod zone;
