//! Guests that do as little as a job can, so that what is measured is what the sandbox adds.

use anyhow::{Result, anyhow};
use glovebox_sandbox::{
    CancelFlag, Compiled, ContributionSink, Limits, Plan, Progress, Run, RunMeters, Sandbox, inspect,
};

use crate::rows::{GROUPS, Rows};

/// A `row` job over the three columns of [`Rows`]: rows above the threshold, by group, their values.
#[must_use]
pub fn row() -> String {
    let columns = "(param $group i64) (param $filter f64) (param $x f64)";
    format!(
        r#"(module
        (func (export "gb_cell_0") {columns} (result i32)
          (select (i32.wrap_i64 (local.get $group)) (i32.const -1) (f64.gt (local.get $filter) (f64.const 0.25))))
        (func (export "gb_value_0") {columns} (result f64) (local.get $x)))"#
    )
}

/// A `person` job through the columnar door: one contribution, with `body` done before.
#[must_use]
pub fn person(body: &str) -> String {
    format!(
        r#"(module (memory (export "memory") 17) (global $next (mut i32) (i32.const 65536))
        (func (export "gb_alloc") (param i32 i32) (result i32) (global.get $next))
        (func (export "empty"))
        (func (export "gb_person") (param i32) (result i64) {body}
          (f64.store (i32.const 1032) (f64.const 1)) (i64.const 0x40000000001)))"#
    )
}

/// 64 KiB of memory written, as a job with a table of its own would.
pub const WRITES_64_KIB: &str = "(memory.fill (i32.const 131072) (i32.const 1) (i32.const 65536))";

/// The same `person` job through the component door.
pub const COMPONENT: &str = r#"(component
  (type $k (enum "boolean" "int64" "float64" "date" "code")) (import "kind" (type $kind (eq $k)))
  (type $c (record (field "kind" $kind) (field "values" (list u8)) (field "validity" (option (list u8)))))
  (import "column" (type $column (eq $c)))
  (type $t (record (field "rows" u32) (field "columns" (list $column)))) (import "table" (type $table (eq $t)))
  (type $o (record (field "output" u32) (field "cell" u32) (field "value" f64)))
  (import "contribution" (type $contribution (eq $o)))
  (core module $main (memory (export "memory") 17) (global $next (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 15)) (i32.const -16)))
      (i32.sub (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -16))))
    (func (export "person") (param i32 i32 i32 i32 i32) (result i32)
      (f64.store (i32.const 1032) (f64.const 1))
      (i32.store (i32.const 1040) (i32.const 1024)) (i32.store (i32.const 1044) (i32.const 1)) (i32.const 1040)))
  (core instance $i (instantiate $main))
  (func $person (param "input" $table) (param "parameters" (list f64)) (result (list $contribution))
    (canon lift (core func $i "person") (memory $i "memory") (realloc (func $i "realloc"))))
  (export "person" (func $person)))"#;

/// A component with a function that does nothing.
pub const EMPTY_COMPONENT: &str = r#"(component
  (core module $main (func (export "empty")))
  (core instance $i (instantiate $main))
  (func (export "empty") (canon lift (core func $i "empty"))))"#;

/// Inspects and compiles `text` as a job of `isolation` with one output of `reducer` (name and bounds, as in a manifest).
///
/// # Errors
/// When the text is no job.
pub fn compile(sandbox: &Sandbox, text: &str, isolation: &str, reducer: &str) -> Result<Compiled> {
    let bytes = module(text, isolation, reducer)?;
    let inspected = inspect(&bytes).map_err(|refusals| anyhow!("refused: {refusals:?}"))?;
    Ok(sandbox.compile(&inspected, &bytes)?)
}

fn module(text: &str, isolation: &str, reducer: &str) -> Result<Vec<u8>> {
    let codes = (0..GROUPS).map(|code| format!("\"c{code}\"")).collect::<Vec<_>>().join(",");
    let manifest = format!(
        r#"{{"abi": "{}", "name": "cost", "version": "1", "description": "", "isolation": "{isolation}",
        "inputs": [{{"name": "group", "type": "int64"}}, {{"name": "filter", "type": "float64"}}, {{"name": "x", "type": "float64"}}],
        "keys": [{{"name": "group", "domain": {{"codes": [{codes}]}}}}],
        "outputs": [{{"name": "s", "reducer": {reducer}, "keys": ["group"]}}], "contributions_per_person_max": 16}}"#,
        glovebox_catalog::ABI_VERSION
    );
    let mut bytes = wat::parse_str(text)?;
    let section = wasm_encoder::CustomSection {
        name: glovebox_catalog::MANIFEST_SECTION.into(),
        data: manifest.as_bytes().into(),
    };
    bytes.push(wasm_encoder::Section::id(&section));
    wasm_encoder::Encode::encode(&section, &mut bytes);
    Ok(bytes)
}

/// Runs `compiled` over `rows`, batch after batch.
///
/// # Errors
/// When the run fails.
pub fn drive(
    sandbox: &Sandbox,
    compiled: &Compiled,
    rows: &Rows,
    sink: &mut dyn ContributionSink,
) -> Result<RunMeters> {
    let (cancel, progress) = (CancelFlag::new(), Progress::new());
    let mut run = Run::start(
        sandbox,
        compiled,
        &Plan { arguments: &[], persons: 0 },
        &Limits::on_dummy_data(),
        &cancel,
        &progress,
    )?;
    for persons in rows.persons.chunks(rows.batch.num_rows()) {
        run.batch(persons, &rows.batch, sink)?;
    }
    Ok(run.finish())
}
