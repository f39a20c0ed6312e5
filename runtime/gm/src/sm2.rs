//! SM2 signatures with SM3 (GB/T 32918.2-2016), the default distinguishing identifier of GB/T 35276-2017.

use ::sm2::dsa;
use ::sm2::dsa::signature::{Signer, Verifier};

use ::sm2::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use ::sm2::{PublicKey, SecretKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Digest, GmError, hex, sm3};

/// The distinguishing identifier that enters every signature when parties agreed on no other (GB/T 35276-2017,
/// section 10): what certificates and receipts are signed with.
pub const SM2_DEFAULT_ID: &str = "1234567812345678";

/// Length of an uncompressed point, in bytes.
pub const POINT_LENGTH_BYTES: usize = 65;

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
        // The library's signing key does not wipe itself, so it lives for one signature only.
        let signer = dsa::SigningKey::new(id, &self.secret).map_err(|_| GmError::Signing)?;
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

    /// Checks that the private half signed `message` under the distinguishing identifier `id`.
    ///
    /// # Errors
    /// [`GmError::Signature`] when it did not.
    pub fn verify_as(&self, id: &str, message: &[u8], signature: &Signature) -> Result<(), GmError> {
        let signature = dsa::Signature::from_slice(&signature.0).map_err(|_| GmError::Signature)?;
        let key = dsa::VerifyingKey::new(id, PublicKey::from(&self.key)).map_err(|_| GmError::Signature)?;
        key.verify(message, &signature).map_err(|_| GmError::Signature)
    }

    fn new(key: PublicKey) -> Result<Self, GmError> {
        let der = key.to_public_key_der().map_err(|_| GmError::PublicKey)?.as_bytes().to_vec();
        let key = dsa::VerifyingKey::new(SM2_DEFAULT_ID, key).map_err(|_| GmError::PublicKey)?;
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

/// A random number in 1 to n − 1, uniform, from the operating system's generator.
pub(crate) fn random_scalar() -> Result<SecretKey, GmError> {
    for _ in 0..KEY_ATTEMPTS_MAX {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|_| GmError::Randomness)?;
        if let Ok(secret) = SecretKey::from_slice(bytes.as_slice()) {
            return Ok(secret);
        }
    }
    Err(GmError::Randomness)
}

/// Reads an uncompressed point of the curve that is not the one at infinity.
pub(crate) fn read_point(point: &[u8]) -> Result<PublicKey, GmError> {
    // The library reads compressed and hybrid forms and a lone zero byte too; TLS 1.3 knows the one form.
    if point.len() != POINT_LENGTH_BYTES || point.first() != Some(&0x04) {
        return Err(GmError::PublicKey);
    }
    PublicKey::from_sec1_bytes(point).map_err(|_| GmError::PublicKey)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::vector;

    /// GB/T 32918.5-2017, appendix A.2.
    const PRIVATE: &str = "3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8";
    const PUBLIC: &str = "04 09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020
        CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13";
    const SIGNATURE: &str = "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3
        B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA";

    fn standard_key() -> SigningKey {
        SigningKey::new(SecretKey::from_slice(&vector(PRIVATE)).unwrap()).unwrap()
    }

    #[test]
    fn standard_vector_verifies() {
        let key = standard_key();
        assert_eq!(key.verifying_key().key.to_sec1_bytes().as_ref(), vector(PUBLIC));
        let signature = Signature::from_bytes(vector(SIGNATURE).try_into().unwrap());
        assert_eq!(key.verifying_key().verify(b"message digest", &signature), Ok(()));
        assert_eq!(key.verifying_key().verify(b"message digesT", &signature), Err(GmError::Signature));
    }

    #[test]
    fn signatures_are_deterministic_and_differ_by_message() {
        let key = standard_key();
        let signature = key.sign(b"message digest").unwrap();
        assert_eq!(key.verifying_key().verify(b"message digest", &signature), Ok(()));
        assert_eq!(key.sign(b"message digest").unwrap(), signature);
        let other = key.sign(b"another message").unwrap();
        assert_ne!(other.as_bytes()[..32], signature.as_bytes()[..32], "a repeated r would give the key away");
    }

    #[test]
    fn any_changed_bit_is_found() {
        let key = SigningKey::generate().unwrap();
        let signature = key.sign(b"message").unwrap();
        for bit in 0..512 {
            let mut changed = signature.0;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.verifying_key().verify(b"message", &Signature(changed)), Err(GmError::Signature));
        }
        let other = SigningKey::generate().unwrap();
        assert_eq!(other.verifying_key().verify(b"message", &signature), Err(GmError::Signature));
        for extreme in [[0; 64], [0xff; 64]] {
            assert_eq!(key.verifying_key().verify(b"message", &Signature(extreme)), Err(GmError::Signature));
        }
    }

    #[test]
    fn keys_round_trip_as_pem() {
        let key = SigningKey::generate().unwrap();
        let pem = key.to_pkcs8_pem().unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let read = SigningKey::from_pkcs8_pem(&pem).unwrap();
        assert_eq!(read.sign(b"m").unwrap(), key.sign(b"m").unwrap());
        let public = VerifyingKey::from_pem(&key.verifying_key().to_pem().unwrap()).unwrap();
        assert_eq!(&public, key.verifying_key());
        assert_eq!(VerifyingKey::from_der(public.to_der()).unwrap().fingerprint(), public.fingerprint());
    }

    #[test]
    fn foreign_and_broken_keys_are_refused() {
        let p256 = p256::SecretKey::from_slice(&[7; 32]).unwrap();
        let (private, public) = (p256.to_pkcs8_pem(LineEnding::LF), p256.public_key().to_public_key_pem(LineEnding::LF));
        assert_eq!(SigningKey::from_pkcs8_pem(&private.unwrap()).err(), Some(GmError::PrivateKey));
        assert_eq!(VerifyingKey::from_pem(&public.unwrap()).err(), Some(GmError::PublicKey));
        let pem = standard_key().to_pkcs8_pem().unwrap();
        assert!(SigningKey::from_pkcs8_pem(&pem[..pem.len() / 2]).is_err());
        let mut off_curve = standard_key().verifying_key().to_der().to_vec();
        *off_curve.last_mut().unwrap() ^= 1;
        assert_eq!(VerifyingKey::from_der(&off_curve).err(), Some(GmError::PublicKey));
    }

    /// GB/T 32918.1-2016, section 6.1: a private key is in 1 to n − 2.
    #[test]
    fn the_largest_scalar_is_no_key() {
        let largest = "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54122";
        let secret = SecretKey::from_slice(&vector(largest)).unwrap();
        assert_eq!(SigningKey::new(secret).err(), Some(GmError::PrivateKey));
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", standard_key()).to_uppercase();
        assert!(shown.starts_with("SIGNINGKEY(SECRET OF "));
        assert!(!shown.contains(&PRIVATE[..8]));
    }

    #[test]
    fn signatures_are_hexadecimal_in_json() {
        let signature = Signature::from_bytes(vector(SIGNATURE).try_into().unwrap());
        let json = serde_json::to_string(&signature).unwrap();
        assert_eq!(json.len(), 130);
        assert!(json.starts_with("\"f5a03b06"));
        assert_eq!(serde_json::from_str::<Signature>(&json).unwrap(), signature);
    }
}
