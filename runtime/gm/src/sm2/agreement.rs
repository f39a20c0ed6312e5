//! Ephemeral key agreement on the SM2 curve, as `curveSM2` of RFC 8998 uses it in TLS 1.3 (plain ECDH, not the
//! authenticated exchange of GB/T 32918.3).

use ::sm2::SecretKey;
use elliptic_curve::ecdh;
use elliptic_curve::sec1::ToSec1Point;
use zeroize::Zeroizing;

use super::{POINT_LENGTH_BYTES, random_scalar, read_point};
use crate::GmError;

/// A key for one agreement. Used once, since [`AgreementKey::agree`] takes it; wiped when dropped.
pub struct AgreementKey {
    secret: SecretKey,
    point: [u8; POINT_LENGTH_BYTES],
}

impl AgreementKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`GmError::Randomness`] when the operating system gives none.
    pub fn generate() -> Result<Self, GmError> {
        Self::of(random_scalar()?)
    }

    /// The public half as it goes over the wire: `04 ‖ x ‖ y`.
    #[must_use]
    pub fn point(&self) -> &[u8; POINT_LENGTH_BYTES] {
        &self.point
    }

    /// The secret shared with whoever holds the private half of `peer`: the x coordinate, 32 bytes (RFC 8446,
    /// section 7.4.2). It goes into a key derivation and is no key itself.
    ///
    /// # Errors
    /// [`GmError::PublicKey`] when `peer` is not `04 ‖ x ‖ y` of a point on the curve. The curve's cofactor is 1, so
    /// every such point is of full order.
    pub fn agree(self, peer: &[u8]) -> Result<Zeroizing<[u8; 32]>, GmError> {
        let peer = read_point(peer)?;
        let scalar = Zeroizing::new(self.secret.to_nonzero_scalar());
        let shared = ecdh::diffie_hellman::<::sm2::Sm2>(&*scalar, peer.as_affine());
        Ok(Zeroizing::new((*shared.raw_secret_bytes()).into()))
    }

    pub(super) fn of(secret: SecretKey) -> Result<Self, GmError> {
        let point = secret.public_key().to_sec1_point(false);
        let point = point.as_bytes().try_into().map_err(|_| GmError::PublicKey)?;
        Ok(Self { secret, point })
    }
}

impl std::fmt::Debug for AgreementKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AgreementKey(secret)")
    }
}
