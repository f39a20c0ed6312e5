//! The register of refusal codes against the sources of every crate, and docs/refusals.md against the register.
// Tells clippy that helpers beside the test functions are test code too.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use glovebox_catalog::{REFUSAL_PARTS, RefusalCode, refusal_codes};

/// Strings that look like codes and are none: names of events and sections.
const NO_CODES: &[&str] = &[
    "budget.reserve",
    "clock.set-back",
    "enclave.configure",
    "enclave.create",
    "enclave.start",
    "enclave.stop",
    "glovebox.job",
    "glovebox.schema",
    "job.claim",
    "job.give-up",
    "job.interrupt",
    "job.kill",
    "job.panic",
    "job.resume",
    "job.settle",
    "key.unlock",
    "policies.load",
    "review.expire",
    "review.open",
    "review.release",
    "review.withdraw",
    "server.configure",
    "tls.keep",
    "tls.load",
];

/// Ends of file names.
const FILES: &[&str] =
    &["counter", "db", "gbx", "json", "jsonl", "key", "parquet", "pem", "py", "rs", "toml", "txt", "wasm"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The sources that can refuse: all but the command line, which tells what others refused, without tests and samples.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["runtime", "sdk"] {
        for krate in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = krate.unwrap().file_name().into_string().unwrap();
            if !["cli", "audit", "guest", "python"].contains(&name.as_str()) {
                walk(&format!("{folder}/{name}/src"), &mut found);
            }
        }
    }
    assert!(found.iter().any(|(path, _)| path == "runtime/gate/src/disclose.rs"), "the walk misses the sources");
    found
}

fn walk(folder: &str, found: &mut Vec<(String, String)>) {
    let Ok(entries) = std::fs::read_dir(root().join(folder)) else { return };
    for entry in entries.map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{folder}/{name}");
        if entry.file_type().unwrap().is_dir() {
            if !["tests", "refusal_code"].contains(&name.as_str()) {
                walk(&path, found);
            }
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            let text = std::fs::read_to_string(root().join(&path)).unwrap();
            found.push((path, text));
        }
    }
}

/// The text before a file's tests.
fn untested(text: &str) -> &str {
    let end = ["#[cfg(test)]\nmod ", "#[cfg(test)]\npub(crate) mod "].iter().filter_map(|start| text.find(start)).min();
    &text[..end.unwrap_or(text.len())]
}

/// String literals that look like a code. Lines of comments are not read.
fn coded(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| line.split('"').skip(1).step_by(2)).filter(|text| is_code(text)).map(str::to_owned).collect()
}

fn is_code(text: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    text.split_once('.').is_some_and(|(part, what)| is_name(part) && is_name(what) && !FILES.contains(&what))
}

/// Names of the actions that the policies are asked for.
fn actions() -> BTreeSet<String> {
    coded(&std::fs::read_to_string(root().join("runtime/policy/src/action.rs")).unwrap())
}

/// Codes in the sources, each with a place.
fn given() -> BTreeMap<String, String> {
    let actions = actions();
    let mut given = BTreeMap::new();
    for (path, text) in sources() {
        let is_sample =
            ["policy/src/cases.rs", "policy/src/attacks.rs", "policy/src/fixtures.rs", "server/src/trial.rs"]
                .iter()
                .any(|sample| path.ends_with(sample));
        if is_sample {
            continue;
        }
        for code in coded(untested(&text)) {
            if !actions.contains(&code) && !NO_CODES.contains(&code.as_str()) {
                given.entry(code).or_insert_with(|| path.clone());
            }
        }
    }
    // The codes of meters are made from their names.
    let meters = std::fs::read_to_string(root().join("runtime/meter/src/meter.rs")).unwrap();
    let names = meters.split("fn as_str").nth(1).unwrap().split("fn ").next().unwrap();
    for name in names.lines().filter_map(|line| line.split_once("=> \"")?.1.split('"').next()) {
        given.insert(format!("meter.{name}-exhausted"), "runtime/meter/src/meter.rs".to_owned());
    }
    given
}

#[test]
fn every_code_that_is_given_is_registered_and_the_reverse() {
    let given = given();
    let registered: BTreeSet<_> = refusal_codes().map(|entry| entry.code.to_owned()).collect();
    let missing: Vec<_> = given.iter().filter(|(code, _)| !registered.contains(*code)).collect();
    assert!(missing.is_empty(), "not in runtime/catalog/src/refusal_code: {missing:#?}");
    let unused: Vec<_> = registered.iter().filter(|code| !given.contains_key(*code)).collect();
    assert!(unused.is_empty(), "registered, but nothing gives them: {unused:#?}");
}

#[test]
fn codes_are_told_from_other_strings() {
    let text =
        "// \"gate.commented\"\nx(\"gate.one\", \"receipt.json\", \"Gate.x\", \"a.b.c\", \"gate.\", \"run.two-2\")";
    assert_eq!(coded(text).into_iter().collect::<Vec<_>>(), ["gate.one", "run.two-2"]);
    assert_eq!(untested("a\n#[cfg(test)]\nmod tests {}"), "a\n");
}

/// The page that docs/refusals.md holds.
fn page() -> String {
    let mut page = String::from(
        "# Refusals: every code, its rule, why there is one, and what helps\n\n\
         A refusal has a stable code, the rule that was met with its numbers, the place, and a remedy; never a value of a \
         row. This page\nis written from the register in `runtime/catalog/src/refusal_code/`; a test compares them, and \
         another one that every code\nin the sources stands there (`GLOVEBOX_BLESS=1 cargo test -p glovebox-catalog` \
         writes it anew). `glovebox refusal <code>` shows\nan entry in a terminal, `glovebox job lint` tells before \
         submission which rules of the gate a job will meet.\n",
    );
    for part in REFUSAL_PARTS {
        page.push_str(&format!("\n## {}\n\n{}\n", part.title, part.when));
        for RefusalCode { code, rule, why, remedy } in part.codes {
            page.push_str(&format!("\n### `{code}`\n\n- **rule**: {rule}\n- **why**: {why}\n- **remedy**: {remedy}\n"));
        }
    }
    page
}

/// `GLOVEBOX_BLESS=1 cargo test -p glovebox-catalog` rewrites the page.
#[test]
fn the_page_is_the_register() {
    let path = root().join("docs/refusals.md");
    if std::env::var_os("GLOVEBOX_BLESS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page(), "run the test with GLOVEBOX_BLESS=1 and look at the change of docs/refusals.md");
}
