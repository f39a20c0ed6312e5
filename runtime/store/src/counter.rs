//! A counter beside the database: size and root of the log after the last commit, sealed. A database that is put back
//! alone is behind it; were it to start, budgets and privacy that were spent would be whole again.
//!
//! The counter is written after each commit, and reaches the disk before anybody is told of what was committed. So a stop
//! in between leaves it behind the database, and none leaves it ahead. It has two slots, written by turns and in place:
//! a torn write leaves the other one. Then the database has the commit for which the torn slot was written, or somebody
//! took both away. It says nothing against whoever puts back both files; that is for witnesses.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use glovebox_audit::Log;

use crate::StoreError;
use crate::seal::StateKey;

/// Each slot is in a block of its own, so that no write of the disk touches both.
const SLOT_BYTES: usize = 4_096;
const SLOTS: usize = 2;

/// The open counter of a state file.
pub(crate) struct Counter {
    file: File,
    /// The slot that the next mark goes to: never the one that holds the last.
    next: u64,
}

/// What a slot says.
struct Mark {
    size: u64,
    root: String,
}

/// Where the counter of the state file at `database` is.
pub(crate) fn path_of(database: &Path) -> PathBuf {
    database.with_extension("counter")
}

/// How many events the counter of the state file at `database` says were committed, without its seals.
pub(crate) fn told(database: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(path_of(database)).ok()?;
    let slots = [text.get(..SLOT_BYTES), text.get(SLOT_BYTES..)];
    slots.into_iter().flatten().filter_map(|slot| slot.split_ascii_whitespace().next()?.parse().ok()).max()
}

impl Counter {
    /// Makes the counter of a new log.
    ///
    /// # Errors
    /// [`StoreError::File`], also when there is one: its database may have been taken away.
    pub(crate) fn create(database: &Path, key: &StateKey, log: &Log) -> Result<Self, StoreError> {
        let place = path_of(database);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&place)?;
        let mut counter = Self { file, next: 0 };
        // Both slots, and so at full length: later writes change no metadata, and can't find the disk full.
        for _ in 0..SLOTS {
            counter.note(key, log)?;
        }
        counter.file.sync_all()?;
        if let Some(folder) = place.parent() {
            File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all()?;
        }
        Ok(counter)
    }

    /// Opens the counter and holds the log against it.
    ///
    /// # Errors
    /// [`StoreError::Behind`] when the file is missing, has no slot that was sealed for this log, is ahead of the log, or
    /// was written for another course of it.
    pub(crate) fn open(database: &Path, key: &StateKey, log: &Log) -> Result<Self, StoreError> {
        let place = path_of(database);
        let behind = |what: String| StoreError::Behind { what };
        let file = OpenOptions::new().read(true).write(true).open(&place).map_err(|error| match error.kind() {
            ErrorKind::NotFound => behind(format!("its counter `{}` is missing", place.display())),
            _ => StoreError::File(error),
        })?;
        let (slot, mark) = match read(&file, key, log.log_id())? {
            [None, None] => return Err(behind(format!("its counter `{}` was not written for it", place.display()))),
            [Some(first), Some(second)] if first.size < second.size => (1, second),
            [Some(first), Some(_)] => (0, first),
            // Torn: the other slot was being written for a later commit.
            [Some(mark), None] if mark.size < log.size() => (0, mark),
            [None, Some(mark)] if mark.size < log.size() => (1, mark),
            [Some(_), None] | [None, Some(_)] => {
                return Err(behind(format!("a mark of its counter `{}` was changed", place.display())));
            }
        };
        if mark.size > log.size() {
            return Err(behind(format!("it holds {} events, and {} were committed", log.size(), mark.size)));
        }
        if log.root_at(mark.size)?.to_string() != mark.root {
            return Err(behind(format!("its first {} events are not those that were committed", mark.size)));
        }
        let mut counter = Self { file, next: other(slot) };
        if mark.size < log.size() {
            counter.note(key, log)?;
        }
        Ok(counter)
    }

    /// Notes what was committed. It is on disk when this returns.
    ///
    /// # Errors
    /// When the file can't be written. What was committed must not be told then; the next mark covers it.
    pub(crate) fn note(&mut self, key: &StateKey, log: &Log) -> Result<(), StoreError> {
        let slot = Mark { size: log.size(), root: log.root().to_string() }.slot(key, log.log_id());
        self.file.write_all_at(&slot, self.next * SLOT_BYTES as u64)?;
        self.file.sync_data()?;
        self.next = other(self.next);
        Ok(())
    }
}

impl Mark {
    /// The slot that holds it: size, root and seal as text, filled with spaces.
    fn slot(&self, key: &StateKey, log_id: &str) -> Vec<u8> {
        let Self { size, root } = self;
        let seal = key.seal("counter", &[log_id.as_bytes(), &size.to_be_bytes(), root.as_bytes()]);
        let mut slot = format!("{size} {root} {seal}\n").into_bytes();
        slot.resize(SLOT_BYTES, b' ');
        slot
    }

    /// What a slot says, if every byte of it is as this log's was written.
    fn read(slot: &[u8], key: &StateKey, log_id: &str) -> Option<Self> {
        let mut words = std::str::from_utf8(slot).ok()?.split_ascii_whitespace();
        let mark = Self { size: words.next()?.parse().ok()?, root: words.next()?.to_owned() };
        (mark.slot(key, log_id) == slot).then_some(mark)
    }
}

/// What the slots say; none of a file that has another form.
fn read(file: &File, key: &StateKey, log_id: &str) -> Result<[Option<Mark>; SLOTS], StoreError> {
    let mut bytes = vec![0; SLOT_BYTES * SLOTS];
    let is_whole = file.metadata()?.len() == bytes.len() as u64;
    if is_whole {
        file.read_exact_at(&mut bytes, 0)?;
    }
    let (first, second) = bytes.split_at(SLOT_BYTES);
    Ok([first, second].map(|slot| Mark::read(slot, key, log_id).filter(|_| is_whole)))
}

fn other(slot: u64) -> u64 {
    1 - slot
}
