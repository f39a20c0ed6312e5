//! RFC 8998 as a provider of rustls: two suites, one group, one signature, and nothing beside them.
//!
//! rustls carries values that it does not know by their numbers, so no part of it is changed.

mod group;
mod hash;
mod key;
mod record;
mod signature;
mod suite;
mod verified;

use rustls::crypto::CryptoProvider;
use rustls::{CipherSuite, NamedGroup, SignatureScheme};
use x509_cert::der::oid::ObjectIdentifier;

pub(crate) use key::signing_key;

/// RFC 8998, section 2.
pub(crate) const TLS_SM4_GCM_SM3: CipherSuite = CipherSuite::Unknown(0x00c6);
/// RFC 8998, section 2.
pub(crate) const TLS_SM4_CCM_SM3: CipherSuite = CipherSuite::Unknown(0x00c7);
/// RFC 8998, section 2: `curveSM2`.
pub(crate) const CURVE_SM2: NamedGroup = NamedGroup::Unknown(41);
/// RFC 8998, section 2: `sm2sig_sm3`.
pub(crate) const SM2SIG_SM3: SignatureScheme = SignatureScheme::Unknown(0x0708);
/// GB/T 33560-2017: the curve of SM2 keys in certificates.
pub(crate) const CURVE_SM2_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301");
/// GB/T 33560-2017: signatures in certificates and lists.
pub(crate) const SM2_WITH_SM3_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");

/// The name of a suite of this module, since rustls has none.
pub(crate) fn suite_name(suite: CipherSuite) -> Option<&'static str> {
    match suite {
        TLS_SM4_GCM_SM3 => Some("TLS_SM4_GCM_SM3"),
        TLS_SM4_CCM_SM3 => Some("TLS_SM4_CCM_SM3"),
        _ => None,
    }
}

/// The provider. The randomness of hellos and session ids is the operating system's.
pub(crate) fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![suite::SM4_GCM_SM3, suite::SM4_CCM_SM3],
        kx_groups: vec![&group::CurveSm2],
        signature_verification_algorithms: signature::ALGORITHMS,
        secure_random: rustls::crypto::ring::default_provider().secure_random,
        key_provider: &key::Sm2Keys,
    }
}
