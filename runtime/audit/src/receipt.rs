//! Receipts: what the enclave states about a job, signed, and proven to stand in its log.

use std::collections::BTreeMap;

use glovebox_catalog::{
    DatasetId, GrantId, Isolation, JobId, ModuleId, OrganisationId, PrincipalId, ReleaseId, Separation, Timestamp,
};
use glovebox_gm::{Digest, Signature, SigningKey, VerifyingKey, sm3};
use serde::{Deserialize, Serialize};

use crate::{
    AuditError, Cosignature, Event, InclusionProof, SignedTreeHead, VerifyError, WitnessPolicy, canonical_json,
};

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
    /// What kept the rows of one unit from the next.
    pub separation: Separation,
    /// How privacy was kept, e.g. `disclosure-rules`.
    pub mechanism: String,
    /// Parameters of the run, all finite.
    pub parameters: BTreeMap<String, f64>,
    /// SM3 of the release document, byte for byte as it is kept; absent when nothing left.
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
    /// What witnesses said of the head; outside of what the enclave signs, since it is joined when a receipt is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cosignatures: Vec<Cosignature>,
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

    /// Checks everything, and that as many witnesses as `policy` asks for cosigned the log's head. The answer is those that
    /// did.
    ///
    /// # Errors
    /// As [`Receipt::verify`] and [`WitnessPolicy::verify`].
    pub fn verify_witnessed<'a>(
        &'a self,
        key: &VerifyingKey,
        policy: &WitnessPolicy,
    ) -> Result<Vec<&'a Cosignature>, VerifyError> {
        self.verify(key)?;
        policy.verify(&self.head.head, &self.cosignatures)
    }

    /// Checks that `output` is what left: the bytes whose digest the statement holds.
    ///
    /// # Errors
    /// [`VerifyError::OtherOutput`] when they are not, or nothing left.
    pub fn verify_output(&self, output: &[u8]) -> Result<(), VerifyError> {
        if self.statement.output_sm3 == Some(sm3(output)) { Ok(()) } else { Err(VerifyError::OtherOutput) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::samples::{LOG_ID, at, event, key, log, policy, public, receipt, signed_head};
    use crate::{Actor, Draft, TreeHead};

    #[test]
    fn a_receipt_verifies_and_survives_json() {
        let receipt = receipt();
        assert_eq!(receipt.verify(&public()), Ok(()));
        let json = serde_json::to_string_pretty(&receipt).unwrap();
        let read: Receipt = serde_json::from_str(&json).unwrap();
        assert_eq!(read, receipt);
        assert_eq!(read.verify(&public()), Ok(()));
    }

    /// Paths to every leaf of a JSON value.
    fn leaves(value: &Value, path: String) -> Vec<String> {
        match value {
            Value::Object(members) => {
                members.iter().flat_map(|(name, value)| leaves(value, format!("{path}/{name}"))).collect()
            }
            Value::Array(items) => {
                items.iter().enumerate().flat_map(|(at, value)| leaves(value, format!("{path}/{at}"))).collect()
            }
            _ => vec![path],
        }
    }

    fn refused(json: Value, why: &str) {
        // A value outside its type is refused on reading; one inside must be found by verification.
        if let Ok(forged) = serde_json::from_value::<Receipt>(json) {
            assert!(forged.verify(&public()).is_err(), "{why}");
        }
    }

    #[test]
    fn every_changed_field_is_found() {
        let json = serde_json::to_value(receipt()).unwrap();
        let paths = leaves(&json, String::new()).into_iter().filter(|path| !path.starts_with("/cosignatures"));
        let paths: Vec<_> = paths.collect();
        assert!(paths.len() > 45, "{}", paths.len());
        for path in paths {
            let mutations: Vec<Value> = match json.pointer(&path).unwrap() {
                Value::Number(number) => {
                    vec![(number.as_f64().unwrap() + 1.0).into(), (number.as_u64().unwrap_or(0) + 1).into(), 0.into()]
                }
                Value::String(text) => {
                    let last = text.chars().last().unwrap();
                    let swapped = if last == '1' { '2' } else { '1' };
                    let stem = &text[..text.len() - last.len_utf8()];
                    let later = text.replace("2026", "2027");
                    vec![format!("{stem}{swapped}").into(), format!("{text}1").into(), "".into(), later.into()]
                }
                other => panic!("unexpected leaf {other}"),
            };
            for mutation in mutations {
                let mut forged = json.clone();
                if forged.pointer(&path) == Some(&mutation) {
                    continue;
                }
                *forged.pointer_mut(&path).unwrap() = mutation.clone();
                if serde_json::from_value::<Receipt>(forged.clone()).ok() == Some(receipt()) {
                    // 3 and 3.0 are one number.
                    continue;
                }
                refused(forged, &format!("{path} = {mutation}"));
            }
        }
    }

    #[test]
    fn every_mutation_of_a_whole_number_or_text_parses_or_is_refused_for_its_type() {
        // Guards the test above: most mutations must reach verification rather than fail to parse.
        let mut json = serde_json::to_value(receipt()).unwrap();
        json["statement"]["cells_released"] = 13.into();
        let forged: Receipt = serde_json::from_value(json).unwrap();
        assert_eq!(forged.verify(&public()), Err(VerifyError::Signature { what: "statement" }));
    }

    #[test]
    fn removed_and_added_members_are_found() {
        let json = serde_json::to_value(receipt()).unwrap();
        let objects = ["", "/statement", "/statement/parameters", "/statement/meters", "/event", "/event/actor"];
        for path in objects.into_iter().chain(["/event/detail", "/inclusion", "/head", "/head/head"]) {
            let mut forged = json.clone();
            let members = forged.pointer_mut(path).unwrap().as_object_mut().unwrap();
            members.insert("principal".into(), "1".into());
            refused(forged, path);
            let names: Vec<_> = json.pointer(path).unwrap().as_object().unwrap().keys().cloned().collect();
            for name in names {
                let mut forged = json.clone();
                if name == "cosignatures" {
                    continue;
                }
                forged.pointer_mut(path).unwrap().as_object_mut().unwrap().remove(&name);
                refused(forged, &format!("{path}/{name}"));
            }
        }
    }

    /// With the keys of the witnesses, no cosignature can be changed either, nor taken away below what is asked for.
    #[test]
    fn every_changed_cosignature_is_found() {
        let (policy, genuine) = (policy(), receipt());
        assert_eq!(genuine.verify_witnessed(&public(), &policy).map(|found| found.len()), Ok(2));
        let json = serde_json::to_value(&genuine).unwrap();
        for (index, part, other) in [
            (0, "witness", Value::from("regulator")),
            (0, "key_sm3", json["cosignatures"][1]["key_sm3"].clone()),
            (1, "at", "2027-11-23T00:00:03.000Z".into()),
            (1, "signature", json["cosignatures"][0]["signature"].clone()),
        ] {
            let mut forged = json.clone();
            forged["cosignatures"][index][part] = other;
            let forged: Receipt = serde_json::from_value(forged).unwrap();
            assert_eq!(forged.verify(&public()), Ok(()), "the enclave did not sign it");
            assert!(forged.verify_witnessed(&public(), &policy).is_err(), "{part}");
        }
        let cut = Receipt { cosignatures: genuine.cosignatures[1..].to_vec(), ..genuine.clone() };
        assert!(matches!(cut.verify_witnessed(&public(), &policy), Err(VerifyError::Unwitnessed { found: 1, .. })));
        // Cosigned, but the enclave's part was changed.
        let mut forged = genuine;
        forged.statement.cells_withheld = 0;
        assert!(forged.verify_witnessed(&public(), &policy).is_err());
    }

    #[test]
    fn another_key_another_enclave() {
        let other = SigningKey::generate().unwrap();
        assert!(matches!(receipt().verify(other.verifying_key()), Err(VerifyError::OtherEnclave { .. })));
        let mut forged = receipt();
        forged.statement.enclave_fingerprint = other.verifying_key().fingerprint();
        assert!(matches!(forged.verify(&public()), Err(VerifyError::OtherEnclave { .. })));
        // Signed anew by the other key, but the log is the first one's.
        forged.signature = forged.statement.sign(&other).unwrap();
        assert!(matches!(forged.verify(other.verifying_key()), Err(VerifyError::StatementNotRecorded { .. })));
        let recorded = forged.statement.digest().unwrap().to_string();
        forged.event.detail.insert(STATEMENT_DETAIL.into(), recorded);
        assert_eq!(forged.verify(other.verifying_key()), Err(VerifyError::Signature { what: "tree head" }));
    }

    #[test]
    fn a_statement_that_the_log_does_not_record_is_no_receipt() {
        let mut forged = receipt();
        forged.statement.cells_released = 99;
        forged.signature = forged.statement.sign(key()).unwrap();
        assert_eq!(forged.verify(&public()), Err(VerifyError::StatementNotRecorded { sequence: 5 }));
        let recorded = forged.statement.digest().unwrap().to_string();
        forged.event.detail.insert(STATEMENT_DETAIL.into(), recorded);
        assert_eq!(forged.verify(&public()), Err(VerifyError::NotIncluded { sequence: 5, size: 9 }));
    }

    /// One key may sign two logs: a receipt of the one does not stand in the other.
    #[test]
    fn another_log_of_the_same_enclave_is_refused() {
        let mut forged = receipt();
        let head = TreeHead { log_id: "log-2".into(), ..forged.head.head.clone() };
        forged.head = head.sign(key()).unwrap();
        let expected = VerifyError::OtherLog { expected: LOG_ID.into(), found: "log-2".into() };
        assert_eq!(forged.verify(&public()), Err(expected));
    }

    #[test]
    fn a_head_of_another_size_or_a_fork_is_refused() {
        let mut forged = receipt();
        forged.head = signed_head(&log(8));
        assert_eq!(forged.verify(&public()), Err(VerifyError::ProofSize { expected: 8, found: 9 }));
        forged.head = signed_head(&log(9));
        assert_eq!(forged.verify(&public()), Err(VerifyError::NotIncluded { sequence: 5, size: 9 }));
        let mut forged = receipt();
        forged.event = event(5);
        assert_eq!(forged.verify(&public()), Err(VerifyError::StatementNotRecorded { sequence: 5 }));
    }

    #[test]
    fn a_signature_of_one_kind_is_none_of_the_other() {
        let mut forged = receipt();
        let bare = forged.statement.canonical().unwrap();
        forged.signature = key().sign(&bare).unwrap();
        assert_eq!(forged.verify(&public()), Err(VerifyError::Signature { what: "statement" }));
        forged.signature = forged.head.signature;
        assert_eq!(forged.verify(&public()), Err(VerifyError::Signature { what: "statement" }));
    }

    #[test]
    fn versions_ahead_are_told_apart_from_forgery() {
        let mut newer = receipt();
        newer.statement.receipt_version = 2;
        newer.signature = newer.statement.sign(key()).unwrap();
        assert_eq!(newer.verify(&public()), Err(VerifyError::Version { known: 1, found: 2 }));
    }

    #[test]
    fn the_output_is_the_one_stated() {
        let mut receipt = receipt();
        assert_eq!(receipt.verify_output(b"output"), Ok(()));
        assert_eq!(receipt.verify_output(b"outpuT"), Err(VerifyError::OtherOutput));
        receipt.statement.output_sm3 = None;
        assert_eq!(receipt.verify_output(b"output"), Err(VerifyError::OtherOutput));
        assert_eq!(receipt.verify_output(b""), Err(VerifyError::OtherOutput));
    }

    #[test]
    fn what_json_can_not_write_is_not_signed() {
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut statement = receipt().statement;
            statement.parameters.insert("x".into(), odd);
            let fault = AuditError::NotFinite { field: "parameters.x".into() };
            assert_eq!(statement.canonical(), Err(fault.clone()));
            assert_eq!(statement.sign(key()), Err(fault));
        }
    }

    /// Receipts outlive versions of this code: the signed bytes are pinned.
    #[test]
    fn canonical_statements_do_not_drift() {
        let text = String::from_utf8(receipt().statement.canonical().unwrap()).unwrap();
        assert!(text.starts_with(r#"{"cells_released":12,"cells_withheld":2,"dataset":"nhanes-2017","developer":"#));
        assert!(text.contains(r#""parameters":{"age_min":18,"bmi_max":39.5},"policy_sm3":"#));
        assert!(text.ends_with(r#""snapshot_sm3":"f81d2b70580a626109f918e41f8b9d083d4584c963a658abd47614348471c4d9","started_at":"2026-11-23T00:00:01.000Z"}"#));
        assert_eq!(
            receipt().statement.digest().unwrap().to_string(),
            "5461a5cc5840bf040f45b082efb51435e45ffa6f2bcfbb06133933683bc85be7"
        );
    }

    #[test]
    fn a_draft_names_its_statement() {
        let digest = receipt().statement.digest().unwrap();
        let draft = Draft::done(at(5), Actor::default(), "job.release", "job/job-1").with(STATEMENT_DETAIL, digest);
        assert_eq!(draft.detail.get("statement_sm3"), Some(&digest.to_string()));
    }
}
