//! Rows per second of the reduction's fast path, and how long the rules take. `cargo run --release --example reduce_rate -p glovebox-gate`.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use glovebox_catalog::JobManifest;
use glovebox_gate::{Endless, Profile, Reduction, Unguarded, disclose};

const ROWS: usize = 20_000_000;
const BATCH: usize = 65_536;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (reducer, cells) in
        [("count", 8), ("distinct-persons", 8), ("mean", 8), ("mean", 1_000), ("histogram", 8), ("mean", 10_000)]
    {
        for rows_per_person in [1, 10] {
            let (seconds, rules_seconds) = run(reducer, cells, rows_per_person)?;
            let millions = ROWS as f64 / seconds / 1e6;
            println!(
                "{reducer:>16}, {cells:>4} cells, {rows_per_person:>2} rows a person: {millions:6.1} M rows/s, rules {:6.2} ms",
                rules_seconds * 1e3
            );
        }
    }
    Ok(())
}

fn run(reducer: &str, cells: usize, rows_per_person: usize) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let codes: Vec<String> = (0..cells).map(|code| format!("c{code}")).collect();
    let output = match reducer {
        "mean" => serde_json::json!({"name": "out", "reducer": "mean", "lower": 0.0, "upper": 100.0, "keys": ["key"]}),
        "histogram" => {
            let edges = [0.0, 25.0, 50.0, 75.0, 100.0];
            serde_json::json!({"name": "out", "reducer": "histogram", "edges": edges, "keys": ["key"]})
        }
        plain => serde_json::json!({"name": "out", "reducer": plain, "keys": ["key"]}),
    };
    let manifest = serde_json::json!({
        "abi": glovebox_catalog::ABI_VERSION, "name": "rate", "version": "1", "description": "", "isolation": "row",
        "inputs": [{"name": "x", "type": "float64"}], "keys": [{"name": "key", "domain": {"codes": codes}}],
        "outputs": [output], "contributions_per_person_max": 16,
    });
    let mut reduction = Reduction::new(&JobManifest::parse(manifest.to_string().as_bytes())?)?;
    let mut seconds = 0.0;
    let mut state = 1_u64;
    let (mut persons, mut numbers, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for start in (0..ROWS).step_by(BATCH) {
        persons.clear();
        numbers.clear();
        values.clear();
        for row in start..(start + BATCH).min(ROWS) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            persons.push((row / rows_per_person) as u32);
            numbers.push(((state >> 33) as usize % cells) as i32);
            values.push((state >> 40) as f64 / 167_772.16);
        }
        let begin = Instant::now();
        reduction.contribute_rows(0, &persons, &numbers, &values)?;
        seconds += begin.elapsed().as_secs_f64();
    }
    let profile = Profile::parse(include_str!("../../../policies/disclosure/default.toml"))?;
    let begin = Instant::now();
    drop(disclose(&reduction.finish(), &profile, &mut Unguarded, &Endless)?);
    Ok((seconds, begin.elapsed().as_secs_f64()))
}
