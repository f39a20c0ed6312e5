//! With which algorithm a certificate is signed.

use const_oid::ObjectIdentifier;
use p256::pkcs8::PrivateKeyInfoRef;
use x509_cert::spki::AlgorithmIdentifierRef;

use super::identity::parse;
use super::public_key::PublicKey;
use crate::GmError;

/// id-ecPublicKey (RFC 5480, section 2.1.1): both algorithms; the curve tells them apart.
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// The curve of SM2 (GB/T 33560-2017, appendix A).
const CURVE_SM2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301");
/// secp256r1 (RFC 5480, section 2.1.1.1).
const CURVE_P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// SM2 signature with SM3 (GB/T 33560-2017, appendix A).
const SM2_WITH_SM3: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");
/// ecdsa-with-SHA256 (RFC 5758, section 3.2).
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

/// What an authority signs with, and of which kind the keys are that it certifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// SM2 with SM3 under the default distinguishing identifier (GB/T 32918, GB/T 35276, RFC 8998).
    Sm2,
    /// ECDSA over P-256 with SHA-256, for standard TLS 1.3.
    P256,
}

impl Algorithm {
    /// Both, SM2 first.
    pub const ALL: [Self; 2] = [Self::Sm2, Self::P256];

    /// `sm2` or `p256`, as commands and configurations name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sm2 => "sm2",
            Self::P256 => "p256",
        }
    }

    /// Of which algorithm the key in a certificate is, given in DER.
    ///
    /// # Errors
    /// [`GmError::Certificate`] when the bytes are no certificate, or its key is no point of either curve.
    pub fn of_certificate(der: &[u8]) -> Result<Self, GmError> {
        Ok(PublicKey::of(parse(der)?.tbs_certificate().subject_public_key_info())?.algorithm())
    }

    /// The same of a private key, PKCS #8 in DER.
    pub(super) fn of_private_key(der: &[u8]) -> Result<Self, GmError> {
        let fault = |what| GmError::KeyFile { what };
        let key = PrivateKeyInfoRef::try_from(der).map_err(|_| fault("expected a private key as PKCS #8"))?;
        let AlgorithmIdentifierRef { oid, parameters } = key.algorithm;
        let curve = parameters.and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
        Self::of_key(oid, curve).ok_or(fault("expected a key on the curve of SM2 or on P-256"))
    }

    /// How its signatures are named in certificates and lists.
    pub(super) fn signature_oid(self) -> ObjectIdentifier {
        match self {
            Self::Sm2 => SM2_WITH_SM3,
            Self::P256 => ECDSA_WITH_SHA256,
        }
    }

    pub(super) fn of_key(oid: ObjectIdentifier, curve: Option<ObjectIdentifier>) -> Option<Self> {
        match curve? {
            CURVE_SM2 if oid == EC_PUBLIC_KEY => Some(Self::Sm2),
            CURVE_P256 if oid == EC_PUBLIC_KEY => Some(Self::P256),
            _ => None,
        }
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
