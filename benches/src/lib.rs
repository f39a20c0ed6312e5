//! Work that the criterion benches and the comparison share: guests, rows, clocks, and the table of figures.

pub mod clock;
pub mod figure;
pub mod guest;
pub mod kept;
pub mod reduction;
pub mod rows;
