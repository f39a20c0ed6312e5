//! The permit: what one job may read of one snapshot. Only [`crate::Authoriser::permit`] makes one.

use std::net::IpAddr;

use glovebox_catalog::{
    Dataset, FieldType, Grade, Grant, GrantId, GrantState, InputColumn, InputType, JobManifest, Principal, Purpose,
    Recipient, Refusal, RowFilter, Snapshot, Timestamp,
};

use crate::life::missing_approvals;
use crate::proposal::closed_field_rule;
use crate::{Action, Authoriser, Context, Request, ResourceRef};

/// The key to a view: proof that the policies, the grant and the catalogue allow one job to read these columns of these
/// rows of one snapshot.
///
/// Nobody outside this crate can make, copy or change one:
///
/// ```compile_fail,E0451
/// fn forge(from: glovebox_policy::Permit) -> glovebox_policy::Permit {
///     glovebox_policy::Permit { purpose: glovebox_catalog::Purpose::Insurance, ..from }
/// }
/// ```
///
/// ```compile_fail,E0616
/// fn widen(mut permit: glovebox_policy::Permit) {
///     permit.columns.clear();
/// }
/// ```
///
/// ```compile_fail,E0599
/// fn twice(permit: glovebox_policy::Permit) -> (glovebox_policy::Permit, glovebox_policy::Permit) {
///     (permit.clone(), permit)
/// }
/// ```
///
/// What it grants can be read:
///
/// ```
/// fn read(permit: &glovebox_policy::Permit) -> usize {
///     permit.columns().len()
/// }
/// ```
#[derive(Debug, PartialEq)]
pub struct Permit {
    grant: GrantId,
    dataset: Dataset,
    snapshot: Snapshot,
    columns: Vec<InputColumn>,
    filter: Option<RowFilter>,
    purpose: Purpose,
    recipients: Vec<Recipient>,
    profile: String,
    issued_at: Timestamp,
    valid_until: Timestamp,
    policy_ids: Vec<String>,
}

impl Permit {
    /// The grant that it rests on.
    #[must_use]
    pub fn grant(&self) -> &GrantId {
        &self.grant
    }

    /// The dataset as filed, with its schema.
    #[must_use]
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The columns that the job reads, in the order of its manifest; each is granted and fits the schema.
    #[must_use]
    pub fn columns(&self) -> &[InputColumn] {
        &self.columns
    }

    /// The rows that it may read; all when absent.
    #[must_use]
    pub fn filter(&self) -> Option<&RowFilter> {
        self.filter.as_ref()
    }

    /// The purpose.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Who may receive outputs.
    #[must_use]
    pub fn recipients(&self) -> &[Recipient] {
        &self.recipients
    }

    /// Name of the disclosure profile that outputs pass.
    #[must_use]
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// When it was issued.
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// Until when a view may be opened with it (exclusive): the end of the grant's term.
    #[must_use]
    pub fn valid_until(&self) -> Timestamp {
        self.valid_until
    }

    /// Ids of the policies that permitted it.
    #[must_use]
    pub fn policy_ids(&self) -> &[String] {
        &self.policy_ids
    }
}

/// What a permit is asked for.
#[derive(Debug, Clone, Copy)]
pub struct PermitRequest<'a> {
    /// Who submitted the job, as filed now.
    pub principal: &'a Principal,
    /// The grant, as it stands now.
    pub grant: &'a Grant,
    /// The dataset to read.
    pub dataset: &'a Dataset,
    /// The snapshot to read.
    pub snapshot: &'a Snapshot,
    /// The manifest of the job's module, checked.
    pub manifest: &'a JobManifest,
    /// Jobs that have run under the grant, without this one.
    pub uses_so_far: u64,
    /// The time now.
    pub now: Timestamp,
    /// Where the request came from; none when a queued job starts.
    pub address: Option<IpAddr>,
}

impl Authoriser {
    /// Decides whether the job may read what its manifest asks for, and gives the key to it.
    ///
    /// # Errors
    /// Every reason against it, not only the first.
    pub fn permit(&self, request: PermitRequest<'_>) -> Result<Permit, Vec<Refusal>> {
        let PermitRequest { principal, grant, dataset, snapshot, manifest, now, .. } = request;
        let mut refusals = Vec::new();
        check_grant(&request, &mut refusals);
        check_parties(&request, &mut refusals);
        let scope = grant.terms.scopes.iter().find(|scope| scope.dataset == dataset.id);
        if scope.is_none() {
            let rule = "a job reads only datasets in the grant's scope";
            let remedy = "name a dataset of the grant, or propose a grant on this one";
            refusals.push(Refusal::new("policy.dataset-not-granted", rule, dataset_place(dataset), remedy));
        }
        if let Some(scope) = scope {
            for input in &manifest.inputs {
                refusals.extend(column_refusal(input, dataset, scope.fields.contains(&input.name)));
            }
        }
        let policies = self.authorise(&Request {
            principal,
            action: Action::ViewOpen,
            resource: ResourceRef::grant(grant),
            context: Context {
                purpose: Some(manifest.purpose.unwrap_or(grant.terms.purpose)),
                time: now,
                address: request.address,
                grade: grade_asked(manifest, dataset),
                capacity: None,
            },
        });
        match (policies.into_result(), scope) {
            (Ok(policy_ids), Some(scope)) if refusals.is_empty() => Ok(Permit {
                grant: grant.id.clone(),
                dataset: dataset.clone(),
                snapshot: snapshot.clone(),
                columns: manifest.inputs.clone(),
                filter: scope.filter.clone(),
                purpose: grant.terms.purpose,
                recipients: grant.terms.recipients.clone(),
                profile: grant.terms.disclosure_profile.clone(),
                issued_at: now,
                valid_until: grant.terms.valid_until,
                policy_ids,
            }),
            (Ok(_), _) => Err(refusals),
            (Err(refusal), _) => {
                refusals.push(refusal);
                Err(refusals)
            }
        }
    }
}

fn check_grant(request: &PermitRequest<'_>, refusals: &mut Vec<Refusal>) {
    let PermitRequest { grant, manifest, uses_so_far, now, .. } = *request;
    let terms = &grant.terms;
    let place = format!("grant `{}`", grant.id);
    let mut refuse = |code: &str, rule: String, remedy: &str| {
        refusals.push(Refusal::new(code, rule, place.clone(), remedy));
    };
    if grant.state != GrantState::Active {
        let rule =
            format!("a job runs under an active grant; this one is {}", format!("{:?}", grant.state).to_lowercase());
        refuse("policy.grant-not-active", rule, "wait for its approvals, or propose another grant");
    }
    // Not believed from the state alone: a record altered outside of `decide` opens nothing.
    let missing = missing_approvals(grant);
    if !missing.is_empty() {
        let rule = format!("every supplier and a reviewer approve; missing: {}", missing.join(", "));
        refuse("policy.approval-missing", rule, "wait for the approvals");
    }
    if now < terms.valid_from {
        let rule = format!("the term begins at {}", terms.valid_from);
        refuse("policy.grant-not-yet-valid", rule, "submit the job within the term");
    }
    if now >= terms.valid_until {
        let rule = format!("the term ended at {}", terms.valid_until);
        refuse("policy.grant-expired", rule, "propose a grant with a new term");
    }
    if uses_so_far >= terms.budget.jobs_max {
        let rule = format!("at most {} jobs run under the grant", terms.budget.jobs_max);
        refuse("policy.grant-uses-exhausted", rule, "propose another grant");
    }
    if !terms.isolations.contains(&manifest.isolation) {
        let allowed: Vec<_> =
            terms.isolations.iter().map(|isolation| format!("{isolation:?}").to_lowercase()).collect();
        let rule = format!("a job has an isolation that the grant allows: {}", allowed.join(", "));
        refuse(
            "policy.isolation-not-granted",
            rule,
            "use a module of such an isolation, or propose a grant that allows it",
        );
    }
    if manifest.purpose.is_some_and(|purpose| purpose != terms.purpose) {
        let rule = "a module that names a purpose runs under grants for that purpose only".to_owned();
        refuse("policy.purpose-mismatch", rule, "use a module for this purpose, or a grant for the module's");
    }
}

fn check_parties(request: &PermitRequest<'_>, refusals: &mut Vec<Refusal>) {
    let PermitRequest { principal, grant, dataset, snapshot, .. } = *request;
    let place = format!("organisation `{}`", principal.organisation);
    if principal.organisation != grant.organisation {
        let rule = "a grant is used by the organisation that it was given to; it can't be passed on";
        let remedy = "propose a grant for your own organisation";
        refusals.push(Refusal::new("policy.wrong-organisation", rule, place.clone(), remedy));
    }
    if !grant.terms.recipients.iter().any(|recipient| recipient.organisation == principal.organisation) {
        let rule = "outputs go to the recipients of the grant only";
        let remedy = "propose a grant that names your organisation as a recipient";
        refusals.push(Refusal::new("policy.not-a-recipient", rule, place, remedy));
    }
    if !grant.suppliers.contains(&dataset.supplier) {
        let rule = "the dataset's supplier is among those who approved the grant";
        let remedy = "propose a grant that this supplier approves";
        refusals.push(Refusal::new("policy.supplier-not-asked", rule, dataset_place(dataset), remedy));
    }
    if snapshot.dataset != dataset.id {
        let rule = "the snapshot is one of the dataset's";
        let remedy = "name a snapshot of this dataset";
        refusals.push(Refusal::new("policy.snapshot-mismatch", rule, dataset_place(dataset), remedy));
    }
}

fn column_refusal(input: &InputColumn, dataset: &Dataset, granted: bool) -> Option<Refusal> {
    let place = format!("{}, input `{}`", dataset_place(dataset), input.name);
    let refuse = |code: &str, rule: &str, remedy: &str| Some(Refusal::new(code, rule, place.clone(), remedy));
    // Asked before the grant is: a grant that names a closed field would be forged.
    if let Some(rule) = closed_field_rule(&dataset.schema, &input.name) {
        return refuse("policy.column-closed", rule, "leave the column out of the manifest");
    }
    if !granted {
        let rule = "a job reads only fields that the grant names";
        return refuse("policy.column-not-granted", rule, "leave the column out, or propose a grant that names it");
    }
    let field = dataset.schema.field(&input.name)?;
    match (&input.input_type, &field.field_type) {
        (InputType::Boolean, FieldType::Boolean)
        | (InputType::Int64, FieldType::Int64 { .. })
        | (InputType::Float64, FieldType::Float64 { .. })
        | (InputType::Date, FieldType::Date) => None,
        (InputType::Code(asked), FieldType::Code { codes }) => {
            if asked.iter().all(|code| codes.iter().any(|declared| &declared.value == code)) {
                return None;
            }
            let rule = "every code that the manifest lists is declared for the field";
            refuse("policy.code-not-declared", rule, "list only codes of the dataset's dictionary")
        }
        _ => {
            let rule = "the manifest states the field's own type";
            refuse("policy.column-type", rule, "read the dataset's dictionary and correct the manifest")
        }
    }
}

/// Highest grade among the fields that the job reads. An unknown field counts as the highest of all.
fn grade_asked(manifest: &JobManifest, dataset: &Dataset) -> Option<Grade> {
    let grade = |name: &str| dataset.schema.field(name).map_or(Grade::HIGHEST, |field| field.grade);
    manifest.inputs.iter().map(|input| grade(&input.name)).max()
}

fn dataset_place(dataset: &Dataset) -> String {
    format!("dataset `{}`", dataset.id)
}
