//! Broken modules: cut at every byte, with flipped bits, bloated, made up. Inspection refuses or accepts, and what it
//! accepts compiles and runs to an end of the guest's own; nothing panics, nothing looks like a failure of the host.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch};
use arrow::datatypes::{Field, Schema};
use glovebox_catalog::{InputType, JobManifest};
use glovebox_sandbox::{Config, Faults, Inspected, RunError, Sandbox, inspect};
use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};

use crate::contributions::run;
use crate::guests::append_manifest;

const ROW: &[u8] = include_bytes!("../../examples/jobs/bmi-by-age-sex/bmi-by-age-sex.wasm");
const PERSON: &[u8] = include_bytes!("../../examples/jobs/visits-per-person/visits-per-person.wasm");
const COMPONENT: &[u8] = include_bytes!("../../examples/jobs/visits-per-person/visits-per-person.component.wasm");

#[test]
fn every_cut_module_is_refused() {
    // The manifest is the last section, so there is no place to cut that leaves a whole job. The larger modules are cut
    // at every byte of their headers and at every eleventh after that: inspecting 14 KB takes a millisecond.
    for (module, step) in [(ROW, 1), (PERSON, 11), (COMPONENT, 11)] {
        for length in (0..200).chain((200..module.len()).step_by(step)) {
            assert!(look(&module[..length]).is_none(), "accepted after {length} bytes");
        }
    }
}

#[test]
fn a_row_job_with_a_flipped_bit_is_refused_or_runs() {
    let mut random = SmallRng::seed_from_u64(1);
    // One bit of every byte.
    let flips: Vec<_> = (0..ROW.len()).map(|at| (at, 1 << random.random_range(0..8))).collect();
    run_flipped(ROW, &flips, 50);
}

#[test]
fn a_person_job_with_a_flipped_byte_is_refused_or_runs() {
    let mut random = SmallRng::seed_from_u64(2);
    for module in [PERSON, COMPONENT] {
        let flips: Vec<_> =
            (0..400).map(|_| (random.random_range(..module.len()), random.random_range(1..=255))).collect();
        run_flipped(module, &flips, 15);
    }
}

#[test]
fn noise_is_refused() {
    let mut random = SmallRng::seed_from_u64(3);
    for header in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0"] {
        for length in 0..200 {
            let mut noise = header.to_vec();
            noise.resize(header.len() + length, 0);
            random.fill_bytes(&mut noise[header.len()..]);
            assert!(look(&noise).is_none());
        }
    }
}

/// Sections in another order, twice, or left out; sections of one module in another.
#[test]
fn shuffled_sections_are_refused_or_run() {
    let mut random = SmallRng::seed_from_u64(4);
    let mut sections: Vec<&[u8]> = sections(ROW);
    sections.extend(self::sections(PERSON));
    for _ in 0..500 {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        for _ in 0..random.random_range(1..12) {
            module.extend_from_slice(sections[random.random_range(..sections.len())]);
        }
        look(&module);
    }
}

#[test]
fn bloated_modules_are_refused() {
    let code = |module: &[u8]| inspect(module).unwrap_err()[0].code.clone();
    let mut huge_manifest = b"\0asm\x01\0\0\0".to_vec();
    append_manifest(&mut huge_manifest, &vec![b' '; (1 << 20) + 1]);
    assert_eq!(code(&huge_manifest), "sandbox.bad-manifest");

    let mut huge_module = ROW.to_vec();
    huge_module.resize(5 << 20, 0);
    assert_eq!(code(&huge_module), "sandbox.too-large");

    let many_functions = format!("(module (type (func)) {})", "(func) ".repeat(100_001));
    assert_eq!(code(&wat::parse_str(many_functions).unwrap()), "sandbox.too-complex");

    let deep = format!("(module (func {} {}))", "block ".repeat(5_000), "end ".repeat(5_000));
    assert_eq!(code(&wat::parse_str(deep).unwrap()), "sandbox.too-complex");

    let locals = "(module (func (local i32) ".to_owned() + &"(local i64) (local i32) ".repeat(20_000) + "))";
    assert_eq!(code(&wat::parse_str(locals).unwrap()), "sandbox.too-complex");
}

/// Inspects; a refusal must explain itself.
fn look(module: &[u8]) -> Option<Inspected> {
    match inspect(module) {
        Ok(inspected) => Some(inspected),
        Err(refusals) => {
            assert!(!refusals.is_empty());
            assert!(refusals.iter().all(|refusal| refusal.code.starts_with("sandbox.") && !refusal.remedy.is_empty()));
            None
        }
    }
}

/// Inspects the module with each of the flips, and runs `runs` of those that are accepted, spread over the module:
/// compiling is what takes long.
fn run_flipped(module: &[u8], flips: &[(usize, u8)], runs: usize) {
    let accepted: Vec<_> = flips.iter().filter_map(|flip| Some((*flip, look(&flipped(module, *flip))?))).collect();
    assert!(accepted.len() >= runs, "{} accepted: the test runs next to nothing", accepted.len());
    let sandbox = Sandbox::new(&Config { cache_max_bytes: 0, ..Config::default() }).unwrap();
    for (flip, inspected) in accepted.iter().step_by(accepted.len() / runs) {
        let compiled = sandbox.compile(inspected, &flipped(module, *flip)).unwrap();
        let batch = (vec![0, 1, 1], batch(inspected.manifest()));
        match run(&sandbox, &compiled, &[batch], Faults::Drop) {
            Ok(_) | Err(RunError::Failed(_)) => {}
            Err(error) => panic!("byte {} ^ {}: {error}", flip.0, flip.1),
        }
    }
}

fn flipped(module: &[u8], (at, mask): (usize, u8)) -> Vec<u8> {
    let mut flipped = module.to_vec();
    flipped[at] ^= mask;
    flipped
}

/// Three rows for whatever columns a flipped manifest asks for.
fn batch(manifest: &JobManifest) -> RecordBatch {
    let column = |input_type: &InputType| -> ArrayRef {
        match input_type {
            InputType::Int64 => Arc::new(Int64Array::from(vec![20, 40, 60])),
            InputType::Float64 => Arc::new(Float64Array::from(vec![0.5, 25.0, 31.0])),
            InputType::Code(_) => Arc::new(Int32Array::from(vec![0, 0, 0])),
            other => unreachable!("no example job reads {other:?}, and no flipped bit makes one"),
        }
    };
    let columns: Vec<_> = manifest.inputs.iter().map(|input| column(&input.input_type)).collect();
    let fields = manifest.inputs.iter().zip(&columns);
    let fields = fields.map(|(input, array)| Field::new(&input.name, array.data_type().clone(), input.nullable));
    RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns).unwrap()
}

/// The sections of a core module, with their headers.
fn sections(module: &[u8]) -> Vec<&[u8]> {
    let mut sections = Vec::new();
    let mut rest = &module[8..];
    while !rest.is_empty() {
        let (mut size, mut at) = (0, 1);
        loop {
            size |= usize::from(rest[at] & 0x7f) << (7 * (at - 1));
            at += 1;
            if rest[at - 1] < 0x80 {
                break;
            }
        }
        let (section, after) = rest.split_at(at + size);
        sections.push(section);
        rest = after;
    }
    sections
}
