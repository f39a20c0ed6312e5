//! The compression function of GB/T 32905-2016, section 5.3, written once: for one message on general registers, for
//! eight or sixteen on vector registers.
//!
//! The macros name operations that each user has in scope, all on its own kind of word: `add`, `rotate`, `xor3`
//! (a ⊕ b ⊕ c), `majority` (FF), `choose` (GG) and `broadcast` of a constant.

/// Constants Tⱼ ⋘ j (section 4.2 and step SS1 of section 5.3.3), sixteen a row.
pub(super) const T: [[u32; 16]; 4] = {
    let mut table = [[0; 16]; 4];
    let mut words = table.as_flattened_mut();
    let mut j: u32 = 0;
    while let Some((word, later)) = words.split_first_mut() {
        let constant: u32 = if j < 16 { 0x79cc_4519 } else { 0x7a87_9d8a };
        *word = constant.rotate_left(j % 32);
        words = later;
        j += 1;
    }
    table
};

/// The state before the first block: section 4.1.
pub(super) const INITIAL: [u32; 8] =
    [0x7380_166f, 0x4914_b2b9, 0x1724_42d7, 0xda8a_0600, 0xa96f_30bc, 0x1631_38aa, 0xe38d_ee4d, 0xb0fb_0e4e];

/// One block: `state` (eight words) and `block` (sixteen words, host order) to the next state.
macro_rules! compress {
    ($state:expr, $block:expr) => {{
        use crate::sm3::round::{T, expanded, round};
        let state = $state;
        let mut w = $block;
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
        let [first, later @ ..] = &T;
        // Rounds 0 to 15: FF and GG are exclusive ors. Round j takes Wⱼ and W′ⱼ = Wⱼ ⊕ Wⱼ₊₄; W₁₆ is the first word that
        // has to be made.
        round!(xor3, xor3, a, b, c, d, e, f, g, h, first[0], w[0], w[4]);
        round!(xor3, xor3, d, a, b, c, h, e, f, g, first[1], w[1], w[5]);
        round!(xor3, xor3, c, d, a, b, g, h, e, f, first[2], w[2], w[6]);
        round!(xor3, xor3, b, c, d, a, f, g, h, e, first[3], w[3], w[7]);
        round!(xor3, xor3, a, b, c, d, e, f, g, h, first[4], w[4], w[8]);
        round!(xor3, xor3, d, a, b, c, h, e, f, g, first[5], w[5], w[9]);
        round!(xor3, xor3, c, d, a, b, g, h, e, f, first[6], w[6], w[10]);
        round!(xor3, xor3, b, c, d, a, f, g, h, e, first[7], w[7], w[11]);
        round!(xor3, xor3, a, b, c, d, e, f, g, h, first[8], w[8], w[12]);
        round!(xor3, xor3, d, a, b, c, h, e, f, g, first[9], w[9], w[13]);
        round!(xor3, xor3, c, d, a, b, g, h, e, f, first[10], w[10], w[14]);
        round!(xor3, xor3, b, c, d, a, f, g, h, e, first[11], w[11], w[15]);
        round!(xor3, xor3, a, b, c, d, e, f, g, h, first[12], w[12], expanded!(w, 0));
        round!(xor3, xor3, d, a, b, c, h, e, f, g, first[13], w[13], expanded!(w, 1));
        round!(xor3, xor3, c, d, a, b, g, h, e, f, first[14], w[14], expanded!(w, 2));
        round!(xor3, xor3, b, c, d, a, f, g, h, e, first[15], w[15], expanded!(w, 3));
        for t in later {
            round!(majority, choose, a, b, c, d, e, f, g, h, t[0], w[0], expanded!(w, 4));
            round!(majority, choose, d, a, b, c, h, e, f, g, t[1], w[1], expanded!(w, 5));
            round!(majority, choose, c, d, a, b, g, h, e, f, t[2], w[2], expanded!(w, 6));
            round!(majority, choose, b, c, d, a, f, g, h, e, t[3], w[3], expanded!(w, 7));
            round!(majority, choose, a, b, c, d, e, f, g, h, t[4], w[4], expanded!(w, 8));
            round!(majority, choose, d, a, b, c, h, e, f, g, t[5], w[5], expanded!(w, 9));
            round!(majority, choose, c, d, a, b, g, h, e, f, t[6], w[6], expanded!(w, 10));
            round!(majority, choose, b, c, d, a, f, g, h, e, t[7], w[7], expanded!(w, 11));
            round!(majority, choose, a, b, c, d, e, f, g, h, t[8], w[8], expanded!(w, 12));
            round!(majority, choose, d, a, b, c, h, e, f, g, t[9], w[9], expanded!(w, 13));
            round!(majority, choose, c, d, a, b, g, h, e, f, t[10], w[10], expanded!(w, 14));
            round!(majority, choose, b, c, d, a, f, g, h, e, t[11], w[11], expanded!(w, 15));
            round!(majority, choose, a, b, c, d, e, f, g, h, t[12], w[12], expanded!(w, 0));
            round!(majority, choose, d, a, b, c, h, e, f, g, t[13], w[13], expanded!(w, 1));
            round!(majority, choose, c, d, a, b, g, h, e, f, t[14], w[14], expanded!(w, 2));
            round!(majority, choose, b, c, d, a, f, g, h, e, t[15], w[15], expanded!(w, 3));
        }
        let [a0, b0, c0, d0, e0, f0, g0, h0] = state;
        [xor(a, a0), xor(b, b0), xor(c, c0), xor(d, d0), xor(e, e0), xor(f, f0), xor(g, g0), xor(h, h0)]
    }};
}

/// One round of section 5.3.3. Instead of moving the eight words on by one, the next round names them so.
macro_rules! round {
    ($ff:ident, $gg:ident, $a:ident, $b:ident, $c:ident, $d:ident, $e:ident, $f:ident, $g:ident, $h:ident,
     $t:expr, $w:expr, $w_later:expr) => {{
        let (word, later) = ($w, $w_later);
        let turned = rotate::<12>($a);
        let ss1 = rotate::<7>(add(turned, add($e, broadcast($t))));
        let ss2 = xor(ss1, turned);
        $d = add(add($ff($a, $b, $c), add($d, xor(word, later))), ss2);
        let tt2 = add(add($gg($e, $f, $g), add($h, word)), ss1);
        $b = rotate::<9>($b);
        $f = rotate::<19>($f);
        $h = xor3(tt2, rotate::<9>(tt2), rotate::<17>(tt2));
    }};
}

/// The next word of the message expansion (section 5.3.2), put in the place of the one sixteen before: `w` holds the
/// last sixteen, word i at i mod 16.
macro_rules! expanded {
    ($w:ident, $i:literal) => {{
        let mixed = xor3($w[$i], $w[($i + 7) % 16], rotate::<15>($w[($i + 13) % 16]));
        let permuted = xor3(mixed, rotate::<15>(mixed), rotate::<23>(mixed));
        $w[$i] = xor3(permuted, rotate::<7>($w[($i + 3) % 16]), $w[($i + 10) % 16]);
        $w[$i]
    }};
}

pub(super) use {compress, expanded, round};
