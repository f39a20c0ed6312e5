//! The vault as a whole: what goes in comes out, through a permit alone, and no fault or thief changes that.

mod faults;
mod ingestion;
mod quarantine;
mod thief;
mod uploads;
mod views;
