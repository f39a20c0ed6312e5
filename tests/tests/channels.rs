//! docs/channels.md says of every field that somebody can read who reads it and what it can depend on. The fields are
//! taken from the interface's description, from the sources of events, metrics and log, and from a zone that has run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use glovebox_client::Paging;
use glovebox_server::ROUTES;
use serde_json::Value;

use crate::rest::zone::repository;
use crate::world::{World, people};

const READERS: &[&str] =
    &["all", "developer", "host", "operator", "recipients", "regulator", "reviewer", "security officer", "supplier"];
const KINDS: &[&str] = &["nothing", "random", "size", "count", "gate", "priced", "reviewed", "open"];

/// What depends on a run, exactly: nothing, and so it stays.
const OPEN: &[&str] = &[];

/// Headers that none of the answers has which a quiet zone gives in this test.
const RARE_HEADERS: &[&str] = &["connection", "idempotency-replayed", "retry-after"];

/// A field of a line of the page.
struct Line {
    owner: String,
    field: String,
    readers: BTreeSet<String>,
    kind: String,
}

impl Line {
    fn name(&self) -> String {
        format!("{}.{}", self.owner, self.field)
    }
}

/// Every field of every table whose first cell is `` `owner`: `field`, … ``.
fn lines() -> Vec<Line> {
    let page = std::fs::read_to_string(repository("docs/channels.md")).unwrap();
    let mut found = Vec::new();
    for line in page.lines() {
        let Some(cells) = line.strip_prefix("| `").and_then(|line| line.strip_suffix(" |")) else { continue };
        let Some((owner, rest)) = cells.split_once("`: ") else { continue };
        let cells: Vec<&str> = rest.split(" | ").collect();
        let [fields, readers, kind, why] = cells[..] else { panic!("a line of five cells or three: {line}") };
        assert!(!why.trim().is_empty(), "a reason is missing: {line}");
        let readers: BTreeSet<String> = readers.split(", ").map(str::to_owned).collect();
        for field in fields.split(", ") {
            let field = field.strip_prefix('`').and_then(|field| field.strip_suffix('`')).expect(line);
            found.push(Line {
                owner: owner.to_owned(),
                field: field.to_owned(),
                readers: readers.clone(),
                kind: kind.trim_matches('`').to_owned(),
            });
        }
    }
    assert!(found.len() > 300, "the page has another form: {} fields", found.len());
    found
}

/// Fields that the page has for an owner.
fn told(owner: &str) -> BTreeSet<String> {
    lines().into_iter().filter(|line| line.owner == owner).map(|line| line.field).collect()
}

/// The page and the code name the same fields.
fn assert_same(owner: &str, found: &BTreeSet<String>) {
    let told = told(owner);
    let new: Vec<_> = found.difference(&told).collect();
    let gone: Vec<_> = told.difference(found).collect();
    assert!(new.is_empty(), "docs/channels.md has no line for {new:?} of `{owner}`: say what they can depend on");
    assert!(gone.is_empty(), "docs/channels.md has lines for {gone:?} of `{owner}`, which are gone");
}

#[test]
fn every_line_says_who_reads_a_field_and_what_it_depends_on() {
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in lines() {
        let name = line.name();
        assert!(KINDS.contains(&line.kind.as_str()), "{name} depends on `{}`", line.kind);
        for reader in &line.readers {
            assert!(READERS.contains(&reader.as_str()), "{name} is read by `{reader}`");
        }
        // A field may have one line for each kind of reader, not two for the same.
        let others = seen.entry(name.clone()).or_default();
        assert!(others.is_disjoint(&line.readers), "{name} has two lines for one reader");
        others.extend(line.readers);
    }
}

#[test]
fn what_is_open_only_shrinks() {
    let open: BTreeSet<_> = lines().iter().filter(|line| line.kind == "open").map(Line::name).collect();
    assert_eq!(open, OPEN.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn every_field_of_the_interface_has_a_line() {
    let text = std::fs::read_to_string(repository("tests/golden/openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut walk = Walk { schemas: &document["components"]["schemas"], fields: BTreeMap::new() };
    for operation in document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values())
    {
        for answer in operation["responses"].as_object().unwrap().values() {
            let contents = answer["content"].as_object().into_iter().flat_map(|contents| contents.values());
            contents.for_each(|content| walk.schema(&content["schema"], "an answer", ""));
        }
    }
    let anonymous = walk.fields.remove("an answer");
    assert!(anonymous.is_none(), "an answer has fields and no name: {anonymous:?}");
    assert!(walk.fields.contains_key("Statement") && walk.fields.contains_key("JobEvent"), "the walk misses answers");
    walk.fields.iter().for_each(|(owner, fields)| assert_same(owner, fields));
    let own = ["detail", "export", "header", "log", "meter of a statement", "metric"];
    let known = |owner: &String| walk.fields.contains_key(owner) || own.contains(&owner.as_str());
    let gone: BTreeSet<_> = lines().into_iter().map(|line| line.owner).filter(|owner| !known(owner)).collect();
    assert!(gone.is_empty(), "docs/channels.md has lines for {gone:?}, which no answer holds");
}

/// The fields of every schema that answers are made of.
struct Walk<'a> {
    schemas: &'a Value,
    fields: BTreeMap<String, BTreeSet<String>>,
}

impl Walk<'_> {
    /// Notes the fields of `schema`, which belong to `owner`, and goes on to the schemas that it names.
    fn schema(&mut self, schema: &Value, owner: &str, prefix: &str) {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.named(reference.rsplit('/').next().unwrap());
        }
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            let field = format!("{prefix}{name}");
            self.fields.entry(owner.to_owned()).or_default().insert(field.clone());
            self.schema(inner, owner, &format!("{field}."));
        }
        for key in ["items", "additionalProperties"] {
            if schema[key].is_object() {
                self.schema(&schema[key], owner, prefix);
            }
        }
        for key in ["allOf", "oneOf", "anyOf"] {
            schema[key].as_array().into_iter().flatten().for_each(|part| self.schema(part, owner, prefix));
        }
    }

    fn named(&mut self, name: &str) {
        if self.fields.contains_key(name) {
            return;
        }
        let schema = &self.schemas[name];
        assert!(schema.is_object(), "{name} is not described");
        self.fields.insert(name.to_owned(), BTreeSet::new());
        // A page's items are written out in its schema, though they have one of their own.
        if let Some(item) = name.strip_prefix("Page_") {
            let own = schema["properties"].as_object().unwrap().keys().cloned();
            self.fields.insert(name.to_owned(), own.collect());
            return self.named(item);
        }
        self.schema(schema, name, "");
    }
}

/// The texts of all Rust files below a folder, without their tests.
fn sources(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if path.is_dir() && name != "tests" {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") && name != "tests.rs" && name != "samples.rs" {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push(text.split("#[cfg(test)]").next().unwrap().to_owned());
        }
    }
    found
}

/// What stands in quotes right behind `start`, wherever that is in `text`.
fn quoted_behind(text: &str, start: &str) -> BTreeSet<String> {
    let behind = text.match_indices(start).map(|(at, _)| text[at + start.len()..].trim_start());
    let quoted = behind.filter_map(|rest| rest.strip_prefix('"')?.split_once('"'));
    quoted.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_detail_of_an_event_has_a_line() {
    let mut found = BTreeSet::new();
    for part in ["engine", "store", "audit"] {
        for text in sources(&repository("runtime").join(part).join("src")) {
            found.extend(quoted_behind(&text, ".with("));
            found.extend(quoted_behind(&text, "_DETAIL: &str ="));
        }
    }
    assert_same("detail", &found);
}

#[test]
fn every_metric_has_a_line() {
    let text = std::fs::read_to_string(repository("runtime/server/src/metrics.rs")).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    let mut found = quoted_behind(text, "register(");
    found.extend(quoted_behind(text, "encode_descriptor("));
    // The unit becomes a part of the name.
    found.extend(quoted_behind(text, "register_with_unit(").into_iter().map(|name| format!("{name}_seconds")));
    // Lists of names with their help.
    let listed = text.match_indices("(\"").filter(|(at, _)| text[..*at].ends_with([' ', '[']));
    let names = listed.filter_map(|(at, _)| text[at + 2..].split_once("\", \"").map(|(name, _)| name));
    found.extend(names.filter(|name| !name.contains(char::is_whitespace)).map(str::to_owned));
    assert_same("metric", &found);
}

#[test]
fn every_field_of_the_log_has_a_line() {
    let mut found = BTreeSet::new();
    for text in sources(&repository("runtime")) {
        for level in ["error", "warn", "info", "debug", "trace"] {
            let start = format!("tracing::{level}!(");
            text.match_indices(&start).for_each(|(at, _)| found.extend(logged(&text[at + start.len()..])));
        }
    }
    assert_same("log", &found);
}

/// The fields of one line of the log: `name = value`, `%name`, and what stands in braces in its message.
fn logged(arguments: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = arguments.trim_start();
    while !rest.starts_with('"') {
        let (field, behind) = rest.split_once(',').unwrap();
        let name = field.split('=').next().unwrap().trim().trim_start_matches(['%', '?', '&']);
        found.push(name.rsplit('.').next().unwrap().to_owned());
        rest = behind.trim_start();
    }
    let message = rest[1..].split('"').next().unwrap();
    let inside = message.split('{').skip(1).filter_map(|part| part.split(['}', ':']).next());
    found.extend(inside.map(str::to_owned));
    found
}

/// What a zone says that has run jobs, asked for everything by everybody.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_zone_says_has_lines() {
    let world = World::start().await;
    let mut headers = BTreeSet::new();
    for person in people() {
        let client = world.raw(person);
        for route in ROUTES.iter().filter(|route| route.method == "GET") {
            let answer = world.send(&client, route).await.unwrap();
            headers.extend(answer.headers().keys().map(|name| name.as_str().to_owned()));
        }
    }
    headers.extend(RARE_HEADERS.iter().map(|name| (*name).to_owned()));
    assert_same("header", &headers);

    let (developer, regulator) = (world.zone.client("developer"), world.zone.client("regulator"));
    let receipt = developer.job_receipt(&world.job.id).await.unwrap();
    assert_same("meter of a statement", &receipt.statement.meters.keys().cloned().collect());

    let paging = Paging { cursor: None, limit: Some(500) };
    let events = regulator.audit_events(&paging, &Default::default()).await.unwrap().items;
    // Commitments name the record that they are to.
    let details = events.iter().flat_map(|event| event.detail.keys());
    let details = details.map(|name| name.split_once(':').map_or(name.clone(), |(start, _)| format!("{start}:")));
    let new: Vec<_> = details.filter(|name| !told("detail").contains(name)).collect();
    assert!(events.len() > 10 && new.is_empty(), "docs/channels.md has no line for the details {new:?}");

    let metrics = world.zone.metrics().await;
    let names = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE glovebox_")?.split_once(' '));
    let names: BTreeSet<_> = names.map(|(name, _)| name.to_owned()).collect();
    let told = told("metric");
    assert!(names.len() > 15 && names.is_subset(&told), "docs/channels.md has no line for {:?}", &names - &told);

    assert_same("export", &columns(&world).await);
}

/// Columns of the release as CSV, without those of the keys.
async fn columns(world: &World) -> BTreeSet<String> {
    let developer = people().into_iter().find(|person| person.id == "developer").unwrap();
    let client = world.raw(developer);
    let url = world.zone.url(&format!("/v1/releases/{}", world.release));
    let document: Value = client.get(&url).send().await.unwrap().json().await.unwrap();
    let keys = |table: &Value| -> Vec<String> {
        let dimensions = table["dimensions"].as_array().unwrap();
        dimensions.iter().map(|dimension| dimension["name"].as_str().unwrap().to_owned()).collect()
    };
    let keys: BTreeSet<String> = document["tables"].as_array().unwrap().iter().flat_map(keys).collect();
    let csv = client.get(&url).header("accept", "text/csv").send().await.unwrap().text().await.unwrap();
    let columns: BTreeSet<String> = csv.lines().next().unwrap().split(',').map(str::to_owned).collect();
    &columns - &keys
}
