//! Hostile peers: whatever they send, the other side answers with an alert, says what failed, and gives nothing away.
// Tells clippy that helpers beside the test functions are test code too.
#![cfg(test)]

mod answers;
mod certificates;
mod forge;
mod handshakes;
mod hello;
mod hellos;
mod peer;
mod records;
mod sessions;
mod wire;
mod zone;
