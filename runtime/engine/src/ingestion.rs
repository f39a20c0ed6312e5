//! Bringing rows in: authorise, stage, commit to the store, publish.

use std::collections::BTreeMap;
use std::sync::Arc;

use glovebox_api::{IngestionReport, QuarantineReason, SourceFormat};
use glovebox_audit::Draft;
use glovebox_catalog::{Dataset, DatasetId, Refusal, SuspendedKind};
use glovebox_policy::{Action, ResourceRef};
use glovebox_vault::{IngestOptions, Staged};
use tokio::io::AsyncRead;

use crate::counters::Counters;
use crate::job::Step;
use crate::suspensions::ZONE;
use crate::{Caller, Engine, EngineError};

/// Told rows and bytes read so far.
pub type IngestionProgress = Arc<dyn Fn(u64, u64) + Send + Sync>;

impl Engine {
    /// Ingests `source` as the dataset's next snapshot. When this fails, or its future is dropped, nothing is published.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`], [`EngineError::Invalid`] when the source does not fit,
    /// [`EngineError::Conflict`] when another ingestion of the dataset is under way, [`EngineError::StorageFull`].
    pub async fn ingest(
        &self,
        caller: &Caller,
        id: &DatasetId,
        format: SourceFormat,
        source: impl AsyncRead + Send + Unpin,
        progress: IngestionProgress,
    ) -> Result<IngestionReport, EngineError> {
        let dataset: Dataset = self.sought(caller, Action::DatasetIngest, id)?;
        let path = ResourceRef::dataset(&dataset).path();
        let stops =
            self.suspended_among(&[(SuspendedKind::Zone, ZONE), (SuspendedKind::Dataset, dataset.id.as_str())])?;
        if !stops.is_empty() {
            return Err(self.refuse(caller, Action::DatasetIngest, &path, stops));
        }
        match self.stage_and_publish(caller, &dataset, format, source, progress).await {
            Ok(report) => Ok(report),
            Err(error) => {
                let code = match &error {
                    EngineError::Invalid(reasons) => reasons.first().map(|reason| reason.code.clone()),
                    EngineError::Conflict(reason) => Some(reason.code.clone()),
                    EngineError::StorageFull => Some("ingest.storage-full".to_owned()),
                    _ => None,
                };
                let code = code.unwrap_or_else(|| "ingest.failed".to_owned());
                let reason = Refusal::new(code, "", "", "");
                self.record_refusal(caller.actor(), Action::DatasetIngest.as_str(), &path, &[reason])?;
                Err(error)
            }
        }
    }

    async fn stage_and_publish(
        &self,
        caller: &Caller,
        dataset: &Dataset,
        format: SourceFormat,
        source: impl AsyncRead + Send + Unpin,
        progress: IngestionProgress,
    ) -> Result<IngestionReport, EngineError> {
        let number = self.store().latest_snapshot(&dataset.id)?.map_or(1, |latest| latest.number.saturating_add(1));
        let format = match format {
            SourceFormat::Csv => glovebox_vault::SourceFormat::Csv,
            SourceFormat::Parquet => glovebox_vault::SourceFormat::Parquet,
        };
        let options = IngestOptions {
            memory_bytes: self.inner.config.ingest_memory_bytes,
            progress: Arc::new(move |now: glovebox_vault::Progress| progress(now.rows, now.bytes)),
            ..IngestOptions::default()
        };
        let staged = self.inner.vault.ingest(dataset, number, source, format, options, self.now()).await?;
        self.step(Step::Staged);
        let report = report_of(&staged);
        if staged.snapshot.rows == 0 {
            self.inner.vault.discard(&staged)?;
            return Err(EngineError::Invalid(no_rows(&report)));
        }
        let draft = self.ingested(caller, &staged);
        let json = serde_json::to_value(&report).map_err(|error| EngineError::internal("write a report", error))?;
        if let Err(error) = self.store().publish(&staged.snapshot, &json, draft) {
            self.inner.vault.discard(&staged)?;
            return Err(error.into());
        }
        self.step(Step::SnapshotCommitted);
        self.inner.vault.publish(&staged)?;
        self.step(Step::SnapshotPublished);
        Counters::add(&self.counters().rows_ingested, staged.snapshot.rows);
        Counters::add(&self.counters().rows_quarantined, staged.snapshot.quarantined_rows);
        Ok(report)
    }

    fn ingested(&self, caller: &Caller, staged: &Staged) -> Draft {
        let snapshot = &staged.snapshot;
        self.done(caller, Action::DatasetIngest, format!("dataset/{}", snapshot.dataset))
            .with("snapshot", snapshot.number)
            .with("rows", snapshot.rows)
            .with("persons", snapshot.persons)
            .with("quarantined_rows", snapshot.quarantined_rows)
            .with("digest_sm3", &snapshot.digest_sm3)
    }
}

/// Why a source of which no row holds is not published. It stays with whoever sent it, so nothing is lost.
fn no_rows(report: &IngestionReport) -> Vec<Refusal> {
    let remedy = "correct the source or the schema and ingest again; nothing was published";
    let first = Refusal::new("ingest.no-rows", "a snapshot has at least one row", "the source", remedy);
    let each = report.quarantine.iter().map(|reason| {
        let field = reason.field.as_deref().map_or_else(|| "the row".to_owned(), |field| format!("field `{field}`"));
        let rule = format!("{} rows set aside, the first is number {}", reason.rows, reason.first_row);
        Refusal::new(reason.code.clone(), rule, field, "correct them in the source")
    });
    std::iter::once(first).chain(each).collect()
}

fn report_of(staged: &Staged) -> IngestionReport {
    let reason = |reason: &glovebox_vault::QuarantineReason| QuarantineReason {
        code: reason.code.to_owned(),
        field: reason.field.clone(),
        rows: reason.rows,
        first_row: reason.first_row,
    };
    IngestionReport {
        dataset: staged.snapshot.dataset.clone(),
        snapshot: staged.snapshot.clone(),
        rows_read: staged.rows_read,
        bytes_read: staged.bytes_read,
        missing_values: staged.missing_values.clone().into_iter().collect::<BTreeMap<_, _>>(),
        quarantine: staged.quarantine.iter().map(reason).collect(),
    }
}
