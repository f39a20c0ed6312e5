//! No sequence of calls returns a value of a row. A table is full of values that occur nowhere else; every route is
//! asked as everyone, jobs try to carry values out, ingestions go wrong; then answers, logs, metrics, audit log and
//! everything on disk are searched for them.

use std::collections::HashSet;
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures::{TryStreamExt as _, stream};
use glovebox_api::{SourceFormat, SubmitJob};
use glovebox_catalog::{Dataset, FieldType, ModuleId};
use glovebox_server::{ROUTES, Route};
use reqwest::Response;

use crate::enclave;
use crate::world::{World, people};

const PERSONS: u32 = 60;
/// In every value of its field, and nowhere else.
const KEY: &str = "canary-key";
const NOTE: &str = "canary-note";
const BAD: &str = "canary-bad";
const DIGITS: &str = "93847561";

/// What must not be found: texts, and numbers as they lie in memory; the first eight bytes of each.
fn needles() -> &'static HashSet<[u8; 8]> {
    static NEEDLES: OnceLock<HashSet<[u8; 8]>> = OnceLock::new();
    NEEDLES.get_or_init(|| {
        let texts = [KEY, NOTE, BAD, DIGITS].map(|text| text.as_bytes()[..8].try_into().unwrap());
        let numbers = (0..PERSONS).flat_map(|person| {
            let bmi: f64 = bmi(person).parse().unwrap();
            [bmi.to_le_bytes(), bmi.to_be_bytes(), visit(person).to_le_bytes(), visit(person).to_be_bytes()]
        });
        texts.into_iter().chain(numbers).collect()
    })
}

fn bmi(person: u32) -> String {
    format!("{}.{}{DIGITS}", 20 + person % 20, 10 + person % 60)
}

fn visit(person: u32) -> i64 {
    9_384_756_100_000 + i64::from(person)
}

/// Fifteen persons in each of four cells of the example job, and rows that are set aside.
fn table() -> String {
    let mut table = "person_id,sex,age_years,bmi,note,visit\n".to_owned();
    for person in 0..PERSONS {
        let (sex, age) = (["male", "female"][person as usize % 2], [25, 35][person as usize / 2 % 2]);
        table += &format!("{KEY}-{person},{sex},{age},{},{NOTE} {person},{}\n", bmi(person), visit(person));
    }
    table += &format!(
        "{KEY}-x,male,25,{BAD},{NOTE},1\n{KEY}-y,{BAD},25,2{DIGITS},{NOTE}\n{KEY}-z,male,{BAD},1,{NOTE},1,1,1\n"
    );
    table
}

fn dataset() -> Dataset {
    let mut dataset = enclave::dataset();
    let fields = &mut dataset.schema.fields;
    let bmi = fields.iter().position(|field| field.name == "bmi").unwrap();
    fields[0].field_type = FieldType::Text;
    fields[bmi].field_type = FieldType::Float64 { min: None, max: None };
    for (name, field_type) in [("note", FieldType::Text), ("visit", FieldType::Int64 { min: None, max: None })] {
        let like = fields[bmi].clone();
        fields.push(glovebox_catalog::Field { name: name.into(), field_type, ..like });
    }
    dataset
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn assert_clean(place: &str, bytes: &[u8]) {
    if let Some(at) = bytes.windows(8).position(|window| needles().contains(window)) {
        let around = &bytes[at.saturating_sub(300)..bytes.len().min(at + 100)];
        panic!("{place} holds a value, at {at}: {}", String::from_utf8_lossy(around));
    }
}

/// Everything logged in this process since the first call.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn captured() -> &'static Captured {
    static LOG: OnceLock<Captured> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Captured::default();
        let writer = log.clone();
        // The compiler of guests says much, and sees no rows.
        let filter = "debug,glovebox_server=trace,glovebox_engine=trace,glovebox_vault=trace,glovebox_store=trace,\
                      glovebox_sandbox=trace,cranelift_codegen=info,wasmtime=info,wasmtime_internal_cranelift=info,regalloc2=info";
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone());
        subscriber.try_init().unwrap();
        log
    })
}

/// The bytes of an answer, headers and all; of an endless stream, what comes at once.
async fn bytes_of(mut answer: Response) -> Vec<u8> {
    let mut bytes = format!("{:?}", answer.headers()).into_bytes();
    while let Ok(Ok(Some(chunk))) = tokio::time::timeout(Duration::from_millis(500), answer.chunk()).await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > 1 << 20 {
            break;
        }
    }
    bytes
}

/// Asks every route of a method as everyone. What the zone suspends comes last: nothing is told of it after that.
async fn ask_all(world: &World, method: &str) -> usize {
    let stops = |route: &&Route| route.path.ends_with("/suspend");
    let of_method = || ROUTES.iter().filter(|route| route.method == method);
    let going_on: Vec<_> = of_method().filter(|route| !stops(route)).collect();
    ask_these(world, &going_on).await + ask_these(world, &of_method().filter(stops).collect::<Vec<_>>()).await
}

async fn ask_these(world: &World, routes: &[&Route]) -> usize {
    let mut answers = 0;
    for person in people() {
        let client = world.raw(person);
        for route in routes {
            let answer = world.send(&client, route).await.unwrap();
            assert_ne!(answer.status(), 500, "{} {}", route.method, route.path);
            assert_clean(&format!("{} {} to {}", route.method, route.path, person.id), &bytes_of(answer).await);
            answers += 1;
        }
        for format in ["text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"] {
            let url = world.zone.url(&format!("/v1/releases/{}", world.release));
            let answer = client.get(url).header("accept", format).send().await.unwrap();
            assert_clean(&format!("the release as {format} to {}", person.id), &bytes_of(answer).await);
        }
    }
    answers
}

/// A `row` module that puts every person in a cell of their own and says their value there.
fn carrier() -> Vec<u8> {
    let edges: Vec<f64> = (0..=1_000).map(f64::from).collect();
    let manifest = serde_json::json!({
        "abi": "glovebox:job@0.1.0", "name": "carrier", "version": "1", "description": "carries rows out",
        "isolation": "row", "inputs": [{"name": "bmi", "type": "float64"}],
        "keys": [{"name": "place", "domain": {"bands": edges}}],
        "outputs": [{"name": "sum", "reducer": "sum", "lower": -1e9, "upper": 1e9, "keys": ["place"]},
                    {"name": "all", "reducer": "sum", "lower": -1e9, "upper": 1e9}],
        "contributions_per_person_max": 1,
    });
    let escaped: String = manifest.to_string().bytes().map(|byte| format!("\\{byte:02x}")).collect();
    // The cell is the value's third to fifth decimal; the sum over all is of one person, with zeros of all others.
    wat::parse_str(format!(
        "(module
           (@custom \"glovebox.job\" \"{escaped}\")
           (func (export \"gb_cell_0\") (param f64) (result i32)
             (i32.rem_u (i32.trunc_sat_f64_u (f64.mul (local.get 0) (f64.const 100))) (i32.const 1000)))
           (func (export \"gb_value_0\") (param f64) (result f64) (local.get 0))
           (func (export \"gb_cell_1\") (param f64) (result i32) (i32.const 0))
           (func (export \"gb_value_1\") (param f64) (result f64)
             (select (f64.mul (local.get 0) (f64.const 1e6)) (f64.const 0)
               (f64.lt (local.get 0) (f64.const 20.2)))))"
    ))
    .unwrap()
}

/// Runs modules that try to carry values out, or that trip over them.
async fn attack(world: &World) {
    let developer = world.zone.client("developer");
    let trap = enclave::person_module("trap", "count", "", "(unreachable)");
    for module in [carrier(), trap] {
        let module: ModuleId = developer.submit_module(module).await.unwrap().id;
        let request = SubmitJob { module, ..world.job.request.clone() };
        let job = developer.submit_job(&request).await.unwrap();
        let job = developer.finished_job(&job.id).await.unwrap();
        assert_clean("a job", &serde_json::to_vec(&job).unwrap());
        if let Some(release) = &job.release {
            let release = developer.release(release).await.unwrap();
            assert_clean("its release", &serde_json::to_vec(&release).unwrap());
            // A total over all sixty may be told, rounded to what five of them could add; of one or two, nothing.
            let shown = release.tables.iter().flat_map(|table| &table.cells).find(|cell| cell.value.is_some());
            assert_eq!(shown, None);
            for margin in release.tables.iter().flat_map(|table| &table.margins) {
                assert!(margin.rounded_to.is_none_or(|step| step >= 5e9), "{margin:?}");
            }
        }
        assert_clean("its receipt", &serde_json::to_vec(&developer.job_receipt(&job.id).await.unwrap()).unwrap());
    }
}

/// Sends tables that can't be taken in, and returns the codes.
async fn spoil(world: &World) -> Vec<String> {
    let operator = world.zone.client("operator");
    let without_header = table().lines().skip(1).map(|line| format!("{line}\n")).collect::<String>();
    let all_bad = format!("person_id,sex,age_years,bmi,note,visit\n{KEY},{BAD},{BAD},{BAD},{NOTE},{BAD}\n");
    let spoilt = [
        (SourceFormat::Csv, without_header.into_bytes()),
        (SourceFormat::Csv, all_bad.into_bytes()),
        (SourceFormat::Csv, format!("person_id,{KEY}\n{KEY},{NOTE}\n").into_bytes()),
        (SourceFormat::Parquet, format!("PAR1{}PAR1", table()).into_bytes()),
        (SourceFormat::Csv, [table().as_bytes(), b"\xff\xfe\"", NOTE.as_bytes()].concat()),
    ];
    let mut codes = Vec::new();
    for (format, bytes) in spoilt {
        let rows = stream::iter([Ok::<_, std::io::Error>(Bytes::from(bytes))]);
        match operator.ingest(&world.dataset.id, format, rows, None, |_| {}).await {
            Ok(report) => assert_clean("a report", &serde_json::to_vec(&report).unwrap()),
            Err(error) => {
                assert_clean("an error", format!("{error} {error:?}").as_bytes());
                codes.push(error.code().unwrap_or("none").to_owned());
            }
        }
    }
    codes
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_a_row_is_found_anywhere() {
    let log = captured();
    // The search finds what it is to find.
    let table = table();
    assert!(std::panic::catch_unwind(|| assert_clean("a row", table.as_bytes())).is_err());
    assert!(needles().contains(&bmi(7).parse::<f64>().unwrap().to_le_bytes()));
    let mut world = World::start_with(dataset(), table).await;
    let report = world.zone.client("operator").ingestion_report(&world.dataset.id, 1).await.unwrap();
    assert_eq!((report.snapshot.rows, report.snapshot.quarantined_rows), (u64::from(PERSONS), 3));

    let answers = ask_all(&world, "GET").await;
    assert!(answers > 200, "{answers}");
    attack(&world).await;
    let codes = spoil(&world).await;
    assert!(codes.len() >= 4 && codes.iter().all(|code| code.starts_with("ingest.")), "{codes:?}");
    ask_all(&world, "POST").await;
    ask_all(&world, "GET").await;

    assert_clean("the metrics", world.zone.metrics().await.as_bytes());
    let export: Vec<_> = world.zone.client("regulator").export_audit().await.unwrap().try_collect().await.unwrap();
    let export = export.concat();
    assert!(holds(&export, b"dataset.ingest"));
    assert_clean("the audit log", &export);
    let state = world.zone.folder.path().to_owned();
    let sealed = |when: &str| {
        let files = enclave::files(&state);
        assert!(files.iter().any(|file| file.ends_with("enclave.db")));
        for file in files {
            // What an ingestion leaves behind is removed while this reads.
            let bytes = match std::fs::read(&file) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                read => read.unwrap(),
            };
            assert_clean(&format!("{} {when}", file.display()), &bytes);
        }
    };
    sealed("while it runs");
    world.zone.stop().await;
    sealed("at rest");
    let log = log.0.lock().unwrap().clone();
    assert!(holds(&log, b"answered"), "the log was not captured");
    assert_clean("the log", &log);
}
