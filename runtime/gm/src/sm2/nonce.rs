//! Nonces of signatures, derived from key and message (RFC 6979 with HMAC-SM3): no bad randomness gives the key away,
//! and the same message has the same signature.

use ::sm2::{FieldBytes, Scalar, SecretKey};
use elliptic_curve::PrimeField;
use zeroize::Zeroizing;

use crate::kdf::hmac;

/// The generator of RFC 6979, section 3.2, for one key and message. Letters are the RFC's.
pub(super) struct Nonces {
    k: Zeroizing<[u8; 32]>,
    v: Zeroizing<[u8; 32]>,
}

impl Nonces {
    /// Steps b to g.
    pub(super) fn new(secret: &SecretKey, digest: &Scalar) -> Self {
        let x = Zeroizing::new(secret.to_bytes());
        let h = digest.to_repr();
        let mut nonces = Self { k: Zeroizing::new([0; 32]), v: Zeroizing::new([1; 32]) };
        nonces.stir(&[&[0], &x, &h]);
        nonces.stir(&[&[1], &x, &h]);
        nonces
    }

    /// Step h: the next number in 1 to n − 1.
    pub(super) fn next(&mut self) -> Zeroizing<Scalar> {
        loop {
            self.v = hmac(self.k.as_slice(), &[self.v.as_slice()]);
            let nonce = Scalar::from_repr(FieldBytes::from(*self.v)).into_option().map(Zeroizing::new);
            // Also before the next one is asked for, which the RFC does too.
            self.stir(&[&[0]]);
            if let Some(nonce) = nonce.filter(|nonce| !bool::from(nonce.is_zero())) {
                return nonce;
            }
        }
    }

    /// K = HMAC(K, V ‖ parts), V = HMAC(K, V).
    fn stir(&mut self, parts: &[&[u8]]) {
        let mut all: Vec<&[u8]> = Vec::with_capacity(parts.len() + 1);
        all.push(self.v.as_slice());
        all.extend(parts);
        self.k = hmac(self.k.as_slice(), &all);
        self.v = hmac(self.k.as_slice(), &[self.v.as_slice()]);
    }
}
