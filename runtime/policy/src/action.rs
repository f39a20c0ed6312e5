//! What can be done, one action for each thing that a route does. The names are the Cedar action ids.

use crate::ResourceKind;

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal on $kind:ident),+ $(,)?) => {
        /// Something that a principal asks to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action {
            $($(#[$doc])* $variant),+
        }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in policies, events and refusals.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The kind of resource that it is done to; a request with another kind is denied.
            #[must_use]
            pub fn resource_kind(self) -> ResourceKind {
                match self { $(Self::$variant => ResourceKind::$kind),+ }
            }
        }
    };
}

actions! {
    /// File an organisation.
    OrganisationCreate = "organisation.create" on Organisation,
    /// Shut an organisation out for the time being.
    OrganisationSuspend = "organisation.suspend" on Organisation,
    /// Consent that an organisation comes in again.
    OrganisationResume = "organisation.resume" on Organisation,
    /// Read an organisation's entry.
    OrganisationRead = "organisation.read" on Organisation,
    /// File a principal.
    PrincipalCreate = "principal.create" on Member,
    /// End a principal's rights.
    PrincipalDeactivate = "principal.deactivate" on Member,
    /// Read a principal's entry.
    PrincipalRead = "principal.read" on Member,
    /// File a dataset.
    DatasetRegister = "dataset.register" on Dataset,
    /// Set what a developer organisation may take of a dataset, and the longest term.
    DatasetLimit = "dataset.limit" on Dataset,
    /// Stop a dataset for the time being.
    DatasetSuspend = "dataset.suspend" on Dataset,
    /// Consent that a dataset is used again.
    DatasetResume = "dataset.resume" on Dataset,
    /// Read a dataset's catalogue entry.
    DatasetRead = "dataset.read" on Dataset,
    /// Bring rows in.
    DatasetIngest = "dataset.ingest" on Dataset,
    /// Read a dataset's snapshots and their quality reports.
    SnapshotRead = "snapshot.read" on Dataset,
    /// Read which jobs have claimed sets of a dataset's persons, and whom that refused.
    ClaimRead = "claim.read" on Dataset,
    /// Propose a grant.
    GrantPropose = "grant.propose" on Grant,
    /// Read a grant.
    GrantRead = "grant.read" on Grant,
    /// Approve a grant.
    GrantApprove = "grant.approve" on Grant,
    /// Refuse a grant.
    GrantRefuse = "grant.refuse" on Grant,
    /// Stop a grant for the time being.
    GrantSuspend = "grant.suspend" on Grant,
    /// Lift one's own suspension, or consent that the zone's is lifted.
    GrantResume = "grant.resume" on Grant,
    /// End a grant for good.
    GrantRevoke = "grant.revoke" on Grant,
    /// Become responsible for a grant.
    GrantTakeOver = "grant.take-over" on Grant,
    /// Stop a module for the time being.
    ModuleSuspend = "module.suspend" on Module,
    /// Consent that a module runs again.
    ModuleResume = "module.resume" on Module,
    /// Submit a module.
    ModuleSubmit = "module.submit" on Module,
    /// Read a module's entry.
    ModuleRead = "module.read" on Module,
    /// Submit a job under a grant.
    JobSubmit = "job.submit" on Grant,
    /// Read a job's state.
    JobRead = "job.read" on Job,
    /// Cancel a job.
    JobCancel = "job.cancel" on Job,
    /// Read what was done in a review.
    ReviewRead = "review.read" on Review,
    /// Read what its reviewers wrote to each other.
    ReviewMinutes = "review.minutes" on Review,
    /// See the output under review, with report and leakage bound.
    ReviewInspect = "review.inspect" on Review,
    /// Take an output up for review.
    ReviewClaim = "review.claim" on Review,
    /// Note something for the other reviewers.
    ReviewComment = "review.comment" on Review,
    /// Send an output back to its developer with a question.
    ReviewReturn = "review.return" on Review,
    /// Approve an output.
    ReviewApprove = "review.approve" on Review,
    /// Refuse an output.
    ReviewRefuse = "review.refuse" on Review,
    /// Answer a question of the reviewers.
    ReviewAnswer = "review.answer" on Review,
    /// Read a released table.
    ReleaseRead = "release.read" on Release,
    /// Read the receipt of a job.
    ReceiptRead = "receipt.read" on Job,
    /// Read a grant's meters.
    MeterRead = "meter.read" on Grant,
    /// Stop the zone for the time being.
    ZoneSuspend = "zone.suspend" on Enclave,
    /// Consent that the zone goes on.
    ZoneResume = "zone.resume" on Enclave,
    /// Read what is suspended.
    SuspensionRead = "suspension.read" on Enclave,
    /// Watch the enclave's meters live.
    MeterLive = "meter.live" on Enclave,
    /// Search the audit log.
    AuditRead = "audit.read" on Enclave,
    /// Search the events about one's own organisation's data.
    AuditReadOwn = "audit.read-own" on Organisation,
    /// Export the audit log.
    AuditExport = "audit.export" on Enclave,
    /// Read tree heads and proofs of the audit log, which are hashes and signatures only.
    AuditProve = "audit.prove" on Enclave,
    /// Open a view of a dataset under a grant.
    ViewOpen = "view.open" on Grant,
    /// Read the enclave's public key.
    KeyRead = "key.read" on Enclave,
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
