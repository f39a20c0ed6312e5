//! How many bits a release can carry at most, whatever the module is. docs/disclosure.md derives the bounds.
//!
//! A release is one of a finite number of possible releases; the logarithm of their number bounds what any module can
//! write into it. For one person, everybody else's data held fixed, the number of possible releases is that of the
//! different contributions that the gate can tell apart. Noise bounds it by the privacy loss. Nothing here depends on
//! data: only on what is declared, and on how many rows and persons the snapshot has.

use glovebox_catalog::{Isolation, JobManifest, Output, Privacy, Reducer};

use crate::margin::margin_count;
use crate::release::Leakage;
use crate::rules::{SUPPRESSIONS, count_step};
use crate::shape::Shape;
use crate::{Profile, Reduced};

/// Bits of a figure of which no more is known than that it is a 64-bit number.
const NUMBER_BITS: f64 = 64.0;
/// Bits that one person's value can move at a figure to which the person contributes, the others' values fixed: two
/// adjacent multiples of a step, two steps where the step depends on a count, and four judgements.
const MOVED_BITS: f64 = 4.0;
/// More persons than ordinals can number: what is assumed where the size of the snapshot is not known.
const PERSONS_MAX: u64 = 1 << 32;

/// What a job can carry at most: to be reserved before it runs. Covers all rounds.
#[must_use]
pub fn leakage_max(
    manifest: &JobManifest,
    profile: &Profile,
    snapshot_rows: u64,
    persons: u64,
    privacy: Option<Privacy>,
) -> Leakage {
    let rounds = u64::from(manifest.rounds_max());
    let once = match (manifest.isolation, privacy) {
        (Isolation::Cohort, _) => leakage_of_tables(manifest),
        (_, Some(privacy)) => leakage_of_noise(figures(manifest), persons, privacy),
        (Isolation::Block, None) => whole(NUMBER_BITS * figures(manifest) as f64),
        (isolation, None) => {
            let rows = if isolation == Isolation::Row { snapshot_rows } else { u64::MAX };
            sum(manifest.outputs.iter().map(|output| {
                let contributions_max = contributions_max(output, manifest.contributions_per_person_max);
                let contributions = persons.saturating_mul(u64::from(contributions_max)).min(rows);
                let shape = Shape::of(manifest, output);
                Declared { output, shape: &shape, contributions_max, contributions, persons }.leakage(profile)
            }))
        }
    };
    Leakage { bits: once.bits.saturating_mul(rounds), bits_per_person: once.bits_per_person.saturating_mul(rounds) }
}

/// That of one release under rules, for any snapshot.
pub(crate) fn leakage_of_rules(reduced: &Reduced, profile: &Profile) -> Leakage {
    sum(reduced.outputs.iter().map(|output| {
        let contributions_max = output.contributions_max;
        let contributions = PERSONS_MAX.saturating_mul(u64::from(contributions_max));
        let (output, shape) = (&output.output, &output.shape);
        Declared { output, shape, contributions_max, contributions, persons: PERSONS_MAX }.leakage(profile)
    }))
}

/// That of one release with noise: `figures` of them.
///
/// Pure ε-differential privacy bounds the logarithm of the ratio of any two probabilities by ε nats for one person, and
/// by nε for n (Dwork et al. 2015, max-information). ρ-concentrated privacy bounds the divergence by ρ nats for one
/// person, and by n²ρ for n (Bun and Steinke 2016, proposition 1.9).
pub(crate) fn leakage_of_noise(figures: u64, persons: u64, privacy: Privacy) -> Leakage {
    let bits_per_nat = std::f64::consts::LOG2_E;
    let persons = persons as f64;
    let (one, all) = match privacy {
        Privacy::Laplace { epsilon } => (epsilon.value(), epsilon.value() * persons),
        Privacy::Gaussian { rho } => (rho.value(), rho.value() * persons * persons),
    };
    let bits = whole((all * bits_per_nat).min(NUMBER_BITS * figures as f64)).bits;
    Leakage { bits, bits_per_person: whole(one * bits_per_nat).bits.min(bits) }
}

/// That of tables which a guest made of everything: it may write all of it about one person.
pub(crate) fn leakage_of_tables(manifest: &JobManifest) -> Leakage {
    whole(
        manifest
            .outputs
            .iter()
            .map(|output| match &output.reducer {
                Reducer::Table { columns, rows_max } => {
                    // Claimed persons are a whole number below 2^32, or absent.
                    let row =
                        columns.iter().map(|column| (column.column_type.value_count() as f64).log2()).sum::<f64>()
                            + 33.0;
                    row * f64::from(*rows_max)
                }
                _ => NUMBER_BITS * figures_of(output, &Shape::of(manifest, output)) as f64,
            })
            .sum(),
    )
}

/// Figures of a release, margins included.
pub(crate) fn figures(manifest: &JobManifest) -> u64 {
    manifest.outputs.iter().map(|output| figures_of(output, &Shape::of(manifest, output))).sum()
}

fn figures_of(output: &Output, shape: &Shape) -> u64 {
    let each = if matches!(output.reducer, Reducer::Histogram { .. }) { 1 } else { output.reducer.inner_cell_count() };
    (shape.len().saturating_add(margin_count(shape, &output.reducer)) as u64).saturating_mul(each as u64)
}

/// Contributions of a person that count.
fn contributions_max(output: &Output, declared: u32) -> u32 {
    match output.reducer {
        Reducer::ContingencyTable | Reducer::SurvivalTable { .. } => 1,
        _ => declared,
    }
}

/// One output, as far as it is known before a row is read.
struct Declared<'a> {
    output: &'a Output,
    shape: &'a Shape,
    contributions_max: u32,
    contributions: u64,
    persons: u64,
}

impl Declared<'_> {
    fn leakage(&self, profile: &Profile) -> Leakage {
        let figures = figures_of(self.output, self.shape) as f64;
        let all = figures * (self.values(profile) + SUPPRESSIONS as f64).log2().min(NUMBER_BITS);
        let one = self.patterns_bits() + self.moved_bits();
        let bits = whole(all).bits;
        Leakage { bits, bits_per_person: whole(one).bits.min(bits) }
    }

    /// How many values a figure can show.
    fn values(&self, profile: &Profile) -> f64 {
        let multiples = |most: u64, step: u64| most as f64 / step.max(1) as f64 + 2.0;
        // A margin adds up rounded cells, each at most half a step above what it counts.
        let rounding = self.shape.len() as u64;
        let counts =
            |most: u64, contributions: u32| multiples(most, count_step(profile, contributions).width) + rounding as f64;
        match &self.output.reducer {
            Reducer::Count | Reducer::Histogram { .. } => counts(self.contributions, self.contributions_max),
            Reducer::DistinctPersons if self.contributions_max > 1 => counts(self.persons, 1),
            Reducer::DistinctPersons | Reducer::ContingencyTable | Reducer::SurvivalTable { .. } => {
                counts(self.persons, 1)
            }
            Reducer::Quantile { steps, .. } => f64::from(*steps) + 1.0,
            _ => NUMBER_BITS.exp2(),
        }
    }

    /// Ways in which one person can contribute, values apart: multisets of at most `contributions_max` of the places that
    /// the gate can tell apart. All that is decided from who contributes where, and how often, follows from it, the
    /// answers of a guard included.
    fn patterns_bits(&self) -> f64 {
        let places = self.shape.len() as f64
            * match &self.output.reducer {
                Reducer::Quantile { steps, .. } => f64::from(*steps),
                Reducer::SurvivalTable { edges } => 2.0 * edges.len().saturating_sub(1) as f64,
                _ => 1.0,
            };
        (1..=self.contributions_max).map(|taken| (places / f64::from(taken)).ln_1p() / std::f64::consts::LN_2).sum()
    }

    /// What the values of one person add, where values are added up.
    fn moved_bits(&self) -> f64 {
        let is_added_up = match self.output.reducer {
            Reducer::Sum { .. }
            | Reducer::Mean { .. }
            | Reducer::Variance { .. }
            | Reducer::Ratio { .. }
            | Reducer::CrossProduct { .. }
            | Reducer::Gradient { .. } => true,
            Reducer::Count
            | Reducer::DistinctPersons
            | Reducer::Histogram { .. }
            | Reducer::Quantile { .. }
            | Reducer::ContingencyTable
            | Reducer::SurvivalTable { .. }
            | Reducer::BlockMean { .. }
            | Reducer::BlockMedian { .. }
            | Reducer::Table { .. } => false,
        };
        if !is_added_up {
            return 0.0;
        }
        let cells = self.shape.len().min(self.contributions_max as usize);
        let margins_each = self.shape.dimensions.len() + 1;
        let margins = margin_count(self.shape, &self.output.reducer).min(cells.saturating_mul(margins_each));
        (cells + margins) as f64 * self.output.reducer.inner_cell_count() as f64 * MOVED_BITS
    }
}

/// Whole bits that hold so many; as much about one person as about all.
fn whole(bits: f64) -> Leakage {
    // Logarithms may be off in the last digit, which must not cost a bit.
    let bits = (bits - 1e-9).max(0.0).ceil() as u64;
    Leakage { bits, bits_per_person: bits }
}

fn sum(each: impl Iterator<Item = Leakage>) -> Leakage {
    each.fold(Leakage::default(), Leakage::plus)
}

#[cfg(test)]
mod tests {
    use glovebox_catalog::{ABI_VERSION, Epsilon, Rho};
    use serde_json::{Value, json};

    use super::*;

    fn manifest(output: Value, isolation: &str, change: impl Fn(&mut Value)) -> JobManifest {
        let mut json = json!({
            "abi": ABI_VERSION, "name": "job", "version": "1", "description": "", "isolation": isolation,
            "inputs": [{"name": "x", "type": "float64"}], "outputs": [output], "contributions_per_person_max": 1,
            "keys": [{"name": "k", "domain": {"codes": ["a", "b", "c"]}}],
        });
        change(&mut json);
        JobManifest::parse(json.to_string().as_bytes()).unwrap()
    }

    fn of(manifest: &JobManifest, privacy: Option<Privacy>) -> (u64, u64) {
        let leakage = leakage_max(manifest, &Profile::shipped_default(), 1_000, 1_000, privacy);
        (leakage.bits, leakage.bits_per_person)
    }

    #[test]
    fn a_count_of_a_thousand_by_fives_takes_eight_bits_and_tells_one_of_a_person() {
        let count = manifest(json!({"name": "n", "reducer": "count"}), "row", |_| {});
        // 0, 5, …, 1,000 and one step of rounding, or a reason; a person is in it or not.
        assert_eq!(of(&count, None), (8, 1));
        let keyed = manifest(json!({"name": "n", "reducer": "count", "keys": ["k"]}), "row", |_| {});
        // Three cells and a total; a person is in one of three cells, or none.
        assert_eq!(of(&keyed, None), (31, 2));
    }

    #[test]
    fn rounds_multiply() {
        let output = json!({"name": "n", "reducer": "count", "keys": ["k"]});
        let state = json!([{"name": "s", "default": 0.0, "min": 0.0, "max": 1.0}]);
        let rounds = manifest(output, "row", |m| m["rounds"] = json!({"rounds_max": 7, "state": state}));
        assert_eq!(of(&rounds, None), (31 * 7, 14));
    }

    #[test]
    fn contributions_multiply_what_one_person_can_write() {
        let with = |bound: u32| {
            let output = json!({"name": "n", "reducer": "count", "keys": ["k"]});
            of(&manifest(output, "person", |m| m["contributions_per_person_max"] = bound.into()), None).1
        };
        // Multisets of at most two of three cells: 10; of at most 100: 176,851.
        assert_eq!((with(1), with(2), with(100)), (2, 4, 18));
    }

    #[test]
    fn noise_tells_no_more_of_a_person_than_its_loss() {
        let mean = json!({"name": "n", "reducer": "mean", "lower": 0.0, "upper": 1.0, "keys": ["k"]});
        let mean = manifest(mean, "row", |_| {});
        let laplace = |epsilon| Some(Privacy::Laplace { epsilon: Epsilon::new(epsilon).unwrap() });
        assert_eq!(of(&mean, laplace(0.1)), (145, 1));
        assert_eq!(of(&mean, laplace(3.0)), (4 * 64, 5));
        let gaussian = Some(Privacy::Gaussian { rho: Rho::new(0.000_01).unwrap() });
        assert_eq!(of(&mean, gaussian), (15, 1));
        assert_eq!(of(&mean, None).0, 4 * 64);
    }

    #[test]
    fn a_table_of_a_cohort_is_counted_cell_by_cell() {
        let columns = json!([
            {"name": "sex", "type": "code", "codes": ["f", "m", "x"]},
            {"name": "bmi", "type": "number", "lower": 0.0, "upper": 62.0, "step": 1.0},
        ]);
        let output = json!({"name": "t", "reducer": "table", "columns": columns, "rows_max": 10});
        // 2 bits of a code, 6 of a number, 33 of the claimed persons.
        assert_eq!(of(&manifest(output, "cohort", |_| {}), None), (410, 410));
    }
}
