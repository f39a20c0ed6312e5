//! A small, fixed-size likeness of a set of persons: enough to tell which sets lie close to another.

use roaring::RoaringBitmap;

use super::GuardFault;

/// Members that a sketch holds at most.
pub(super) const MEMBERS_MAX: usize = 64;
const VERSION: u8 = 1;
/// Numbers of families are below it; a standing counts so many of it.
const STANDING: u8 = 4;

/// Which ids a cohort is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Ids of persons.
    Persons,
    /// Ids of versions of persons' rows.
    Versions,
    /// Both: every member is in the first version, which has the person's id.
    Both,
}

impl Family {
    /// Whether a cohort of this family is one of `other`, too.
    pub(super) fn meets(self, other: Self) -> bool {
        self == Self::Both || other == Self::Both || self == other
    }

    fn number(self) -> u8 {
        match self {
            Self::Persons => 1,
            Self::Versions => 2,
            Self::Both => 3,
        }
    }
}

/// How a cohort came to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// A figure about it was shown.
    Released,
    /// It follows from released ones: a difference or a union.
    Derived,
    /// Disjoint released ones taken together, which later releases go on adding to.
    Running,
    /// It was asked about and refused, and stays so.
    Refused,
}

impl Standing {
    const ALL: [Self; 4] = [Self::Released, Self::Derived, Self::Running, Self::Refused];

    fn number(self) -> u8 {
        match self {
            Self::Released => 0,
            Self::Derived => 1,
            Self::Running => 2,
            Self::Refused => 3,
        }
    }
}

/// Size of a cohort and those of its members, up to 64, whose keyed hashes are smallest (a KMV or bottom-k sketch: Bar-Yossef
/// et al., RANDOM 2002; Cohen and Kaplan, PODC 2007).
///
/// A set with fewer than k persons outside another has fewer than k members of its sketch outside it, so no near set is ever
/// overlooked; and for k up to 64 it has at least one inside, so it is found by its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch {
    pub(super) family: Family,
    pub(super) standing: Standing,
    /// Of a refused set: the cohort that lies close to it, where it is one alone.
    pub(super) beside: Option<u64>,
    pub(super) persons: u64,
    /// In the order of their hashes.
    pub(super) members: Vec<u32>,
    /// The key's fingerprint: sketches of different keys can't be compared.
    pub(super) key: u32,
}

/// The keyed hash that orders members. Nobody outside learns a hash or chooses an id, so mixing well is enough.
#[derive(Clone, Copy)]
pub(super) struct Order {
    a: u64,
    b: u64,
}

impl Order {
    pub(super) fn new(key: [u8; 16]) -> Self {
        let key = u128::from_le_bytes(key);
        let half = |shift: u32| u64::try_from((key >> shift) & u128::from(u64::MAX)).unwrap_or(0);
        Self { a: half(0), b: half(64) }
    }

    pub(super) fn hash(self, person: u32) -> u64 {
        mix(mix(u64::from(person) ^ self.a).wrapping_add(self.b))
    }

    /// Tells sketches of another key.
    fn fingerprint(self) -> u32 {
        u32::try_from(mix(self.a ^ self.b.rotate_left(32)) >> 32).unwrap_or(0)
    }

    /// The likeness of `persons`.
    pub(super) fn sketch(self, persons: &RoaringBitmap, family: Family, standing: Standing) -> Sketch {
        let mut lowest = self.lowest(persons, MEMBERS_MAX);
        let members = lowest.drain(..).map(|(_, person)| person).collect();
        Sketch { family, standing, beside: None, persons: persons.len(), members, key: self.fingerprint() }
    }

    /// The `count` members with the smallest hashes, in that order.
    pub(super) fn lowest(self, persons: &RoaringBitmap, count: usize) -> Vec<(u64, u32)> {
        let mut lowest: Vec<(u64, u32)> = Vec::with_capacity(4 * count);
        let mut bound = u64::MAX;
        for person in persons {
            let hash = self.hash(person);
            if hash <= bound {
                lowest.push((hash, person));
                if lowest.len() == 4 * count {
                    lowest.select_nth_unstable(count);
                    lowest.truncate(count);
                    bound = lowest.iter().map(|(hash, _)| *hash).max().unwrap_or(bound);
                }
            }
        }
        lowest.sort_unstable();
        lowest.truncate(count);
        lowest
    }

    /// Whether `sketch` was made with this key and is in its order.
    pub(super) fn made(self, sketch: &Sketch) -> bool {
        sketch.key == self.fingerprint() && sketch.members.is_sorted_by_key(|person| self.hash(*person))
    }
}

/// MurmurHash3's 64-bit finaliser: a bijection in which every bit of the input moves every bit of the output.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

impl Sketch {
    /// How many persons the cohort has.
    #[must_use]
    pub fn persons(&self) -> u64 {
        self.persons
    }

    /// Whether it is of a set that was asked about and refused, rather than one that counts as released.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.standing == Standing::Refused
    }

    /// The sketch as it is stored: version, family and 4 times the standing, number of members (1 byte each), fingerprint
    /// of the key (4), size (8), one more than the number of the cohort beside it or 0 (8), members (4 each); little endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let count = u8::try_from(self.members.len()).unwrap_or(u8::MAX);
        let mut bytes = vec![VERSION, self.family.number() + STANDING * self.standing.number(), count];
        bytes.extend_from_slice(&self.key.to_le_bytes());
        bytes.extend_from_slice(&self.persons.to_le_bytes());
        bytes.extend_from_slice(&self.beside.map_or(0, |number| number.saturating_add(1)).to_le_bytes());
        self.members.iter().for_each(|member| bytes.extend_from_slice(&member.to_le_bytes()));
        bytes
    }

    /// Reads a stored sketch.
    ///
    /// # Errors
    /// [`GuardFault::Damaged`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GuardFault> {
        let damaged = GuardFault::Damaged;
        let (Some(head), Some(key), Some(size), Some(beside), Some(members)) =
            (bytes.get(..3), bytes.get(3..7), bytes.get(7..15), bytes.get(15..23), bytes.get(23..))
        else {
            return Err(damaged);
        };
        let [VERSION, number, count] = *head else { return Err(damaged) };
        let families = [Family::Persons, Family::Versions, Family::Both];
        let family = families.into_iter().find(|one| one.number() == number % STANDING);
        let standing = Standing::ALL.into_iter().find(|one| one.number() == number / STANDING);
        let key = u32::from_le_bytes(key.try_into().map_err(|_| GuardFault::Damaged)?);
        let persons = u64::from_le_bytes(size.try_into().map_err(|_| GuardFault::Damaged)?);
        let beside = u64::from_le_bytes(beside.try_into().map_err(|_| GuardFault::Damaged)?).checked_sub(1);
        let (members, rest) = members.as_chunks::<4>();
        let members: Vec<u32> = members.iter().map(|member| u32::from_le_bytes(*member)).collect();
        let expected = usize::try_from(persons).unwrap_or(usize::MAX).min(MEMBERS_MAX);
        match family.zip(standing) {
            Some((family, standing))
                if rest.is_empty() && members.len() == usize::from(count) && members.len() == expected =>
            {
                Ok(Self { family, standing, beside, persons, members, key })
            }
            _ => Err(damaged),
        }
    }
}
