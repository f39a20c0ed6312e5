//! Why the server can't start or go on. Errors of single requests are in `problem.rs`.

use std::net::SocketAddr;
use std::path::PathBuf;

use glovebox_engine::EngineError;
use glovebox_tls::{Suites, TlsError};
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
    /// A TLS file can't be used.
    #[error("can't use `{}`: {source}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TlsError,
    },
    /// The server's certificate is of the other suites.
    #[error(
        "`{}` is no certificate for {suites} suites; give {} one (`glovebox pki issue --for-server`)",
        path.display(),
        match suites { Suites::Gm => "an SM2", Suites::Standard => "a P-256" }
    )]
    OtherSuites {
        /// The file.
        path: PathBuf,
        /// The suites of its set.
        suites: Suites,
    },
    /// There is neither an SM2 nor a P-256 set of files.
    #[error("no TLS files: give certificates for the suites of RFC 8998, for the standard ones, or both")]
    NoTls,
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
    /// What is served can't be written to the log, so it isn't served.
    #[error("what the server is set up with can't be written to the log: {0}")]
    Log(#[from] EngineError),
}
