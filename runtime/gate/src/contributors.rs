//! Sets of persons, one behind every cell, while cells fill.
//!
//! Persons ascend but cells come in any order, so what is written per contribution must be near: a set keeps a few
//! persons aside, on one line of the processor's cache, and hands them on together to a block in a list that all sets
//! share, one after another. At the end blocks are sorted by set. As persons ascend, so do those of a set's blocks, and
//! the containers of its roaring bitmap are laid down in the format in which bitmaps are stored (RoaringFormatSpec,
//! without run containers) and read from there; adding persons to a bitmap one by one costs several times as much.

use std::io::Read;

use roaring::RoaringBitmap;

/// Persons that a set keeps aside.
const PENDING: usize = 15;
/// "No run containers" (RoaringFormatSpec, cookie header).
const COOKIE: u32 = 12346;
/// Members above which a container is a bitmap instead of a list.
const LIST_MAX: usize = 4096;
/// Bits of a bitmap container in words of 16.
const BITMAP_WORDS: usize = 4096;

/// Sets of ascending persons.
pub(crate) struct ContributorSets {
    pending: Vec<Pending>,
    blocks: Vec<Block>,
    /// Low halves of persons, block after block.
    lows: Vec<u16>,
}

#[derive(Clone, Default)]
#[repr(align(64))]
struct Pending {
    persons: [u32; PENDING],
    len: u32,
}

/// Persons of one set who have the high half in common.
struct Block {
    set: u32,
    high: u16,
    len: u16,
}

impl ContributorSets {
    /// So many empty sets.
    pub(crate) fn new(sets: usize) -> Self {
        Self { pending: vec![Pending::default(); sets], blocks: Vec::new(), lows: Vec::new() }
    }

    /// Adds a person to a set if it `is_new` to it, and then above all others there. True when the set handed persons on.
    ///
    /// Whether a person is new is a coin toss to the branch predictor, so nothing here branches on it.
    #[inline]
    pub(crate) fn push(&mut self, set: usize, person: u32, is_new: bool) -> bool {
        let Some(pending) = self.pending.get_mut(set) else { return false };
        if let Some(slot) = pending.persons.get_mut(pending.len as usize) {
            *slot = person;
        }
        pending.len += u32::from(is_new);
        let is_full = pending.len as usize == PENDING;
        if is_full {
            let persons = pending.persons;
            pending.len = 0;
            self.hand_on(set, &persons);
        }
        is_full
    }

    #[inline(never)]
    fn hand_on(&mut self, set: usize, persons: &[u32]) {
        let (first, last) = (persons.first().copied().unwrap_or(0), persons.last().copied().unwrap_or(0));
        // Both ends have the high half in common: so has all between.
        if high(first) == high(last) {
            self.lows.extend(persons.iter().map(|person| low(*person)));
            self.blocks.push(Block { set: set as u32, high: high(first), len: persons.len() as u16 });
        } else {
            for persons in persons.chunk_by(|a, b| high(*a) == high(*b)) {
                self.hand_on(set, persons);
            }
        }
    }

    /// All sets, in order.
    pub(crate) fn finish(mut self) -> Vec<RoaringBitmap> {
        let pending = std::mem::take(&mut self.pending);
        for (set, pending) in pending.iter().enumerate() {
            let persons = pending.persons.get(..pending.len as usize).unwrap_or_default();
            if !persons.is_empty() {
                self.hand_on(set, persons);
            }
        }
        let (placed, ends) = self.by_set(pending.len());
        let mut containers = Containers::default();
        let mut from = 0;
        let mut bitmap = |end: &usize| {
            for block in placed.get(from..*end).unwrap_or_default() {
                let lows = self.lows.get(block.start..block.start + usize::from(block.len)).unwrap_or_default();
                containers.extend(block.high, lows);
            }
            from = *end;
            containers.take()
        };
        ends.iter().map(&mut bitmap).collect()
    }

    /// The blocks sorted by set, otherwise in their order (a counting sort), and where those of each set end.
    fn by_set(&self, sets: usize) -> (Vec<Placed>, Vec<usize>) {
        let mut ends = vec![0_usize; sets];
        for block in &self.blocks {
            if let Some(count) = ends.get_mut(block.set as usize) {
                *count += 1;
            }
        }
        // From counts to where each set's blocks begin; placing the blocks moves that to where they end.
        let mut before = 0;
        for end in &mut ends {
            before += std::mem::replace(end, before);
        }
        let mut placed = vec![Placed::default(); self.blocks.len()];
        let mut start = 0;
        for block in &self.blocks {
            if let Some(end) = ends.get_mut(block.set as usize) {
                if let Some(slot) = placed.get_mut(*end) {
                    *slot = Placed { start, high: block.high, len: block.len };
                }
                *end += 1;
            }
            start += usize::from(block.len);
        }
        (placed, ends)
    }
}

/// A block and where its persons start.
#[derive(Clone, Default)]
struct Placed {
    start: usize,
    high: u16,
    len: u16,
}

/// The containers of one bitmap as they are stored.
#[derive(Default)]
struct Containers {
    /// Lists or bitmaps of 16-bit words, container after container.
    words: Vec<u16>,
    /// Where the container that fills starts in `words`, and the high half of its members.
    start: usize,
    high: u16,
    /// High half and members of each finished container.
    finished: Vec<(u16, usize)>,
}

impl Containers {
    fn extend(&mut self, high: u16, lows: &[u16]) {
        if high != self.high {
            self.close();
            self.high = high;
        }
        self.words.extend_from_slice(lows);
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
        self.finished.push((self.high, members));
        self.start = self.words.len();
    }

    /// The bitmap; what remains is empty.
    fn take(&mut self) -> RoaringBitmap {
        self.close();
        let header = self.header();
        // INVARIANT: header and words are a bitmap in its stored format, as the tests compare with one that is built person
        // by person. Were they not, nobody would be behind the cell, and nothing of it would leave.
        let bitmap = RoaringBitmap::deserialize_unchecked_from(header.as_slice().chain(Words(&self.words)));
        self.words.clear();
        self.finished.clear();
        self.start = 0;
        bitmap.unwrap_or_default()
    }

    fn header(&self) -> Vec<u8> {
        let count = self.finished.len() as u32;
        let mut header = Vec::with_capacity(8 + 8 * self.finished.len());
        header.extend(COOKIE.to_le_bytes());
        header.extend(count.to_le_bytes());
        for (high, members) in &self.finished {
            header.extend(high.to_le_bytes());
            // A container has 1 to 65,536 members, which less 1 fit.
            header.extend((members.saturating_sub(1) as u16).to_le_bytes());
        }
        let mut offset = 8 + 8 * count;
        for (_, members) in &self.finished {
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
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn stored(bitmap: &RoaringBitmap) -> Vec<u8> {
        let mut bytes = Vec::new();
        bitmap.serialize_into(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn containers_around_every_limit_are_those_of_a_bitmap() {
        for first in [0, 1, 65_530, 70_000, u32::MAX - 200_000] {
            for step in [1, 2, 16, 17, 65_536] {
                for count in [0, 1, 14, 15, 16, 4_095, 4_096, 4_097, 65_536, 70_000] {
                    let persons = (0..count).map_while(|at: u32| first.checked_add(at.checked_mul(step)?));
                    let persons: Vec<u32> = persons.collect();
                    let mut sets = ContributorSets::new(2);
                    for person in &persons {
                        sets.push(1, *person, true);
                        sets.push(1, *person, false);
                    }
                    let expected: RoaringBitmap = persons.iter().copied().collect();
                    let found = sets.finish();
                    assert!(found[0].is_empty());
                    // The same containers, not only the same members.
                    assert_eq!(stored(&found[1]), stored(&expected), "{first} {step} {count}");
                    assert_eq!(found[1], expected);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn every_set_holds_its_persons(
            given in prop::collection::btree_set((prop_oneof![0..200_000_u32, any::<u32>()], 0..5_usize), 0..3_000),
        ) {
            let mut sets = ContributorSets::new(6);
            let mut expected = vec![BTreeSet::new(); 6];
            for (person, set) in given {
                sets.push(set, person, true);
                sets.push(set, person, false);
                expected[set].insert(person);
            }
            let expected: Vec<RoaringBitmap> = expected.into_iter().map(|persons| persons.into_iter().collect()).collect();
            prop_assert_eq!(sets.finish(), expected);
        }
    }
}
