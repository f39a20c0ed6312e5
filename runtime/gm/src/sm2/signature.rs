//! A signature as a value.

use ::sm2::dsa;
use serde::{Deserialize, Serialize};

use crate::{GmError, hex};

/// An SM2 signature: r ‖ s, 64 bytes. JSON and display: 128 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[0-9a-f]{128}$")]
pub struct Signature([u8; 64]);

impl Signature {
    /// A signature from its 64 bytes. Whether it is one is told by [`VerifyingKey::verify`].
    #[must_use]
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// Reads `SEQUENCE { r INTEGER, s INTEGER }` in DER (GM/T 0009-2012), as certificates and TLS carry it.
    ///
    /// # Errors
    /// [`GmError::Signature`] for anything else: another encoding of the same numbers, numbers outside the group,
    /// bytes after the end.
    pub fn from_der(der: &[u8]) -> Result<Self, GmError> {
        let signature = dsa::Signature::from_der(der).map_err(|_| GmError::Signature)?;
        Ok(Self(signature.to_bytes().into()))
    }

    /// The signature as `SEQUENCE { r INTEGER, s INTEGER }` in DER.
    ///
    /// # Errors
    /// [`GmError::Signature`] when the bytes are no numbers of the group.
    pub fn to_der(&self) -> Result<Vec<u8>, GmError> {
        let signature = dsa::Signature::from_slice(&self.0).map_err(|_| GmError::Signature)?;
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

impl std::fmt::Display for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Signature {
    type Err = GmError;
    fn from_str(text: &str) -> Result<Self, GmError> {
        hex::decode(text).map(Self)
    }
}

impl TryFrom<String> for Signature {
    type Error = GmError;
    fn try_from(text: String) -> Result<Self, GmError> {
        text.parse()
    }
}

impl From<Signature> for String {
    fn from(signature: Signature) -> Self {
        signature.to_string()
    }
}
