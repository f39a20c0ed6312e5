//! Checks SM2 signatures: of certificates and of handshakes, which differ in the identifier that is signed along.

use glovebox_gm::{SM2_DEFAULT_ID, Signature, VerifyingKey};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

use super::SM2SIG_SM3;
use super::verified::Verified;

/// RFC 8998, section 3.2.1: the identifier of the signature in CertificateVerify.
pub(super) const HANDSHAKE_ID: &str = "TLSv1.3+GM+Cipher+Suite";

/// `id-ecPublicKey` and the SM2 curve, 1.2.840.10045.2.1 and 1.2.156.10197.1.301, in DER.
const PUBLIC_KEY: AlgorithmIdentifier = AlgorithmIdentifier::from_slice(&[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d,
]);

/// `SM2-with-SM3`, 1.2.156.10197.1.501, in DER; without parameters (RFC 8998 by GM/T 0006).
const SIGNATURE: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&[0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x75]);

/// Certificates and revocation lists are signed under the default identifier, handshakes under one of TLS, so that no
/// signature passes for one of the other kind.
pub(super) const ALGORITHMS: WebPkiSupportedAlgorithms =
    WebPkiSupportedAlgorithms { all: &[&OfCertificates], mapping: &[(SM2SIG_SM3, &[&OfHandshakes])] };

static VERIFIED: Verified = Verified::new();

/// Signatures of certificates and revocation lists.
#[derive(Debug)]
struct OfCertificates;

/// Signatures in CertificateVerify, no two of which are the same.
#[derive(Debug)]
struct OfHandshakes;

impl SignatureVerificationAlgorithm for OfCertificates {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        VERIFIED.or_check(public_key, message, signature, || check(SM2_DEFAULT_ID, public_key, message, signature))
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        PUBLIC_KEY
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        SIGNATURE
    }
}

impl SignatureVerificationAlgorithm for OfHandshakes {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        check(HANDSHAKE_ID, public_key, message, signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        PUBLIC_KEY
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        SIGNATURE
    }
}

fn check(id: &str, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
    let verified = |signature| VerifyingKey::from_point(public_key)?.verify_as(id, message, &signature);
    Signature::from_der(signature).and_then(verified).map_err(|_| InvalidSignature)
}
