//! Where the constants of the SIMD kernels come from.
//!
//! CPUs have no instruction for the S-box of SM4, but they have inversion in a field of 256 elements: GFNI as
//! `GF2P8AFFINEINVQB`, AES-NI inside `AESENCLAST`. Both work in the field of AES, GF(2)\[x\]/(x⁸+x⁴+x³+x+1). SM4 inverts
//! in GF(2)\[x\]/(x⁸+x⁷+x⁶+x⁵+x⁴+x²+1). All fields of 256 elements are isomorphic: if `r` is a root of SM4's polynomial
//! in the field of AES, then φ, which sends x to `r`, sends sums to sums and products to products, so
//! inv(y) = φ⁻¹(inv_AES(φ(y))); and φ is linear over bits. With the S-box as S(x) = A·inv(A·x + c) + c this gives
//!
//! ```text
//! S(x) = A·φ⁻¹·inv_AES(D·x + d) + c,   D = φ·A,   d = φ(c).
//! ```
//!
//! The kernels hold every byte of the state as D·x instead of x. D is linear, so XOR is as before, d is added to the
//! round keys beforehand, and inversion needs no map before it. What follows the S-box, the diffusion
//! L(t) = t ⊕ t⋘2 ⊕ t⋘10 ⊕ t⋘18 ⊕ t⋘24, is linear too. By bytes, with p(t) = t≪2 and q(t) = t≫6 (what moves into the
//! byte above), byte j of L is
//!
//! ```text
//! L(t)ⱼ = (1+p)·tⱼ + (p+q)·tⱼ₊₁ + (p+q)·tⱼ₊₂ + (1+q)·tⱼ₊₃   (indices modulo 4, byte 0 the most significant).
//! ```
//!
//! So a round needs three maps of an inverted byte z, D·(1+p)·A·φ⁻¹, D·(p+q)·A·φ⁻¹ and D·(1+q)·A·φ⁻¹, whose results
//! are XORed across bytes. `GF2P8AFFINEINVQB` applies each of them with the inversion in one instruction; on AES-NI
//! they are look-ups of nibbles by `PSHUFB`, after the affine map of AES's own S-box was taken off. The key schedule
//! has L'(t) = t ⊕ t⋘13 ⊕ t⋘23 instead, in the same manner.

/// x⁸+x⁷+x⁶+x⁵+x⁴+x²+1.
const SM4_POLYNOMIAL: u16 = 0x1F5;
/// x⁸+x⁴+x³+x+1.
const AES_POLYNOMIAL: u16 = 0x11B;
/// The constant of the S-box, before and after inversion.
const C: u8 = 0xD3;

/// The map A of the S-box: the sum of the byte rotated left by 0, 1, 3, 6 and 7 bits.
const A: Linear = Linear::rotation(0)
    .plus(Linear::rotation(1))
    .plus(Linear::rotation(3))
    .plus(Linear::rotation(6))
    .plus(Linear::rotation(7));

/// The map of AES's S-box, S(x) = `AES_A`·inv(x) + `AES_C`.
const AES_A: Linear = Linear::rotation(0)
    .plus(Linear::rotation(1))
    .plus(Linear::rotation(2))
    .plus(Linear::rotation(3))
    .plus(Linear::rotation(4));
const AES_C: u8 = 0x63;

/// φ, from SM4's field to that of AES.
const PHI: Linear = isomorphism();

/// D, from a byte of SM4 to how the kernels hold it.
pub(super) const INTO: Linear = PHI.after(A);
/// D⁻¹, back.
pub(super) const OUT_OF: Linear = INTO.inverse();
/// d, what has to be added before inversion.
pub(super) const BEFORE_INVERSION: u8 = PHI.apply(C);
/// A·φ⁻¹: the S-box after inversion, but for its constant.
const AFTER_INVERSION: Linear = A.after(PHI.inverse());

/// What byte j of a result takes from the inverted bytes j, j+1, j+2 and j+3, and the constant of it all.
pub(super) struct Diffusion {
    pub(super) own: Linear,
    pub(super) next: Linear,
    pub(super) second: Linear,
    pub(super) third: Linear,
    pub(super) constant: u8,
}

/// L after the S-box, within the kernels' form. What goes to the two bytes between is the same.
pub(super) const ROUND: Round = {
    let (one, p, q) = (Linear::rotation(0), Linear::left(2), Linear::right(6));
    let Diffusion { own, next: near, third, constant, .. } =
        Diffusion::new(one.plus(p), p.plus(q), p.plus(q), one.plus(q));
    Round { own, near, third, constant }
};

/// What byte j of a round's result takes from the inverted bytes j, both j+1 and j+2, and j+3, and the constant.
pub(super) struct Round {
    pub(super) own: Linear,
    pub(super) near: Linear,
    pub(super) third: Linear,
    pub(super) constant: u8,
}

/// L' after the S-box, within the kernels' form: ⋘13 is ⋘8 and ⋘5, ⋘23 is ⋘16 and ⋘7.
pub(super) const KEY_SCHEDULE: Diffusion = {
    let second = Linear::right(3).plus(Linear::left(7));
    Diffusion::new(Linear::rotation(0), Linear::left(5), second, Linear::right(1))
};

impl Diffusion {
    const fn new(own: Linear, next: Linear, second: Linear, third: Linear) -> Self {
        let sum = own.plus(next).plus(second).plus(third);
        Self {
            own: INTO.after(own).after(AFTER_INVERSION),
            next: INTO.after(next).after(AFTER_INVERSION),
            second: INTO.after(second).after(AFTER_INVERSION),
            third: INTO.after(third).after(AFTER_INVERSION),
            constant: INTO.after(sum).apply(C),
        }
    }
}

/// A map of bytes as two tables, of the low nibble and of the high one, whose entries are to be added.
pub(super) type Nibbles = [[u8; 16]; 2];

/// A map of bytes that is linear over bits, as the images of 1, 2, 4, … 128.
#[derive(Clone, Copy)]
pub(super) struct Linear([u8; 8]);

#[expect(
    clippy::indexing_slicing,
    reason = "iterators do not run at compile time; an index out of bounds does not compile"
)]
impl Linear {
    const fn rotation(bits: u32) -> Self {
        let mut images = [0; 8];
        let mut bit = 0;
        while bit < 8 {
            images[bit] = (1_u8 << bit).rotate_left(bits);
            bit += 1;
        }
        Self(images)
    }

    const fn left(bits: u32) -> Self {
        let mut images = [0; 8];
        let mut bit = 0;
        while bit < 8 {
            images[bit] = (1_u8 << bit) << bits;
            bit += 1;
        }
        Self(images)
    }

    const fn right(bits: u32) -> Self {
        let mut images = [0; 8];
        let mut bit = 0;
        while bit < 8 {
            images[bit] = (1_u8 << bit) >> bits;
            bit += 1;
        }
        Self(images)
    }

    pub(super) const fn apply(self, byte: u8) -> u8 {
        let (mut sum, mut bit) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                sum ^= self.0[bit];
            }
            bit += 1;
        }
        sum
    }

    const fn plus(self, other: Self) -> Self {
        let mut images = self.0;
        let mut bit = 0;
        while bit < 8 {
            images[bit] ^= other.0[bit];
            bit += 1;
        }
        Self(images)
    }

    /// This map after `first`.
    const fn after(self, first: Self) -> Self {
        let mut images = [0; 8];
        let mut bit = 0;
        while bit < 8 {
            images[bit] = self.apply(first.0[bit]);
            bit += 1;
        }
        Self(images)
    }

    /// The map back. Must be one: a map without does not end at compile time.
    const fn inverse(self) -> Self {
        let mut images = [0; 8];
        let mut bit = 0;
        while bit < 8 {
            let mut byte = 0_u8;
            while self.apply(byte) != 1 << bit {
                byte += 1;
            }
            images[bit] = byte;
            bit += 1;
        }
        Self(images)
    }

    /// The matrix as the GFNI instructions take it: row i, what goes into bit i of the result, is byte 7 - i.
    pub(super) const fn gfni(self) -> i64 {
        let (mut matrix, mut row) = (0_u64, 0);
        while row < 8 {
            let mut column = 0;
            while column < 8 {
                let entry = (self.0[column] >> row & 1) as u64;
                matrix |= entry << ((7 - row) * 8 + column);
                column += 1;
            }
            row += 1;
        }
        matrix.cast_signed()
    }

    /// This map and `constant` as `PSHUFB` takes them, for what the S-box of AES left: two tables, of the low nibble
    /// and of the high one, whose entries are to be added.
    pub(super) const fn after_aes(self, constant: u8) -> Nibbles {
        let map = self.after(AES_A.inverse());
        let mut tables = [[0; 16]; 2];
        let mut nibble = 0;
        while nibble < 16 {
            tables[0][nibble as usize] = map.apply(nibble ^ AES_C) ^ constant;
            tables[1][nibble as usize] = map.apply(nibble << 4);
            nibble += 1;
        }
        tables
    }

    /// This map as `PSHUFB` takes it: two tables, of the low nibble and of the high one.
    pub(super) const fn nibbles(self) -> Nibbles {
        let mut tables = [[0; 16]; 2];
        let mut nibble = 0;
        while nibble < 16 {
            tables[0][nibble as usize] = self.apply(nibble);
            tables[1][nibble as usize] = self.apply(nibble << 4);
            nibble += 1;
        }
        tables
    }
}

/// The product in the field of `polynomial`.
const fn product(a: u8, b: u8, polynomial: u16) -> u8 {
    let (mut sum, mut shifted, mut bit) = (0_u16, a as u16, 0);
    while bit < 8 {
        if b >> bit & 1 == 1 {
            sum ^= shifted;
        }
        shifted <<= 1;
        if shifted & 0x100 != 0 {
            shifted ^= polynomial;
        }
        bit += 1;
    }
    sum as u8
}

/// φ: x goes to the smallest root of SM4's polynomial in AES's field. Of the eight roots any would do.
#[expect(clippy::indexing_slicing, reason = "runs at compile time, where an index out of bounds does not compile")]
const fn isomorphism() -> Linear {
    let mut root = 2;
    loop {
        let mut images = [0; 8];
        let (mut power, mut value, mut exponent) = (1_u8, 0, 0);
        while exponent <= 8 {
            if exponent < 8 {
                images[exponent] = power;
            }
            if SM4_POLYNOMIAL >> exponent & 1 == 1 {
                value ^= power;
            }
            power = product(power, root, AES_POLYNOMIAL);
            exponent += 1;
        }
        if value == 0 {
            return Linear(images);
        }
        root += 1;
    }
}

/// The S-box by its definition, in SM4's own field: the inverse is the 254th power.
const fn s_box(byte: u8) -> u8 {
    let base = A.apply(byte) ^ C;
    let (mut inverse, mut count) = (1, 0);
    while count < 254 {
        inverse = product(inverse, base, SM4_POLYNOMIAL);
        count += 1;
    }
    A.apply(inverse) ^ C
}

/// The S-box as the kernels reach it, by way of AES's field.
const fn s_box_by_aes(byte: u8) -> u8 {
    let base = INTO.apply(byte) ^ BEFORE_INVERSION;
    let (mut inverse, mut count) = (1, 0);
    while count < 254 {
        inverse = product(inverse, base, AES_POLYNOMIAL);
        count += 1;
    }
    AFTER_INVERSION.apply(inverse) ^ C
}

// The first row of the S-box in GB/T 32907-2016, section 6.2; the tests have all of it.
#[expect(clippy::indexing_slicing, reason = "runs at compile time, where an index out of bounds does not compile")]
const _: () = {
    let row = [0xD6, 0x90, 0xE9, 0xFE, 0xCC, 0xE1, 0x3D, 0xB7, 0x16, 0xB6, 0x14, 0xC2, 0x28, 0xFB, 0x2C, 0x05];
    let mut byte = 0;
    while byte < 16 {
        assert!(s_box(byte) == row[byte as usize] && s_box_by_aes(byte) == row[byte as usize]);
        assert!(OUT_OF.apply(INTO.apply(byte << 4)) == byte << 4);
        byte += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::vector;

    /// GB/T 32907-2016, section 6.2.
    const S_BOX: &str = "
         D6 90 E9 FE CC E1 3D B7 16 B6 14 C2 28 FB 2C 05 2B 67 9A 76 2A BE 04 C3 AA 44 13 26 49 86 06 99
         9C 42 50 F4 91 EF 98 7A 33 54 0B 43 ED CF AC 62 E4 B3 1C A9 C9 08 E8 95 80 DF 94 FA 75 8F 3F A6
         47 07 A7 FC F3 73 17 BA 83 59 3C 19 E6 85 4F A8 68 6B 81 B2 71 64 DA 8B F8 EB 0F 4B 70 56 9D 35
         1E 24 0E 5E 63 58 D1 A2 25 22 7C 3B 01 21 78 87 D4 00 46 57 9F D3 27 52 4C 36 02 E7 A0 C4 C8 9E
         EA BF 8A D2 40 C7 38 B5 A3 F7 F2 CE F9 61 15 A1 E0 AE 5D A4 9B 34 1A 55 AD 93 32 30 F5 8C B1 E3
         1D F6 E2 2E 82 66 CA 60 C0 29 23 AB 0D 53 4E 6F D5 DB 37 45 DE FD 8E 2F 03 FF 6A 72 6D 6C 5B 51
         8D 1B AF 92 BB DD BC 7F 11 D9 5C 41 1F 10 5A D8 0A C1 31 88 A5 CD 7B BD 2D 74 D0 12 B8 E5 B4 B0
         89 69 97 4A 0C 96 77 7E 65 B9 F1 09 C5 6E C6 84 18 F0 7D EC 3A DC 4D 20 79 EE 5F 3E D7 CB 39 48";

    #[test]
    fn the_s_box_is_that_of_the_standard() {
        for (byte, expected) in (0..=255).zip(vector(S_BOX)) {
            assert_eq!((s_box(byte), s_box_by_aes(byte)), (expected, expected), "{byte:#04x}");
        }
    }

    #[test]
    fn nibbles_of_the_s_box_of_aes_give_the_map() {
        let aes = |byte| {
            let inverse = (0..254).fold(1, |power, _| product(power, byte, AES_POLYNOMIAL));
            (AES_A.apply(inverse) ^ AES_C, inverse)
        };
        assert_eq!((aes(0x00).0, aes(0x53).0), (0x63, 0xED), "FIPS 197, section 5.1.1");
        let [low, high] = ROUND.own.after_aes(ROUND.constant);
        for byte in 0..=255 {
            let (left, inverse) = aes(byte);
            let looked_up = low[usize::from(left & 15)] ^ high[usize::from(left >> 4)];
            assert_eq!(looked_up, ROUND.own.apply(inverse) ^ ROUND.constant, "{byte:#04x}");
        }
    }
}
