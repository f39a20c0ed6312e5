//! Tree heads: what the log was at one moment, in one digest, signed.

use glovebox_catalog::Timestamp;
use glovebox_gm::{Digest, Signature, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::{AuditError, Cosignature, VerifyError, canonical_json};

/// Goes before what is signed, so that no signature of one kind passes for one of another.
const CONTEXT: &[u8] = b"glovebox/tree-head/v1\n";

/// The log at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TreeHead {
    /// Which log.
    pub log_id: String,
    /// How many events.
    pub size: u64,
    /// Root of the Merkle tree over them (RFC 9162, section 2.1.1, with SM3).
    pub root: Digest,
    /// When the head was made.
    pub at: Timestamp,
}

impl TreeHead {
    /// Signs this head.
    ///
    /// # Errors
    /// [`AuditError::Signing`] when the signature can't be made.
    pub fn sign(self, key: &SigningKey) -> Result<SignedTreeHead, AuditError> {
        let signature = key.sign(&self.signed_bytes()?)?;
        Ok(SignedTreeHead { head: self, signature })
    }

    fn signed_bytes(&self) -> Result<Vec<u8>, AuditError> {
        Ok([CONTEXT, &canonical_json(self)?].concat())
    }
}

/// A tree head with the enclave's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedTreeHead {
    /// The head.
    pub head: TreeHead,
    /// SM2 signature over `glovebox/tree-head/v1`, a line feed and the head's canonical JSON.
    pub signature: Signature,
}

impl SignedTreeHead {
    /// Checks the signature.
    ///
    /// # Errors
    /// [`VerifyError::Signature`] when it is not of `key` over this head.
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), VerifyError> {
        let fault = VerifyError::Signature { what: "tree head" };
        let bytes = self.head.signed_bytes().map_err(|_| fault.clone())?;
        key.verify(&bytes, &self.signature).map_err(|_| fault)
    }

    /// The last line of an export, with its line feed: the head, and what witnesses said of it.
    ///
    /// # Errors
    /// [`AuditError::Json`] when the head can't be written.
    pub fn export_line(&self, cosignatures: &[Cosignature]) -> Result<Vec<u8>, AuditError> {
        let mut line = canonical_json(&LastLine { head: self, cosignatures })?;
        line.push(b'\n');
        Ok(line)
    }
}

#[derive(Serialize)]
struct LastLine<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    cosignatures: &'a [Cosignature],
    head: &'a SignedTreeHead,
}

#[cfg(test)]
mod tests {
    use glovebox_gm::sm3;

    use super::*;
    use crate::samples::{at, head, key, log, public, signed_head};

    #[test]
    fn a_signed_head_verifies_with_its_key_only() {
        let signed = signed_head(&log(3));
        assert_eq!(signed.verify(&public()), Ok(()));
        let other = SigningKey::generate().unwrap();
        assert_eq!(signed.verify(other.verifying_key()), Err(VerifyError::Signature { what: "tree head" }));
    }

    #[test]
    fn every_part_of_a_head_is_signed() {
        let signed = signed_head(&log(3));
        let changes: [fn(&mut TreeHead); 4] = [
            |head| head.log_id = "log-2".into(),
            |head| head.size += 1,
            |head| head.root = sm3(b"forged"),
            |head| head.at = at(1001),
        ];
        for change in changes {
            let mut forged = signed.clone();
            change(&mut forged.head);
            assert_eq!(forged.verify(&public()), Err(VerifyError::Signature { what: "tree head" }));
        }
    }

    /// Without the context line a head and another document with the same JSON would share signatures.
    #[test]
    fn a_signature_over_the_bare_json_does_not_pass() {
        let head = head(&log(3));
        let signature = key().sign(&canonical_json(&head).unwrap()).unwrap();
        assert!(SignedTreeHead { head, signature }.verify(&public()).is_err());
    }

    #[test]
    fn the_signed_bytes_are_as_documented() {
        let head = TreeHead { log_id: "log-1".into(), size: 0, root: sm3(b""), at: Timestamp::from_unix_ms(0) };
        assert_eq!(
            String::from_utf8(head.signed_bytes().unwrap()).unwrap(),
            "glovebox/tree-head/v1\n{\"at\":\"1970-01-01T00:00:00.000Z\",\"log_id\":\"log-1\",\"root\":\
             \"1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b\",\"size\":0}"
        );
    }
}
