//! Secret keys of fixed length: wiped when dropped, shown nowhere.

use zeroize::Zeroizing;

use crate::GmError;

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident, $length:literal;)+) => {$(
        $(#[$doc])*
        ///
        /// Wiped when dropped. `Debug` shows the type alone; there is no `Serialize` and no comparison.
        #[derive(Clone)]
        pub struct $name(Zeroizing<[u8; $length]>);

        impl $name {
            /// Length, in bytes.
            pub const LENGTH_BYTES: usize = $length;

            /// A fresh key from the operating system's generator.
            ///
            /// # Errors
            /// [`GmError::Randomness`] when the operating system gives none.
            pub fn random() -> Result<Self, GmError> {
                let mut bytes = Zeroizing::new([0; $length]);
                getrandom::fill(bytes.as_mut_slice()).map_err(|_| GmError::Randomness)?;
                Ok(Self(bytes))
            }

            /// A key from bytes that the caller unwrapped or derived; the caller wipes its own copy.
            ///
            /// # Errors
            /// [`GmError::KeyLength`] when `bytes` has another length.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, GmError> {
                let mut key = Zeroizing::new([0; $length]);
                if bytes.len() != $length {
                    return Err(GmError::KeyLength { expected_bytes: $length, length_bytes: bytes.len() });
                }
                key.copy_from_slice(bytes);
                Ok(Self(key))
            }

            /// The secret bytes. Named so that every use stands out.
            #[must_use]
            pub fn expose(&self) -> &[u8] {
                self.0.as_slice()
            }

            pub(crate) fn from_zeroizing(bytes: Zeroizing<[u8; $length]>) -> Self {
                Self(bytes)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        }
    )+};
}

keys! {
    /// A 128-bit key: SM4.
    Key128, 16;
    /// A 256-bit key: roots of derivation and HMAC-SM3.
    Key256, 32;
}

impl Key128 {
    pub(crate) fn as_array(&self) -> &[u8; 16] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_keys_differ_and_are_not_zero() {
        let (one, other) = (Key256::random().unwrap(), Key256::random().unwrap());
        assert_ne!(one.expose(), other.expose());
        assert_ne!(one.expose(), [0; 32]);
    }

    #[test]
    fn length_is_checked() {
        assert!(Key128::from_slice(&[7; 16]).is_ok());
        for length_bytes in [0, 15, 17, 32] {
            let fault = Key128::from_slice(&vec![7; length_bytes]).err();
            assert_eq!(fault, Some(GmError::KeyLength { expected_bytes: 16, length_bytes }));
        }
    }

    #[test]
    fn debug_hides_the_bytes() {
        let key = Key256::from_slice(&[0x5a; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "Key256(secret)");
    }
}
