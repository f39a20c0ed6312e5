//! The set of persons behind a cell while it fills.
//!
//! Persons ascend, so a roaring bitmap's containers fill one after another: their members are laid down in the format in
//! which bitmaps are stored (RoaringFormatSpec, without run containers), and the bitmap is read from there at the end.
//! Adding persons to a bitmap one by one costs several times as much.

use std::io::Read;

use roaring::RoaringBitmap;

/// "No run containers" (RoaringFormatSpec, cookie header).
const COOKIE: u32 = 12346;
/// Members above which a container is a bitmap instead of a list.
const LIST_MAX: usize = 4096;
/// Bits of a bitmap container in words of 16.
const BITMAP_WORDS: usize = 4096;

/// Ascending persons, each once.
#[derive(Clone, Default)]
pub(crate) struct Contributors {
    /// Low halves of the persons of the container that fills, after the finished containers: lists or bitmaps of 16-bit words.
    words: Vec<u16>,
    /// Where the container that fills starts in `words`.
    start: usize,
    /// High half of the persons in the container that fills.
    high: u16,
    /// High half and members of each finished container.
    containers: Vec<(u16, usize)>,
}

impl Contributors {
    /// Adds persons above all that were added before, ascending.
    #[inline]
    pub(crate) fn extend(&mut self, persons: &[u32]) {
        let (Some(first), Some(last)) = (persons.first(), persons.last()) else { return };
        // Both ends in one container: so is all between.
        if high(*first) == self.high && high(*last) == self.high {
            self.words.extend(persons.iter().map(|person| low(*person)));
        } else {
            self.extend_across(persons);
        }
    }

    #[inline(never)]
    fn extend_across(&mut self, persons: &[u32]) {
        for person in persons {
            if high(*person) != self.high {
                self.close();
                self.high = high(*person);
            }
            self.words.push(low(*person));
        }
    }

    fn close(&mut self) {
        let lows = self.words.get(self.start..).unwrap_or_default();
        let members = lows.len();
        if members == 0 {
            return;
        }
        if members > LIST_MAX {
            let mut bitmap = vec![0_u16; BITMAP_WORDS];
            for low in lows {
                if let Some(word) = bitmap.get_mut(usize::from(low >> 4)) {
                    *word |= 1 << (low & 15);
                }
            }
            self.words.truncate(self.start);
            self.words.append(&mut bitmap);
        }
        self.containers.push((self.high, members));
        self.start = self.words.len();
    }

    /// All of them.
    pub(crate) fn finish(mut self) -> RoaringBitmap {
        self.close();
        let header = self.header();
        // INVARIANT: header and words are a bitmap in its stored format, as the tests compare with one that is built person
        // by person. Were they not, nobody would be behind the cell, and nothing of it would leave.
        RoaringBitmap::deserialize_unchecked_from(header.as_slice().chain(Words(&self.words))).unwrap_or_default()
    }

    fn header(&self) -> Vec<u8> {
        let count = self.containers.len() as u32;
        let mut header = Vec::with_capacity(8 + 8 * self.containers.len());
        header.extend(COOKIE.to_le_bytes());
        header.extend(count.to_le_bytes());
        for (high, members) in &self.containers {
            header.extend(high.to_le_bytes());
            // A container has 1 to 65,536 members, which less 1 fit.
            header.extend((members.saturating_sub(1) as u16).to_le_bytes());
        }
        let mut offset = 8 + 8 * count;
        for (_, members) in &self.containers {
            header.extend(offset.to_le_bytes());
            offset += 2 * (if *members > LIST_MAX { BITMAP_WORDS } else { *members }) as u32;
        }
        header
    }
}

/// Words as bytes, little end first.
struct Words<'a>(&'a [u16]);

impl Read for Words<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let (now, later) = self.0.split_at(self.0.len().min(buffer.len() / 2));
        for (bytes, word) in buffer.chunks_exact_mut(2).zip(now) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        self.0 = later;
        Ok(2 * now.len())
    }
}

fn high(person: u32) -> u16 {
    (person >> 16) as u16
}

fn low(person: u32) -> u16 {
    person as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(persons: &[u32], at_once: usize) -> RoaringBitmap {
        let mut contributors = Contributors::default();
        persons.chunks(at_once).for_each(|persons| contributors.extend(persons));
        contributors.finish()
    }

    #[test]
    fn containers_around_every_limit_are_those_of_a_bitmap() {
        for first in [0, 1, 65_530, 70_000, u32::MAX - 200_000] {
            for step in [1, 2, 16, 17, 65_536] {
                for count in [0, 1, 4_095, 4_096, 4_097, 65_536, 70_000] {
                    let persons: Vec<u32> =
                        (0..count).map_while(|at: u32| first.checked_add(at.checked_mul(step)?)).collect();
                    let expected: RoaringBitmap = persons.iter().copied().collect();
                    let found = set(&persons, 16);
                    assert_eq!(found, expected, "{first} {step} {count}");
                    let bytes = |bitmap: &RoaringBitmap| {
                        let mut bytes = Vec::new();
                        bitmap.serialize_into(&mut bytes).unwrap();
                        bytes
                    };
                    // Same containers, not only same members.
                    assert_eq!(bytes(&found), bytes(&expected), "{first} {step} {count}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_ascending_persons_are_the_set_of_them(
            persons in prop::collection::btree_set(prop_oneof![0..200_000_u32, any::<u32>()], 0..3_000), at_once in 1..40_usize,
        ) {
            let persons: Vec<u32> = persons.into_iter().collect();
            prop_assert_eq!(set(&persons, at_once), persons.iter().copied().collect::<RoaringBitmap>());
        }
    }
}
