//! The targets without a fuzzer, on random inputs: `cargo run --example seeded -- [INPUTS [SEED]]`. Prints what became of
//! them, so that a share of modules that is too small to tell anything shows.

use std::collections::BTreeMap;

use arbitrary::Unstructured;
use glovebox_sandbox_fuzz::{Outcome, check_inspection, check_reset, check_row};

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().expect("a number"));
    let (inputs, seed) = (arguments.next().unwrap_or(1_000), arguments.next().unwrap_or(1));
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (mut resets, mut rows) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..inputs {
        let bytes = random.bytes();
        check_inspection(&bytes);
        count(&mut resets, check_reset(&mut Unstructured::new(&bytes)));
        count(&mut rows, check_row(&mut Unstructured::new(&bytes)));
    }
    println!("reset: {resets:?}\nrow: {rows:?}");
}

fn count(outcomes: &mut BTreeMap<Outcome, u64>, outcome: arbitrary::Result<Outcome>) {
    *outcomes.entry(outcome.unwrap_or(Outcome::NoModule)).or_default() += 1;
}

/// Inputs of one to eight thousand bytes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self) -> Vec<u8> {
        let words = 128 + self.next() % 896;
        (0..words).flat_map(|_| self.next().to_le_bytes()).collect()
    }
}
