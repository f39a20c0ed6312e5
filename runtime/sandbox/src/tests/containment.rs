//! Guests that burn, grow, recurse and stall: each ends with its class, in bounded time, and hurts nobody else.

use std::time::{Duration, Instant};

use super::*;
use crate::FailureClass;

fn tight() -> Limits {
    Limits { fuel_per_unit: 1_000_000, memory_bytes: 2 << 20, ..Limits::on_dummy_data() }
}

#[test]
fn each_excess_has_its_code() {
    let recursion = "(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))";
    for (code, body, rest) in [
        ("run.out-of-fuel", "(loop $l (br $l)) i64.const 0", ""),
        ("run.out-of-fuel", "(loop $l (drop (memory.grow (i32.const 1))) (br $l)) i64.const 0", ""),
        (
            "run.out-of-fuel",
            "(memory.fill (i32.const 0) (i32.const 1) (i32.const 262144)) (loop $l (memory.copy (i32.const 0) (i32.const 8) (i32.const 262000)) (br $l)) i64.const 0",
            "",
        ),
        ("run.stack", "(drop (call $deep (i32.const 0))) i64.const 0", recursion),
        ("run.memory", "(if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then unreachable)) i64.const 0", ""),
        (
            "run.memory",
            "(if (i32.eq (table.grow $t (ref.null func) (i32.const 100000)) (i32.const -1)) (then unreachable)) i64.const 0",
            "(table $t 1 funcref)",
        ),
        ("run.trap", "unreachable", ""),
        ("run.trap", "(drop (i32.load (i32.const -1))) i64.const 0", ""),
        ("run.trap", "(drop (i32.trunc_f64_s (f64.const 1e300))) i64.const 0", ""),
        ("run.trap", "(call_indirect (i32.const 0)) i64.const 0", "(table 1 funcref)"),
        ("run.trap", "i64.const 0", "(func $s unreachable) (start $s)"),
        ("run.out-of-fuel", "i64.const 0", "(func $s (loop $l (br $l))) (start $s)"),
        ("run.trap", "i64.const 0", "(data (i32.const 262143) \"two\")"),
        ("done", "(drop (memory.grow (i32.const 100))) i64.const 0", ""),
    ] {
        assert_eq!(ends_with(&person_module(body, rest), &tight()), code, "{body} {rest}");
    }
}

#[test]
fn a_memory_larger_than_the_limit_never_starts() {
    let rest = "";
    let bytes = person_module("i64.const 0", rest);
    let limits = Limits { memory_bytes: 128 << 10, ..tight() };
    assert_eq!(ends_with(&bytes, &limits), "run.memory");
}

#[test]
fn the_clock_ends_what_fuel_does_not() {
    let bytes = person_module("(loop $l (br $l)) i64.const 0", "");
    let unfuelled = Limits { fuel_per_unit: u64::MAX, fuel_total_units: u64::MAX, ..Limits::on_real_data() };
    let start = Instant::now();
    assert_eq!(ends_with(&bytes, &Limits { wall: Duration::from_millis(50), ..unfuelled }), "run.wall-time");
    let row = row_module("(loop $l (br $l)) i32.const 0", "i32.const -1", "f64.const 0", "");
    assert_eq!(ends_with(&row, &Limits { wall: Duration::from_millis(50), ..unfuelled }), "run.wall-time");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn cancelling_ends_a_loop_in_the_middle() {
    let bytes = person_module("(loop $l (br $l)) i64.const 0", "");
    let limits = Limits { fuel_per_unit: u64::MAX, fuel_total_units: u64::MAX, ..Limits::on_real_data() };
    let (cancel, progress) = (CancelFlag::new(), Progress::new());
    let mut run = Run::start(&SANDBOX, &compile(&bytes), &ONE, &limits, &cancel, &progress).unwrap();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        cancel.cancel();
    });
    let (ordinals, batch) = persons(1);
    let error = run.batch(&ordinals, &batch, &mut Seen::default()).unwrap_err();
    assert!(matches!(error, RunError::Failed(FailureClass::Cancelled)), "{error}");
    canceller.join().unwrap();
}

#[test]
fn a_faulty_person_is_dropped_and_counted_and_the_rest_goes_on() {
    // Person 0 traps, 1 loops, 2 recurses, 3 asks for too much, 4 answers nonsense, 5 behaves.
    let body = "(local $k i32)
      (local.set $k (i32.load (i32.load offset=16 (local.get $input))))
      (if (i32.eq (local.get $k) (i32.const 0)) (then unreachable))
      (if (i32.eq (local.get $k) (i32.const 1)) (then (loop $l (br $l))))
      (if (i32.eq (local.get $k) (i32.const 2)) (then (drop (call $person (local.get $input)))))
      (if (i32.eq (local.get $k) (i32.const 3)) (then (if (i32.eq (memory.grow (i32.const 10000)) (i32.const -1)) (then unreachable))))
      (if (i32.eq (local.get $k) (i32.const 4)) (then (return (i64.const 99999999))))
      (call $record (i32.const 0) (i32.const 3) (f64.const 0))";
    let (seen, meters) = run(&person_module(body, ""), &Limits::on_real_data(), &persons(6)).unwrap();
    assert_eq!(seen.cells(), [(5, 3)]);
    let classes = [
        FailureClass::Trap,
        FailureClass::OutOfFuel,
        FailureClass::Memory,
        FailureClass::Stack,
        FailureClass::BadOutput,
    ];
    assert_eq!(meters.faults, classes.into_iter().map(|class| (class, 1)).collect());
    assert_eq!(meters.persons, 6);
}

#[test]
fn the_total_of_fuel_is_never_exceeded_by_a_share() {
    let bytes = person_module("(loop $l (br $l)) i64.const 0", "");
    let limits = Limits { fuel_per_unit: 1_000_000, fuel_total_units: 2_500_000, ..Limits::on_real_data() };
    let mut run = Run::start(&SANDBOX, &compile(&bytes), &ONE, &limits, &CancelFlag::new(), &Progress::new()).unwrap();
    let (ordinals, batch) = persons(10);
    let error = run.batch(&ordinals, &batch, &mut Seen::default()).unwrap_err();
    assert_eq!(error.code(), "run.out-of-fuel");
    assert_eq!(run.meters().fuel_units, 2_500_000);
    assert_eq!(run.meters().faults, [(FailureClass::OutOfFuel, 2)].into());
}

/// Modules made to be slow to compile, at the caps. The times are generous: they guard against hours, not seconds.
#[test]
fn compile_bombs_end() {
    let locals = |count: u32| format!("(local {})", "i64 ".repeat(count as usize));
    let adds =
        |count: u32| (1..=count).map(|l| format!("(local.set {l} (i64.add (local.get {l}) (i64.const 1)))")).collect();
    let adds: &dyn Fn(u32) -> String = &adds;
    let call = "(call $f (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4))";
    let targets = (0..1_000).map(|target| format!("{target} ")).collect::<String>().repeat(20);
    let bombs = [
        ("calls", format!("(func $f (param i64 i64 i64 i64)) (func {})", call.repeat(12_000))),
        ("unreachable", format!("(func {})", "unreachable ".repeat(100_000))),
        ("chain", format!("(func (param i32) (result i32) local.get 0 {})", "i32.load ".repeat(50_000))),
        ("operands", format!("(func (result i32) {} {})", "i32.const 1 ".repeat(50_001), "i32.add ".repeat(50_000))),
        (
            "nested",
            format!("(func (param i32) {} {})", "block (br_if 0 (local.get 0)) ".repeat(4_000), "end ".repeat(4_000)),
        ),
        ("locals", format!("(func (param i32) {} {})", locals(9_000), adds(9_000))),
        (
            "targets",
            format!(
                "(func (param i32) {} (br_table {targets} (local.get 0)) {})",
                "block ".repeat(1_000),
                "end ".repeat(1_000)
            ),
        ),
        (
            "edges",
            format!(
                "(func (param i32) {} (loop {} {}))",
                locals(600),
                adds(600),
                "(br_if 0 (local.get 0))".repeat(600)
            ),
        ),
        (
            "loops",
            format!(
                "(func (param i32) {} {} {} {})",
                locals(150),
                "loop ".repeat(64),
                adds(150),
                "(br_if 0 (local.get 0)) end ".repeat(64)
            ),
        ),
    ];
    for (name, rest) in bombs {
        let bytes = person_module("i64.const 0", &rest);
        let inspected = inspect(&bytes).unwrap_or_else(|refusals| panic!("{name}: {refusals:?}"));
        let start = Instant::now();
        SANDBOX.compile(&inspected, &bytes).unwrap();
        assert!(start.elapsed() < Duration::from_secs(120), "{name}: {:?}", start.elapsed());
    }
}
