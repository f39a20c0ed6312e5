//! The component door: the same meaning as the columnar one, and the same containment.

use super::*;
use crate::FailureClass;

const TYPES: &str = r#"
  (type $kind' (enum "boolean" "int64" "float64" "date" "code"))
  (import "kind" (type $kind (eq $kind')))
  (type $column' (record (field "kind" $kind) (field "values" (list u8)) (field "validity" (option (list u8)))))
  (import "column" (type $column (eq $column')))
  (type $table' (record (field "rows" u32) (field "columns" (list $column))))
  (import "table" (type $table (eq $table')))
  (type $contribution' (record (field "output" u32) (field "cell" u32) (field "value" f64)))
  (import "contribution" (type $contribution (eq $contribution')))"#;

/// A component around a core module. `person` gets rows, columns, their number, parameters, their number; its answer is
/// the address of (address, count). A column is kind u8, values (4, 8), validity (12 present, 16, 20): 24 bytes.
fn component(body: &str, rest: &str) -> String {
    format!(
        r#"(component {TYPES}
  (core module $main {rest}
    (memory (export "memory") 4)
    (global $next (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (func $record (param $output i32) (param $cell i32) (param $value f64) (result i32)
      (i32.store (i32.const 1024) (local.get $output))
      (i32.store (i32.const 1028) (local.get $cell))
      (f64.store (i32.const 1032) (local.get $value))
      (i32.store (i32.const 1040) (i32.const 1024))
      (i32.store (i32.const 1044) (i32.const 1))
      (i32.const 1040))
    (func (export "person") (param $rows i32) (param $columns i32) (param i32) (param $parameters i32) (param i32) (result i32)
      {body}))
  (core instance $i (instantiate $main))
  (func $person (param "input" $table) (param "parameters" (list f64)) (result (list $contribution))
    (canon lift (core func $i "person") (memory $i "memory") (realloc (func $i "realloc"))))
  (export "person" (func $person)))"#
    )
}

fn person_component(body: &str, rest: &str) -> Vec<u8> {
    with_manifest(&component(body, rest), &manifest("person"))
}

/// Sum of the float64 column 1, as the columnar guest of the same name computes it.
const SUM_X: &str = "(local $i i32) (local $values i32) (local $sum f64)
  (local.set $values (i32.load offset=28 (local.get $columns)))
  (loop $l
    (local.set $sum (f64.add (local.get $sum) (f64.load (i32.add (local.get $values) (i32.mul (local.get $i) (i32.const 8))))))
    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $rows))))
  (call $record (i32.const 1) (i32.const 0) (local.get $sum))";

#[test]
fn a_person_is_given_all_of_its_rows_and_no_other() {
    let x = vec![Some(0.5), None, Some(2.0), Some(1.0), Some(1.5), None];
    let rows = (vec![4, 4, 7, 9, 9, 9], batch(vec![10, 11, 12, 13, 14, 15], x));
    let (seen, meters) = run(&person_component(SUM_X, ""), &Limits::on_dummy_data(), &rows).unwrap();
    let persons: Vec<_> = seen.0.iter().map(|(person, output, cell, _)| (*person, *output, *cell)).collect();
    assert_eq!(persons, [(4, 1, 0), (7, 1, 0), (9, 1, 0)]);
    assert_eq!(seen.values(), [0.5, 2.0, 2.5]);
    assert_eq!((meters.rows, meters.persons, meters.instances), (6, 3, 3));
}

#[test]
fn columns_and_parameters_are_as_documented() {
    let value = |value: &str| {
        let bytes = person_component(&format!("(call $record (i32.const 1) (i32.const 0) {value})"), "");
        let rows = (vec![3, 3], batch(vec![10, 11], vec![Some(0.5), None]));
        run(&bytes, &Limits::on_dummy_data(), &rows).unwrap().0.values()[0]
    };
    let byte = |offset: u32| format!("(f64.convert_i32_u (i32.load8_u offset={offset} (local.get $columns)))");
    let word = |offset: u32| format!("(f64.convert_i32_u (i32.load offset={offset} (local.get $columns)))");
    assert_eq!(value("(f64.load (local.get $parameters))"), 1.0);
    assert_eq!(value(&byte(0)), 1.0, "kind int64");
    assert_eq!(value(&word(8)), 16.0, "bytes of k");
    assert_eq!(value("(f64.convert_i64_s (i64.load offset=8 (i32.load offset=4 (local.get $columns))))"), 11.0);
    assert_eq!(value(&byte(12)), 0.0, "k has no validity");
    assert_eq!(value(&byte(24)), 2.0, "kind float64");
    assert_eq!(value(&byte(36)), 1.0, "x has validity");
    assert_eq!(
        value("(f64.convert_i32_u (i32.load16_u (i32.load offset=40 (local.get $columns))))"),
        1.0,
        "first there, second missing"
    );
}

#[test]
fn nothing_outlives_a_person() {
    let bytes = person_component(
        "(i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
         (global.set $g (i32.add (global.get $g) (i32.const 1)))
         (call $record (i32.const 0) (i32.add (i32.load (i32.const 0)) (global.get $g)) (f64.const 0))",
        "(global $g (mut i32) (i32.const 0))",
    );
    let (seen, meters) = run(&bytes, &Limits::on_dummy_data(), &persons(30)).unwrap();
    assert!(seen.cells().into_iter().all(|(_, cell)| cell == 2));
    assert_eq!((seen.0.len(), meters.instances), (30, 30));
}

#[test]
fn each_excess_has_its_code() {
    let limits = Limits { fuel_per_unit: 1_000_000, memory_bytes: 2 << 20, ..Limits::on_dummy_data() };
    for (code, body, rest) in [
        ("run.trap", "unreachable", ""),
        ("run.out-of-fuel", "(loop $l (br $l)) i32.const 0", ""),
        (
            "run.stack",
            "(drop (call $deep)) i32.const 0",
            "(func $deep (result i32) (i32.add (i32.const 1) (call $deep)))",
        ),
        ("run.memory", "(if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then unreachable)) i32.const 0", ""),
        ("run.bad-output", "(call $record (i32.const 0) (i32.const 4) (f64.const 0))", ""),
        (
            "run.bad-output",
            "(drop (call $record (i32.const 0) (i32.const 0) (f64.const 0))) (i32.store (i32.const 1044) (i32.const 70000)) (i32.const 1040)",
            "",
        ),
        (
            "run.bad-output",
            "(drop (call $record (i32.const 0) (i32.const 0) (f64.const 0))) (i32.store (i32.const 1040) (i32.const -8)) (i32.const 1040)",
            "",
        ),
        ("run.bad-output", "i32.const -4", ""),
        ("run.bad-output", "i32.const 1041", ""),
    ] {
        assert_eq!(ends_with(&person_component(body, rest), &limits), code, "{body}");
    }
}

#[test]
fn faults_are_dropped_on_real_data() {
    let body = "(if (i64.eq (i64.load (i32.load offset=4 (local.get $columns))) (i64.const 1)) (then unreachable))
      (call $record (i32.const 0) (i32.const 1) (f64.const 0))";
    let (seen, meters) = run(&person_component(body, ""), &Limits::on_real_data(), &persons(3)).unwrap();
    assert_eq!(seen.cells(), [(0, 1), (2, 1)]);
    assert_eq!(meters.faults, [(FailureClass::Trap, 1)].into());
}

#[test]
fn inspection_refuses_what_is_not_the_world() {
    let codes = |wat: &str, isolation: &str| {
        let refusals = inspect(&with_manifest(wat, &manifest(isolation))).err().unwrap_or_default();
        refusals.into_iter().map(|refusal| refusal.code).collect::<Vec<_>>()
    };
    let plain = component("i32.const 0", "");
    assert_eq!(codes(&plain, "person"), [""; 0]);
    assert_eq!(codes(&plain, "row"), ["sandbox.row-needs-core-module"]);
    assert_eq!(codes("(component)", "person"), ["sandbox.missing-export"]);
    let wrong = plain.replace("(field \"rows\" u32)", "(field \"rows\" s32)");
    assert_eq!(codes(&wrong, "person"), ["sandbox.missing-export"]);
    for import in [
        r#"(import "now" (func (result u64)))"#,
        r#"(import "wasi:random/random@0.2.0" (instance (export "get-random-u64" (func (result u64)))))"#,
        r#"(import "handle" (type (sub resource)))"#,
        r#"(import "module" (core module))"#,
        r#"(import "inner" (component))"#,
    ] {
        let wat = plain.replace("(core module $main", &format!("{import} (core module $main"));
        assert_eq!(codes(&wat, "person"), ["sandbox.import-not-allowed"], "{import}");
    }
    let resource = plain.replace(
        "(core module $main",
        "(type $r (resource (rep i32))) (core func (canon resource.new $r)) (core module $main",
    );
    assert_eq!(codes(&resource, "person"), ["sandbox.feature-not-allowed"]);
    for feature in ["(func (param externref))", "(tag)", "(memory 1 1 shared)", "(func (return_call 0))"] {
        let wat = plain.replace("(core module $main", &format!("(core module {feature}) (core module $main"));
        assert_eq!(codes(&wat, "person"), ["sandbox.feature-not-allowed"], "{feature}");
    }
    let memory = plain.replace("(memory (export \"memory\") 4)", "(memory (export \"memory\") 2000)");
    assert_eq!(codes(&memory, "person"), ["sandbox.memory-cap"]);
    let instances = plain.replace(
        "(core instance $i ",
        &format!("{} (core instance $i ", "(core instance (instantiate $main))".repeat(40)),
    );
    assert_eq!(codes(&instances, "person"), ["sandbox.too-complex"]);
}
