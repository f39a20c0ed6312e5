//! Adds functions, exports and the manifest to a finished module.

use wasm_encoder::{
    BlockType, CustomSection, Encode, ExportKind, Function, InstructionSink, MemArg, MemorySection, MemoryType, Module,
    RawSection, ValType,
};
use wasmparser::{ExternalKind, Operator, Parser, Payload};

/// Where inputs are placed, and where the record lies.
const INPUT: i32 = 1024;
const RECORD: i32 = 2048;

/// A `person` guest around functions `a` and `b` and the first memory.
pub(crate) fn person(module: &[u8], manifest: &str) -> Vec<u8> {
    let parts = Parts::read(module);
    let (a, b) = (parts.function("a"), parts.function("b"));
    let mut alloc = Function::new([]);
    alloc.instructions().i32_const(INPUT).end();
    let added = [
        Added { name: "gb_alloc", parameters: &[ValType::I32, ValType::I32], result: ValType::I32, body: alloc },
        Added { name: "gb_person", parameters: &[ValType::I32], result: ValType::I64, body: entry(a, b, &parts) },
    ];
    parts.with(module, &added, true, manifest)
}

/// A `row` guest whose cell is function `a`, brought into range.
pub(crate) fn row(module: &[u8], manifest: &str) -> Vec<u8> {
    let parts = Parts::read(module);
    let mut cell = Function::new([(1, ValType::I64)]);
    let mut code = cell.instructions();
    sum_globals(&mut code, &parts);
    code.local_get(ARGUMENT).call(parts.function("a")).local_get(SUM).i32_wrap_i64().i32_add();
    code.i32_const(3).i32_and().end();
    let added = [Added { name: "gb_cell_0", parameters: &[ValType::I64], result: ValType::I32, body: cell }];
    parts.with(module, &added, false, manifest)
}

const ARGUMENT: u32 = 0;
const SUM: u32 = 1;
const AT: u32 = 2;
const STRIDE: u32 = 3;

/// Sums up memory and globals, calls `a` with the person's value and `b` with the sum, sums up again, and answers with one
/// record of the sum.
fn entry(a: u32, b: u32, parts: &Parts) -> Function {
    let mut function = Function::new([(1, ValType::I64), (2, ValType::I32)]);
    let mut code = function.instructions();
    sum_memory(&mut code, parts.page_bytes_log2);
    sum_globals(&mut code, parts);
    code.local_get(ARGUMENT).i32_load(at(16, 2)).i64_load(at(0, 3)).call(a);
    code.local_get(SUM).i64_const(7).i64_rotl().i64_add().call(b);
    code.local_get(SUM).i64_const(13).i64_rotl().i64_add().local_set(SUM);
    sum_memory(&mut code, parts.page_bytes_log2);
    sum_globals(&mut code, parts);
    code.i32_const(RECORD).i32_const(0).i32_store(at(0, 2));
    code.i32_const(RECORD).local_get(SUM).i32_wrap_i64().i32_const(3).i32_and().i32_store(at(4, 2));
    code.i32_const(RECORD).local_get(SUM).f64_convert_i64_s().f64_store(at(8, 3));
    code.i64_const(i64::from(RECORD) << 32 | 1).end();
    function
}

/// Folds memory into the sum: every word of a small one, some eight thousand of a large one.
fn sum_memory(code: &mut InstructionSink<'_>, page_bytes_log2: u32) {
    let bytes = |code: &mut InstructionSink<'_>| {
        code.memory_size(0).i32_const(page_bytes_log2 as i32).i32_shl();
    };
    bytes(code);
    code.i32_const(16).i32_shr_u().i32_const(3).i32_shl().i32_const(8).i32_add().local_set(STRIDE);
    code.i32_const(0).local_set(AT);
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.local_get(AT).i32_const(8).i32_add();
    bytes(code);
    code.i32_gt_u().br_if(1);
    code.local_get(SUM).i64_const(5).i64_rotl().local_get(AT).i64_load(at(0, 0)).i64_add().local_set(SUM);
    code.local_get(AT).local_get(STRIDE).i32_add().local_set(AT).br(0);
    code.end().end();
}

/// Folds every global that is a number into the sum.
fn sum_globals(code: &mut InstructionSink<'_>, parts: &Parts) {
    for (index, content) in &parts.globals {
        code.local_get(SUM).i64_const(3).i64_rotl().global_get(*index);
        match content {
            wasmparser::ValType::I32 => code.i64_extend_i32_u(),
            wasmparser::ValType::I64 => &mut *code,
            wasmparser::ValType::F32 => code.i32_reinterpret_f32().i64_extend_i32_u(),
            wasmparser::ValType::F64 => code.i64_reinterpret_f64(),
            wasmparser::ValType::V128 => code.i64x2_extract_lane(1),
            wasmparser::ValType::Ref(_) => code.ref_is_null().i64_extend_i32_u(),
        };
        code.i64_add().local_set(SUM);
    }
}

fn at(offset: u64, align: u32) -> MemArg {
    MemArg { offset, align, memory_index: 0 }
}

struct Added<'a> {
    name: &'a str,
    parameters: &'a [ValType],
    result: ValType,
    body: Function,
}

/// What has to be known of a module to add to it.
#[derive(Default)]
struct Parts {
    types: u32,
    functions: u32,
    exports: Vec<(String, u32)>,
    globals: Vec<(u32, wasmparser::ValType)>,
    page_bytes_log2: u32,
}

impl Parts {
    fn read(module: &[u8]) -> Self {
        let mut parts = Self { page_bytes_log2: 16, ..Self::default() };
        for payload in Parser::new(0).parse_all(module) {
            match payload.expect("wasm-smith's modules can be read") {
                Payload::TypeSection(reader) => parts.types = reader.count(),
                Payload::FunctionSection(reader) => parts.functions = reader.count(),
                Payload::GlobalSection(reader) => {
                    for (index, global) in (0_u32..).zip(reader) {
                        parts.globals.push((index, global.expect("a global").ty.content_type));
                    }
                }
                Payload::MemorySection(reader) => {
                    for memory in reader {
                        parts.page_bytes_log2 = memory.expect("a memory").page_size_log2.unwrap_or(16);
                    }
                }
                Payload::ExportSection(reader) => {
                    for export in reader {
                        let export = export.expect("an export");
                        if export.kind == ExternalKind::Func {
                            parts.exports.push((export.name.to_owned(), export.index));
                        }
                    }
                }
                _ => {}
            }
        }
        parts
    }

    fn function(&self, name: &str) -> u32 {
        self.exports.iter().find(|(found, _)| found == name).expect("the shape names it").1
    }

    fn with(&self, module: &[u8], added: &[Added<'_>], has_memory: bool, manifest: &str) -> Vec<u8> {
        let (mut types, mut functions, mut exports, mut code) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (number, one) in (0_u32..).zip(added) {
            types.push(0x60);
            one.parameters.encode(&mut types);
            [one.result].as_slice().encode(&mut types);
            (self.types + number).encode(&mut functions);
            one.name.encode(&mut exports);
            ExportKind::Func.encode(&mut exports);
            (self.functions + number).encode(&mut exports);
            one.body.encode(&mut code);
        }
        if has_memory {
            "memory".encode(&mut exports);
            ExportKind::Memory.encode(&mut exports);
            0_u32.encode(&mut exports);
        }
        let count = added.len() as u32;
        let mut out = Module::new();
        for payload in Parser::new(0).parse_all(module) {
            let Some((id, range)) = payload.expect("wasm-smith's modules can be read").as_section() else { continue };
            let data = &module[range];
            let (count, more) = match id {
                1 => (count, &types),
                3 => (count, &functions),
                7 => (count + u32::from(has_memory), &exports),
                10 => (count, &code),
                5 if has_memory => {
                    out.section(&roomy(data));
                    continue;
                }
                _ => {
                    out.section(&RawSection { id, data });
                    continue;
                }
            };
            out.section(&RawSection { id, data: &extended(data, count, more) });
        }
        out.section(&CustomSection { name: "glovebox.job".into(), data: manifest.as_bytes().into() });
        out.finish()
    }
}

/// Makes every `global.set` a `drop`, in place.
pub(crate) fn drop_global_writes(module: &mut [u8]) {
    let mut writes = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CodeSectionEntry(body) = payload.expect("wasm-smith's modules can be read") {
            let mut operators = body.get_operators_reader().expect("a body");
            while !operators.eof() {
                let (operator, start) = operators.read_with_offset().expect("an operator");
                if matches!(operator, Operator::GlobalSet { .. }) {
                    writes.push(start..operators.original_position());
                }
            }
        }
    }
    for write in writes {
        module[write.clone()].fill(NOP);
        module[write.start] = DROP;
    }
}

const NOP: u8 = 0x01;
const DROP: u8 = 0x1a;

/// The memory, with room for inputs and record.
fn roomy(data: &[u8]) -> MemorySection {
    let mut memories = MemorySection::new();
    let reader =
        wasmparser::MemorySectionReader::new(wasmparser::BinaryReader::new(data, 0)).expect("a memory section");
    for memory in reader {
        let memory = memory.expect("a memory");
        let minimum = memory.initial.max(if memory.page_size_log2 == Some(0) { 4_096 } else { 1 });
        memories.memory(MemoryType {
            minimum,
            maximum: memory.maximum.map(|maximum| maximum.max(minimum)),
            memory64: false,
            shared: false,
            page_size_log2: memory.page_size_log2,
        });
    }
    memories
}

/// A section that begins with its number of entries, with some more at its end.
fn extended(data: &[u8], count: u32, more: &[u8]) -> Vec<u8> {
    let mut reader = wasmparser::BinaryReader::new(data, 0);
    let before = reader.read_var_u32().expect("a count");
    let mut out = Vec::new();
    (before + count).encode(&mut out);
    out.extend_from_slice(&data[reader.original_position()..]);
    out.extend_from_slice(more);
    out
}
