//! What the sandbox adds: a fresh instance a person, and a `row` job against the same kernel native.

use std::time::Duration;

use anyhow::Result;
use glovebox_benches::clock::{cpu_best, cpu_best_of_two};
use glovebox_benches::figure::{Aim, Figure};
use glovebox_benches::guest;
use glovebox_benches::kept::{Kept, KeptComponent};
use glovebox_benches::rows::{Gate, ROWS_PER_BATCH, Rows, Sums};
use glovebox_sandbox::{Config, Sandbox};

const ROUNDS: u32 = 7;
const ROW_BATCHES: usize = 128;
const CALLS: u32 = 1_000_000;
const SUM: &str = r#""sum", "lower": 0, "upper": 1"#;

pub(crate) fn figures() -> Result<Vec<Figure>> {
    let sandbox = Sandbox::new(&Config::default())?;
    let mut figures = persons(&sandbox)?;
    figures.extend(rows(&sandbox)?);
    Ok(figures)
}

/// Microseconds of sandbox for each person, input and contribution included.
fn persons(sandbox: &Sandbox) -> Result<Vec<Figure>> {
    let mut kept = Kept::new()?;
    let core_us = micros(cpu_best(ROUNDS, || (0..CALLS).try_for_each(|_| kept.call()))?, CALLS as usize);
    let mut kept = KeptComponent::new()?;
    let component_us = micros(cpu_best(ROUNDS, || (0..CALLS).try_for_each(|_| kept.call()))?, CALLS as usize);
    let mut figures = Vec::new();
    for rows_per_person in [1, 16] {
        let rows = Rows::new(rows_per_person, rows_per_person)?;
        for (name, text, empty_us) in [
            ("columnar door", guest::person(""), core_us),
            ("columnar door, 64 KiB written", guest::person(guest::WRITES_64_KIB), core_us),
            ("component door", guest::COMPONENT.to_owned(), component_us),
        ] {
            let compiled = guest::compile(sandbox, &text, "person", r#""count""#)?;
            let taken = cpu_best(ROUNDS, || guest::drive(sandbox, &compiled, &rows, &mut Sums([0.0; 16])))?;
            let name = format!("fresh instance a person, {name}, {rows_per_person} rows");
            let figure = Figure::new(name, micros(taken, ROWS_PER_BATCH), "µs");
            figures.push(figure.aiming(Aim::AtMost(10.0)).beside("empty call, kept instance", empty_us));
        }
    }
    Ok(figures)
}

/// Millions of rows a second and core.
fn rows(sandbox: &Sandbox) -> Result<Vec<Figure>> {
    let rows = Rows::new(ROW_BATCHES, 1)?;
    let rate = |taken: Duration| rows.len() as f64 / taken.as_secs_f64() / 1e6;
    let compiled = guest::compile(sandbox, &guest::row(), "row", SUM)?;
    let plain = || {
        let mut sums = Sums([0.0; 16]);
        guest::drive(sandbox, &compiled, &rows, &mut sums)?;
        Ok(sums.0)
    };
    anyhow::ensure!(plain()? == rows.native_sums()?, "the guest and the native kernel must agree");
    let (guest_took, native_took) = cpu_best_of_two(ROUNDS, plain, || rows.native_sums())?;
    let gated = || {
        let mut gate = Gate::new(compiled.manifest())?;
        guest::drive(sandbox, &compiled, &rows, &mut gate)?;
        Ok(gate.0.finish())
    };
    let (gated_took, native_again) = cpu_best_of_two(ROUNDS, gated, || rows.native_sums())?;
    let name = "row job: filter, group, sum of 3 columns of 8 bytes";
    let figure = |name: String, took, native| {
        let figure = Figure::new(name, rate(took), "M rows/s").aiming(Aim::AtLeast(20.0));
        figure.beside("same kernel in Rust", rate(native))
    };
    Ok(vec![
        figure(name.to_owned(), guest_took, native_took),
        figure(format!("{name}, with the gate's reducers"), gated_took, native_again),
    ])
}

fn micros(taken: Duration, times: usize) -> f64 {
    taken.as_secs_f64() * 1e6 / times as f64
}
