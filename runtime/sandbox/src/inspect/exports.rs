//! Whether the exports are those of the job interface (sdk/wit/README.md).

use glovebox_catalog::{InputType, Isolation, JobManifest, Output, Refusal};
use wasmparser::component_types::{ComponentAnyTypeId, ComponentDefinedType, ComponentEntityType, ComponentValType};
use wasmparser::types::TypesRef;
use wasmparser::{FuncType, ValType};

use super::structure::Survey;
use crate::caps::ROW_ARGUMENTS_MAX;
use crate::door::Entry;

/// The types of a component's exports, written out; `TABLE` and `RECORDS` stand for those below.
const TYPES: [(Entry, &str); 7] = [
    (Entry::Person, "func(input: TABLE, parameters: list<f64>) -> RECORDS"),
    (Entry::Block, "func(input: TABLE, persons: list<u32>, parameters: list<f64>) -> RECORDS"),
    (Entry::Batch, "func(input: TABLE, persons: list<u32>, parameters: list<f64>)"),
    (Entry::Partial, "func() -> list<u8>"),
    (Entry::Merge, "func(partial: list<u8>)"),
    (Entry::Finish, "func(parameters: list<f64>) -> RECORDS"),
    (
        Entry::Update,
        "func(released: record{round: u32, parameters: list<f64>, state: list<f64>, \
         outputs: list<record{values: list<f64>, valid: list<u8>}>}) -> list<f64>",
    ),
];
const TABLE: &str = "record{rows: u32, columns: list<record{kind: enum{boolean, int64, float64, date, code}, \
values: list<u8>, validity: option<list<u8>>}>}";
const RECORDS: &str = "list<record{output: u32, cell: u32, value: f64}>";

/// The functions that a job of this manifest exports besides those of `row` jobs.
fn entries(manifest: &JobManifest) -> impl Iterator<Item = Entry> {
    let units: &[Entry] = match manifest.isolation {
        Isolation::Row => &[],
        Isolation::Person => &[Entry::Person],
        Isolation::Block => &[Entry::Block],
        Isolation::Cohort => &[Entry::Batch, Entry::Partial, Entry::Merge, Entry::Finish],
    };
    units.iter().copied().chain(manifest.rounds.as_ref().map(|_| Entry::Update))
}

/// The export that computes the cell of output `index`.
pub(crate) fn cell_export(index: usize) -> String {
    format!("gb_cell_{index}")
}

/// The exports that compute the values of a contribution to output `index`: one function for each value.
fn value_exports(index: usize, output: &Output) -> Vec<String> {
    match output.reducer.value_count() {
        0 => Vec::new(),
        1 => vec![format!("gb_value_{index}")],
        count => (0..count).map(|value| format!("gb_value_{index}_{value}")).collect(),
    }
}

/// The names and result types that a `row` job exports, in the order of its outputs: for each its cell, then its values.
pub(crate) fn row_exports(manifest: &JobManifest) -> Vec<(String, ValType)> {
    let outputs = manifest.outputs.iter().enumerate();
    outputs
        .flat_map(|(index, output)| {
            let values = value_exports(index, output).into_iter().map(|name| (name, ValType::F64));
            std::iter::once((cell_export(index), ValType::I32)).chain(values)
        })
        .collect()
}

/// The arguments of a `row` job's functions.
pub(crate) fn row_arguments(manifest: &JobManifest) -> Vec<ValType> {
    let columns = manifest.inputs.iter().flat_map(|input| {
        let value = match input.input_type {
            InputType::Boolean | InputType::Date | InputType::Code(_) => ValType::I32,
            InputType::Int64 => ValType::I64,
            InputType::Float64 => ValType::F64,
        };
        std::iter::once(value).chain(input.nullable.then_some(ValType::I32))
    });
    columns.chain(manifest.arguments().map(|_| ValType::F64)).collect()
}

/// Checks the exports of a core module.
pub(super) fn check_module(survey: &Survey<'_>, manifest: &JobManifest) -> Vec<Refusal> {
    let mut refusals = if manifest.isolation == Isolation::Row { check_row(survey, manifest) } else { Vec::new() };
    let mut entries = entries(manifest).peekable();
    if entries.peek().is_some() {
        let memory = (!survey.memories.iter().any(|name| name == "memory")).then(|| missing("memory", "a memory"));
        let alloc = FuncType::new([ValType::I32, ValType::I32], [ValType::I32]);
        refusals.extend(memory.into_iter().chain(check_function(survey, "gb_alloc", &alloc)));
    }
    refusals.extend(entries.filter_map(|entry| check_function(survey, entry.core_name(), &core_type(entry))));
    refusals
}

fn core_type(entry: Entry) -> FuncType {
    match entry {
        Entry::Person | Entry::Block | Entry::Finish | Entry::Update => FuncType::new([ValType::I32], [ValType::I64]),
        Entry::Batch => FuncType::new([ValType::I32], []),
        Entry::Partial => FuncType::new([], [ValType::I64]),
        Entry::Merge => FuncType::new([ValType::I32, ValType::I32], []),
    }
}

fn check_row(survey: &Survey<'_>, manifest: &JobManifest) -> Vec<Refusal> {
    let (exports, arguments) = (row_exports(manifest), row_arguments(manifest));
    let passed = exports.len().saturating_mul(arguments.len());
    if passed > ROW_ARGUMENTS_MAX {
        return vec![Refusal::new(
            "sandbox.too-complex",
            format!("functions times arguments of a `row` job are at most {ROW_ARGUMENTS_MAX}"),
            format!("{} functions of {} arguments", exports.len(), arguments.len()),
            "declare fewer outputs, components, columns or state variables, or use isolation `person`",
        )];
    }
    let mut refusals: Vec<_> = exports
        .into_iter()
        .filter_map(|(name, result)| check_function(survey, &name, &FuncType::new(arguments.clone(), [result])))
        .collect();
    if survey.has_start {
        refusals.push(Refusal::new(
            "sandbox.row-keeps-state",
            "a `row` module has no start function",
            "the start section",
            "initialise constant data in data segments",
        ));
    }
    refusals
}

/// Checks the exports of a component.
pub(super) fn check_component(survey: &Survey<'_>, manifest: &JobManifest) -> Vec<Refusal> {
    let refusal = |entry: Entry| {
        let (_, expected) = TYPES.iter().find(|(of, _)| *of == entry)?;
        let expected = expected.replace("TABLE", TABLE).replace("RECORDS", RECORDS);
        let name = entry.component_name();
        match survey.component_functions.get(name) {
            Some(found) if *found == expected => None,
            Some(found) => Some(Refusal::new(
                "sandbox.missing-export",
                format!("export `{name}` has the type that its world gives it: {expected}"),
                format!("export `{name}`: {found}"),
                "build against sdk/wit/glovebox.wit",
            )),
            None => Some(missing(name, &expected)),
        }
    };
    entries(manifest).filter_map(refusal).collect()
}

fn check_function(survey: &Survey<'_>, name: &str, expected: &FuncType) -> Option<Refusal> {
    match survey.functions.get(name) {
        None => Some(missing(name, &describe(expected))),
        Some((_, found)) if found == expected => None,
        Some((_, found)) => Some(Refusal::new(
            "sandbox.missing-export",
            format!("export `{name}` has the type {}", describe(expected)),
            format!("export `{name}`: {}", describe(found)),
            "compare the manifest's inputs and parameters with the function's arguments",
        )),
    }
}

fn missing(name: &str, expected: &str) -> Refusal {
    Refusal::new(
        "sandbox.missing-export",
        format!("the module exports `{name}`: {expected}"),
        format!("export `{name}`"),
        "build with the guest SDK, or export it (sdk/wit/README.md)",
    )
}

fn describe(signature: &FuncType) -> String {
    let list = |types: &[ValType]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!("({}) -> ({})", list(signature.params()), list(signature.results()))
}

/// The type of a component's exported function, written out; none when `name` is no such export.
pub(super) fn component_function(types: TypesRef<'_>, name: &str) -> Option<String> {
    let ComponentEntityType::Func(id) = types.component_item_for_export(name)?.ty else { return None };
    let function = types.get(id)?;
    let parameters = function.params.iter().map(|(name, value)| format!("{name}: {}", written(types, value, 0)));
    let parameters = parameters.collect::<Vec<_>>().join(", ");
    let result = function.result.as_ref().map(|value| format!(" -> {}", written(types, value, 0))).unwrap_or_default();
    let keyword = if function.async_ { "async func" } else { "func" };
    Some(format!("{keyword}({parameters}){result}"))
}

/// Whether an import is an instance that holds names of value types alone: an interface of types, which is no capability.
pub(super) fn holds_types_alone(types: TypesRef<'_>, name: &str) -> bool {
    let Some(ComponentEntityType::Instance(id)) = types.component_item_for_import(name).map(|item| item.ty) else {
        return false;
    };
    types.get(id).is_some_and(|instance| {
        instance.exports.values().all(|item| match item.ty {
            ComponentEntityType::Type { created, .. } => matches!(created, ComponentAnyTypeId::Defined(_)),
            _ => false,
        })
    })
}

/// Types of the interface written out; any other kind, and anything nested deeper than the interface, is `…`.
fn written(types: TypesRef<'_>, value: &ComponentValType, depth: u32) -> String {
    let id = match value {
        ComponentValType::Primitive(primitive) => return primitive.to_string(),
        ComponentValType::Type(id) => *id,
    };
    if depth > 4 {
        return "…".to_owned();
    }
    let inner = |value: &ComponentValType| written(types, value, depth + 1);
    match types.get(id) {
        Some(ComponentDefinedType::Primitive(primitive)) => primitive.to_string(),
        Some(ComponentDefinedType::List { element, .. }) => format!("list<{}>", inner(element)),
        Some(ComponentDefinedType::Option { ty, .. }) => format!("option<{}>", inner(ty)),
        Some(ComponentDefinedType::Record(record)) if record.fields.len() <= 8 => {
            let fields = record.fields.iter().map(|(name, value)| format!("{name}: {}", inner(value)));
            format!("record{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Some(ComponentDefinedType::Enum(cases)) if cases.len() <= 8 => {
            format!("enum{{{}}}", cases.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
        _ => "…".to_owned(),
    }
}
