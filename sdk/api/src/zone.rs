//! Principals, ingestion and the enclave itself on the wire.

use std::collections::{BTreeMap, BTreeSet};

use glovebox_catalog::{DatasetId, Narrowing, OrganisationId, PrincipalId, Role, Snapshot};
use serde::{Deserialize, Serialize};

/// Who the server takes the caller for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WhoAmI {
    /// Principal named by the certificate.
    pub principal: PrincipalId,
    /// Their organisation.
    pub organisation: OrganisationId,
    /// Their roles.
    pub roles: BTreeSet<Role>,
}

/// A principal to file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPrincipal {
    /// Common name of their certificate.
    pub id: PrincipalId,
    /// Their name.
    #[serde(deserialize_with = "glovebox_catalog::text::line::<_, 200>")]
    pub name: String,
    /// Their organisation, filed before.
    pub organisation: OrganisationId,
    /// Their roles.
    pub roles: BTreeSet<Role>,
}

/// A decision with its reason: approval or refusal of a grant, suspension, deactivation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Why, for people.
    #[serde(default, deserialize_with = "glovebox_catalog::text::lines::<_, 4000>")]
    pub comment: String,
}

/// Approval of a grant, of all that was asked or of less.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveGrant {
    /// Why, for people.
    #[serde(default, deserialize_with = "glovebox_catalog::text::lines::<_, 4000>")]
    pub comment: String,
    /// What a supplier takes away; the others then approve what is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrowing: Option<Narrowing>,
}

/// Format of uploaded rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceFormat {
    /// `text/csv`: RFC 4180 with a header line, UTF-8, a byte order mark allowed.
    Csv,
    /// `application/vnd.apache.parquet`.
    Parquet,
}

/// Why rows were set aside, without their values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QuarantineReason {
    /// Stable code, e.g. `ingest.not-a-number`.
    pub code: String,
    /// The field at fault, when it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// How many rows.
    pub rows: u64,
    /// Number of the first such row in the source, from 1.
    pub first_row: u64,
}

/// What ingestion did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct IngestionReport {
    /// The dataset.
    pub dataset: DatasetId,
    /// The snapshot published.
    pub snapshot: Snapshot,
    /// Rows read from the source: published plus quarantined.
    pub rows_read: u64,
    /// Bytes read from the source.
    pub bytes_read: u64,
    /// Missing values by field.
    pub missing_values: BTreeMap<String, u64>,
    /// Why rows were set aside.
    pub quarantine: Vec<QuarantineReason>,
}

/// The enclave's public key, with which receipts and tree heads verify.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EnclaveKey {
    /// `sm2-with-sm3`.
    pub algorithm: String,
    /// SubjectPublicKeyInfo, PEM.
    pub public_key_pem: String,
    /// SM3 digest of the DER, hexadecimal.
    pub fingerprint_sm3: String,
    /// Id of the audit log that the key signs.
    pub log_id: String,
}
