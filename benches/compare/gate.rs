//! What exact contributors and bounds cost beside plain sums.

use anyhow::Result;
use glovebox_benches::clock::cpu_best_of_two;
use glovebox_benches::figure::{Aim, Figure};
use glovebox_benches::reduction::{CELLS, REDUCERS, reduction};
use glovebox_benches::rows::Contributions;

const ROUNDS: u32 = 7;
const ROWS: usize = 4_000_000;
const ROWS_PER_BATCH: usize = 65_536;

pub(crate) fn figures() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for cells in CELLS {
        for rows_per_person in [1, 10] {
            let rows = Contributions::new(ROWS, rows_per_person, cells)?;
            for reducer in REDUCERS {
                let ours = || {
                    let mut reduction = reduction(reducer, cells)?;
                    rows.reduce(&mut reduction, ROWS_PER_BATCH)?;
                    Ok(reduction.finish())
                };
                let (ours, plain) = cpu_best_of_two(ROUNDS, ours, || Ok(rows.plain_sums(cells)))?;
                let rate = |taken: std::time::Duration| ROWS as f64 / taken.as_secs_f64() / 1e6;
                let name = format!("{reducer}, {cells} cells, {rows_per_person} rows a person");
                let figure = Figure::new(name, rate(ours), "M rows/s");
                figures.push(figure.aiming(Aim::AtLeast(20.0)).beside("plain sums", rate(plain)));
            }
        }
    }
    Ok(figures)
}
