//! Narrowing: a supplier approves less than was asked. What comes out never opens more than what went in.

use glovebox_catalog::{Budget, BudgetNarrowing, DatasetScope, GrantTerms, Narrowing, RowFilter, ScopeNarrowing};

use crate::PolicyError;

/// The terms that are left of `terms`.
///
/// # Errors
/// [`PolicyError::Narrowing`] for whatever would be more than was asked, or nothing at all.
pub fn narrow(terms: &GrantTerms, narrowing: &Narrowing) -> Result<GrantTerms, PolicyError> {
    let mut left = terms.clone();
    for scope in &narrowing.scopes {
        let place = format!("scopes, `{}`", scope.dataset);
        let asked = left.scopes.iter_mut().find(|asked| asked.dataset == scope.dataset);
        narrow_scope(asked.ok_or_else(|| fault(&place, "the dataset was not asked for"))?, scope, &place)?;
    }
    if let Some(from) = narrowing.valid_from {
        check(from >= terms.valid_from, "valid_from", "expected a time within the term asked for")?;
        left.valid_from = from;
    }
    if let Some(until) = narrowing.valid_until {
        check(until <= terms.valid_until, "valid_until", "expected a time within the term asked for")?;
        left.valid_until = until;
    }
    check(left.valid_from < left.valid_until, "valid_until", "expected a time after `valid_from`")?;
    left.budget = narrow_budget(terms.budget, narrowing.budget)?;
    if let Some(isolations) = &narrowing.isolations {
        let fewer = !isolations.is_empty() && isolations.is_subset(&terms.isolations);
        check(fewer, "isolations", "expected some of those asked for")?;
        left.isolations = isolations.clone();
    }
    left.review_required |= narrowing.review_required;
    Ok(left)
}

fn narrow_scope(left: &mut DatasetScope, narrowing: &ScopeNarrowing, place: &str) -> Result<(), PolicyError> {
    if let Some(fields) = &narrowing.fields {
        check(!fields.is_empty() && fields.is_subset(&left.fields), place, "expected some of the fields asked for")?;
        left.fields.clone_from(fields);
    }
    if let Some(filter) = &narrowing.filter {
        // Beside what was asked, never in its place: a conjunction opens no row that either part closes.
        left.filter = Some(match left.filter.take() {
            Some(asked) => RowFilter::All { all: vec![asked, filter.clone()] },
            None => filter.clone(),
        });
    }
    Ok(())
}

fn narrow_budget(asked: Budget, narrowing: BudgetNarrowing) -> Result<Budget, PolicyError> {
    let less = |name: &str, asked: u64, wanted: Option<u64>| match wanted {
        None => Ok(asked),
        Some(amount) if (1..=asked).contains(&amount) => Ok(amount),
        Some(_) => Err(fault(&format!("budget.{name}"), "expected at least 1 and at most what was asked for")),
    };
    let epsilon_max = narrowing.epsilon_max.unwrap_or(asked.epsilon_max);
    check(epsilon_max <= asked.epsilon_max, "budget.epsilon_max", "expected at most what was asked for")?;
    Ok(Budget {
        jobs_max: less("jobs_max", asked.jobs_max, narrowing.jobs_max)?,
        releases_max: less("releases_max", asked.releases_max, narrowing.releases_max)?,
        cells_max: less("cells_max", asked.cells_max, narrowing.cells_max)?,
        claims_max: less("claims_max", asked.claims_max, narrowing.claims_max)?,
        bytes_out_max: less("bytes_out_max", asked.bytes_out_max, narrowing.bytes_out_max)?,
        fuel_max_units: less("fuel_max_units", asked.fuel_max_units, narrowing.fuel_max_units)?,
        rows_max: less("rows_max", asked.rows_max, narrowing.rows_max)?,
        leakage_bits_max: less("leakage_bits_max", asked.leakage_bits_max, narrowing.leakage_bits_max)?,
        epsilon_max,
    })
}

fn check(holds: bool, place: &str, rule: &str) -> Result<(), PolicyError> {
    if holds { Ok(()) } else { Err(fault(place, rule)) }
}

fn fault(place: &str, rule: &str) -> PolicyError {
    PolicyError::Narrowing { place: place.to_owned(), rule: rule.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use glovebox_catalog::{Comparison, DatasetId, Epsilon, Isolation, Scalar, Timestamp};
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{dataset, terms};

    fn filter(bound: i64) -> RowFilter {
        RowFilter::Compare { field: "age".into(), op: Comparison::Ge, value: Scalar::Integer(bound) }
    }

    /// Whether a person of this age passes; the filters of these tests compare ages only.
    fn passes(filter: Option<&RowFilter>, age: i64) -> bool {
        match filter {
            None => true,
            Some(RowFilter::All { all }) => all.iter().all(|part| passes(Some(part), age)),
            Some(RowFilter::Any { any }) => any.iter().any(|part| passes(Some(part), age)),
            Some(RowFilter::Not { not }) => !passes(Some(not), age),
            Some(RowFilter::Compare { value: Scalar::Integer(bound), .. }) => age >= *bound,
            other => panic!("{other:?}"),
        }
    }

    fn filters() -> impl Strategy<Value = RowFilter> {
        let leaf = (0..100_i64).prop_map(filter);
        leaf.prop_recursive(3, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(|all| RowFilter::All { all }),
                prop::collection::vec(inner.clone(), 0..3).prop_map(|any| RowFilter::Any { any }),
                inner.prop_map(|not| RowFilter::Not { not: Box::new(not) }),
            ]
        })
    }

    fn scopes() -> impl Strategy<Value = ScopeNarrowing> {
        let names = ["sex", "age", "bmi", "hiv", "visit", "person"];
        let fields = prop::collection::btree_set(prop::sample::select(names.to_vec()).prop_map(str::to_owned), 0..5);
        let id = prop_oneof![6 => Just("table"), 1 => Just("other")];
        (id, prop::option::of(fields), prop::option::of(filters())).prop_map(|(id, fields, filter)| ScopeNarrowing {
            dataset: DatasetId::new(id).unwrap(),
            fields,
            filter,
        })
    }

    fn narrowings() -> impl Strategy<Value = Narrowing> {
        let amount = || prop::option::weighted(0.3, prop_oneof![4 => 0..200_u64, 1 => any::<u64>()]);
        let budget = (amount(), amount(), amount(), amount(), amount(), prop::option::weighted(0.3, 0..3_000_000_u64));
        let budget = budget.prop_map(|(jobs_max, releases_max, cells_max, rows_max, leakage_bits_max, epsilon)| {
            let epsilon_max = epsilon.map(Epsilon::from_steps);
            BudgetNarrowing {
                jobs_max,
                releases_max,
                cells_max,
                rows_max,
                leakage_bits_max,
                epsilon_max,
                ..BudgetNarrowing::default()
            }
        });
        let (base, days) = (terms().valid_from.unix_ms(), 86_400_000);
        let time = move || {
            prop::option::weighted(0.3, (-5..40_i64).prop_map(move |day| Timestamp::from_unix_ms(base + day * days)))
        };
        let isolations = prop::collection::btree_set(
            prop::sample::select(vec![Isolation::Row, Isolation::Person, Isolation::Block, Isolation::Cohort]),
            0..4,
        );
        let isolations = prop::option::weighted(0.3, isolations);
        (prop::collection::vec(scopes(), 0..3), time(), time(), budget, isolations, any::<bool>()).prop_map(
            |(scopes, valid_from, valid_until, budget, isolations, review_required)| Narrowing {
                scopes,
                valid_from,
                valid_until,
                budget,
                isolations,
                review_required,
            },
        )
    }

    fn asked(with_filter: bool, review_required: bool) -> GrantTerms {
        let mut asked = GrantTerms { review_required, ..terms() };
        asked.budget.epsilon_max = Epsilon::from_steps(1_000_000);
        asked.scopes[0].filter = with_filter.then(|| filter(40));
        asked
    }

    #[test]
    fn less_is_what_the_supplier_said() {
        let narrowing: Narrowing = serde_json::from_value(serde_json::json!({
            "scopes": [{"dataset": "table", "fields": ["sex", "bmi"], "filter": {"field": "age", "op": "ge", "value": 50}}],
            "budget": {"jobs_max": 1, "cells_max": 10}, "isolations": ["row"], "review_required": true,
            "valid_until": terms().valid_from.plus_days(7),
        }))
        .unwrap();
        let left = narrow(&asked(true, false), &narrowing).unwrap();
        assert_eq!(left.scopes[0].fields, BTreeSet::from(["bmi".to_owned(), "sex".to_owned()]));
        assert_eq!(left.scopes[0].filter, Some(RowFilter::All { all: vec![filter(40), filter(50)] }));
        assert_eq!((left.budget.jobs_max, left.budget.cells_max, left.budget.releases_max), (1, 10, 3));
        assert_eq!((left.valid_until, left.review_required), (terms().valid_from.plus_days(7), true));
        assert!(left.is_within(&asked(true, false)) && !asked(true, false).is_within(&left));
    }

    #[test]
    fn more_is_refused_and_named() {
        let place = |narrowing: serde_json::Value| {
            let narrowing: Narrowing = serde_json::from_value(narrowing).unwrap();
            match narrow(&asked(false, false), &narrowing) {
                Err(PolicyError::Narrowing { place, .. }) => place,
                other => panic!("{other:?}"),
            }
        };
        let table = |fields: &[&str]| serde_json::json!({"scopes": [{"dataset": dataset().id, "fields": fields}]});
        assert_eq!(place(table(&["visit"])), "scopes, `table`");
        assert_eq!(place(table(&[])), "scopes, `table`");
        assert_eq!(place(serde_json::json!({"scopes": [{"dataset": "other"}]})), "scopes, `other`");
        assert_eq!(place(serde_json::json!({"budget": {"jobs_max": 4}})), "budget.jobs_max");
        assert_eq!(place(serde_json::json!({"budget": {"cells_max": 0}})), "budget.cells_max");
        assert_eq!(place(serde_json::json!({"budget": {"epsilon_max": 1.1}})), "budget.epsilon_max");
        assert_eq!(place(serde_json::json!({"isolations": ["cohort"]})), "isolations");
        assert_eq!(place(serde_json::json!({"isolations": []})), "isolations");
        let late = terms().valid_until.plus_days(1);
        assert_eq!(place(serde_json::json!({"valid_until": late})), "valid_until");
        assert_eq!(place(serde_json::json!({"valid_from": terms().valid_until})), "valid_until");
    }

    proptest! {
        /// Whatever a supplier writes, what is left is within what was asked: by the comparison that the store makes,
        /// and row by row.
        #[test]
        fn narrowing_never_widens(
            narrowings in prop::collection::vec(narrowings(), 1..4), with_filter: bool, review: bool, age in 0..100_i64
        ) {
            let asked = asked(with_filter, review);
            let mut left = asked.clone();
            for narrowing in &narrowings {
                if let Ok(narrower) = narrow(&left, narrowing) {
                    prop_assert!(narrower.is_within(&left));
                    prop_assert!(!passes(narrower.scopes[0].filter.as_ref(), age) || passes(left.scopes[0].filter.as_ref(), age));
                    left = narrower;
                }
            }
            prop_assert!(left.is_within(&asked));
            prop_assert!(left.scopes[0].fields.is_subset(&asked.scopes[0].fields));
            prop_assert!(!passes(left.scopes[0].filter.as_ref(), age) || passes(asked.scopes[0].filter.as_ref(), age));
            prop_assert!(left.valid_from >= asked.valid_from && left.valid_until <= asked.valid_until);
            prop_assert!(left.budget.jobs_max <= asked.budget.jobs_max && left.budget.jobs_max >= 1);
            prop_assert!(left.budget.leakage_bits_max <= asked.budget.leakage_bits_max);
            prop_assert!(left.budget.epsilon_max <= asked.budget.epsilon_max);
            prop_assert!(left.review_required || !review);
        }
    }
}
