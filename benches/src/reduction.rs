//! The gate's reducers, as a job's manifest asks for them.

use anyhow::Result;
use glovebox_catalog::JobManifest;
use glovebox_gate::Reduction;

use crate::rows::Contributions;

/// Every reducer.
pub const REDUCERS: [&str; 5] = ["count", "distinct-persons", "sum", "mean", "histogram"];

/// Sizes of tables: one that a page holds, and one that a map of small areas takes.
pub const CELLS: [usize; 2] = [8, 1_000];

/// A reduction with one output of `reducer` over `cells` cells; values lie between 0 and 100.
///
/// # Errors
/// When `reducer` is none of [`REDUCERS`].
pub fn reduction(reducer: &str, cells: usize) -> Result<Reduction> {
    let codes: Vec<String> = (0..cells).map(|code| format!("c{code}")).collect();
    let output = match reducer {
        "sum" | "mean" => {
            serde_json::json!({"name": "out", "reducer": reducer, "lower": 0.0, "upper": 100.0, "keys": ["key"]})
        }
        "histogram" => {
            let edges = [0.0, 25.0, 50.0, 75.0, 100.0];
            serde_json::json!({"name": "out", "reducer": "histogram", "edges": edges, "keys": ["key"]})
        }
        plain => serde_json::json!({"name": "out", "reducer": plain, "keys": ["key"]}),
    };
    let manifest = serde_json::json!({
        "abi": glovebox_catalog::ABI_VERSION, "name": "rate", "version": "1", "description": "", "isolation": "row",
        "inputs": [{"name": "x", "type": "float64"}], "keys": [{"name": "key", "domain": {"codes": codes}}],
        "outputs": [output], "contributions_per_person_max": 16,
    });
    Ok(Reduction::new(&JobManifest::parse(manifest.to_string().as_bytes())?)?)
}

impl Contributions {
    /// Hands the rows to `reduction`, batch after batch.
    ///
    /// # Errors
    /// When it does not take them.
    pub fn reduce(&self, reduction: &mut Reduction, rows_per_batch: usize) -> Result<()> {
        let batches = self.persons.chunks(rows_per_batch).zip(self.cells.chunks(rows_per_batch));
        for ((persons, cells), values) in batches.zip(self.values.chunks(rows_per_batch)) {
            reduction.contribute_rows(0, persons, cells, values)?;
        }
        Ok(())
    }
}
