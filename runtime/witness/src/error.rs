//! Why a witness can't be set up or go on. Why it does not cosign is a [`crate::Refusal`].

use std::path::PathBuf;

use glovebox_audit::AuditError;
use glovebox_gm::GmError;
use thiserror::Error;

/// Why a witness can't be set up or go on.
#[derive(Debug, Error)]
pub enum WitnessError {
    /// A file of the folder can't be read or written.
    #[error("can't use `{}`: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder holds a witness already.
    #[error("`{}` is not empty; a witness gets a new folder and keeps it", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A file is not what the witness wrote.
    #[error(
        "`{}` is missing or damaged: {fault}. A witness that does not know what it cosigned must not go on; set up a new \
         one in a new folder, and have its new key put into the enclave's file of witnesses",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// Another process runs this witness.
    #[error("`{}` is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The key can't be made or opened.
    #[error("the witness's key: {0}")]
    Key(#[from] GmError),
    /// A cosignature can't be made.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The address can't be listened on.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A witness's address is none that an enclave can ask.
    #[error("`{url}` is no address of a witness; expected `http://host:port`, as `glovebox witness serve` says it")]
    Url {
        /// The address.
        url: String,
    },
}
