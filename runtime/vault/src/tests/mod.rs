//! The vault as a whole: what goes in comes out, through a permit alone, and no fault or thief changes that.

mod faults;
mod ingestion;
mod quarantine;
mod registry;
mod sealing;
mod thief;
mod uploads;
mod views;
