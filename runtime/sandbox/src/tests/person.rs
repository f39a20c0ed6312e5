//! `person` jobs through the columnar door: the descriptor, records, and that a person leaves no trace for the next.

use super::*;
use crate::{FailureClass, RECORD_FUEL_UNITS};

/// Three persons with 2, 1 and 3 rows.
fn clustered() -> (Vec<u32>, RecordBatch) {
    let x = vec![Some(0.5), None, Some(2.0), Some(1.0), Some(1.5), None];
    (vec![4, 4, 7, 9, 9, 9], batch(vec![10, 11, 12, 13, 14, 15], x))
}

/// Sum over the person's rows of the float64 column 1, read through the descriptor.
const SUM_X: &str = "(local $i i32) (local $values i32) (local $sum f64)
  (local.set $values (i32.load offset=28 (local.get $input)))
  (loop $l
    (local.set $sum (f64.add (local.get $sum) (f64.load (i32.add (local.get $values) (i32.mul (local.get $i) (i32.const 8))))))
    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.load (local.get $input)))))
  (call $record (i32.const 1) (i32.const 0) (local.get $sum))";

/// Value of the record: word `word` of the descriptor, or what it points to.
fn word(word: u32, read: &str) -> Vec<u8> {
    let address = format!("(i32.load offset={} (local.get $input))", 4 * word);
    let value = match read {
        "" => format!("(f64.convert_i32_u {address})"),
        "f64" => format!("(f64.load {address})"),
        "i64" => format!("(f64.convert_i64_s (i64.load {address}))"),
        _ => format!("(f64.convert_i32_u ({read} {address}))"),
    };
    person_module(&format!("(call $record (i32.const 1) (i32.const 0) {value})"), "")
}

#[test]
fn a_person_is_given_all_of_its_rows_and_no_other() {
    let (seen, meters) = run(&person_module(SUM_X, ""), &Limits::on_dummy_data(), &clustered()).unwrap();
    let persons: Vec<_> = seen.0.iter().map(|(person, output, cell, _)| (*person, *output, *cell)).collect();
    assert_eq!(persons, [(4, 1, 0), (7, 1, 0), (9, 1, 0)]);
    assert_eq!(seen.values(), [0.5, 2.0, 2.5]);
    assert_eq!((meters.rows, meters.persons, meters.instances), (6, 3, 3));
    assert_eq!(meters.memory_peak_bytes, 4 * 65_536);
}

#[test]
fn the_descriptor_is_as_documented() {
    let values = |bytes: Vec<u8>| run(&bytes, &Limits::on_dummy_data(), &clustered()).unwrap().0.values();
    assert_eq!(values(word(0, "")), [2.0, 1.0, 3.0], "rows");
    assert_eq!(values(word(1, "")), [2.0; 3], "columns");
    assert_eq!(values(word(2, "f64")), [1.0; 3], "the parameter");
    assert_eq!(values(word(3, "")), [1.0; 3], "kind int64");
    assert_eq!(values(word(4, "i64")), [10.0, 12.0, 13.0], "first value of k");
    assert_eq!(values(word(5, "")), [0.0; 3], "k is not nullable");
    assert_eq!(values(word(6, "")), [2.0; 3], "kind float64");
    assert_eq!(values(word(7, "f64")), [0.5, 2.0, 1.0], "first value of x");
    assert_eq!(values(word(8, "i32.load8_u offset=0")), [1.0; 3], "first value of x is there");
    assert_eq!(values(word(8, "i32.load8_u offset=1")), [0.0, 0.0, 1.0], "second value of x; beyond a lone row zeros");
}

/// Whether other persons miss a value must not show: the validity of a person without missing values is there all the same.
#[test]
fn validity_does_not_depend_on_other_persons() {
    let address = word(8, "");
    let without = (vec![0], batch(vec![1], vec![Some(1.0)]));
    let with = (vec![0, 1], batch(vec![1, 2], vec![Some(1.0), None]));
    let alone = run(&address, &Limits::on_dummy_data(), &without).unwrap().0.values();
    let beside = run(&address, &Limits::on_dummy_data(), &with).unwrap().0.values();
    assert_eq!(alone[0], beside[0]);
    assert!(alone[0] > 0.0);
}

/// Guests that try to tell the next person's instance something: what they do, with the count so far in `$n`, and what
/// stands beside the functions.
const REMEMBERING: &[(&str, &str)] = &[
    // memory
    ("(local.set $n (i32.load (i32.const 0))) (i32.store (i32.const 0) (i32.add (local.get $n) (i32.const 1)))", ""),
    // memory far from its start
    (
        "(local.set $n (i32.and (i32.load (i32.const 260000)) (i32.const 3)))
         (memory.fill (i32.const 100000) (i32.const 1) (i32.const 162000))",
        "",
    ),
    // a mutable global
    (
        "(local.set $n (global.get $g)) (global.set $g (i32.add (global.get $g) (i32.const 1)))",
        "(global $g (mut i32) (i32.const 0))",
    ),
    // a table
    (
        "(local.set $n (i32.eqz (ref.is_null (table.get $t (i32.const 0))))) (table.set $t (i32.const 0) (ref.func $f))",
        "(table $t 1 funcref) (func $f) (elem declare func $f)",
    ),
    // the size of a table
    ("(local.set $n (table.size $t)) (drop (table.grow $t (ref.null func) (i32.const 1)))", "(table $t 0 funcref)"),
    // the size of memory
    ("(local.set $n (i32.sub (memory.size) (i32.const 4))) (drop (memory.grow (i32.const 1)))", ""),
    // memory grown, written and given up
    (
        "(drop (memory.grow (i32.const 3))) (local.set $n (i32.load (i32.const 400000)))
         (i32.store (i32.const 400000) (i32.const 1))",
        "",
    ),
    // much memory, beyond all that is kept resident
    (
        "(drop (memory.grow (i32.const 60))) (local.set $n (i32.and (i32.load (i32.const 4000000)) (i32.const 3)))
         (memory.fill (i32.const 300000) (i32.const 1) (i32.const 3800000))",
        "",
    ),
    // static data changed
    (
        "(local.set $n (i32.load8_u (i32.const 64))) (i32.store8 (i32.const 64) (i32.const 3))",
        "(data (i32.const 64) \"\\01\")",
    ),
    // a start function that counts
    (
        "(local.set $n (global.get $g))",
        "(global $g (mut i32) (i32.const 0)) (func $s (global.set $g (i32.add (global.get $g) (i32.const 1)))) (start $s)",
    ),
];

#[test]
fn nothing_outlives_a_person() {
    for (work, rest) in REMEMBERING {
        let body = format!("(local $n i32) {work} (call $record (i32.const 0) (local.get $n) (f64.const 0))");
        let (seen, meters) = run(&person_module(&body, rest), &Limits::on_dummy_data(), &persons(40)).unwrap();
        let cells: Vec<_> = seen.cells().into_iter().map(|(_, cell)| cell).collect();
        assert_eq!(cells, vec![cells[0]; 40], "{work}");
        assert_eq!(meters.instances, 40);
    }
}

/// A dropped segment is a bit that could outlive a person: a later `memory.init` would trap.
#[test]
fn dropped_segments_are_back_for_the_next_person() {
    for (body, rest) in [
        ("(memory.init $d (i32.const 0) (i32.const 0) (i32.const 3)) (data.drop $d)", "(data $d \"abc\")"),
        (
            "(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1)) (elem.drop $e)",
            "(table $t 1 funcref) (func $f) (elem $e func $f)",
        ),
    ] {
        let body = format!("{body} (call $record (i32.const 0) (i32.const 1) (f64.const 0))");
        let (seen, _) = run(&person_module(&body, rest), &Limits::on_dummy_data(), &persons(10)).unwrap();
        assert_eq!(seen.0.len(), 10, "{rest}");
    }
}

#[test]
fn answers_outside_the_interface_are_bad_output() {
    for answer in [
        "(i64.const 0xffffffff00000001)",                           // address beyond the memory
        "(i64.const 0x0003fff800000001)",                           // the last 8 bytes only
        "(i64.const 0x0000000000010001)",                           // 65,537 records
        "(i64.const 0x00000000ffffffff)",                           // 2^32 - 1 records
        "(i64.const 0x0000040400000001)",                           // misaligned
        "(call $record (i32.const 2) (i32.const 0) (f64.const 0))", // no such output
        "(call $record (i32.const 0) (i32.const 4) (f64.const 0))", // no such cell
        "(call $record (i32.const 1) (i32.const 1) (f64.const 0))", // an output without keys has the one cell 0
        "(call $record (i32.const 0) (i32.const -1) (f64.const 0))",
    ] {
        assert_eq!(ends_with(&person_module(answer, ""), &Limits::on_dummy_data()), "run.bad-output", "{answer}");
    }
}

#[test]
fn allocators_that_lie_are_bad_output() {
    for (code, address) in
        [("run.memory", 0), ("run.bad-output", 8), ("run.bad-output", 262_144), ("run.bad-output", -16)]
    {
        let wat = format!(
            r#"(module (memory (export "memory") 4) (func (export "gb_alloc") (param i32 i32) (result i32) i32.const {address})
               (func (export "gb_person") (param i32) (result i64) i64.const 0))"#
        );
        assert_eq!(ends_with(&with_manifest(&wat, &manifest("person")), &Limits::on_dummy_data()), code, "{address}");
    }
}

#[test]
fn one_bad_record_drops_all_of_the_person_and_none_of_the_next() {
    // Two records; for odd persons the second names an unknown output.
    let body = "(drop (call $record (i32.const 0) (i32.const 1) (f64.const 0)))
      (i32.store (i32.const 1040) (i32.mul (i32.const 7) (i32.and (i32.const 1) (i32.load (i32.load offset=16 (local.get $input))))))
      (i32.store (i32.const 1044) (i32.const 0))
      (i64.const 0x40000000002)";
    let (seen, meters) = run(&person_module(body, ""), &Limits::on_real_data(), &persons(4)).unwrap();
    assert_eq!(seen.cells(), [(0, 1), (0, 0), (2, 1), (2, 0)]);
    assert_eq!(meters.faults, [(FailureClass::BadOutput, 2)].into());
}

#[test]
fn records_cost_fuel_and_none_is_free() {
    let fuel = |count: u32| {
        let bytes = person_module(&format!("(i64.const {count})"), "");
        run(&bytes, &Limits::on_dummy_data(), &persons(1)).unwrap().1.fuel_units
    };
    assert_eq!(fuel(60) - fuel(10), 50 * RECORD_FUEL_UNITS);
    // 65,536 zero records from fresh memory, which the guest never had to write.
    let bytes = person_module("(i64.const 16384)", "");
    let limits = Limits { fuel_per_unit: 100_000, ..Limits::on_dummy_data() };
    assert_eq!(ends_with(&bytes, &limits), "run.out-of-fuel");
}

#[test]
fn nan_payloads_are_wiped() {
    let value = "(f64.reinterpret_i64 (i64.or (i64.const 0xfff8000000000000) (i64.load (i32.load offset=16 (local.get $input)))))";
    let bytes = person_module(&format!("(call $record (i32.const 1) (i32.const 0) {value})"), "");
    let (seen, _) = run(&bytes, &Limits::on_dummy_data(), &persons(9)).unwrap();
    assert_eq!(seen.0.iter().flat_map(|(.., bits)| bits.clone()).collect::<Vec<_>>(), [f64::NAN.to_bits(); 9]);
}
