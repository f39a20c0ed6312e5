//! The directions of the design: which crate may stand on which, and what a verifier of receipts never links.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// Each crate and the crates of ours that it may depend on. Rows stand in order: a crate only names rows above its own.
const LAYERS: &[(&str, &[&str])] = &[
    ("glovebox-gm", &[]),
    ("glovebox-catalog", &[]),
    ("glovebox-meter", &["catalog"]),
    ("glovebox-gate", &["catalog"]),
    ("glovebox-audit", &["catalog", "gm"]),
    ("glovebox-policy", &["catalog"]),
    ("glovebox-tls", &["gm"]),
    ("glovebox-witness", &["audit", "catalog", "gm"]),
    ("glovebox-vault", &["catalog", "gm", "policy"]),
    ("glovebox-sandbox", &["catalog", "gm"]),
    ("glovebox-store", &["audit", "catalog", "gate", "gm", "meter", "policy"]),
    ("glovebox-api", &["audit", "catalog", "gate", "meter"]),
    ("glovebox-client", &["api", "audit", "catalog", "gate", "gm", "tls"]),
    (
        "glovebox-engine",
        &["api", "audit", "catalog", "gate", "gm", "meter", "policy", "sandbox", "store", "vault", "witness"],
    ),
    ("glovebox-server", &["api", "audit", "catalog", "engine", "gate", "gm", "meter", "policy", "tls"]),
    (
        "glovebox-cli",
        &["api", "audit", "catalog", "client", "engine", "gate", "gm", "sandbox", "server", "tls", "witness"],
    ),
];

/// Crates that see everything, since they test or measure it.
const OUTSIDE: &[&str] = &["glovebox-tests", "glovebox-benches"];

/// What a part of the system never links, however indirectly.
const NEVER_LINKS: &[(&str, &[&str])] = &[
    // A receipt is verified by people who have neither the enclave nor its data.
    ("glovebox-audit", &["rusqlite", "wasmtime", "datafusion", "parquet", "tokio", "axum", "rustls"]),
    ("glovebox-api", &["rusqlite", "wasmtime", "datafusion", "parquet", "tokio", "rustls"]),
    ("glovebox-client", &["rusqlite", "wasmtime", "datafusion", "parquet", "axum"]),
    // A witness knows nothing of data and jobs: suppliers and regulators run it.
    ("glovebox-witness", &["rusqlite", "wasmtime", "datafusion", "parquet"]),
    ("glovebox-tls", &["tokio", "rusqlite", "wasmtime", "datafusion", "axum"]),
    // Pure: no I/O, no clock, no network.
    ("glovebox-catalog", &["tokio", "rusqlite", "wasmtime", "datafusion", "cap-std", "getrandom"]),
    ("glovebox-meter", &["tokio", "rusqlite", "wasmtime", "datafusion", "cap-std", "getrandom"]),
    // opendp draws noise from the kernel; only the gate's `dp` may ask it to, see below.
    ("glovebox-gate", &["tokio", "rusqlite", "wasmtime", "datafusion", "cap-std"]),
    ("glovebox-policy", &["tokio", "rusqlite", "wasmtime", "datafusion", "cap-std"]),
    // Guests never meet storage or keys; keys and rows never meet guests but through the engine.
    ("glovebox-sandbox", &["glovebox-vault", "glovebox-store", "rusqlite", "datafusion", "reqwest"]),
    ("glovebox-vault", &["glovebox-sandbox", "glovebox-store", "rusqlite", "wasmtime"]),
    ("glovebox-store", &["glovebox-sandbox", "glovebox-vault", "wasmtime", "datafusion"]),
];

/// One package of the tree, as far as these tests look at it.
struct Package {
    name: String,
    version: String,
    /// Crates of the workspace that it links or builds with; what its tests use does not count.
    ours: BTreeSet<String>,
    /// Ids of the packages that it links.
    links: Vec<String>,
}

/// Every package by its id. One platform: to resolve them all, cargo would download every crate of every other one.
/// Read by hand, because the features of a crate that reads it would make tests and demo two builds.
static TREE: LazyLock<BTreeMap<String, Package>> = LazyLock::new(|| {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let options = ["--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"];
    let output = Command::new(env!("CARGO")).args(["metadata", "--manifest-path", manifest]).args(options).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let nodes = list(&metadata["resolve"]["nodes"]).map(|node| (text(&node["id"]), linked(node)));
    let mut nodes: BTreeMap<_, _> = nodes.collect();
    let packages = list(&metadata["packages"]).map(|package| {
        let links = nodes.remove(&text(&package["id"])).unwrap();
        let (name, version) = (text(&package["name"]), text(&package["version"]));
        (text(&package["id"]), Package { name, version, ours: own_dependencies(package), links })
    });
    packages.collect()
});

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn own_dependencies(package: &Value) -> BTreeSet<String> {
    let own = list(&package["dependencies"]).filter(|d| d["kind"] != "dev" && d["path"].is_string());
    own.map(|dependency| text(&dependency["name"])).collect()
}

/// Normal dependencies have no kind.
fn linked(node: &Value) -> Vec<String> {
    let links = list(&node["deps"]).filter(|dep| list(&dep["dep_kinds"]).any(|kind| kind["kind"].is_null()));
    links.map(|dependency| text(&dependency["pkg"])).collect()
}

fn ours() -> impl Iterator<Item = (&'static String, &'static Package)> {
    TREE.iter().filter(|(_, package)| package.name.starts_with("glovebox-"))
}

fn find(name: &str) -> (&'static String, &'static Package) {
    ours().find(|(_, package)| package.name == name).unwrap_or_else(|| panic!("no crate `{name}`"))
}

/// Names of every package that ends up in a binary which links `name`.
fn links(name: &str) -> BTreeSet<&'static str> {
    let root = find(name).0;
    let mut seen = BTreeSet::from([root]);
    let mut queue = VecDeque::from([root]);
    while let Some(id) = queue.pop_front() {
        for linked in &TREE[id].links {
            if seen.insert(linked) {
                queue.push_back(linked);
            }
        }
    }
    seen.into_iter().map(|id| TREE[id].name.as_str()).collect()
}

#[test]
fn crates_point_downwards_only() {
    let mut faults = Vec::new();
    let mut above = BTreeSet::new();
    for (name, allowed) in LAYERS {
        let allowed: BTreeSet<String> = allowed.iter().map(|short| format!("glovebox-{short}")).collect();
        assert!(allowed.is_subset(&above), "`{name}` stands above a crate that it may depend on: {allowed:?}");
        faults.extend(find(name).1.ours.difference(&allowed).map(|wrong| format!("{name} -> {wrong}")));
        above.insert((*name).to_owned());
    }
    assert_eq!(faults, Vec::<String>::new(), "dependencies against the directions of the design");
}

#[test]
fn every_crate_has_its_layer() {
    let known: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).chain(OUTSIDE.iter().copied()).collect();
    let present: BTreeSet<&str> = ours().map(|(_, package)| package.name.as_str()).collect();
    assert_eq!(present, known);
}

#[test]
fn nothing_depends_on_tests_or_benches() {
    for (_, package) in ours().filter(|(_, package)| package.name != "glovebox-benches") {
        let used = &package.ours;
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
        let versions: Vec<_> = TREE.values().filter(|p| p.name == name).map(|p| &p.version).collect();
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

/// Lines `name version features` of what `selection` builds.
fn features(selection: &[&str]) -> BTreeSet<String> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let options = ["--locked", "--prefix", "none", "--format", "{p} [{f}]", "--target", "x86_64-unknown-linux-gnu"];
    let command = ["tree", "--manifest-path", manifest];
    let output = Command::new(env!("CARGO")).args(command).args(options).args(selection).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let registry = lines.lines().filter(|line| !line.contains("glovebox-"));
    registry.map(|line| line.trim_end_matches(" (*)").to_owned()).filter(|line| line.ends_with(']')).collect()
}

/// Docs, adr/0007: a feature that only tests switch on would build DataFusion once for the demo and once for the tests.
#[test]
fn the_demo_and_the_tests_are_one_build() {
    let demo = features(&["--package", "glovebox-cli", "--edges", "normal,build"]);
    let tests = features(&["--workspace", "--edges", "normal,build,dev"]);
    assert!(demo.len() > 300, "{demo:?}");
    let apart: Vec<_> = demo.difference(&tests).collect();
    assert!(apart.is_empty(), "built otherwise for the tests: {apart:?}");
}

/// Features that take from a guest's slot what separates it from others. With memory protection keys, wasmtime mapped images
/// anew without their key, so that one slot could be read from another.
#[test]
fn what_weakens_the_walls_between_guests_is_not_compiled_in() {
    let built = features(&["--workspace", "--edges", "normal,build,dev"]);
    let wasmtime: Vec<_> = built.iter().filter(|line| line.starts_with("wasmtime v")).collect();
    assert!(!wasmtime.is_empty(), "wasmtime is not among the {} packages found", built.len());
    for line in wasmtime {
        assert!(line.contains("pooling-allocator"), "the features are not on the line: {line}");
        assert!(!line.contains("memory-protection-keys"), "{line}");
    }
}

/// Two runs agree byte for byte before noise, so nothing in the gate but the mechanisms may reach randomness.
#[test]
fn only_mechanisms_of_the_gate_draw_noise() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/gate/src");
    let (mut folders, mut users) = (vec![sources.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if ["opendp", "getrandom", "rand::"]
                .iter()
                .any(|name| std::fs::read_to_string(&path).unwrap().contains(name))
            {
                users.push(path.strip_prefix(&sources).unwrap().to_owned());
            }
        }
    }
    assert!(!users.is_empty(), "the walk misses the sources");
    let elsewhere: Vec<_> = users.iter().filter(|path| !path.starts_with("dp")).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}
