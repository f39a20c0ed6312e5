//! Codes of the inspection of modules.

use super::{RefusalCode, entry};

pub(super) const CODES: &[RefusalCode] = &[
    entry(
        "sandbox.bad-manifest",
        "the manifest declares inputs, keys, outputs and limits in full, within the caps, and in words that fit together",
        "what a job may release is bounded by its manifest, which is fixed before a row is read",
        "correct the member that the rule names; docs/isolation.md says which reducers go with which isolation",
    ),
    entry(
        "sandbox.feature-not-allowed",
        "a module uses the allowed WebAssembly features only",
        "threads, relaxed SIMD and their like give a guest a clock, a memory of others, or results that differ by machine",
        "build for the baseline target; sdk/wit/README.md lists the features",
    ),
    entry(
        "sandbox.import-not-allowed",
        "a job imports nothing",
        "what is not imported can't be reached: no clock, no files, no network, no log",
        "build without WASI and host functions; what the job needs comes as columns and parameters",
    ),
    entry(
        "sandbox.malformed",
        "a job is a valid WebAssembly module or component in binary form",
        "what can't be read can't be inspected",
        "submit the .wasm file as the build made it",
    ),
    entry(
        "sandbox.memory-cap",
        "a memory starts with a bounded number of bytes",
        "an instance for each person must be cheap",
        "shrink static data, or grow the memory when it is needed",
    ),
    entry(
        "sandbox.missing-export",
        "the module exports what its isolation calls, with the types that follow from its manifest",
        "a mismatch would show only in the middle of a run, and that it showed would tell of the rows",
        "build with the guest SDK, or export it as sdk/wit/README.md says",
    ),
    entry(
        "sandbox.no-manifest",
        "a job holds exactly one manifest, in the custom section `glovebox.job`",
        "without one nobody could say what the job may release",
        "build with the guest SDK, or add the section",
    ),
    entry(
        "sandbox.no-such-reducer",
        "an output is computed by one of the reducers; none of them gives a single row's value",
        "an extreme, a first value or a list is some person's row in disguise",
        "use what the rule names instead: a quantile for an extreme, counts by key for picked values",
    ),
    entry(
        "sandbox.row-keeps-state",
        "nothing that a `row` job's functions reach writes memory, globals or tables",
        "a function that keeps something could carry one row into another's contribution",
        "keep the functions small and scalar, and build optimised; what needs memory belongs in isolation `person`",
    ),
    entry(
        "sandbox.row-needs-core-module",
        "isolation `row` is proven on a core module",
        "a component hides its functions from the proof",
        "submit the core module, or declare isolation `person`",
    ),
    entry(
        "sandbox.too-complex",
        "functions, types, locals and tables of a module are bounded in number",
        "compiling is not metered by fuel; the caps bound its cost",
        "make the module smaller; large tables belong in data, not in code",
    ),
    entry(
        "sandbox.too-large",
        "a module has a largest size",
        "compiling is not metered by fuel; the caps bound its cost",
        "strip names and debugging information, and optimise for size",
    ),
];
