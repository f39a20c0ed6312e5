//! Checks SM2 signatures: of certificates and of handshakes, which differ in the identifier that is signed along.

use glovebox_gm::{GmError, SM2_DEFAULT_ID, Signature, VerifyingKey};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

use super::SM2SIG_SM3;

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
pub(super) const ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[&Sm2 { id: SM2_DEFAULT_ID }],
    mapping: &[(SM2SIG_SM3, &[&Sm2 { id: HANDSHAKE_ID }])],
};

/// SM2 with SM3 under one identifier.
#[derive(Debug)]
struct Sm2 {
    id: &'static str,
}

impl Sm2 {
    fn check(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), GmError> {
        let signature = Signature::from_der(signature)?;
        VerifyingKey::from_point(public_key)?.verify_as(self.id, message, &signature)
    }
}

impl SignatureVerificationAlgorithm for Sm2 {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        self.check(public_key, message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        PUBLIC_KEY
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        SIGNATURE
    }
}
