//! Faults of the machine: the process killed at any point, the disk full, the upload broken off.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use crate::testing::{Zone, dataset, dir, now, root_key};
use crate::{IngestOptions, SourceFormat, Vault, VaultError};

/// Says to the test binary that it is a child, and what it is to do.
const CHILD: &str = "GLOVEBOX_VAULT_TEST_CHILD";
const CHILD_FOLDER: &str = "GLOVEBOX_VAULT_TEST_FOLDER";
const HEADER: &str = "id,sex,age,bmi,seen,smoker,note\n";

/// About 9 MB that do not compress; with 16 MiB of memory they go through spills.
fn rows() -> String {
    let (mut csv, mut state) = (HEADER.to_owned(), 1_u64);
    for row in 0..40_000 {
        let mut note = String::new();
        for _ in 0..10 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            note.push_str(&format!("{state:016x}"));
        }
        // Every hundredth row is set aside.
        let age = if row % 100 == 0 { 200 } else { 30 };
        csv.push_str(&format!("p{},1,{age},20,,,{note}{}\n", state % 5_000, "0".repeat(40)));
    }
    csv
}

fn child(task: &str, folder: &Path, shell: &str) -> Child {
    let test = std::env::current_exe().unwrap();
    Command::new("sh")
        .args(["-c", &format!("{shell} exec \"$0\" \"$@\""), test.to_str().unwrap()])
        .args(["--exact", "tests::faults::child_of_the_fault_tests", "--nocapture"])
        .env(CHILD, task)
        .env(CHILD_FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Not a test of its own: what the children of the other tests run.
#[test]
fn child_of_the_fault_tests() {
    let (Ok(task), Ok(folder)) = (std::env::var(CHILD), std::env::var(CHILD_FOLDER)) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let vault = Vault::open(dir(Path::new(&folder)), &root_key(1)).unwrap();
        let stop_at: Option<u64> = task.parse().ok();
        let asked = AtomicU64::new(0);
        let cancelled = move || {
            if Some(asked.fetch_add(1, Ordering::Relaxed)) == stop_at {
                say("ready");
            }
            false
        };
        let options =
            IngestOptions { memory_bytes: 16 << 20, cancelled: Arc::new(cancelled), ..IngestOptions::default() };
        let csv = rows();
        let staged = vault.ingest(&dataset(), 1, csv.as_bytes(), SourceFormat::Csv, options, now()).await;
        match (task.as_str(), staged) {
            ("full", Err(VaultError::NoSpace)) => say("full"),
            ("staged", Ok(_)) => say("ready"),
            ("published", Ok(staged)) => {
                vault.publish(&staged).unwrap();
                say("ready");
            }
            (_, other) => say(&format!("unexpected: {:?}", other.map(|staged| staged.rows_read))),
        }
    });
}

/// Tells the parent, then waits to be killed.
#[allow(clippy::print_stdout)]
fn say(word: &str) {
    println!("\nchild: {word}");
    loop {
        std::thread::park();
    }
}

/// Waits for the child's word, then kills it with SIGKILL, which no process can catch.
fn hear_and_kill(mut child: Child) -> String {
    let output = BufReader::new(child.stdout.take().unwrap());
    let word = output.lines().map_while(Result::ok).find_map(|line| line.strip_prefix("child: ").map(str::to_owned));
    child.kill().unwrap();
    child.wait().unwrap();
    word.unwrap_or_else(|| "nothing".into())
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

async fn ingest_again(vault: &Vault) {
    let csv = format!("{HEADER}p1,1,30,20,,,\n");
    let staged =
        vault.ingest(&dataset(), 1, csv.as_bytes(), SourceFormat::Csv, IngestOptions::default(), now()).await.unwrap();
    vault.publish(&staged).unwrap();
}

#[tokio::test]
async fn killed_while_reading_spilling_or_writing_nothing_is_published() {
    // The question whether to stop is asked once per 8192 rows read, then once per 8192 sorted and written.
    for stop_at in ["0", "3", "5", "12"] {
        let Zone { folder, vault } = Zone::new();
        drop(vault);
        assert_eq!(hear_and_kill(child(stop_at, folder.path(), "")), "ready", "at {stop_at}");
        assert!(count(&folder.path().join("staging/ward@1")) > 0, "the child was under way");
        // The lock went with the process.
        let vault = Vault::open(dir(folder.path()), &root_key(1)).unwrap();
        let swept = vault.sweep(|_, _| false).unwrap();
        assert_eq!(swept.removed, [(dataset().id, 1)]);
        assert_eq!(count(&folder.path().join("staging")), 0);
        assert_eq!(count(&folder.path().join("snapshots")), 0);
        ingest_again(&vault).await;
    }
}

#[tokio::test]
async fn killed_between_staging_and_publishing_the_store_decides() {
    for known in [false, true] {
        let Zone { folder, vault } = Zone::new();
        drop(vault);
        assert_eq!(hear_and_kill(child("staged", folder.path(), "")), "ready");
        let vault = Vault::open(dir(folder.path()), &root_key(1)).unwrap();
        let swept = vault.sweep(|_, _| known).unwrap();
        let (place, none) = (vec![(dataset().id, 1)], Vec::new());
        assert_eq!((swept.completed, swept.removed), if known { (place, none) } else { (none, place) });
        assert_eq!(count(&folder.path().join("staging")), 0);
        if known {
            vault.scrub(&dataset().id, 1).unwrap();
        } else {
            ingest_again(&vault).await;
        }
    }
}

#[tokio::test]
async fn killed_after_publishing_the_snapshot_is_whole() {
    let Zone { folder, vault } = Zone::new();
    drop(vault);
    assert_eq!(hear_and_kill(child("published", folder.path(), "")), "ready");
    let vault = Vault::open(dir(folder.path()), &root_key(1)).unwrap();
    assert_eq!(vault.sweep(|_, _| true).unwrap(), crate::Swept::default());
    vault.scrub(&dataset().id, 1).unwrap();
}

/// A limit on the size of files stands in for a full disk: a write beyond it fails as one on a full disk does. The first
/// limit is met by a spill, the second by the table.
#[tokio::test]
async fn on_a_full_disk_nothing_is_published_and_nothing_stays() {
    for blocks in [200, 4_000] {
        let Zone { folder, vault } = Zone::new();
        drop(vault);
        let word = hear_and_kill(child("full", folder.path(), &format!("trap '' XFSZ; ulimit -f {blocks};")));
        assert_eq!(word, "full", "{blocks}");
        assert_eq!(count(&folder.path().join("staging")), 0, "the worker cleared up");
        assert_eq!(count(&folder.path().join("snapshots")), 0);
        let vault = Vault::open(dir(folder.path()), &root_key(1)).unwrap();
        ingest_again(&vault).await;
    }
}

/// Ends with an error after some bytes, as a connection does that breaks off.
struct BreaksOff {
    bytes: std::io::Cursor<Vec<u8>>,
}

impl AsyncRead for BreaksOff {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let mut some = vec![0; into.remaining().min(1000)];
        match self.bytes.read(&mut some)? {
            0 => Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into())),
            read => {
                into.put_slice(&some[..read]);
                Poll::Ready(Ok(()))
            }
        }
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_never_passes_for_a_whole_one() {
    let zone = Zone::new();
    for (format, bytes) in
        [(SourceFormat::Csv, format!("{HEADER}p1,1,30,20,,,\n")), (SourceFormat::Parquet, "PAR1".into())]
    {
        let source = BreaksOff { bytes: std::io::Cursor::new(bytes.into_bytes()) };
        let ended = zone.vault.ingest(&dataset(), 1, source, format, IngestOptions::default(), now()).await;
        assert!(matches!(ended, Err(VaultError::SourceRead(std::io::ErrorKind::ConnectionReset))));
        assert_eq!(count(&zone.path("staging")), 0);
    }
}

/// Gives some bytes, then nothing and no end, as an upload does that stalls.
struct Stalls(Option<Vec<u8>>);

impl AsyncRead for Stalls {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match self.0.take() {
            Some(bytes) => {
                into.put_slice(&bytes);
                Poll::Ready(Ok(()))
            }
            None => Poll::Pending,
        }
    }
}

#[tokio::test]
async fn a_dropped_ingestion_leaves_nothing() {
    let zone = Zone::new();
    let source = Stalls(Some(format!("{HEADER}p1,1,30,20,,,\n").into_bytes()));
    let dataset = dataset();
    let ingestion = zone.vault.ingest(&dataset, 1, source, SourceFormat::Csv, IngestOptions::default(), now());
    let waited = tokio::time::timeout(std::time::Duration::from_millis(100), ingestion).await;
    assert!(waited.is_err(), "it waits for the rest");
    // The worker notices by itself.
    for _ in 0..200 {
        if count(&zone.path("staging")) == 0 {
            return ingest_again(&zone.vault).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the staging folder is still there");
}
