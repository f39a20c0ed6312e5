//! Whether a head may be cosigned, given what the witness knows. Pure: no clock, no disk.

use glovebox_audit::{AddHead, SignedTreeHead, TreeHead};
use glovebox_gm::{VerifyingKey, sm3};

use crate::folder::ForkKind;
use crate::witness::Refusal;

/// What the witness knows and whom it watches.
pub(crate) struct Known<'a> {
    /// Key of the enclave.
    pub(crate) enclave: &'a VerifyingKey,
    /// The log, once it is known.
    pub(crate) log_id: Option<&'a str>,
    /// The newest head that was cosigned.
    pub(crate) head: Option<&'a SignedTreeHead>,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// The head may be cosigned, once it is on disk as the newest one.
    GoesOn,
    /// It may not.
    Refused(Refusal),
    /// It may not, and the enclave signed two heads that contradict each other: the one known and this one.
    Fork(ForkKind, Box<SignedTreeHead>),
}

/// Judges a request. Every check that needs no secret comes before any that tells what is known.
pub(crate) fn judge(known: &Known<'_>, request: &AddHead) -> Judged {
    let shown: Vec<&SignedTreeHead> = request.old.iter().chain([&request.head]).collect();
    // Anyone can send anything: only what the enclave signed is looked at.
    if shown.iter().any(|head| head.verify(known.enclave).is_err()) {
        return Judged::Refused(Refusal::Signature);
    }
    for head in &shown {
        if let Some(kind) = known.head.and_then(|known| contradiction(&known.head, &head.head)) {
            return Judged::Fork(kind, Box::new((*head).clone()));
        }
    }
    if known.log_id.is_some_and(|log_id| shown.iter().any(|head| head.head.log_id != log_id)) {
        return Judged::Refused(Refusal::OtherLog);
    }
    let new = &request.head.head;
    if request.old_size() > new.size {
        return Judged::Refused(Refusal::Malformed);
    }
    let empty = TreeHead { log_id: new.log_id.clone(), size: 0, root: sm3(b""), at: new.at };
    let from = known.head.map_or(&empty, |known| &known.head);
    if request.old_size() != from.size || new.size < from.size {
        return Judged::Refused(Refusal::OldSize { size: from.size });
    }
    if new.size == from.size {
        // The same root, or it were a fork; the empty log has one root alone.
        let holds = request.hashes.is_empty() && new.root == from.root;
        return if holds { Judged::GoesOn } else { Judged::Refused(Refusal::Unproven) };
    }
    match request.verify_goes_on_from(from) {
        Ok(()) => Judged::GoesOn,
        Err(_) => Judged::Refused(Refusal::Unproven),
    }
}

/// How two heads that the enclave signed can't both be of one log that only grows.
///
/// Sizes and times of an enclave's heads grow together: a head is signed once for each size, at a time that is not before
/// that of the head before. A proof that fails is no contradiction: anyone may send a true head with a false proof.
fn contradiction(known: &TreeHead, shown: &TreeHead) -> Option<ForkKind> {
    if known.log_id != shown.log_id {
        return Some(ForkKind::OtherLog);
    }
    if known.size == shown.size {
        return (known.root != shown.root).then_some(ForkKind::TwoRoots);
    }
    let (smaller, larger) = if known.size < shown.size { (known, shown) } else { (shown, known) };
    (smaller.at > larger.at).then_some(ForkKind::WentBack)
}

#[cfg(test)]
mod tests;
