//! The witness at work: one request after another, on disk before it is answered.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use glovebox_audit::{AddHead, Cosignature, SignedTreeHead, WitnessRefusal, WitnessView};
use glovebox_catalog::Timestamp;
use glovebox_gm::SigningKey;

use crate::WitnessError;
use crate::folder::{Folder, Fork};
use crate::judgement::{Judged, Known, judge};

/// A witness of one log. One process a folder.
pub struct Witness {
    key: SigningKey,
    /// Held from the look at what is known until the new head is on disk: of two requests at once, the second sees what the
    /// first left.
    state: Mutex<State>,
}

struct State {
    folder: Folder,
    head: Option<SignedTreeHead>,
}

/// Why a head is not cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The request is not one, or names a proof from a larger size to a smaller one.
    Malformed,
    /// A head is not signed by the enclave that this witness watches.
    Signature,
    /// The heads are of another log than the one that this witness watches.
    OtherLog,
    /// The request goes on from a size that is not the one known.
    OldSize {
        /// How many events the witness knows.
        size: u64,
    },
    /// The proof does not lead from the head known to the one shown.
    Unproven,
    /// The enclave signed two heads that contradict each other; they are kept as evidence.
    Fork {
        /// How many events the witness knows.
        size: u64,
    },
    /// The head could not be kept. Nothing was cosigned.
    NotKept,
}

impl Witness {
    /// Opens the witness in `folder`.
    ///
    /// # Errors
    /// [`WitnessError`] when the folder holds none, is in use or damaged, or the passphrase does not open the key.
    pub fn open(folder: &Path, passphrase: &[u8]) -> Result<Self, WitnessError> {
        let folder = Folder::open(folder)?;
        let key = folder.key(passphrase)?;
        let head = folder.head()?;
        Ok(Self { key, state: Mutex::new(State { folder, head }) })
    }

    /// Cosigns the head of `request`, if the log goes on from what is known. By then it is on disk as what is known.
    ///
    /// # Errors
    /// The [`Refusal`]; nothing is signed then.
    pub fn add_head(&self, request: &AddHead, now: Timestamp) -> Result<Cosignature, Refusal> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { folder, head: known } = &mut *state;
        let setup = folder.setup();
        let log_id = setup.log_id.as_deref().or(known.as_ref().map(|head| head.head.log_id.as_str()));
        match judge(&Known { enclave: &setup.enclave, log_id, head: known.as_ref() }, request) {
            Judged::GoesOn => {}
            Judged::Refused(refusal) => return Err(refusal),
            Judged::Fork(kind, shown) => {
                let Some(known) = known.clone() else { return Err(Refusal::OtherLog) };
                let size = known.head.size;
                tracing::error!(
                    ?kind,
                    known = size,
                    shown = shown.head.size,
                    "the enclave signed two heads that contradict each other: its log was rolled back or forked"
                );
                if let Err(error) = folder.keep_fork(&Fork { kind, known, shown: *shown, seen_at: now }) {
                    tracing::error!(%error, "the evidence could not be kept");
                }
                return Err(Refusal::Fork { size });
            }
        }
        if known.as_ref().is_none_or(|known| known.head.size < request.head.head.size) {
            if let Err(error) = folder.keep_head(&request.head) {
                tracing::error!(%error, "a head could not be kept and is not cosigned");
                // It may be on disk or not; what is there is what is known.
                if let Ok(kept) = folder.head() {
                    *known = kept;
                }
                return Err(Refusal::NotKept);
            }
            *known = Some(request.head.clone());
        }
        self.cosign(&setup.name.clone(), &request.head, now).ok_or(Refusal::NotKept)
    }

    /// What the witness knows, with a fresh cosignature of it.
    #[must_use]
    pub fn view(&self, now: Timestamp) -> WitnessView {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let setup = state.folder.setup();
        WitnessView {
            witness: setup.name.clone(),
            key_sm3: self.key.verifying_key().fingerprint(),
            enclave_sm3: setup.enclave.fingerprint(),
            cosignature: state.head.as_ref().and_then(|head| self.cosign(&setup.name, head, now)),
            head: state.head.clone(),
            forks: state.folder.forks().map_or(0, |forks| forks.len()),
        }
    }

    fn cosign(&self, name: &glovebox_catalog::WitnessId, head: &SignedTreeHead, now: Timestamp) -> Option<Cosignature> {
        let cosignature = Cosignature::sign(&head.head, name.clone(), now, &self.key);
        cosignature.inspect_err(|error| tracing::error!(%error, "a head could not be cosigned")).ok()
    }
}

impl Refusal {
    /// The refusal as it is answered.
    #[must_use]
    pub fn answer(self) -> WitnessRefusal {
        let (code, detail) = match self {
            Self::Malformed => {
                ("witness.malformed", "expected a head, the older one that the witness knows, and a proof")
            }
            Self::Signature => ("witness.signature", "a head is not signed by the enclave that this witness watches"),
            Self::OtherLog => ("witness.other-log", "the heads are of another log than this witness watches"),
            Self::OldSize { .. } => {
                ("witness.old-size", "ask again with the head and a proof from the size known here")
            }
            Self::Unproven => ("witness.unproven", "the proof does not lead from the head known here to the one shown"),
            Self::Fork { .. } => {
                ("witness.fork", "the enclave signed two heads that contradict each other; both are kept")
            }
            Self::NotKept => ("witness.not-kept", "the head could not be kept, so it is not cosigned; try again later"),
        };
        let size = match self {
            Self::OldSize { size } | Self::Fork { size } => Some(size),
            _ => None,
        };
        WitnessRefusal { code: code.to_owned(), detail: detail.to_owned(), size }
    }
}

#[cfg(test)]
mod tests;
