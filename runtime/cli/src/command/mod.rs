//! One file per command.

pub(crate) mod audit;
pub(crate) mod dataset;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod grant;
pub(crate) mod init;
pub(crate) mod job;
pub(crate) mod key;
pub(crate) mod meter;
pub(crate) mod module;
pub(crate) mod org;
pub(crate) mod pki;
pub(crate) mod preflight;
pub(crate) mod principal;
pub(crate) mod receipt;
pub(crate) mod refusal;
pub(crate) mod release;
pub(crate) mod review;
pub(crate) mod serve;
pub(crate) mod whoami;
pub(crate) mod witness;
pub(crate) mod zone;

use anyhow::Context as _;
use serde::de::DeserializeOwned;

use crate::connection::read;

/// Reads a value by the name that it has in JSON, for enums.
pub(crate) fn parse_name<T: DeserializeOwned>(name: &str) -> Result<T, String> {
    serde_json::from_value(name.into()).map_err(|error| error.to_string())
}

/// Reads a document written in JSON, or in TOML when its name ends so.
pub(crate) fn read_document<T: DeserializeOwned>(path: &std::path::Path) -> anyhow::Result<T> {
    let text = read(path)?;
    let place = || format!("`{}` is not as expected", path.display());
    if path.extension().is_some_and(|ending| ending == "toml") {
        return toml::from_str(&text).with_context(place);
    }
    serde_json::from_str(&text).with_context(place)
}
