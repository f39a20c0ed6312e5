//! Releases as their recipients read them, and the receipts of jobs.

use glovebox_api::{Page, ReleaseSummary};
use glovebox_audit::Receipt;
use glovebox_catalog::{JobId, ReleaseId};
use glovebox_gate::ReleaseDocument;
use glovebox_policy::{Action, ResourceRef};
use glovebox_store::{JobRow, ReleaseRow};

use crate::witnesses::{Cosigned, Witnesses};
use crate::{Caller, Engine, EngineError, PageQuery, ReleaseFormat, formats};

impl Engine {
    /// Lists the releases that the caller may read, the newest first.
    ///
    /// # Errors
    /// [`EngineError::Internal`].
    pub fn releases(&self, caller: &Caller, query: &PageQuery) -> Result<Page<ReleaseSummary>, EngineError> {
        let page = query.visible(
            |slice| self.store().releases(None, slice),
            |row| row.id.to_string(),
            |row| Ok(self.is_told(&row.job)? && self.may_see(caller, Action::ReleaseRead, self.release_resource(row)?)),
        )?;
        let Page { items, next_cursor } = page;
        let items = items.iter().map(|row| self.summary(row)).collect::<Result<_, _>>()?;
        Ok(Page { items, next_cursor })
    }

    /// A released table. Reading it is an event: the transfer log is made of these.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`].
    pub fn release(&self, caller: &Caller, id: &ReleaseId) -> Result<ReleaseDocument, EngineError> {
        let (row, _) = self.read_release(caller, id)?;
        document(&row)
    }

    /// A released table in a format. JSON is byte for byte what the receipt's `output_sm3` is over.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`].
    pub fn release_bytes(
        &self,
        caller: &Caller,
        id: &ReleaseId,
        format: ReleaseFormat,
    ) -> Result<Vec<u8>, EngineError> {
        let (row, _) = self.read_release(caller, id)?;
        match format {
            ReleaseFormat::Json => Ok(row.document.into_bytes()),
            other => formats::write(&document(&row)?, other),
        }
    }

    /// The receipt of a job that held a budget: verifiable offline with the enclave's public key.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`] while it has not ended and for a refused job.
    pub fn job_receipt(&self, caller: &Caller, id: &JobId) -> Result<Receipt, EngineError> {
        self.sought::<JobRow>(caller, Action::ReceiptRead, id)?;
        self.receipt_of(caller, id)
    }

    fn receipt_of(&self, caller: &Caller, id: &JobId) -> Result<Receipt, EngineError> {
        self.has_read(caller, Action::ReceiptRead, &format!("job/{id}"), "receipt")?;
        if !self.is_told(id)? {
            return Err(EngineError::NotFound { what: "receipt", id: id.to_string() });
        }
        let cosigned = self.inner.witnesses.as_ref().and_then(Witnesses::cosigned);
        let cosigned = cosigned.map(|Cosigned { head, cosignatures }| (head, cosignatures));
        Ok(self.store().receipt(id, cosigned, self.now(), |head| self.sign_head(head))?)
    }

    /// The receipt of a release.
    ///
    /// # Errors
    /// As [`Engine::job_receipt`].
    pub fn release_receipt(&self, caller: &Caller, id: &ReleaseId) -> Result<Receipt, EngineError> {
        let row: ReleaseRow = self.sought(caller, Action::ReceiptRead, id)?;
        self.receipt_of(caller, &row.job)
    }

    fn read_release(&self, caller: &Caller, id: &ReleaseId) -> Result<(ReleaseRow, JobRow), EngineError> {
        let row: ReleaseRow = self.sought(caller, Action::ReleaseRead, id)?;
        let path = self.release_resource(&row)?.path();
        let job = self.found_job(&row.job)?;
        let stops = self.stops_showing(&job.grant, &job.dataset, &job.module)?;
        if !stops.is_empty() {
            return Err(self.refuse(caller, Action::ReleaseRead, &path, stops));
        }
        let draft = self
            .done(caller, Action::ReleaseRead, path)
            .with("recipient", &caller.principal.organisation)
            .with("document_sm3", glovebox_gm::sm3(row.document.as_bytes()));
        match self.store().review_of_release(id)? {
            Some(review) => self.count_fetch(caller, review, &draft)?,
            None => drop(self.store().record(draft)?),
        }
        Ok((row, job))
    }

    pub(crate) fn release_resource(&self, row: &ReleaseRow) -> Result<ResourceRef, EngineError> {
        let job = self.found_job(&row.job)?;
        Ok(ResourceRef::release(&row.id, &self.found_grant(&job.grant)?))
    }

    fn summary(&self, row: &ReleaseRow) -> Result<ReleaseSummary, EngineError> {
        let job = self.found_job(&row.job)?;
        let document = document(row)?;
        Ok(ReleaseSummary {
            id: row.id.clone(),
            job: row.job.clone(),
            grant: job.grant,
            dataset: job.dataset,
            organisation: row.organisation.clone(),
            released_at: row.created_at,
            cells_released: document.cells_released,
            cells_withheld: document.cells_withheld,
        })
    }
}

fn document(row: &ReleaseRow) -> Result<ReleaseDocument, EngineError> {
    serde_json::from_str(&row.document).map_err(|error| EngineError::internal("read a release", error))
}
