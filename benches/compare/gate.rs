//! What exact contributors and bounds cost beside plain group-bys, and what the rules take.

use std::time::Duration;

use anyhow::Result;
use glovebox_benches::clock::{cpu_best, cpu_best_of_two};
use glovebox_benches::figure::{Aim, Figure};
use glovebox_benches::reduction::{CELLS, REDUCERS, manifest};
use glovebox_benches::rows::Contributions;
use glovebox_gate::{Endless, Profile, Unguarded, disclose};

use crate::duckdb;

const ROUNDS: u32 = 5;
const ROWS: usize = 10_000_000;
const ROWS_PER_BATCH: usize = 65_536;
/// Cells of the table that the rules are timed with.
const RULED_CELLS: usize = 10_000;

pub(crate) fn figures() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for rows_per_person in [1, 10] {
        figures.extend(contributor_sets(rows_per_person)?);
    }
    for cells in CELLS {
        let rows = Contributions::new(ROWS, 1, cells)?;
        for reducer in REDUCERS {
            let manifest = manifest(reducer, cells)?;
            let ours = || rows.reduce(&manifest, ROWS_PER_BATCH);
            let (ours, plain) = cpu_best_of_two(2, ours, || Ok(rows.plain_sums(cells)))?;
            let figure = Figure::new(format!("{reducer}, {cells} cells"), per_row_ns(ours), "ns/row");
            figures.push(figure.beside("plain sums", per_row_ns(plain)));
        }
    }
    figures.push(rules()?);
    Ok(figures)
}

/// The promise: a mean over 1,000 cells with exact contributors, beside the same without.
fn contributor_sets(rows_per_person: usize) -> Result<Vec<Figure>> {
    let cells = 1_000;
    let rows = Contributions::new(ROWS, rows_per_person, cells)?;
    let manifest = manifest("mean", cells)?;
    let ours = || rows.reduce(&manifest, ROWS_PER_BATCH);
    let (taken, bounded) = cpu_best_of_two(ROUNDS, ours, || Ok(rows.bounded_group_by(cells)))?;
    let plain = cpu_best(ROUNDS, || Ok(rows.group_by(cells)))?;
    let name = |what: &str| format!("mean, {cells} cells, {rows_per_person} rows a person: {what}");
    let figure = |what: &str| Figure::new(name(what), per_row_ns(taken), "ns/row");
    let mut figures = vec![
        figure("bounded").aiming(Aim::AtMost(1.5 * per_row_ns(bounded))).beside("no contributors", per_row_ns(bounded)),
        figure("SQL's figures").beside("count, exact sum", per_row_ns(plain)),
    ];
    if let Some(peer) = duckdb::group_by(ROWS, rows_per_person, cells, ROUNDS)? {
        figures.push(figure("count distinct").beside("DuckDB", peer.distinct_ns));
        figures.push(figure("no persons").beside("DuckDB", peer.plain_ns));
    }
    Ok(figures)
}

/// Every rule of the default profile over a table of which a tenth is suppressed.
fn rules() -> Result<Figure> {
    // 15 persons a cell on average: about one in ten has fewer than ten.
    let rows = Contributions::new(15 * RULED_CELLS, 1, RULED_CELLS)?;
    let reduced = rows.reduce(&manifest("mean", RULED_CELLS)?, ROWS_PER_BATCH)?;
    let profile = Profile::parse(include_str!("../../policies/disclosure/default.toml"))?;
    let taken = cpu_best(ROUNDS, || Ok(disclose(&reduced, &profile, &mut Unguarded, &Endless)?))?;
    let name = format!("rules over {RULED_CELLS} cells");
    Ok(Figure::new(name, taken.as_secs_f64() * 1e3, "ms").aiming(Aim::AtMost(50.0)))
}

fn per_row_ns(taken: Duration) -> f64 {
    taken.as_secs_f64() * 1e9 / ROWS as f64
}
