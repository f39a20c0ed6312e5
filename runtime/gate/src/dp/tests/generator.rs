//! What noise is drawn from: docs/adr/0011-noise-generator.md says why this test is here.

use std::collections::BTreeSet;

use crate::Endless;
use crate::dp::{Noise, Sensitivity, Share};

/// The entry of a package in the lock file.
fn locked<'a>(lock: &'a str, name: &str, version: &str) -> &'a str {
    let start = format!("name = \"{name}\"\nversion = \"{version}");
    let at = lock.find(&start).unwrap_or_else(|| panic!("{name} {version} is not locked: look at its generator anew"));
    lock[at..].split("[[package]]").next().unwrap()
}

#[test]
fn opendp_draws_from_the_generator_that_was_looked_at() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
    let opendp = locked(&lock, "opendp", "0.16.");
    assert!(opendp.contains("\"rand 0.7.3\"") && !opendp.contains("openssl"), "{opendp}");
    let rand = locked(&lock, "rand", "0.7.3");
    assert!(rand.contains("\"rand_chacha 0.2.2\"") && rand.contains("\"getrandom 0.1."), "{rand}");
}

#[test]
fn no_two_threads_draw_the_same_noise() {
    let noise = Noise::calibrate(Sensitivity::steps(1e15), Share::Pure(0.01)).unwrap();
    let draws = || std::thread::spawn(move || noise.add(&[0; 50], &Endless).unwrap()).join().unwrap();
    let drawn: BTreeSet<i128> = (0..4).flat_map(|_| draws()).collect();
    assert_eq!(drawn.len(), 200);
}
