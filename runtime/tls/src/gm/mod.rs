//! RFC 8998 as a provider of rustls: two suites, one group, one signature.

use rustls::crypto::CryptoProvider;
use rustls::{CipherSuite, NamedGroup, SignatureScheme};
use x509_cert::der::oid::ObjectIdentifier;

/// RFC 8998, section 2: `TLS_SM4_GCM_SM3` and `TLS_SM4_CCM_SM3`.
pub(crate) const CIPHER_SUITES: [CipherSuite; 2] = [CipherSuite::Unknown(0x00c6), CipherSuite::Unknown(0x00c7)];
/// RFC 8998, section 2: `curveSM2`.
pub(crate) const CURVE_SM2: NamedGroup = NamedGroup::Unknown(41);
/// RFC 8998, section 2: `sm2sig_sm3`.
pub(crate) const SM2SIG_SM3: SignatureScheme = SignatureScheme::Unknown(0x0708);
/// GB/T 33560-2017: the curve of SM2 keys in certificates.
pub(crate) const CURVE_SM2_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301");

/// The name of a suite that rustls does not know.
pub(crate) fn suite_name(suite: CipherSuite) -> Option<&'static str> {
    match u16::from(suite) {
        0x00c6 => Some("TLS_SM4_GCM_SM3"),
        0x00c7 => Some("TLS_SM4_CCM_SM3"),
        _ => None,
    }
}

pub(crate) fn provider() -> CryptoProvider {
    let ring = rustls::crypto::ring::default_provider();
    CryptoProvider { cipher_suites: Vec::new(), kx_groups: Vec::new(), ..ring }
}
