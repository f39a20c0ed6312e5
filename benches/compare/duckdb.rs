//! DuckDB as a peer, from PyPI's package `duckdb`. Where `python3` does not have it, there is no peer, and that is said.
#![allow(clippy::print_stderr, reason = "a table without its peer says why, beside itself")]

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// What the two group-bys take for one row, in CPU time of one thread.
pub(crate) struct Taken {
    /// Without persons: `count(*)` and `sum(value)`.
    pub(crate) plain_ns: f64,
    /// With `count(distinct person)`.
    pub(crate) distinct_ns: f64,
}

/// Prints two numbers. The table is made by DuckDB, with cells and values as patternless as ours.
const SCRIPT: &str = "
import sys, time
try:
    import duckdb
except ImportError:
    sys.exit(44)
rows, rows_per_person, cells, rounds = map(int, sys.argv[1:])
box = duckdb.connect(config={'threads': 1})
box.execute('set enable_progress_bar = false')
box.execute(f'''create table given as select (range // {rows_per_person})::uinteger person,
    (hash(range) % {cells})::integer cell, (hash(range + {rows}) % 1000003) / 10000.03 as value from range({rows})''')
def taken(figures):
    best = float('inf')
    for _ in range(rounds):
        start = time.process_time()
        found = box.execute(f'select cell, {figures} from given group by cell').fetchall()
        best = min(best, time.process_time() - start)
        assert len(found) == cells
    return best
for figures in ['count(*), sum(value)', 'count(*), sum(value), count(distinct person)']:
    print(taken(figures))
";

/// The exit status of the script without the package.
const NO_PACKAGE: i32 = 44;

/// Groups `rows` rows into `cells` cells, the best of `rounds`; nothing without DuckDB.
///
/// # Errors
/// When DuckDB is there and fails.
pub(crate) fn group_by(rows: usize, rows_per_person: usize, cells: usize, rounds: u32) -> Result<Option<Taken>> {
    let arguments = [rows.to_string(), rows_per_person.to_string(), cells.to_string(), rounds.to_string()];
    let Ok(output) = Command::new("python3").args(["-I", "-c", SCRIPT]).args(arguments).output() else {
        eprintln!("no peer: `python3` does not start");
        return Ok(None);
    };
    if output.status.code() == Some(NO_PACKAGE) {
        eprintln!("no peer: `python3` does not have DuckDB; `pip install duckdb`");
        return Ok(None);
    }
    ensure!(output.status.success(), "DuckDB failed: {}", String::from_utf8_lossy(&output.stderr));
    let numbers = String::from_utf8(output.stdout)?;
    let mut seconds = numbers.lines().map(str::parse::<f64>);
    let mut per_row_ns = || anyhow::Ok(seconds.next().context("two numbers")?? * 1e9 / rows as f64);
    Ok(Some(Taken { plain_ns: per_row_ns()?, distinct_ns: per_row_ns()? }))
}
