//! Habits of the repository that no linter of ours knows: sizes, names, words, documents that keep up with the code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Lines of a file, and of a function.
const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
/// Files that people write, by the ending of their name.
const CODE: &[&str] = &["rs", "py", "sh", "wit", "wat", "cedar", "sql", "js", "css", "html"];
const TEXT: &[&str] = &["md", "toml", "cedarschema", "yml", "yaml", "txt"];
/// Guests stand outside the workspace: they hand out their memory to the host, and are not trusted.
const GUESTS: &[&str] = &["sdk/guest/", "examples/jobs/"];
/// So do fuzz targets: they are built with counters and a sanitizer, and panic on purpose.
const FUZZ_TARGETS: &str = "/fuzz/";
/// The files that may hold `unsafe`: SIMD kernels, for loads and stores, and for the call once the CPU was asked.
const UNSAFE_ALLOWED: &[&str] = &[
    "runtime/gm/src/sm3/avx2.rs",
    "runtime/gm/src/sm3/avx512.rs",
    "runtime/gm/src/sm3/kernel.rs",
    "runtime/gm/src/sm4/simd/aes.rs",
    "runtime/gm/src/sm4/simd/avx2.rs",
    "runtime/gm/src/sm4/simd/avx512.rs",
    "runtime/gm/src/sm4/simd/vector.rs",
];

/// What may stand before `fn`.
const QUALIFIERS: &[&str] = &["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern", "\"C\""];

/// Crates that decide whether something leaves and what it costs: built to stop at an overflow, in releases too.
const OVERFLOW_CHECKED: &[&str] = &["audit", "catalog", "engine", "gate", "meter", "policy", "store"];

struct Source {
    /// Path from the root, with `/` between.
    path: String,
    text: String,
}

impl Source {
    fn ending(&self) -> &str {
        self.path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, ending)| ending)
    }

    fn is_code(&self) -> bool {
        CODE.contains(&self.ending()) || [".ci/run", "Makefile"].contains(&self.path.as_str())
    }

    fn is_outside(&self) -> bool {
        GUESTS.iter().any(|folder| self.path.starts_with(folder)) || self.path.contains(FUZZ_TARGETS)
    }

    /// This file is about forbidden words, so it holds them.
    fn is_this_file(&self) -> bool {
        self.path == "tests/tests/tidy.rs"
    }

    fn lines(&self) -> impl Iterator<Item = (String, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (format!("{}:{}", self.path, index + 1), line))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file that people write. Hidden folders but `.ci`, and what builds leave behind, are not read.
fn sources() -> Vec<Source> {
    fn walk(folder: &Path, prefix: &str, found: &mut Vec<Source>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let path = format!("{prefix}{name}");
            let hidden = name.starts_with('.') && ![".ci", ".gitignore"].contains(&name.as_str());
            if hidden || ["target", "node_modules", "__pycache__"].contains(&name.as_str()) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{path}/"), found);
                continue;
            }
            let source = Source { path, text: String::new() };
            if source.is_code() || TEXT.contains(&source.ending()) {
                found.push(Source { text: std::fs::read_to_string(entry.path()).unwrap(), ..source });
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), "", &mut found);
    assert!(found.iter().any(|source| source.path == "runtime/catalog/src/lib.rs"), "the walk misses the sources");
    found
}

fn rust() -> Vec<Source> {
    sources().into_iter().filter(|source| source.ending() == "rs").collect()
}

fn assert_none(what: &str, faults: Vec<String>) {
    assert!(faults.is_empty(), "{what}:\n  {}", faults.join("\n  "));
}

/// Places of `words` in `sources`; a word must not go on to either side.
fn places(sources: &[Source], words: &[&str]) -> Vec<String> {
    let outside = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let holds = |line: &str, word: &str| {
        line.match_indices(word).any(|(at, _)| {
            outside(line[..at].chars().next_back())
                && (!word.ends_with(char::is_alphanumeric) || outside(line[at + word.len()..].chars().next()))
        })
    };
    let lines = sources.iter().filter(|source| !source.is_this_file()).flat_map(Source::lines);
    let found = lines.filter(|(_, line)| words.iter().any(|word| holds(line, word)));
    found.map(|(place, line)| format!("{place}: {}", line.trim())).collect()
}

/// Functions of `text` with their first line and length. Relies on rustfmt: a body ends with a brace at the
/// indentation of its `fn`.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let is_function = code.split_once("fn ").is_some_and(|(before, after)| {
            before.split_whitespace().all(|word| QUALIFIERS.contains(&word))
                && after.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        });
        if !is_function || line.ends_with('}') || line.ends_with(';') {
            continue;
        }
        let indent = &line[..line.len() - code.len()];
        let ends = |line: &&&str| {
            line.strip_prefix(indent).is_some_and(|rest| rest == "}" || rest.ends_with(';') && rest.starts_with(')'))
        };
        if let Some(length) = lines[start..].iter().position(|line| ends(&line)) {
            found.push((start + 1, length + 1));
        }
    }
    found
}

#[test]
fn files_and_functions_keep_their_size() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.is_code()) {
        let length = source.text.lines().count();
        if length > FILE_LINES_MAX {
            faults.push(format!("{}: {length} lines, at most {FILE_LINES_MAX}", source.path));
        }
        if source.ending() == "rs" {
            let long = functions(&source.text).into_iter().filter(|(_, length)| *length > FUNCTION_LINES_MAX);
            faults.extend(long.map(|(line, length)| format!("{}:{line}: a function of {length} lines", source.path)));
        }
    }
    assert_none("too long", faults);
}

#[test]
fn function_lengths_are_measured() {
    let text = "fn one() {}\nimpl X {\n    pub(crate) async fn two<T>(\n        a: T,\n    ) -> U\n    where\n        T: V,\n    {\n        if a {\n        }\n    }\n\n    fn declared(&self);\n}\n";
    assert_eq!(functions(text), [(3, 9)]);
}

#[test]
fn every_rust_file_says_what_it_is_for() {
    let silent =
        |source: &Source| !source.text.lines().next().is_some_and(|line| line.len() > 10 && line.starts_with("//! "));
    assert_none("no opening `//!` line", rust().into_iter().filter(silent).map(|source| source.path).collect());
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["TODO", "FIXME", "XXX", "HACK", "todo!", "unimplemented!", "dbg!"];
    assert_none("unfinished", places(&sources(), &words));
    assert_none("tests that nobody runs", places(&rust(), &["#[ignore"]));
}

#[test]
fn words_are_found_whole() {
    let source = |text: &str| [Source { path: "x.rs".into(), text: text.into() }];
    assert_eq!(places(&source("a\n// TODO: b"), &["TODO"]), ["x.rs:2: // TODO: b"]);
    assert_eq!(places(&source("TODOS, unsafe_code"), &["TODO", "unsafe"]), Vec::<String>::new());
    assert_eq!(places(&source("    dbg!(x)"), &["dbg!"]), ["x.rs:1: dbg!(x)"]);
}

#[test]
fn unsafe_stays_in_its_files() {
    let sources = rust();
    let (allowed, elsewhere): (Vec<_>, Vec<_>) = sources
        .into_iter()
        .filter(|source| !source.is_outside())
        .partition(|source| UNSAFE_ALLOWED.contains(&source.path.as_str()));
    let words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe trait", "unsafe(", "unsafe_code"];
    assert_none("`unsafe` outside its files", places(&elsewhere, &words));
    assert_eq!(allowed.len(), UNSAFE_ALLOWED.len(), "a file that may hold `unsafe` is gone: take it off the list");
    assert_none("`unsafe` without its reason", allowed.iter().flat_map(unexplained).collect());
    let idle = allowed.iter().filter(|source| !source.text.contains("unsafe {"));
    assert_none("files that may hold `unsafe` and do not", idle.map(|source| source.path.clone()).collect());
}

/// Lines with `unsafe` that no comment `// SAFETY:` stands before.
fn unexplained(source: &Source) -> Vec<String> {
    let mut is_explained = false;
    let mut found = Vec::new();
    for (place, line) in source.lines() {
        let code = line.trim();
        if code.starts_with("// SAFETY: ") {
            is_explained = true;
        } else if !code.starts_with("//") {
            if code.contains("unsafe ") && !is_explained {
                found.push(format!("{place}: {code}"));
            }
            is_explained = false;
        }
    }
    found
}

#[test]
fn unexplained_unsafe_is_found() {
    let text = "// SAFETY: so.\n// And so.\nunsafe { a() }\nunsafe { b() }\n// why\nlet c = unsafe { c() };\n";
    let found = unexplained(&Source { path: "x.rs".into(), text: text.into() });
    assert_eq!(found, ["x.rs:4: unsafe { b() }", "x.rs:6: let c = unsafe { c() };"]);
}

/// The crate with the kernels can't inherit the workspace's lints, which forbid `unsafe`; it has them all the same.
#[test]
fn the_kernels_crate_has_the_lints_of_the_workspace() {
    let lints = |path: &str, heading: &str| {
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        let table = text.split_once(&format!("[{heading}]\n")).unwrap_or_else(|| panic!("{path}: no {heading}")).1;
        let rules = table.lines().take_while(|line| !line.starts_with('['));
        let rules = rules.take_while(|line| !line.is_empty() && !line.starts_with('#'));
        rules.map(|rule| rule.replace("unsafe_code = \"forbid\"", "unsafe_code = \"deny\"")).collect::<Vec<_>>()
    };
    for table in ["rust", "clippy"] {
        let expected = lints("Cargo.toml", &format!("workspace.lints.{table}"));
        assert!(expected.len() > 3, "{expected:?}");
        assert_eq!(lints("runtime/gm/Cargo.toml", &format!("lints.{table}")), expected);
    }
    let own = lints("runtime/gm/Cargo.toml", "lints.rust");
    assert!(own.contains(&"unsafe_code = \"deny\"".to_owned()), "{own:?}");
}

#[test]
fn names_are_nouns_of_the_domain() {
    let empty = ["common", "util", "utils", "helper", "helpers", "misc", "shared"];
    let is_empty =
        |source: &Source| source.path.split('/').any(|step| empty.contains(&step.strip_suffix(".rs").unwrap_or(step)));
    assert_none("names that say nothing", rust().into_iter().filter(is_empty).map(|source| source.path).collect());
    assert_none("`get_` says nothing", rust().iter().flat_map(getters).collect());
}

/// Functions called `get_…`, but for those whose name another crate's trait dictates.
fn getters(source: &Source) -> Vec<String> {
    let mut in_trait_impl = false;
    let mut found = Vec::new();
    for (place, line) in source.lines().filter(|_| !source.is_this_file()) {
        if line.starts_with("impl") {
            in_trait_impl = line.contains(" for ");
        } else if line.starts_with('}') {
            in_trait_impl = false;
        }
        if line.contains("fn get_") && !in_trait_impl {
            found.push(format!("{place}: {}", line.trim()));
        }
    }
    found
}

#[test]
fn getters_are_told_from_traits() {
    let text = "impl Read for A {\n    fn get_read() {}\n}\nimpl A {\n    pub fn get_b() {}\n}\n";
    assert_eq!(getters(&Source { path: "x.rs".into(), text: text.into() }), ["x.rs:5: pub fn get_b() {}"]);
}

#[test]
fn lines_are_clean() {
    let mut faults = Vec::new();
    for source in sources() {
        let unclean = source.lines().filter(|(_, line)| line.ends_with(char::is_whitespace));
        faults.extend(unclean.map(|(place, _)| format!("{place}: white space at the end")));
        if !source.text.is_empty() && (!source.text.ends_with('\n') || source.text.ends_with("\n\n")) {
            faults.push(format!("{}: ends with other than one line feed", source.path));
        }
    }
    assert_none("unclean lines", faults);
}

#[test]
fn no_path_of_a_builders_machine() {
    let paths = ["/root/", "/home/", "/work/", "/tmp/", "/Users/"];
    assert_none("paths that exist on one machine only", places(&sources(), &paths));
}

#[test]
fn links_in_documents_resolve() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.ending() == "md") {
        let folder = root().join(&source.path);
        for (place, line) in source.lines() {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            let files =
                targets.map(|target| target.split('#').next().unwrap_or("")).filter(|target| !target.is_empty());
            let broken =
                files.filter(|f| !f.contains("://") && !f.starts_with("mailto:") && !folder.with_file_name(f).exists());
            faults.extend(broken.map(|target| format!("{place}: {target}")));
        }
    }
    assert_none("links to nowhere", faults);
}

#[test]
fn scripts_stop_at_the_first_fault() {
    let script = |source: &Source| source.ending() == "sh" || source.path == ".ci/run";
    let careless = |source: &Source| !source.text.starts_with("#!") || !source.text.contains("\nset -eu");
    let faults = sources().into_iter().filter(|s| script(s) && careless(s)).map(|source| source.path).collect();
    assert_none("scripts without `#!` or `set -eu`", faults);
}

#[test]
fn every_crate_describes_itself_and_is_linted() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|s| s.path.ends_with("/Cargo.toml") && !s.is_outside()) {
        let line = |start: &str| source.text.lines().find(|line| line.starts_with(start));
        if line("description = ").is_none_or(|line| line.len() <= 35) {
            faults.push(format!("{}: no description", source.path));
        }
        // The crate with the kernels has a table of its own: see the test that compares it.
        let inherits = source.text.contains("[lints]\nworkspace = true") || source.path == "runtime/gm/Cargo.toml";
        if !inherits {
            faults.push(format!("{}: the workspace's lints are not on", source.path));
        }
    }
    assert_none("manifests", faults);
}

/// Names in the section `[workspace.dependencies]` of the root manifest that are not ours.
fn declared() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = text.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let names = section.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    names.map(|(name, _)| name.to_owned()).filter(|name| !name.starts_with("glovebox-")).collect()
}

#[test]
fn dependencies_are_used_and_explained() {
    let document = std::fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    let lines = document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let explained: BTreeSet<String> = lines.map(str::to_owned).collect();
    let manifests: Vec<_> =
        sources().into_iter().filter(|s| s.path.ends_with("/Cargo.toml") && !s.is_outside()).collect();
    let lines = |name: &str| [format!("\n{name}.workspace = true"), format!("\n{name} = {{ workspace = true")];
    let uses = |name: &String| manifests.iter().any(|m| lines(name).iter().any(|line| m.text.contains(line)));
    let declared = declared();
    assert_none("declared, but no crate uses it", declared.iter().filter(|name| !uses(name)).cloned().collect());
    assert_none("no line in docs/dependencies.md", declared.difference(&explained).cloned().collect());
    assert_none("explained, but not a dependency", explained.difference(&declared).cloned().collect());
}

/// Dependencies of the manifest in `folder` that no source file of that crate names.
fn unnamed(manifest: &Source, sources: &[Source]) -> Vec<String> {
    let folder = manifest.path.trim_end_matches("Cargo.toml");
    let own: Vec<_> = sources.iter().filter(|s| s.ending() == "rs" && s.path.starts_with(folder)).collect();
    let names = manifest.text.lines().filter_map(|line| line.strip_suffix(".workspace = true"));
    let names = names.filter(|name| !["version", "edition", "rust-version", "license", "publish"].contains(name));
    let is_named = |name: &str| own.iter().any(|source| source.text.contains(&name.replace('-', "_")));
    names.filter(|name| !is_named(name)).map(|name| format!("{}: {name}", manifest.path)).collect()
}

#[test]
fn crates_depend_on_what_they_use() {
    let sources = sources();
    let manifests = sources.iter().filter(|s| s.path.ends_with("/Cargo.toml") && !s.is_outside());
    assert_none("dependencies that a crate does not use", manifests.flat_map(|m| unnamed(m, &sources)).collect());
}

/// A version of its own in a crate's manifest would escape the table above.
#[test]
fn versions_stand_in_the_root_manifest_only() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|s| s.path.ends_with("/Cargo.toml") && !s.is_outside()) {
        let mut in_dependencies = false;
        for (place, line) in source.lines() {
            if line.starts_with('[') {
                in_dependencies = line.ends_with("dependencies]");
            } else if in_dependencies && line.contains('=') && !line.contains("workspace = true") {
                faults.push(format!("{place}: {line}"));
            }
        }
    }
    assert_none("dependencies outside the workspace's table", faults);
}

/// A sum that wraps would let a cell pass, or give a budget back. Benches inherit the profile of releases, and nothing turns
/// the checks off again.
#[test]
fn what_decides_and_counts_stops_at_an_overflow() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&text).unwrap();
    let profiles = manifest["profile"].as_table().unwrap();
    for krate in OVERFLOW_CHECKED {
        let package = profiles["release"].get("package").and_then(|packages| packages.get(format!("glovebox-{krate}")));
        let checks = package.and_then(|package| package.get("overflow-checks")).and_then(toml::Value::as_bool);
        assert_eq!(checks, Some(true), "profile.release.package.glovebox-{krate}");
    }
    assert_eq!(profiles["bench"]["inherits"].as_str(), Some("release"));
    assert!(!text.contains("overflow-checks = false"));
    let meter = std::fs::read_to_string(root().join("runtime/meter/src/lib.rs")).unwrap();
    assert!(meter.contains("deny(clippy::arithmetic_side_effects)"));
}
