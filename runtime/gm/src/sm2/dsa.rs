//! The two algorithms of GB/T 32918.2-2016 over the arithmetic of the `sm2` crate. Letters are the standard's.

use ::sm2::{FieldBytes, NonZeroScalar, ProjectivePoint, PublicKey, Scalar};
use elliptic_curve::Group;
use elliptic_curve::PrimeField;
use elliptic_curve::ops::{MulByGeneratorVartime, Reduce};
use elliptic_curve::point::AffineCoordinates;

use super::POINT_LENGTH_BYTES;
use crate::Sm3Hasher;

/// a ‖ b ‖ x_G ‖ y_G of the curve (GB/T 32918.5-2017), which enter every signature.
pub(super) const PARAMETERS: [u128; 8] = [
    0xFFFF_FFFE_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF,
    0xFFFF_FFFF_0000_0000_FFFF_FFFF_FFFF_FFFC,
    0x28E9_FA9E_9D9F_5E34_4D5A_9E4B_CF65_09A7,
    0xF397_89F5_15AB_8F92_DDBC_BD41_4D94_0E93,
    0x32C4_AE2C_1F19_8119_5F99_0446_6A39_C994,
    0x8FE3_0BBF_F266_0BE1_715A_4589_334C_74C7,
    0xBC37_36A2_F4F6_779C_59BD_CEE3_6B69_2153,
    0xD0A9_877C_C62A_4740_02DF_32E5_2139_F0A0,
];

/// e = H(Z ‖ M) as a number mod n, where Z = H(bits of the identifier ‖ identifier ‖ curve ‖ public key), section 5.5.
/// None for an identifier whose length in bits does not fit two bytes.
pub(super) fn message_digest(id: &str, point: &[u8; POINT_LENGTH_BYTES], message: &[u8]) -> Option<Scalar> {
    let id_bits = id.len().checked_mul(8).and_then(|bits| u16::try_from(bits).ok())?;
    let mut identity = Sm3Hasher::new();
    identity.update(&id_bits.to_be_bytes());
    identity.update(id.as_bytes());
    PARAMETERS.iter().for_each(|half| identity.update(&half.to_be_bytes()));
    let (_, coordinates) = point.split_first()?;
    identity.update(coordinates);
    let mut whole = Sm3Hasher::new();
    whole.update(identity.finish().as_bytes());
    whole.update(message);
    Some(reduced(&(*whole.finish().as_bytes()).into()))
}

/// (1 + d)⁻¹, which the private key d = n − 1 does not have.
pub(super) fn inverse_of_successor(d: &Scalar) -> Option<Scalar> {
    (d + &Scalar::ONE).invert().into_option()
}

/// r ‖ s, section 6.1, with the nonce k; none when another nonce is needed. In constant time but for that.
pub(super) fn sign(e: &Scalar, d: &Scalar, inverse: &Scalar, k: &Scalar) -> Option<[u8; 64]> {
    let x = ProjectivePoint::mul_by_generator(k).to_affine().x();
    let r = *e + reduced(&x);
    let s = *inverse * (*k - r * d);
    if bool::from(r.is_zero() | (r + k).is_zero() | s.is_zero()) {
        return None;
    }
    let mut signature = [0; 64];
    let (first, second) = signature.split_at_mut(32);
    first.copy_from_slice(&r.to_repr());
    second.copy_from_slice(&s.to_repr());
    Some(signature)
}

/// Whether r ‖ s is a signature, section 7.1. Everything here is public, so the time may tell of it.
pub(super) fn verify(e: &Scalar, public: &PublicKey, signature: &[u8; 64]) -> bool {
    let (first, second) = signature.split_at(32);
    let (Ok(r), Ok(s)) = (NonZeroScalar::try_from(first), NonZeroScalar::try_from(second)) else {
        return false;
    };
    let t = *r + *s;
    if bool::from(t.is_zero()) {
        return false;
    }
    let point = ProjectivePoint::mul_by_generator_and_mul_add_vartime(&s, &t, &public.to_projective());
    // [s]G + [t]P at infinity has no x; the library's affine form would give it one of zero.
    !bool::from(point.is_identity()) && *r == *e + reduced(&point.to_affine().x())
}

/// Bytes as a number mod n.
fn reduced(bytes: &FieldBytes) -> Scalar {
    <Scalar as Reduce<FieldBytes>>::reduce(bytes)
}

#[cfg(test)]
mod tests {
    use elliptic_curve::ops::LinearCombination;
    use proptest::prelude::*;

    use super::*;
    use crate::hex::vector;

    fn scalar(hexadecimal: &str) -> Scalar {
        Scalar::from_repr(FieldBytes::try_from(vector(hexadecimal).as_slice()).unwrap()).unwrap()
    }

    /// GB/T 32918.5-2017, appendix A.2: signature and check with every value between.
    #[test]
    fn standard_vector_with_its_nonce() {
        let d = scalar("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8");
        let k = scalar("59276E27D506861A16680F3AD9C02DCCEF3CC1FA3CDBE4CE6D54B80DEAC1BC21");
        let public = PublicKey::from_secret_scalar(&NonZeroScalar::new(d).unwrap());
        let point: [u8; 65] = (*public.to_sec1_bytes()).try_into().unwrap();
        let e = message_digest("1234567812345678", &point, b"message digest").unwrap();
        assert_eq!(e, scalar("F0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640"));
        let inverse = inverse_of_successor(&d).unwrap();
        let signature = sign(&e, &d, &inverse, &k).unwrap();
        let expected = vector(
            "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3
             B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA",
        );
        assert_eq!(signature.as_slice(), expected);
        assert!(verify(&e, &public, &signature));
        assert!(!verify(&(e + Scalar::ONE), &public, &signature));
    }

    #[test]
    fn a_nonce_that_would_give_the_key_away_is_passed_over() {
        let (d, k) = (Scalar::from(3_u64), Scalar::from(11_u64));
        let inverse = inverse_of_successor(&d).unwrap();
        let x = reduced(&ProjectivePoint::mul_by_generator(&k).to_affine().x());
        assert!(sign(&-x, &d, &inverse, &k).is_none(), "r = 0");
        assert!(sign(&(-x - k), &d, &inverse, &k).is_none(), "r + k = 0");
        let r = k * d.invert().unwrap();
        assert!(sign(&(r - x), &d, &inverse, &k).is_none(), "s = 0");
        assert!(sign(&Scalar::ONE, &d, &inverse, &k).is_some());
        assert!(inverse_of_successor(&-Scalar::ONE).is_none(), "d = n - 1");
    }

    /// Signatures made up so that the last check alone would take them: t = 0, and the sum at infinity.
    #[test]
    fn made_up_signatures_at_the_edges_are_refused() {
        let d = Scalar::from(7_u64);
        let public = PublicKey::from_secret_scalar(&NonZeroScalar::new(d).unwrap());
        let joined = |r: Scalar, s: Scalar| -> [u8; 64] { [r.to_repr(), s.to_repr()].concat().try_into().unwrap() };
        let e_for = |r: Scalar, x: Scalar| r - x;
        // t = r + s = 0 leaves [s]G alone, which needs no private key.
        let s = Scalar::from(5_u64);
        let x = reduced(&ProjectivePoint::mul_by_generator(&s).to_affine().x());
        assert!(!verify(&e_for(-s, x), &public, &joined(-s, s)));
        // s + t·d = 0: the point at infinity, whose x would be taken for zero.
        let t = Scalar::from(9_u64);
        let s = -(t * d);
        assert!(!verify(&(t - s), &public, &joined(t - s, s)));
        for (r, s) in [(Scalar::ZERO, Scalar::ONE), (Scalar::ONE, Scalar::ZERO), (Scalar::ZERO, Scalar::ZERO)] {
            assert!(!verify(&Scalar::ONE, &public, &joined(r, s)));
        }
        let order = vector("FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123");
        let over: [u8; 64] = [order.as_slice(), &[1; 32]].concat().try_into().unwrap();
        assert!(!verify(&Scalar::ONE, &public, &over), "a number above the group's order");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// The fast sum is the sum, for scalars at the edges as well.
        #[test]
        fn the_fast_sum_is_the_sum(a: [u8; 32], b: [u8; 32], p: [u8; 32], edge_a in 0_usize..6, edge_b in 0_usize..6) {
            let pick = |bytes: [u8; 32], edge: usize| match edge {
                0 => Scalar::ONE,
                1 => -Scalar::ONE,
                2 => Scalar::from(1_u64 << 63),
                _ => reduced(&bytes.into()),
            };
            let (a, b) = (pick(a, edge_a), pick(b, edge_b));
            let point = ProjectivePoint::mul_by_generator(&reduced(&p.into()));
            let fast = ProjectivePoint::mul_by_generator_and_mul_add_vartime(&a, &b, &point);
            prop_assert_eq!(fast, ProjectivePoint::lincomb(&[(ProjectivePoint::GENERATOR, a), (point, b)]));
        }
    }
}
