//! Contributions of several values, and arguments of rounds.

use super::{ends_with, guest, in_batches, persons, run, run_batches, with_manifest};
use crate::{Limits, Plan, inspect};

const ROUNDS: &str = r#", "rounds": {"rounds_max": 2, "state": [{"name": "s", "default": 0, "min": -5, "max": 5}]}"#;

/// As the test manifest, with a ratio by band (two values), a gradient (three values) and, if asked for, a state variable.
fn manifest(isolation: &str, rounds: &str) -> String {
    format!(
        r#"{{"abi": "glovebox:job@0.1.0", "name": "test", "version": "1", "description": "", "isolation": "{isolation}",
        "inputs": [{{"name": "k", "type": "int64"}}, {{"name": "x", "type": "float64", "nullable": true}}],
        "parameters": [{{"name": "p", "default": 1, "min": 0, "max": 100}}],
        "keys": [{{"name": "band", "domain": {{"codes": ["a", "b", "c", "d"]}}}}],
        "outputs": [{{"name": "r", "reducer": "ratio", "numerator": {{"lower": 0, "upper": 9}}, "denominator": {{"lower": 0, "upper": 9}}, "keys": ["band"]}},
                    {{"name": "g", "reducer": "gradient", "length": 3, "norm_max": 1}}],
        "contributions_per_person_max": 1{rounds}}}"#
    )
}

#[test]
fn values_of_rows_come_component_by_component() {
    let arguments = "(param $k i64) (param $x f64) (param $has_x i32) (param $p f64) (param $s f64)";
    let functions = format!(
        r#"(func (export "gb_update") (param i32) (result i64) (i64.const 0))
        (func (export "gb_cell_0") {arguments} (result i32) (i32.wrap_i64 (i64.rem_u (local.get $k) (i64.const 4))))
        (func (export "gb_value_0_0") {arguments} (result f64) (local.get $x))
        (func (export "gb_value_0_1") {arguments} (result f64) (local.get $p))
        (func (export "gb_cell_1") {arguments} (result i32)
          (i32.sub (i32.wrap_i64 (i64.and (local.get $k) (i64.const 1))) (i32.const 1)))
        (func (export "gb_value_1_0") {arguments} (result f64) (local.get $s))
        (func (export "gb_value_1_1") {arguments} (result f64) (f64.convert_i64_s (local.get $k)))
        (func (export "gb_value_1_2") {arguments} (result f64) (f64.reinterpret_i64 (i64.const -1)))"#
    );
    let bytes = guest(&functions, &manifest("row", ROUNDS));
    let plan = Plan { arguments: &[7.0, -2.5], persons: 0 };
    // More rows than the driver takes at a time, and a number that it does not divide.
    let count = 5_003;
    let ordinals: Vec<u32> = (0..count).collect();
    let batches = in_batches(&ordinals, 4_500);
    let (mut seen, _) = run_batches(&bytes, &plan, &Limits::on_dummy_data(), &batches).unwrap();
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let mut expected: Vec<_> = (0..count).map(|row| (row, 0, row % 4, bits(&[f64::from(row) / 10.0, 7.0]))).collect();
    expected
        .extend((0..count).filter(|row| row % 2 == 1).map(|row| (row, 1, 0, bits(&[-2.5, f64::from(row), f64::NAN]))));
    seen.0.sort_by_key(|(unit, output, ..)| (*output, *unit));
    assert!(seen.0 == expected);
}

#[test]
fn the_state_of_rounds_is_checked_as_parameters_are() {
    let functions = r#"(func (export "gb_person") (param i32) (result i64) (i64.const 0))
        (func (export "gb_update") (param i32) (result i64) (i64.const 0))"#;
    let bytes = guest(functions, &manifest("person", ROUNDS));
    for arguments in [&[1.0][..], &[1.0, 5.5], &[1.0, f64::NAN], &[1.0, 2.0, 3.0]] {
        let plan = Plan { arguments, persons: 0 };
        let error = run_batches(&bytes, &plan, &Limits::on_dummy_data(), &[]).err();
        assert_eq!(error.map(|error| error.code()), Some("run.internal"), "{arguments:?}");
    }
}

/// A person's records: (output, cell, value) each.
fn person_of(records: &[(u32, u32, f64)]) -> Vec<u8> {
    let stores = records.iter().enumerate().map(|(index, (output, cell, value))| {
        let at = 1024 + 16 * index;
        format!(
            "(i32.store (i32.const {at}) (i32.const {output})) (i32.store (i32.const {}) (i32.const {cell}))
             (f64.store (i32.const {}) (f64.const {value:?}))",
            at + 4,
            at + 8
        )
    });
    let stores = stores.collect::<String>();
    let body = format!("{stores} (i64.const {})", (1024_u64 << 32) + records.len() as u64);
    let person = format!(r#"(func (export "gb_person") (param i32) (result i64) {body})"#);
    guest(&person, &manifest("person", ""))
}

#[test]
fn records_in_a_row_make_one_contribution() {
    let bytes = person_of(&[(1, 0, 1.0), (1, 1, 2.0), (1, 2, 3.0), (0, 6, 4.0), (0, 7, 5.0), (0, 0, 6.0), (0, 1, 7.0)]);
    let (seen, meters) = run(&bytes, &Limits::on_dummy_data(), &persons(1)).unwrap();
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(seen.0, [(0, 1, 0, bits(&[1.0, 2.0, 3.0])), (0, 0, 3, bits(&[4.0, 5.0])), (0, 0, 0, bits(&[6.0, 7.0]))]);
    assert!(meters.faults.is_empty());
}

#[test]
fn records_out_of_place_are_bad_output() {
    let cases: &[&[(u32, u32, f64)]] = &[
        &[(1, 0, 1.0), (1, 1, 2.0)],                   // ends early
        &[(1, 1, 1.0), (1, 2, 2.0), (1, 0, 3.0)],      // starts in the middle
        &[(1, 0, 1.0), (1, 2, 2.0), (1, 1, 3.0)],      // out of order
        &[(1, 0, 1.0), (0, 1, 2.0), (1, 2, 3.0)],      // another output between
        &[(0, 0, 1.0), (0, 3, 2.0)],                   // of two cells
        &[(0, 8, 1.0), (0, 9, 2.0)],                   // beyond the cells
        &[(1, 3, 1.0), (1, 4, 2.0), (1, 5, 3.0)],      // beyond the one cell
        &[(0, u32::MAX - 1, 1.0), (0, u32::MAX, 2.0)], // overflows
        &[(0, 0, 1.0), (0, 1, 2.0), (2, 0, 3.0)],      // no such output, after good ones
    ];
    for records in cases {
        let bytes = person_of(records);
        assert_eq!(ends_with(&bytes, &Limits::on_dummy_data()), "run.bad-output", "{records:?}");
        let (seen, meters) = run(&bytes, &Limits::on_real_data(), &persons(3)).unwrap();
        assert_eq!((seen.0.len(), meters.faults.values().sum::<u64>()), (0, 3), "{records:?}");
    }
}

#[test]
fn a_row_job_exports_a_function_for_each_value() {
    let functions = r#"(func (export "gb_cell_0") (param i64 f64 i32 f64) (result i32) (i32.const 0))
        (func (export "gb_value_0") (param i64 f64 i32 f64) (result f64) (f64.const 0))
        (func (export "gb_cell_1") (param i64 f64 i32 f64) (result i32) (i32.const 0))"#;
    let places: Vec<_> = inspect(&guest(functions, &manifest("row", "")))
        .unwrap_err()
        .into_iter()
        .map(|refusal| refusal.place)
        .collect();
    let expected = ["0_0", "0_1", "1_0", "1_1", "1_2"].map(|value| format!("export `gb_value_{value}`"));
    assert_eq!(places, expected);
}

#[test]
fn a_driver_that_would_pass_too_many_arguments_is_refused() {
    let outputs =
        (0..16).map(|index| format!(r#"{{"name": "g{index}", "reducer": "gradient", "length": 64, "norm_max": 1}}"#));
    let state = (0..256).map(|index| format!(r#"{{"name": "s{index}", "default": 0, "min": 0, "max": 1}}"#));
    let (outputs, state) = (outputs.collect::<Vec<_>>().join(","), state.collect::<Vec<_>>().join(","));
    let manifest = format!(
        r#"{{"abi": "glovebox:job@0.1.0", "name": "test", "version": "1", "description": "", "isolation": "row",
        "inputs": [{{"name": "k", "type": "int64"}}], "outputs": [{outputs}],
        "contributions_per_person_max": 1, "rounds": {{"rounds_max": 2, "state": [{state}]}}}}"#
    );
    let codes: Vec<_> =
        inspect(&with_manifest("(module)", &manifest)).unwrap_err().into_iter().map(|refusal| refusal.code).collect();
    assert!(codes.contains(&"sandbox.too-complex".to_owned()), "{codes:?}");
}
