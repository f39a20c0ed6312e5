//! Isolation `cohort`: batches, partials, merging, and that nothing depends on the batches of the view.

use super::{NONE, guest, in_batches, run_batches};
use crate::{COHORT_STRETCH_ROWS, FailureClass, Limits};

const MANIFEST: &str = r#"{"abi": "glovebox:job@0.1.0", "name": "test", "version": "1", "description": "", "isolation": "cohort",
    "inputs": [{"name": "k", "type": "int64"}, {"name": "x", "type": "float64", "nullable": true}],
    "parameters": [],
    "outputs": [{"name": "t", "reducer": "table", "rows_max": 3,
        "columns": [{"name": "a", "type": "number", "lower": 0, "upper": 1000000, "step": 1}, {"name": "b", "type": "number", "lower": 0, "upper": 9, "step": 1}]}],
    "contributions_per_person_max": 1}"#;

/// Counts rows, persons and batches of a stretch, each of which is allocated where the last one was; the merging instance adds them up and counts partials.
const ADDS: &str = r#"
    (global $rows (mut i64) (i64.const 0)) (global $persons (mut i64) (i64.const 0))
    (global $batches (mut i64) (i64.const 0)) (global $partials (mut i64) (i64.const 0))
    (func (export "gb_batch") (param $input i32)
      (global.set $next (i32.const 65536)) ;; the input is this function's, and done with at its end
      (global.set $rows (i64.add (global.get $rows) (i64.load32_u (local.get $input))))
      (global.set $persons (i64.add (i64.add (global.get $persons) (i64.const 1)) (i64.load32_u (i32.add
        (i32.load offset=36 (local.get $input)) (i32.mul (i32.const 4) (i32.sub (i32.load (local.get $input)) (i32.const 1)))))))
      (global.set $batches (i64.add (global.get $batches) (i64.const 1))))
    (func (export "gb_partial") (result i64)
      (i64.store (i32.const 8) (global.get $rows)) (i64.store (i32.const 16) (global.get $persons))
      (i64.store (i32.const 24) (global.get $batches)) (i64.const 0x800000018))
    (func (export "gb_merge") (param $at i32) (param $length i32)
      (if (i32.ne (local.get $length) (i32.const 24)) (then unreachable))
      (global.set $rows (i64.add (global.get $rows) (i64.load (local.get $at))))
      (global.set $persons (i64.add (global.get $persons) (i64.load offset=8 (local.get $at))))
      (global.set $batches (i64.add (global.get $batches) (i64.load offset=16 (local.get $at))))
      (global.set $partials (i64.add (global.get $partials) (i64.const 1))))
    (func $put (param $index i32) (param $value i64) (local $at i32)
      (local.set $at (i32.add (i32.const 1024) (i32.mul (i32.const 16) (local.get $index))))
      (i32.store (local.get $at) (i32.const 0)) (i32.store offset=4 (local.get $at) (local.get $index))
      (f64.store offset=8 (local.get $at) (f64.convert_i64_u (local.get $value))))
    (func (export "gb_finish") (param $input i32) (result i64)
      (if (i32.or (i32.load (local.get $input)) (i32.load offset=4 (local.get $input))) (then unreachable))
      (call $put (i32.const 0) (global.get $rows)) (call $put (i32.const 1) (global.get $persons))
      (call $put (i32.const 2) (global.get $batches)) (call $put (i32.const 3) (global.get $partials))
      (i64.const 0x40000000004))"#;

fn cells(functions: &str, limits: &Limits, ordinals: &[u32], size: usize) -> (Vec<u64>, crate::RunMeters) {
    let bytes = guest(functions, MANIFEST);
    let (seen, meters) = run_batches(&bytes, &NONE, limits, &in_batches(ordinals, size)).unwrap();
    assert!(
        seen.0
            .iter()
            .enumerate()
            .all(|(index, (unit, output, cell, _))| (*unit, *output, *cell) == (0, 0, index as u32))
    );
    (seen.values().into_iter().map(|value| value as u64).collect(), meters)
}

#[test]
fn stretches_are_merged_whatever_the_batches() {
    let limits = Limits::on_dummy_data();
    let count = 2 * COHORT_STRETCH_ROWS as u32 + 5_000;
    let ordinals: Vec<u32> = (0..count / 2).flat_map(|person| [person; 2]).collect();
    for size in [10_000, 65_536, ordinals.len()] {
        let (cells, meters) = cells(ADDS, &limits, &ordinals, size);
        // 16 batches of 4,096 rows make a stretch; 5,000 rows are two.
        assert_eq!(cells, [u64::from(count), u64::from(count / 2), 34, 3], "batches of {size}");
        assert_eq!((meters.instances, meters.rows, meters.persons), (4, u64::from(count), u64::from(count / 2)));
    }
}

#[test]
fn a_person_is_never_cut() {
    let ordinals: Vec<u32> = (0..30).flat_map(|person| vec![person; 3_000]).collect();
    let (cells, _) = cells(ADDS, &Limits::on_dummy_data(), &ordinals, ordinals.len());
    // Two persons a batch, and a stretch ends with the batch that reaches 65,536 rows: eleven batches.
    assert_eq!(cells, [90_000, 30, 15, 2]);
}

#[test]
fn no_rows_give_tables_all_the_same() {
    assert_eq!(cells(ADDS, &Limits::on_dummy_data(), &[], 1).0, [0, 0, 0, 0]);
}

/// One measure of fuel, brought by the rows: every call may burn what is left of it.
#[test]
fn fuel_is_the_cohorts_and_runs_out() {
    let loops = ADDS.replace(
        "(func (export \"gb_finish\") (param $input i32) (result i64)",
        "(func (export \"gb_finish\") (param $input i32) (result i64) (loop $l (br $l))",
    );
    let limits = Limits { fuel_per_unit: 100, ..Limits::on_real_data() };
    let (cells, meters) = cells(&loops, &limits, &(0..10_000).collect::<Vec<_>>(), 10_000);
    assert!(cells.is_empty());
    assert_eq!(meters.faults.get(&FailureClass::OutOfFuel), Some(&1));
    let brought = 100 * (crate::COHORT_BASE_ROWS + 10_000);
    assert!((brought - 10..=brought + 10).contains(&meters.fuel_units), "{}", meters.fuel_units);
}

/// A fault anywhere leaves empty tables on real data: that a cohort job ends badly must not tell anything.
#[test]
fn faults_empty_the_tables() {
    let cases = [
        ("(func (export \"gb_batch\") (param $input i32)", "unreachable", FailureClass::Trap),
        (
            "(func (export \"gb_partial\") (result i64)",
            "(return (i64.const 0x7fff000000000001))",
            FailureClass::BadOutput,
        ),
        (
            "(func (export \"gb_partial\") (result i64)",
            "(return (i64.const 0x00000000ffffffff))",
            FailureClass::BadOutput,
        ),
        ("(func (export \"gb_merge\") (param $at i32) (param $length i32)", "unreachable", FailureClass::Trap),
        (
            "(func (export \"gb_finish\") (param $input i32) (result i64)",
            "(return (i64.const 0x40000000064))",
            FailureClass::BadOutput,
        ),
        (
            "(func (export \"gb_finish\") (param $input i32) (result i64)",
            "(return (i64.const 0x7fff00000004))",
            FailureClass::BadOutput,
        ),
        (
            "(func (export \"gb_finish\") (param $input i32) (result i64)",
            "(i32.store (i32.const 1076) (i32.const 9)) (i32.store (i32.const 1072) (i32.const 0)) (return (i64.const 0x40000000004))",
            FailureClass::BadOutput,
        ),
    ];
    let ordinals: Vec<u32> = (0..10_000).collect();
    for (at, body, class) in cases {
        assert!(ADDS.contains(at));
        let functions = ADDS.replace(at, &format!("{at} {body}"));
        let (found, meters) = cells(&functions, &Limits::on_real_data(), &ordinals, 3_000);
        assert_eq!((found.len(), meters.faults.get(&class)), (0, Some(&1)), "{at} {body}");
        assert_eq!(meters.rows, 10_000, "the run goes on to its end");
        let bytes = guest(&functions, MANIFEST);
        let stopped = run_batches(&bytes, &NONE, &Limits::on_dummy_data(), &in_batches(&ordinals, 3_000));
        assert_eq!(stopped.err().map(|error| error.code()), Some(class.code()), "{at} {body}");
    }
}

/// The host holds no more of a cohort than a guest may.
#[test]
fn partials_beyond_the_memory_empty_the_tables() {
    let at = "(func (export \"gb_partial\") (result i64)";
    let large = ADDS.replace(at, &format!("{at} (return (i64.const 0x00030000))"));
    let limits = Limits { memory_bytes: 512 << 10, ..Limits::on_real_data() };
    let ordinals: Vec<u32> = (0..4 * COHORT_STRETCH_ROWS as u32).collect();
    let (found, meters) = cells(&large, &limits, &ordinals, 65_536);
    assert_eq!((found.len(), meters.faults.get(&FailureClass::BadOutput)), (0, Some(&1)));
}
