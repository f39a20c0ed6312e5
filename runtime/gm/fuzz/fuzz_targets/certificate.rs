//! Certificates of strangers: read into an identity and an algorithm, or refused, never a panic; what is read twice is
//! the same, and an authority takes up nothing that is not its own.
#![no_main]

use std::sync::LazyLock;

use glovebox_gm::pki::{Algorithm, Authority, Identity};
use libfuzzer_sys::fuzz_target;

/// 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;

static AUTHORITIES: LazyLock<[Authority; 2]> = LazyLock::new(|| {
    [Algorithm::Sm2, Algorithm::P256].map(|algorithm| Authority::create(algorithm, "Zone", START_MS, 30).unwrap())
});

fuzz_target!(|bytes: &[u8]| {
    let identity = Identity::from_der(bytes);
    let _ = Algorithm::of_certificate(bytes);
    if let Ok(identity) = identity {
        assert_eq!(Identity::from_der(bytes).as_ref(), Ok(&identity));
        assert!(!identity.common_name.is_empty() || !identity.organisation.is_empty());
        assert!(Identity::from_der(&[bytes, &[0]].concat()).is_err(), "bytes after the certificate");
    }
    let Ok(pem) = std::str::from_utf8(bytes) else { return };
    for authority in AUTHORITIES.iter() {
        if let Ok(taken) = Authority::from_pem(pem, authority.key_pem().expose()) {
            assert_eq!(taken.cert_pem(), authority.cert_pem());
        }
        let _ = Authority::from_pem(authority.cert_pem(), pem);
    }
});
