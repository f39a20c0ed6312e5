//! SM2 signatures with SM3 (GB/T 32918.2-2016), the default distinguishing identifier of GB/T 35276-2017.

use ::sm2::dsa;
use ::sm2::dsa::signature::{Signer, Verifier};

use ::sm2::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use ::sm2::{PublicKey, SecretKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Digest, GmError, hex, sm3};

/// The identifier that enters every signature when parties agreed on no other (GB/T 35276-2017, section 10).
const DEFAULT_ID: &str = "1234567812345678";

/// How often a random number may fall outside the group before the generator is taken for broken. Once has a chance
/// of 2⁻³².
const KEY_ATTEMPTS_MAX: usize = 8;

/// An SM2 private key. Wiped when dropped; `Debug` shows the fingerprint of its public key alone.
pub struct SigningKey {
    secret: SecretKey,
    verifying: VerifyingKey,
}

impl SigningKey {
    /// A fresh key pair.
    ///
    /// # Errors
    /// [`GmError::Randomness`] when the operating system gives none.
    pub fn generate() -> Result<Self, GmError> {
        for _ in 0..KEY_ATTEMPTS_MAX {
            let mut bytes = Zeroizing::new([0; 32]);
            getrandom::fill(bytes.as_mut_slice()).map_err(|_| GmError::Randomness)?;
            if let Ok(secret) = SecretKey::from_slice(bytes.as_slice()) {
                return Self::new(secret);
            }
        }
        Err(GmError::Randomness)
    }

    /// Reads PKCS #8 in PEM.
    ///
    /// # Errors
    /// [`GmError::PrivateKey`] when the text is not an unencrypted SM2 key in that form.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, GmError> {
        Self::new(SecretKey::from_pkcs8_pem(pem).map_err(|_| GmError::PrivateKey)?)
    }

    /// The key as PKCS #8 in PEM, unencrypted: whoever stores it protects it.
    ///
    /// # Errors
    /// [`GmError::PrivateKey`] when encoding fails.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, GmError> {
        self.secret.to_pkcs8_pem(LineEnding::LF).map_err(|_| GmError::PrivateKey)
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// Signs `message`. Deterministic (RFC 6979 over SM3): no bad randomness can give the key away.
    ///
    /// # Errors
    /// [`GmError::Signing`] with a chance of about 2⁻²⁵⁶.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, GmError> {
        // The library's signing key does not wipe itself, so it lives for one signature only.
        let signer = dsa::SigningKey::new(DEFAULT_ID, &self.secret).map_err(|_| GmError::Signing)?;
        let signature: dsa::Signature = signer.try_sign(message).map_err(|_| GmError::Signing)?;
        Ok(Signature(signature.to_bytes().into()))
    }

    fn new(secret: SecretKey) -> Result<Self, GmError> {
        // d = n − 1 is a scalar but no SM2 key: 1 + d would have no inverse (GB/T 32918.1-2016, section 6.1).
        let verifying = VerifyingKey::new(secret.public_key())?;
        let key = Self { secret, verifying };
        key.sign(b"").map_err(|_| GmError::PrivateKey)?;
        Ok(key)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey(secret of {})", self.verifying.fingerprint())
    }
}

/// An SM2 public key.
#[derive(Clone)]
pub struct VerifyingKey {
    key: dsa::VerifyingKey,
    /// SubjectPublicKeyInfo, DER, as this crate encodes it.
    der: Vec<u8>,
}

impl VerifyingKey {
    /// Reads a SubjectPublicKeyInfo in PEM.
    ///
    /// # Errors
    /// [`GmError::PublicKey`] when the text is not an SM2 key in that form.
    pub fn from_pem(pem: &str) -> Result<Self, GmError> {
        Self::new(PublicKey::from_public_key_pem(pem).map_err(|_| GmError::PublicKey)?)
    }

    /// Reads a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`GmError::PublicKey`] when the bytes are not an SM2 key in that form.
    pub fn from_der(der: &[u8]) -> Result<Self, GmError> {
        Self::new(PublicKey::from_public_key_der(der).map_err(|_| GmError::PublicKey)?)
    }

    /// The key as SubjectPublicKeyInfo in PEM.
    ///
    /// # Errors
    /// [`GmError::PublicKey`] when encoding fails.
    pub fn to_pem(&self) -> Result<String, GmError> {
        self.key.to_public_key_pem(LineEnding::LF).map_err(|_| GmError::PublicKey)
    }

    /// The key as SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn to_der(&self) -> &[u8] {
        &self.der
    }

    /// SM3 of the SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        sm3(&self.der)
    }

    /// Checks that the private half signed `message`.
    ///
    /// # Errors
    /// [`GmError::Signature`] when it did not.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), GmError> {
        let signature = dsa::Signature::from_slice(&signature.0).map_err(|_| GmError::Signature)?;
        self.key.verify(message, &signature).map_err(|_| GmError::Signature)
    }

    fn new(key: PublicKey) -> Result<Self, GmError> {
        let der = key.to_public_key_der().map_err(|_| GmError::PublicKey)?.as_bytes().to_vec();
        let key = dsa::VerifyingKey::new(DEFAULT_ID, key).map_err(|_| GmError::PublicKey)?;
        Ok(Self { key, der })
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for VerifyingKey {}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerifyingKey({})", self.fingerprint())
    }
}

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
