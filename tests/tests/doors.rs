//! The example jobs in the real sandbox.
