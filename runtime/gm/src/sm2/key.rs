//! Keys that sign and check.

use ::sm2::elliptic_curve::sec1::ToSec1Point;
use ::sm2::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use ::sm2::{PublicKey, Scalar, SecretKey};
use zeroize::Zeroizing;

use super::nonce::Nonces;
use super::{POINT_LENGTH_BYTES, SM2_DEFAULT_ID, Signature, dsa, random_scalar, read_point};
use crate::{Digest, GmError, sm3};

/// How many nonces are tried for a signature. Each fails with a chance of about 2⁻²⁵⁵.
const NONCES_MAX: usize = 4;

/// An SM2 private key. Wiped when dropped; `Debug` shows the fingerprint of its public key alone.
pub struct SigningKey {
    secret: SecretKey,
    /// (1 + d)⁻¹, which gives d away and is wiped with it.
    inverse: Zeroizing<Scalar>,
    verifying: VerifyingKey,
}

impl SigningKey {
    /// A fresh key pair.
    ///
    /// # Errors
    /// [`GmError::Randomness`] when the operating system gives none.
    pub fn generate() -> Result<Self, GmError> {
        Self::new(random_scalar()?)
    }

    /// Reads PKCS #8 in PEM.
    ///
    /// # Errors
    /// [`GmError::PrivateKey`] when the text is not an unencrypted SM2 key in that form.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, GmError> {
        Self::new(SecretKey::from_pkcs8_pem(pem).map_err(|_| GmError::PrivateKey)?)
    }

    /// Reads PKCS #8 in DER.
    ///
    /// # Errors
    /// [`GmError::PrivateKey`] when the bytes are not an SM2 key in that form.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, GmError> {
        Self::new(SecretKey::from_pkcs8_der(der).map_err(|_| GmError::PrivateKey)?)
    }

    /// The key as PKCS #8 in DER, unencrypted: whoever stores it protects it.
    ///
    /// # Errors
    /// [`GmError::PrivateKey`] when encoding fails.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, GmError> {
        Ok(self.secret.to_pkcs8_der().map_err(|_| GmError::PrivateKey)?.to_bytes())
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

    /// Signs `message` with the default identifier. Deterministic (RFC 6979 over SM3): no bad randomness can give the
    /// key away.
    ///
    /// # Errors
    /// [`GmError::Signing`] with a chance of about 2⁻²⁵⁶.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, GmError> {
        self.sign_as(SM2_DEFAULT_ID, message)
    }

    /// Signs `message` under the distinguishing identifier `id`, as [`SigningKey::sign`] otherwise. A signature under
    /// one identifier does not verify under another, which keeps the uses of a key apart.
    ///
    /// # Errors
    /// [`GmError::Signing`] with a chance of about 2⁻²⁵⁶, or for an identifier of 8 KiB and more.
    pub fn sign_as(&self, id: &str, message: &[u8]) -> Result<Signature, GmError> {
        let digest = dsa::message_digest(id, &self.verifying.point, message).ok_or(GmError::Signing)?;
        let secret = Zeroizing::new(*self.secret.to_nonzero_scalar());
        let mut nonces = Nonces::new(&self.secret, &digest);
        (0..NONCES_MAX)
            .find_map(|_| dsa::sign(&digest, &secret, &self.inverse, &nonces.next()))
            .map(Signature::from_bytes)
            .ok_or(GmError::Signing)
    }

    pub(super) fn new(secret: SecretKey) -> Result<Self, GmError> {
        // d = n − 1 is a scalar but no SM2 key: 1 + d has no inverse (GB/T 32918.1-2016, section 6.1).
        let inverse = dsa::inverse_of_successor(&Zeroizing::new(*secret.to_nonzero_scalar()));
        let inverse = Zeroizing::new(inverse.ok_or(GmError::PrivateKey)?);
        let verifying = VerifyingKey::new(secret.public_key())?;
        Ok(Self { secret, inverse, verifying })
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
    key: PublicKey,
    /// `04 ‖ x ‖ y`.
    point: [u8; POINT_LENGTH_BYTES],
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

    /// Reads a point as TLS and certificates write it: `04 ‖ x ‖ y`, 65 bytes.
    ///
    /// # Errors
    /// [`GmError::PublicKey`] for another form or length, a point off the curve, or the one at infinity.
    pub fn from_point(point: &[u8]) -> Result<Self, GmError> {
        Self::new(read_point(point)?)
    }

    /// The key as SubjectPublicKeyInfo in PEM.
    ///
    /// # Errors
    /// [`GmError::PublicKey`] when encoding fails.
    pub fn to_pem(&self) -> Result<String, GmError> {
        self.key.to_public_key_pem(LineEnding::LF).map_err(|_| GmError::PublicKey)
    }

    /// The key as a point, `04 ‖ x ‖ y`.
    #[must_use]
    pub fn point(&self) -> &[u8; POINT_LENGTH_BYTES] {
        &self.point
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

    /// Checks that the private half signed `message` with the default identifier.
    ///
    /// # Errors
    /// [`GmError::Signature`] when it did not.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), GmError> {
        self.verify_as(SM2_DEFAULT_ID, message, signature)
    }

    /// Checks that the private half signed `message` under the distinguishing identifier `id`.
    ///
    /// # Errors
    /// [`GmError::Signature`] when it did not.
    pub fn verify_as(&self, id: &str, message: &[u8], signature: &Signature) -> Result<(), GmError> {
        let digest = dsa::message_digest(id, &self.point, message).ok_or(GmError::Signature)?;
        dsa::verify(&digest, &self.key, signature.as_bytes()).then_some(()).ok_or(GmError::Signature)
    }

    fn new(key: PublicKey) -> Result<Self, GmError> {
        let der = key.to_public_key_der().map_err(|_| GmError::PublicKey)?.as_bytes().to_vec();
        let point = key.to_sec1_point(false).as_bytes().try_into().map_err(|_| GmError::PublicKey)?;
        Ok(Self { key, point, der })
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
