//! The proof that a `row` module keeps no state: nothing that its functions can reach writes anything.
//!
//! Reachable is every function that an export of the job interface calls, directly or, through `call_indirect`, by way of any
//! table: every function that any element segment, global or `ref.func` names counts as reachable then. Of the allowed
//! features (structure.rs) only the operators that [`writes`] lists change memory, globals, tables or segments; all others
//! compute on the operand stack and on locals, which do not outlive the call. Growth counts as a write.

use std::collections::BTreeSet;

use glovebox_catalog::{JobManifest, Refusal};
use wasmparser::{ConstExpr, ElementItems, ElementKind, FunctionBody, Operator, Parser, Payload, TableInit};

use super::exports::row_exports;
use super::structure::Survey;

/// Most refusals that are listed.
const LISTED_MAX: usize = 8;

/// Proves `bytes`, a valid core module without imports or start function, stateless; else says what writes.
pub(super) fn prove(bytes: &[u8], survey: &Survey<'_>, manifest: &JobManifest) -> Vec<Refusal> {
    let code = match Code::read(bytes) {
        Ok(code) => code,
        Err(error) => return vec![unreadable(&error)],
    };
    let names = row_exports(manifest);
    let roots = names.iter().filter_map(|(name, _)| survey.functions.get(name).map(|(index, _)| *index));
    let mut waiting: Vec<u32> = roots.collect();
    let mut reached = BTreeSet::new();
    let mut refusals = Vec::new();
    while let Some(index) = waiting.pop() {
        if !reached.insert(index) {
            continue;
        }
        let Some(body) = code.bodies.get(index as usize) else {
            return vec![unreadable(&format!("function {index} has no body"))];
        };
        match scan(body) {
            Ok(Scan { writes: Some((operator, offset)), .. }) => {
                refusals.push(refusal(&code, index, &operator, offset))
            }
            Ok(scan) => {
                waiting.extend(scan.callees);
                if scan.calls_indirectly {
                    waiting.extend(&code.referenced);
                }
            }
            Err(error) => return vec![unreadable(&error)],
        }
    }
    refusals.sort_by(|a, b| a.place.cmp(&b.place));
    refusals.truncate(LISTED_MAX);
    refusals
}

fn refusal(code: &Code<'_>, index: u32, operator: &str, offset: usize) -> Refusal {
    let name = code.names.get(index as usize).and_then(Option::as_deref);
    let name = name.map(|name| format!(" `{}`", name.chars().take(120).collect::<String>())).unwrap_or_default();
    Refusal::new(
        "sandbox.row-keeps-state",
        "nothing that a `row` job's functions reach writes memory, globals or tables",
        format!("function {index}{name}, offset {offset}: {operator}"),
        "keep the functions small and scalar, so that the compiler needs no shadow stack, and build optimised; \
         what needs memory belongs in a job of isolation `person`",
    )
}

fn unreadable(error: &impl std::fmt::Display) -> Refusal {
    let rule = format!("the proof reads every reachable function: {error}");
    Refusal::new("sandbox.malformed", rule, "the code section", "submit the .wasm file as the build made it")
}

/// The parts of a module that the proof needs. Without imports, function numbers are those of the bodies.
struct Code<'a> {
    bodies: Vec<FunctionBody<'a>>,
    /// Functions that a table could hold, or a reference name.
    referenced: BTreeSet<u32>,
    /// Names from the name section, for people; nothing depends on them.
    names: Vec<Option<String>>,
}

impl<'a> Code<'a> {
    fn read(bytes: &'a [u8]) -> wasmparser::Result<Self> {
        let mut code = Self { bodies: Vec::new(), referenced: BTreeSet::new(), names: Vec::new() };
        let mut name_section = None;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::CodeSectionEntry(body) => code.bodies.push(body),
                Payload::ElementSection(reader) => {
                    for element in reader {
                        let element = element?;
                        if let ElementKind::Active { offset_expr, .. } = &element.kind {
                            code.note(offset_expr)?;
                        }
                        match element.items {
                            ElementItems::Functions(functions) => {
                                for function in functions {
                                    code.referenced.insert(function?);
                                }
                            }
                            ElementItems::Expressions(_, expressions) => {
                                for expression in expressions {
                                    code.note(&expression?)?;
                                }
                            }
                        }
                    }
                }
                Payload::GlobalSection(reader) => {
                    for global in reader {
                        code.note(&global?.init_expr)?;
                    }
                }
                Payload::TableSection(reader) => {
                    for table in reader {
                        if let TableInit::Expr(expression) = &table?.init {
                            code.note(expression)?;
                        }
                    }
                }
                Payload::CustomSection(reader) if reader.name() == "name" => name_section = Some(reader),
                _ => {}
            }
        }
        // A `ref.func` in any body may put its function where `call_indirect` finds it.
        for body in code.bodies.clone() {
            code.referenced.extend(scan(&body)?.references);
        }
        if let Some(reader) = name_section {
            code.read_names(reader.data(), reader.data_offset());
        }
        Ok(code)
    }

    fn note(&mut self, expression: &ConstExpr<'_>) -> wasmparser::Result<()> {
        for operator in expression.get_operators_reader() {
            if let Operator::RefFunc { function_index } = operator? {
                self.referenced.insert(function_index);
            }
        }
        Ok(())
    }

    /// Reads function names as far as they can be read.
    fn read_names(&mut self, data: &[u8], offset: usize) {
        self.names = vec![None; self.bodies.len()];
        let reader = wasmparser::NameSectionReader::new(wasmparser::BinaryReader::new(data, offset));
        for subsection in reader.into_iter().flatten() {
            let wasmparser::Name::Function(functions) = subsection else { continue };
            for naming in functions.into_iter().flatten() {
                if let Some(slot) = self.names.get_mut(naming.index as usize) {
                    *slot = Some(naming.name.to_owned());
                }
            }
        }
    }
}

/// What one function does.
#[derive(Default)]
struct Scan {
    /// The first operator that writes, and where it stands in the file.
    writes: Option<(String, usize)>,
    callees: Vec<u32>,
    references: Vec<u32>,
    calls_indirectly: bool,
}

fn scan(body: &FunctionBody<'_>) -> wasmparser::Result<Scan> {
    let mut scan = Scan::default();
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        let (operator, offset) = operators.read_with_offset()?;
        match &operator {
            Operator::Call { function_index } => scan.callees.push(*function_index),
            Operator::CallIndirect { .. } => scan.calls_indirectly = true,
            Operator::RefFunc { function_index } => scan.references.push(*function_index),
            _ => {}
        }
        let (proposal, name) = identify(&operator);
        if scan.writes.is_none() && writes(proposal, name) {
            scan.writes = Some((name.to_owned(), offset));
        }
    }
    Ok(scan)
}

/// Whether an operator may write. Only operators of finished, allowed proposals can be harmless; every other one counts as
/// a write, so that a feature allowed later fails here until someone has thought about it.
pub(super) fn writes(proposal: &str, name: &str) -> bool {
    match proposal {
        "mvp" => name.contains("Store") || matches!(name, "GlobalSet" | "MemoryGrow"),
        "sign_extension" | "saturating_float_to_int" => false,
        "simd" => name.contains("Store"),
        "reference_types" => !matches!(
            name,
            "TypedSelect" | "TypedSelectMulti" | "RefNull" | "RefIsNull" | "RefFunc" | "TableGet" | "TableSize"
        ),
        // memory.copy, memory.fill, memory.init, data.drop, table.copy, table.init, elem.drop
        _ => true,
    }
}

/// The proposal and name of an operator, from wasmparser's own list.
pub(super) fn identify(operator: &Operator<'_>) -> (&'static str, &'static str) {
    macro_rules! table {
        ($( @$proposal:ident $name:ident $({ $($argument:ident: $type:ty),* })? => $visit:ident ($($rest:tt)*))*) => {
            match operator {
                $( Operator::$name { .. } => (stringify!($proposal), stringify!($name)), )*
                _ => ("unknown", "unknown operator"),
            }
        };
    }
    wasmparser::for_each_operator!(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every writing operator of the allowed proposals, by hand from the standard (WebAssembly 2.0, section 5.4).
    #[test]
    fn writing_operators_are_exactly_these() {
        let mut found = Vec::new();
        macro_rules! list {
            ($( @$proposal:ident $name:ident $({ $($argument:ident: $type:ty),* })? => $visit:ident ($($rest:tt)*))*) => {
                $( let proposal = stringify!($proposal);
                   let allowed = ["mvp", "sign_extension", "saturating_float_to_int", "simd", "reference_types", "bulk_memory"];
                   if allowed.contains(&proposal) && writes(proposal, stringify!($name)) { found.push(stringify!($name)); } )*
            };
        }
        wasmparser::for_each_operator!(list);
        found.sort_unstable();
        let mut expected = vec![
            "DataDrop",
            "ElemDrop",
            "F32Store",
            "F64Store",
            "GlobalSet",
            "I32Store",
            "I32Store16",
            "I32Store8",
            "I64Store",
            "I64Store16",
            "I64Store32",
            "I64Store8",
            "MemoryCopy",
            "MemoryFill",
            "MemoryGrow",
            "MemoryInit",
            "TableCopy",
            "TableFill",
            "TableGrow",
            "TableInit",
            "TableSet",
            "V128Store",
            "V128Store16Lane",
            "V128Store32Lane",
            "V128Store64Lane",
            "V128Store8Lane",
        ];
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn operators_of_other_proposals_count_as_writes() {
        for proposal in ["threads", "gc", "exceptions", "tail_call", "relaxed_simd", "memory_control", "unknown"] {
            assert!(writes(proposal, "Anything"), "{proposal}");
        }
    }
}
