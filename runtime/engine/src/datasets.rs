//! The catalogue: datasets filed by their suppliers.

use glovebox_api::{IngestionReport, Page};
use glovebox_catalog::{Dataset, DatasetId, DatasetLimits, Delta, DeveloperBudget, Grade, Sharing, Snapshot, text};
use glovebox_policy::{Action, ResourceRef};

use crate::directory::{check_line, check_line_of, unfit};
use crate::page::all;
use crate::{Caller, Engine, EngineError, PageQuery};

impl Engine {
    /// Files a dataset for the caller's organisation.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::Conflict`] when the id is taken, [`EngineError::Invalid`] for a schema
    /// that does not hold, a grade below that of a field, or an assessment digest that is none.
    pub fn register_dataset(&self, caller: &Caller, dataset: Dataset) -> Result<Dataset, EngineError> {
        let resource = ResourceRef::dataset(&dataset);
        let path = resource.path();
        self.authorise(caller, Action::DatasetRegister, resource)?;
        check_dataset(&dataset)?;
        let draft = self
            .done(caller, Action::DatasetRegister, path)
            .with("fields", dataset.schema.fields.len())
            .with("grade", dataset.grade.number());
        self.store().put_dataset(&dataset, draft)?;
        Ok(dataset)
    }

    /// Sets what the dataset's supplier allows a developer organisation of it, and the longest term. Holds from the next
    /// job and the next proposal on; grants that were approved keep their term.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`], [`EngineError::Invalid`] for a limit of 0.
    pub fn limit_dataset(
        &self,
        caller: &Caller,
        id: &DatasetId,
        limits: DatasetLimits,
    ) -> Result<Dataset, EngineError> {
        let dataset: Dataset = self.sought(caller, Action::DatasetLimit, id)?;
        let path = ResourceRef::dataset(&dataset).path();
        check_limits(&limits)?;
        let draft = self
            .done(caller, Action::DatasetLimit, path)
            .with("jobs_max", limits.per_developer.jobs_max)
            .with("releases_max", limits.per_developer.releases_max)
            .with("claims_max", limits.per_developer.claims_max)
            .with("cells_max", limits.per_developer.cells_max)
            .with("leakage_bits_max", limits.per_developer.leakage_bits_max)
            .with("term_max_days", limits.term_max_days);
        Ok(self.store().set_limits(id, limits, draft)?)
    }

    /// Lists the datasets that the caller may see.
    ///
    /// # Errors
    /// [`EngineError::Internal`].
    pub fn datasets(&self, caller: &Caller, query: &PageQuery) -> Result<Page<Dataset>, EngineError> {
        query.visible(
            |slice| self.store().datasets(None, slice),
            |dataset| dataset.id.to_string(),
            |dataset| Ok(self.may_see(caller, Action::DatasetRead, ResourceRef::dataset(dataset))),
        )
    }

    /// One dataset.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`].
    pub fn dataset(&self, caller: &Caller, id: &DatasetId) -> Result<Dataset, EngineError> {
        self.sought(caller, Action::DatasetRead, id)
    }

    /// Published snapshots of a dataset, oldest first.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`].
    pub fn snapshots(&self, caller: &Caller, id: &DatasetId) -> Result<Vec<Snapshot>, EngineError> {
        let dataset: Dataset = self.sought(caller, Action::SnapshotRead, id)?;
        self.has_read(caller, Action::SnapshotRead, &ResourceRef::dataset(&dataset).path(), "snapshots")?;
        all(|slice| self.store().snapshots(id, slice))
    }

    /// The quality report of one ingestion.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::NotFound`].
    pub fn ingestion_report(
        &self,
        caller: &Caller,
        id: &DatasetId,
        number: u32,
    ) -> Result<IngestionReport, EngineError> {
        let dataset: Dataset = self.sought(caller, Action::SnapshotRead, id)?;
        self.has_read(caller, Action::SnapshotRead, &ResourceRef::dataset(&dataset).path(), "report")?;
        let found = self.store().snapshot(id, number)?;
        let missing = || EngineError::NotFound { what: "snapshot", id: format!("{id}/{number}") };
        let (_, report) = found.ok_or_else(missing)?;
        serde_json::from_value(report).map_err(|error| EngineError::internal("read a quality report", error))
    }

    pub(crate) fn found_dataset(&self, id: &DatasetId) -> Result<Dataset, EngineError> {
        self.store().dataset(id)?.ok_or_else(|| EngineError::NotFound { what: "dataset", id: id.to_string() })
    }
}

fn check_limits(limits: &DatasetLimits) -> Result<(), EngineError> {
    let DeveloperBudget { jobs_max, releases_max, cells_max, claims_max, leakage_bits_max } = limits.per_developer;
    if [jobs_max, releases_max, cells_max, claims_max, leakage_bits_max, u64::from(limits.term_max_days)].contains(&0) {
        let rule = "each limit is at least 1; whoever shares nothing sets the sharing type `none`";
        return Err(EngineError::invalid(
            "catalog.limits",
            rule,
            "limits",
            "raise it, or leave it out for the default",
        ));
    }
    Ok(())
}

fn check_dataset(dataset: &Dataset) -> Result<(), EngineError> {
    check_line("title", &dataset.title)?;
    // A citation may be long.
    check_line_of("source", &dataset.source, 500)?;
    check_line_of("licence", &dataset.licence, 500)?;
    for (place, lines) in [("description", &dataset.description), ("conditions", &dataset.conditions)] {
        text::check_lines(lines, 4_000).map_err(|fault| unfit(place, &fault))?;
    }
    if let Some(assessment) = &dataset.assessment {
        check_line("the assessment's issuer", &assessment.issuer)?;
    }
    dataset.schema.check().map_err(|error| {
        EngineError::invalid("catalog.schema", error.to_string(), "schema", "correct the schema and file it again")
    })?;
    let highest = dataset.schema.fields.iter().map(|field| field.grade).max().unwrap_or(Grade::HIGHEST);
    if dataset.grade < highest {
        let rule = format!("a dataset's grade is at least that of its fields, here {}", highest.number());
        return Err(EngineError::invalid("catalog.grade", rule, "grade", "raise the dataset's grade"));
    }
    if let Some(assessment) = &dataset.assessment {
        let digest = &assessment.document_sm3;
        let date = assessment.issued_on.parse::<chrono::NaiveDate>();
        if digest.len() != 64 || !digest.chars().all(|c| c.is_ascii_hexdigit()) || date.is_err() {
            let rule = "an assessment has the SM3 digest of its document (64 hexadecimal digits) and a date YYYY-MM-DD";
            return Err(EngineError::invalid("catalog.assessment", rule, "assessment", "correct digest and date"));
        }
    }
    check_limits(&dataset.limits)?;
    if let Some(limit) = &dataset.privacy {
        let share_fits = limit.epsilon_per_developer.is_none_or(|share| !share.is_zero() && share <= limit.epsilon);
        if limit.epsilon.is_zero() || limit.delta >= Delta::MAX || !share_fits {
            let rule = "a privacy limit has an ε above 0, a δ below 1, and a developer's share above 0 and at most ε";
            return Err(EngineError::invalid("catalog.privacy-limit", rule, "privacy", "correct it, or leave it out"));
        }
    }
    if dataset.sharing == Sharing::Conditional && dataset.conditions.trim().is_empty() {
        let rule = "conditional sharing states its conditions";
        return Err(EngineError::invalid("catalog.conditions", rule, "conditions", "state them"));
    }
    Ok(())
}
