//! Private keys of either algorithm, and how they sign what the certificate library builds.

use p256::ecdsa;
use p256::ecdsa::signature::{Error as SignatureError, Keypair, Signer as Signs};
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey};
use x509_cert::der::asn1::BitString;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{self, Document};
use x509_cert::spki::{self, AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, SignatureBitStringEncoding};
use zeroize::Zeroizing;

use super::{Algorithm, SecretPem};
use crate::{Digest, GmError, SigningKey, sm3};

/// How often random bytes may fall outside the group before the generator is taken for broken (a chance of 2⁻³² each).
const KEY_ATTEMPTS_MAX: usize = 8;

/// A private key for certificates: SM2 or P-256. Wiped when dropped; `Debug` shows its public half alone.
pub struct PrivateKey(Kind);

enum Kind {
    Sm2(Box<SigningKey>),
    P256(Box<ecdsa::SigningKey>),
}

impl PrivateKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`GmError::Randomness`] when the operating system gives none.
    pub fn generate(algorithm: Algorithm) -> Result<Self, GmError> {
        if algorithm == Algorithm::Sm2 {
            return SigningKey::generate().map(Box::new).map(Kind::Sm2).map(Self);
        }
        for _ in 0..KEY_ATTEMPTS_MAX {
            let mut bytes = Zeroizing::new([0; 32]);
            getrandom::fill(bytes.as_mut_slice()).map_err(|_| GmError::Randomness)?;
            if let Ok(key) = ecdsa::SigningKey::from_slice(bytes.as_slice()) {
                return Ok(Self(Kind::P256(Box::new(key))));
            }
        }
        Err(GmError::Randomness)
    }

    /// Reads PKCS #8 in DER; the curve that it names tells the algorithm.
    ///
    /// # Errors
    /// [`GmError::KeyFile`] when the bytes are no SM2 or P-256 key in that form.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, GmError> {
        let key = match Algorithm::of_private_key(der)? {
            Algorithm::Sm2 => SigningKey::from_pkcs8_der(der).map(Box::new).map(Kind::Sm2).ok(),
            Algorithm::P256 => ecdsa::SigningKey::from_pkcs8_der(der).map(Box::new).map(Kind::P256).ok(),
        };
        key.map(Self).ok_or(GmError::KeyFile { what: "the key does not hold together: scalar, curve or public half" })
    }

    /// Of which algorithm it is.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match &self.0 {
            Kind::Sm2(_) => Algorithm::Sm2,
            Kind::P256(_) => Algorithm::P256,
        }
    }

    /// PKCS #8 in DER, unencrypted: whoever stores it protects it.
    ///
    /// # Errors
    /// [`GmError::PrivateKey`] when encoding fails.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, GmError> {
        match &self.0 {
            Kind::Sm2(key) => key.to_pkcs8_der(),
            Kind::P256(key) => Ok(key.to_pkcs8_der().map_err(|_| GmError::PrivateKey)?.to_bytes()),
        }
    }

    /// PKCS #8 in PEM, unencrypted.
    ///
    /// # Errors
    /// [`GmError::PrivateKey`] when encoding fails.
    pub fn to_pem(&self) -> Result<SecretPem, GmError> {
        match &self.0 {
            Kind::Sm2(key) => key.to_pkcs8_pem().map(SecretPem::new),
            Kind::P256(key) => key.to_pkcs8_pem(LineEnding::LF).map(SecretPem::new).map_err(|_| GmError::PrivateKey),
        }
    }

    /// The public half as SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`GmError::PublicKey`] when encoding fails.
    pub fn public_key_der(&self) -> Result<Vec<u8>, GmError> {
        match &self.0 {
            Kind::Sm2(key) => Ok(key.verifying_key().to_der().to_vec()),
            Kind::P256(key) => {
                let der = ecdsa::SigningKey::verifying_key(key).to_public_key_der();
                Ok(der.map_err(|_| GmError::PublicKey)?.into_vec())
            }
        }
    }

    /// The public half as SubjectPublicKeyInfo in PEM.
    ///
    /// # Errors
    /// [`GmError::PublicKey`] when encoding fails.
    pub fn public_key_pem(&self) -> Result<String, GmError> {
        match &self.0 {
            Kind::Sm2(key) => key.verifying_key().to_pem(),
            Kind::P256(key) => {
                let pem = ecdsa::SigningKey::verifying_key(key).to_public_key_pem(LineEnding::LF);
                pem.map_err(|_| GmError::PublicKey)
            }
        }
    }

    /// SM3 of the public half as SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`GmError::PublicKey`] when encoding fails.
    pub fn fingerprint(&self) -> Result<Digest, GmError> {
        Ok(sm3(&self.public_key_der()?))
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        match &self.0 {
            Kind::Sm2(key) => {
                let signature = key.sign(message).map_err(|_| SignatureError::new())?;
                // RFC 8998, section 3.2.1: in certificates r and s stand as the SEQUENCE that ECDSA has too.
                Ok(sm2::dsa::Signature::from_slice(signature.as_bytes())?.to_der().as_bytes().to_vec())
            }
            Kind::P256(key) => {
                let signature: ecdsa::DerSignature = Signs::try_sign(&**key, message)?;
                Ok(signature.as_bytes().to_vec())
            }
        }
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.fingerprint() {
            Ok(fingerprint) => write!(f, "PrivateKey(secret of {} {fingerprint})", self.algorithm()),
            Err(_) => f.write_str("PrivateKey(secret)"),
        }
    }
}

/// The key as the builder of certificates wants to see it.
pub(super) struct Signer<'a>(pub(super) &'a PrivateKey);

/// Its public half, SubjectPublicKeyInfo in DER.
#[derive(Clone)]
pub(super) struct Public(Vec<u8>);

/// A signature, ASN.1 SEQUENCE of r and s in DER.
pub(super) struct DerSignature(Vec<u8>);

impl Keypair for Signer<'_> {
    type VerifyingKey = Public;
    fn verifying_key(&self) -> Public {
        // An empty document is refused by the builder.
        Public(self.0.public_key_der().unwrap_or_default())
    }
}

impl EncodePublicKey for Public {
    fn to_public_key_der(&self) -> spki::Result<Document> {
        Ok(Document::try_from(self.0.as_slice())?)
    }
}

impl DynSignatureAlgorithmIdentifier for Signer<'_> {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        Ok(AlgorithmIdentifierOwned { oid: self.0.algorithm().signature_oid(), parameters: None })
    }
}

impl Signs<DerSignature> for Signer<'_> {
    fn try_sign(&self, message: &[u8]) -> Result<DerSignature, SignatureError> {
        self.0.sign(message).map(DerSignature)
    }
}

impl SignatureBitStringEncoding for DerSignature {
    fn to_bitstring(&self) -> der::Result<BitString> {
        BitString::from_bytes(&self.0)
    }
}
