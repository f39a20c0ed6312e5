//! What an enclave has without any configuration: the policies and disclosure profiles of this repository, embedded.

use std::collections::BTreeMap;

use glovebox_gate::Profile;
use glovebox_gm::{Digest, sm3};

use crate::EngineError;

pub(crate) const POLICY_SCHEMA: &str = include_str!("../../../policies/schema.cedarschema");

const POLICIES: [&str; 5] = [
    include_str!("../../../policies/datasets.cedar"),
    include_str!("../../../policies/grants.cedar"),
    include_str!("../../../policies/jobs.cedar"),
    include_str!("../../../policies/roles.cedar"),
    include_str!("../../../policies/transfer.cedar"),
];

const PROFILES: [(&str, &str); 1] = [("default", include_str!("../../../policies/disclosure/default.toml"))];

/// The Cedar policies, all files one after another.
pub(crate) fn policies() -> String {
    POLICIES.concat()
}

/// The disclosure profiles by name, each with the SM3 digest of its file.
pub(crate) fn profiles() -> Result<BTreeMap<String, (Profile, Digest)>, EngineError> {
    PROFILES
        .into_iter()
        .map(|(name, text)| {
            let profile = Profile::parse(text).map_err(|error| EngineError::internal("load a profile", error))?;
            Ok((name.to_owned(), (profile, sm3(text.as_bytes()))))
        })
        .collect()
}
