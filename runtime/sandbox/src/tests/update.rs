//! `update`: what it is told, what it may answer.

use super::{SANDBOX, compile, guest};
use crate::{CancelFlag, FailureClass, Limits, ReleasedOutput, RunError, Update, UpdateInput};

const MANIFEST: &str = r#"{"abi": "glovebox:job@0.1.0", "name": "test", "version": "1", "description": "", "isolation": "person",
    "inputs": [{"name": "k", "type": "int64"}],
    "parameters": [{"name": "p", "default": 1, "min": 0, "max": 100}],
    "outputs": [{"name": "n", "reducer": "count"}, {"name": "g", "reducer": "gradient", "length": 2, "norm_max": 1}],
    "contributions_per_person_max": 1,
    "rounds": {"rounds_max": 9, "state": [{"name": "a", "default": 0, "min": -5, "max": 5}, {"name": "b", "default": 0, "min": -5, "max": 5}]}}"#;

fn update(body: &str, limits: &Limits) -> Result<Update, RunError> {
    let functions = format!(
        r#"(global $seen (mut f64) (f64.const 0))
        (func (export "gb_person") (param i32) (result i64) (i64.const 0))
        (func $answer (param f64 f64 f64) (result i64)
          (f64.store (i32.const 1024) (local.get 0)) (f64.store (i32.const 1032) (local.get 1))
          (f64.store (i32.const 1040) (local.get 2)) (i64.const 0x40000000003))
        (func (export "gb_update") (param $input i32) (result i64) {body})"#
    );
    let outputs = [
        ReleasedOutput { values: vec![40.0], valid: vec![true] },
        ReleasedOutput { values: vec![0.25, 0.5], valid: vec![true, false] },
    ];
    let input = UpdateInput { round: 3, state: &[1.0, 2.0], outputs: &outputs };
    SANDBOX.update(&compile(&guest(&functions, MANIFEST)), &[7.0], &input, limits, &CancelFlag::new())
}

fn class(body: &str) -> FailureClass {
    match update(body, &Limits::on_real_data()) {
        Err(RunError::Failed(class)) => class,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_is_told_round_state_parameters_and_figures() {
    // Each part as the interface lays it out: round, outputs, parameters, state; count, values, validity of each output.
    let word = |word: u32| format!("(i32.load offset={} (local.get $input))", 4 * word);
    let number = |address: &str, at: u32| format!("(f64.load offset={} {address})", 8 * at);
    let cases = [
        (format!("(f64.convert_i32_u {})", word(0)), 3.0),
        (format!("(f64.convert_i32_u {})", word(1)), 2.0),
        (number(&word(2), 0), 5.0),
        (number(&word(3), 0), 1.0),
        (number(&word(3), 1), 2.0),
        (format!("(f64.convert_i32_u {})", word(4)), 1.0),
        (format!("(f64.div {} (f64.const 10))", number(&word(5), 0)), 4.0),
        (format!("(f64.convert_i32_u (i32.load8_u {}))", word(6)), 1.0),
        (format!("(f64.convert_i32_u {})", word(7)), 2.0),
        (number(&word(8), 0), 0.25),
        (number(&word(8), 1), 0.0),
        (format!("(f64.convert_i32_u (i32.load8_u {}))", word(9)), 1.0),
        (format!("(f64.convert_i32_u (i32.load8_u offset=1 {}))", word(9)), 0.0),
    ];
    for (part, expected) in cases {
        let update = update(&format!("(call $answer (f64.const 0) {part} (f64.const -9))"), &Limits::on_dummy_data());
        let update = update.unwrap();
        // 7 and -9 lie beyond the bounds of the state.
        assert_eq!((update.stop, update.state), (false, vec![expected, -5.0]), "{part}");
        assert!(update.fuel_units > 0);
    }
    assert!(update("(call $answer (f64.const 1) (f64.const 0) (f64.const 0))", &Limits::on_real_data()).unwrap().stop);
}

#[test]
fn what_is_no_state_is_a_bad_update() {
    let bad = [
        "(call $answer (f64.const 2) (f64.const 0) (f64.const 0))",
        "(call $answer (f64.const nan) (f64.const 0) (f64.const 0))",
        "(call $answer (f64.const 0) (f64.const nan) (f64.const 0))",
        "(call $answer (f64.const 0) (f64.const 0) (f64.const inf))",
        "(i64.const 0)",
        "(i64.const 0x40000000002)",
        "(i64.const 0x40000000004)",
        "(i64.const 0x40100000003)",
        "(i64.const 0x7fffffff00000003)",
        "(i64.const 0xffffffff)",
    ];
    for body in bad {
        assert_eq!(class(body), FailureClass::BadUpdate, "{body}");
    }
    assert_eq!(FailureClass::BadUpdate.code(), "run.bad-update");
    assert_eq!(class("unreachable"), FailureClass::Trap);
    assert_eq!(class("(loop $l (br $l)) (i64.const 0)"), FailureClass::OutOfFuel);
    assert_eq!(class("(drop (memory.grow (i32.const 2000))) unreachable"), FailureClass::Memory);
}

#[test]
fn no_update_knows_of_another() {
    let body = "(global.set $seen (f64.add (global.get $seen) (f64.const 1))) (call $answer (f64.const 0) (global.get $seen) (f64.const 0))";
    for _ in 0..3 {
        assert_eq!(update(body, &Limits::on_real_data()).unwrap().state, [1.0, 0.0]);
    }
}

#[test]
fn figures_that_do_not_fit_are_the_callers_fault() {
    let functions = r#"(func (export "gb_person") (param i32) (result i64) (i64.const 0))
        (func (export "gb_update") (param i32) (result i64) (i64.const 0))"#;
    let compiled = compile(&guest(functions, MANIFEST));
    let figures = |count: usize| ReleasedOutput { values: vec![0.0; count], valid: vec![true; count] };
    let good = [figures(1), figures(2)];
    let lame = [figures(1), ReleasedOutput { values: vec![0.0; 2], valid: vec![true] }];
    let cases: [(&[f64], &[f64], &[ReleasedOutput]); 5] = [
        (&[], &[0.0, 0.0], &good),
        (&[1.0], &[0.0], &good),
        (&[1.0], &[0.0, 0.0], &good[..1]),
        (&[1.0], &[0.0, 0.0], &[figures(1), figures(3)]),
        (&[1.0], &[0.0, 0.0], &lame),
    ];
    for (parameters, state, outputs) in cases {
        let input = UpdateInput { round: 0, state, outputs };
        let error = SANDBOX.update(&compiled, parameters, &input, &Limits::on_real_data(), &CancelFlag::new());
        assert!(matches!(error, Err(RunError::Input { .. })), "{error:?}");
    }
    let cancelled = CancelFlag::new();
    cancelled.cancel();
    let input = UpdateInput { round: 0, state: &[0.0, 0.0], outputs: &good };
    let error = SANDBOX.update(&compiled, &[1.0], &input, &Limits::on_real_data(), &cancelled);
    assert!(matches!(error, Err(RunError::Failed(FailureClass::Cancelled))), "{error:?}");
}
