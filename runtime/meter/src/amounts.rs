//! Amounts of everything that is metered.
//!
//! Nothing here follows from what a run did with rows, but what the gate let out. So there is no CPU time, no memory and no
//! number of bytes: each would carry a value of a row to whoever reads a meter.

use glovebox_catalog::{Budget, DeveloperBudget};
use serde::{Deserialize, Serialize};

use crate::Meter;

/// Amounts of everything that is metered; also the balance of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Amounts {
    /// Jobs started.
    pub jobs: u64,
    /// Releases that left.
    pub releases: u64,
    /// Cells that left.
    pub cells: u64,
    /// Sets of persons that jobs may have claimed: one for each cell that they declare, whatever they claimed of them.
    pub claims: u64,
    /// Bytes that left.
    pub bytes_out: u64,
    /// Bits that releases can carry at most, by their leakage bounds.
    pub leakage_bits: u64,
    /// Fuel, in wasmtime units, by the size of the snapshot: what the run may burn, not what it burnt.
    pub fuel_units: u64,
    /// Rows, by the size of the snapshot.
    pub rows_read: u64,
}

impl Amounts {
    /// No limit on anything.
    pub const UNLIMITED: Self = Self {
        jobs: u64::MAX,
        releases: u64::MAX,
        cells: u64::MAX,
        claims: u64::MAX,
        bytes_out: u64::MAX,
        leakage_bits: u64::MAX,
        fuel_units: u64::MAX,
        rows_read: u64::MAX,
    };

    /// Both together: saturating sums.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        self.combined(other, u64::saturating_add)
    }

    /// What is left of `self` after `other`, never below nothing.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.combined(other, u64::saturating_sub)
    }

    /// Whether every amount is at most that of `limit`.
    #[must_use]
    pub fn fits_within(&self, limit: &Self) -> bool {
        Meter::ALL.into_iter().all(|meter| meter.of(self) <= meter.of(limit))
    }

    /// The same of a job of which nothing left.
    #[must_use]
    pub fn without_release(self) -> Self {
        Self { releases: 0, cells: 0, bytes_out: 0, leakage_bits: 0, ..self }
    }

    fn combined(&self, other: &Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        let mut result = *self;
        for meter in Meter::ALL {
            *meter.of_mut(&mut result) = combine(meter.of(self), meter.of(other));
        }
        result
    }
}

/// A grant's budget as limits; meters for which a budget says nothing are unlimited.
impl From<&Budget> for Amounts {
    fn from(budget: &Budget) -> Self {
        Self {
            jobs: budget.jobs_max,
            releases: budget.releases_max,
            cells: budget.cells_max,
            claims: budget.claims_max,
            bytes_out: budget.bytes_out_max,
            leakage_bits: budget.leakage_bits_max,
            fuel_units: budget.fuel_max_units,
            rows_read: budget.rows_max,
        }
    }
}

/// What a supplier allows a developer organisation of a dataset, as limits.
impl From<&DeveloperBudget> for Amounts {
    fn from(budget: &DeveloperBudget) -> Self {
        Self {
            jobs: budget.jobs_max,
            releases: budget.releases_max,
            cells: budget.cells_max,
            claims: budget.claims_max,
            leakage_bits: budget.leakage_bits_max,
            ..Self::UNLIMITED
        }
    }
}

#[cfg(test)]
mod tests {
    use glovebox_catalog::Epsilon;

    use super::*;

    #[test]
    fn sums_saturate() {
        let a = Amounts { jobs: 1, fuel_units: u64::MAX - 1, ..Amounts::default() };
        let b = Amounts { jobs: 2, fuel_units: 5, ..Amounts::default() };
        let sum = a.add(&b);
        assert_eq!((sum.jobs, sum.fuel_units), (3, u64::MAX));
        let left = b.minus(&a);
        assert_eq!((left.jobs, left.fuel_units), (1, 0));
    }

    #[test]
    fn without_a_release_only_the_work_is_paid() {
        let all = Amounts::UNLIMITED.without_release();
        let left = Meter::ALL.into_iter().filter(|meter| meter.of(&all) == 0).collect::<Vec<_>>();
        assert_eq!(left, [Meter::Releases, Meter::Cells, Meter::BytesOut, Meter::LeakageBits]);
    }

    #[test]
    fn one_meter_too_much_does_not_fit() {
        let limit = Amounts { cells: 10, rows_read: 5, ..Amounts::UNLIMITED };
        assert!(Amounts { cells: 10, rows_read: 5, ..Amounts::default() }.fits_within(&limit));
        assert!(!Amounts { cells: 11, ..Amounts::default() }.fits_within(&limit));
        assert!(!Amounts { rows_read: 6, ..Amounts::default() }.fits_within(&limit));
    }

    #[test]
    fn a_budget_limits_what_it_names_and_nothing_else() {
        let budget = Budget {
            jobs_max: 1,
            releases_max: 2,
            claims_max: 8,
            cells_max: 3,
            bytes_out_max: 4,
            fuel_max_units: 5,
            rows_max: 6,
            leakage_bits_max: 7,
            epsilon_max: Epsilon::ZERO,
        };
        let limits = Amounts::from(&budget);
        let named = [
            limits.jobs,
            limits.releases,
            limits.cells,
            limits.bytes_out,
            limits.fuel_units,
            limits.rows_read,
            limits.leakage_bits,
            limits.claims,
        ];
        assert_eq!(named, [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn json_leaves_nothing_unknown_and_fills_what_is_absent() {
        let amounts: Amounts = serde_json::from_str(r#"{"jobs":3}"#).unwrap();
        assert_eq!(amounts, Amounts { jobs: 3, ..Amounts::default() });
        assert!(serde_json::from_str::<Amounts>(r#"{"epsilon":3}"#).is_err());
    }
}
