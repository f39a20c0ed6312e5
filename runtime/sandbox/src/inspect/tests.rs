//! What inspection lets through and what it refuses, with the code.

use super::*;
use crate::tests::{append_manifest, manifest, person_module, row_module, with_manifest};

fn codes(bytes: &[u8]) -> Vec<String> {
    match inspect(bytes) {
        Ok(_) => vec!["accepted".to_owned()],
        Err(refusals) => refusals.into_iter().map(|refusal| refusal.code).collect(),
    }
}

/// The code that every refusal of a `row` module with this text beside its functions has.
fn code_beside(rest: &str) -> String {
    let mut codes = codes(&row_module("i32.const 0", "i32.const 0", "f64.const 0", rest));
    codes.dedup();
    assert_eq!(codes.len(), 1, "{rest}: {codes:?}");
    codes.remove(0)
}

fn code_of_body(cell: &str, rest: &str) -> String {
    let mut codes = codes(&row_module(cell, "i32.const 0", "f64.const 0", rest));
    codes.dedup();
    assert_eq!(codes.len(), 1, "{cell} {rest}: {codes:?}");
    codes.remove(0)
}

#[test]
fn a_plain_row_module_passes() {
    let bytes = row_module("i32.const 0", "i32.const 0", "local.get $x", "");
    let inspected = inspect(&bytes).unwrap();
    assert_eq!(inspected.door(), Door::Columnar);
    assert_eq!(inspected.size_bytes(), bytes.len() as u64);
    assert_eq!(inspected.manifest().name, "test");
    assert_eq!(inspected.sha256().len(), 64);
    assert_eq!(*inspected.module_sm3(), sm3(&bytes));
}

#[test]
fn no_prefix_of_a_module_passes() {
    let bytes = row_module("i32.const 0", "i32.const 0", "local.get $x", "(memory 1) (data (i32.const 0) \"table\")");
    for length in 0..bytes.len() {
        let refusals = inspect(&bytes[..length]).unwrap_err();
        assert!(!refusals.is_empty(), "{length} bytes");
    }
}

#[test]
fn a_changed_byte_never_panics() {
    let bytes = person_module("i64.const 0", "");
    for position in 0..bytes.len() {
        for change in [0x01, 0x40, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[position] ^= change;
            let _ = inspect(&changed);
        }
    }
}

#[test]
fn bytes_that_are_no_module_are_malformed() {
    for bytes in [&b""[..], b"\0asm", b"#!/bin/sh", b"\0asm\x02\0\0\0", b"\x7fELF\x02\x01\x01\0"] {
        assert_eq!(codes(bytes), ["sandbox.malformed"]);
    }
}

#[test]
fn large_modules_are_refused_before_they_are_read() {
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    bytes.resize(crate::MODULE_SIZE_MAX_BYTES + 1, 0xff);
    assert_eq!(codes(&bytes), ["sandbox.too-large"]);
}

#[test]
fn nothing_may_be_imported() {
    for import in [
        r#"(import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))"#,
        r#"(import "env" "memory" (memory 1))"#,
        r#"(import "env" "now" (global f64))"#,
        r#"(import "env" "table" (table 1 funcref))"#,
        r#"(import "glovebox" "log" (func (param i32)))"#,
    ] {
        assert_eq!(code_beside(import), "sandbox.import-not-allowed");
    }
}

#[test]
fn features_outside_the_list_are_refused() {
    for rest in [
        "(memory 1 1 shared)",
        "(memory i64 1)",
        "(memory 1) (memory 1)",
        "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))",
        "(func (return_call 0))",
        "(tag) (func (throw 0))",
        "(func (param externref))",
        "(type (struct (field i32)))",
        "(func (param v128) (drop (i32x4.relaxed_trunc_f32x4_s (local.get 0))))",
        "(type $f (func)) (func (param (ref null $f)) (call_ref $f (local.get 0)))",
        "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
    ] {
        assert_eq!(code_beside(rest), "sandbox.feature-not-allowed", "{rest}");
    }
}

#[test]
fn caps_hold() {
    let cases = [
        ("sandbox.memory-cap", "(memory 1025)".to_owned()),
        // Pages of one byte: 64 MiB and one.
        ("sandbox.memory-cap", "(memory 67108865 (pagesize 1))".to_owned()),
        ("sandbox.too-complex", "(table 40000 funcref)".to_owned()),
        ("sandbox.too-complex", "(table 1 funcref) ".repeat(5)),
        ("sandbox.too-complex", format!("(func (local {}))", "i32 ".repeat(10_001))),
        ("sandbox.too-complex", format!("(func {} {})", "block ".repeat(5_000), "end ".repeat(5_000))),
        ("sandbox.too-complex", format!("(func (param i32) (block (br_table {} (local.get 0))))", "0 ".repeat(70_000))),
        (
            "sandbox.too-complex",
            format!(
                "(memory 1) (func {})",
                "(memory.fill (i32.const 0) (i32.const 0) (i32.const 65536))".repeat(1_025)
            ),
        ),
        ("sandbox.too-complex", format!("(func {})", "nop ".repeat((512 << 10) + 1))),
        ("sandbox.too-complex", "(global i32 (i32.const 0))".repeat(10_001)),
        ("sandbox.too-complex", format!("(memory 1) {}", "(data (i32.const 0) \"x\")".repeat(10_001))),
        ("sandbox.too-complex", format!("(func (param {}))", "i32 ".repeat(417))),
        ("sandbox.too-complex", format!("(func (block (result {}) unreachable) unreachable)", "i32 ".repeat(17))),
        (
            "sandbox.too-complex",
            format!("(func unreachable (loop (param {}) unreachable) unreachable)", "i32 ".repeat(17)),
        ),
        (
            "sandbox.too-complex",
            format!("(func (local {}) (loop {}))", "i64 ".repeat(1_000), "(br_if 0 (i32.const 1))".repeat(1_000)),
        ),
        (
            "sandbox.too-complex",
            format!("(func (local {}) {} {})", "i64 ".repeat(1_000), "loop ".repeat(64), "end ".repeat(64)),
        ),
        (
            "sandbox.too-complex",
            format!("(func (local {}) (block {}))", "i64 ".repeat(700), "(br_if 0 (i32.const 1))".repeat(500))
                .repeat(12),
        ),
        ("sandbox.too-complex", "(func)".repeat(100_001)),
        ("sandbox.too-complex", calls_over_locals(2_000, 1_001)),
        // Below the cap of one function, above that of all.
        ("sandbox.too-complex", format!("{CALLED} {}", over_locals(2_000, 900).repeat(12))),
        ("sandbox.too-complex", calls_over_operands(2_000, 1_001)),
        ("sandbox.too-complex", format!("(table 1 funcref) {}", indirect_calls_over_locals(2_000, 1_001))),
    ];
    for (code, rest) in cases {
        assert_eq!(code_beside(&rest), code, "{}", &rest[..40.min(rest.len())]);
    }
}

const CALLED: &str = "(func $f)";

/// Every variable lives over every call: set before the first, read after the last.
fn calls_over_locals(locals: usize, calls: usize) -> String {
    format!("{CALLED} {}", over_locals(locals, calls))
}

fn over_locals(locals: usize, calls: usize) -> String {
    over_calls(locals, &"(call $f)".repeat(calls))
}

fn indirect_calls_over_locals(locals: usize, calls: usize) -> String {
    over_calls(locals, &"(call_indirect (i32.const 0))".repeat(calls))
}

fn over_calls(locals: usize, calls: &str) -> String {
    let set: String = (0..locals).map(|local| format!("(local.set {local} (i64.const {local}))")).collect();
    let read: String = (0..locals).map(|local| format!("(drop (local.get {local}))")).collect();
    format!("(func (local {}) {set} {calls} {read})", "i64 ".repeat(locals))
}

/// The same with operands, of which no local keeps a copy.
fn calls_over_operands(operands: usize, calls: usize) -> String {
    let (push, drop) = ("(i64.load (i32.const 0))".repeat(operands), "drop ".repeat(operands));
    format!("(memory 1) {CALLED} (func {push} {} {drop})", "(call $f)".repeat(calls))
}

/// What compilers make stays below the caps, calls in large functions included.
#[test]
fn shapes_of_honest_code_are_admitted() {
    for rest in [calls_over_locals(200, 5_000), calls_over_locals(1_000, 1_000), calls_over_operands(50, 5_000)] {
        let codes = codes(&row_module("i32.const 0", "i32.const 0", "f64.const 0", &rest));
        assert!(!codes.iter().any(|code| code == "sandbox.too-complex"), "{}", &rest[..40]);
    }
}

#[test]
fn custom_sections_are_bounded() {
    let mut bytes = row_module("i32.const 0", "i32.const 0", "f64.const 0", "");
    bytes.truncate(bytes.len() - manifest("row").len());
    let mut bytes = wat::parse_str("(module)").unwrap();
    let padding = "x".repeat(1 << 20);
    for _ in 0..3 {
        append_manifest(&mut bytes, &padding);
    }
    assert_eq!(codes(&bytes), ["sandbox.no-manifest"]);
    bytes = wat::parse_str("(module)").unwrap();
    append_manifest(&mut bytes, &"x".repeat((1 << 20) + 1));
    assert_eq!(codes(&bytes), ["sandbox.bad-manifest"]);
}

#[test]
fn there_is_exactly_one_good_manifest() {
    assert_eq!(codes(&wat::parse_str("(module)").unwrap()), ["sandbox.no-manifest"]);
    assert_eq!(codes(&with_manifest("(module)", "{}")), ["sandbox.bad-manifest"]);
    let mut two = row_module("i32.const 0", "i32.const 0", "f64.const 0", "");
    append_manifest(&mut two, &manifest("person"));
    assert_eq!(codes(&two), ["sandbox.no-manifest"]);
}

#[test]
fn exports_must_be_those_of_the_interface() {
    let none = with_manifest("(module)", &manifest("row"));
    assert_eq!(codes(&none), ["sandbox.missing-export"; 3]);
    let refusals = inspect(&none).unwrap_err();
    assert_eq!(refusals[0].rule, "the module exports `gb_cell_0`: (i64, f64, i32, f64) -> (i32)");
    let person = with_manifest("(module)", &manifest("person"));
    assert_eq!(codes(&person), ["sandbox.missing-export"; 3]);
    let wrong = with_manifest(
        r#"(module (memory (export "memory") 1) (func (export "gb_alloc") (param i32 i32) (result i32) i32.const 0)
           (func (export "gb_person") (param i32) (result i32) i32.const 0))"#,
        &manifest("person"),
    );
    assert_eq!(inspect(&wrong).unwrap_err()[0].place, "export `gb_person`: (i32) -> (i32)");
    // A global under the name of a function is no function.
    let global = r#"(module (memory (export "memory") 1) (global (export "gb_alloc") i32 (i32.const 0))
           (func (export "gb_person") (param i32) (result i64) i64.const 0))"#;
    assert_eq!(codes(&with_manifest(global, &manifest("person"))), ["sandbox.missing-export"]);
}

#[test]
fn whatever_writes_is_refused_for_row() {
    let memory = "(memory 1) (data $d \"abc\") ";
    let table = "(table $t 2 funcref) (elem $e func $cell) (elem declare func $cell) ";
    for (operator, body, rest) in [
        ("I32Store", "(i32.store (i32.const 0) (i32.const 1)) i32.const 0", memory),
        ("I64Store", "(i64.store (i32.const 0) (local.get $k)) i32.const 0", memory),
        ("F64Store", "(f64.store (i32.const 0) (local.get $x)) i32.const 0", memory),
        ("I64Store32", "(i64.store32 (i32.const 0) (local.get $k)) i32.const 0", memory),
        ("V128Store", "(v128.store (i32.const 0) (v128.const i64x2 0 0)) i32.const 0", memory),
        ("V128Store8Lane", "(v128.store8_lane 3 (i32.const 0) (v128.const i64x2 0 0)) i32.const 0", memory),
        ("MemoryGrow", "(memory.grow (i32.const 1))", memory),
        ("MemoryFill", "(memory.fill (i32.const 0) (i32.const 0) (i32.const 0)) i32.const 0", memory),
        ("MemoryCopy", "(memory.copy (i32.const 0) (i32.const 0) (i32.const 0)) i32.const 0", memory),
        ("MemoryInit", "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 0)) i32.const 0", memory),
        ("DataDrop", "(data.drop $d) i32.const 0", memory),
        ("GlobalSet", "(global.set $g (i32.const 1)) i32.const 0", "(global $g (mut i32) (i32.const 0))"),
        ("TableSet", "(table.set $t (i32.const 0) (ref.func $cell)) i32.const 0", table),
        ("TableGrow", "(table.grow $t (ref.null func) (i32.const 1))", table),
        ("TableFill", "(table.fill $t (i32.const 0) (ref.null func) (i32.const 1)) i32.const 0", table),
        ("TableCopy", "(table.copy $t $t (i32.const 0) (i32.const 0) (i32.const 0)) i32.const 0", table),
        ("TableInit", "(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 0)) i32.const 0", table),
        ("ElemDrop", "(elem.drop $e) i32.const 0", table),
        // Dead code counts: what can't run harms nobody by staying out.
        ("I32Store", "unreachable (i32.store (i32.const 0) (i32.const 1))", memory),
        (
            "GlobalSet",
            "(if (i32.const 0) (then (global.set $g (i32.const 1)))) i32.const 0",
            "(global $g (mut i32) (i32.const 0))",
        ),
    ] {
        let bytes = row_module(body, "i32.const 0", "f64.const 0", rest);
        let refusals = inspect(&bytes).unwrap_err();
        assert_eq!(refusals.len(), 1, "{operator}: {refusals:?}");
        assert_eq!(refusals[0].code, "sandbox.row-keeps-state");
        assert!(refusals[0].place.ends_with(operator), "{operator}: {}", refusals[0].place);
    }
}

#[test]
fn writes_are_found_behind_every_kind_of_call() {
    let writer = "(memory 1) (func $writer (result i32) (i32.store (i32.const 0) (i32.const 7)) i32.const 0)";
    let chain = "(func $a (result i32) call $b) (func $b (result i32) call $writer)";
    let cases = [
        ("call $writer", String::new()),
        ("call $a", chain.to_owned()),
        ("(call_indirect (result i32) (i32.const 0))", "(table funcref (elem $writer))".to_owned()),
        // Not in the table at first, but `ref.func` and a passive segment could put it there.
        ("(call_indirect (result i32) (i32.const 0))", "(table 1 funcref) (elem func $writer)".to_owned()),
        (
            "(call_indirect (result i32) (i32.const 0))",
            "(table 1 funcref) (elem funcref (ref.func $writer))".to_owned(),
        ),
        (
            "(call_indirect (result i32) (i32.const 0))",
            "(table 1 funcref) (global funcref (ref.func $writer))".to_owned(),
        ),
        // A type other than the called one counts all the same.
        (
            "(call_indirect (param i32) (result i32) (i32.const 1) (i32.const 0))",
            "(table funcref (elem $writer))".to_owned(),
        ),
    ];
    for (body, rest) in cases {
        assert_eq!(code_of_body(body, &format!("{writer} {rest}")), "sandbox.row-keeps-state", "{body} {rest}");
    }
    let refusals =
        inspect(&row_module("call $a", "i32.const 0", "f64.const 0", &format!("{writer} {chain}"))).unwrap_err();
    assert!(refusals[0].place.starts_with("function 0 `writer`, offset "), "{}", refusals[0].place);
}

#[test]
fn value_functions_are_proven_too() {
    let rest = "(memory 1)";
    let body = "(f64.store (i32.const 0) (local.get $x)) local.get $x";
    assert_eq!(codes(&row_module("i32.const 0", "i32.const 0", body, rest)), ["sandbox.row-keeps-state"]);
}

#[test]
fn a_start_function_is_refused_for_row_and_allowed_for_person() {
    let start = "(func $init) (start $init)";
    assert_eq!(code_beside(start), "sandbox.row-keeps-state");
    assert_eq!(codes(&person_module("i64.const 0", start)), ["accepted"]);
}

#[test]
fn what_only_reads_passes_for_row() {
    for (body, rest) in [
        ("(i32.load (i32.const 8))", "(memory 1) (data (i32.const 8) \"\\01\\00\\00\\00\")"),
        ("(i32.add (memory.size) (global.get $g))", "(memory 1) (global $g (mut i32) (i32.const 0))"),
        ("(call_indirect (result i32) (i32.const 0))", "(table funcref (elem $f)) (func $f (result i32) i32.const 1)"),
        ("(i32x4.extract_lane 0 (i32x4.add (v128.const i64x2 1 1) (v128.const i64x2 1 1)))", ""),
        ("(local $n i32) (loop (local.set $n (i32.const 3)) (br_if 0 (i32.const 0))) local.get $n", ""),
        ("(i32.trunc_sat_f64_s (local.get $x))", ""),
        ("(table.size 0)", "(table 3 funcref)"),
        ("(memory.size)", "(memory 67108864 (pagesize 1))"),
        // A function that nobody calls may write: it never runs.
        ("i32.const 0", "(memory 1) (func (export \"unused\") (i32.store (i32.const 0) (i32.const 1)))"),
    ] {
        assert_eq!(code_of_body(body, rest), "accepted", "{body} {rest}");
    }
}

#[test]
fn the_name_of_an_export_is_no_way_around_the_proof() {
    // The same function under several names, one of them the interface's.
    let rest = r#"(memory 1) (func (export "harmless") (i32.store (i32.const 0) (i32.const 1)))
                  (export "also" (func $cell))"#;
    assert_eq!(code_of_body("i32.const 0", rest), "accepted");
    assert_eq!(code_of_body("(i32.store8 (i32.const 0) (i32.const 1)) i32.const 0", rest), "sandbox.row-keeps-state");
}
