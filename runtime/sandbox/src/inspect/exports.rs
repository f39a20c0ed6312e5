//! Whether the exports are those of the job interface (sdk/wit/README.md).

use glovebox_catalog::{InputType, JobManifest, Output, Refusal};
use wasmparser::component_types::{ComponentDefinedType, ComponentEntityType, ComponentValType};
use wasmparser::types::TypesRef;
use wasmparser::{FuncType, ValType};

use super::structure::Survey;

/// The type of the component's export `person`, written out.
const PERSON: &str = "func(input: record{rows: u32, columns: list<record{kind: enum{boolean, int64, float64, date, code}, \
values: list<u8>, validity: option<list<u8>>}>}, parameters: list<f64>) -> list<record{output: u32, cell: u32, value: f64}>";

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

pub(super) fn check_row(survey: &Survey<'_>, manifest: &JobManifest) -> Vec<Refusal> {
    let arguments = row_arguments(manifest);
    let mut refusals: Vec<_> = row_exports(manifest)
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

pub(super) fn check_person(survey: &Survey<'_>) -> Vec<Refusal> {
    let alloc = FuncType::new([ValType::I32, ValType::I32], [ValType::I32]);
    let person = FuncType::new([ValType::I32], [ValType::I64]);
    let memory = (!survey.memories.iter().any(|name| name == "memory")).then(|| missing("memory", "a memory"));
    let functions = [("gb_alloc", alloc), ("gb_person", person)];
    let functions = functions.iter().filter_map(|(name, expected)| check_function(survey, name, expected));
    memory.into_iter().chain(functions).collect()
}

pub(super) fn check_component(survey: &Survey<'_>) -> Vec<Refusal> {
    match survey.component_functions.get("person") {
        Some(found) if found == PERSON => Vec::new(),
        Some(found) => vec![Refusal::new(
            "sandbox.missing-export",
            format!("export `person` has the type of world `person-job`: {PERSON}"),
            format!("export `person`: {found}"),
            "build against sdk/wit/glovebox.wit",
        )],
        None => vec![missing("person", "the function of world `person-job`")],
    }
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
