//! What modules cost to compile that are as large as inspection lets them be, by the shape that makes them costly. Run with
//! `cargo run --profile bench -p glovebox-sandbox --example compile_shapes`; a shape is one process, so that its memory is its own.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::time::Instant;

use glovebox_sandbox::{Config, Sandbox, inspect};

const MANIFEST: &str = r#"{"abi": "glovebox:job@0.1.0", "name": "shape", "version": "1", "description": "", "isolation": "row",
    "inputs": [{"name": "x", "type": "float64"}], "outputs": [{"name": "out", "reducer": "count"}], "contributions_per_person_max": 1}"#;

fn main() {
    if let Some(name) = std::env::args().nth(1) {
        let shapes = shapes();
        let (_, rest) = shapes.iter().find(|(known, _)| *known == name).unwrap();
        return measure(&name, rest);
    }
    for (name, _) in shapes() {
        assert!(std::process::Command::new(std::env::current_exe().unwrap()).arg(name).status().unwrap().success());
    }
}

fn shapes() -> Vec<(&'static str, String)> {
    let variables = |count: usize, body: &str| {
        let set: String =
            (0..count).map(|local| format!("(local.set {local} (i64.load (i32.const {local})))")).collect();
        let read: String =
            (0..count).map(|local| format!("(i64.store (i32.const {local}) (local.get {local}))")).collect();
        format!("(func (local {}) {set} {body} {read})", "i64 ".repeat(count))
    };
    let operands = |count: usize, body: &str| {
        format!("(func {} {body} {})", "(i64.load (i32.const 0))".repeat(count), "drop ".repeat(count))
    };
    let branches = "(br_if 0 (i32.load (i32.const 0)))";
    let indirect = "(call_indirect (i32.load (i32.const 0)))";
    let constants: String =
        (0..20_000).map(|at| format!("(v128.store (i32.const 0) (v128.const i64x2 {at} {at}))")).collect();
    vec![
        ("calls over variables", variables(2_000, &"(call $f)".repeat(990)).repeat(10)),
        ("calls over a few variables", variables(100, &"(call $f)".repeat(19_000)).repeat(10)),
        ("calls over operands", operands(2_000, &"(call $f)".repeat(990)).repeat(10)),
        ("indirect calls over variables", variables(2_000, &indirect.repeat(990)).repeat(10)),
        (
            "branches over variables",
            format!("{} ", variables(1_000, &format!("(block {})", branches.repeat(390)))).repeat(10),
        ),
        ("constants of vectors", format!("(func {constants})").repeat(8)),
        (
            "selections",
            format!(
                "(func (result i64) (i64.const 0) {})",
                "(i64.load (i32.const 0)) (i32.load (i32.const 0)) select ".repeat(40_000)
            )
            .repeat(8),
        ),
        ("small functions", "(func (call $f))".repeat(99_000)),
    ]
}

fn measure(name: &str, rest: &str) {
    let text = format!(
        r#"(module (memory 1) (table 1 funcref) (func $f)
            (func (export "gb_cell_0") (param f64) (result i32) (i32.const 0)) {rest})"#
    );
    let mut bytes = wat::parse_str(text).unwrap();
    let mut section = vec![u8::try_from("glovebox.job".len()).unwrap()];
    section.extend(b"glovebox.job");
    section.extend(MANIFEST.as_bytes());
    bytes.push(0);
    let mut length = section.len();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(section);
    let inspected = match inspect(&bytes) {
        Ok(inspected) => inspected,
        Err(reasons) => {
            return println!("{name:32} {:>8} bytes, refused: {}", bytes.len(), reasons.first().unwrap().code);
        }
    };
    let sandbox = Sandbox::new(&Config::default()).unwrap();
    let before = peak_kib();
    let start = Instant::now();
    sandbox.compile(&inspected, &bytes).unwrap();
    let (seconds, mib) = (start.elapsed().as_secs_f64(), (peak_kib() - before) / 1_024);
    println!("{name:32} {:>8} bytes, {seconds:6.2} s, {mib:5} MiB", bytes.len());
}

/// The most memory that the process had, as Linux tells it.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
