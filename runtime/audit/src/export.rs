//! Exports of the log: every event in canonical JSON, one a line, and the signed tree head on the last line.

use std::io::{BufRead, Read};

use glovebox_catalog::Timestamp;
use glovebox_gm::VerifyingKey;
use serde::Deserialize;

use crate::{Event, Log, Outcome, SignedTreeHead, TreeHead, VerifyError};

/// Longest line that is read, in bytes; far above any event. Keeps a forged export from filling memory.
const LINE_LENGTH_MAX_BYTES: u64 = 1 << 20;

/// What a verified export holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportSummary {
    /// The head that vouches for it.
    pub head: TreeHead,
    /// How many events are refusals.
    pub refused: u64,
    /// When the first event happened; none in an empty log.
    pub first_at: Option<Timestamp>,
    /// When the last event happened; none in an empty log.
    pub last_at: Option<Timestamp>,
}

/// Verifies an export: every byte of it, and, against an `expected` head that was kept from before, that the log still
/// holds all that it held then.
///
/// Without `expected`, an export that was cut back to an older head of the same enclave verifies: it is true, but old.
///
/// # Errors
/// The first [`VerifyError`] met.
pub fn verify_export(
    lines: impl BufRead,
    key: &VerifyingKey,
    expected: Option<&SignedTreeHead>,
) -> Result<ExportSummary, VerifyError> {
    let mut reader = ExportReader { lines, line: 0 };
    let mut log = Log::new("");
    let (mut refused, mut first_at, mut last_at) = (0, None, None);
    let head = loop {
        match reader.next_line()? {
            Some(Line::Head(head)) => break head,
            Some(Line::Event(event, leaf)) => {
                let out_of_order =
                    VerifyError::Order { line: reader.line, expected: log.size(), found: event.sequence };
                log.append_leaf(event.sequence, &leaf).map_err(|_| out_of_order)?;
                refused += u64::from(event.outcome == Outcome::Refused);
                first_at = first_at.or(Some(event.at));
                last_at = Some(event.at);
            }
            None => return Err(VerifyError::NoHead),
        }
    };
    if reader.next_line()?.is_some() {
        return Err(VerifyError::NoHead);
    }
    head.verify(key)?;
    let head = head.head;
    if head.size != log.size() {
        return Err(VerifyError::Size { expected: head.size, found: log.size() });
    }
    if head.root != log.root() {
        return Err(VerifyError::Root);
    }
    if let Some(expected) = expected {
        check_continues(&log, &head.log_id, expected, key)?;
    }
    Ok(ExportSummary { head, refused, first_at, last_at })
}

/// Checks that `log` begins with the events under `expected`.
fn check_continues(log: &Log, log_id: &str, expected: &SignedTreeHead, key: &VerifyingKey) -> Result<(), VerifyError> {
    expected.verify(key)?;
    let old = &expected.head;
    if old.log_id != log_id {
        return Err(VerifyError::OtherLog { expected: old.log_id.clone(), found: log_id.to_owned() });
    }
    match log.root_at(old.size) {
        Ok(root) if root == old.root => Ok(()),
        Ok(_) => Err(VerifyError::Forked { old_size: old.size }),
        Err(_) => Err(VerifyError::Size { expected: old.size, found: log.size() }),
    }
}

enum Line {
    /// An event and its bytes.
    Event(Event, Vec<u8>),
    Head(SignedTreeHead),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadLine {
    head: SignedTreeHead,
}

struct ExportReader<R> {
    lines: R,
    line: u64,
}

impl<R: BufRead> ExportReader<R> {
    /// The next line, or none at the end. A line that is not byte for byte what an exporter writes is refused, so that
    /// there is no second way to write the same export.
    fn next_line(&mut self) -> Result<Option<Line>, VerifyError> {
        let mut bytes = Vec::new();
        let mut limited = self.lines.by_ref().take(LINE_LENGTH_MAX_BYTES);
        limited.read_until(b'\n', &mut bytes).map_err(|error| VerifyError::Read(error.kind()))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        let fault = VerifyError::Line { line: self.line };
        let Some(text) = bytes.strip_suffix(b"\n") else {
            return Err(fault);
        };
        if let Ok(event) = serde_json::from_slice::<Event>(text) {
            return if event.leaf() == text { Ok(Some(Line::Event(event, text.to_vec()))) } else { Err(fault) };
        }
        let head = serde_json::from_slice::<HeadLine>(text).map_err(|_| fault.clone())?.head;
        if head.export_line().as_ref() == Ok(&bytes) { Ok(Some(Line::Head(head))) } else { Err(fault) }
    }
}
