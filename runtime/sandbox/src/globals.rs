//! Makes a module's mutable globals reachable for the host, which restores them between units.

use std::collections::BTreeSet;

use wasm_encoder::{ExportKind, ExportSection, Module, RawSection, SectionId};
use wasmparser::{ExternalKind, Parser, Payload};

/// A module as it is compiled, and the names under which it exports its mutable globals, in the order asked for.
pub(crate) struct Opened {
    pub(crate) module: Vec<u8>,
    pub(crate) names: Vec<String>,
}

/// Adds exports for `globals` to `bytes`, a valid core module. Guests can't tell: an export is nothing that code can see.
///
/// # Errors
/// What of the module can't be read.
pub(crate) fn open(bytes: &[u8], globals: &[u32]) -> Result<Opened, String> {
    let payloads: Vec<Payload<'_>> = Parser::new(0).parse_all(bytes).collect::<Result<_, _>>().map_err(unreadable)?;
    let mut exports = ExportSection::new();
    let mut taken = BTreeSet::new();
    for payload in &payloads {
        if let Payload::ExportSection(reader) = payload {
            for export in reader.clone() {
                let export = export.map_err(unreadable)?;
                exports.export(export.name, kind(export.kind)?, export.index);
                taken.insert(export.name);
            }
        }
    }
    let names: Vec<String> = globals.iter().map(|index| free_name(&taken, *index)).collect();
    for (name, index) in names.iter().zip(globals) {
        exports.export(name, ExportKind::Global, *index);
    }
    let mut module = Module::new();
    for payload in &payloads {
        let Some((id, range)) = payload.as_section() else { continue };
        if id == SectionId::Export as u8 {
            module.section(&exports);
        } else {
            let data = bytes.get(range).ok_or("a section lies beyond the module's end")?;
            module.section(&RawSection { id, data });
        }
    }
    Ok(Opened { module: module.finish(), names })
}

/// A name that no export of the module has.
fn free_name(taken: &BTreeSet<&str>, global: u32) -> String {
    let mut name = format!("global {global}");
    while taken.contains(name.as_str()) {
        name.push('\'');
    }
    name
}

fn kind(kind: ExternalKind) -> Result<ExportKind, String> {
    match kind {
        ExternalKind::Func => Ok(ExportKind::Func),
        ExternalKind::Table => Ok(ExportKind::Table),
        ExternalKind::Memory => Ok(ExportKind::Memory),
        ExternalKind::Global => Ok(ExportKind::Global),
        other => Err(format!("an export is a {other:?}, which no allowed feature has")),
    }
}

fn unreadable(error: wasmparser::Error) -> String {
    format!("{error:#}")
}
