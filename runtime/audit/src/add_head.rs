//! What an enclave asks of a witness, and what comes back: the messages of docs/witnesses.md.

use glovebox_catalog::WitnessId;
use glovebox_gm::Digest;
use serde::{Deserialize, Serialize};

use crate::{ConsistencyProof, Cosignature, SignedTreeHead, TreeHead, VerifyError};

/// Asks a witness to go on from what it knows to a newer head, and to cosign it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddHead {
    /// The head that the enclave takes the witness to know, signed; none when it takes it to know nothing. Of a forked log
    /// it is what gives the fork away: a second signed head of one size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<SignedTreeHead>,
    /// The newer head.
    pub head: SignedTreeHead,
    /// Hashes of the consistency proof from the one to the other; none without an older head or for one of the same size.
    #[serde(default)]
    pub hashes: Vec<Digest>,
}

impl AddHead {
    /// How many events the witness is taken to know.
    #[must_use]
    pub fn old_size(&self) -> u64 {
        self.old.as_ref().map_or(0, |old| old.head.size)
    }

    /// Checks that the newer head goes on from `known`. Signatures are checked apart.
    ///
    /// # Errors
    /// As [`ConsistencyProof::verify`].
    pub fn verify_goes_on_from(&self, known: &TreeHead) -> Result<(), VerifyError> {
        let proof =
            ConsistencyProof { old_size: known.size, new_size: self.head.head.size, hashes: self.hashes.clone() };
        proof.verify(known, &self.head.head)
    }
}

/// What a witness says of itself and of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessView {
    /// Its name.
    pub witness: WitnessId,
    /// Fingerprint of its key.
    pub key_sm3: Digest,
    /// Fingerprint of the key of the enclave that it watches.
    pub enclave_sm3: Digest,
    /// The newest head that it cosigned; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<SignedTreeHead>,
    /// Its cosignature of that head, made anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosignature: Option<Cosignature>,
    /// How many forks it holds evidence of.
    pub forks: usize,
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessRefusal {
    /// A code that stays, `witness.<what>`.
    pub code: String,
    /// The same in words.
    pub detail: String,
    /// How many events the witness knows, where that is why: ask again with a proof from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}
