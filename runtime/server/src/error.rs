//! Why the server can't start or go on. Errors of single requests are in `problem.rs`.

use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

/// Why the server can't start or go on.
#[derive(Debug, Error)]
pub enum ServerError {
    /// A TLS file can't be read.
    #[error("can't read `{}`: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A TLS file does not hold what it should.
    #[error("`{}` does not hold {expected}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: &'static str,
    },
    /// The files don't fit together.
    #[error("the TLS files don't fit together: {detail}")]
    Tls {
        /// What rustls said.
        detail: String,
    },
    /// An address can't be listened on.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The admin address could be reached from other machines.
    #[error("the admin address {address} is not a loopback address; metrics and health are served in the clear")]
    AdminAddress {
        /// The address.
        address: SocketAddr,
    },
}
