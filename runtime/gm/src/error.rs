//! Why a cryptographic operation was refused.

use thiserror::Error;

/// Errors of this crate. None of them tells anything about a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GmError {
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness; a key can't be made")]
    Randomness,
    /// A text is not the hexadecimal form of so many bytes.
    #[error("expected {expected_bytes} bytes as {} lower-case hexadecimal digits", expected_bytes * 2)]
    Hex {
        /// How many bytes were expected.
        expected_bytes: usize,
    },
    /// A secret key has the wrong length.
    #[error("expected a key of {expected_bytes} bytes, got {length_bytes}")]
    KeyLength {
        /// Length expected.
        expected_bytes: usize,
        /// Length given.
        length_bytes: usize,
    },
    /// A message is longer than the mode allows.
    #[error("the message is too long: SM4-GCM takes less than 64 GiB, SM4-CCM less than 16 MiB; split the message")]
    TooLong,
    /// A buffer to write to has the wrong length.
    #[error("expected a buffer of {expected_bytes} bytes to write to, got {length_bytes}")]
    BufferLength {
        /// Length expected.
        expected_bytes: usize,
        /// Length given.
        length_bytes: usize,
    },
    /// A kernel of SM4 was asked for by name that this CPU does not run.
    #[error("this CPU does not run the SM4 kernel `{kernel}`: it lacks {missing}; take `Kernel::best()`")]
    Kernel {
        /// Name of the kernel.
        kernel: &'static str,
        /// The CPU features that are not there.
        missing: String,
    },
    /// Ciphertext, associated data, nonce or key is not what was sealed.
    #[error("SM4 authentication failed: the data was changed, or key, nonce or associated data is another")]
    Authentication,
    /// Not an SM2 private key.
    #[error("expected an SM2 private key as unencrypted PKCS #8 in PEM")]
    PrivateKey,
    /// Not an SM2 public key.
    #[error("expected an SM2 public key as SubjectPublicKeyInfo in PEM or DER")]
    PublicKey,
    /// Signing failed.
    #[error("SM2 signing failed; try again")]
    Signing,
    /// A signature does not fit message and key.
    #[error("the SM2 signature does not verify: message or signature was changed, or the key is another")]
    Signature,
    /// A certificate request or certificate is not what is needed.
    #[error("certificate: {what}")]
    Certificate {
        /// What was expected.
        what: &'static str,
    },
    /// A certificate or revocation list could not be encoded.
    #[error("certificate: it can't be written as DER; ask for other names or times")]
    Issuing,
    /// A key file is not what was expected, or its passphrase is another.
    #[error("key file: {what}")]
    KeyFile {
        /// What was expected.
        what: &'static str,
    },
}

impl From<x509_cert::builder::Error> for GmError {
    fn from(_: x509_cert::builder::Error) -> Self {
        Self::Issuing
    }
}

impl From<x509_cert::der::Error> for GmError {
    fn from(_: x509_cert::der::Error) -> Self {
        Self::Issuing
    }
}
