//! The two cipher suites.

use rustls::SupportedCipherSuite;
use rustls::Tls13CipherSuite;
use rustls::crypto::CipherSuiteCommon;
use rustls::crypto::tls13::HkdfUsingHmac;

use super::hash::{HmacSm3, Sm3};
use super::record::{Ccm, Gcm};
use super::{TLS_SM4_CCM_SM3, TLS_SM4_GCM_SM3};

/// How many records one GCM key protects before rustls renews it. SM4 has the block length of AES, so the bound of
/// RFC 8446, section 5.5 holds: 2^24.5 full records leave a chance of 2⁻⁵⁷ to tell them from random.
const GCM_RECORDS_MAX: u64 = 1 << 24;

/// The same for CCM, which calls the cipher twice for each block: with 2^11 calls a record, 2^23 records come to the
/// 2^34 calls of 2^24 GCM records.
const CCM_RECORDS_MAX: u64 = 1 << 23;

/// `TLS_SM4_GCM_SM3`.
pub(super) static SM4_GCM_SM3: SupportedCipherSuite = SupportedCipherSuite::Tls13(&Tls13CipherSuite {
    common: CipherSuiteCommon { suite: TLS_SM4_GCM_SM3, hash_provider: &Sm3, confidentiality_limit: GCM_RECORDS_MAX },
    hkdf_provider: &HkdfUsingHmac(&HmacSm3),
    aead_alg: &Gcm,
    quic: None,
});

/// `TLS_SM4_CCM_SM3`.
pub(super) static SM4_CCM_SM3: SupportedCipherSuite = SupportedCipherSuite::Tls13(&Tls13CipherSuite {
    common: CipherSuiteCommon { suite: TLS_SM4_CCM_SM3, hash_provider: &Sm3, confidentiality_limit: CCM_RECORDS_MAX },
    hkdf_provider: &HkdfUsingHmac(&HmacSm3),
    aead_alg: &Ccm,
    quic: None,
});
