//! The demo: a real server in a scratch folder, and the people of six organisations who use it through its REST
//! interface, each with a certificate of their own.

mod attacks;
mod cast;
mod evidence;
mod story;
mod teller;

pub(crate) use cast::{DEVELOPER, OFFICER, REGULATOR, REVIEWER, RUNNER, SUPPLIER_A};
pub(crate) use story::{Played, play};
