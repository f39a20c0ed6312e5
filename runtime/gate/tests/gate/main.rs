//! The gate as its callers see it: the case tables of the profiles, attacks by module authors, and properties.

mod attacks;
mod cases;
mod harness;
mod leakage;
mod properties;
