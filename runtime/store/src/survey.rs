//! A look at a state file without its key, for whoever looks after the machine. Nothing of it is verified, and nothing is
//! changed.

use std::path::Path;

use glovebox_catalog::{Suspended, Timestamp};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::{StoreError, counter};

/// What a state file says of itself. Whoever can write to it can make it say anything; a start verifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// How many events its log has.
    pub events: u64,
    /// How many its counter says were committed; none without a counter that can be read.
    pub counted: Option<u64>,
    /// The latest time of an event.
    pub latest: Timestamp,
    /// What is suspended, e.g. `dataset/nhanes-2017`.
    pub suspended: Vec<String>,
}

/// Looks at the state file at `path`; none while a process has it open, or after one that did not close it.
///
/// # Errors
/// When the file can't be read, or is no state.
pub fn survey(path: &Path) -> Result<Option<Survey>, StoreError> {
    // What is in the journal is in the file once the next start has closed it. To read it here would change files.
    let mut journal = path.as_os_str().to_owned();
    journal.push("-wal");
    if std::fs::metadata(&journal).is_ok_and(|journal| journal.len() > 0) {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(format!("file:{}?immutable=1", escaped(path)), flags)?;
    let (events, latest) = connection
        .query_row("SELECT size, latest_ms FROM log_state WHERE only_row = 1", [], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), Timestamp::from_unix_ms(row.get(1)?)))
        })
        .optional()?
        .ok_or_else(|| StoreError::corrupt("it holds no log"))?;
    let mut statement = connection.prepare("SELECT body FROM suspensions ORDER BY id")?;
    let mut suspended = Vec::new();
    for body in statement.query_map([], |row| row.get::<_, String>(0))? {
        let of: Suspended = serde_json::from_str(&body?)?;
        if !of.standing.is_empty() {
            suspended.push(of.path());
        }
    }
    Ok(Some(Survey { events, counted: counter::told(path), latest, suspended }))
}

/// The path as a part of a URI, in which three characters mean something.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}
