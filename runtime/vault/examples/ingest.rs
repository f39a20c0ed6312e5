//! Measures ingestion: `cargo run --release -p glovebox-vault --example ingest -- [megabytes] [memory megabytes] [csv|parquet]`.
//!
//! Makes a table of encounters (about seven a person, shuffled), ingests it into a vault in a temporary folder and
//! prints MB/s of the source and the peak of resident memory, over what the process had before.
#![allow(clippy::print_stdout)]

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use anyhow::{Context as _, Result};
use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use glovebox_catalog::{Dataset, Timestamp};
use glovebox_gm::Key256;
use glovebox_vault::{IngestOptions, RootKey, SourceFormat, Vault};
use parquet::arrow::ArrowWriter;
use tokio::io::{AsyncRead, ReadBuf};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let megabytes: u64 = arguments.next().map_or(Ok(300), |text| text.parse())?;
    let memory_megabytes: usize = arguments.next().map_or(Ok(64), |text| text.parse())?;
    let is_parquet = arguments.next().is_some_and(|text| text == "parquet");
    let folder = tempfile::tempdir()?;
    let root = Dir::open_ambient_dir(folder.path(), ambient_authority())?;
    let vault = Vault::create(root, &RootKey::from_key(Key256::random()?))?;
    let options = IngestOptions { memory_bytes: memory_megabytes << 20, ..IngestOptions::default() };
    let now = Timestamp::from_unix_ms(0);
    let dataset = dataset()?;
    let before = peak_kilobytes()?;
    let (format, staged, seconds) = if is_parquet {
        let path = folder.path().join("source.parquet");
        write_parquet(&path, megabytes)?;
        // What making the file took is not ingestion's: the peak so far is the ground.
        let source = tokio::fs::File::open(&path).await?;
        let start = Instant::now();
        let staged = vault.ingest(&dataset, 1, source, SourceFormat::Parquet, options, now).await?;
        ("Parquet", staged, start.elapsed().as_secs_f64())
    } else {
        let start = Instant::now();
        let source = Rows { left_bytes: megabytes << 20, maker: Maker::new(), line: HEADER.as_bytes().to_vec(), at: 0 };
        let staged = vault.ingest(&dataset, 1, source, SourceFormat::Csv, options, now).await?;
        ("CSV", staged, start.elapsed().as_secs_f64())
    };
    vault.publish(&staged)?;
    let source_megabytes = staged.bytes_read as f64 / (1 << 20) as f64;
    println!(
        "{format}: {source_megabytes:.0} MiB, {} rows, {} persons in {seconds:.1} s: {:.1} MiB/s; stored {:.0} MiB; \
         peak {} MiB with a bound of {memory_megabytes} MiB ({} MiB before)",
        staged.snapshot.rows,
        staged.snapshot.persons,
        source_megabytes / seconds,
        staged.snapshot.size_bytes as f64 / (1 << 20) as f64,
        peak_kilobytes()? / 1024,
        before / 1024,
    );
    Ok(())
}

const HEADER: &str = "person,day,department,length_of_stay,cost,glucose,note\n";

fn dataset() -> Result<Dataset> {
    let field = |name: &str, more: serde_json::Value| {
        let mut field = serde_json::json!({
            "name": name, "description": "", "grade": 3, "category": "medical-application", "identifiability": "quasi"
        });
        if let (Some(field), Some(more)) = (field.as_object_mut(), more.as_object()) {
            field.extend(more.clone());
        }
        field
    };
    let departments: Vec<_> =
        (0..20).map(|n| serde_json::json!({"value": format!("D{n:02}"), "label": format!("department {n}")})).collect();
    Ok(serde_json::from_value(serde_json::json!({
        "id": "encounters", "supplier": "hospital-a", "title": "Encounters", "description": "made up",
        "category": "medical-application", "grade": 3, "sharing": "conditional", "source": "made up", "licence": "CC0-1.0",
        "schema": {"person_key": "person", "fields": [
            field("person", serde_json::json!({"type": "text", "identifiability": "direct"})),
            field("day", serde_json::json!({"type": "date"})),
            field("department", serde_json::json!({"type": "code", "codes": departments})),
            field("length_of_stay", serde_json::json!({"type": "int64", "min": 0, "max": 400})),
            field("cost", serde_json::json!({"type": "float64", "min": 0.0, "max": 1e7})),
            field("glucose", serde_json::json!({"type": "float64", "nullable": true})),
            field("note", serde_json::json!({"type": "text", "nullable": true}))
        ]}
    }))?)
}

/// Makes rows from a seed, the same every time.
struct Maker {
    state: u64,
}

struct Row {
    person: u64,
    day: i32,
    department: u64,
    length_of_stay: u64,
    cost: f64,
    glucose: Option<f64>,
    note: u64,
}

impl Maker {
    fn new() -> Self {
        Self { state: 0x1234_5678_9abc_def1 }
    }

    fn next(&mut self) -> Row {
        let mut draw = |below: u64| {
            // xorshift64*: good enough to shuffle, the same on every machine.
            self.state ^= self.state >> 12;
            self.state ^= self.state << 25;
            self.state ^= self.state >> 27;
            (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
        };
        Row {
            person: draw(600_000),
            day: draw(3650) as i32 + 14_000,
            department: draw(20),
            length_of_stay: draw(30),
            cost: draw(10_000_000) as f64 / 100.0,
            glucose: (draw(4) > 0).then_some(draw(1000)).map(|tenths| 3.0 + tenths as f64 / 100.0),
            note: draw(1 << 31),
        }
    }
}

impl Row {
    fn day(&self) -> String {
        // Thirty days a month are enough for dates that exist.
        let (year, day) = (2000 + self.day % 20, self.day / 20 % 336);
        format!("{year}-{:02}-{:02}", day / 28 + 1, day % 28 + 1)
    }
}

/// The rows as CSV, made while they are read.
struct Rows {
    left_bytes: u64,
    maker: Maker,
    line: Vec<u8>,
    at: usize,
}

impl AsyncRead for Rows {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        while into.remaining() > 0 {
            if self.at == self.line.len() {
                if self.left_bytes == 0 {
                    break;
                }
                let row = self.maker.next();
                let glucose = row.glucose.map(|glucose| glucose.to_string()).unwrap_or_default();
                self.line = format!(
                    "P{:09},{},D{:02},{},{},{glucose},follow-up {}\n",
                    row.person,
                    row.day(),
                    row.department,
                    row.length_of_stay,
                    row.cost,
                    row.note
                )
                .into_bytes();
                self.left_bytes = self.left_bytes.saturating_sub(self.line.len() as u64);
                self.at = 0;
            }
            let taken = self.line.get(self.at..).unwrap_or_default();
            let taken = taken.get(..taken.len().min(into.remaining())).unwrap_or_default();
            into.put_slice(taken);
            self.at += taken.len();
        }
        Poll::Ready(Ok(()))
    }
}

fn write_parquet(path: &std::path::Path, megabytes: u64) -> Result<()> {
    const ROWS: usize = 65_536;
    let mut maker = Maker::new();
    let mut writer: Option<ArrowWriter<std::fs::File>> = None;
    while writer
        .as_ref()
        .is_none_or(|writer| (writer.bytes_written() + writer.in_progress_size()) as u64 >> 20 < megabytes)
    {
        let rows: Vec<Row> = (0..ROWS).map(|_| maker.next()).collect();
        let text = |of: &dyn Fn(&Row) -> String| -> ArrayRef {
            Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>())
        };
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("person", text(&|row| format!("P{:09}", row.person))),
            ("day", Arc::new(rows.iter().map(|row| Some(row.day)).collect::<Date32Array>())),
            ("department", text(&|row| format!("D{:02}", row.department))),
            (
                "length_of_stay",
                Arc::new(rows.iter().map(|row| Some(row.length_of_stay as i64)).collect::<Int64Array>()),
            ),
            ("cost", Arc::new(rows.iter().map(|row| Some(row.cost)).collect::<Float64Array>())),
            ("glucose", Arc::new(rows.iter().map(|row| row.glucose).collect::<Float64Array>())),
            ("note", text(&|row| format!("follow-up {}", row.note))),
        ];
        let batch = RecordBatch::try_from_iter(columns)?;
        if writer.is_none() {
            writer = Some(ArrowWriter::try_new(std::fs::File::create(path)?, batch.schema(), None)?);
        }
        let writer = writer.as_mut().context("the writer was just made")?;
        writer.write(&batch)?;
        if writer.in_progress_rows() >= 8 * ROWS {
            writer.flush()?;
        }
    }
    writer.context("at least one batch")?.close()?;
    Ok(())
}

/// Peak of resident memory of this process, in KiB.
fn peak_kilobytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
