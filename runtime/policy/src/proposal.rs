//! Proposing a grant: everything in its terms that can be checked against the catalogue, before anyone is asked.

use std::collections::BTreeSet;

use glovebox_catalog::text::check_line;
use glovebox_catalog::{
    Budget, Dataset, DatasetScope, Epsilon, FieldType, Grant, GrantId, GrantState, GrantTerms, Identifiability,
    Isolation, Organisation, OrganisationId, Principal, Recipient, Role, Schema, Sharing, Timestamp,
};

use crate::PolicyError;

const TITLE_CHARS_MAX: usize = 200;
const PROFILE_CHARS_MAX: usize = 64;
/// Reviewers who must agree before a reviewed output leaves.
const REVIEWERS_MIN: usize = 2;

/// Makes a grant of `terms`, in state proposed, for the proposer's organisation.
///
/// `datasets` holds at least the datasets in scope, `organisations` at least the recipients; both as filed. That the
/// proposer may propose at all is the policies' to say ([`crate::Authoriser::authorise`] with `grant.propose`).
///
/// # Errors
/// The first rule of the terms that is broken, as a [`PolicyError`].
pub fn propose(
    id: GrantId,
    terms: GrantTerms,
    proposer: &Principal,
    datasets: &[Dataset],
    organisations: &[Organisation],
    now: Timestamp,
) -> Result<Grant, PolicyError> {
    if !proposer.active {
        return Err(PolicyError::Inactive);
    }
    check_wording(&terms)?;
    check_term(&terms, now)?;
    check_budget(&terms.budget)?;
    check_recipients(&terms.recipients, &proposer.organisation, organisations)?;
    if terms.isolations.is_empty() {
        return Err(fault("isolations", "expected at least one of `row`, `person`, `block`, `cohort`"));
    }
    let suppliers = check_scopes(&terms.scopes, datasets)?;
    check_longest_term(&terms, datasets, now)?;
    check_privacy(&terms, datasets)?;
    Ok(Grant {
        id,
        proposed_by: proposer.id.clone(),
        organisation: proposer.organisation.clone(),
        proposed_at: now,
        terms,
        suppliers,
        responsible: None,
        revision: 0,
        asked: None,
        approvals: Vec::new(),
        suspended_by: BTreeSet::new(),
        state: GrantState::Proposed,
    })
}

/// Checks that what `terms` leave to reviewers finds some: active reviewers of organisations that are not concerned.
///
/// # Errors
/// [`PolicyError::Terms`] when releases would wait for people who do not exist.
pub fn check_reviewers(grant: &Grant, principals: &[Principal]) -> Result<(), PolicyError> {
    let terms = &grant.terms;
    if !terms.review_required && !terms.isolations.contains(&Isolation::Cohort) {
        return Ok(());
    }
    let may = |principal: &&Principal| {
        principal.active
            && principal.roles.contains(&Role::Reviewer)
            && principal.organisation != grant.organisation
            && !grant.suppliers.contains(&principal.organisation)
    };
    if principals.iter().filter(may).count() >= REVIEWERS_MIN {
        return Ok(());
    }
    let place = if terms.review_required { "review_required" } else { "isolations, `cohort`" };
    Err(fault(
        place,
        "expected two active reviewers on file, of organisations other than the proposer's and the suppliers'",
    ))
}

/// Why no grant can open `name` of `schema`, if so. The permit asks again when a job names the field.
pub(crate) fn closed_field_rule(schema: &Schema, name: &str) -> Option<&'static str> {
    let Some(field) = schema.field(name) else { return Some("the dataset declares no such field") };
    if name == schema.person_key {
        return Some("the person key is never granted; it becomes an ordinal that no job sees");
    }
    if field.identifiability == Identifiability::Direct {
        return Some("a direct identifier is never granted");
    }
    (field.field_type == FieldType::Text).then_some("free text is never granted")
}

fn check_wording(terms: &GrantTerms) -> Result<(), PolicyError> {
    if terms.title.trim().is_empty() || terms.title.chars().count() > TITLE_CHARS_MAX {
        return Err(fault("title", "expected one line of 1 to 200 characters"));
    }
    if check_line(&terms.title, 1, TITLE_CHARS_MAX).is_err() {
        return Err(fault("title", "expected one line of letters, digits, punctuation, symbols and spaces"));
    }
    let profile = &terms.disclosure_profile;
    let named = !profile.is_empty()
        && profile.len() <= PROFILE_CHARS_MAX
        && profile.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !named {
        return Err(fault("disclosure_profile", "expected the name of a profile, e.g. `default`"));
    }
    let digest = &terms.agreement_sm3;
    if digest.len() != 64 || !digest.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)) {
        return Err(fault("agreement_sm3", "expected the SM3 digest of the signed agreement, 64 digits of 0-9a-f"));
    }
    Ok(())
}

fn check_term(terms: &GrantTerms, now: Timestamp) -> Result<(), PolicyError> {
    if terms.valid_from >= terms.valid_until {
        return Err(fault("valid_until", "expected a time after `valid_from`"));
    }
    if terms.valid_until <= now {
        return Err(fault("valid_until", "expected a time to come"));
    }
    Ok(())
}

/// A term is no longer than any supplier in scope allows.
fn check_longest_term(terms: &GrantTerms, datasets: &[Dataset], now: Timestamp) -> Result<(), PolicyError> {
    let begin = terms.valid_from.max(now);
    let in_scope = |dataset: &&Dataset| terms.scopes.iter().any(|scope| scope.dataset == dataset.id);
    for dataset in datasets.iter().filter(in_scope) {
        let days = dataset.limits.term_max_days;
        if terms.valid_until > begin.plus_days(days) {
            let rule = format!("expected a term of at most {days} days, the longest on dataset `{}`", dataset.id);
            return Err(fault("valid_until", &rule));
        }
    }
    Ok(())
}

/// Checks what a supplier's narrowing left: its filter names fields that filters may, as one that was asked for.
///
/// # Errors
/// As [`propose`].
pub fn check_narrowed(terms: &GrantTerms, datasets: &[Dataset]) -> Result<(), PolicyError> {
    check_scopes(&terms.scopes, datasets).map(drop)
}

fn check_budget(budget: &Budget) -> Result<(), PolicyError> {
    // A budget without privacy loss is one for releases without noise.
    let Budget {
        jobs_max,
        releases_max,
        cells_max,
        claims_max,
        bytes_out_max,
        fuel_max_units,
        rows_max,
        leakage_bits_max,
        epsilon_max: _,
    } = *budget;
    let amounts = [
        ("jobs_max", jobs_max),
        ("releases_max", releases_max),
        ("cells_max", cells_max),
        ("claims_max", claims_max),
        ("bytes_out_max", bytes_out_max),
        ("fuel_max_units", fuel_max_units),
        ("rows_max", rows_max),
        ("leakage_bits_max", leakage_bits_max),
    ];
    match amounts.iter().find(|(_, amount)| *amount == 0) {
        Some((name, _)) => Err(fault(&format!("budget.{name}"), "expected at least 1")),
        None => Ok(()),
    }
}

/// A grant promises no more privacy loss than every dataset in scope allows a developer.
fn check_privacy(terms: &GrantTerms, datasets: &[Dataset]) -> Result<(), PolicyError> {
    let asked = terms.budget.epsilon_max;
    if asked.is_zero() {
        return Ok(());
    }
    let in_scope = |dataset: &&Dataset| terms.scopes.iter().any(|scope| scope.dataset == dataset.id);
    for dataset in datasets.iter().filter(in_scope) {
        let allowed = dataset.privacy.map_or(Epsilon::ZERO, |limit| {
            limit.epsilon_per_developer.map_or(limit.epsilon, |share| share.min(limit.epsilon))
        });
        if asked > allowed {
            let rule = if allowed.is_zero() {
                format!("expected 0: the supplier of dataset `{}` has set no privacy limit", dataset.id)
            } else {
                format!("expected at most {allowed}, what dataset `{}` allows a developer", dataset.id)
            };
            return Err(fault("budget.epsilon_max", &rule));
        }
    }
    Ok(())
}

fn check_recipients(
    recipients: &[Recipient],
    developer: &OrganisationId,
    organisations: &[Organisation],
) -> Result<(), PolicyError> {
    if !recipients.iter().any(|recipient| &recipient.organisation == developer) {
        return Err(fault("recipients", "expected the proposer's organisation among them"));
    }
    let mut seen = BTreeSet::new();
    for recipient in recipients {
        let place = format!("recipients, `{}`", recipient.organisation);
        if !seen.insert(&recipient.organisation) {
            return Err(fault(&place, "named twice"));
        }
        match organisations.iter().find(|organisation| organisation.id == recipient.organisation) {
            None => return Err(fault(&place, "expected an organisation that is filed")),
            Some(filed) if filed.jurisdiction != recipient.jurisdiction => {
                return Err(fault(&place, "expected the jurisdiction under which the organisation is filed"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn check_scopes(scopes: &[DatasetScope], datasets: &[Dataset]) -> Result<BTreeSet<OrganisationId>, PolicyError> {
    if scopes.is_empty() {
        return Err(fault("scopes", "expected at least one dataset"));
    }
    let mut seen = BTreeSet::new();
    let mut suppliers = BTreeSet::new();
    for scope in scopes {
        if !seen.insert(&scope.dataset) {
            return Err(fault(&format!("scopes, `{}`", scope.dataset), "named twice"));
        }
        let dataset = datasets
            .iter()
            .find(|dataset| dataset.id == scope.dataset)
            .ok_or_else(|| PolicyError::UnknownDataset { dataset: scope.dataset.clone() })?;
        check_scope(scope, dataset)?;
        suppliers.insert(dataset.supplier.clone());
    }
    Ok(suppliers)
}

fn check_scope(scope: &DatasetScope, dataset: &Dataset) -> Result<(), PolicyError> {
    if dataset.sharing == Sharing::None {
        return Err(PolicyError::NotShared { dataset: dataset.id.clone() });
    }
    let place = format!("scopes, `{}`", dataset.id);
    if scope.fields.is_empty() {
        return Err(fault(&place, "expected at least one field"));
    }
    let filtered = scope.filter.iter().flat_map(|filter| filter.fields());
    for name in scope.fields.iter().map(String::as_str).chain(filtered) {
        if let Some(rule) = closed_field_rule(&dataset.schema, name) {
            let field = name.chars().take(64).collect();
            return Err(PolicyError::Field { dataset: dataset.id.clone(), field, rule });
        }
    }
    match &scope.filter {
        Some(filter) => filter.check(&dataset.schema).map_err(|error| fault(&place, &error.to_string())),
        None => Ok(()),
    }
}

fn fault(place: &str, rule: &str) -> PolicyError {
    PolicyError::Terms { place: place.to_owned(), rule: rule.to_owned() }
}

#[cfg(test)]
mod tests {
    use glovebox_catalog::{Comparison, DatasetId, Delta, PrivacyLimit, RowFilter, Scalar};

    use super::*;
    use crate::fixtures::{dataset, grant_id, now, organisations, principal, terms};

    fn try_terms(change: impl Fn(&mut GrantTerms)) -> Result<Grant, PolicyError> {
        let mut changed = terms();
        change(&mut changed);
        let developer = principal("dev", "company", &[Role::Developer]);
        propose(grant_id(), changed, &developer, &[dataset()], &organisations(), now())
    }

    fn place_of(outcome: Result<Grant, PolicyError>) -> String {
        match outcome {
            Err(PolicyError::Terms { place, .. }) => place,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn good_terms_make_a_proposed_grant_of_the_proposers_organisation() {
        let grant = try_terms(|_| {}).unwrap();
        assert_eq!(grant.state, GrantState::Proposed);
        assert_eq!(grant.organisation.as_str(), "company");
        assert_eq!(grant.suppliers.iter().map(OrganisationId::as_str).collect::<Vec<_>>(), ["hospital"]);
        assert!(grant.approvals.is_empty());
    }

    #[test]
    fn each_term_is_held_to_its_rule() {
        assert_eq!(place_of(try_terms(|t| t.title = " ".into())), "title");
        assert_eq!(place_of(try_terms(|t| t.title = "a\nb".into())), "title");
        assert_eq!(place_of(try_terms(|t| t.disclosure_profile = "../x".into())), "disclosure_profile");
        assert_eq!(place_of(try_terms(|t| t.agreement_sm3 = "A".repeat(64))), "agreement_sm3");
        assert_eq!(place_of(try_terms(|t| t.agreement_sm3 = "a".repeat(63))), "agreement_sm3");
        assert_eq!(place_of(try_terms(|t| t.valid_until = t.valid_from)), "valid_until");
        assert_eq!(place_of(try_terms(|t| t.budget.cells_max = 0)), "budget.cells_max");
        assert_eq!(place_of(try_terms(|t| t.scopes.clear())), "scopes");
        assert_eq!(place_of(try_terms(|t| t.scopes.push(t.scopes[0].clone()))), "scopes, `table`");
        assert_eq!(place_of(try_terms(|t| t.scopes[0].fields.clear())), "scopes, `table`");
    }

    #[test]
    fn a_term_that_is_over_opens_nothing() {
        let place = place_of(try_terms(|t| {
            t.valid_from = Timestamp::from_unix_ms(0);
            t.valid_until = now();
        }));
        assert_eq!(place, "valid_until");
    }

    #[test]
    fn outputs_go_to_filed_organisations_in_their_own_jurisdiction() {
        assert_eq!(place_of(try_terms(|t| t.recipients.clear())), "recipients");
        assert_eq!(place_of(try_terms(|t| t.recipients.push(t.recipients[0].clone()))), "recipients, `company`");
        assert_eq!(place_of(try_terms(|t| t.recipients[0].jurisdiction = "US".into())), "recipients, `company`");
        let stranger = OrganisationId::new("stranger").unwrap();
        let place = place_of(try_terms(|t| {
            t.recipients.push(Recipient { organisation: stranger.clone(), jurisdiction: "CN".into() });
        }));
        assert_eq!(place, "recipients, `stranger`");
    }

    #[test]
    fn identifiers_and_text_are_never_granted() {
        for field in ["person", "phone", "note", "absent"] {
            let fault = try_terms(|t| {
                t.scopes[0].fields.insert(field.into());
            });
            assert!(matches!(fault, Err(PolicyError::Field { .. })), "{field}");
        }
    }

    #[test]
    fn a_filter_does_not_single_out_by_identifier() {
        let filter = |field: &str, value| RowFilter::Compare { field: field.into(), op: Comparison::Eq, value };
        for (field, value) in [("person", Scalar::Text("7".into())), ("phone", Scalar::Integer(5))] {
            let fault = try_terms(|t| t.scopes[0].filter = Some(filter(field, value.clone())));
            assert!(matches!(fault, Err(PolicyError::Field { .. })), "{field}");
        }
        let wrong_type = try_terms(|t| t.scopes[0].filter = Some(filter("age", Scalar::Text("x".into()))));
        assert_eq!(place_of(wrong_type), "scopes, `table`");
        assert!(try_terms(|t| t.scopes[0].filter = Some(filter("age", Scalar::Integer(40)))).is_ok());
    }

    #[test]
    fn a_term_is_no_longer_than_the_supplier_allows() {
        assert!(try_terms(|t| t.valid_until = t.valid_from.plus_days(730)).is_ok());
        assert_eq!(place_of(try_terms(|t| t.valid_until = t.valid_from.plus_days(731))), "valid_until");
        let mut short = dataset();
        short.limits.term_max_days = 29;
        let developer = principal("dev", "company", &[Role::Developer]);
        let propose = |terms| propose(grant_id(), terms, &developer, &[short.clone()], &organisations(), now());
        assert_eq!(place_of(propose(terms())), "valid_until");
        // A begin that lies back gives no more time to come.
        let early = Timestamp::from_unix_ms(0);
        assert_eq!(place_of(propose(GrantTerms { valid_from: early, ..terms() })), "valid_until");
        assert!(propose(GrantTerms { valid_until: now().plus_days(29), ..terms() }).is_ok());
    }

    #[test]
    fn a_grant_names_an_isolation() {
        assert_eq!(place_of(try_terms(|t| t.isolations.clear())), "isolations");
        assert!(try_terms(|t| t.isolations = BTreeSet::from([Isolation::Cohort])).is_ok());
    }

    #[test]
    fn a_grant_loses_no_more_than_the_dataset_allows_a_developer() {
        let propose_with = |limit: Option<PrivacyLimit>, asked: f64| {
            let mut changed = terms();
            changed.budget.epsilon_max = Epsilon::new(asked).unwrap();
            let filed = Dataset { privacy: limit, ..dataset() };
            let developer = principal("dev", "company", &[Role::Developer]);
            propose(grant_id(), changed, &developer, &[filed], &organisations(), now())
        };
        let limit = |epsilon: f64, share: Option<f64>| {
            Some(PrivacyLimit {
                epsilon: Epsilon::new(epsilon).unwrap(),
                delta: Delta::new(1e-9).unwrap(),
                epsilon_per_developer: share.map(|share| Epsilon::new(share).unwrap()),
            })
        };
        assert!(propose_with(None, 0.0).is_ok());
        assert_eq!(place_of(propose_with(None, 0.1)), "budget.epsilon_max");
        assert!(propose_with(limit(2.0, None), 2.0).is_ok());
        assert_eq!(place_of(propose_with(limit(2.0, None), 2.000_001)), "budget.epsilon_max");
        assert!(propose_with(limit(2.0, Some(0.5)), 0.5).is_ok());
        assert_eq!(place_of(propose_with(limit(2.0, Some(0.5)), 1.0)), "budget.epsilon_max");
    }

    #[test]
    fn what_waits_for_reviewers_finds_two_of_them() {
        let reviewer = |id: &str, organisation: &str| principal(id, organisation, &[Role::Reviewer]);
        let both = [reviewer("a", "laboratory"), reviewer("b", "ministry")];
        let left = Principal { active: false, ..reviewer("b", "ministry") };
        let few = [reviewer("a", "laboratory"), reviewer("c", "company"), reviewer("d", "hospital"), left];
        let grant = |terms: GrantTerms| Grant { terms, ..crate::fixtures::proposed() };
        for waits in [
            GrantTerms { review_required: true, ..terms() },
            GrantTerms { isolations: BTreeSet::from([Isolation::Row, Isolation::Cohort]), ..terms() },
        ] {
            let waits = grant(waits);
            assert_eq!(check_reviewers(&waits, &both), Ok(()));
            assert!(check_reviewers(&waits, &few).is_err());
        }
        assert_eq!(check_reviewers(&grant(terms()), &few), Ok(()));
    }

    #[test]
    fn only_shared_and_filed_datasets() {
        let developer = principal("dev", "company", &[Role::Developer]);
        let mut closed = dataset();
        closed.sharing = Sharing::None;
        let fault = propose(grant_id(), terms(), &developer, &[closed], &organisations(), now());
        assert!(matches!(fault, Err(PolicyError::NotShared { .. })));
        let fault = propose(grant_id(), terms(), &developer, &[], &organisations(), now());
        assert_eq!(fault, Err(PolicyError::UnknownDataset { dataset: DatasetId::new("table").unwrap() }));
    }
}
