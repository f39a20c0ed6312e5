//! What a job holds before it reads a row: the worst case of everything, from its manifest and the size of the snapshot.

use glovebox_catalog::{Isolation, JobManifest, Refusal, Snapshot};
use glovebox_gate::{Leakage, Profile, cells_max, leakage_max, memory_max_bytes};
use glovebox_meter::{Amounts, two_digits_up};
use glovebox_sandbox::{COHORT_BASE_ROWS, Faults, Limits};

use crate::JobLimits;
use crate::job::cost::{END_BITS, withheld_bits};
use crate::job::run::Case;

/// Bytes that one cell takes in a release document at most: eight keys of 64 bytes, a value, a refusal's four texts.
const CELL_MAX_BYTES: u64 = 2_048;
/// Bytes of one number of a model's state.
const STATE_MAX_BYTES: u64 = 32;
const DOCUMENT_MAX_BYTES: u64 = 16_384;

/// The size of a snapshot as all that is reserved, charged and refused takes it: rounded up to two digits. Whoever looks for
/// the limit at which a reservation is refused finds no more than what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    rows: u64,
    persons: u64,
}

impl From<&Snapshot> for Size {
    fn from(snapshot: &Snapshot) -> Self {
        Self { rows: two_digits_up(snapshot.rows), persons: two_digits_up(snapshot.persons) }
    }
}

/// The worst case. No run can then end for want of budget: such an end would tell something of the rows.
pub(crate) fn worst_case(case: &Case, profile: &Profile, limits: &JobLimits) -> Amounts {
    let Size { rows, persons } = Size::from(&case.snapshot);
    let manifest = &case.module.manifest;
    let rounds = u64::from(manifest.rounds_max());
    let cells = cells_max(manifest);
    let fuel_of_a_round = match manifest.isolation {
        // Each output's functions are called for each row, with a measure of their own.
        Isolation::Row => rows.saturating_mul(limits.fuel_per_row_units).saturating_mul(manifest.outputs.len() as u64),
        Isolation::Person => persons.saturating_mul(limits.fuel_per_person_units),
        Isolation::Block => u64::from(manifest.blocks.unwrap_or_default()).saturating_mul(limits.fuel_per_block_units),
        Isolation::Cohort => rows.saturating_add(COHORT_BASE_ROWS).saturating_mul(limits.fuel_per_cohort_row_units),
    };
    let state = manifest.rounds.as_ref().map_or(0, |rounds| rounds.state.len() as u64);
    let update = if manifest.rounds.is_some() { limits.fuel_per_update_units } else { 0 };
    Amounts {
        jobs: 1,
        releases: 1,
        cells,
        claims: if case.is_guarded() { cells } else { 0 },
        bytes_out: cells
            .saturating_mul(CELL_MAX_BYTES)
            .saturating_add(state.saturating_mul(rounds).saturating_mul(STATE_MAX_BYTES))
            .saturating_add(DOCUMENT_MAX_BYTES),
        leakage_bits: leakage_bound(case, profile)
            .bits
            .saturating_add(END_BITS)
            .max(withheld_bits(manifest.outputs.len() as u64)),
        fuel_units: fuel_of_a_round.saturating_add(update).saturating_mul(rounds),
        rows_read: rows.saturating_mul(rounds),
    }
}

/// Whether the tables of a job may grow to what they can grow to, by its manifest and the size of the snapshot.
///
/// # Errors
/// A refusal.
pub(crate) fn check_memory(manifest: &JobManifest, snapshot: &Snapshot, limits: &JobLimits) -> Result<(), Refusal> {
    let Size { rows, persons } = Size::from(snapshot);
    if memory_max_bytes(manifest, rows, persons) <= limits.tables_memory_bytes {
        return Ok(());
    }
    Err(Refusal::new(
        "job.tables-too-large",
        format!("the sets of persons behind all cells fit into {} MiB", limits.tables_memory_bytes >> 20),
        "the manifest",
        "declare fewer cells, or fewer contributions a person",
    ))
}

/// What the job's release can carry at most, over all rounds.
pub(crate) fn leakage_bound(case: &Case, profile: &Profile) -> Leakage {
    let Size { rows, persons } = Size::from(&case.snapshot);
    leakage_max(&case.module.manifest, profile, rows, persons, case.request.privacy)
}

/// The fuel of a run in all is not bounded here: every row, person and block has its measure, so their number bounds the
/// run, and a run that ended at a total could be steered to the brink of it by a value of the last row.
pub(crate) fn limits(manifest: &JobManifest, limits: &JobLimits) -> Limits {
    Limits {
        fuel_per_unit: match manifest.isolation {
            Isolation::Row => limits.fuel_per_row_units,
            Isolation::Person => limits.fuel_per_person_units,
            Isolation::Block => limits.fuel_per_block_units,
            Isolation::Cohort => limits.fuel_per_cohort_row_units,
        },
        fuel_total_units: u64::MAX,
        memory_bytes: limits.memory_bytes,
        wall: limits.wall,
        faults: Faults::Drop,
    }
}

/// Limits of one `update`. It sees what was released and nothing else, so its end may depend on anything.
pub(crate) fn update_limits(limits: &JobLimits) -> Limits {
    Limits {
        fuel_per_unit: limits.fuel_per_update_units,
        fuel_total_units: u64::MAX,
        memory_bytes: limits.memory_bytes,
        wall: limits.wall,
        faults: Faults::Stop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(rows: u64) -> Snapshot {
        serde_json::from_value(serde_json::json!({
            "dataset": "table", "number": 1, "rows": rows, "persons": rows, "quarantined_rows": 0,
            "digest_sm3": "0".repeat(64), "size_bytes": 1, "published_at": "2026-11-23T08:00:00Z"
        }))
        .unwrap()
    }

    /// Whoever bisects for the budget at which a job is refused finds the two digits that are shown anyway.
    #[test]
    fn sizes_of_snapshots_are_told_by_two_digits() {
        let size = |rows| Size::from(&snapshot(rows));
        assert_eq!(size(8_366), Size { rows: 8_400, persons: 8_400 });
        assert!((8_301..=8_400).all(|rows| size(rows) == size(8_366)));
        assert_ne!(size(8_401), size(8_366));
    }
}
