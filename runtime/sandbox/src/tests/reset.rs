//! The reset between units: what a unit leaves behind reaches nobody, whether the instance is put back or made anew.

use std::sync::atomic::{AtomicBool, Ordering};

use glovebox_catalog::Separation;

use super::*;
use crate::FailureClass;

/// 64 KiB in one page, and as many bytes as the smallest guests have.
const SMALL: [&str; 2] = ["1", "16384 (pagesize 1)"];
/// Above what is put back.
const LARGE: &str = "4";

/// A guest of this memory with a bump allocator at 4096 that never frees, `$record`, and these functions.
fn guest_with(memory: &str, functions: &str, manifest: &str) -> Vec<u8> {
    let wat = format!(
        r#"(module
        (memory (export "memory") {memory})
        (global $next (mut i32) (i32.const 4096))
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

/// A `person` guest; `$k` is the ordinal of its first row, `$n` a number that is its answer's cell.
fn person_with(memory: &str, body: &str, rest: &str) -> Vec<u8> {
    let person = format!(
        r#"(func $person (export "gb_person") (param $input i32) (result i64) (local $n i32) (local $k i32)
          (local.set $k (i32.load (i32.load offset=16 (local.get $input)))) {body}
          (call $record (i32.const 0) (local.get $n) (f64.const 0)))"#
    );
    guest_with(memory, &format!("{rest} {person}"), &manifest("person"))
}

fn separation(bytes: &[u8]) -> (Separation, String) {
    let inspected = inspect(bytes).unwrap_or_else(|refusals| panic!("{refusals:#?}"));
    (inspected.separation(), inspected.needs_fresh_instances().unwrap_or_default().to_owned())
}

#[test]
fn how_units_are_separated_follows_from_the_bytes() {
    for (memory, rest) in [
        ("1", ""),
        ("2", ""),
        ("16384 (pagesize 1)", ""),
        ("131072 (pagesize 1)", ""),
        ("1", "(global $g (mut v128) (v128.const i64x2 1 2)) (global $c funcref (ref.null func))"),
        ("1", "(func $grows (drop (memory.grow (i32.const 1))))"),
        ("1", "(func $s (global.set $next (i32.const 8192))) (start $s)"),
        ("1", "(table $t 2 funcref) (elem (i32.const 0) $f) (func $f) (func (call_indirect (i32.const 0)))"),
        ("1", "(data $d \"abc\") (func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 3)))"),
    ] {
        assert_eq!(separation(&person_with(memory, "", rest)), (Separation::Reset, String::new()), "{memory} {rest}");
    }
    for (memory, rest, why) in [
        ("3", "", "196608 bytes"),
        ("131073 (pagesize 1)", "", "131073 bytes"),
        ("1", "(table $t 2 funcref) (func (table.set $t (i32.const 0) (ref.null func)))", "TableSet"),
        ("1", "(table $t 2 funcref) (func (drop (table.grow $t (ref.null func) (i32.const 1))))", "TableGrow"),
        ("1", "(data $d \"abc\") (func (data.drop $d))", "DataDrop"),
        ("1", "(func $f) (elem $e func $f) (func (elem.drop $e))", "ElemDrop"),
        ("1", "(global $r (mut funcref) (ref.null func))", "global 1 is a mutable reference"),
        ("1", "(func $s (drop (memory.grow (i32.const 1)))) (start $s)", "start function"),
    ] {
        let (separation, reason) = separation(&person_with(memory, "", rest));
        assert_eq!(separation, Separation::FreshInstance, "{memory} {rest}");
        assert!(reason.contains(why), "{reason}");
    }
    let globals = "(global (mut i32) (i32.const 0))".repeat(crate::caps::RESET_GLOBALS_MAX);
    assert_eq!(separation(&person_with("1", "", &globals)).0, Separation::FreshInstance, "one more with $next");
    assert_eq!(separation(&row_module("i32.const 0", "i32.const 0", "f64.const 0", "")).0, Separation::StatelessProof);
}

/// What a person does to tell the next, with what it finds in `$n`, and what stands beside the functions. Each leaves
/// something else of an instance's state behind.
const REMEMBERING: &[(&str, &str)] = &[
    ("(local.set $n (i32.load8_u (i32.const 0))) (i32.store8 (i32.const 0) (i32.const 3))", ""),
    // the last byte of either memory
    ("(local.set $n (i32.load8_u (i32.const 16383))) (i32.store8 (i32.const 16383) (i32.const 3))", ""),
    // static data
    ("(local.set $n (i32.load8_u (i32.const 64))) (i32.store8 (i32.const 64) (i32.const 3))", "(data (i32.const 64) \"\\01\")"),
    // globals of every kind of number, exported or not
    ("(local.set $n (global.get $g)) (global.set $g (i32.const 3))", "(global $g (mut i32) (i32.const 1))"),
    ("(local.set $n (global.get $g)) (global.set $g (i32.const 3))", "(global $g (export \"global 1\") (mut i32) (i32.const 1))"),
    ("(local.set $n (i32.wrap_i64 (global.get $g))) (global.set $g (i64.const 3))", "(global $g (mut i64) (i64.const 1))"),
    ("(local.set $n (i32.trunc_f32_s (global.get $g))) (global.set $g (f32.const 3))", "(global $g (mut f32) (f32.const 1))"),
    ("(local.set $n (i32.trunc_f64_s (global.get $g))) (global.set $g (f64.const 3))", "(global $g (mut f64) (f64.const 1))"),
    (
        "(local.set $n (i32x4.extract_lane 3 (global.get $g))) (global.set $g (v128.const i32x4 3 3 3 3))",
        "(global $g (mut v128) (v128.const i32x4 0 0 0 1))",
    ),
    // what the start function made
    ("(local.set $n (global.get $g)) (global.set $g (i32.const 3))", "(global $g (mut i32) (i32.const 0)) (func $s (global.set $g (i32.const 1))) (start $s)"),
    ("(local.set $n (i32.load8_u (i32.const 8))) (i32.store8 (i32.const 8) (i32.const 3))", "(func $s (i32.store8 (i32.const 8) (i32.const 1))) (start $s)"),
    // where the allocator stands, which is where the input lies
    ("(local.set $n (i32.ne (local.get $input) (i32.const 4096)))", ""),
    // the size of memory, and what was written beyond
    ("(local.set $n (i32.gt_u (memory.size) (i32.const 16384))) (drop (memory.grow (i32.const 70000)))", ""),
    (
        "(local.set $n (i32.and (i32.const 3) (memory.size))) (drop (memory.grow (i32.const 1)))
         (i32.store8 (i32.sub (i32.mul (memory.size) (select (i32.const 1) (i32.const 65536) (i32.gt_u (memory.size) (i32.const 9)))) (i32.const 1)) (i32.const 3))",
        "",
    ),
    // tables and segments, which take a fresh instance
    (
        "(local.set $n (i32.eqz (ref.is_null (table.get $t (i32.const 0))))) (table.set $t (i32.const 0) (ref.func $f))",
        "(table $t 1 funcref) (func $f) (elem declare func $f)",
    ),
    ("(local.set $n (table.size $t)) (drop (table.grow $t (ref.null func) (i32.const 1)))", "(table $t 1 funcref)"),
    (
        "(local.set $n (ref.is_null (global.get $r))) (global.set $r (ref.func $f))",
        "(global $r (mut funcref) (ref.null func)) (func $f) (elem declare func $f)",
    ),
];

#[test]
fn nothing_outlives_a_person() {
    for memory in SMALL.into_iter().chain([LARGE]) {
        for (work, rest) in REMEMBERING {
            let bytes = person_with(memory, work, rest);
            let (seen, meters) = run(&bytes, &Limits::on_dummy_data(), &persons(40)).unwrap();
            let cells: Vec<_> = seen.cells().into_iter().map(|(_, cell)| cell).collect();
            assert_eq!(cells, vec![cells[0]; 40], "memory {memory}: {work}");
            assert_eq!(meters.instances, 40);
        }
    }
}

/// As for persons, through the same chamber.
#[test]
fn nothing_outlives_a_block() {
    let manifest = r#"{"abi": "glovebox:job@0.1.0", "name": "test", "version": "1", "description": "", "isolation": "block",
        "blocks": 20, "inputs": [{"name": "k", "type": "int64"}, {"name": "x", "type": "float64", "nullable": true}],
        "outputs": [{"name": "m", "reducer": "block-mean", "lower": 0, "upper": 9}], "contributions_per_person_max": 1}"#;
    for memory in SMALL {
        let block = r#"(global $g (mut i32) (i32.const 1)) (func (export "gb_block") (param i32) (result i64) (local $n i32)
          (local.set $n (i32.add (global.get $g) (i32.load8_u (i32.const 16383))))
          (global.set $g (i32.const 5)) (i32.store8 (i32.const 16383) (i32.const 3))
          (call $record (i32.const 0) (i32.const 0) (f64.convert_i32_u (local.get $n))))"#;
        let bytes = guest_with(memory, block, manifest);
        assert_eq!(separation(&bytes).0, Separation::Reset);
        let plan = Plan { arguments: &[], persons: 40 };
        let ordinals: Vec<u32> = (0..40).collect();
        let (seen, meters) = run_batches(&bytes, &plan, &Limits::on_dummy_data(), &in_batches(&ordinals, 40)).unwrap();
        assert_eq!((seen.values(), meters.instances), (vec![1.0; 20], 20));
    }
}

/// Persons who fault leave a mark first; whoever comes after finds none, and has all of its own fuel.
#[test]
fn a_fault_leaves_nothing_to_the_next() {
    let rest = "(global $g (mut i32) (i32.const 0)) (func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))";
    for (class, fault) in [
        (FailureClass::Trap, "unreachable"),
        (FailureClass::OutOfFuel, "(loop $l (br $l))"),
        (FailureClass::Stack, "(drop (call $deep (i32.const 0)))"),
        (FailureClass::BadOutput, "(return (i64.const 99999999))"),
        (FailureClass::Memory, "(if (i32.eq (memory.grow (i32.const 900000000)) (i32.const -1)) (then unreachable))"),
    ] {
        for memory in SMALL {
            let body = format!(
                "(local.set $n (i32.add (global.get $g) (i32.load8_u (i32.const 16383))))
                 (global.set $g (i32.const 1)) (i32.store8 (i32.const 16383) (i32.const 1))
                 (if (i32.and (local.get $k) (i32.const 1)) (then {fault}))"
            );
            let limits = Limits { fuel_per_unit: 1_000_000, ..Limits::on_real_data() };
            let (seen, meters) = run(&person_with(memory, &body, rest), &limits, &persons(20)).unwrap();
            let expected: Vec<_> = (0..20).step_by(2).map(|person| (person, 0)).collect();
            assert_eq!(seen.cells(), expected, "{class:?} {memory}");
            assert_eq!(meters.faults, [(class, 10)].into(), "{fault} {memory}");
        }
    }
}

/// A growth that was refused to one person does not explain the trap of the next.
#[test]
fn a_refused_growth_is_forgotten() {
    let body = "(if (i32.eqz (local.get $k)) (then (drop (memory.grow (i32.const 900000000)))) (else unreachable))";
    for memory in SMALL {
        let (_, meters) = run(&person_with(memory, body, ""), &Limits::on_real_data(), &persons(2)).unwrap();
        assert_eq!(meters.faults, [(FailureClass::Trap, 1)].into());
    }
}

/// Fuel and memory of a person are the same alone, after others, and after others who faulted or grew.
#[test]
fn what_a_person_is_charged_is_its_own() {
    // Each person burns by its number; some grow, some trap; the start burns too.
    let rest = "(global $g (mut i32) (i32.const 50)) (func $burn (param $times i32)
        (loop $l (br_if $l (i32.gt_s (local.tee $times (i32.sub (local.get $times) (i32.const 1))) (i32.const 0)))))
      (func $s (call $burn (i32.const 1000))) (start $s)";
    let body = "(call $burn (i32.mul (i32.const 10) (local.get $k)))
      (if (i32.eq (i32.rem_u (local.get $k) (i32.const 7)) (i32.const 3)) (then unreachable))";
    let grows = "(func (export \"grow\") (drop (memory.grow (i32.const 1))))";
    for (memory, rest) in
        [("1", rest.to_owned()), ("16384 (pagesize 1)", rest.to_owned()), (LARGE, format!("{rest} {grows}"))]
    {
        let bytes = person_with(memory, body, &rest);
        let fuel = |first: u32, last: u32| {
            let ordinals: Vec<u32> = (first..=last).collect();
            let batches = in_batches(&ordinals, ordinals.len());
            run_batches(&bytes, &ONE, &Limits::on_real_data(), &batches).unwrap().1.fuel_units
        };
        let alone: u64 = (0..30).map(|person| fuel(person, person)).sum();
        assert_eq!(fuel(0, 29), alone, "{memory}");
    }
}

/// Growth takes the instance, not the answers: who grows is charged by the byte, whatever a page is.
#[test]
fn growth_is_charged_by_the_byte_and_its_instance_thrown_away() {
    let charge = |memory: &str, pages: u32| {
        let body = format!(
            "(local.set $n (i32.gt_u (memory.size) (i32.const 20000)))
             (if (i32.eq (local.get $k) (i32.const 1)) (then (drop (memory.grow (i32.const {pages})))))"
        );
        let (seen, meters) = run(&person_with(memory, &body, ""), &Limits::on_real_data(), &persons(3)).unwrap();
        assert_eq!(seen.cells(), [(0, 0), (1, 0), (2, 0)]);
        meters.fuel_units
    };
    assert_eq!(charge("1", 16) - charge("1", 0), 16 * 255);
    let bytes = "16384 (pagesize 1)";
    assert_eq!(charge(bytes, 16 << 16) - charge(bytes, 0), 16 * 255);
}

/// A guest that looks through its whole memory and all globals for anything that is not as it began, answers 1 when it
/// finds something, and then fills everything with a mark of its own.
fn marking(memory: &str, size_bytes: u32, rest: &str, also: &str) -> Vec<u8> {
    let globals = r#"(global $a (mut i32) (i32.const 5)) (global $b (mut i64) (i64.const 6)) (global $c (mut f64) (f64.const 7))
      (global $d (mut v128) (v128.const i64x2 8 9)) (data (i32.const 64) "pristine")
      (func $dirty (param $from i32) (param $to i32) (result i32)
        (block $end (loop $l
          (br_if $end (i32.ge_u (local.get $from) (local.get $to)))
          (if (i64.ne (i64.load (local.get $from)) (i64.const 0)) (then (return (i32.const 1))))
          (local.set $from (i32.add (local.get $from) (i32.const 8))) (br $l)))
        (i32.const 0))"#;
    let body = format!(
        "(local.set $n (i32.or (i32.or
           (i32.or (call $dirty (i32.const 0) (i32.const 64)) (call $dirty (i32.const 72) (i32.const 4096)))
           (call $dirty (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)) (i32.const {size_bytes})))
           (i64.ne (i64.load (i32.const 64)) (i64.const 0x656e697473697270))))
         (local.set $n (i32.or (local.get $n) (i32.ne (global.get $a) (i32.const 5))))
         (local.set $n (i32.or (local.get $n) (i64.ne (global.get $b) (i64.const 6))))
         (local.set $n (i32.or (local.get $n) (f64.ne (global.get $c) (f64.const 7))))
         (local.set $n (i32.or (local.get $n) (i64.ne (i64x2.extract_lane 1 (global.get $d)) (i64.const 9))))
         {also}
         (global.set $a (local.get $k)) (global.set $b (i64.extend_i32_u (local.get $k)))
         (global.set $c (f64.convert_i32_u (local.get $k))) (global.set $d (i64x2.splat (i64.extend_i32_u (local.get $k))))
         (memory.fill (i32.const 0) (i32.or (local.get $k) (i32.const 1)) (i32.const {size_bytes}))"
    );
    person_with(memory, &body, &format!("{globals} {rest}"))
}

/// Runs so many persons through guests of every kind, and counts who found a mark.
fn marks_found(count: u32) -> Vec<(Separation, usize)> {
    let table = "(table $t 8 funcref) (func $f) (elem declare func $f)";
    let looks = "(local.set $n (i32.or (local.get $n) (i32.eqz (ref.is_null (table.get $t (i32.const 7))))))
                 (table.fill $t (i32.const 0) (ref.func $f) (i32.const 8))";
    // Some persons grow and fill that too, so that fresh instances come between.
    let grows = "(if (i32.eqz (i32.rem_u (local.get $k) (i32.const 5))) (then (drop (memory.grow (i32.const 2)))
                   (memory.fill (i32.const 65536) (i32.const 255) (i32.const 131072))))";
    let guests = [
        marking("16384 (pagesize 1)", 16_384, "", ""),
        marking("1", 65_536, "", ""),
        marking("1", 65_536, "", grows),
        marking("131072 (pagesize 1)", 131_072, "", ""),
        marking("1", 65_536, table, looks),
        marking("4", 262_144, "", ""),
    ];
    let limits = Limits { fuel_per_unit: 100_000_000, ..Limits::on_dummy_data() };
    let found = guests.iter().map(|bytes| {
        let (seen, _) = run(bytes, &limits, &persons(count)).unwrap();
        assert_eq!(seen.0.len(), count as usize);
        (separation(bytes).0, seen.cells().iter().filter(|(_, cell)| *cell != 0).count())
    });
    found.collect()
}

#[test]
fn nobody_finds_anybodys_mark() {
    let found = marks_found(3_000);
    let kinds: Vec<_> = found.iter().map(|(kind, _)| *kind).collect();
    let (reset, fresh) = (Separation::Reset, Separation::FreshInstance);
    assert_eq!(kinds, [reset, reset, reset, reset, fresh, fresh]);
    assert!(found.iter().all(|(_, found)| *found == 0), "{found:?}");
}

/// While the kernel moves pages about: what it says of them then left out what was written (with `pagemap_scan`).
/// Compaction can be asked for by root alone; without it this is the test above once more.
#[test]
fn nobody_finds_anybodys_mark_under_compaction() {
    static DONE: AtomicBool = AtomicBool::new(false);
    let compactor = std::thread::spawn(|| {
        let mut times = 0_u32;
        while !DONE.load(Ordering::Relaxed) && std::fs::write("/proc/sys/vm/compact_memory", "1").is_ok() {
            times += 1;
        }
        times
    });
    let found = marks_found(3_000);
    DONE.store(true, Ordering::Relaxed);
    let times = compactor.join().unwrap();
    assert!(found.iter().all(|(_, found)| *found == 0), "compacted {times} times: {found:?}");
}
