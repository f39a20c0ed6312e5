//! Hostile guests: every file of `tests/guests` is one behaviour, inspected and run in the real sandbox.
//!
//! The list below says what must come of each. A file without an entry does not compile (`build.rs` lists the files),
//! nor does an entry without a file (`include_str!`). Each test runs a guest twice in either mode: contributions, faults
//! and fuel must agree, and no guest may ever look like a failure of the host.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arrow::array::{Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use glovebox_catalog::Isolation;
use glovebox_gate::Reduction;
use glovebox_sandbox::{
    CancelFlag, Compiled, Config, FailureClass, Faults, Limits, Plan, Progress, ReleasedOutput, Run, RunError, Sandbox,
    UpdateInput, inspect,
};

use crate::contributions::{Collected, Contributed, run};

/// Persons 0, 1 and 2 with these values of column `x`.
const PERSONS: [&[f64]; 3] = [&[1.0, 2.0], &[3.0], &[4.0, 5.0, 6.0]];
const ROWS: u64 = 6;

/// What must come of a guest.
enum Expected {
    /// Inspection refuses it with this code.
    Refused(&'static str),
    /// Every row, person or block, or the cohort, ends in this fault.
    Fails(FailureClass),
    /// One row, person or block ends in this fault; the others contribute (person, value) to cell 0.
    FailsOnce(FailureClass, &'static [(u32, f64)]),
    /// Contributes (unit, value) to cell 0, as if nothing had happened before.
    Contributes(&'static [(u32, f64)]),
    /// Every update gives this state, whatever happened before.
    Updates(f64),
    /// Every update ends in this fault.
    UpdateFails(FailureClass),
}
use Expected::{Contributes, Fails, FailsOnce, Refused, UpdateFails, Updates};
use FailureClass::{BadOutput, BadUpdate, Memory, OutOfFuel, Stack, Trap};

/// Which manifest a guest gets; all read column `x`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manifest {
    /// One sum by a key of two codes, and so for the next.
    Row,
    Person,
    /// That sum and a ratio by the same key.
    RowVector,
    PersonVector,
    /// That sum, and rounds of one state variable from -5 to 5.
    RowRounds,
    PersonRounds,
    /// A mean over ten blocks of a person each.
    Block,
    /// A table of two rows and one column.
    Cohort,
    /// What the file brings itself.
    Own,
}

const EACH_FIRST: &[(u32, f64)] = &[(0, 1.0), (1, 3.0), (2, 4.0)];
const ALL_BUT_THREE: &[(u32, f64)] = &[(0, 1.0), (2, 4.0)];
const NOTHING: &[(u32, f64)] = &[(0, 0.0), (1, 0.0), (2, 0.0)];
const ONES: &[(u32, f64)] = &[(0, 1.0), (1, 1.0), (2, 1.0)];
const EACH_ROW: &[(u32, f64)] = &[(0, 1.0), (0, 2.0), (1, 3.0), (2, 4.0), (2, 5.0), (2, 6.0)];
const NOT_A_NUMBER: &[(u32, f64)] = &[(0, f64::NAN), (1, f64::NAN), (2, f64::NAN)];

macro_rules! guests {
    ($($manifest:ident $name:ident: $expected:expr;)*) => {
        $(#[test]
        fn $name() {
            let wat = include_str!(concat!("../guests/", stringify!($name), ".wat"));
            check(stringify!($name), wat, Manifest::$manifest, &$expected);
        })*
        include!(concat!(env!("OUT_DIR"), "/guests.rs"));
    };
}

guests! {
    // Reaches outside.
    Row imports_wasi_clock: Refused("sandbox.import-not-allowed");
    Row imports_random: Refused("sandbox.import-not-allowed");
    Row imports_global: Refused("sandbox.import-not-allowed");
    Person imports_file_writing: Refused("sandbox.import-not-allowed");
    Person imports_memory: Refused("sandbox.import-not-allowed");
    Person component_imports_clock: Refused("sandbox.import-not-allowed");
    Person component_imports_instance_with_function: Refused("sandbox.import-not-allowed");

    // Keeps state from row to row.
    Row keeps_state_in_global: Refused("sandbox.row-keeps-state");
    Row keeps_state_in_memory: Refused("sandbox.row-keeps-state");
    Row keeps_state_in_vector_store: Refused("sandbox.row-keeps-state");
    Row keeps_state_through_call: Refused("sandbox.row-keeps-state");
    Row keeps_state_through_indirect_call: Refused("sandbox.row-keeps-state");
    Row keeps_state_in_table: Refused("sandbox.row-keeps-state");
    Row keeps_state_by_growing_memory: Refused("sandbox.row-keeps-state");
    Row keeps_state_by_growing_table: Refused("sandbox.row-keeps-state");
    Row keeps_state_by_dropping_data: Refused("sandbox.row-keeps-state");
    Row keeps_state_by_filling_memory: Refused("sandbox.row-keeps-state");
    Row starts_before_the_rows: Refused("sandbox.row-keeps-state");
    Row component_for_rows: Refused("sandbox.row-needs-core-module");

    // Keeps state from person to person: every person must find the sandbox new.
    Person remembers_in_global: Contributes(EACH_FIRST);
    Person remembers_in_memory: Contributes(EACH_FIRST);
    Person remembers_in_data: Contributes(ONES);
    Person remembers_in_dropped_data: Contributes(ONES);
    Person remembers_in_grown_memory: Contributes(ONES);
    Person remembers_behind_grown_memory: Contributes(NOTHING);
    Person remembers_in_table: Contributes(NOTHING);
    Person scans_for_residue: Contributes(NOTHING);
    Person overwrites_its_input: Contributes(EACH_FIRST);
    Person component_remembers: Contributes(EACH_FIRST);

    // Uses features that are not allowed.
    Person uses_memory64: Refused("sandbox.feature-not-allowed");
    Person uses_shared_memory: Refused("sandbox.feature-not-allowed");
    Person uses_atomics: Refused("sandbox.feature-not-allowed");
    Person uses_two_memories: Refused("sandbox.feature-not-allowed");
    Row uses_relaxed_simd: Refused("sandbox.feature-not-allowed");
    Row uses_tail_calls: Refused("sandbox.feature-not-allowed");
    Row uses_exceptions: Refused("sandbox.feature-not-allowed");

    // Breaks the interface by what it exports.
    Person lacks_alloc: Refused("sandbox.missing-export");
    Person lacks_memory: Refused("sandbox.missing-export");
    Row lacks_value: Refused("sandbox.missing-export");
    Person exports_wrong_kind: Refused("sandbox.missing-export");
    Person exports_wrong_signature: Refused("sandbox.missing-export");
    Row takes_more_columns_than_it_says: Refused("sandbox.missing-export");

    // Lies in its manifest.
    Own has_no_manifest: Refused("sandbox.no-manifest");
    Own has_two_manifests: Refused("sandbox.no-manifest");
    Own manifest_is_not_json: Refused("sandbox.bad-manifest");
    Own manifest_nests_deeply: Refused("sandbox.bad-manifest");
    Own manifest_asks_for_an_extreme: Refused("sandbox.no-such-reducer");
    Own manifest_asks_for_too_many_cells: Refused("sandbox.bad-manifest");
    Own manifest_of_another_version: Refused("sandbox.bad-manifest");

    // Takes more than its share.
    Person starts_with_too_much_memory: Refused("sandbox.memory-cap");
    Person loops_for_ever: Fails(OutOfFuel);
    Row loops_for_ever_on_a_row: Fails(OutOfFuel);
    Person loops_for_ever_in_alloc: Fails(OutOfFuel);
    Person loops_for_ever_at_start: Fails(OutOfFuel);
    Person component_loops_for_ever: Fails(OutOfFuel);
    Person starves_the_next_person: FailsOnce(OutOfFuel, ALL_BUT_THREE);
    Person grows_memory_to_the_cap: Contributes(&[(0, 992.0), (1, 992.0), (2, 992.0)]);
    Person grows_memory_beyond_the_cap: Fails(Memory);
    Person grows_table_beyond_the_cap: Fails(Memory);
    Person component_grows_memory_beyond_the_cap: Fails(Memory);
    Person recurses_deeply: Fails(Stack);
    Row recurses_deeply_on_a_row: Fails(Stack);

    // Faults.
    Person traps: Fails(Trap);
    Person traps_at_start: Fails(Trap);
    Person traps_on_one_person: FailsOnce(Trap, ALL_BUT_THREE);
    Row traps_on_one_row: FailsOnce(Trap, &[(0, 1.0), (0, 2.0), (2, 4.0), (2, 5.0), (2, 6.0)]);
    Person component_traps: Fails(Trap);
    Row divides_by_zero: Fails(Trap);
    Person reads_out_of_bounds: Fails(Trap);
    Person calls_a_wrong_type: Fails(Trap);

    // Answers outside the interface.
    Person returns_nan: Contributes(NOT_A_NUMBER);
    Row returns_nan_on_a_row: Contributes(&[
        (0, f64::NAN), (0, f64::NAN), (1, f64::NAN), (2, f64::NAN), (2, f64::NAN), (2, f64::NAN),
    ]);
    Person returns_infinity: Contributes(&[
        (0, f64::INFINITY), (0, f64::NEG_INFINITY), (1, f64::INFINITY), (1, f64::NEG_INFINITY),
        (2, f64::INFINITY), (2, f64::NEG_INFINITY),
    ]);
    Person records_out_of_bounds: Fails(BadOutput);
    Person record_count_overflows: Fails(BadOutput);
    Person records_wrap_around: Fails(BadOutput);
    Person records_unaligned: Fails(BadOutput);
    Person too_many_records: Fails(BadOutput);
    Person unknown_output: Fails(BadOutput);
    Person unknown_cell: Fails(BadOutput);
    Person unknown_cell_after_good_ones: Fails(BadOutput);
    Row unknown_cell_on_a_row: Fails(BadOutput);
    Row cell_below_minus_one: Fails(BadOutput);
    Person component_unknown_cell: Fails(BadOutput);
    Person component_returns_out_of_bounds: Fails(BadOutput);
    Person component_list_overflows: Fails(BadOutput);
    Person component_realloc_out_of_range: Fails(BadOutput);
    Person alloc_returns_zero: Fails(Memory);
    Person alloc_returns_out_of_range: Fails(BadOutput);
    Person alloc_returns_the_last_bytes: Fails(BadOutput);
    Person alloc_wraps_around: Fails(BadOutput);
    Person alloc_returns_unaligned: Fails(BadOutput);
    Person too_many_contributions: Contributes(&[
        (0, 1.0), (0, 1.0), (0, 1.0), (0, 1.0), (0, 1.0), (1, 1.0), (1, 1.0), (1, 1.0), (1, 1.0), (1, 1.0),
        (2, 1.0), (2, 1.0), (2, 1.0), (2, 1.0), (2, 1.0),
    ]);

    // Gives contributions of several values out of shape.
    PersonVector vector_ends_early: Fails(BadOutput);
    PersonVector vector_out_of_order: Fails(BadOutput);
    PersonVector vector_across_cells: Fails(BadOutput);
    PersonVector vector_across_outputs: Fails(BadOutput);
    PersonVector vector_cell_overflows: Fails(BadOutput);
    PersonVector vector_behind_the_last_cell: Fails(BadOutput);
    RowVector row_lacks_second_value: Refused("sandbox.missing-export");
    RowVector row_keeps_state_in_second_value: Refused("sandbox.row-keeps-state");

    // Carries something from block to block, or out of one past its estimate.
    Block block_remembers_in_global: Contributes(EACH_FIRST);
    Block block_remembers_in_memory: Contributes(EACH_FIRST);
    Block block_numbers_its_persons: Contributes(NOTHING);
    Block block_estimates_twice: Fails(BadOutput);
    Block block_names_another_cell: Fails(BadOutput);
    Block block_traps_on_one: FailsOnce(Trap, ALL_BUT_THREE);
    Block block_loops_for_ever_on_one: FailsOnce(OutOfFuel, ALL_BUT_THREE);
    Block block_returns_nan: Contributes(NOT_A_NUMBER);
    Block lacks_block: Refused("sandbox.missing-export");
    Block component_block_remembers: Contributes(EACH_FIRST);
    Block component_block_estimates_twice: Fails(BadOutput);
    Block component_block_as_person: Refused("sandbox.missing-export");

    // Sees the whole cohort: what it says, its failing included, goes to reviewers or nowhere.
    Cohort cohort_remembers_the_run_before: Contributes(&[(0, 1.0)]);
    Cohort cohort_hands_on_past_its_partial: Contributes(&[(0, 0.0)]);
    Cohort cohort_traps_on_a_value: Fails(Trap);
    Cohort cohort_traps_in_merge: Fails(Trap);
    Cohort cohort_loops_for_ever_in_finish: Fails(OutOfFuel);
    Cohort cohort_partial_out_of_bounds: Fails(BadOutput);
    Cohort cohort_partial_without_end: Fails(BadOutput);
    Cohort cohort_grows_beyond_the_cap: Fails(Memory);
    Cohort cohort_row_behind_the_last: Fails(BadOutput);
    Cohort cohort_more_records_than_cells: Fails(BadOutput);
    Cohort cohort_records_unaligned: Fails(BadOutput);
    Cohort cohort_lacks_merge: Refused("sandbox.missing-export");
    Cohort component_cohort_remembers_the_run_before: Contributes(&[(0, 1.0)]);
    Cohort component_cohort_traps_in_batch: Fails(Trap);
    Cohort component_cohort_partial_out_of_bounds: Fails(BadOutput);
    Cohort component_cohort_row_behind_the_last: Fails(BadOutput);

    // Uses rounds to keep state, or to learn what was not shown.
    RowRounds row_rounds_leave_a_mark: Contributes(EACH_ROW);
    RowRounds row_rounds_keep_state: Refused("sandbox.row-keeps-state");
    RowRounds row_rounds_allocate: Refused("sandbox.row-keeps-state");
    PersonRounds update_remembers: Updates(2.0);
    PersonRounds update_reads_what_was_hidden: Updates(0.0);
    PersonRounds update_beyond_its_bounds: Updates(5.0);
    PersonRounds update_returns_nan: UpdateFails(BadUpdate);
    PersonRounds update_returns_infinity: UpdateFails(BadUpdate);
    PersonRounds update_returns_too_few: UpdateFails(BadUpdate);
    PersonRounds update_returns_too_many: UpdateFails(BadUpdate);
    PersonRounds update_with_another_flag: UpdateFails(BadUpdate);
    PersonRounds update_out_of_bounds: UpdateFails(BadUpdate);
    PersonRounds update_loops_for_ever: UpdateFails(OutOfFuel);
    PersonRounds update_traps: UpdateFails(Trap);
    PersonRounds update_grows_beyond_the_cap: UpdateFails(Memory);
    PersonRounds lacks_update: Refused("sandbox.missing-export");
    PersonRounds component_update_remembers: Updates(2.0);
    PersonRounds component_update_returns_too_many: UpdateFails(BadUpdate);
    PersonRounds component_update_returns_nan: UpdateFails(BadUpdate);
}

#[test]
fn every_behaviour_that_was_promised_is_there() {
    assert!(GUESTS.len() >= 140, "{} guests", GUESTS.len());
}

/// The gate bounds what reaches it from a guest that does not.
#[test]
fn contributions_beyond_the_bound_and_what_is_no_number_are_dropped() {
    let dropped = |wat: &str| {
        let module = module(wat, Manifest::Person);
        let inspected = inspect(&module).unwrap();
        let compiled = sandbox().compile(&inspected, &module).unwrap();
        let (contributions, _) = run(sandbox(), &compiled, &batches(), Faults::Drop).unwrap();
        let mut reduction = Reduction::new(inspected.manifest()).unwrap();
        for contributed in contributions {
            let Contributed { unit, output, cell, .. } = contributed;
            let value = contributed.values()[0];
            reduction.contribute(unit, glovebox_gate::Contribution { output, cell, values: &[value] }).unwrap();
        }
        let dropped = reduction.finish().dropped();
        (dropped.over_bound, dropped.not_finite)
    };
    assert_eq!(dropped(include_str!("../guests/too_many_contributions.wat")), (9, 0), "5 of each, 2 allowed");
    assert_eq!(dropped(include_str!("../guests/returns_nan.wat")), (0, 3));
    assert_eq!(dropped(include_str!("../guests/returns_infinity.wat")), (0, 6));
}

/// What a fault costs must not depend on where in the run it happens, or the meters would tell about other persons.
#[test]
fn a_person_costs_the_same_fuel_whoever_comes_before() {
    let module = module(include_str!("../guests/scans_for_residue.wat"), Manifest::Person);
    let compiled = sandbox().compile(&inspect(&module).unwrap(), &module).unwrap();
    let all = batches();
    let fuel = |batches: &[_]| run(sandbox(), &compiled, batches, Faults::Drop).unwrap().1.fuel_units;
    let alone: u64 = all.iter().map(|batch| fuel(std::slice::from_ref(batch))).sum();
    assert_eq!(fuel(&all), alone);
}

/// A run's limit may be smaller than what a guest starts with; that is the guest's fault, not the host's.
#[test]
fn a_guest_that_starts_larger_than_the_limit_fails() {
    let module = module(include_str!("../guests/remembers_in_memory.wat"), Manifest::Person);
    let compiled = sandbox().compile(&inspect(&module).unwrap(), &module).unwrap();
    let limits = Limits { memory_bytes: 3 << 16, ..Limits::on_dummy_data() };
    let mut run = Run::start(
        sandbox(),
        &compiled,
        &Plan { arguments: &[], persons: 0 },
        &limits,
        &CancelFlag::new(),
        &Progress::new(),
    )
    .unwrap();
    let (ordinals, batch) = &batches()[0];
    let ending = run.batch(ordinals, batch, &mut Collected::default());
    assert!(matches!(ending, Err(RunError::Failed(Memory))), "{ending:?}");
}

fn check(name: &str, wat: &str, manifest: Manifest, expected: &Expected) {
    assert!(wat.starts_with(";; "), "the first line says what the guest tries");
    let module = module(wat, manifest);
    let inspected = match (inspect(&module), expected) {
        (Err(refusals), Refused(code)) => {
            let codes: Vec<_> = refusals.iter().map(|refusal| refusal.code.as_str()).collect();
            assert!(codes.iter().all(|found| found == code), "expected {code}, found {refusals:?}");
            assert!(refusals.iter().all(|refusal| !refusal.place.is_empty() && !refusal.remedy.is_empty()));
            return;
        }
        (Err(refusals), _) => panic!("refused, though it should run: {refusals:?}"),
        (Ok(_), Refused(code)) => panic!("accepted, expected {code}"),
        (Ok(inspected), _) => inspected,
    };
    let compiled = sandbox().compile(&inspected, &module).unwrap();
    if compiled.manifest().rounds.is_some() {
        check_updates(name, &compiled, expected);
        if matches!(expected, Updates(_) | UpdateFails(_)) {
            return;
        }
    }
    let units = match inspected.manifest().isolation {
        Isolation::Row => ROWS,
        Isolation::Person | Isolation::Block => PERSONS.len() as u64,
        Isolation::Cohort => 1,
    };
    let (fault, contributed) = match expected {
        Fails(class) => (Some((*class, units)), &[][..]),
        FailsOnce(class, others) => (Some((*class, 1)), *others),
        Contributes(all) => (None, *all),
        Refused(_) | Updates(_) | UpdateFails(_) => unreachable!(),
    };
    let contributed: Vec<_> = contributed.iter().map(|(unit, value)| Contributed::new(*unit, 0, 0, *value)).collect();
    let faults: BTreeMap<_, _> = fault.into_iter().collect();

    let runs = [(); 2].map(|()| run(sandbox(), &compiled, &batches(), Faults::Drop).unwrap());
    for (found, meters) in &runs {
        assert_eq!(found, &contributed, "{name}: contributions");
        assert_eq!(meters.faults, faults, "{name}: faults");
        assert_eq!((meters.rows, meters.persons), (ROWS, PERSONS.len() as u64), "{name}: the run goes on to its end");
    }
    assert_eq!(runs[0].1.fuel_units, runs[1].1.fuel_units, "{name}: fuel is the same each time");

    match (run(sandbox(), &compiled, &batches(), Faults::Stop), fault) {
        (Ok((found, _)), None) => assert_eq!(found, contributed, "{name}: contributions when faults stop"),
        (Err(RunError::Failed(found)), Some((class, _))) => assert_eq!(found, class, "{name}: class"),
        (Ok(_), Some((class, _))) => panic!("{name}: ended well, expected {}", class.code()),
        (Err(error), _) => panic!("{name}: {error}"),
    }
}

/// Two updates of the same figures, of which the second is not shown; where nothing is expected of them, they just happen.
fn check_updates(name: &str, compiled: &Compiled, expected: &Expected) {
    let outputs = [ReleasedOutput { values: vec![7.0, 9.0], valid: vec![true, false] }];
    let input = UpdateInput { round: 0, state: &[0.0], outputs: &outputs };
    for _ in 0..2 {
        let found = sandbox().update(compiled, &[], &input, &Limits::on_real_data(), &CancelFlag::new());
        match (found, expected) {
            (Ok(update), Updates(state)) => assert_eq!(update.state, [*state], "{name}"),
            (Err(RunError::Failed(found)), UpdateFails(class)) => assert_eq!(found, *class, "{name}"),
            (found, Updates(_) | UpdateFails(_)) => panic!("{name}: {found:?}"),
            (found, _) => assert!(found.is_ok(), "{name}: {found:?}"),
        }
    }
}

/// One sandbox for all tests, as in the enclave: they also share its pool of instances, hostile or not.
fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(&Config::default()).unwrap())
}

/// A batch per person, so that hostile persons also meet at the edge of batches.
fn batches() -> Vec<(Vec<u32>, RecordBatch)> {
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Float64, false)]));
    let batch = |(person, values): (usize, &&[f64])| {
        let column = Arc::new(Float64Array::from(values.to_vec()));
        (vec![person as u32; values.len()], RecordBatch::try_new(schema.clone(), vec![column]).unwrap())
    };
    PERSONS.iter().enumerate().map(batch).collect()
}

/// The binary form with its manifest.
fn module(wat: &str, manifest: Manifest) -> Vec<u8> {
    let mut module = wat::parse_str(wat).unwrap();
    let sum = r#"{"name": "sum", "reducer": "sum", "lower": 0, "upper": 10, "keys": ["key"]}"#;
    let ratio = r#"{"name": "ratio", "reducer": "ratio", "numerator": {"lower": 0, "upper": 10},
        "denominator": {"lower": 0, "upper": 10}, "keys": ["key"]}"#;
    let mean = r#"{"name": "mean", "reducer": "block-mean", "lower": 0, "upper": 10}"#;
    let table = r#"{"name": "table", "reducer": "table", "rows_max": 2,
        "columns": [{"name": "a", "type": "number", "lower": 0, "upper": 9, "step": 1}]}"#;
    let rounds = r#", "rounds": {"rounds_max": 3, "state": [{"name": "s", "default": 0, "min": -5, "max": 5}]}"#;
    let (isolation, outputs, rest) = match manifest {
        Manifest::Row => ("row", sum.to_owned(), ""),
        Manifest::Person => ("person", sum.to_owned(), ""),
        Manifest::RowVector => ("row", format!("{sum}, {ratio}"), ""),
        Manifest::PersonVector => ("person", format!("{sum}, {ratio}"), ""),
        Manifest::RowRounds => ("row", sum.to_owned(), rounds),
        Manifest::PersonRounds => ("person", sum.to_owned(), rounds),
        Manifest::Block => ("block", mean.to_owned(), r#", "blocks": 10"#),
        Manifest::Cohort => ("cohort", table.to_owned(), ""),
        Manifest::Own => return module,
    };
    let manifest = format!(
        r#"{{"abi": "glovebox:job@0.1.0", "name": "hostile", "version": "1.0.0", "description": "",
        "isolation": "{isolation}", "inputs": [{{"name": "x", "type": "float64"}}],
        "keys": [{{"name": "key", "domain": {{"codes": ["a", "b"]}}}}],
        "outputs": [{outputs}], "contributions_per_person_max": 2{rest}}}"#
    );
    append_manifest(&mut module, manifest.as_bytes());
    module
}

/// Appends the custom section that holds a manifest.
pub(crate) fn append_manifest(module: &mut Vec<u8>, json: &[u8]) {
    let name = glovebox_catalog::MANIFEST_SECTION;
    let mut body = vec![name.len() as u8];
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(json);
    module.push(0);
    let mut size = body.len();
    while size >= 0x80 {
        module.push(size as u8 | 0x80);
        size >>= 7;
    }
    module.push(size as u8);
    module.extend_from_slice(&body);
}
