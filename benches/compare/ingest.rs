//! Ingestion of a file much larger than its memory, beside reading and writing the same rows without sorting, checking
//! or encrypting. Each in a process of its own, so that its peak of memory is its own.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use arrow::csv::ReaderBuilder;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use glovebox_benches::clock;
use glovebox_benches::figure::Figure;
use glovebox_catalog::Timestamp;
use glovebox_gm::Key256;
use glovebox_tests::{Hospital, Table};
use glovebox_vault::{IngestOptions, RootKey, SourceFormat, Vault};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

/// First argument of a process that measures itself.
pub(crate) const CHILD: &str = "ingest-child";

const ROWS_PER_BATCH: usize = 65_536;
const SEED: u64 = 1;

/// What a process took, in its own words.
#[derive(Serialize, Deserialize)]
struct Taken {
    rows: u64,
    seconds: f64,
    cpu_seconds: f64,
    /// Peak before the first row, and at the end.
    before_bytes: u64,
    peak_bytes: u64,
}

pub(crate) fn figures(persons: u64, memory_mib: usize) -> Result<Vec<Figure>> {
    let hospital = Hospital { persons, seed: SEED };
    let folder = tempfile::tempdir()?;
    let mut figures = Vec::new();
    for format in ["csv", "parquet"] {
        let path = folder.path().join(format!("encounters.{format}"));
        write(hospital, format, &path)?;
        let file_bytes = path.metadata()?.len() as f64;
        let ours = measure("vault", format, &path, memory_mib, persons)?;
        let plain = measure("plain", format, &path, memory_mib, persons)?;
        ensure!(ours.rows == plain.rows, "{} rows ingested, {} read plainly", ours.rows, plain.rows);
        let name = format!("{format} of {:.0} MB, {:.1} M rows", file_bytes / 1e6, ours.rows as f64 / 1e6);
        let peer = "plain to Parquet, unsorted, unchecked";
        let mb = file_bytes / 1e6;
        figures.push(Figure::new(format!("{name}: speed"), mb / ours.seconds, "MB/s").beside(peer, mb / plain.seconds));
        figures.push(
            Figure::new(format!("{name}: per core"), mb / ours.cpu_seconds, "MB/CPU s")
                .beside(peer, mb / plain.cpu_seconds),
        );
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        let before = mib(ours.before_bytes as f64);
        let peak = format!("{name}: peak of memory, bound {memory_mib} MiB, {before:.0} MiB before");
        let peak = Figure::new(peak, mib(ours.peak_bytes as f64), "MiB");
        figures.push(peak.beside("size of the file", mib(file_bytes)));
        std::fs::remove_file(path)?;
    }
    Ok(figures)
}

fn write(hospital: Hospital, format: &str, path: &Path) -> Result<()> {
    let file = File::create(path)?;
    if format == "csv" {
        hospital.write_csv(Table::Encounters, file)?;
        return Ok(());
    }
    let mut writer = writer(file, hospital)?;
    for batch in hospital.batches(Table::Encounters, ROWS_PER_BATCH)? {
        writer.write(&batch?)?;
    }
    writer.close()?;
    Ok(())
}

fn writer(file: File, hospital: Hospital) -> Result<ArrowWriter<File>> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(4 * ROWS_PER_BATCH))
        .build();
    Ok(ArrowWriter::try_new(file, hospital.arrow_schema(Table::Encounters)?, Some(properties))?)
}

fn measure(who: &str, format: &str, path: &Path, memory_mib: usize, persons: u64) -> Result<Taken> {
    let output = Command::new(std::env::current_exe()?)
        .args([CHILD, who, format])
        .arg(path)
        .args([memory_mib.to_string(), persons.to_string()])
        .output()?;
    let problem = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{who}` failed on {format}: {problem}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The process that measures itself: reader, format, file, bound, persons of the hospital.
pub(crate) fn child(arguments: &[String]) -> Result<()> {
    let [who, format, path, memory_mib, persons] = arguments else { bail!("five arguments, not {arguments:?}") };
    let hospital = Hospital { persons: persons.parse()?, seed: SEED };
    let path = Path::new(path);
    let before_bytes = clock::peak_bytes()?;
    let start = Instant::now();
    let rows = match who.as_str() {
        "vault" => vault(hospital, format, path, memory_mib.parse()?)?,
        "plain" => plain(hospital, format, path)?,
        unknown => bail!("no reader `{unknown}`"),
    };
    let taken = Taken {
        rows,
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: clock::process_cpu().as_secs_f64(),
        before_bytes,
        peak_bytes: clock::peak_bytes()?,
    };
    serde_json::to_writer(std::io::stdout(), &taken)?;
    Ok(())
}

fn vault(hospital: Hospital, format: &str, path: &Path, memory_mib: usize) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let root = Dir::open_ambient_dir(folder.path(), ambient_authority())?;
    let vault = Vault::create(root, &RootKey::from_key(Key256::random()?))?;
    let options = IngestOptions { memory_bytes: memory_mib << 20, ..IngestOptions::default() };
    let format = if format == "csv" { SourceFormat::Csv } else { SourceFormat::Parquet };
    let dataset = hospital.dataset(Table::Encounters)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let staged = runtime.block_on(async {
        let source = tokio::fs::File::open(path).await?;
        anyhow::Ok(vault.ingest(&dataset, 1, source, format, options, Timestamp::from_unix_ms(0)).await?)
    })?;
    vault.publish(&staged)?;
    ensure!(staged.snapshot.rows == staged.rows_read, "{} rows are in quarantine", staged.rows_read);
    Ok(staged.snapshot.rows)
}

fn plain(hospital: Hospital, format: &str, path: &Path) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let mut writer = writer(File::create(folder.path().join("plain.parquet"))?, hospital)?;
    let file = File::open(path)?;
    let batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>> = if format == "csv" {
        let schema = Arc::clone(&hospital.arrow_schema(Table::Encounters)?);
        Box::new(ReaderBuilder::new(schema).with_header(true).with_batch_size(ROWS_PER_BATCH).build(file)?)
    } else {
        Box::new(ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(ROWS_PER_BATCH).build()?)
    };
    for batch in batches {
        writer.write(&batch?)?;
    }
    let written = writer.close()?;
    u64::try_from(written.file_metadata().num_rows()).context("rows are not negative")
}
