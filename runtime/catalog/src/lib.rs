//! The vocabulary of Glovebox: ids, organisations, principals, datasets, fields, grades, filters and job manifests.
//!
//! Every other crate speaks in these words. Nothing here does I/O, reads a clock or draws randomness; what can be
//! checked from the value alone is checked when the value is made.

mod dataset;
mod field;
mod filter;
mod grade;
mod grant;
mod id;
mod key;
mod limits;
mod manifest;
mod narrowing;
mod organisation;
mod privacy;
mod purpose;
mod reducer;
mod refusal;
mod refusal_code;
mod review;
mod scalar;
mod suspension;
pub mod text;
mod time;

pub use dataset::{Assessment, Dataset, Sharing, Snapshot};
pub use field::{Code, Field, FieldType, Identifiability, Schema};
pub use filter::{Comparison, RowFilter};
pub use grade::{Category, Grade};
pub use grant::{
    Approval, Budget, Capacity, DatasetScope, Grant, GrantState, GrantTerms, Recipient, automatic_isolations,
};
pub use id::{
    DatasetId, GrantId, IdError, JobId, ModuleId, OrganisationId, PrincipalId, ReleaseId, ReservationId, ReviewId,
    SegmentId, WitnessId,
};
pub use key::{KeyDimension, KeyDomain};
pub use limits::{DatasetLimits, DeveloperBudget};
pub use manifest::{
    ABI_VERSION, Door, InputColumn, InputType, Isolation, JobManifest, MANIFEST_SECTION, ManifestError, Output,
    Parameter, Rounds, Separation,
};
pub use narrowing::{BudgetNarrowing, Narrowing, ScopeNarrowing};
pub use organisation::{Organisation, OrganisationKind, Principal, Role, RoleError};
pub use privacy::{Delta, Epsilon, Privacy, PrivacyLimit, Rho};
pub use purpose::{LegalBasis, Purpose};
pub use reducer::{Bounds, ColumnType, Reducer, TableColumn, Variable};
pub use refusal::Refusal;
pub use refusal_code::{REFUSAL_PARTS, RefusalCode, RefusalPart, refusal_code, refusal_codes};
pub use review::{Review, ReviewAct, ReviewEntry, ReviewState};
pub use scalar::Scalar;
pub use suspension::{Side, Suspended, SuspendedKind, Suspension, Voice, suspended_path};
pub use time::{Timestamp, TimestampError};
