//! Why data is used, and on what ground.

use serde::{Deserialize, Serialize};

/// The stated purpose of a grant. A job runs only for the purpose of its grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Scientific research.
    Research,
    /// Public health surveillance and planning.
    PublicHealth,
    /// Quality and safety of care.
    CareQuality,
    /// Development of drugs and devices.
    ProductDevelopment,
    /// Design and pricing of insurance.
    Insurance,
    /// Training and evaluation of models.
    ModelTraining,
}

/// The legal basis on which the purpose rests (PIPL article 13; Shenzhen measures, articles 29 to 31).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LegalBasis {
    /// Consent of the persons.
    Consent,
    /// Separate consent for sensitive personal information.
    SeparateConsent,
    /// Data that law has made public or that identifies nobody.
    PublicOrAnonymised,
    /// A statutory duty.
    StatutoryDuty,
    /// Response to a public health emergency; a ground of its own in the audit log.
    Emergency,
}
