//! A narrowing: what a supplier takes away from the terms that were asked for. It has no way to say more.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Budget, DatasetId, DatasetScope, Epsilon, GrantTerms, Isolation, RowFilter, Timestamp};

/// What is taken away from a grant's terms; what is left out stays as asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Narrowing {
    /// Of datasets in scope; others stay as asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<ScopeNarrowing>,
    /// A later begin of the term.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// An earlier end of the term (exclusive).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
    /// Smaller budgets.
    pub budget: BudgetNarrowing,
    /// Fewer isolations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolations: Option<BTreeSet<Isolation>>,
    /// Releases wait for reviewers though that was not asked for.
    pub review_required: bool,
}

/// What is taken away from one dataset in scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopeNarrowing {
    /// The dataset.
    pub dataset: DatasetId,
    /// The fields that stay, some of those asked for; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<BTreeSet<String>>,
    /// A condition that rows meet beside the one asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<RowFilter>,
}

/// Smaller amounts than were asked for; what is left out stays as asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetNarrowing {
    /// Jobs that may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs_max: Option<u64>,
    /// Releases that may leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub releases_max: Option<u64>,
    /// Cells that may leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cells_max: Option<u64>,
    /// Sets of persons that jobs may claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims_max: Option<u64>,
    /// Bytes that may leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_out_max: Option<u64>,
    /// Fuel that may burn, in wasmtime units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel_max_units: Option<u64>,
    /// Rows that may be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_max: Option<u64>,
    /// Bits that releases may carry at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leakage_bits_max: Option<u64>,
    /// ε that releases with noise may lose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon_max: Option<Epsilon>,
}

impl GrantTerms {
    /// Whether these terms open nothing that `asked` does not.
    #[must_use]
    pub fn is_within(&self, asked: &Self) -> bool {
        let left = self;
        let scope_within = |scope: &DatasetScope, asked: &DatasetScope| {
            scope.dataset == asked.dataset
                && scope.fields.is_subset(&asked.fields)
                && filter_within(scope.filter.as_ref(), asked.filter.as_ref())
        };
        let scopes = left.scopes.len() == asked.scopes.len()
            && left.scopes.iter().zip(&asked.scopes).all(|(scope, asked)| scope_within(scope, asked));
        scopes
            && left.valid_from >= asked.valid_from
            && left.valid_until <= asked.valid_until
            && budget_within(&left.budget, &asked.budget)
            && left.isolations.is_subset(&asked.isolations)
            && (left.review_required || !asked.review_required)
            && left.title == asked.title
            && (left.purpose, left.basis) == (asked.purpose, asked.basis)
            && left.recipients == asked.recipients
            && left.disclosure_profile == asked.disclosure_profile
            && left.agreement_sm3 == asked.agreement_sm3
    }
}

fn budget_within(left: &Budget, asked: &Budget) -> bool {
    left.jobs_max <= asked.jobs_max
        && left.releases_max <= asked.releases_max
        && left.cells_max <= asked.cells_max
        && left.claims_max <= asked.claims_max
        && left.bytes_out_max <= asked.bytes_out_max
        && left.fuel_max_units <= asked.fuel_max_units
        && left.rows_max <= asked.rows_max
        && left.leakage_bits_max <= asked.leakage_bits_max
        && left.epsilon_max <= asked.epsilon_max
}

/// The same filter, or a conjunction with it.
fn filter_within(left: Option<&RowFilter>, asked: Option<&RowFilter>) -> bool {
    match (left, asked) {
        (_, None) => true,
        (Some(left), Some(asked)) if left == asked => true,
        (Some(RowFilter::All { all }), asked) => all.iter().any(|part| filter_within(Some(part), asked)),
        _ => false,
    }
}
