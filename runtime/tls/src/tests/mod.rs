//! Both sides in one process: what a handshake of each kind agrees on, and what it refuses.

mod certificates;
mod choice;
mod connection;
mod handshake;
mod identifier;
mod inputs;
mod tampering;
mod zone;
