//! Isolation `block`: what is in a block, and what a block can answer.

use super::{guest, in_batches, run_batches};
use crate::{FailureClass, Limits, Plan, RunMeters};

/// Ten blocks of five persons.
const FIVE: Plan<'_> = Plan { arguments: &[], persons: 50 };

fn manifest(blocks: u32) -> String {
    format!(
        r#"{{"abi": "glovebox:job@0.1.0", "name": "test", "version": "1", "description": "", "isolation": "block", "blocks": {blocks},
        "inputs": [{{"name": "k", "type": "int64"}}, {{"name": "x", "type": "float64", "nullable": true}}],
        "outputs": [{{"name": "m", "reducer": "block-mean", "lower": 0, "upper": 9}},
                    {{"name": "q", "reducer": "block-median", "lower": 0, "upper": 9, "steps": 9}}],
        "contributions_per_person_max": 1}}"#
    )
}

fn block(body: &str, rest: &str) -> Vec<u8> {
    let block = format!(r#"(func (export "gb_block") (param $input i32) (result i64) {body})"#);
    guest(&format!("{rest} {block}"), &manifest(10))
}

/// Answers rows * 1,000,000 + persons * 1,000 + first `k`.
const COUNTS: &str = "(call $record (i32.const 0) (i32.const 0) (f64.convert_i32_u (i32.add
    (i32.add
      (i32.mul (i32.load (local.get $input)) (i32.const 1000000))
      (i32.mul (i32.const 1000) (i32.add (i32.const 1) (i32.load (i32.add
        (i32.load offset=36 (local.get $input))
        (i32.mul (i32.const 4) (i32.sub (i32.load (local.get $input)) (i32.const 1))))))))
    (i32.load (i32.load offset=16 (local.get $input))))))";

fn numbers(bytes: &[u8], persons: u64, ordinals: &[u32], size: usize) -> (Vec<(u32, u32)>, RunMeters) {
    let plan = Plan { arguments: &[], persons };
    let (seen, meters) = run_batches(bytes, &plan, &Limits::on_dummy_data(), &in_batches(ordinals, size)).unwrap();
    (seen.0.iter().map(|(unit, .., bits)| (*unit, f64::from_bits(bits[0]) as u32)).collect(), meters)
}

#[test]
fn blocks_are_cut_by_ordinals_whatever_the_batches() {
    let bytes = block(COUNTS, "");
    let ordinals: Vec<u32> = (0..47).collect();
    for size in [1, 7, 47] {
        let (blocks, meters) = numbers(&bytes, 47, &ordinals, size);
        // b * 47 / 10: 0, 4, 9, 14, 18, 23, 28, 32, 37, 42, 47.
        let expected = [
            4_004_000, 5_005_004, 5_005_009, 4_004_014, 5_005_018, 5_005_023, 4_004_028, 5_005_032, 5_005_037,
            5_005_042,
        ];
        assert_eq!(blocks, (0..10).zip(expected).collect::<Vec<_>>(), "batches of {size}");
        assert_eq!((meters.instances, meters.persons, meters.rows), (10, 47, 47));
    }
}

/// A person that is not in the view changes its own block and no other.
#[test]
fn a_missing_person_moves_no_boundary() {
    let bytes = block(COUNTS, "");
    let ordinals: Vec<u32> = (0..50).filter(|ordinal| *ordinal != 12).collect();
    let (blocks, _) = numbers(&bytes, 50, &ordinals, 49);
    let expected = (0..10).map(|block| (block, if block == 2 { 4_004_010 } else { 5_005_000 + 5 * block }));
    assert_eq!(blocks, expected.collect::<Vec<_>>());
    // A block without any row is not run.
    let ordinals: Vec<u32> = (0..50).filter(|ordinal| !(10..20).contains(ordinal)).collect();
    let (blocks, meters) = numbers(&bytes, 50, &ordinals, 3);
    assert_eq!(blocks.iter().map(|(block, _)| *block).collect::<Vec<_>>(), [0, 1, 4, 5, 6, 7, 8, 9]);
    assert_eq!(meters.instances, 8);
}

#[test]
fn persons_with_several_rows_are_told_apart() {
    let bytes = block(COUNTS, "");
    let ordinals: Vec<u32> = (0..50).flat_map(|person| [person; 3]).collect();
    let (blocks, _) = numbers(&bytes, 50, &ordinals, 30);
    assert_eq!(blocks[3], (3, 15_005_015));
}

#[test]
fn every_block_finds_the_sandbox_new() {
    let rest = "(global $seen (mut i32) (i32.const 0))";
    let body = "(global.set $seen (i32.add (global.get $seen) (i32.const 1)))
        (call $record (i32.const 1) (i32.const 0) (f64.convert_i32_u (global.get $seen)))";
    let (blocks, _) = numbers(&block(body, rest), 50, &(0..50).collect::<Vec<_>>(), 50);
    assert_eq!(blocks, (0..10).map(|block| (block, 1)).collect::<Vec<_>>());
}

#[test]
fn a_fault_drops_its_block_alone() {
    let body = format!(
        "(if (i64.eq (i64.load (i32.load offset=16 (local.get $input))) (i64.const 20)) (then unreachable)) {COUNTS}"
    );
    let batches = in_batches(&(0..50).collect::<Vec<_>>(), 13);
    let (seen, meters) = run_batches(&block(&body, ""), &FIVE, &Limits::on_real_data(), &batches).unwrap();
    assert_eq!(seen.0.iter().map(|(unit, ..)| *unit).collect::<Vec<_>>(), [0, 1, 2, 3, 5, 6, 7, 8, 9]);
    assert_eq!(meters.faults.get(&FailureClass::Trap), Some(&1));
    let stopped = run_batches(&block(&body, ""), &FIVE, &Limits::on_dummy_data(), &batches);
    assert_eq!(stopped.err().map(|error| error.code()), Some("run.trap"));
}

#[test]
fn a_second_estimate_or_another_cell_is_bad_output() {
    let twice = "(drop (call $record (i32.const 0) (i32.const 0) (f64.const 1)))
        (i32.store (i32.const 1040) (i32.const 0)) (i32.store (i32.const 1044) (i32.const 0)) (i64.const 0x40000000002)";
    for body in [
        twice,
        "(call $record (i32.const 0) (i32.const 1) (f64.const 1))",
        "(call $record (i32.const 2) (i32.const 0) (f64.const 1))",
    ] {
        let batches = in_batches(&(0..50).collect::<Vec<_>>(), 50);
        let (seen, meters) = run_batches(&block(body, ""), &FIVE, &Limits::on_real_data(), &batches).unwrap();
        assert_eq!((seen.0.len(), meters.faults.get(&FailureClass::BadOutput)), (0, Some(&10)), "{body}");
    }
}

/// The host holds no more of a block than the guest may.
#[test]
fn a_block_beyond_the_memory_is_dropped() {
    let mut ordinals: Vec<u32> = (0..50).collect();
    ordinals.splice(20..20, vec![20; 30_000]);
    let limits = Limits { memory_bytes: 512 << 10, ..Limits::on_real_data() };
    let (seen, meters) =
        run_batches(&block(COUNTS, ""), &FIVE, &limits, &in_batches(&ordinals, ordinals.len())).unwrap();
    assert_eq!(seen.0.iter().map(|(unit, ..)| *unit).collect::<Vec<_>>(), [0, 1, 2, 3, 5, 6, 7, 8, 9]);
    assert_eq!(meters.faults.get(&FailureClass::Memory), Some(&1));
    assert_eq!((meters.rows, meters.persons), (30_050, 50));
}

#[test]
fn a_plan_without_persons_or_with_too_few_is_the_callers_fault() {
    let bytes = block(COUNTS, "");
    let limits = Limits::on_real_data();
    let none = run_batches(&bytes, &super::NONE, &limits, &[]);
    assert_eq!(none.err().map(|error| error.code()), Some("run.internal"));
    let plan = Plan { arguments: &[], persons: 49 };
    let beyond = run_batches(&bytes, &plan, &limits, &in_batches(&(0..50).collect::<Vec<_>>(), 50));
    assert_eq!(beyond.err().map(|error| error.code()), Some("run.internal"));
}
