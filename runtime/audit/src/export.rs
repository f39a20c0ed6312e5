//! Exports of the log: every event in canonical JSON, one a line, and the signed tree head on the last line.

use std::io::{BufRead, Read};

use glovebox_catalog::Timestamp;
use glovebox_gm::VerifyingKey;
use serde::Deserialize;

use crate::{Cosignature, Event, Log, LogBuilder, Outcome, SignedTreeHead, TreeHead, VerifyError};

/// Longest line that is read, in bytes; far above any event. Keeps a forged export from filling memory.
const LINE_LENGTH_MAX_BYTES: u64 = 1 << 20;

/// What a verified export holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportSummary {
    /// The head that vouches for it.
    pub head: TreeHead,
    /// What witnesses said of the head; whether they are enough is [`crate::WitnessPolicy::verify`]'s to say.
    pub cosignatures: Vec<Cosignature>,
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
    let mut log = LogBuilder::new("");
    let (mut refused, mut first_at, mut last_at) = (0, None, None);
    let HeadLine { head, cosignatures } = loop {
        match reader.next_line()? {
            Some(Line::Head(line)) => break line,
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
    let log = log.finish();
    if head.size != log.size() {
        return Err(VerifyError::Size { expected: head.size, found: log.size() });
    }
    if head.root != log.root() {
        return Err(VerifyError::Root);
    }
    if let Some(expected) = expected {
        check_continues(&log, &head.log_id, expected, key)?;
    }
    Ok(ExportSummary { head, cosignatures, refused, first_at, last_at })
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
    Head(HeadLine),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadLine {
    head: SignedTreeHead,
    #[serde(default)]
    cosignatures: Vec<Cosignature>,
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
        let last = serde_json::from_slice::<HeadLine>(text).map_err(|_| fault.clone())?;
        let written = last.head.export_line(&last.cosignatures);
        if written.as_ref() == Ok(&bytes) { Ok(Some(Line::Head(last))) } else { Err(fault) }
    }
}

#[cfg(test)]
mod tests {
    use glovebox_gm::SigningKey;

    use super::*;
    use crate::samples::{LOG_ID, at, event, export, head, key, log, policy, public, signed_head, witnessed_export};
    use crate::{Actor, Draft};

    fn verify(export: &[u8]) -> Result<ExportSummary, VerifyError> {
        verify_export(export, &public(), None)
    }

    fn lines(export: &[u8]) -> Vec<Vec<u8>> {
        export.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn exports_of_every_size_verify() {
        for size in 0..=64 {
            let summary = verify(&export(size)).unwrap();
            assert_eq!(summary.head, head(&log(size)));
            assert_eq!(summary.refused, (0..size).filter(|sequence| sequence % 3 == 2).count() as u64);
        }
        let summary = verify(&export(5)).unwrap();
        assert_eq!((summary.first_at, summary.last_at), (Some(at(0)), Some(at(4))));
        assert_eq!(verify(&export(0)).unwrap().first_at, None);
    }

    #[test]
    fn what_witnesses_said_ends_an_export() {
        for size in [0, 1, 6] {
            let export = witnessed_export(size);
            let summary = verify(&export).unwrap();
            let found = policy().verify(&summary.head, &summary.cosignatures).unwrap();
            assert_eq!(found.iter().map(|one| one.witness.as_str()).collect::<Vec<_>>(), ["hospital-a", "regulator"]);
            let summary = verify(&crate::samples::export(size)).unwrap();
            assert!(matches!(
                policy().verify(&summary.head, &summary.cosignatures),
                Err(VerifyError::Unwitnessed { found: 0, .. })
            ));
        }
    }

    /// Byte for byte: with the keys of the witnesses, the tail can't be written in a second way either.
    #[test]
    fn every_changed_byte_of_the_tail_is_found() {
        let export = witnessed_export(1);
        let tail = export.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for place in tail..export.len() {
            let mut forged = export.clone();
            forged[place] ^= 1;
            let holds = verify(&forged).is_ok_and(|found| policy().verify(&found.head, &found.cosignatures).is_ok());
            assert!(!holds, "byte {place}");
        }
    }

    #[test]
    fn every_changed_byte_is_found() {
        let export = export(4);
        for place in 0..export.len() {
            for change in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
                let mut forged = export.clone();
                forged[place] ^= change;
                assert!(verify(&forged).is_err(), "byte {place} xor {change:02x}");
            }
        }
    }

    #[test]
    fn every_removed_and_every_inserted_byte_is_found() {
        let export = export(4);
        for place in 0..export.len() {
            let mut forged = export.clone();
            forged.remove(place);
            assert!(verify(&forged).is_err(), "without byte {place}");
            assert!(verify(&export[..place]).is_err(), "cut at {place}");
        }
        for place in 0..=export.len() {
            for inserted in [b' ', b'\n', b'0', b'"', 0] {
                let mut forged = export.clone();
                forged.insert(place, inserted);
                assert!(verify(&forged).is_err(), "byte {inserted} at {place}");
            }
        }
    }

    #[test]
    fn missing_doubled_and_moved_lines_are_found() {
        let whole = lines(&export(6));
        for one in 0..6 {
            let mut forged = whole.clone();
            forged.remove(one);
            let expected = match one {
                5 => VerifyError::Size { expected: 6, found: 5 },
                _ => VerifyError::Order { line: one as u64 + 1, expected: one as u64, found: one as u64 + 1 },
            };
            assert_eq!(verify(&forged.concat()), Err(expected));
            let mut forged = whole.clone();
            forged.insert(one, whole[one].clone());
            assert!(matches!(verify(&forged.concat()), Err(VerifyError::Order { .. })));
            for other in 0..one {
                let mut forged = whole.clone();
                forged.swap(one, other);
                assert!(matches!(verify(&forged.concat()), Err(VerifyError::Order { .. })));
            }
        }
    }

    #[test]
    fn a_well_formed_but_other_event_changes_the_root() {
        for place in 0..6 {
            let mut forged = lines(&export(6));
            let mut other = event(place);
            other.resource = "grant/other".into();
            forged[place as usize] = [other.leaf(), b"\n".to_vec()].concat();
            assert_eq!(verify(&forged.concat()), Err(VerifyError::Root));
        }
    }

    #[test]
    fn an_export_ends_with_its_head() {
        let whole = lines(&export(3));
        assert_eq!(verify(&whole[..3].concat()), Err(VerifyError::NoHead));
        assert_eq!(verify(b""), Err(VerifyError::NoHead));
        for more in [whole[0].clone(), whole[3].clone()] {
            assert_eq!(verify(&[whole.concat(), more].concat()), Err(VerifyError::NoHead));
        }
        let mut longer = whole.clone();
        longer.insert(3, [event(3).leaf(), b"\n".to_vec()].concat());
        assert_eq!(verify(&longer.concat()), Err(VerifyError::Size { expected: 3, found: 4 }));
    }

    #[test]
    fn another_key_is_refused() {
        let other = SigningKey::generate().unwrap();
        let fault = Err(VerifyError::Signature { what: "tree head" });
        assert_eq!(verify_export(export(3).as_slice(), other.verifying_key(), None), fault);
        // The log copied and signed by someone else.
        let mut forged = lines(&export(3));
        forged[3] = head(&log(3)).sign(&other).unwrap().export_line(&[]).unwrap();
        assert_eq!(verify(&forged.concat()), fault);
    }

    #[test]
    fn an_older_head_is_held_to() {
        let check = |size, expected: &SignedTreeHead| verify_export(export(size).as_slice(), &public(), Some(expected));
        for new_size in 0..=20 {
            for old_size in 0..=20 {
                let outcome = check(new_size, &signed_head(&log(old_size)));
                if old_size <= new_size {
                    assert_eq!(outcome.map(|summary| summary.head.size), Ok(new_size));
                } else {
                    // Cut back, with a head that was true once.
                    assert_eq!(outcome, Err(VerifyError::Size { expected: old_size, found: new_size }));
                }
            }
        }
    }

    #[test]
    fn a_fork_is_found_against_an_older_head() {
        for old_size in 1..=12 {
            for changed in 0..old_size {
                let mut fork = Log::new(LOG_ID);
                for sequence in 0..old_size {
                    let other = Draft::done(at(9), Actor::default(), "grant.revoke", "grant/other");
                    let event = if sequence == changed { other.at_sequence(sequence) } else { event(sequence) };
                    fork.append(&event).unwrap();
                }
                let outcome = verify_export(export(12).as_slice(), &public(), Some(&signed_head(&fork)));
                assert_eq!(outcome, Err(VerifyError::Forked { old_size }));
            }
        }
    }

    #[test]
    fn an_older_head_of_another_log_or_key_is_refused() {
        let export = export(4);
        let check = |expected: &SignedTreeHead| verify_export(export.as_slice(), &public(), Some(expected));
        let elsewhere = TreeHead { log_id: "log-2".into(), ..head(&log(2)) }.sign(key()).unwrap();
        let fault = VerifyError::OtherLog { expected: "log-2".into(), found: LOG_ID.into() };
        assert_eq!(check(&elsewhere), Err(fault));
        let foreign = head(&log(2)).sign(&SigningKey::generate().unwrap()).unwrap();
        assert_eq!(check(&foreign), Err(VerifyError::Signature { what: "tree head" }));
        let foreign_longer = head(&log(9)).sign(&SigningKey::generate().unwrap()).unwrap();
        assert_eq!(check(&foreign_longer), Err(VerifyError::Signature { what: "tree head" }));
    }

    #[test]
    fn endless_lines_and_broken_readers_end() {
        let endless = std::io::BufReader::new(std::io::repeat(b'a'));
        assert_eq!(verify_export(endless, &public(), None), Err(VerifyError::Line { line: 1 }));
        struct Broken;
        impl std::io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::TimedOut.into())
            }
        }
        let broken = std::io::BufReader::new(Broken);
        assert_eq!(verify_export(broken, &public(), None), Err(VerifyError::Read(std::io::ErrorKind::TimedOut)));
    }
}
