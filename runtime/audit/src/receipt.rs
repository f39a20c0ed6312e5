//! Receipts: what the enclave states about a job, signed, and proven to stand in its log.

use std::collections::BTreeMap;

use glovebox_catalog::{
    DatasetId, GrantId, Isolation, JobId, ModuleId, OrganisationId, PrincipalId, ReleaseId, Timestamp,
};
use glovebox_gm::{Digest, Signature, SigningKey, VerifyingKey, sm3};
use serde::{Deserialize, Serialize};

use crate::{AuditError, Event, InclusionProof, SignedTreeHead, VerifyError, canonical_json};

/// The version of receipts that this code writes and verifies.
pub const RECEIPT_VERSION: u32 = 1;

/// The detail of an event that holds the SM3 digest of a statement.
pub const STATEMENT_DETAIL: &str = "statement_sm3";

/// Goes before what is signed, so that no signature of one kind passes for one of another.
const CONTEXT: &[u8] = b"glovebox/statement/v1\n";

/// What the enclave states about a job that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// [`RECEIPT_VERSION`].
    pub receipt_version: u32,
    /// Fingerprint of the enclave's key.
    pub enclave_fingerprint: Digest,
    /// The log in which the statement is recorded.
    pub log_id: String,
    /// The job.
    pub job: JobId,
    /// The release, if something left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseId>,
    /// How the job ended: `released`, `withheld`, `refused`, `failed` or `killed`.
    pub outcome: String,
    /// Who submitted the job.
    pub developer: PrincipalId,
    /// For which organisation.
    pub organisation: OrganisationId,
    /// The grant.
    pub grant: GrantId,
    /// SM3 of the grant's terms in canonical JSON.
    pub grant_terms_sm3: Digest,
    /// SM3 of the Cedar policies in force.
    pub policy_sm3: Digest,
    /// Name of the disclosure profile.
    pub disclosure_profile: String,
    /// SM3 of the disclosure profile.
    pub disclosure_profile_sm3: Digest,
    /// The dataset.
    pub dataset: DatasetId,
    /// Number of its snapshot.
    pub snapshot: u32,
    /// Digest of the snapshot.
    pub snapshot_sm3: Digest,
    /// The module: SM3 of its bytes.
    pub module: ModuleId,
    /// SHA-256 of its bytes.
    pub module_sha256: String,
    /// What a module could see between two resets.
    pub isolation: Isolation,
    /// How privacy was kept, e.g. `disclosure-rules`.
    pub mechanism: String,
    /// Parameters of the run, all finite.
    pub parameters: BTreeMap<String, f64>,
    /// SM3 of the release document in canonical JSON; absent when nothing left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_sm3: Option<Digest>,
    /// Cells that left.
    pub cells_released: u64,
    /// Cells that did not.
    pub cells_withheld: u64,
    /// Meters by name, coarse where a developer may read them.
    pub meters: BTreeMap<String, u64>,
    /// When the job started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
}

impl Statement {
    /// This statement in canonical JSON.
    ///
    /// # Errors
    /// [`AuditError::NotFinite`] for a parameter that JSON can't write.
    pub fn canonical(&self) -> Result<Vec<u8>, AuditError> {
        if let Some((name, _)) = self.parameters.iter().find(|(_, value)| !value.is_finite()) {
            return Err(AuditError::NotFinite { field: format!("parameters.{name}") });
        }
        canonical_json(self)
    }

    /// SM3 of the canonical JSON: the event records it as [`STATEMENT_DETAIL`].
    ///
    /// # Errors
    /// As [`Statement::canonical`].
    pub fn digest(&self) -> Result<Digest, AuditError> {
        Ok(sm3(&self.canonical()?))
    }

    /// Signs this statement.
    ///
    /// # Errors
    /// As [`Statement::canonical`]; [`AuditError::Signing`] when the signature can't be made.
    pub fn sign(&self, key: &SigningKey) -> Result<Signature, AuditError> {
        Ok(key.sign(&self.signed_bytes()?)?)
    }

    fn signed_bytes(&self) -> Result<Vec<u8>, AuditError> {
        Ok([CONTEXT, &self.canonical()?].concat())
    }
}

/// A statement that anyone with the enclave's public key can verify, offline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// What is stated.
    pub statement: Statement,
    /// The event of the log that records it.
    pub event: Event,
    /// Proof that the event is in the log.
    pub inclusion: InclusionProof,
    /// The log's head that the proof leads to.
    pub head: SignedTreeHead,
    /// SM2 signature over `glovebox/statement/v1`, a line feed and the statement's canonical JSON.
    pub signature: Signature,
}

impl Receipt {
    /// Checks everything: the statement's signature, that the event records the statement, that the event is in the
    /// log, that the log's head is signed by the same enclave and is of the log that the statement names.
    ///
    /// # Errors
    /// The first [`VerifyError`] met.
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), VerifyError> {
        let statement = &self.statement;
        if statement.receipt_version != RECEIPT_VERSION {
            return Err(VerifyError::Version { known: RECEIPT_VERSION, found: statement.receipt_version });
        }
        let (expected, found) = (key.fingerprint(), statement.enclave_fingerprint);
        if expected != found {
            return Err(VerifyError::OtherEnclave { expected, found });
        }
        let fault = VerifyError::Signature { what: "statement" };
        let signed = statement.signed_bytes().map_err(|_| fault.clone())?;
        key.verify(&signed, &self.signature).map_err(|_| fault.clone())?;
        let digest = statement.digest().map_err(|_| fault)?.to_string();
        if self.event.detail.get(STATEMENT_DETAIL) != Some(&digest) {
            return Err(VerifyError::StatementNotRecorded { sequence: self.event.sequence });
        }
        self.head.verify(key)?;
        let head = &self.head.head;
        if head.log_id != statement.log_id {
            return Err(VerifyError::OtherLog { expected: statement.log_id.clone(), found: head.log_id.clone() });
        }
        self.inclusion.verify(&self.event, head)
    }

    /// Checks that `output` is what left: the bytes whose digest the statement holds.
    ///
    /// # Errors
    /// [`VerifyError::OtherOutput`] when they are not, or nothing left.
    pub fn verify_output(&self, output: &[u8]) -> Result<(), VerifyError> {
        if self.statement.output_sm3 == Some(sm3(output)) { Ok(()) } else { Err(VerifyError::OtherOutput) }
    }
}
