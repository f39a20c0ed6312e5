//! Write a Glovebox job in Rust.
//!
//! A job is one [`job!`] declaration in a `cdylib` crate. The macro writes the manifest into the custom section
//! `glovebox.job` and the exports of the interface `glovebox:job@0.1.0` (normative text: sdk/wit/README.md). There are
//! four kinds, told apart by what the job sees between two resets of its sandbox:
//!
//! * `isolation: row` — each output is an expression over one row. The functions keep no state, which the enclave
//!   proves before it runs them, so nothing can be carried from one person to the next.
//! * `isolation: person` — a block of code over all rows of one person, in an instance that has seen no other.
//! * `isolation: block` — a block of code over all rows of a block of persons, which estimates one number per output.
//!   The enclave releases means or medians over the blocks, with noise.
//! * `isolation: cohort` — code that sees everything and makes tables, which leave only after people have reviewed them.
//!
//! With `row` and `person` a job only says where a person counts and with what value; the enclave adds up, bounds what
//! one person can contribute, applies the disclosure rules and releases. Such a job may have `rounds`: after each, its
//! `update` gets what was released, and gives the numbers for the next.
//!
//! ```
//! glovebox_guest::job! {
//!     name: "mean-bmi",
//!     version: "1.0.0",
//!     description: "Mean body-mass index of adults by sex",
//!     isolation: row,
//!     contributions_per_person_max: 1,
//!     inputs {
//!         sex: code[MALE = "1", FEMALE = "2"],
//!         age: float64,
//!         bmi: float64 or missing,
//!     }
//!     parameters { age_min = 18.0 in 0.0..=120.0 }
//!     keys { sex: codes["male", "female"] }
//!     outputs |row, parameters| {
//!         adults:   distinct_persons by [sex: row.sex] when row.age >= parameters.age_min;
//!         mean_bmi: mean(10.0, 80.0) by [sex: row.sex] when row.age >= parameters.age_min => row.bmi?;
//!     }
//! }
//!
//! // The kernels are plain functions: jobs are tested like any Rust code.
//! let row = Row { sex: sex::FEMALE, age: 44.0, bmi: Some(23.5) };
//! let expected = glovebox_guest::Contribution { cell: 1, value: 23.5 };
//! assert_eq!(Job::mean_bmi(&row, &Parameters::default()), Some(expected));
//! let unweighed = Row { bmi: None, ..row };
//! assert_eq!(Job::mean_bmi(&unweighed, &Parameters::default()), None);
//! ```
#![no_std]

extern crate alloc;

mod cohort;
mod column;
mod describe;
#[cfg(any(target_arch = "wasm32", test))]
mod heap;
mod job;
mod json;
mod key;
mod math;
mod rounds;
mod row;
mod unit;
mod value;

#[cfg(not(feature = "component"))]
#[doc(hidden)]
pub mod columnar;
#[cfg(feature = "component")]
#[doc(hidden)]
pub mod component;

#[doc(hidden)]
pub mod memory;
#[doc(hidden)]
pub mod raw;

pub use cohort::{decode, encode};
pub use column::{Column, mean};
pub use describe::{Bounds, ColumnType, Description, Domain, Input, Kind, Number, Output, Parameter, Reducer, Rounds};
pub use json::{manifest_json, manifest_len};
pub use key::{Bands, Codes, Integers, Key};
pub use math::{exp, ln, logistic, solve};
pub use rounds::{Figures, Next};
pub use unit::{Contribution, Record, Values};
pub use value::{Code, Date, Element, KeyValue};

/// The interface that the exports speak; the manifest's `abi`.
pub const ABI: &str = "glovebox:job@0.1.0";

/// The snippets of README.md, and what the macro must refuse.
///
/// A number that JSON can't write:
/// ```compile_fail,E0080
/// const _: glovebox_guest::Number = glovebox_guest::__number!(1_000.0);
/// ```
/// A mean without a value, and a count with one:
/// ```compile_fail
/// let _: f64 = glovebox_guest::__value!(mean);
/// ```
/// ```compile_fail
/// let _: f64 = glovebox_guest::__value!(count 1.0);
/// ```
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
