//! One pass over the binary: validation under the allowed features, caps, imports, manifests, exports.

use std::collections::BTreeMap;

use glovebox_catalog::{Door, MANIFEST_SECTION, Refusal};
use wasmparser::{
    CanonicalFunction, ComponentTypeRef, Encoding, ExternalKind, FuncType, FuncValidatorAllocations, Parser, Payload,
    TypeBounds, ValidPayload, Validator, WasmFeatures, WasmModuleResources,
};

use super::complexity::{Fault, at_most, cap_function, cap_types, validate_and_cap_calls};
use super::resettable::initial_bytes;
use crate::caps;

/// Features that a module may use. Everything else is refused: what is not needed is not worth its proof.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::CUSTOM_PAGE_SIZES)
    .union(WasmFeatures::FLOATS);

/// Most refusals of one kind that are listed.
const LISTED_MAX: usize = 8;

/// What the pass found.
#[derive(Default)]
pub(crate) struct Survey<'a> {
    /// Contents of every manifest section, at whatever depth.
    pub(crate) manifests: Vec<&'a [u8]>,
    /// Exported functions of a core module, with index and signature.
    pub(crate) functions: BTreeMap<String, (u32, FuncType)>,
    /// Exported memories of a core module.
    pub(crate) memories: Vec<String>,
    /// Whether a core module has a start function.
    pub(crate) has_start: bool,
    /// Exported functions of a component, with their type written out.
    pub(crate) component_functions: BTreeMap<String, String>,
}

/// Validates `bytes` and surveys them.
pub(crate) fn survey(bytes: &[u8], door: Door) -> Result<Survey<'_>, Vec<Refusal>> {
    let features = match door {
        Door::Columnar => FEATURES,
        Door::Component => FEATURES | WasmFeatures::COMPONENT_MODEL,
    };
    let mut pass = Pass {
        validator: Validator::new_with_features(features),
        allocations: FuncValidatorAllocations::default(),
        survey: Survey::default(),
        nesting: Vec::new(),
        counts: Counts::default(),
        block_parameters: Vec::new(),
        exports: Vec::new(),
        component_instances: Vec::new(),
        component_exports: Vec::new(),
        refusals: Vec::new(),
    };
    for payload in Parser::new(0).parse_all(bytes) {
        let step = payload.map_err(Fault::Invalid).and_then(|payload| pass.payload(payload));
        match step {
            Ok(()) => {}
            Err(Fault::Refused(refusal)) => {
                pass.refusals.push(refusal);
                return Err(pass.refusals);
            }
            Err(Fault::Invalid(error)) => return Err(vec![invalid(bytes, &error)]),
        }
    }
    if pass.refusals.is_empty() { Ok(pass.survey) } else { Err(pass.refusals) }
}

/// Tells a feature that is not allowed from a broken file: the former is valid once every feature is on.
fn invalid(bytes: &[u8], error: &wasmparser::Error) -> Refusal {
    let place = format!("offset {}", error.offset());
    if Validator::new_with_features(WasmFeatures::all()).validate_all(bytes).is_ok() {
        let rule = format!("only the WebAssembly features listed in sdk/wit are allowed: {}", error.message());
        let remedy =
            "build for the baseline target, without threads, 64-bit memory, exceptions, tail calls, relaxed SIMD";
        return Refusal::new("sandbox.feature-not-allowed", rule, place, remedy);
    }
    let rule = format!("a module is valid WebAssembly: {}", error.message());
    Refusal::new("sandbox.malformed", rule, place, "submit the .wasm file as the build made it")
}

struct Pass<'a> {
    validator: Validator,
    allocations: FuncValidatorAllocations,
    survey: Survey<'a>,
    /// Encodings that are open, outermost first.
    nesting: Vec<Encoding>,
    counts: Counts,
    /// Parameters of each type of the core module at hand.
    block_parameters: Vec<usize>,
    /// Exports of the outermost core module, resolved when its types are known.
    exports: Vec<(String, ExternalKind, u32)>,
    /// Names of the instances that the outermost component imports.
    component_instances: Vec<String>,
    /// Names of the exports of the outermost component.
    component_exports: Vec<String>,
    refusals: Vec<Refusal>,
}

#[derive(Default)]
struct Counts {
    functions: u64,
    items: u64,
    initialisers: u64,
    complexity: u64,
    calls: u64,
    modules: u64,
    instances: u64,
    custom_bytes: u64,
}

impl<'a> Pass<'a> {
    fn payload(&mut self, payload: Payload<'a>) -> Result<(), Fault> {
        self.cap(&payload)?;
        self.read(&payload)?;
        match self.validator.payload(&payload)? {
            ValidPayload::Func(function, body) => {
                let parameters = function.resources.type_index_of_function(function.index);
                let parameters = parameters.and_then(|index| self.block_parameters.get(index as usize)).copied();
                self.counts.complexity += cap_function(&body, parameters.unwrap_or_default(), &self.block_parameters)?;
                at_most("variables times branches in all", self.counts.complexity, caps::COMPLEXITY_TOTAL_MAX)?;
                let mut validator = function.into_validator(std::mem::take(&mut self.allocations));
                self.counts.calls += validate_and_cap_calls(&mut validator, &body)?;
                let what = "values that live over calls, times calls, in all";
                at_most(what, self.counts.calls, caps::CALL_COMPLEXITY_TOTAL_MAX)?;
                self.allocations = validator.into_allocations();
            }
            ValidPayload::End(types) => {
                self.nesting.pop();
                if self.nesting.is_empty() {
                    self.resolve(&types);
                }
            }
            ValidPayload::Ok | ValidPayload::Parser(_) => {}
        }
        Ok(())
    }

    /// Caps on counts and sizes, before the validator spends work on them.
    fn cap(&mut self, payload: &Payload<'a>) -> Result<(), Fault> {
        let counts = &mut self.counts;
        match payload {
            Payload::TypeSection(reader) => {
                counts.items += u64::from(reader.count());
                self.block_parameters = cap_types(reader)?;
            }
            Payload::Version { .. } => self.block_parameters.clear(),
            Payload::ExportSection(reader) => counts.items += u64::from(reader.count()),
            Payload::GlobalSection(reader) => counts.initialisers += u64::from(reader.count()),
            Payload::ElementSection(reader) => counts.initialisers += u64::from(reader.count()),
            Payload::DataSection(reader) => counts.initialisers += u64::from(reader.count()),
            Payload::ComponentTypeSection(reader) => counts.items += u64::from(reader.count()),
            Payload::ComponentAliasSection(reader) => counts.items += u64::from(reader.count()),
            Payload::ComponentExportSection(reader) => counts.items += u64::from(reader.count()),
            Payload::ComponentInstanceSection(reader) => counts.items += u64::from(reader.count()),
            Payload::CoreTypeSection(reader) => counts.items += u64::from(reader.count()),
            Payload::FunctionSection(reader) => counts.functions += u64::from(reader.count()),
            Payload::InstanceSection(reader) => counts.instances += u64::from(reader.count()),
            Payload::ModuleSection { .. } => counts.modules += 1,
            Payload::CustomSection(reader) => counts.custom_bytes += reader.data().len() as u64,
            Payload::TableSection(reader) => {
                at_most("tables", reader.count(), caps::TABLES_MAX)?;
                for table in reader.clone() {
                    at_most("table elements", table?.ty.initial, caps::TABLE_ELEMENTS_MAX)?;
                }
            }
            Payload::MemorySection(reader) => {
                for memory in reader.clone() {
                    cap_memory(&memory?)?;
                }
            }
            _ => {}
        }
        at_most("types, exports and aliases", counts.items, u64::from(caps::ITEMS_MAX))?;
        at_most("globals and segments", counts.initialisers, u64::from(caps::INITIALISERS_MAX))?;
        at_most("functions", counts.functions, u64::from(caps::FUNCTIONS_MAX))?;
        at_most("core modules", counts.modules, u64::from(caps::CORE_MODULES_MAX))?;
        at_most("core instances", counts.instances, u64::from(caps::CORE_INSTANCES_MAX))?;
        at_most("bytes in custom sections", counts.custom_bytes, caps::CUSTOM_SECTIONS_MAX_BYTES as u64)
    }

    fn read(&mut self, payload: &Payload<'a>) -> Result<(), Fault> {
        let outermost = self.nesting.len() == 1;
        match payload {
            Payload::Version { encoding, .. } => self.nesting.push(*encoding),
            Payload::CustomSection(reader) if reader.name() == MANIFEST_SECTION => {
                self.survey.manifests.push(reader.data());
            }
            Payload::ImportSection(reader) if outermost => {
                for import in reader.clone().into_imports() {
                    let import = import?;
                    self.refuse_import(&format!("{}.{}", import.module, import.name));
                }
            }
            Payload::ComponentImportSection(reader) if outermost => {
                for import in reader.clone() {
                    let import = import?;
                    // A type that equals a written-out one carries nothing; a resource type would be a capability.
                    match import.ty {
                        ComponentTypeRef::Type(TypeBounds::Eq(_)) => {}
                        // What it holds is known when the types are.
                        ComponentTypeRef::Instance(_) => self.component_instances.push(import.name.name.to_owned()),
                        _ => self.refuse_import(import.name.name),
                    }
                }
            }
            Payload::ComponentCanonicalSection(reader) => {
                for function in reader.clone() {
                    if !matches!(function?, CanonicalFunction::Lift { .. } | CanonicalFunction::Lower { .. }) {
                        return Err(Fault::Refused(builtin()));
                    }
                }
            }
            Payload::StartSection { .. } if outermost => self.survey.has_start = true,
            Payload::ExportSection(reader) if outermost => {
                for export in reader.clone() {
                    let export = export?;
                    self.exports.push((export.name.to_owned(), export.kind, export.index));
                }
            }
            Payload::ComponentExportSection(reader) if outermost => {
                for export in reader.clone() {
                    self.component_exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn refuse_import(&mut self, name: &str) {
        if self.refusals.len() < LISTED_MAX {
            let name: String = name.chars().take(120).collect();
            self.refusals.push(Refusal::new(
                "sandbox.import-not-allowed",
                "a job imports nothing",
                format!("import `{name}`"),
                "build without WASI and without host functions; what the job needs comes as columns and parameters",
            ));
        }
    }

    /// Once the outermost module ends, its types say what the exports are.
    fn resolve(&mut self, types: &wasmparser::types::Types) {
        let types = types.as_ref();
        for (name, kind, index) in std::mem::take(&mut self.exports) {
            match kind {
                ExternalKind::Memory => self.survey.memories.push(name),
                ExternalKind::Func => {
                    if let Some(signature) = types.get(types.core_function_at(index)) {
                        self.survey.functions.insert(name, (index, signature.unwrap_func().clone()));
                    }
                }
                _ => {}
            }
        }
        for name in std::mem::take(&mut self.component_instances) {
            if !super::exports::holds_types_alone(types, &name) {
                self.refuse_import(&name);
            }
        }
        for name in std::mem::take(&mut self.component_exports) {
            if let Some(signature) = super::exports::component_function(types, &name) {
                self.survey.component_functions.insert(name, signature);
            }
        }
    }
}

fn builtin() -> Refusal {
    Refusal::new(
        "sandbox.feature-not-allowed",
        "a component lifts and lowers functions and nothing else",
        "canonical functions",
        "build without resources, threads and asynchronous functions",
    )
}

fn cap_memory(memory: &wasmparser::MemoryType) -> Result<(), Fault> {
    let bytes = initial_bytes(memory);
    if bytes <= caps::MEMORY_START_MAX_BYTES {
        return Ok(());
    }
    Err(Fault::Refused(Refusal::new(
        "sandbox.memory-cap",
        format!("a memory starts with at most {} bytes", caps::MEMORY_START_MAX_BYTES),
        format!("{bytes} bytes"),
        "shrink static data, or grow the memory when it is needed",
    )))
}
