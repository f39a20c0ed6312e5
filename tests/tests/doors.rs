//! The example jobs, as built, in the real sandbox over the example tables: every contribution equals a computation in
//! plain Rust over the CSV, and a `person` job contributes the same through both doors.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch};
use arrow::datatypes::{Field, Schema};
use glovebox_catalog::{Door, InputColumn, InputType, Isolation, JobManifest, Separation};
use glovebox_sandbox::{Config, Faults, RunMeters, Sandbox, inspect};

use crate::contributions::{Contributed, run};

/// Persons of one batch, so that a run takes many of them.
const PERSONS_PER_BATCH: usize = 500;

#[test]
fn bmi_by_age_sex_equals_plain_rust() {
    let table = Table::read("nhanes-2017");
    let (found, meters) = table.run("bmi-by-age-sex/bmi-by-age-sex.wasm", Door::Columnar);
    let mut expected = Vec::new();
    for row in table.rows() {
        let age: i64 = row.cell("age_years").parse().unwrap();
        let Ok(bmi) = row.cell("bmi").parse::<f64>() else { continue };
        let Some(band) = [18..30, 30..40, 40..50, 50..60, 60..70, 70..81].iter().position(|band| band.contains(&age))
        else {
            continue;
        };
        let sex = usize::from(row.cell("sex") == "female");
        let cell = (sex * 6 + band) as u32;
        expected.push(Contributed::of(row.person, 0, cell, &[]));
        expected.push(Contributed::new(row.person, 1, cell, bmi));
        if bmi >= 30.0 {
            expected.push(Contributed::of(row.person, 2, cell, &[]));
        }
        expected.push(Contributed::new(row.person, 3, sex as u32, bmi));
    }
    assert_same(found, expected);
    assert_eq!((meters.rows, meters.persons, meters.instances), (8366, 8366, 1));
}

#[test]
fn hypertension_equals_plain_rust() {
    let table = Table::read("nhanes-2017");
    let (found, meters) = table.run("hypertension/hypertension.wasm", Door::Columnar);
    let mut expected = Vec::new();
    let mut measured = 0;
    for row in table.rows() {
        let pressures = (row.cell("systolic_mmhg").parse::<f64>(), row.cell("diastolic_mmhg").parse::<f64>());
        let (Ok(systolic), Ok(diastolic)) = pressures else { continue };
        measured += 1;
        let age: i64 = row.cell("age_years").parse().unwrap();
        let Some(band) = [18..35, 35..45, 45..55, 55..65, 65..75, 75..81].iter().position(|band| band.contains(&age))
        else {
            continue;
        };
        let cell = (usize::from(row.cell("sex") == "female") * 6 + band) as u32;
        expected.push(Contributed::of(row.person, 0, cell, &[]));
        if systolic >= 140.0 || diastolic >= 90.0 {
            expected.push(Contributed::of(row.person, 1, cell, &[]));
        }
        expected.push(Contributed::new(row.person, 2, cell, systolic));
        expected.push(Contributed::new(row.person, 3, band as u32, systolic));
    }
    assert_same(found, expected);
    assert_eq!(meters.rows, measured, "rows without both pressures are no rows of the view");
}

#[test]
fn visits_per_person_equals_plain_rust_through_both_doors() {
    let table = Table::read("rand-hie");
    let (columnar, columnar_meters) = table.run("visits-per-person/visits-per-person.wasm", Door::Columnar);
    let (component, component_meters) =
        table.run("visits-per-person/visits-per-person.component.wasm", Door::Component);
    assert_eq!(columnar, component, "the doors differ");
    assert!(
        columnar_meters.memory_peak_bytes < 24 << 10,
        "an ordinary person needs no more than the memory at the start"
    );
    for meters in [columnar_meters, component_meters] {
        assert_eq!((meters.rows, meters.persons, meters.instances), (20_190, 5_912, 5_912));
    }

    let mut expected = Vec::new();
    for rows in table.persons() {
        let person = rows[0].person;
        let numbers =
            |column: &str| rows.iter().map(|row| row.cell(column).parse::<f64>().unwrap()).collect::<Vec<_>>();
        let years: f64 = numbers("participation").iter().sum();
        if years < 0.5 {
            continue;
        }
        let place =
            |column: &str, codes: &[&str]| codes.iter().position(|code| *code == rows[0].cell(column)).unwrap() as u32;
        let plan = place("coinsurance", &["0", "25", "50", "95", "100"]);
        let health = place("self_rated_health", &["excellent", "good", "fair", "poor"]);
        let visits = numbers("physician_visits");
        let per_year = visits.iter().sum::<f64>() / years;
        let dollars = numbers("outpatient_usd");
        expected.push(Contributed::of(person, 0, plan * 4 + health, &[]));
        expected.push(Contributed::new(person, 1, plan, per_year));
        expected.push(Contributed::new(person, 2, plan * 4 + health, per_year));
        expected.push(Contributed::new(person, 3, plan, dollars.iter().sum::<f64>() / dollars.len() as f64));
        if visits.contains(&0.0) {
            expected.push(Contributed::of(person, 4, plan, &[]));
        }
    }
    assert_same(columnar, expected);
}

/// Memory is small for ordinary persons, and grows for who has many rows: nobody is refused, and the next person is served
/// as if nothing had been.
#[test]
fn a_person_of_many_rows_is_one_like_any_other() {
    let mut table = Table::read("rand-hie");
    table.rows.truncate(20);
    let (ordinary, _) = table.run("visits-per-person/visits-per-person.wasm", Door::Columnar);
    let of_one = |(person, _): &&(u32, csv::StringRecord)| *person == 1;
    let again: Vec<_> = table.rows.iter().filter(of_one).cloned().cycle().take(20_000).collect();
    table.rows.extend(again);
    table.rows.sort_by_key(|(person, _)| *person);
    let (many, meters) = table.run("visits-per-person/visits-per-person.wasm", Door::Columnar);
    assert!(meters.memory_peak_bytes > 500_000, "{}", meters.memory_peak_bytes);
    assert_eq!(many.len(), ordinary.len());
    let others = |found: Vec<Contributed>| found.into_iter().filter(|one| one.unit != 1).collect::<Vec<_>>();
    assert_eq!(others(many), others(ordinary));
}

/// A job does not see where batches end.
#[test]
fn contributions_do_not_depend_on_the_batches() {
    let table = Table::read("rand-hie");
    let sandbox = Sandbox::new(&Config::default()).unwrap();
    let module = std::fs::read(job("visits-per-person/visits-per-person.wasm")).unwrap();
    let inspected = inspect(&module).unwrap();
    let compiled = sandbox.compile(&inspected, &module).unwrap();
    let results = [1, 77, usize::MAX].map(|persons| {
        let (contributions, meters) =
            run(&sandbox, &compiled, &table.batches(inspected.manifest(), persons), Faults::Stop).unwrap();
        (contributions, meters.fuel_units)
    });
    assert!(results[0] == results[1] && results[1] == results[2], "contributions or fuel differ");
}

/// Modules that are committed stay small, and speak for the source that they were built from.
#[test]
fn built_jobs_are_small_and_current() {
    let cases = [
        ("bmi-by-age-sex", Isolation::Row),
        ("body-clusters", Isolation::Row),
        ("diabetes-logistic", Isolation::Row),
        ("first-admission", Isolation::Person),
        ("first-admission-cox", Isolation::Person),
        ("hypertension", Isolation::Row),
        ("metabolic-correlation", Isolation::Row),
        ("pressure-by-age", Isolation::Block),
        ("spending-concentration", Isolation::Cohort),
        ("visits-per-person", Isolation::Person),
    ];
    let folders = std::fs::read_dir(job("")).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(cases.len(), folders.filter(|entry| entry.as_ref().unwrap().file_name() != "target").count());
    let columnar = cases.iter().map(|(name, isolation)| (format!("{name}/{name}.wasm"), *isolation, Door::Columnar));
    let component = cases.iter().filter(|(_, isolation)| *isolation != Isolation::Row);
    let component =
        component.map(|(name, isolation)| (format!("{name}/{name}.component.wasm"), *isolation, Door::Component));
    for (path, isolation, door) in columnar.chain(component) {
        let path = path.as_str();
        let module = std::fs::read(job(path)).unwrap();
        assert!(module.len() <= 40 << 10, "{path}: {} bytes", module.len());
        let inspected = inspect(&module).unwrap();
        assert_eq!((inspected.manifest().isolation, inspected.door()), (isolation, door), "{path}");
        let separation = match (isolation, door) {
            (Isolation::Row, _) => Separation::StatelessProof,
            (Isolation::Cohort, _) => Separation::None,
            (_, Door::Columnar) => Separation::Reset,
            (_, Door::Component) => Separation::FreshInstance,
        };
        assert_eq!(inspected.separation(), separation, "{path}");
        let name = path.split('/').next().unwrap();
        assert_eq!(inspected.manifest().name, name);
        let source = std::fs::read_to_string(job(&format!("{name}/src/lib.rs"))).unwrap();
        assert!(source.contains(&format!("description: \"{}\"", inspected.manifest().description)), "{path} is stale");
        for output in &inspected.manifest().outputs {
            assert!(source.contains(&format!("{}:", output.name)), "{path} is stale: no output `{}`", output.name);
        }
    }
}

/// A file of examples/jobs.
pub(crate) fn job(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/jobs").join(path)
}

fn assert_same(mut found: Vec<Contributed>, mut expected: Vec<Contributed>) {
    assert!(expected.len() > 10_000, "the comparison has something to compare");
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found.len(), expected.len(), "contributions");
    let differing = found.iter().zip(&expected).find(|(found, expected)| found != expected);
    assert_eq!(differing, None, "found, expected");
}

/// An example table, its rows sorted by person, each person with a dense ordinal: what a view hands to the sandbox.
pub(crate) struct Table {
    columns: BTreeMap<String, usize>,
    rows: Vec<(u32, csv::StringRecord)>,
}

impl Table {
    pub(crate) fn read(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../examples/data/{name}/{name}.csv"));
        let mut reader = csv::Reader::from_path(path).unwrap();
        let header = reader.headers().unwrap();
        let columns: BTreeMap<_, _> = header.iter().enumerate().map(|(at, name)| (name.to_owned(), at)).collect();
        let mut records: Vec<_> = reader.records().map(Result::unwrap).collect();
        let key = columns["person_id"];
        records.sort_by_key(|record| record[key].parse::<u64>().unwrap());
        let persons = records.chunk_by(|a, b| a[key] == b[key]).enumerate();
        let rows = persons.flat_map(|(ordinal, rows)| rows.iter().map(move |row| (ordinal as u32, row.clone())));
        Self { rows: rows.collect(), columns }
    }

    /// Persons of the table, whether or not a manifest leaves rows of theirs.
    pub(crate) fn person_count(&self) -> u64 {
        self.rows.last().map_or(0, |(person, _)| u64::from(*person) + 1)
    }

    fn rows(&self) -> impl Iterator<Item = Line<'_>> {
        self.rows.iter().map(|(person, record)| Line { person: *person, record, columns: &self.columns })
    }

    fn persons(&self) -> Vec<Vec<Line<'_>>> {
        let rows: Vec<_> = self.rows().collect();
        rows.chunk_by(|a, b| a.person == b.person).map(<[Line<'_>]>::to_vec).collect()
    }

    /// Runs a built job; on these tables no job may fault.
    fn run(&self, path: &str, door: Door) -> (Vec<Contributed>, RunMeters) {
        let module = std::fs::read(job(path)).unwrap();
        let inspected = inspect(&module).unwrap();
        assert_eq!(inspected.door(), door);
        let sandbox = Sandbox::new(&Config::default()).unwrap();
        let compiled = sandbox.compile(&inspected, &module).unwrap();
        run(&sandbox, &compiled, &self.batches(inspected.manifest(), PERSONS_PER_BATCH), Faults::Stop).unwrap()
    }

    /// The view of a manifest in batches of so many persons: rows in which a column that must be there is missing are
    /// left out, codes become their place in the manifest's list.
    pub(crate) fn batches(&self, manifest: &JobManifest, persons: usize) -> Vec<(Vec<u32>, RecordBatch)> {
        let inputs: Vec<_> = manifest.inputs.iter().map(|input| (self.columns[&input.name], input)).collect();
        let complete =
            |record: &csv::StringRecord| inputs.iter().all(|(at, input)| input.nullable || !record[*at].is_empty());
        let rows: Vec<_> = self.rows.iter().filter(|(_, record)| complete(record)).collect();
        let by_person: Vec<_> = rows.chunk_by(|a, b| a.0 == b.0).collect();
        let batch = |persons: &[&[&(u32, csv::StringRecord)]]| {
            let rows = persons.concat();
            let columns: Vec<_> =
                inputs.iter().map(|(at, input)| column(input, rows.iter().map(|(_, record)| &record[*at]))).collect();
            let fields = inputs
                .iter()
                .zip(&columns)
                .map(|((_, input), array)| Field::new(&input.name, array.data_type().clone(), input.nullable));
            let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
            (rows.iter().map(|(person, _)| *person).collect(), RecordBatch::try_new(schema, columns).unwrap())
        };
        by_person.chunks(persons).map(batch).collect()
    }
}

/// One row of a table.
#[derive(Clone, Copy)]
struct Line<'a> {
    person: u32,
    record: &'a csv::StringRecord,
    columns: &'a BTreeMap<String, usize>,
}

impl<'a> Line<'a> {
    fn cell(&self, column: &str) -> &'a str {
        &self.record[self.columns[column]]
    }
}

/// The cells of one input as the vault passes them; empty is missing.
fn column<'a>(input: &InputColumn, cells: impl Iterator<Item = &'a str>) -> ArrayRef {
    fn parsed<'a, T: std::str::FromStr<Err: std::fmt::Debug>>(
        cells: impl Iterator<Item = &'a str>,
    ) -> impl Iterator<Item = Option<T>> {
        cells.map(|cell| (!cell.is_empty()).then(|| cell.parse().unwrap()))
    }
    match &input.input_type {
        InputType::Boolean => Arc::new(parsed::<bool>(cells).collect::<BooleanArray>()),
        InputType::Int64 => Arc::new(parsed::<i64>(cells).collect::<Int64Array>()),
        InputType::Float64 => Arc::new(parsed::<f64>(cells).collect::<Float64Array>()),
        InputType::Date => Arc::new(parsed::<i32>(cells).collect::<Date32Array>()),
        InputType::Code(codes) => {
            let place = |cell: &str| codes.iter().position(|code| code == cell).map(|place| place as i32);
            Arc::new(cells.map(place).collect::<Int32Array>())
        }
    }
}
