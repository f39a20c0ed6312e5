//! The example of GB/T 32918.5-2017, appendix B: the authenticated key exchange. Its protocol is not used here; its
//! points are those of four key pairs, and its key is right only if points add and multiply as in the standard.

use ::sm2::{ProjectivePoint, Scalar, SecretKey};
use elliptic_curve::PrimeField;
use elliptic_curve::sec1::ToSec1Point;

use super::dsa::PARAMETERS;
use super::{AgreementKey, SM2_DEFAULT_ID, read_point};
use crate::hex::vector;
use crate::sm3;

/// Private key and point.
struct Pair(&'static str, &'static str);

const LONG_TERM_A: Pair = Pair(
    "81EB26E941BB5AF16DF116495F90695272AE2CD63D6C4AE1678418BE48230029",
    "04 160E12897DF4EDB61DD812FEB96748FBD3CCF4FFE26AA6F6DB9540AF49C94232
        4A7DAD08BB9A459531694BEB20AA489D6649975E1BFCF8C4741B78B4B223007F",
);
const LONG_TERM_B: Pair = Pair(
    "785129917D45A9EA5437A59356B82338EAADDA6CEB199088F14AE10DEFA229B5",
    "04 6AE848C57C53C7B1B5FA99EB2286AF078BA64C64591B8B566F7357D576F16DFB
        EE489D771621A27B36C5C7992062E9CD09A9264386F3FBEA54DFF69305621C4D",
);
const OF_THIS_RUN_A: Pair = Pair(
    "D4DE15474DB74D06491C440D305E012400990F3E390C7E87153C12DB2EA60BB3",
    "04 64CED1BDBC99D590049B434D0FD73428CF608A5DB8FE5CE07F15026940BAE40E
        376629C7AB21E7DB260922499DDB118F07CE8EAAE3E7720AFEF6A5CC062070C0",
);
const OF_THIS_RUN_B: Pair = Pair(
    "7E07124814B309489125EAED101113164EBF0F3458C5BD88335C1F9D596243D6",
    "04 ACC27688A6F7B706098BC91FF3AD1BFF7DC2802CDB14CCCCDB0A90471F9BD707
        2FEDAC0494B2FFC4D6853876C79B8F301C6573AD0AA50F39FC87181E1A1B46FE",
);
const SHARED_KEY: &str = "6C89347354DE2484C60B4AB1FDE4C6E5";

impl Pair {
    fn scalar(&self) -> Scalar {
        *SecretKey::from_slice(&vector(self.0)).unwrap().to_nonzero_scalar()
    }

    fn point(&self) -> ProjectivePoint {
        read_point(&vector(self.1)).unwrap().to_projective()
    }

    /// 2¹²⁷ + (x mod 2¹²⁷), section 6.1 of part 3.
    fn short_x(&self) -> Scalar {
        let x = u128::from_be_bytes(vector(self.1)[17..33].try_into().unwrap());
        Scalar::from_u128(x | 1 << 127)
    }

    /// Z, section 5.5 of part 3.
    fn identity(&self) -> [u8; 32] {
        let curve: Vec<u8> = PARAMETERS.iter().flat_map(|half| half.to_be_bytes()).collect();
        let id = SM2_DEFAULT_ID.as_bytes();
        *sm3(&[&[0, 128], id, &curve, &vector(self.1)[1..]].concat()).as_bytes()
    }
}

/// K of whoever has these two private keys and the other's points: V = \[t\](P + \[x̄\]R), K = KDF(V ‖ Z_A ‖ Z_B).
fn shared_key(own: (&Pair, &Pair), others: (&Pair, &Pair)) -> Vec<u8> {
    let t = own.0.scalar() + own.1.short_x() * own.1.scalar();
    let v = (others.0.point() + others.1.point() * others.1.short_x()) * t;
    let v = v.to_affine().to_sec1_point(false);
    let (z_a, z_b) = (LONG_TERM_A.identity(), LONG_TERM_B.identity());
    sm3(&[&v.as_bytes()[1..], &z_a, &z_b, &[0, 0, 0, 1]].concat()).as_bytes()[..16].to_vec()
}

#[test]
fn points_are_those_of_the_private_keys() {
    for pair in [&LONG_TERM_A, &LONG_TERM_B, &OF_THIS_RUN_A, &OF_THIS_RUN_B] {
        let key = AgreementKey::of(SecretKey::from_slice(&vector(pair.0)).unwrap()).unwrap();
        assert_eq!(key.point().as_slice(), vector(pair.1));
        // The same through arithmetic that knows nothing of fixed tables for the generator.
        assert_eq!(ProjectivePoint::GENERATOR * pair.scalar(), pair.point());
    }
}

#[test]
fn both_sides_reach_the_key_of_the_standard() {
    let (a, b) = ((&LONG_TERM_A, &OF_THIS_RUN_A), (&LONG_TERM_B, &OF_THIS_RUN_B));
    assert_eq!(shared_key(a, b), vector(SHARED_KEY));
    assert_eq!(shared_key(b, a), vector(SHARED_KEY));
    assert_ne!(shared_key(a, (&LONG_TERM_B, &OF_THIS_RUN_A)), vector(SHARED_KEY));
}
