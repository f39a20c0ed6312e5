//! One witness is asked for one cosignature: from what it knows to the head, in at most three messages.

use std::sync::Weak;

use glovebox_audit::{AddHead, Cosignature, KnownWitness, SignedTreeHead};
use glovebox_witness::{CallError, Client};

use crate::{Engine, EngineError, Inner};

/// How often a witness is asked in a row. The first time it may answer what it knows; another head of ours may come between.
const MESSAGES_MAX: usize = 3;

/// Why there is no cosignature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The enclave is shutting down.
    Stopped,
    /// The witness has seen more of this log than the enclave holds.
    Ahead { size: u64 },
    /// The witness holds that this log was forked.
    Forked { size: u64 },
    /// Anything else, in words.
    Other(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stopped => f.write_str("the enclave stops"),
            Self::Ahead { size } => {
                write!(
                    f,
                    "it has cosigned {size} events of this log and the enclave holds fewer: its state was put back"
                )
            }
            Self::Forked { size } => {
                write!(
                    f,
                    "it has cosigned {size} events of another history: the enclave's state was put back or copied"
                )
            }
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// Asks `witness` for a cosignature of `head`. `known` is the size that it is taken to know.
pub(super) async fn ask(
    enclave: Weak<Inner>,
    client: Client,
    witness: KnownWitness,
    head: SignedTreeHead,
    known: u64,
) -> Result<Cosignature, Trouble> {
    let mut known = known.min(head.head.size);
    for _ in 0..MESSAGES_MAX {
        let request = request(&enclave, known, &head).await?;
        let refusal = match client.add_head(&request).await {
            Ok(cosignature) => {
                let is_own =
                    cosignature.witness == witness.name && cosignature.verify(&head.head, &witness.key).is_ok();
                let other = || Trouble::Other("what it answers is not signed by the key on file".to_owned());
                return if is_own { Ok(cosignature) } else { Err(other()) };
            }
            Err(CallError::Refused(refusal)) => refusal,
            Err(error) => return Err(Trouble::Other(error.to_string())),
        };
        match (refusal.code.as_str(), refusal.size) {
            ("witness.old-size", Some(size)) if size > head.head.size => return Err(Trouble::Ahead { size }),
            ("witness.old-size", Some(size)) => known = size,
            ("witness.fork", size) => return Err(Trouble::Forked { size: size.unwrap_or_default() }),
            _ => return Err(Trouble::Other(CallError::Refused(refusal).to_string())),
        }
    }
    Err(Trouble::Other("it does not settle on what it knows".to_owned()))
}

/// The message from `known` events to `head`.
async fn request(enclave: &Weak<Inner>, known: u64, head: &SignedTreeHead) -> Result<AddHead, Trouble> {
    let (enclave, head) = (enclave.clone(), head.clone());
    let made = tokio::task::spawn_blocking(move || {
        let engine = Engine { inner: enclave.upgrade().ok_or(Trouble::Stopped)? };
        engine.add_head(known, head).map_err(|error| Trouble::Other(error.to_string()))
    });
    made.await.unwrap_or(Err(Trouble::Stopped))
}

impl Engine {
    /// The message, with our own signed head of what the witness knows: were this log forked, it would be a second one of that
    /// size, and prove it.
    fn add_head(&self, known: u64, head: SignedTreeHead) -> Result<AddHead, EngineError> {
        if known == 0 {
            return Ok(AddHead { old: None, head, hashes: Vec::new() });
        }
        let old = self.store().signed_head_at(known, |head| self.sign_head(head))?;
        let size = head.head.size;
        let hashes = if known == size { Vec::new() } else { self.store().consistency_proof(known, size)?.hashes };
        Ok(AddHead { old: Some(old), head, hashes })
    }
}
