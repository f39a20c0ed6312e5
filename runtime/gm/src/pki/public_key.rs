//! The key that a certificate speaks for: checked to be one, and what it signed.

use const_oid::ObjectIdentifier;
use p256::ecdsa;
use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::DecodePublicKey as _;
use x509_cert::Certificate;
use x509_cert::der::Encode as _;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::Algorithm;
use crate::{GmError, Signature, VerifyingKey};

/// First byte of an uncompressed point (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// A public key of either algorithm.
pub(super) enum PublicKey {
    Sm2(VerifyingKey),
    P256(ecdsa::VerifyingKey),
}

impl PublicKey {
    /// Takes up the key of a certificate.
    pub(super) fn of(key: &SubjectPublicKeyInfoOwned) -> Result<Self, GmError> {
        let curve = key.algorithm.parameters.as_ref().and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
        let algorithm = Algorithm::of_key(key.algorithm.oid, curve)
            .ok_or(fault("expected a key on the curve of SM2 or on P-256"))?;
        if key.subject_public_key.raw_bytes().first() != Some(&UNCOMPRESSED) {
            return Err(fault("expected its key as an uncompressed point"));
        }
        let der = key.to_der()?;
        let key = match algorithm {
            Algorithm::Sm2 => VerifyingKey::from_der(&der).map(Self::Sm2).ok(),
            Algorithm::P256 => ecdsa::VerifyingKey::from_public_key_der(&der).map(Self::P256).ok(),
        };
        key.ok_or(fault("its key is no point of the curve that it names"))
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sm2(_) => Algorithm::Sm2,
            Self::P256(_) => Algorithm::P256,
        }
    }

    /// Checks that the certificate is signed with this key; by SM2 under the default distinguishing identifier.
    pub(super) fn check(&self, certificate: &Certificate) -> Result<(), GmError> {
        let algorithm = certificate.signature_algorithm();
        if algorithm != certificate.tbs_certificate().signature() || algorithm.oid != self.algorithm().signature_oid() {
            return Err(fault("its signature is of another algorithm than the key of its authority"));
        }
        let message = certificate.tbs_certificate().to_der()?;
        let holds = match (self, certificate.signature().as_bytes()) {
            (Self::Sm2(key), Some(der)) => sm2::dsa::Signature::from_der(der)
                .is_ok_and(|it| key.verify(&message, &Signature::from_bytes(it.to_bytes().into())).is_ok()),
            (Self::P256(key), Some(der)) => {
                ecdsa::DerSignature::try_from(der).is_ok_and(|signature| key.verify(&message, &signature).is_ok())
            }
            (_, None) => false,
        };
        if !holds {
            return Err(fault(
                "its signature does not verify: it was changed, or signed by SM2 under another identifier than the default",
            ));
        }
        Ok(())
    }
}

fn fault(what: &'static str) -> GmError {
    GmError::Certificate { what }
}
