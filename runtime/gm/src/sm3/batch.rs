//! Messages of any lengths onto the lanes of a vector register.
//!
//! Every lane walks through the blocks of its message; when it has finished, it takes the next one. All lanes go on
//! together, by as many blocks as each of them has in one piece of memory.

use std::cmp::Reverse;

use zeroize::Zeroize;

use super::{BLOCK_LENGTH_BYTES, Sm3Hasher, copy, digest, scalar};
use crate::Digest;

type Block = [u8; BLOCK_LENGTH_BYTES];

/// Below so many messages, one after the other is faster: a step of all lanes takes as long as two to three blocks
/// alone, with eight lanes of AVX2 as with sixteen of AVX-512.
pub(super) const LANES_WORTH: usize = 4;

/// So many messages at the end of a batch are taken longest first, so that the lanes finish at about the same time.
/// Before that, a lane that finishes early finds other work.
const SORTED_AT_END: usize = 256;

/// The work on one batch, on `L` lanes.
pub(super) struct Batch<'a, const L: usize> {
    start: &'a Sm3Hasher,
    /// `state[k][i]` is word k of lane i.
    state: [[u32; L]; 8],
    lanes: [Lane<'a>; L],
}

/// A lane, and what it has before it of its message: the head, the body, the tail.
struct Lane<'a> {
    /// Its message, by its place in the batch; none when the lane is idle.
    message: Option<usize>,
    /// What the hasher had pending, filled up to a block.
    head: Block,
    has_head: bool,
    /// Whole blocks, where the message lies.
    body: &'a [Block],
    /// The padded end, from block `tail_at` on.
    tail: [Block; 2],
    tail_at: usize,
}

impl<'a, const L: usize> Batch<'a, L> {
    /// A batch whose messages all go on from `start`.
    pub(super) fn new(start: &'a Sm3Hasher) -> Self {
        Self { start, state: [[0; L]; 8], lanes: std::array::from_fn(|_| Lane::idle()) }
    }

    /// The digests in the order of the messages. `update` takes so many blocks of each run into its lane.
    pub(super) fn finish_each(
        mut self,
        messages: &[&'a [u8]],
        update: impl Fn(&mut [[u32; L]; 8], &[&[Block]; L], usize),
    ) -> Vec<Digest> {
        let mut digests = vec![Digest::from_bytes([0; 32]); messages.len()];
        let mut queue = in_order_of_work(messages);
        // Every idle lane takes from the queue, so that it is empty once too few are at work.
        while self.refill(messages, &mut queue, &mut digests) >= LANES_WORTH {
            let at_work = || self.lanes.iter().filter(|lane| lane.message.is_some()).map(Lane::run);
            let blocks = at_work().map(<[Block]>::len).min().unwrap_or_default();
            // Idle lanes go along with another's run; what comes of it is not looked at.
            let any = at_work().next().unwrap_or_default();
            let runs = self.lanes.each_ref().map(|lane| if lane.message.is_some() { lane.run() } else { any });
            update(&mut self.state, &runs, blocks);
            self.lanes.iter_mut().for_each(|lane| lane.advance(blocks));
        }
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let Some(message) = lane.message else { continue };
            let mut state = column(&self.state, index);
            while !lane.run().is_empty() {
                scalar::update(&mut state, lane.run());
                lane.advance(lane.run().len());
            }
            put(&mut digests, message, state);
        }
        digests
    }

    /// Puts down what has finished, gives idle lanes the next messages, and counts the lanes at work.
    fn refill(
        &mut self,
        messages: &[&'a [u8]],
        queue: &mut impl Iterator<Item = usize>,
        digests: &mut [Digest],
    ) -> usize {
        let mut at_work = 0;
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            if lane.run().is_empty() {
                if let Some(message) = lane.message {
                    put(digests, message, column(&self.state, index));
                }
                lane.message = queue.next();
                if let Some(bytes) = lane.message.and_then(|message| messages.get(message)) {
                    lane.take(self.start, bytes);
                    for (word, start) in self.state.iter_mut().zip(self.start.state) {
                        word.iter_mut().skip(index).take(1).for_each(|word| *word = start);
                    }
                }
            }
            at_work += usize::from(lane.message.is_some());
        }
        at_work
    }
}

/// Keyed hashers start from a state that is as good as the key, and messages may be secret.
impl<const L: usize> Drop for Batch<'_, L> {
    fn drop(&mut self) {
        self.state.as_flattened_mut().zeroize();
        for lane in &mut self.lanes {
            lane.head.zeroize();
            lane.tail.as_flattened_mut().zeroize();
        }
    }
}

impl<'a> Lane<'a> {
    fn idle() -> Self {
        let [head, tail @ ..] = [[0; BLOCK_LENGTH_BYTES]; 3];
        Self { message: None, head, has_head: false, body: &[], tail, tail_at: tail.len() }
    }

    fn take(&mut self, start: &Sm3Hasher, message: &'a [u8]) {
        let (mut pending, mut rest) = (start.pending(), message);
        self.has_head = !pending.is_empty() && pending.len() + message.len() >= BLOCK_LENGTH_BYTES;
        if self.has_head {
            let (now, later) = message.split_at(BLOCK_LENGTH_BYTES - pending.len());
            copy(&mut self.head, pending);
            copy(self.head.get_mut(pending.len()..).unwrap_or_default(), now);
            (pending, rest) = (&[], later);
        }
        (self.body, rest) = rest.as_chunks();
        self.tail_at = pad(&mut self.tail, pending, rest, start.length_bytes + message.len() as u64);
    }

    /// The blocks that come next and lie in one piece; empty when all is done.
    fn run(&self) -> &[Block] {
        if self.has_head {
            std::slice::from_ref(&self.head)
        } else if !self.body.is_empty() {
            self.body
        } else {
            self.tail.get(self.tail_at..).unwrap_or_default()
        }
    }

    /// Goes on by `blocks`, at most those of [`Self::run`].
    fn advance(&mut self, blocks: usize) {
        if self.has_head {
            self.has_head = false;
        } else if !self.body.is_empty() {
            self.body = self.body.get(blocks..).unwrap_or_default();
        } else {
            self.tail_at += blocks;
        }
    }
}

/// The order in which messages go onto lanes.
fn in_order_of_work(messages: &[&[u8]]) -> impl Iterator<Item = usize> {
    let sorted_from = messages.len().saturating_sub(SORTED_AT_END);
    let mut last: Vec<usize> = (sorted_from..messages.len()).collect();
    last.sort_by_key(|message| Reverse(messages.get(*message).map(|bytes| bytes.len())));
    (0..sorted_from).chain(last)
}

/// Puts the end of a message into the last one or two blocks of `tail`: `start ‖ end`, less than a block, then the
/// padding of section 5.2. Says at which block they begin.
fn pad(tail: &mut [Block; 2], start: &[u8], end: &[u8], length_bytes: u64) -> usize {
    let filled = start.len() + end.len();
    // The bit 1 and the length have to fit in, too.
    let first = usize::from(filled + 1 + size_of::<u64>() <= BLOCK_LENGTH_BYTES);
    *tail = [[0; BLOCK_LENGTH_BYTES]; 2];
    let free = tail.as_flattened_mut().get_mut(first * BLOCK_LENGTH_BYTES..).unwrap_or_default();
    copy(free, start);
    copy(free.get_mut(start.len()..).unwrap_or_default(), end);
    copy(free.get_mut(filled..).unwrap_or_default(), &[0x80]);
    if let Some(length_bits) = free.last_chunk_mut() {
        *length_bits = (length_bytes * 8).to_be_bytes();
    }
    first
}

fn column<const L: usize>(state: &[[u32; L]; 8], lane: usize) -> [u32; 8] {
    state.each_ref().map(|word| word.get(lane).copied().unwrap_or_default())
}

fn put(digests: &mut [Digest], message: usize, state: [u32; 8]) {
    if let Some(to) = digests.get_mut(message) {
        *to = digest(state);
    }
}
