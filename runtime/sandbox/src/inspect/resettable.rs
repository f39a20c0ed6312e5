//! Whether the host can put an instance back as it was: by overwriting its memory and its mutable globals, nothing else.
//!
//! State of an instance (WebAssembly 2.0, section 4.2) is memories, globals, tables, and which segments were dropped. The
//! fast reset restores the bytes of the one memory and the values of all mutable globals. What it can't restore must not
//! change at all, so a module that holds an operator which could change it has fresh instances, whether that operator can
//! be reached or not. Growth of the memory needs no proof: it shows in the memory's size, and such an instance is thrown
//! away. docs/isolation.md goes through all of the state.

use wasmparser::{Operator, Parser, Payload, ValType};

use super::stateless::{identify, writes};
use crate::caps::{RESET_GLOBALS_MAX, RESET_MEMORY_MAX_BYTES};

/// What the host must restore beside the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resettable {
    /// Numbers of the mutable globals, exported or not.
    pub(crate) globals: Vec<u32>,
}

/// Looks whether `bytes`, a valid core module without imports, can be reset; else says what stands in the way.
pub(super) fn prove(bytes: &[u8]) -> Result<Resettable, String> {
    let mut globals = Vec::new();
    let (mut has_start, mut grows, mut memories) = (false, false, 0_u32);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(unreadable)? {
            Payload::MemorySection(reader) => {
                for memory in reader {
                    let memory = memory.map_err(unreadable)?;
                    memories += 1;
                    let initial_bytes = initial_bytes(&memory);
                    if initial_bytes > RESET_MEMORY_MAX_BYTES {
                        return Err(format!(
                            "the memory starts with {initial_bytes} bytes; above {RESET_MEMORY_MAX_BYTES} a fresh instance is cheaper"
                        ));
                    }
                }
            }
            Payload::GlobalSection(reader) => {
                for (index, global) in (0_u32..).zip(reader) {
                    let global = global.map_err(unreadable)?;
                    match (global.ty.mutable, global.ty.content_type) {
                        (false, _) => {}
                        (true, ValType::Ref(_)) => return Err(format!("global {index} is a mutable reference")),
                        (true, _) => globals.push(index),
                    }
                }
            }
            Payload::StartSection { .. } => has_start = true,
            Payload::CodeSectionEntry(body) => {
                let mut operators = body.get_operators_reader().map_err(unreadable)?;
                while !operators.eof() {
                    let (operator, offset) = operators.read_with_offset().map_err(unreadable)?;
                    grows |= matches!(operator, Operator::MemoryGrow { .. });
                    let (proposal, name) = identify(&operator);
                    if !is_restored(proposal, name) {
                        return Err(format!("offset {offset}: {name} changes what can't be restored"));
                    }
                }
            }
            _ => {}
        }
    }
    if globals.len() > RESET_GLOBALS_MAX {
        return Err(format!(
            "{} mutable globals; above {RESET_GLOBALS_MAX} a fresh instance is cheaper",
            globals.len()
        ));
    }
    if memories != 1 {
        return Err(format!("{memories} memories, expected one"));
    }
    if has_start && grows {
        return Err("a start function could grow the memory beyond what is cheaply restored".to_owned());
    }
    Ok(Resettable { globals })
}

/// Bytes of a memory at the start, for pages of any size.
pub(super) fn initial_bytes(memory: &wasmparser::MemoryType) -> u64 {
    // The validator admits pages of 1 byte and of 64 KiB.
    memory.initial.saturating_mul(1_u64.checked_shl(memory.page_size_log2.unwrap_or(16)).unwrap_or(u64::MAX))
}

/// Whether all that an operator can change is the content of memory or a global, or the size of memory. Operators of
/// proposals that are not known count as changing more.
fn is_restored(proposal: &str, name: &str) -> bool {
    if !writes(proposal, name) {
        return true;
    }
    match proposal {
        "mvp" => name.contains("Store") || matches!(name, "GlobalSet" | "MemoryGrow"),
        "simd" => name.contains("Store"),
        "bulk_memory" => matches!(name, "MemoryCopy" | "MemoryFill" | "MemoryInit"),
        _ => false,
    }
}

fn unreadable(error: wasmparser::Error) -> String {
    format!("the module can't be read: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the host can't restore, of all that the allowed proposals write, by hand from the standard (WebAssembly 2.0,
    /// section 5.4).
    #[test]
    fn operators_that_can_t_be_restored_are_exactly_these() {
        let mut found = Vec::new();
        macro_rules! list {
            ($( @$proposal:ident $name:ident $({ $($argument:ident: $type:ty),* })? => $visit:ident ($($rest:tt)*))*) => {
                $( let proposal = stringify!($proposal);
                   let allowed = ["mvp", "sign_extension", "saturating_float_to_int", "simd", "reference_types", "bulk_memory"];
                   if allowed.contains(&proposal) && !is_restored(proposal, stringify!($name)) { found.push(stringify!($name)); } )*
            };
        }
        wasmparser::for_each_operator!(list);
        found.sort_unstable();
        assert_eq!(found, ["DataDrop", "ElemDrop", "TableCopy", "TableFill", "TableGrow", "TableInit", "TableSet"]);
    }

    #[test]
    fn operators_of_other_proposals_are_not_restored() {
        for proposal in ["threads", "gc", "exceptions", "tail_call", "relaxed_simd", "memory_control", "unknown"] {
            assert!(!is_restored(proposal, "Anything"), "{proposal}");
            assert!(!is_restored(proposal, "I32Store"), "{proposal}");
        }
    }
}
