//! The gate's reducers, as a job's manifest asks for them, and the same group-by without what the gate adds.

use anyhow::{Context as _, Result};
use glovebox_catalog::JobManifest;
use glovebox_gate::{Reduced, Reduction};
use serde_json::json;

use crate::rows::Contributions;

/// Every reducer.
pub const REDUCERS: [&str; 12] = [
    "count",
    "distinct-persons",
    "sum",
    "mean",
    "variance",
    "ratio",
    "histogram",
    "quantile",
    "contingency-table",
    "survival-table",
    "cross-product",
    "gradient",
];

/// Sizes of tables: one that a page holds, and one that a map of small areas takes.
pub const CELLS: [usize; 2] = [8, 1_000];

/// Contributions of a person that count.
const CONTRIBUTIONS_MAX: u32 = 16;
/// Steps of a sum between its bounds, 0 and 100.
const STEPS_PER_UNIT: f64 = 4_294_967_296.0 / 100.0;

/// One output of `reducer` over `cells` cells; values lie between 0 and 100. Vectors have four components.
///
/// # Errors
/// When `reducer` is none of [`REDUCERS`].
pub fn manifest(reducer: &str, cells: usize) -> Result<JobManifest> {
    let codes: Vec<String> = (0..cells).map(|code| format!("c{code}")).collect();
    let bounds = json!({"lower": 0.0, "upper": 100.0});
    let mut output = match reducer {
        "sum" | "mean" | "variance" => bounds,
        "ratio" => json!({"numerator": bounds, "denominator": bounds}),
        "histogram" => json!({"edges": [0.0, 25.0, 50.0, 75.0, 100.0]}),
        "quantile" => json!({"lower": 0.0, "upper": 100.0, "steps": 100, "probabilities": [0.25, 0.5, 0.75]}),
        "survival-table" => json!({"edges": [0.0, 25.0, 50.0, 75.0, 100.0]}),
        "cross-product" => {
            let variable = |name| json!({"name": name, "lower": 0.0, "upper": 100.0});
            let variables = ["a", "b", "c", "d"].map(variable);
            json!({"variables": variables})
        }
        "gradient" => json!({"length": 4, "norm_max": 100.0}),
        _ => json!({}),
    };
    let output_object = output.as_object_mut().context("an output is an object")?;
    output_object.insert("name".into(), "out".into());
    output_object.insert("reducer".into(), reducer.into());
    output_object.insert("keys".into(), json!(["key", "other"]));
    let manifest = json!({
        "abi": glovebox_catalog::ABI_VERSION, "name": "rate", "version": "1", "description": "", "isolation": "row",
        "inputs": [{"name": "x", "type": "float64"}],
        "keys": [{"name": "key", "domain": {"codes": codes}}, {"name": "other", "domain": {"codes": ["all"]}}],
        "outputs": [output], "contributions_per_person_max": CONTRIBUTIONS_MAX,
    });
    Ok(JobManifest::parse(manifest.to_string().as_bytes())?)
}

/// A group of [`Contributions::group_by`].
#[derive(Clone, Default)]
pub struct Group {
    /// Contributions.
    pub count: u64,
    /// Steps above the lower bound.
    pub offset_sum: u128,
}

/// A group of [`Contributions::bounded_group_by`].
#[derive(Clone, Default)]
pub struct BoundedGroup {
    /// Contributions and their sum.
    pub group: Group,
    /// Sum of magnitudes.
    pub magnitude: u128,
    /// The two persons with the most.
    pub largest: [u64; 2],
    person: Option<u32>,
    person_magnitude: u64,
}

impl Contributions {
    /// Hands the rows to a reduction by `reducer`, batch after batch. Of a vector every component is the row's value.
    ///
    /// # Errors
    /// When it does not take them.
    pub fn reduce(&self, manifest: &JobManifest, rows_per_batch: usize) -> Result<Reduced> {
        let mut reduction = Reduction::new(manifest)?;
        let components = manifest.outputs.first().map_or(0, |output| output.reducer.value_count());
        let mut vectors = Vec::with_capacity(components.saturating_sub(1) * rows_per_batch);
        let batches = self.persons.chunks(rows_per_batch).zip(self.cells.chunks(rows_per_batch));
        for ((persons, cells), values) in batches.zip(self.values.chunks(rows_per_batch)) {
            vectors.clear();
            let values = match components {
                0 => &[],
                1 => values,
                _ => {
                    (0..components).for_each(|_| vectors.extend_from_slice(values));
                    vectors.as_slice()
                }
            };
            reduction.contribute_rows(0, persons, cells, values)?;
        }
        Ok(reduction.finish())
    }

    /// Counts and exact sums of clamped values: what SQL's `group by` gives.
    #[must_use]
    pub fn group_by(&self, cells: usize) -> Vec<Group> {
        let mut groups = vec![Group::default(); cells];
        for (cell, value) in self.cells.iter().zip(&self.values) {
            if value.is_finite()
                && let Some(group) = groups.get_mut(*cell as usize)
            {
                group.add(steps(*value));
            }
        }
        groups
    }

    /// The same with everything that a reduction does but contributor sets: a bound for each person, magnitudes, and the
    /// two largest contributors.
    #[must_use]
    pub fn bounded_group_by(&self, cells: usize) -> Vec<BoundedGroup> {
        let mut groups = vec![BoundedGroup::default(); cells];
        let (mut turn, mut used) = (None, 0);
        for ((person, cell), value) in self.persons.iter().zip(&self.cells).zip(&self.values) {
            if turn != Some(*person) {
                (turn, used) = (Some(*person), 0);
            }
            if value.is_finite()
                && used < CONTRIBUTIONS_MAX
                && let Some(group) = groups.get_mut(*cell as usize)
            {
                used += 1;
                group.add(*person, steps(*value), steps(value.abs()));
            }
        }
        groups
    }
}

impl Group {
    fn add(&mut self, offset: u64) {
        self.count += 1;
        self.offset_sum += u128::from(offset);
    }
}

impl BoundedGroup {
    fn add(&mut self, person: u32, offset: u64, magnitude: u64) {
        let is_new = self.person != Some(person);
        let own = if is_new { self.person_magnitude } else { 0 };
        let [first, second] = self.largest;
        self.largest = [first.max(own), second.max(first.min(own))];
        self.person_magnitude = magnitude + if is_new { 0 } else { self.person_magnitude };
        self.person = Some(person);
        self.magnitude += u128::from(magnitude);
        self.group.add(offset);
    }
}

fn steps(value: f64) -> u64 {
    (value.clamp(0.0, 100.0) * STEPS_PER_UNIT + 0.5) as u64
}
