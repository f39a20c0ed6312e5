//! Identifiers: one newtype a noun, one rule for all of them.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest identifier, in bytes.
const ID_LENGTH_MAX: usize = 80;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// The text is empty or too long.
    #[error("an id has 1 to {ID_LENGTH_MAX} characters, this one has {length}")]
    Length {
        /// Length of the refused text, in bytes.
        length: usize,
    },
    /// The text holds a character outside the alphabet.
    #[error("an id starts with `a-z` or `0-9` and goes on with `a-z`, `0-9`, `-`, `_` or `.`")]
    Alphabet,
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() || text.len() > ID_LENGTH_MAX {
        return Err(IdError::Length { length: text.len() });
    }
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let goes_on_well =
        text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
    // `..` would be a path step where an id names a folder.
    if starts_well && goes_on_well && !text.contains("..") { Ok(()) } else { Err(IdError::Alphabet) }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String)]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and makes an id of it. 1 to 80 characters of `a-z 0-9 - _ .`, the first a letter or digit.
            ///
            /// # Errors
            /// [`IdError`] says which part of the rule is broken.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                check(&text)?;
                Ok(Self(text))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }
    )+};
}

ids! {
    /// An organisation, chosen by the security officer who files it, e.g. `hospital-a`.
    OrganisationId,
    /// A natural person acting for one organisation; the common name of the certificate, e.g. `lin.wei`.
    PrincipalId,
    /// A dataset, chosen by its supplier, e.g. `nhanes-2017`.
    DatasetId,
    /// A grant, made by the enclave.
    GrantId,
    /// A submitted module: the SM3 digest of its bytes, in hexadecimal.
    ModuleId,
    /// A job, made by the enclave.
    JobId,
    /// A release, made by the enclave.
    ReleaseId,
    /// A review of an output, made by the enclave.
    ReviewId,
    /// A reservation of budget; equal to the text of the job id that holds it.
    ReservationId,
    /// A segment of a dataset's snapshot, made by the vault.
    SegmentId,
    /// A witness of an enclave's log, chosen by whoever runs it, e.g. `hospital-a`.
    WitnessId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_names_things() {
        for text in ["a", "hospital-a", "lin.wei", "2017_2018", &"x".repeat(80)] {
            assert_eq!(DatasetId::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn refuses_paths_spaces_case_and_length() {
        for text in ["../x", "a..b", "a/b", "A", "-a", "a b", "a\0", "ä"] {
            assert_eq!(DatasetId::new(text), Err(IdError::Alphabet), "{text:?}");
        }
        assert_eq!(DatasetId::new(""), Err(IdError::Length { length: 0 }));
        assert_eq!(DatasetId::new("x".repeat(81)), Err(IdError::Length { length: 81 }));
    }

    #[test]
    fn deserialising_checks_too() {
        assert!(serde_json::from_str::<GrantId>("\"../../etc\"").is_err());
    }
}
