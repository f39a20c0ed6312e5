//! The sandbox itself: cache, progress, input checks, determinism.

use super::*;
use crate::SandboxError;

#[test]
fn only_inspected_bytes_compile() {
    let good = person_module("i64.const 0", "");
    let other = person_module("i64.const 1", "");
    let inspected = inspect(&good).unwrap();
    assert!(matches!(SANDBOX.compile(&inspected, &other), Err(SandboxError::NotInspected)));
}

#[test]
fn the_cache_is_bounded_in_bytes_and_drops_the_longest_unused() {
    let config = Config { cache_max_bytes: 0, runs_max: 1, ..Config::default() };
    let module = |number: u32| person_module(&format!("(i64.const {})", u64::from(number) << 32), "");
    let small = Sandbox::new(&config).unwrap();
    let bytes = module(1);
    small.compile(&inspect(&bytes).unwrap(), &bytes).unwrap();
    assert_eq!(small.cached_bytes(), 0);
    drop(small);

    let size = {
        let roomy = Sandbox::new(&Config { runs_max: 1, ..Config::default() }).unwrap();
        roomy.compile(&inspect(&bytes).unwrap(), &bytes).unwrap();
        roomy.compile(&inspect(&bytes).unwrap(), &bytes).unwrap();
        roomy.cached_bytes()
    };
    assert!(size > 0);
    let sandbox = Sandbox::new(&Config { cache_max_bytes: 2 * size, ..config }).unwrap();
    for number in [1, 2, 1, 3] {
        let bytes = module(number);
        sandbox.compile(&inspect(&bytes).unwrap(), &bytes).unwrap();
    }
    assert_eq!(sandbox.cached_bytes(), 2 * size);
}

#[test]
fn the_same_run_twice_gives_the_same_contributions_and_fuel() {
    let row = row_module(
        "(i32.wrap_i64 (i64.rem_u (local.get $k) (i64.const 4)))",
        "(if (i64.eq (local.get $k) (i64.const 77)) (then unreachable)) (i32.const 0)",
        "(f64.div (local.get $x) (f64.const 3))",
        "",
    );
    let person = person_module("(call $record (i32.const 0) (i32.const 1) (f64.const 0))", "");
    for bytes in [row, person] {
        let (first, first_meters) = run(&bytes, &Limits::on_real_data(), &persons(5_000)).unwrap();
        let (second, second_meters) = run(&bytes, &Limits::on_real_data(), &persons(5_000)).unwrap();
        assert_eq!(first.0, second.0);
        assert_eq!(first_meters.fuel_units, second_meters.fuel_units);
        assert_eq!(first_meters.faults, second_meters.faults);
    }
}

#[test]
fn progress_is_seen_from_outside() {
    let bytes = person_module("i64.const 0", "");
    let progress = Progress::new();
    let mut run =
        Run::start(&SANDBOX, &compile(&bytes), &ONE, &Limits::on_real_data(), &CancelFlag::new(), &progress).unwrap();
    let (_, batch) = persons(6);
    run.batch(&[1, 1, 1, 2, 5, 5], &batch, &mut Seen::default()).unwrap();
    assert_eq!((progress.persons(), progress.rows()), (3, 6));
    run.batch(&[6, 7, 8, 9, 10, 11], &batch, &mut Seen::default()).unwrap();
    assert_eq!((progress.persons(), progress.rows()), (9, 12));
    assert_eq!(progress.fuel_units(), run.finish().fuel_units);
}

#[test]
fn batches_that_do_not_fit_are_refused() {
    let bytes = person_module("i64.const 0", "");
    let start = || {
        Run::start(&SANDBOX, &compile(&bytes), &ONE, &Limits::on_real_data(), &CancelFlag::new(), &Progress::new())
            .unwrap()
    };
    let (ordinals, batch) = persons(3);
    let mut seen = Seen::default();
    let mut refuse = |mut run: Run, ordinals: &[u32], batch: &RecordBatch| {
        let error = run.batch(ordinals, batch, &mut seen).unwrap_err();
        assert!(matches!(error, RunError::Input { .. }), "{error}");
        assert_eq!(error.code(), "run.internal");
    };
    refuse(start(), &[0, 1], &batch);
    refuse(start(), &[0, 2, 1], &batch);
    refuse(start(), &ordinals, &batch.project(&[0]).unwrap());
    refuse(start(), &ordinals, &batch.project(&[1, 0]).unwrap());
    // A person's rows may not straddle two batches: it would be given two instances.
    let mut run = start();
    run.batch(&ordinals, &batch, &mut Seen::default()).unwrap();
    refuse(run, &[2, 3, 4], &batch);
    // Column k is not nullable.
    let holes: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let schema = Schema::new(vec![Field::new("k", DataType::Int64, true), Field::new("x", DataType::Float64, true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![holes, batch.column(1).clone()]).unwrap();
    refuse(start(), &ordinals, &batch);
}

#[test]
fn parameters_are_checked() {
    let bytes = person_module("i64.const 0", "");
    for arguments in [&[][..], &[1.0, 2.0], &[-1.0], &[100.5], &[f64::NAN], &[f64::INFINITY]] {
        let run = Run::start(
            &SANDBOX,
            &compile(&bytes),
            &Plan { arguments, persons: 0 },
            &Limits::on_real_data(),
            &CancelFlag::new(),
            &Progress::new(),
        );
        assert!(matches!(run.err(), Some(RunError::Input { .. })), "{arguments:?}");
    }
}

#[test]
fn a_sink_that_refuses_ends_the_run() {
    struct Full;
    impl ContributionSink for Full {
        fn contribute(&mut self, _: u32, _: u32, _: u32, _: &[f64]) -> Result<(), SinkError> {
            Err(SinkError { message: "full".to_owned() })
        }
        fn contribute_rows(&mut self, _: u32, _: &[u32], _: &[i32], _: &[f64]) -> Result<(), SinkError> {
            Err(SinkError { message: "full".to_owned() })
        }
    }
    let row = row_module("i32.const 0", "i32.const 0", "f64.const 0", "");
    let person = person_module("(call $record (i32.const 0) (i32.const 1) (f64.const 0))", "");
    for bytes in [row, person] {
        let mut run =
            Run::start(&SANDBOX, &compile(&bytes), &ONE, &Limits::on_real_data(), &CancelFlag::new(), &Progress::new())
                .unwrap();
        let (ordinals, batch) = persons(2);
        assert!(matches!(run.batch(&ordinals, &batch, &mut Full), Err(RunError::Sink(_))));
    }
}

#[test]
fn a_full_pool_is_the_hosts_fault_and_counts_for_no_person() {
    let sandbox = Sandbox::new(&Config { runs_max: 1, ..Config::default() }).unwrap();
    let bytes = row_module("i32.const 0", "i32.const 0", "f64.const 0", "(memory 1)");
    let compiled = sandbox.compile(&inspect(&bytes).unwrap(), &bytes).unwrap();
    let start = || Run::start(&sandbox, &compiled, &ONE, &Limits::on_real_data(), &CancelFlag::new(), &Progress::new());
    let first = start().unwrap();
    let second = start().err().unwrap();
    assert!(matches!(second, RunError::Host { .. }), "{second}");
    drop(first);
    assert!(start().is_ok());
}
