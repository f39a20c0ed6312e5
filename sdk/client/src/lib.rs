//! The REST interface `/v1` as typed Rust: one method a route, over mutual TLS.
//!
//! ```no_run
//! # async fn example() -> Result<(), glovebox_client::ClientError> {
//! use glovebox_client::{Access, Client};
//!
//! let pem = |name: &str| std::fs::read_to_string(format!("glovebox/{name}.pem")).unwrap_or_default();
//! let client = Client::connect(Access {
//!     server: "https://enclave.example:8443".into(),
//!     authority_pem: pem("authority"),
//!     certificate_pem: pem("certificate"),
//!     key_pem: pem("key"),
//!     key_passphrase: None,
//!     tls: None,
//! })?;
//! for dataset in client.datasets(&Default::default()).await?.items {
//!     println!("{}: {}", dataset.id, dataset.title);
//! }
//! # Ok(()) }
//! ```
//!
//! Reads are repeated when the connection fails or the server is busy. So are writes: each carries an idempotency key
//! of its own, so that it happens once however often it is sent. Uploads of rows are sent once.

mod access;
mod audit;
mod call;
mod catalogue;
mod error;
mod events;
mod grants;
mod handshake;
mod jobs;
mod meters;
mod page;
mod receipt;
mod releases;
mod reviews;
mod suspensions;
mod upload;

pub use access::Access;
pub use audit::EventSearch;
pub use call::{Client, Retries};
pub use error::ClientError;
pub use events::Watch;
pub use glovebox_tls::Suites;
pub use page::{Paging, every};
pub use receipt::{verify_receipt, verify_release};
pub use releases::ReleaseFormat;
pub use suspensions::Stoppable;
