//! Both sides in one process: what a handshake of each kind agrees on, and what it refuses.

mod handshake;
mod zone;
