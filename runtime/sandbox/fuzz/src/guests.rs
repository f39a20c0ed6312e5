//! Random guests: modules of wasm-smith within what inspection allows, made to speak the job interface.

use arbitrary::{Result, Unstructured};

use wasm_smith::{InstructionKind, InstructionKinds};

use crate::splice;

const MANIFEST_REST: &str = r#""name": "random", "version": "1", "description": "", "inputs": [{"name": "k", "type": "int64"}],
    "keys": [{"name": "band", "domain": {"codes": ["a", "b", "c", "d"]}}], "contributions_per_person_max": 1"#;

/// A guest whose functions `a` and `b` are wasm-smith's.
pub(crate) fn person(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let shape = r#"(module (func (export "a") (param i64) (result i64) unreachable)
        (func (export "b") (param i64) (result i64) unreachable))"#;
    let config = wasm_smith::Config { min_memories: 1, ..config(u, shape)? };
    let module = wasm_smith::Module::new(config, u)?.to_bytes();
    let manifest = format!(
        r#"{{"abi": "glovebox:job@0.1.0", "isolation": "person", {MANIFEST_REST},
        "outputs": [{{"name": "s", "reducer": "sum", "lower": 0, "upper": 1, "keys": ["band"]}}]}}"#
    );
    Ok(splice::person(&module, &manifest))
}

/// A guest whose cell and value are functions of wasm-smith's.
pub(crate) fn row(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let shape = r#"(module (func (export "a") (param i64) (result i32) unreachable)
        (func (export "gb_value_0") (param i64) (result f64) unreachable))"#;
    let config = config(u, shape)?;
    // Hardly any module would pass the proof by chance: most may hold few operators of the kinds that write.
    let kinds = [InstructionKind::Numeric, InstructionKind::Parametric, InstructionKind::Control];
    let allowed_instructions = if u.ratio(1, 4)? { InstructionKinds::all() } else { InstructionKinds::new(&kinds) };
    let config = wasm_smith::Config { allowed_instructions, max_instructions: 40, allow_start_export: false, ..config };
    let mut module = wasm_smith::Module::new(config, u)?.to_bytes();
    // wasm-smith puts what is left on the operand stack into globals.
    if u.ratio(3, 4).unwrap_or(true) {
        splice::drop_global_writes(&mut module);
    }
    let manifest = format!(
        r#"{{"abi": "glovebox:job@0.1.0", "isolation": "row", {MANIFEST_REST},
        "outputs": [{{"name": "s", "reducer": "sum", "lower": 0, "upper": 1, "keys": ["band"]}}]}}"#
    );
    Ok(splice::row(&module, &manifest))
}

/// What inspection allows, as far as wasm-smith can be told, and not too large.
fn config(u: &mut Unstructured<'_>, shape: &str) -> Result<wasm_smith::Config> {
    let traps = u.ratio(1, 4)?;
    Ok(wasm_smith::Config {
        exports: Some(wat::parse_str(shape).expect("a shape")),
        max_imports: 0,
        max_tags: 0,
        max_funcs: 6,
        max_types: 8,
        max_instructions: 60,
        max_globals: 8,
        max_tables: if u.ratio(1, 2)? { 2 } else { 0 },
        max_table_elements: 100,
        table_max_size_required: u.arbitrary()?,
        max_memories: 1,
        max_memory32_bytes: 1 << 20,
        memory_max_size_required: u.arbitrary()?,
        max_data_segments: 4,
        max_element_segments: 4,
        disallow_traps: !traps,
        allow_start_export: u.ratio(1, 4)?,
        custom_page_sizes_enabled: true,
        // With them come references to the outside, which inspection refuses, in every second module.
        reference_types_enabled: u.ratio(1, 4)?,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        extended_const_enabled: false,
        ..wasm_smith::Config::default()
    })
}
