//! What must hold of every guest that inspection admits.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use glovebox_catalog::Separation;
use glovebox_sandbox::{
    CancelFlag, Compiled, Config, ContributionSink, Limits, Plan, Progress, Run, Sandbox, SinkError, inspect,
};

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// wasm-smith made no module of it.
    NoModule,
    /// Inspection refused the module.
    Refused,
    /// It ran, and no unit contributed: all of them faulted.
    Silent,
    /// It ran and contributed.
    Ran,
    /// As `Ran`, in an instance that was put back between units.
    RanAndReset,
}

/// Values of persons; some twice, so that equal rows are asked to give equal answers too.
const VALUES: [i64; 12] = [0, 1, -1, 7, 1 << 40, 7, i64::MIN, 3, 255, 65_536, i64::MAX, 3];

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
    Sandbox::new(&Config { runs_max: 2, memory_max_bytes: 8 << 20, ..Config::default() }).expect("a sandbox")
});

/// How many persons, or rows, a run has.
pub const PERSONS: usize = VALUES.len();

/// A `person` guest gives each person the same, whoever came before: in two orders, and alone.
pub fn persons_are_apart(bytes: &[u8], other: &[usize]) -> Outcome {
    let Ok(inspected) = inspect(bytes) else { return Outcome::Refused };
    let Ok(compiled) = SANDBOX.compile(&inspected, bytes) else { return Outcome::Refused };
    let order: Vec<usize> = (0..PERSONS).collect();
    let (first, fuel) = answers(&compiled, &order);
    let (second, other_fuel) = answers(&compiled, other);
    assert_eq!(first, second, "a person's contributions depend on who came before");
    assert_eq!(fuel, other_fuel, "fuel depends on the order of persons");
    let alone: Vec<_> = order.iter().flat_map(|at| answers(&compiled, &[*at]).0).collect();
    assert_eq!(first, alone, "a person's contributions depend on whether there are others");
    match inspected.separation() {
        _ if first.is_empty() => Outcome::Silent,
        Separation::Reset => Outcome::RanAndReset,
        _ => Outcome::Ran,
    }
}

/// A `row` module that passes the proof gives each row the same, in whatever order rows come.
pub fn rows_are_apart(bytes: &[u8], other: &[usize]) -> Outcome {
    let Ok(inspected) = inspect(bytes) else { return Outcome::Refused };
    let Ok(compiled) = SANDBOX.compile(&inspected, bytes) else { return Outcome::Refused };
    let order: Vec<usize> = (0..PERSONS).collect();
    let (first, _) = answers(&compiled, &order);
    let (second, _) = answers(&compiled, other);
    assert_eq!(first, second, "a row's contributions depend on the rows before");
    if first.is_empty() { Outcome::Silent } else { Outcome::Ran }
}

/// Contributions: place of the value in [`VALUES`], cell, bits of the number.
#[derive(Default)]
struct Seen(Vec<(usize, u32, Option<u64>)>);

impl ContributionSink for Seen {
    fn contribute(&mut self, unit: u32, _: u32, cell: u32, values: &[f64]) -> std::result::Result<(), SinkError> {
        self.0.push((unit as usize, cell, values.first().map(|value| value.to_bits())));
        Ok(())
    }

    fn contribute_rows(
        &mut self,
        _: u32,
        persons: &[u32],
        cells: &[i32],
        values: &[f64],
    ) -> std::result::Result<(), SinkError> {
        for (row, (person, cell)) in persons.iter().zip(cells).enumerate() {
            if let Ok(cell) = u32::try_from(*cell) {
                self.0.push((*person as usize, cell, values.get(row).map(|value| value.to_bits())));
            }
        }
        Ok(())
    }
}

/// What the persons with the values at these places contribute, sorted by place; and the fuel of all.
fn answers(compiled: &Compiled, places: &[usize]) -> (Vec<(usize, u32, Option<u64>)>, u64) {
    let field = Field::new("k", DataType::Int64, false);
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(places.iter().map(|at| VALUES[*at])));
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![values]).expect("a batch");
    let ordinals: Vec<u32> = (0..places.len() as u32).collect();
    let limits = Limits { fuel_per_unit: 500_000, memory_bytes: 4 << 20, ..Limits::on_real_data() };
    let plan = Plan { arguments: &[], persons: 0 };
    let mut seen = Seen::default();
    let run = Run::start(&SANDBOX, compiled, &plan, &limits, &CancelFlag::new(), &Progress::new());
    // A `row` guest whose start faults gives nothing, on all data alike.
    let Ok(mut run) = run else { return (Vec::new(), 0) };
    run.batch(&ordinals, &batch, &mut seen).expect("faults drop the person, not the run");
    let fuel = run.finish().fuel_units;
    let mut found: Vec<_> = seen.0.into_iter().map(|(unit, cell, value)| (places[unit], cell, value)).collect();
    found.sort_unstable();
    (found, fuel)
}
