//! What a handshake agrees on.

use super::zone::*;
use crate::{Suites, negotiated};

#[test]
fn both_kinds_prove_both_sides() {
    for (suites, agreed) in
        [(Suites::Gm, "TLS_SM4_GCM_SM3, curveSM2"), (Suites::Standard, "TLS_AES_256_GCM_SHA384, X25519")]
    {
        let mut pair = Zone::new(suites).pair();
        assert_eq!(negotiated(&pair.client), None, "nothing is agreed before the handshake");
        pair.shake().unwrap();
        assert_eq!(negotiated(&pair.client).as_deref(), Some(agreed));
        assert_eq!(negotiated(&pair.server).as_deref(), Some(agreed));
    }
}
