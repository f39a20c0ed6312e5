//! Signatures of certificates and revocation lists that were found good, so that the same one is not computed again at
//! every handshake: three of the five checks of a mutual handshake, each dearer than a signature.
//!
//! Sound, because whether a signature fits key and message never changes. Term, revocation, name and purpose are not
//! the signature's affair and are checked each time.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use glovebox_gm::{Digest, Sm3Hasher};

/// How many are remembered; the oldest make room. 64 bytes each.
const VERIFIED_MAX: usize = 1024;

/// The last good signatures.
pub(super) struct Verified(Mutex<Recent>);

struct Recent {
    known: BTreeSet<Digest>,
    order: VecDeque<Digest>,
}

impl Verified {
    /// A memory of nothing.
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Recent { known: BTreeSet::new(), order: VecDeque::new() }))
    }

    /// Whether the signature is known to be good, or `check` finds it good now.
    pub(super) fn or_check<E>(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
        check: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let name = name(public_key, message, signature);
        if self.with(|recent| recent.known.contains(&name)) {
            return Ok(());
        }
        check()?;
        self.with(|recent| recent.remember(name));
        Ok(())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Recent) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Recent {
    fn remember(&mut self, name: Digest) {
        if !self.known.insert(name) {
            return;
        }
        self.order.push_back(name);
        if self.order.len() > VERIFIED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// SM3 of all three, each after its length: who finds another triple of the same name has broken SM3, and with it
/// the signatures themselves.
fn name(public_key: &[u8], message: &[u8], signature: &[u8]) -> Digest {
    let mut hasher = Sm3Hasher::new();
    for part in [public_key, message, signature] {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_signature_is_computed_once_and_a_bad_one_each_time() {
        let verified = Verified::new();
        let mut count = 0;
        let mut ask = |key: &[u8], message: &[u8], signature: &[u8], outcome: Result<(), ()>| {
            let before = count;
            let answer = verified.or_check(key, message, signature, || {
                count += 1;
                outcome
            });
            (answer, count - before)
        };
        assert_eq!(ask(b"key", b"message", b"signature", Err(())), (Err(()), 1));
        assert_eq!(ask(b"key", b"message", b"signature", Err(())), (Err(()), 1));
        assert_eq!(ask(b"key", b"message", b"signature", Ok(())), (Ok(()), 1));
        assert_eq!(ask(b"key", b"message", b"signature", Err(())), (Ok(()), 0), "not asked again");
        for (key, message, signature) in [
            (&b"kez"[..], &b"message"[..], &b"signature"[..]),
            (b"key", b"messagf", b"signature"),
            (b"key", b"message", b"signaturf"),
            (b"keym", b"essage", b"signature"),
            (b"key", b"messages", b"ignature"),
            (b"", b"", b""),
        ] {
            assert_eq!(ask(key, message, signature, Err(())), (Err(()), 1), "another triple is another question");
        }
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let verified = Verified::new();
        for number in 0..=VERIFIED_MAX {
            for _ in 0..2 {
                verified.or_check(&number.to_be_bytes(), b"", b"", || Ok::<_, ()>(())).unwrap();
            }
        }
        verified.with(|recent| assert_eq!((recent.known.len(), recent.order.len()), (VERIFIED_MAX, VERIFIED_MAX)));
        let is_known = |number: usize| verified.or_check(&number.to_be_bytes(), b"", b"", || Err(())).is_ok();
        assert!(!is_known(0) && is_known(1) && is_known(VERIFIED_MAX));
    }
}
