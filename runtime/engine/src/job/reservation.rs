//! What a job holds before it reads a row: the worst case of everything, from its manifest and the size of the snapshot.

use glovebox_catalog::{Isolation, JobManifest, Snapshot};
use glovebox_gate::{Leakage, Profile, cells_max, leakage_max};
use glovebox_meter::Amounts;
use glovebox_sandbox::{COHORT_BASE_ROWS, Faults, Limits, RunMeters};

use crate::JobLimits;
use crate::job::run::Case;

/// Bytes that one cell takes in a release document at most: eight keys of 64 bytes, a value, a refusal's four texts.
const CELL_MAX_BYTES: u64 = 2_048;
/// Bytes of one number of a model's state.
const STATE_MAX_BYTES: u64 = 32;
const DOCUMENT_MAX_BYTES: u64 = 16_384;

/// Bits that the way tells in which a job ended: one of fewer than sixteen.
pub(crate) const END_BITS: u64 = 4;
/// Bits that the reasons tell for one output of which nothing could leave: which of the gate's codes were met.
const REASONS_BITS: u64 = 10;

/// What a job can carry of which nothing left: how it ended, and why.
pub(crate) fn withheld_bits(manifest: &JobManifest) -> u64 {
    END_BITS.saturating_add(REASONS_BITS.saturating_mul(manifest.outputs.len() as u64))
}

/// The worst case. No run can then end for want of budget: such an end would tell something of the rows.
pub(crate) fn worst_case(case: &Case, profile: &Profile, limits: &JobLimits) -> Amounts {
    let Snapshot { rows, persons, .. } = case.snapshot;
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
        bytes_out: cells
            .saturating_mul(CELL_MAX_BYTES)
            .saturating_add(state.saturating_mul(rounds).saturating_mul(STATE_MAX_BYTES))
            .saturating_add(DOCUMENT_MAX_BYTES),
        leakage_bits: leakage_bound(case, profile).bits.max(withheld_bits(manifest)),
        fuel_units: fuel_of_a_round.saturating_add(update).saturating_mul(rounds),
        rows_read: rows.saturating_mul(rounds),
        ..Amounts::default()
    }
}

/// What the job's release can carry at most, over all rounds.
pub(crate) fn leakage_bound(case: &Case, profile: &Profile) -> Leakage {
    let Snapshot { rows, persons, .. } = case.snapshot;
    leakage_max(&case.module.manifest, profile, two_digits_up(rows), two_digits_up(persons), case.request.privacy)
}

/// Two significant digits, rounded up: a developer who solves the bound for the size of a snapshot finds no more.
fn two_digits_up(count: u64) -> u64 {
    let digits = count.checked_ilog10().unwrap_or(0).saturating_sub(1);
    let step = 10_u64.saturating_pow(digits).max(1);
    count.div_ceil(step).saturating_mul(step)
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

/// What is charged. Fuel and rows are charged as reserved, by the size of the snapshot, whatever the module did with its
/// rows and however many rounds it took: a charge that followed the run would be a channel out of it, and the next job's
/// refusal would carry a bit.
pub(crate) fn used(held: &Amounts, meters: &RunMeters, bytes_read: u64) -> Amounts {
    Amounts {
        jobs: 1,
        fuel_units: held.fuel_units,
        rows_read: held.rows_read,
        bytes_read,
        cpu_ms: meters.cpu_ms,
        memory_peak_bytes: meters.memory_peak_bytes,
        ..Amounts::default()
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
    #[test]
    fn sizes_are_rounded_up_to_two_digits() {
        assert_eq!([0, 7, 99, 100, 101, 8_366, u64::MAX].map(super::two_digits_up)[..6], [0, 7, 99, 100, 110, 8_400]);
        assert_eq!(super::two_digits_up(u64::MAX), u64::MAX);
    }
}
