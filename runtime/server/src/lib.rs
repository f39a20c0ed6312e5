//! The REST interface `/v1` over mutual TLS, and metrics and health on an admin address.
//!
//! Thin over the engine: this crate knows connections, certificates and HTTP; what may be done, and what it means,
//! the engine knows. `docs/api.md` describes the interface for those who call it.

mod admin;
mod anteroom;
mod app;
mod config;
mod error;
mod handshake;
mod idempotency;
mod input;
mod listener;
mod metrics;
mod peer;
mod problem;
mod resource;
mod routes;
mod server;
mod shutdown;
mod slots;
mod stream;
mod tls;
#[cfg(test)]
mod trial;
mod upload;

pub use config::{Config, Limits, Tls, TlsFiles};
pub use error::ServerError;
pub use resource::document::openapi;
pub use routes::{ROUTES, Route};
pub use server::Server;
