//! Guests written by hand against a real sandbox, and what they share.

mod block;
mod cohort;
mod component;
mod containment;
mod person;
mod reset;
mod row;
mod sandbox;
mod update;
mod vector;

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use glovebox_catalog::MANIFEST_SECTION;

use crate::{
    CancelFlag, Compiled, Config, ContributionSink, Limits, Plan, Progress, Run, RunError, RunMeters, Sandbox,
    SinkError, inspect,
};

/// One sandbox for all tests: its pool reserves address space.
pub(crate) static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new(&Config::default()).unwrap());

/// Contributions as they come: unit, output, cell, bits of the values.
#[derive(Default)]
pub(crate) struct Seen(pub(crate) Vec<(u32, u32, u32, Vec<u64>)>);

/// What the test manifest's one parameter is given.
pub(crate) const ONE: Plan<'_> = Plan { arguments: &[1.0], persons: 0 };
/// For manifests without parameters.
pub(crate) const NONE: Plan<'_> = Plan { arguments: &[], persons: 0 };

impl Seen {
    pub(crate) fn cells(&self) -> Vec<(u32, u32)> {
        self.0.iter().map(|(person, _, cell, _)| (*person, *cell)).collect()
    }

    pub(crate) fn values(&self) -> Vec<f64> {
        self.0.iter().flat_map(|(.., bits)| bits).map(|bits| f64::from_bits(*bits)).collect()
    }
}

impl ContributionSink for Seen {
    fn contribute(&mut self, unit: u32, output: u32, cell: u32, values: &[f64]) -> Result<(), SinkError> {
        self.0.push((unit, output, cell, values.iter().map(|value| value.to_bits()).collect()));
        Ok(())
    }

    fn contribute_rows(
        &mut self,
        output: u32,
        persons: &[u32],
        cells: &[i32],
        values: &[f64],
    ) -> Result<(), SinkError> {
        let rows = persons.len();
        assert!(rows == cells.len() && values.len().is_multiple_of(rows));
        for (row, (person, cell)) in persons.iter().zip(cells).enumerate() {
            if let Ok(cell) = u32::try_from(*cell) {
                let values: Vec<f64> = values.chunks(rows).map(|component| component[row]).collect();
                self.contribute(*person, output, cell, &values)?;
            }
        }
        Ok(())
    }
}

/// A manifest with an int64 column `k`, a nullable float64 column `x`, one parameter from 0 to 100, an output `n` that
/// counts over 4 cells and an output `s` that sums over one.
pub(crate) fn manifest(isolation: &str) -> String {
    format!(
        r#"{{"abi": "glovebox:job@0.1.0", "name": "test", "version": "1", "description": "", "isolation": "{isolation}",
        "inputs": [{{"name": "k", "type": "int64"}}, {{"name": "x", "type": "float64", "nullable": true}}],
        "parameters": [{{"name": "p", "default": 1, "min": 0, "max": 100}}],
        "keys": [{{"name": "band", "domain": {{"codes": ["a", "b", "c", "d"]}}}}],
        "outputs": [{{"name": "n", "reducer": "count", "keys": ["band"]}},
                    {{"name": "s", "reducer": "sum", "lower": 0, "upper": 1}}],
        "contributions_per_person_max": 1}}"#
    )
}

/// A binary from text, with a manifest appended.
pub(crate) fn with_manifest(wat: &str, manifest: &str) -> Vec<u8> {
    let mut bytes = wat::parse_str(wat).unwrap();
    append_manifest(&mut bytes, manifest);
    bytes
}

pub(crate) fn append_manifest(bytes: &mut Vec<u8>, manifest: &str) {
    use wasm_encoder::{CustomSection, Encode, Section};
    let section = CustomSection { name: MANIFEST_SECTION.into(), data: manifest.as_bytes().into() };
    bytes.push(section.id());
    section.encode(bytes);
}

/// A `row` module whose functions have these bodies; `rest` stands beside them.
pub(crate) fn row_module(cell: &str, sum_cell: &str, sum_value: &str, rest: &str) -> Vec<u8> {
    let args = "(param $k i64) (param $x f64) (param $has_x i32) (param $p f64)";
    let wat = format!(
        r#"(module {rest}
        (func $cell (export "gb_cell_0") {args} (result i32) {cell})
        (func (export "gb_cell_1") {args} (result i32) {sum_cell})
        (func (export "gb_value_1") {args} (result f64) {sum_value}))"#
    );
    with_manifest(&wat, &manifest("row"))
}

/// A `person` module with this body of `gb_person(input)`; the rest as in [`guest`].
pub(crate) fn person_module(body: &str, rest: &str) -> Vec<u8> {
    let person = format!(r#"(func $person (export "gb_person") (param $input i32) (result i64) {body})"#);
    guest(&format!("{rest} {person}"), &manifest("person"))
}

/// A core module with a bump allocator at 65536 that never frees, `$record`, which makes one record the answer, and these
/// functions.
pub(crate) fn guest(functions: &str, manifest: &str) -> Vec<u8> {
    let wat = format!(
        r#"(module
        (memory (export "memory") 4)
        (global $next (mut i32) (i32.const 65536))
        (func $alloc (export "gb_alloc") (param $size i32) (param $align i32) (result i32) (local $at i32)
          (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
          (global.set $next (i32.add (local.get $at) (local.get $size)))
          (local.get $at))
        (func $record (param $output i32) (param $cell i32) (param $value f64) (result i64)
          (i32.store (i32.const 1024) (local.get $output))
          (i32.store (i32.const 1028) (local.get $cell))
          (f64.store (i32.const 1032) (local.get $value))
          (i64.const 0x40000000001))
        {functions})"#
    );
    with_manifest(&wat, manifest)
}

pub(crate) fn compile(bytes: &[u8]) -> Compiled {
    let inspected = inspect(bytes).unwrap_or_else(|refusals| panic!("{refusals:#?}"));
    SANDBOX.compile(&inspected, bytes).unwrap()
}

/// Rows of the test manifest.
pub(crate) fn batch(k: Vec<i64>, x: Vec<Option<f64>>) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("k", DataType::Int64, false), Field::new("x", DataType::Float64, true)]);
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(k)), Arc::new(Float64Array::from(x))];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

/// Persons 0, 1, … with one row each: `k` is the ordinal, `x` a tenth of it.
pub(crate) fn persons(count: u32) -> (Vec<u32>, RecordBatch) {
    let ordinals: Vec<u32> = (0..count).collect();
    let k = ordinals.iter().map(|person| i64::from(*person)).collect();
    let x = ordinals.iter().map(|person| Some(f64::from(*person) / 10.0)).collect();
    (ordinals, batch(k, x))
}

/// Runs one batch with parameter 1.
pub(crate) fn run(
    bytes: &[u8],
    limits: &Limits,
    (ordinals, batch): &(Vec<u32>, RecordBatch),
) -> Result<(Seen, RunMeters), RunError> {
    let mut seen = Seen::default();
    let mut run = Run::start(&SANDBOX, &compile(bytes), &ONE, limits, &CancelFlag::new(), &Progress::new())?;
    run.batch(ordinals, batch, &mut seen)?;
    Ok((seen, run.finish()))
}

/// Runs a job of any isolation over batches, to its end.
pub(crate) fn run_batches(
    bytes: &[u8],
    plan: &Plan<'_>,
    limits: &Limits,
    batches: &[(Vec<u32>, RecordBatch)],
) -> Result<(Seen, RunMeters), RunError> {
    let mut seen = Seen::default();
    let mut run = Run::start(&SANDBOX, &compile(bytes), plan, limits, &CancelFlag::new(), &Progress::new())?;
    for (ordinals, batch) in batches {
        run.batch(ordinals, batch, &mut seen)?;
    }
    run.complete(&mut seen)?;
    Ok((seen, run.finish()))
}

/// One row for each ordinal in batches of `size` rows, which must cut no person: `k` is the ordinal, `x` a tenth of it.
pub(crate) fn in_batches(ordinals: &[u32], size: usize) -> Vec<(Vec<u32>, RecordBatch)> {
    let one = |ordinals: &[u32]| {
        let k = ordinals.iter().map(|person| i64::from(*person)).collect();
        let x = ordinals.iter().map(|person| Some(f64::from(*person) / 10.0)).collect();
        (ordinals.to_vec(), batch(k, x))
    };
    ordinals.chunks(size).map(one).collect()
}

/// The code with which a run on dummy data ends.
pub(crate) fn ends_with(bytes: &[u8], limits: &Limits) -> &'static str {
    match run(bytes, limits, &persons(3)) {
        Ok(_) => "done",
        Err(error) => error.code(),
    }
}
