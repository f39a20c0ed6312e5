//! Unions of many sets of persons.

use roaring::{MultiOps as _, RoaringBitmap};

use crate::{Interrupted, Patience};

/// Ordinals for each person in the sets, up to which a bit a person costs less than merging the sets.
const SPARSE: u64 = 256;

/// Everybody in any of `sets`.
pub(crate) fn union<'a>(
    sets: impl Iterator<Item = &'a RoaringBitmap> + Clone,
    patience: &dyn Patience,
) -> Result<RoaringBitmap, Interrupted> {
    let persons: u64 = sets.clone().map(RoaringBitmap::len).sum();
    let Some(last) = sets.clone().filter_map(RoaringBitmap::max).max() else { return Ok(RoaringBitmap::new()) };
    if u64::from(last) / SPARSE > persons {
        patience.spend(persons)?;
        return Ok(sets.union());
    }
    // The cells of a line each hold a few persons from everywhere: a bit each is set faster than containers are merged.
    let mut bits = vec![0_u8; last as usize / 8 + 1];
    for set in sets {
        patience.spend(set.len())?;
        for person in set {
            if let Some(byte) = bits.get_mut(person as usize / 8) {
                *byte |= 1 << (person % 8);
            }
        }
    }
    Ok(RoaringBitmap::from_lsb0_bytes(0, &bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endless;

    #[test]
    fn both_ways_agree() {
        let sets = |step: u32| -> Vec<RoaringBitmap> {
            (0..7).map(|set| (0..1_000).map(|person| set * 13 + person * step * (set + 1)).collect()).collect()
        };
        for step in [1, 3, 1_000, 400_000] {
            let sets = sets(step);
            let expected = sets.iter().union();
            assert_eq!(union(sets.iter(), &Endless), Ok(expected), "{step}");
        }
        let none: [RoaringBitmap; 2] = Default::default();
        assert_eq!(
            [none.iter(), [].iter()].map(|sets| union(sets, &Endless)),
            [Ok(RoaringBitmap::new()), Ok(RoaringBitmap::new())]
        );
        let last = RoaringBitmap::from_iter([u32::MAX]);
        assert_eq!(union([&last, &last].into_iter(), &Endless), Ok(last));
    }
}
