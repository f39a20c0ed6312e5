//! The newest cosigned head, kept beside the database. It needs no seal: it is signed by the enclave and by its witnesses. A
//! database that does not reach it was put back.

use std::io::{Read as _, Write as _};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use glovebox_audit::WitnessPolicy;
use glovebox_gm::VerifyingKey;

use super::Cosigned;
use crate::EngineError;

pub(crate) const FILE: &str = "witnessed.json";
/// Longest file that is read, in bytes: a head with the cosignatures of the most witnesses takes some ten thousand.
const LENGTH_MAX: u64 = 1 << 16;

/// The head that was kept, if it verifies. Otherwise nothing counts as cosigned: the witnesses are asked again.
pub(super) fn read(state: &Dir, policy: &WitnessPolicy, key: &VerifyingKey) -> Option<Cosigned> {
    let mut json = Vec::new();
    let file = state.open(FILE).ok()?;
    file.take(LENGTH_MAX).read_to_end(&mut json).ok()?;
    let found = serde_json::from_slice::<Cosigned>(&json).ok().filter(|found| holds(found, policy, key));
    if found.is_none() {
        tracing::warn!("`{FILE}` is damaged, or of other witnesses than are configured; they are asked anew");
    }
    found
}

pub(super) fn holds(found: &Cosigned, policy: &WitnessPolicy, key: &VerifyingKey) -> bool {
    found.head.verify(key).is_ok() && policy.verify(&found.head.head, &found.cosignatures).is_ok()
}

/// Keeps a head. It is on disk when this returns.
pub(super) fn write(state: &Dir, cosigned: &Cosigned) -> Result<(), EngineError> {
    let fault = |error: std::io::Error| EngineError::internal("keep a cosigned head", error);
    let json = serde_json::to_vec(cosigned).map_err(|error| EngineError::internal("keep a cosigned head", error))?;
    let beside = format!("{FILE}.new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = state.open_with(&beside, &options).map_err(fault)?;
    file.write_all(&json).and_then(|()| file.sync_all()).map_err(fault)?;
    state.rename(&beside, state, FILE).map_err(fault)?;
    state.open(".").and_then(|folder| folder.sync_all()).map_err(fault)
}
