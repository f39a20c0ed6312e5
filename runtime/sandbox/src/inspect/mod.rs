//! What a module may be, decided from its bytes alone before anything runs: size, features, imports, caps, manifest,
//! exports, and for isolation `row` the proof that it keeps no state.

mod complexity;
mod exports;
mod resettable;
mod stateless;
mod structure;

pub(crate) use exports::{row_arguments, row_exports};
pub(crate) use resettable::Resettable;
pub(crate) use structure::FEATURES;

use glovebox_catalog::{Door, Isolation, JobManifest, MANIFEST_SECTION, ManifestError, Refusal, Separation};
use glovebox_gm::{Digest, sm3};
use sha2::Digest as _;

use crate::caps;

/// A module that passed inspection. Only [`inspect`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspected {
    module_sm3: Digest,
    sha256: String,
    manifest: JobManifest,
    door: Door,
    size_bytes: u64,
    /// What to restore between units, or why every unit has a fresh instance.
    resettable: Result<Resettable, String>,
}

impl Inspected {
    /// SM3 digest of the bytes: the module's id.
    #[must_use]
    pub fn module_sm3(&self) -> &Digest {
        &self.module_sm3
    }

    /// SHA-256 digest of the bytes, 64 hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The manifest, checked.
    #[must_use]
    pub fn manifest(&self) -> &JobManifest {
        &self.manifest
    }

    /// The door that the bytes are made for.
    #[must_use]
    pub fn door(&self) -> Door {
        self.door
    }

    /// How the rows of one unit are kept from the next.
    #[must_use]
    pub fn separation(&self) -> Separation {
        match (self.manifest.isolation, &self.resettable) {
            (Isolation::Row, _) => Separation::StatelessProof,
            (Isolation::Person | Isolation::Block, Ok(_)) => Separation::Reset,
            (Isolation::Person | Isolation::Block, Err(_)) => Separation::FreshInstance,
            (Isolation::Cohort, _) => Separation::None,
        }
    }

    /// Why every person or block needs a fresh instance, which takes some microseconds more; none when it does not.
    #[must_use]
    pub fn needs_fresh_instances(&self) -> Option<&str> {
        match self.separation() {
            Separation::FreshInstance => self.resettable.as_ref().err().map(String::as_str),
            _ => None,
        }
    }

    /// What the host restores between the units of a job that has any.
    pub(crate) fn resettable(&self) -> Option<&Resettable> {
        (self.separation() == Separation::Reset).then(|| self.resettable.as_ref().ok()).flatten()
    }

    /// Size of the bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

/// Inspects a module or component.
///
/// # Errors
/// Everything that is wrong with it, as far as it could be read: codes `sandbox.malformed`, `sandbox.too-large`,
/// `sandbox.too-complex`, `sandbox.memory-cap`, `sandbox.feature-not-allowed`, `sandbox.import-not-allowed`,
/// `sandbox.no-manifest`, `sandbox.bad-manifest`, `sandbox.no-such-reducer`, `sandbox.missing-export`,
/// `sandbox.row-needs-core-module`, `sandbox.row-keeps-state`.
pub fn inspect(bytes: &[u8]) -> Result<Inspected, Vec<Refusal>> {
    let door = door(bytes).map_err(|refusal| vec![refusal])?;
    let survey = structure::survey(bytes, door)?;
    let manifest = manifest(&survey.manifests).map_err(|refusal| vec![refusal])?;
    let mut refusals = match (door, manifest.isolation) {
        (Door::Columnar, _) => exports::check_module(&survey, &manifest),
        (Door::Component, Isolation::Row) => vec![Refusal::new(
            "sandbox.row-needs-core-module",
            "isolation `row` is proven on a core module",
            "the component",
            "submit the core module, or declare isolation `person`",
        )],
        (Door::Component, _) => exports::check_component(&survey, &manifest),
    };
    if refusals.is_empty() && manifest.isolation == Isolation::Row {
        refusals = stateless::prove(bytes, &survey, &manifest);
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let resettable = match door {
        Door::Columnar => resettable::prove(bytes),
        Door::Component => Err("a component may hold several instances".to_owned()),
    };
    let sha256 = sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Inspected { module_sm3: sm3(bytes), sha256, manifest, door, size_bytes: bytes.len() as u64, resettable })
}

fn door(bytes: &[u8]) -> Result<Door, Refusal> {
    let (door, cap_bytes) = if wasmparser::Parser::is_core_wasm(bytes) {
        (Door::Columnar, caps::MODULE_SIZE_MAX_BYTES)
    } else if wasmparser::Parser::is_component(bytes) {
        (Door::Component, caps::COMPONENT_SIZE_MAX_BYTES)
    } else {
        return Err(Refusal::new(
            "sandbox.malformed",
            "a job is a WebAssembly module or component in binary form",
            "the first 8 bytes",
            "submit the .wasm file that the build made",
        ));
    };
    if bytes.len() > cap_bytes {
        return Err(Refusal::new(
            "sandbox.too-large",
            format!("at most {cap_bytes} bytes"),
            format!("{} bytes", bytes.len()),
            "strip names and debugging information, optimise for size",
        ));
    }
    Ok(door)
}

fn manifest(sections: &[&[u8]]) -> Result<JobManifest, Refusal> {
    let place = format!("custom section `{MANIFEST_SECTION}`");
    let [section] = sections else {
        return Err(Refusal::new(
            "sandbox.no-manifest",
            "a job holds exactly one manifest",
            format!("{} sections `{MANIFEST_SECTION}`", sections.len()),
            "build with the guest SDK, or add the section (sdk/wit/README.md)",
        ));
    };
    if section.len() > caps::MANIFEST_MAX_BYTES {
        let rule = format!("a manifest has at most {} bytes", caps::MANIFEST_MAX_BYTES);
        return Err(Refusal::new("sandbox.bad-manifest", rule, place, "shorten its lists"));
    }
    JobManifest::parse(section).map_err(|error| match error {
        ManifestError::NoReducer { output, reducer, remedy } => Refusal::new(
            "sandbox.no-such-reducer",
            format!("what would be a row in disguise is no reducer, `{reducer}` for one"),
            format!("output `{output}`"),
            remedy,
        ),
        error => Refusal::new("sandbox.bad-manifest", error.to_string(), place, "correct the manifest"),
    })
}

#[cfg(test)]
mod tests;
