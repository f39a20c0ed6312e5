//! Cosignatures: a witness says that it saw a head of the log, and that the log goes on from all that it saw before.
//!
//! The meaning is that of the cosignatures of transparency logs (C2SP tlog-cosignature), in SM2 and SM3: the witness signs
//! which log, how many events, which root, and when it saw them. It says nothing of the events.

use glovebox_catalog::{Timestamp, WitnessId};
use glovebox_gm::{Digest, Signature, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::{AuditError, TreeHead, VerifyError, canonical_json};

/// Goes before what is signed, so that no signature of one kind passes for one of another.
const CONTEXT: &[u8] = b"glovebox/cosignature/v1\n";

/// What a witness says of a head of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cosignature {
    /// Name of the witness.
    pub witness: WitnessId,
    /// Fingerprint of its key.
    pub key_sm3: Digest,
    /// When it saw the head, by its own clock.
    pub at: Timestamp,
    /// SM2 signature over `glovebox/cosignature/v1`, a line feed, and log, size, root, witness and time in canonical JSON.
    pub signature: Signature,
}

/// What is signed. The time at which the enclave made its head is left out: for one size there is one root, and that is
/// what witnesses vouch for.
#[derive(Serialize)]
struct Seen<'a> {
    log_id: &'a str,
    size: u64,
    root: Digest,
    witness: &'a WitnessId,
    at: Timestamp,
}

impl Cosignature {
    /// Cosigns `head` in the name of `witness`. Whether that may be done is for the witness to decide first.
    ///
    /// # Errors
    /// [`AuditError::Signing`] when the signature can't be made.
    pub fn sign(head: &TreeHead, witness: WitnessId, at: Timestamp, key: &SigningKey) -> Result<Self, AuditError> {
        let signature = key.sign(&signed_bytes(head, &witness, at)?)?;
        Ok(Self { witness, key_sm3: key.verifying_key().fingerprint(), at, signature })
    }

    /// Checks that it is of `key` over `head`.
    ///
    /// # Errors
    /// [`VerifyError::Cosignature`] when it is not.
    pub fn verify(&self, head: &TreeHead, key: &VerifyingKey) -> Result<(), VerifyError> {
        let fault = || VerifyError::Cosignature { witness: self.witness.clone() };
        if self.key_sm3 != key.fingerprint() {
            return Err(fault());
        }
        let bytes = signed_bytes(head, &self.witness, self.at).map_err(|_| fault())?;
        key.verify(&bytes, &self.signature).map_err(|_| fault())
    }
}

fn signed_bytes(head: &TreeHead, witness: &WitnessId, at: Timestamp) -> Result<Vec<u8>, AuditError> {
    let TreeHead { log_id, size, root, at: _ } = head;
    Ok([CONTEXT, &canonical_json(&Seen { log_id, size: *size, root: *root, witness, at })?].concat())
}

#[cfg(test)]
mod tests {
    use glovebox_gm::sm3;

    use super::*;
    use crate::samples::{at, cosignature, head, key, log, public, witness_key};

    #[test]
    fn every_part_is_signed_but_the_time_of_the_head() {
        let (head, key) = (head(&log(3)), witness_key(0).verifying_key().clone());
        let cosigned = cosignature(0, &head);
        assert_eq!(cosigned.verify(&head, &key), Ok(()));
        assert_eq!(cosigned.verify(&TreeHead { at: at(9), ..head.clone() }, &key), Ok(()));
        let fault = Err(VerifyError::Cosignature { witness: cosigned.witness.clone() });
        for other in [
            TreeHead { log_id: "log-2".into(), ..head.clone() },
            TreeHead { size: 4, ..head.clone() },
            TreeHead { root: sm3(b"forged"), ..head.clone() },
        ] {
            assert_eq!(cosigned.verify(&other, &key), fault);
        }
        assert_eq!(Cosignature { at: at(1), ..cosigned.clone() }.verify(&head, &key), fault);
        let renamed = Cosignature { witness: WitnessId::new("another").unwrap(), ..cosigned.clone() };
        assert!(renamed.verify(&head, &key).is_err());
        let other = Cosignature { key_sm3: public().fingerprint(), ..cosigned };
        assert_eq!(other.verify(&head, &key), fault);
        assert_eq!(other.verify(&head, &public()), fault);
    }

    /// The enclave's signature under its own head must not pass for that of a witness with the same key, nor the reverse.
    #[test]
    fn a_signature_of_one_kind_is_none_of_the_other() {
        let signed = crate::samples::signed_head(&log(3));
        let cosigned = Cosignature::sign(&signed.head, WitnessId::new("w").unwrap(), at(2), key()).unwrap();
        assert_eq!(cosigned.verify(&signed.head, &public()), Ok(()));
        let swapped = Cosignature { signature: signed.signature, ..cosigned.clone() };
        assert!(swapped.verify(&signed.head, &public()).is_err());
        let swapped = crate::SignedTreeHead { signature: cosigned.signature, ..signed };
        assert!(swapped.verify(&public()).is_err());
    }

    #[test]
    fn the_signed_bytes_are_as_documented() {
        let head = TreeHead { log_id: "log-1".into(), size: 7, root: sm3(b""), at: at(1) };
        let witness = WitnessId::new("hospital-a").unwrap();
        let bytes = signed_bytes(&head, &witness, Timestamp::from_unix_ms(0)).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "glovebox/cosignature/v1\n{\"at\":\"1970-01-01T00:00:00.000Z\",\"log_id\":\"log-1\",\"root\":\
             \"1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b\",\"size\":7,\"witness\":\"hospital-a\"}"
        );
    }
}
