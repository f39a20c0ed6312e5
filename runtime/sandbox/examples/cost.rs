//! What the sandbox costs: rows per second of a `row` job against the same kernel native, and microseconds per person of
//! `person` jobs through both doors: put back, by size of their memory, and fresh. Run with `cargo run --profile bench -p glovebox-sandbox --example cost`.

#![allow(clippy::print_stdout, clippy::indexing_slicing, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use glovebox_sandbox::{
    CancelFlag, Compiled, Config, ContributionSink, Limits, Plan, Progress, Run, RunMeters, Sandbox, SinkError, inspect,
};

const ROWS_PER_BATCH: usize = 65_536;
const ROW_BATCHES: usize = 128;
const PERSONS: usize = 65_536;
const ROUNDS: usize = 5;

fn main() {
    let sandbox = Sandbox::new(&Config::default()).unwrap();
    measure_rows(&sandbox);
    measure_resets(&sandbox);
    measure_persons(&sandbox);
}

/// Adds up values by cell, as the gate does at its simplest.
struct Sums([f64; 16]);

impl ContributionSink for Sums {
    fn contribute(&mut self, _: u32, _: u32, cell: u32, values: &[f64]) -> Result<(), SinkError> {
        self.0[cell as usize & 15] += values.iter().sum::<f64>();
        Ok(())
    }

    fn contribute_rows(&mut self, _: u32, _: &[u32], cells: &[i32], values: &[f64]) -> Result<(), SinkError> {
        for (cell, value) in cells.iter().zip(values) {
            if *cell >= 0 {
                self.0[*cell as usize & 15] += value;
            }
        }
        Ok(())
    }
}

fn measure_rows(sandbox: &Sandbox) {
    let args = "(param $group i64) (param $filter f64) (param $x f64)";
    let wat = format!(
        r#"(module
        (func (export "gb_cell_0") {args} (result i32)
          (select (i32.wrap_i64 (local.get $group)) (i32.const -1) (f64.gt (local.get $filter) (f64.const 0.25))))
        (func (export "gb_value_0") {args} (result f64) (local.get $x)))"#
    );
    let compiled = compiled(sandbox, &wat, "row", r#""reducer": "sum", "lower": 0, "upper": 1"#);
    let batch = batch(ROWS_PER_BATCH);
    let persons: Vec<u32> = (0..(ROWS_PER_BATCH * ROW_BATCHES) as u32).collect();
    let rows = (ROWS_PER_BATCH * ROW_BATCHES) as f64;
    let guest = best(|| {
        let mut sums = Sums([0.0; 16]);
        drive(sandbox, &compiled, &batch, &persons, &mut sums);
        black_box(sums.0);
    });
    let native = best(|| black_box(native_sums(&batch)));
    let fuel = drive(sandbox, &compiled, &batch, &persons, &mut Sums([0.0; 16])).fuel_units as f64 / rows;
    println!("row: filter, group, sum over 3 columns of 8 bytes, {rows} rows");
    println!("  sandboxed {:7.1} million rows/s ({fuel:.1} fuel a row)", rows / guest.as_secs_f64() / 1e6);
    println!(
        "  native    {:7.1} million rows/s, ratio {:.1}",
        rows / native.as_secs_f64() / 1e6,
        guest.as_secs_f64() / native.as_secs_f64()
    );
}

fn native_sums(batch: &RecordBatch) -> [f64; 16] {
    let group = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values();
    let filter = batch.column(1).as_any().downcast_ref::<Float64Array>().unwrap().values();
    let x = batch.column(2).as_any().downcast_ref::<Float64Array>().unwrap().values();
    let mut sums = [0.0; 16];
    for _ in 0..ROW_BATCHES {
        for ((group, filter), x) in black_box(group).iter().zip(filter.iter()).zip(x.iter()) {
            if *filter > 0.25 {
                sums[*group as usize & 15] += x;
            }
        }
    }
    sums
}

/// A guest of one row a person and one contribution: its instance put back, and the same guest with a `data.drop` that is
/// never reached, whose instances are fresh. Both beside a call of an empty function.
fn measure_resets(sandbox: &Sandbox) {
    let empty = best(empty_calls).as_secs_f64() * 1e6 / PERSONS as f64;
    println!("person: one row of 3 columns, one contribution, {PERSONS} persons; an empty call takes {empty:.3} µs");
    let persons: Vec<u32> = (0..PERSONS as u32).collect();
    let batch = batch(PERSONS);
    let fresh = r#"(data $d "") (func (export "never") (data.drop $d))"#;
    for kib in [16, 64, 128, 256] {
        let time = |beside: &str| {
            let memory = format!("{} (pagesize 1)", kib << 10);
            let guest = compiled(sandbox, &small_person(&memory, beside), "person", r#""reducer": "count""#);
            best(|| drive_once(sandbox, &guest, &batch, &persons)).as_secs_f64() * 1e6 / PERSONS as f64
        };
        let (put_back, fresh) = (time(""), time(fresh));
        println!(
            "  {kib:3} KiB: put back {put_back:5.2} µs ({:.0} empty calls), fresh {fresh:5.2} µs, ratio {:.1}{}",
            put_back / empty,
            fresh / put_back,
            if kib > 128 { " (above the limit: both are fresh)" } else { "" }
        );
    }
}

fn small_person(memory: &str, beside: &str) -> String {
    format!(
        r#"(module (memory (export "memory") {memory}) (global $next (mut i32) (i32.const 8192)) {beside}
        (func (export "gb_alloc") (param i32 i32) (result i32)
          (global.set $next (i32.add (global.get $next) (local.get 0)))
          (i32.and (i32.add (i32.sub (global.get $next) (local.get 0)) (i32.const 15)) (i32.const -16)))
        (func (export "gb_person") (param i32) (result i64)
          (f64.store (i32.const 1032) (f64.const 1)) (i64.const 0x40000000001)))"#
    )
}

/// Calls of a function that does nothing, in an instance that is kept, with fuel and deadlines as in the sandbox.
fn empty_calls() {
    let mut config = wasmtime::Config::new();
    config.consume_fuel(true).epoch_interruption(true);
    let engine = wasmtime::Engine::new(&config).unwrap();
    let bytes = wat::parse_str(r#"(module (func (export "f") (param i32) (result i64) i64.const 0))"#).unwrap();
    let module = wasmtime::Module::from_binary(&engine, &bytes).unwrap();
    let mut store = wasmtime::Store::new(&engine, ());
    store.set_fuel(u64::MAX >> 1).unwrap();
    store.set_epoch_deadline(1);
    let instance = wasmtime::Instance::new(&mut store, &module, &[]).unwrap();
    let function = instance.get_typed_func::<u32, u64>(&mut store, "f").unwrap();
    for person in 0..PERSONS as u32 {
        black_box(function.call(&mut store, person).unwrap());
    }
}

fn measure_persons(sandbox: &Sandbox) {
    println!("person: fresh instance each, 3 columns of 8 bytes, one contribution");
    let touch = "(memory.fill (i32.const 131072) (i32.const 1) (i32.const 65536))";
    for rows in [1, 16] {
        let persons: Vec<u32> = (0..PERSONS as u32).map(|row| row / rows).collect();
        let batch = batch(PERSONS);
        for (name, wat) in
            [("columnar", person("")), ("columnar, 64 KiB written", person(touch)), ("component", component(""))]
        {
            let compiled = compiled(sandbox, &wat, "person", r#""reducer": "count""#);
            let time = best(|| {
                drive_once(sandbox, &compiled, &batch, &persons);
            });
            let microseconds = time.as_secs_f64() * 1e6 / (PERSONS as f64 / f64::from(rows));
            println!("  {name:26} {rows:3} rows: {microseconds:6.2} µs a person");
        }
    }
}

fn person(body: &str) -> String {
    format!(
        r#"(module (memory (export "memory") 17) (global $next (mut i32) (i32.const 65536))
        (func (export "gb_alloc") (param i32 i32) (result i32) (global.get $next))
        (func (export "gb_person") (param i32) (result i64) {body}
          (f64.store (i32.const 1032) (f64.const 1)) (i64.const 0x40000000001)))"#
    )
}

fn component(body: &str) -> String {
    format!(
        r#"(component
  (type $k (enum "boolean" "int64" "float64" "date" "code")) (import "kind" (type $kind (eq $k)))
  (type $c (record (field "kind" $kind) (field "values" (list u8)) (field "validity" (option (list u8)))))
  (import "column" (type $column (eq $c)))
  (type $t (record (field "rows" u32) (field "columns" (list $column)))) (import "table" (type $table (eq $t)))
  (type $o (record (field "output" u32) (field "cell" u32) (field "value" f64)))
  (import "contribution" (type $contribution (eq $o)))
  (core module $main (memory (export "memory") 17) (global $next (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 15)) (i32.const -16)))
      (i32.sub (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -16))))
    (func (export "person") (param i32 i32 i32 i32 i32) (result i32) {body}
      (i32.store (i32.const 1040) (i32.const 1024)) (i32.store (i32.const 1044) (i32.const 1)) (i32.const 1040)))
  (core instance $i (instantiate $main))
  (func $person (param "input" $table) (param "parameters" (list f64)) (result (list $contribution))
    (canon lift (core func $i "person") (memory $i "memory") (realloc (func $i "realloc"))))
  (export "person" (func $person)))"#
    )
}

fn compiled(sandbox: &Sandbox, wat: &str, isolation: &str, reducer: &str) -> Compiled {
    let codes = (0..16).map(|code| format!("\"c{code}\"")).collect::<Vec<_>>().join(",");
    let manifest = format!(
        r#"{{"abi": "glovebox:job@0.1.0", "name": "cost", "version": "1", "description": "", "isolation": "{isolation}",
        "inputs": [{{"name": "group", "type": "int64"}}, {{"name": "filter", "type": "float64"}}, {{"name": "x", "type": "float64"}}],
        "keys": [{{"name": "group", "domain": {{"codes": [{codes}]}}}}],
        "outputs": [{{"name": "s", {reducer}, "keys": ["group"]}}], "contributions_per_person_max": 1}}"#
    );
    let mut bytes = wat::parse_str(wat).unwrap();
    let section = wasm_encoder::CustomSection { name: "glovebox.job".into(), data: manifest.as_bytes().into() };
    bytes.push(wasm_encoder::Section::id(&section));
    wasm_encoder::Encode::encode(&section, &mut bytes);
    sandbox.compile(&inspect(&bytes).unwrap(), &bytes).unwrap()
}

/// Groups, a filter that three in four pass without a pattern, and values.
fn batch(rows: usize) -> RecordBatch {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let group = Int64Array::from_iter_values((0..rows).map(|_| (next() & 15) as i64));
    let unit = |value: u64| value as f64 / f64::from(1_u32 << 31);
    let filter = Float64Array::from_iter_values((0..rows).map(|_| unit(next())));
    let x = Float64Array::from_iter_values((0..rows).map(|_| unit(next())));
    let field = |name, data_type| Field::new(name, data_type, false);
    let fields =
        vec![field("group", DataType::Int64), field("filter", DataType::Float64), field("x", DataType::Float64)];
    let columns: Vec<ArrayRef> = vec![Arc::new(group), Arc::new(filter), Arc::new(x)];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn drive(sandbox: &Sandbox, compiled: &Compiled, batch: &RecordBatch, persons: &[u32], sums: &mut Sums) -> RunMeters {
    let mut run = start(sandbox, compiled);
    for persons in persons.chunks(batch.num_rows()) {
        run.batch(persons, batch, sums).unwrap();
    }
    run.finish()
}

fn drive_once(sandbox: &Sandbox, compiled: &Compiled, batch: &RecordBatch, persons: &[u32]) {
    let mut run = start(sandbox, compiled);
    run.batch(persons, batch, &mut Sums([0.0; 16])).unwrap();
}

fn start(sandbox: &Sandbox, compiled: &Compiled) -> Run {
    Run::start(
        sandbox,
        compiled,
        &Plan { arguments: &[], persons: 0 },
        &Limits::on_dummy_data(),
        &CancelFlag::new(),
        &Progress::new(),
    )
    .unwrap()
}

fn best<T>(mut work: impl FnMut() -> T) -> Duration {
    let time = |work: &mut dyn FnMut() -> T| {
        let start = Instant::now();
        black_box(work());
        start.elapsed()
    };
    (0..ROUNDS).map(|_| time(&mut work)).min().unwrap_or_default()
}
