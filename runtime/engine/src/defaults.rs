//! What an enclave has without any configuration: the policies and disclosure profiles of this repository, embedded.

use std::collections::BTreeMap;

use glovebox_gate::Profile;
use glovebox_gm::{Digest, sm3};

use crate::EngineError;

pub(crate) const POLICY_SCHEMA: &str = include_str!("../../../policies/schema.cedarschema");

/// The files of Cedar policies by name.
const POLICIES: [(&str, &str); 7] = [
    ("datasets", include_str!("../../../policies/datasets.cedar")),
    ("grants", include_str!("../../../policies/grants.cedar")),
    ("jobs", include_str!("../../../policies/jobs.cedar")),
    ("reviews", include_str!("../../../policies/reviews.cedar")),
    ("suspensions", include_str!("../../../policies/suspensions.cedar")),
    ("roles", include_str!("../../../policies/roles.cedar")),
    ("transfer", include_str!("../../../policies/transfer.cedar")),
];

const PROFILES: [&str; 7] = [
    include_str!("../../../policies/disclosure/default.toml"),
    include_str!("../../../policies/disclosure/acro.toml"),
    include_str!("../../../policies/disclosure/opensafely.toml"),
    include_str!("../../../policies/disclosure/opensafely-midpoint6.toml"),
    include_str!("../../../policies/disclosure/datashield.toml"),
    include_str!("../../../policies/disclosure/nhs-digital.toml"),
    include_str!("../../../policies/disclosure/dp.toml"),
];

/// The Cedar policies, all files one after another.
pub(crate) fn policies() -> String {
    POLICIES.map(|(_, text)| text).concat()
}

/// Every file that decides who may do what, by name: the policies and their schema.
pub(crate) fn policy_files() -> impl Iterator<Item = (&'static str, &'static str)> {
    POLICIES.into_iter().chain([("schema", POLICY_SCHEMA)])
}

/// The disclosure profiles by name, each with the SM3 digest of its file: those of this repository, then `others`.
pub(crate) fn profiles(others: &[String]) -> Result<BTreeMap<String, (Profile, Digest)>, EngineError> {
    let mut profiles = BTreeMap::new();
    for text in PROFILES.into_iter().chain(others.iter().map(String::as_str)) {
        let profile = Profile::parse(text).map_err(|error| EngineError::internal("load a profile", error))?;
        let name = profile.name.clone();
        if profiles.insert(name.clone(), (profile, sm3(text.as_bytes()))).is_some() {
            return Err(EngineError::Internal(format!("two disclosure profiles are called `{name}`; rename one")));
        }
    }
    Ok(profiles)
}
