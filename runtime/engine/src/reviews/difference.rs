//! How an output differs from what left before.
//!
//! Two releases that differ in one figure tell what changed between them; whoever judges the second looks at the first.

use std::collections::BTreeMap;

use glovebox_api::{FigureChange, ReleaseDifference};
use glovebox_catalog::Review;
use glovebox_gate::ReleaseDocument;
use glovebox_store::{JobFilter, JobRow, ReleaseRow};

use crate::page::all;
use crate::{Engine, EngineError};

/// Earlier releases that an output is compared with.
const RELEASES_MAX: usize = 10;
/// Figures that are shown of one comparison.
const CHANGES_MAX: usize = 1_000;

impl Engine {
    /// Compares the output with the newest releases of the same module on the same dataset, whoever received them.
    pub(crate) fn differences(
        &self,
        review: &Review,
        document: &ReleaseDocument,
    ) -> Result<Vec<ReleaseDifference>, EngineError> {
        let filter = JobFilter { supplier: Some(&review.supplier), state: Some("released"), ..JobFilter::default() };
        let jobs = all(|slice| self.store().jobs(filter, slice))?;
        let same = jobs
            .into_iter()
            .filter(|job| job.module == review.module && job.dataset == review.dataset && job.id != review.job);
        let mut differences = Vec::new();
        for job in same.take(RELEASES_MAX) {
            let Some(id) = &job.release else { continue };
            let Some(row) = self.store().release(id)? else { continue };
            differences.push(difference(&job, &row, document)?);
        }
        Ok(differences)
    }
}

fn difference(job: &JobRow, row: &ReleaseRow, document: &ReleaseDocument) -> Result<ReleaseDifference, EngineError> {
    let earlier: ReleaseDocument =
        serde_json::from_str(&row.document).map_err(|error| EngineError::internal("read a release", error))?;
    let (before, now) = (figures(&earlier), figures(document));
    let (mut figures_same, mut figures_changed, mut changes) = (0, 0, Vec::new());
    let all: std::collections::BTreeSet<_> = before.keys().chain(now.keys()).collect();
    for key in all {
        let (before, now) = (before.get(key).copied().flatten(), now.get(key).copied().flatten());
        if before == now {
            figures_same += u64::from(now.is_some());
            continue;
        }
        figures_changed += 1;
        if changes.len() < CHANGES_MAX {
            let (output, keys) = key;
            changes.push(FigureChange { output: (*output).to_owned(), keys: keys.to_vec(), before, now });
        }
    }
    Ok(ReleaseDifference {
        release: row.id.clone(),
        job: job.id.clone(),
        organisation: row.organisation.clone(),
        released_at: row.created_at,
        snapshot: job.snapshot,
        figures_same,
        figures_changed,
        changes,
    })
}

/// Output and keys of a figure.
type Key<'a> = (&'a str, &'a [String]);

fn figures(document: &ReleaseDocument) -> BTreeMap<Key<'_>, Option<f64>> {
    let cells = document.tables.iter().flat_map(|table| {
        let cells = table.cells.iter().chain(&table.margins);
        cells.map(|cell| ((table.output.as_str(), cell.keys.as_slice()), cell.value))
    });
    cells.collect()
}
