//! The trusted driver of a `row` job: a module made here, for one signature, that loops over rows in its own memory and
//! calls the guest's functions, so that no row costs a call through the host.
//!
//! For output *i* it exports `run_<i>(start, end)`, which fills `cells` and, for each value that the reducer takes, one array
//! of `values` for rows `start..end`, and the global `row`: the row at hand, where a fault happened.

use std::ops::Range;

use glovebox_catalog::JobManifest;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalSection,
    GlobalType, ImportSection, InstructionSink, MemArg, MemorySection, MemoryType, Module, TypeSection, ValType,
};

use crate::caps::ROWS_PER_BLOCK;
use crate::columns::Kind;
use crate::inspect::{row_arguments, row_exports};

/// Where the driver's memory holds what, in bytes from its start. Every array is 8-aligned.
pub(crate) struct Layout {
    pub(crate) columns: Vec<Place>,
    pub(crate) arguments: u64,
    pub(crate) cells: u64,
    /// The first array of values; the others follow, each for [`ROWS_PER_BLOCK`] rows.
    values: u64,
    /// Size of the memory.
    pub(crate) pages: u64,
}

/// Where one column lies.
pub(crate) struct Place {
    kind: Kind,
    pub(crate) values: u64,
    pub(crate) validity: Option<u64>,
}

/// The export that runs output `index`.
pub(crate) fn run_export(index: usize) -> String {
    format!("run_{index}")
}

impl Layout {
    pub(crate) fn new(manifest: &JobManifest) -> Self {
        let rows = ROWS_PER_BLOCK as u64;
        let mut end = 0_u64;
        let mut take = |bytes: u64| {
            let start = end;
            end = (start + bytes).next_multiple_of(8);
            start
        };
        let arguments = take(8 * manifest.arguments().count() as u64);
        let cells = take(4 * rows);
        let most = manifest.outputs.iter().map(|output| output.reducer.value_count()).max().unwrap_or_default();
        let values = take(8 * rows * most as u64);
        let columns = manifest.inputs.iter().map(|input| {
            let kind = Kind::of(&input.input_type);
            let values = take(kind.width_bytes() as u64 * rows);
            Place { kind, values, validity: input.nullable.then(|| take(rows)) }
        });
        let columns = columns.collect();
        Self { columns, arguments, cells, values, pages: end.div_ceil(65_536) }
    }

    /// Where the array of value `index` lies.
    pub(crate) fn values(&self, index: usize) -> u64 {
        self.values + 8 * ROWS_PER_BLOCK as u64 * index as u64
    }
}

/// The driver's module for a manifest and its layout.
pub(crate) fn module(manifest: &JobManifest, layout: &Layout) -> Vec<u8> {
    let arguments: Vec<ValType> = row_arguments(manifest).into_iter().map(encoded).collect();
    let mut types = TypeSection::new();
    types.ty().function(arguments.clone(), [ValType::I32]);
    types.ty().function(arguments, [ValType::F64]);
    types.ty().function([ValType::I32, ValType::I32], []);
    let mut imports = ImportSection::new();
    for (name, result) in row_exports(manifest) {
        let signature = if result == wasmparser::ValType::I32 { 0 } else { 1 };
        imports.import("guest", &name, EntityType::Function(signature));
    }
    let imported = imports.len();
    let mut memories = MemorySection::new();
    let pages = layout.pages;
    let memory =
        MemoryType { minimum: pages, maximum: Some(pages), memory64: false, shared: false, page_size_log2: None };
    memories.memory(memory);
    let mut globals = GlobalSection::new();
    let row = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    globals.global(row, &ConstExpr::i32_const(0));
    let (mut functions, mut exports, mut code) = (FunctionSection::new(), ExportSection::new(), CodeSection::new());
    exports.export("memory", ExportKind::Memory, 0);
    exports.export("row", ExportKind::Global, 0);
    let mut callee = 0;
    for (index, output) in manifest.outputs.iter().enumerate() {
        let values = callee + 1..callee + 1 + output.reducer.value_count() as u32;
        functions.function(2);
        exports.export(&run_export(index), ExportKind::Func, imported + index as u32);
        callee = values.end;
        code.function(&run_function(manifest, layout, values));
    }
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&memories).section(&globals);
    module.section(&exports).section(&code);
    module.finish()
}

/// `row`, `end` are the parameters, `cell` is a local.
const ROW: u32 = 0;
const END: u32 = 1;
const CELL: u32 = 2;

/// The exit is tested at the head of the loop, where fuel is checked too: the last row's fuel is seen like any other's.
///
/// `values` are the guest's functions for the values; the one for the cell stands before them.
fn run_function(manifest: &JobManifest, layout: &Layout, values: Range<u32>) -> Function {
    let mut function = Function::new([(1, ValType::I32)]);
    let mut code = function.instructions();
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.local_get(ROW).local_get(END).i32_ge_u().br_if(1);
    code.local_get(ROW).global_set(0);
    element(&mut code, 2);
    load_arguments(&mut code, manifest, layout);
    code.call(values.start - 1).local_tee(CELL).i32_store(at(layout.cells, 2));
    if !values.is_empty() {
        code.local_get(CELL).i32_const(0).i32_ge_s().if_(BlockType::Empty);
        for (index, value) in values.enumerate() {
            element(&mut code, 3);
            load_arguments(&mut code, manifest, layout);
            code.call(value).f64_store(at(layout.values(index), 3));
        }
        code.end();
    }
    code.local_get(ROW).i32_const(1).i32_add().local_set(ROW).br(0);
    code.end().end().end();
    function
}

fn load_arguments(code: &mut InstructionSink<'_>, manifest: &JobManifest, layout: &Layout) {
    for place in &layout.columns {
        match place.kind {
            Kind::Boolean => {
                code.local_get(ROW).i32_load8_u(at(place.values, 0));
            }
            Kind::Date | Kind::Code => {
                element(code, 2);
                code.i32_load(at(place.values, 2));
            }
            Kind::Int64 => {
                element(code, 3);
                code.i64_load(at(place.values, 3));
            }
            Kind::Float64 => {
                element(code, 3);
                code.f64_load(at(place.values, 3));
            }
        }
        if let Some(validity) = place.validity {
            code.local_get(ROW).i32_load8_u(at(validity, 0));
        }
    }
    for argument in 0..manifest.arguments().count() as u64 {
        code.i32_const(0).f64_load(at(layout.arguments + 8 * argument, 3));
    }
}

/// Pushes the row's offset in an array of elements of 2^`shift` bytes.
fn element(code: &mut InstructionSink<'_>, shift: i32) {
    code.local_get(ROW).i32_const(shift).i32_shl();
}

fn at(offset: u64, align: u32) -> MemArg {
    MemArg { offset, align, memory_index: 0 }
}

fn encoded(value: wasmparser::ValType) -> ValType {
    match value {
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F64 => ValType::F64,
        // `row_arguments` yields no other type.
        _ => ValType::I32,
    }
}

/// The guest's functions that the driver imports, in order.
pub(crate) fn imported(manifest: &JobManifest) -> impl Iterator<Item = String> {
    row_exports(manifest).into_iter().map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs of every type, with and without missing values, and outputs with and without a value.
    pub(crate) fn wide_manifest() -> JobManifest {
        let json = br#"{"abi": "glovebox:job@0.1.0", "name": "wide", "version": "1", "description": "", "isolation": "row",
            "inputs": [{"name": "a", "type": "boolean"}, {"name": "b", "type": "int64", "nullable": true},
                       {"name": "c", "type": "float64"}, {"name": "d", "type": "date", "nullable": true},
                       {"name": "e", "type": {"code": ["x", "y"]}}],
            "parameters": [{"name": "p", "default": 0, "min": 0, "max": 9}, {"name": "q", "default": 0, "min": 0, "max": 9}],
            "outputs": [{"name": "n", "reducer": "count"}, {"name": "s", "reducer": "sum", "lower": 0, "upper": 1},
                        {"name": "m", "reducer": "distinct-persons"}],
            "contributions_per_person_max": 1}"#;
        JobManifest::parse(json).unwrap()
    }

    #[test]
    fn driver_is_valid_and_exports_a_loop_for_each_output() {
        let manifest = wide_manifest();
        let bytes = module(&manifest, &Layout::new(&manifest));
        let types = wasmparser::Validator::new_with_features(crate::inspect::FEATURES).validate_all(&bytes).unwrap();
        let exports: Vec<_> = types.as_ref().core_exports().unwrap().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(exports, ["memory", "row", "run_0", "run_1", "run_2"]);
        assert_eq!(imported(&manifest).collect::<Vec<_>>(), ["gb_cell_0", "gb_cell_1", "gb_value_1", "gb_cell_2"]);
    }

    #[test]
    fn arrays_do_not_overlap_and_fit_the_memory() {
        let manifest = wide_manifest();
        let layout = Layout::new(&manifest);
        let rows = ROWS_PER_BLOCK as u64;
        let mut spans = vec![(layout.arguments, 16), (layout.cells, 4 * rows), (layout.values(0), 8 * rows)];
        for place in &layout.columns {
            spans.push((place.values, place.kind.width_bytes() as u64 * rows));
            spans.extend(place.validity.map(|start| (start, rows)));
        }
        spans.sort_unstable();
        assert_eq!(spans.len(), 3 + 5 + 2);
        assert!(spans.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
        assert!(spans.iter().all(|(start, size)| start % 8 == 0 && start + size <= layout.pages * 65_536));
    }
}
