//! `row` jobs: values arrive as declared, rows stay apart, faults are no signal.

use std::sync::Arc;

use arrow::array::{BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};

use super::*;
use crate::{FailureClass, Faults, ROWS_PER_BLOCK};

#[test]
fn cells_and_values_are_those_of_the_guest() {
    let bytes = row_module(
        "(i32.wrap_i64 (i64.rem_u (local.get $k) (i64.const 4)))",
        "(select (i32.const 0) (i32.const -1) (f64.gt (local.get $x) (local.get $p)))",
        "(f64.mul (local.get $x) (f64.const 2))",
        "",
    );
    let (seen, meters) = run(&bytes, &Limits::on_dummy_data(), &persons(20)).unwrap();
    let mut expected: Vec<_> = (0..20).map(|person| (person, 0, person % 4, vec![])).collect();
    expected.extend((11..20).map(|person| (person, 1, 0, vec![(f64::from(person) / 10.0 * 2.0).to_bits()])));
    assert_eq!(seen.0, expected);
    assert_eq!((meters.rows, meters.persons, meters.instances), (20, 20, 1));
    assert!(meters.fuel_units > 0 && meters.faults.is_empty());
}

#[test]
fn more_rows_than_a_block_are_all_seen() {
    let bytes = row_module("i32.const 2", "i32.const 0", "(f64.convert_i64_s (local.get $k))", "");
    let count = 2 * ROWS_PER_BLOCK as u32 + 3;
    let (seen, meters) = run(&bytes, &Limits::on_dummy_data(), &persons(count)).unwrap();
    let sums: Vec<_> = seen
        .0
        .iter()
        .filter(|(_, output, ..)| *output == 1)
        .map(|(person, .., bits)| (*person, bits.clone()))
        .collect();
    assert_eq!(sums, (0..count).map(|person| (person, vec![f64::from(person).to_bits()])).collect::<Vec<_>>());
    assert_eq!(meters.rows, u64::from(count));
}

#[test]
fn a_missing_value_comes_as_zero_and_flag() {
    // Cell 0: missing and 0; 1: present; 2: missing, but something shines through.
    let bytes = row_module(
        "(if (result i32) (local.get $has_x) (then (i32.const 1))
           (else (select (i32.const 0) (i32.const 2) (f64.eq (local.get $x) (f64.const 0)))))",
        "i32.const -1",
        "f64.const 0",
        "",
    );
    // 123.25 lies under the null.
    let x = Float64Array::new(vec![5.0, 123.25, 7.0].into(), Some(vec![true, false, true].into()));
    let schema = batch(vec![], vec![]).schema();
    let batch = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![0, 1, 2])), Arc::new(x)]).unwrap();
    let (seen, _) = run(&bytes, &Limits::on_dummy_data(), &(vec![0, 1, 2], batch)).unwrap();
    assert_eq!(seen.cells(), [(0, 1), (1, 0), (2, 1)]);
}

#[test]
fn every_type_of_column_arrives() {
    let manifest = r#"{"abi": "glovebox:job@0.1.0", "name": "types", "version": "1", "description": "", "isolation": "row",
        "inputs": [{"name": "a", "type": "boolean", "nullable": true}, {"name": "b", "type": "date"},
                   {"name": "c", "type": {"code": ["x", "y", "z"]}, "nullable": true}, {"name": "d", "type": "int64"}],
        "outputs": [{"name": "s", "reducer": "sum", "lower": 0, "upper": 1}], "contributions_per_person_max": 1}"#;
    let args = "(param $a i32) (param $ha i32) (param $b i32) (param $c i32) (param $hc i32) (param $d i64)";
    let digit = |value: &str, place: &str| {
        format!("(f64.add (f64.mul (f64.convert_i32_s (local.get {value})) (f64.const {place})))")
    };
    let wat = format!(
        r#"(module (func (export "gb_cell_0") {args} (result i32) i32.const 0)
           (func (export "gb_value_0") {args} (result f64) (f64.convert_i64_s (local.get $d)) {} {} {} {} {}))"#,
        digit("$a", "100000"),
        digit("$ha", "10000"),
        digit("$b", "1000"),
        digit("$c", "100"),
        digit("$hc", "10"),
    );
    let schema = Schema::new(vec![
        Field::new("a", DataType::Boolean, true),
        Field::new("b", DataType::Date32, false),
        Field::new("c", DataType::Int32, true),
        Field::new("d", DataType::Int64, false),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(vec![Some(true), None])),
        Arc::new(Date32Array::from(vec![-3, 4])),
        Arc::new(Int32Array::from(vec![None, Some(2)])),
        Arc::new(Int64Array::from(vec![7, -8])),
    ];
    // Slices must not be read from the start of their buffers.
    let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
    let bytes = with_manifest(&wat, manifest);
    for (rows, expected) in [(batch.clone(), vec![107_007.0, 4_202.0]), (batch.slice(1, 1), vec![4_202.0])] {
        let mut seen = Seen::default();
        let limits = Limits::on_dummy_data();
        let mut run =
            Run::start(&SANDBOX, &compile(&bytes), &NONE, &limits, &CancelFlag::new(), &Progress::new()).unwrap();
        run.batch(&(0..rows.num_rows() as u32).collect::<Vec<_>>(), &rows, &mut seen).unwrap();
        assert_eq!(seen.values(), expected);
    }
}

#[test]
fn faults_drop_a_row_or_stop_the_run() {
    for (class, body) in [
        (FailureClass::Trap, "(if (i64.eq (local.get $k) (i64.const 2)) (then unreachable)) i32.const 1"),
        (
            FailureClass::Trap,
            "(i32.add (i32.const 1) (i32.mul (i32.const 0) (i32.div_s (i32.const 1) (i32.wrap_i64 (i64.sub (local.get $k) (i64.const 2))))))",
        ),
        (FailureClass::OutOfFuel, "(loop $l (br_if $l (i64.eq (local.get $k) (i64.const 2)))) i32.const 1"),
        (
            FailureClass::Stack,
            "(if (i64.eq (local.get $k) (i64.const 2)) (then (return (call $cell (local.get $k) (local.get $x) (local.get $has_x) (local.get $p))))) i32.const 1",
        ),
        (FailureClass::BadOutput, "(select (i32.const 4) (i32.const 1) (i64.eq (local.get $k) (i64.const 2)))"),
        (FailureClass::BadOutput, "(select (i32.const -2) (i32.const 1) (i64.eq (local.get $k) (i64.const 2)))"),
    ] {
        let bytes = row_module(body, "i32.const -1", "f64.const 0", "");
        let (seen, meters) = run(&bytes, &Limits::on_real_data(), &persons(5)).unwrap();
        assert_eq!(seen.cells(), [(0, 1), (1, 1), (3, 1), (4, 1)], "{body}");
        assert_eq!(meters.faults, [(class, 1)].into(), "{body}");
        assert_eq!(ends_with(&bytes, &Limits::on_dummy_data()), class.code(), "{body}");
    }
}

#[test]
fn a_trap_in_the_value_drops_the_contribution() {
    let value = "(if (i64.eq (local.get $k) (i64.const 1)) (then unreachable)) local.get $x";
    let bytes = row_module("i32.const -1", "i32.const 0", value, "");
    let (seen, _) = run(&bytes, &Limits::on_real_data(), &persons(3)).unwrap();
    assert_eq!(seen.cells(), [(0, 0), (2, 0)]);
}

#[test]
fn no_row_can_spend_the_fuel_of_another() {
    // Every row turns k loops of about 6 units; rows above 1500 want more than 10,000 units.
    let body = "(local $i i64) (loop $l (br_if $l (i64.lt_u (local.tee $i (i64.add (local.get $i) (i64.const 1))) (local.get $k)))) i32.const 0";
    let bytes = row_module(body, "i32.const -1", "f64.const 0", "");
    let limits = Limits { fuel_per_unit: 10_000, ..Limits::on_real_data() };
    let alone = |k: i64| {
        let (seen, _) = run(&bytes, &limits, &(vec![0], batch(vec![k], vec![None]))).unwrap();
        seen.0.len()
    };
    // The largest k that succeeds alone.
    let (mut low, mut high) = (1, 10_000);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if alone(middle) == 1 { low = middle } else { high = middle }
    }
    assert!(low > 500, "{low}");
    // Whoever its neighbours are, and wherever it stands, a row's fate is its own.
    for neighbour in [1, low / 2, low - 1, low, high, 9_000] {
        let k = vec![neighbour, low, neighbour, high, neighbour, low, low, high];
        let fits: Vec<u32> = (0..8).filter(|row| k[*row as usize] <= low).collect();
        let (seen, _) = run(&bytes, &limits, &((0..8).collect(), batch(k, vec![None; 8]))).unwrap();
        assert_eq!(
            seen.cells().into_iter().map(|(person, _)| person).collect::<Vec<_>>(),
            fits,
            "neighbour {neighbour}"
        );
    }
}

#[test]
fn nan_payloads_are_wiped() {
    // The row's number hidden in the payload of a NaN.
    let value = "(f64.reinterpret_i64 (i64.or (i64.const 0x7ff8000000000000) (local.get $k)))";
    let bytes = row_module("i32.const -1", "i32.const 0", value, "");
    let (seen, _) = run(&bytes, &Limits::on_dummy_data(), &persons(50)).unwrap();
    assert_eq!(seen.0.len(), 50);
    assert!(seen.0.iter().all(|(.., bits)| *bits == [f64::NAN.to_bits()]));
}

#[test]
fn a_table_in_constant_data_can_be_read() {
    let rest = "(memory 1) (data (i32.const 16) \"\\03\\02\\01\\00\")";
    let cell = "(i32.load8_u offset=16 (i32.and (i32.wrap_i64 (local.get $k)) (i32.const 3)))";
    let (seen, meters) =
        run(&row_module(cell, "i32.const -1", "f64.const 0", rest), &Limits::on_dummy_data(), &persons(6)).unwrap();
    assert_eq!(seen.cells(), [(0, 3), (1, 2), (2, 1), (3, 0), (4, 3), (5, 2)]);
    assert_eq!(meters.memory_peak_bytes, 65_536);
}

#[test]
fn the_total_of_fuel_ends_the_run_under_either_rule() {
    let bytes = row_module("(loop $l (br $l)) i32.const 0", "i32.const -1", "f64.const 0", "");
    for faults in [Faults::Drop, Faults::Stop] {
        let limits = Limits { fuel_per_unit: 1_000_000, fuel_total_units: 2_500_000, faults, ..Limits::on_real_data() };
        assert_eq!(ends_with(&bytes, &limits), "run.out-of-fuel");
    }
}
