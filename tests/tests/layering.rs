//! The directions of the design: which crate may stand on which, and what a verifier of receipts never links.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::LazyLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// Each crate and the crates of ours that it may depend on. Rows stand in order: a crate only names rows above its own.
const LAYERS: &[(&str, &[&str])] = &[
    ("glovebox-gm", &[]),
    ("glovebox-catalog", &[]),
    ("glovebox-meter", &["catalog"]),
    ("glovebox-gate", &["catalog"]),
    ("glovebox-audit", &["catalog", "gm"]),
    ("glovebox-policy", &["catalog"]),
    ("glovebox-vault", &["catalog", "gm", "policy"]),
    ("glovebox-sandbox", &["catalog", "gm"]),
    ("glovebox-store", &["audit", "catalog", "gate", "gm", "meter", "policy"]),
    ("glovebox-api", &["audit", "catalog", "gate", "meter"]),
    ("glovebox-client", &["api", "audit", "catalog", "gate", "gm"]),
    ("glovebox-engine", &["api", "audit", "catalog", "gate", "gm", "meter", "policy", "sandbox", "store", "vault"]),
    ("glovebox-server", &["api", "audit", "catalog", "engine", "gate", "gm", "meter", "policy"]),
    ("glovebox-cli", &["api", "audit", "catalog", "client", "engine", "gate", "gm", "sandbox", "server"]),
];

/// Crates that see everything, since they test or measure it.
const OUTSIDE: &[&str] = &["glovebox-tests", "glovebox-benches"];

/// What a part of the system never links, however indirectly.
const NEVER_LINKS: &[(&str, &[&str])] = &[
    // A receipt is verified by people who have neither the enclave nor its data.
    ("glovebox-audit", &["rusqlite", "wasmtime", "datafusion", "parquet", "tokio", "axum", "rustls"]),
    ("glovebox-api", &["rusqlite", "wasmtime", "datafusion", "parquet", "tokio", "rustls"]),
    ("glovebox-client", &["rusqlite", "wasmtime", "datafusion", "parquet", "axum"]),
    // Pure: no I/O, no clock, no network.
    ("glovebox-catalog", &["tokio", "rusqlite", "wasmtime", "datafusion", "cap-std", "getrandom"]),
    ("glovebox-meter", &["tokio", "rusqlite", "wasmtime", "datafusion", "cap-std", "getrandom"]),
    ("glovebox-gate", &["tokio", "rusqlite", "wasmtime", "datafusion", "cap-std", "getrandom"]),
    ("glovebox-policy", &["tokio", "rusqlite", "wasmtime", "datafusion", "cap-std"]),
    // Guests never meet storage or keys; keys and rows never meet guests but through the engine.
    ("glovebox-sandbox", &["glovebox-vault", "glovebox-store", "rusqlite", "datafusion", "reqwest"]),
    ("glovebox-vault", &["glovebox-sandbox", "glovebox-store", "rusqlite", "wasmtime"]),
    ("glovebox-store", &["glovebox-sandbox", "glovebox-vault", "wasmtime", "datafusion"]),
];

static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    // One platform: to resolve them all, cargo would download every crate of every other one.
    let options = ["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"].map(str::to_owned);
    MetadataCommand::new().manifest_path(manifest).other_options(options).exec().unwrap()
});

fn ours() -> impl Iterator<Item = &'static Package> {
    METADATA.workspace_packages().into_iter()
}

/// Names of the workspace's crates that `package` links or builds with; what its tests use does not count.
fn own_dependencies(package: &Package) -> BTreeSet<String> {
    let own = package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development && d.path.is_some());
    own.map(|dependency| dependency.name.clone()).collect()
}

/// Every package that ends up in a binary which links `name`: normal dependencies, followed to the end.
fn links(name: &str) -> BTreeSet<String> {
    let resolve = METADATA.resolve.as_ref().unwrap();
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let root = ours().find(|package| package.name == name).unwrap_or_else(|| panic!("no crate `{name}`"));
    let mut seen = BTreeSet::from([&root.id]);
    let mut queue = VecDeque::from([&root.id]);
    while let Some(id) = queue.pop_front() {
        for dependency in &nodes[id].deps {
            let linked = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            if linked && seen.insert(&dependency.pkg) {
                queue.push_back(&dependency.pkg);
            }
        }
    }
    seen.into_iter().map(|id| METADATA[id].name.to_string()).collect()
}

#[test]
fn crates_point_downwards_only() {
    let mut faults = Vec::new();
    let mut above = BTreeSet::new();
    for (name, allowed) in LAYERS {
        let allowed: BTreeSet<String> = allowed.iter().map(|short| format!("glovebox-{short}")).collect();
        assert!(allowed.is_subset(&above), "`{name}` stands above a crate that it may depend on: {allowed:?}");
        let package = ours().find(|package| package.name == *name);
        let used = package.map(own_dependencies).unwrap_or_else(|| panic!("no crate `{name}`"));
        faults.extend(used.difference(&allowed).map(|wrong| format!("{name} -> {wrong}")));
        above.insert((*name).to_owned());
    }
    assert_eq!(faults, Vec::<String>::new(), "dependencies against the directions of the design");
}

#[test]
fn every_crate_has_its_layer() {
    let known: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).chain(OUTSIDE.iter().copied()).collect();
    let present: BTreeSet<&str> = ours().map(|package| package.name.as_str()).collect();
    assert_eq!(present, known);
}

#[test]
fn nothing_depends_on_tests_or_benches() {
    for package in ours().filter(|package| package.name != "glovebox-benches") {
        let used = own_dependencies(package);
        assert!(OUTSIDE.iter().all(|outside| !used.contains(*outside)), "{} depends on tests or benches", package.name);
    }
}

#[test]
fn parts_link_nothing_foreign_to_them() {
    let mut faults = Vec::new();
    for (name, forbidden) in NEVER_LINKS {
        let linked = links(name);
        faults.extend(forbidden.iter().filter(|f| linked.contains(**f)).map(|wrong| format!("{name} links {wrong}")));
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn one_version_of_the_libraries_that_exchange_types() {
    for name in ["arrow", "arrow-array", "parquet", "object_store", "rustls", "rusqlite", "wasmtime", "cap-std"] {
        let versions: Vec<_> = METADATA.packages.iter().filter(|p| p.name == name).map(|p| p.version.clone()).collect();
        assert_eq!(versions.len(), 1, "{name}: {versions:?}");
    }
}

/// The walk itself is tested: were it to stop early, every check above would pass.
#[test]
fn the_walk_reaches_the_end() {
    let engine = links("glovebox-engine");
    for deep in ["glovebox-catalog", "wasmtime", "datafusion", "rusqlite", "arrow-buffer", "libsqlite3-sys"] {
        assert!(engine.contains(deep), "`{deep}` is not among the {} packages found", engine.len());
    }
}
