//! Datasets as the catalogue (目录) lists them, and their published snapshots.

use serde::{Deserialize, Serialize};

use crate::{Category, DatasetId, DatasetLimits, Grade, OrganisationId, PrivacyLimit, Schema, Timestamp};

/// Sharing type of the catalogue (共享类型).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// Anyone with an approved grant.
    Unconditional,
    /// Under the conditions that the supplier states.
    Conditional,
    /// Not shared: listed, but no grant can be proposed.
    None,
}

/// The third-party risk assessment that a supplier attaches when filing (Shanghai guidelines, article 17).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Assessment {
    /// SM3 digest of the document, 64 hexadecimal digits.
    pub document_sm3: String,
    /// Who assessed.
    #[serde(deserialize_with = "crate::text::line::<_, 200>")]
    pub issuer: String,
    /// Day of issue, ISO 8601.
    pub issued_on: String,
}

/// A dataset as filed by its supplier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Dataset {
    /// Its id.
    pub id: DatasetId,
    /// The organisation that supplies it.
    pub supplier: OrganisationId,
    /// One line for people.
    #[serde(deserialize_with = "crate::text::line::<_, 200>")]
    pub title: String,
    /// What it holds, how it came about.
    #[serde(deserialize_with = "crate::text::lines::<_, 4000>")]
    pub description: String,
    /// Class of data.
    pub category: Category,
    /// Highest grade among its fields.
    pub grade: Grade,
    /// Sharing type.
    pub sharing: Sharing,
    /// Conditions of sharing, for people.
    #[serde(default, deserialize_with = "crate::text::lines::<_, 4000>")]
    pub conditions: String,
    /// Days between updates; none for a table that never changes.
    #[serde(default)]
    pub update_period_days: Option<u32>,
    /// Source of the data and its licence. A citation may be long.
    #[serde(deserialize_with = "crate::text::line::<_, 500>")]
    pub source: String,
    /// Licence under which the supplier may share it.
    #[serde(deserialize_with = "crate::text::line::<_, 500>")]
    pub licence: String,
    /// Risk assessment.
    #[serde(default)]
    pub assessment: Option<Assessment>,
    /// Privacy loss that differentially private releases may add up to; none may leave when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<PrivacyLimit>,
    /// What one developer organisation may take under all its grants, and the longest term; defaults when absent.
    #[serde(default)]
    pub limits: DatasetLimits,
    /// Fields.
    pub schema: Schema,
}

/// One published state of a dataset's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Snapshot {
    /// The dataset.
    pub dataset: DatasetId,
    /// 1 for the first, then counting up.
    pub number: u32,
    /// Rows published.
    pub rows: u64,
    /// Distinct persons.
    pub persons: u64,
    /// Rows set aside at ingestion, with reasons in the quality report.
    pub quarantined_rows: u64,
    /// SM3 digest over the snapshot's segments (their tags), 64 hexadecimal digits.
    pub digest_sm3: String,
    /// Ciphertext on disk, in bytes.
    pub size_bytes: u64,
    /// When it was published.
    pub published_at: Timestamp,
}
