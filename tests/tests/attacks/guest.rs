//! Guests of the attacks: small modules in text form with their manifests, as a hostile developer would write them.

use serde_json::{Value, json};

/// What a [`survey`] does with one person in one of its outputs. The attacker fixes it by the person's number, which is
/// public: a minute of admission, say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Contributes nothing.
    Out,
    /// Contributes 0.
    Zero,
    /// Contributes 1: the attacker knows this value.
    One,
    /// Contributes their secret, 0 or 1.
    Secret,
}

/// One output of a [`survey`], a sum of values from 0 to 1: each person's part, by number.
pub(crate) type Query = Vec<Part>;

/// Outputs of one job, at most.
pub(crate) const QUERIES_MAX: usize = 64;

/// Wraps WAT `fields` and their manifest in a module.
pub(crate) fn module(manifest: &Value, fields: &str) -> Vec<u8> {
    wat::parse_str(format!(
        "(module (@custom \"glovebox.job\" \"{}\") {fields})",
        escape(manifest.to_string().as_bytes())
    ))
    .unwrap()
}

/// A manifest with the columns that the attacks read; `more` is added to it.
pub(crate) fn manifest(isolation: &str, inputs: &[(&str, &str)], more: Value) -> Value {
    let inputs: Vec<_> = inputs.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
    let mut manifest = json!({
        "abi": "glovebox:job@0.1.0", "name": "survey", "version": "1", "description": "an attack",
        "isolation": isolation, "inputs": inputs, "contributions_per_person_max": 1,
    });
    for (name, value) in more.as_object().unwrap() {
        manifest[name] = value.clone();
    }
    manifest
}

/// Number, secret and amount: what most attacks read.
pub(crate) const COLUMNS: [(&str, &str); 3] = [("number", "int64"), ("secret", "int64"), ("amount", "float64")];
/// These columns as parameters of a function.
pub(crate) const PARAMETERS: &str = "(param $number i64) (param $secret i64) (param $amount f64)";

/// A `row` module that answers up to [`QUERIES_MAX`] queries, each by a table in constant memory. Every query is an
/// output of one cell.
pub(crate) fn survey(queries: &[Query]) -> Vec<u8> {
    let persons = queries[0].len();
    let tables: Vec<u8> = queries.iter().flatten().map(|part| *part as u8).collect();
    let output = |query: usize| json!({"name": format!("q{query}"), "reducer": "sum", "lower": 0.0, "upper": 1.0});
    let outputs: Vec<Value> = (0..queries.len()).map(output).collect();
    let doors = (0..queries.len()).map(|query| {
        let part = format!("(call $part (local.get $number) (i32.const {query}))");
        format!(
            "(func (export \"gb_cell_{query}\") {PARAMETERS} (result i32)
               (i32.sub (i32.ne (i32.const {}) {part}) (i32.const 1)))
             (func (export \"gb_value_{query}\") {PARAMETERS} (result f64)
               (call $value {part} (local.get $secret)))",
            Part::Out as u8
        )
    });
    module(
        &manifest("row", &COLUMNS, json!({"outputs": outputs})),
        &format!(
            "(memory {}) (data (i32.const 0) \"{}\")
             (func $part (param $number i64) (param $query i32) (result i32)
               (i32.load8_u (i32.add (i32.wrap_i64 (local.get $number)) (i32.mul (local.get $query) (i32.const {persons})))))
             (func $value (param $part i32) (param $secret i64) (result f64)
               (if (i32.eq (local.get $part) (i32.const {})) (then (return (f64.const 1))))
               (select (f64.convert_i64_s (local.get $secret)) (f64.const 0) (i32.eq (local.get $part) (i32.const {}))))
             {}",
            tables.len() / 65_536 + 1,
            escape(&tables),
            Part::One as u8,
            Part::Secret as u8,
            doors.collect::<String>(),
        ),
    )
}

/// A `row` module with one output over number, secret and amount, its cell and value given as WAT expressions; a
/// reducer that only counts has no value.
pub(crate) fn keyed(output: Value, keys: Value, cell: &str, value: Option<&str>) -> Vec<u8> {
    let manifest = manifest("row", &COLUMNS, json!({"keys": keys, "outputs": [output]}));
    let value = value.map(|value| format!("(func (export \"gb_value_0\") {PARAMETERS} (result f64) {value})"));
    let cell = format!("(func (export \"gb_cell_0\") {PARAMETERS} (result i32) {cell})");
    module(&manifest, &(cell + &value.unwrap_or_default()))
}

/// A `person` module with one output, which runs `body` with the person's number in `$number` and their secret in
/// `$secret`, and then returns the one record at address 16: output 0, cell 0 and the value at address 24 unless `body` writes
/// others.
pub(crate) fn personal(output: Value, keys: Value, body: &str) -> Vec<u8> {
    let manifest = manifest("person", &COLUMNS, json!({"keys": keys, "outputs": [output]}));
    // The descriptor has the address of column c's values at word 4 + 3c.
    module(
        &manifest,
        &format!(
            "(memory (export \"memory\") 1)
             (func (export \"gb_alloc\") (param i32 i32) (result i32) (i32.const 1024))
             (func (export \"gb_person\") (param $input i32) (result i64)
               (local $number i64) (local $secret i64) (local $turns i64)
               (local.set $number (i64.load (i32.load offset=16 (local.get $input))))
               (local.set $secret (i64.load (i32.load offset=28 (local.get $input))))
               {body}
               (i64.const 0x1000000001))"
        ),
    )
}

fn escape(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}
