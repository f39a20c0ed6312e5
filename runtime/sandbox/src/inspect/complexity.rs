//! Caps on signatures and functions: what bounds the work of a compiler, which no fuel pays for.

use glovebox_catalog::Refusal;
use wasmparser::{BlockType, FuncValidator, FunctionBody, Operator, OperatorsReader, WasmModuleResources};

use super::structure::FEATURES;
use crate::caps;

/// Caps the signatures, and tells how many parameters each type has.
pub(super) fn cap_types(reader: &wasmparser::TypeSectionReader<'_>) -> Result<Vec<usize>, Fault> {
    let mut parameters = Vec::new();
    for group in reader.clone() {
        for sub_type in group?.into_types() {
            let wasmparser::CompositeInnerType::Func(signature) = sub_type.composite_type.inner else {
                // Structures and arrays are no allowed feature; the validator says so in its words.
                parameters.push(0);
                continue;
            };
            at_most("parameters of a function", signature.params().len(), caps::FUNCTION_PARAMETERS_MAX)?;
            at_most("results of a function or block", signature.results().len(), caps::BLOCK_VALUES_MAX)?;
            parameters.push(signature.params().len());
        }
    }
    Ok(parameters)
}

/// Caps a function and answers its complexity (caps.rs).
pub(super) fn cap_function(body: &FunctionBody<'_>, parameters: usize, types: &[usize]) -> Result<u64, Fault> {
    at_most("bytes in one function", body.range().len(), caps::FUNCTION_SIZE_MAX_BYTES)?;
    let mut locals = u32::try_from(parameters).unwrap_or(u32::MAX);
    for group in body.get_locals_reader()? {
        locals = locals.saturating_add(group?.0);
        at_most("locals in one function", locals, caps::LOCALS_MAX)?;
    }
    let mut shape = Shape::default();
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        shape.operator(&operators.read()?, types)?;
    }
    // One more: the operands that a branch carries are at most BLOCK_VALUES_MAX, which is counted as one variable.
    let complexity = (u64::from(locals) + 1).saturating_mul(shape.branches);
    at_most("variables times branches in one function", complexity, caps::COMPLEXITY_MAX)?;
    Ok(complexity)
}

/// Validates a function, caps what lives over its calls, and answers that (caps.rs). The operands of a call are counted with
/// those below them.
pub(super) fn validate_and_cap_calls<R: WasmModuleResources>(
    validator: &mut FuncValidator<R>,
    body: &FunctionBody<'_>,
) -> Result<u64, Fault> {
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    reader.set_features(FEATURES);
    let locals = u64::from(validator.len_locals());
    let mut complexity = 0_u64;
    let mut operators = OperatorsReader::new(reader);
    while !operators.eof() {
        let (operator, offset) = operators.read_with_offset()?;
        if calls(&operator) {
            let live = locals.saturating_add(u64::from(validator.operand_stack_height()));
            complexity = complexity.saturating_add(live);
            at_most(
                "values that live over calls, times calls, in one function",
                complexity,
                caps::CALL_COMPLEXITY_MAX,
            )?;
        }
        validator.op(offset, &operator)?;
    }
    operators.finish()?;
    Ok(complexity)
}

/// Whether an operator becomes a call: of a function, or of the runtime.
fn calls(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::MemoryCopy { .. }
            | Operator::MemoryFill { .. }
            | Operator::MemoryInit { .. }
            | Operator::MemoryGrow { .. }
            | Operator::DataDrop { .. }
            | Operator::TableGet { .. }
            | Operator::TableSet { .. }
            | Operator::TableCopy { .. }
            | Operator::TableFill { .. }
            | Operator::TableInit { .. }
            | Operator::TableGrow { .. }
            | Operator::ElemDrop { .. }
            | Operator::RefFunc { .. }
    )
}

/// What a function's operators add up to.
#[derive(Default)]
struct Shape {
    /// For each open block whether it is a loop.
    open: Vec<bool>,
    loops: u64,
    branches: u64,
    branch_targets: u64,
    bulk_operators: u32,
}

impl Shape {
    fn operator(&mut self, operator: &Operator<'_>, types: &[usize]) -> Result<(), Fault> {
        match operator {
            Operator::Block { blockty } => self.open(false, *blockty, types)?,
            Operator::If { blockty } => {
                self.branches += 1;
                self.open(false, *blockty, types)?;
            }
            Operator::Loop { blockty } => {
                self.loops += 1;
                self.branches += self.loops;
                self.open(true, *blockty, types)?;
            }
            Operator::End => {
                let closed_loop = self.open.pop() == Some(true);
                self.loops = self.loops.saturating_sub(u64::from(closed_loop));
            }
            Operator::Br { .. } | Operator::BrIf { .. } => self.branches += 1,
            Operator::BrTable { targets } => {
                self.branches += u64::from(targets.len());
                self.branch_targets += u64::from(targets.len());
                at_most("targets of br_table in one function", self.branch_targets, caps::BRANCH_TARGETS_MAX)?;
            }
            Operator::MemoryCopy { .. }
            | Operator::MemoryFill { .. }
            | Operator::MemoryInit { .. }
            | Operator::MemoryGrow { .. }
            | Operator::TableCopy { .. }
            | Operator::TableFill { .. }
            | Operator::TableInit { .. }
            | Operator::TableGrow { .. } => {
                self.bulk_operators += 1;
                at_most("bulk operators in one function", self.bulk_operators, caps::BULK_OPERATORS_MAX)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, is_loop: bool, block: BlockType, types: &[usize]) -> Result<(), Fault> {
        if let BlockType::FuncType(index) = block {
            let parameters = types.get(index as usize).copied().unwrap_or_default();
            at_most("parameters of a block", parameters, caps::BLOCK_VALUES_MAX)?;
        }
        self.open.push(is_loop);
        at_most("nested blocks", self.open.len(), caps::NESTING_MAX)
    }
}

/// Why the pass stops: what follows could not be read sensibly, or would cost more than a module is worth.
pub(super) enum Fault {
    Invalid(wasmparser::Error),
    Refused(Refusal),
}

impl From<wasmparser::Error> for Fault {
    fn from(error: wasmparser::Error) -> Self {
        Self::Invalid(error)
    }
}

/// Refuses more than `max` of something.
pub(super) fn at_most<N: PartialOrd + std::fmt::Display>(what: &str, found: N, max: N) -> Result<(), Fault> {
    if found <= max {
        return Ok(());
    }
    Err(Fault::Refused(Refusal::new(
        "sandbox.too-complex",
        format!("at most {max} {what}"),
        format!("{found} {what}"),
        "make the module smaller; large tables belong in data, not in code",
    )))
}
