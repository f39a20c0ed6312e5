//! Meters: budgets and use of grants, and what runs now.

use glovebox_api::{DeveloperMeters, GrantMeters, LiveJob, LiveMeters};
use glovebox_catalog::{Grant, GrantState, Role};
use glovebox_meter::{Account, Amounts, Meter, fuel_bucket};
use glovebox_policy::{Action, ResourceRef};

use crate::counters::{BudgetLeft, Figures};
use crate::page::all;
use crate::witnesses::Witnesses;
use crate::{Caller, Engine, EngineError};

impl Engine {
    /// Budget and use of every grant that the caller may meter. All of it follows from the size of
    /// snapshots and from what left. Developers get fuel and rows as a power of ten.
    ///
    /// # Errors
    /// [`EngineError::Internal`].
    pub fn meters(&self, caller: &Caller) -> Result<Vec<GrantMeters>, EngineError> {
        self.has_read(caller, Action::MeterRead, "grant/*", "meters")?;
        let mut grants = all(|slice| self.store().grants(None, None, slice))?;
        grants.retain(|grant| self.may_see(caller, Action::MeterRead, ResourceRef::grant(grant)));
        let meters = grants.iter().map(|grant| {
            let figures = caller.sees_figures(grant);
            let mut meters = self.grant_meters(grant, figures)?;
            // A supplier sees what was used of its own; what a developer does with others is between them.
            if figures && !caller.has(Role::Operator) && !caller.has(Role::Regulator) {
                let own = all(|slice| self.store().datasets(Some(&caller.principal.organisation), slice))?;
                meters.datasets.retain(|of| own.iter().any(|dataset| dataset.id == of.dataset));
            }
            Ok(meters)
        });
        meters.collect()
    }

    /// What runs and waits now, for operators.
    ///
    /// # Errors
    /// [`EngineError::Refused`].
    pub fn live_meters(&self, caller: &Caller) -> Result<LiveMeters, EngineError> {
        self.authorise(caller, Action::MeterLive, ResourceRef::enclave())?;
        self.has_read(caller, Action::MeterLive, &ResourceRef::enclave().path(), "meters")?;
        let figures = self.inner.counters.figures();
        let running = self.inner.desk.running().into_iter().map(|(job, running)| LiveJob {
            job,
            organisation: running.organisation.clone(),
            isolation: running.isolation,
            started_at: Some(running.started_at),
        });
        let mut queued = Vec::new();
        for row in self.waiting_rows()? {
            queued.push(LiveJob {
                isolation: self.found_module(&row.module)?.manifest.isolation,
                job: row.id,
                organisation: row.organisation,
                started_at: None,
            });
        }
        let grants = all(|slice| self.store().grants(None, None, slice))?;
        let active = grants.iter().filter(|grant| grant.state == GrantState::Active);
        Ok(LiveMeters {
            at: self.now(),
            running: running.collect(),
            queued,
            fuel_units: figures.fuel_units,
            rows_read: figures.rows_read,
            releases: figures.releases,
            cells_withheld: figures.cells_withheld,
            refusals: figures.refusals,
            grants: active.map(|grant| self.grant_meters(grant, true)).collect::<Result<_, _>>()?,
        })
    }

    /// The figures of the admin address: counts since the start, of nobody in particular.
    ///
    /// # Errors
    /// [`EngineError::Internal`].
    pub fn figures(&self) -> Result<Figures, EngineError> {
        Ok(Figures {
            jobs_queued: self.inner.desk.queued().len() as u64,
            jobs_running: self.inner.desk.running().len() as u64,
            audit_events: self.store().tree_head(self.now())?.size,
            budgets_left: self.budgets_left()?,
            audit_events_witnessed: self.inner.witnesses.as_ref().map(Witnesses::covered),
            witnesses: self.inner.witnesses.as_ref().map(Witnesses::figures).unwrap_or_default(),
            ..self.inner.counters.figures()
        })
    }

    fn budgets_left(&self) -> Result<Vec<BudgetLeft>, EngineError> {
        let mut budgets = Vec::new();
        for grant in all(|slice| self.store().grants(None, None, slice))? {
            if grant.state != GrantState::Active {
                continue;
            }
            let account = self.store().account(&grant.id)?;
            let account = account.unwrap_or_else(|| Account::new(Amounts::from(&grant.terms.budget)));
            let limited = Meter::ALL.into_iter().filter(|meter| meter.of(&account.limit) != u64::MAX);
            budgets.extend(limited.map(|meter| BudgetLeft {
                grant: grant.id.clone(),
                meter: meter.as_str(),
                left: account.left(meter),
            }));
        }
        Ok(budgets)
    }

    fn grant_meters(&self, grant: &Grant, figures: bool) -> Result<GrantMeters, EngineError> {
        let budget = grant.terms.budget;
        let account = self.store().account(&grant.id)?.unwrap_or_else(|| Account::new(Amounts::from(&budget)));
        let shown = |amounts: &Amounts| if figures { *amounts } else { for_developers(amounts) };
        let (committed, reserved) = (shown(&account.committed), shown(&account.reserved));
        let mut datasets = Vec::new();
        for scope in &grant.terms.scopes {
            let Some(dataset) = self.store().dataset(&scope.dataset)? else { continue };
            let account = self.store().developer_account(&dataset.id, &grant.organisation)?;
            let account = account.unwrap_or_else(|| Account::new(Amounts::UNLIMITED));
            datasets.push(DeveloperMeters {
                dataset: dataset.id,
                organisation: grant.organisation.clone(),
                budget: dataset.limits.per_developer,
                committed: shown(&account.committed),
                reserved: shown(&account.reserved),
            });
        }
        Ok(GrantMeters { grant: grant.id.clone(), budget, committed, reserved, datasets })
    }
}

fn for_developers(amounts: &Amounts) -> Amounts {
    let power_of_ten =
        |amount: u64| if amount == 0 { 0 } else { 10_u64.saturating_pow(u32::from(fuel_bucket(amount))) };
    Amounts {
        jobs: amounts.jobs,
        releases: amounts.releases,
        cells: amounts.cells,
        claims: amounts.claims,
        bytes_out: amounts.bytes_out,
        leakage_bits: amounts.leakage_bits,
        fuel_units: power_of_ten(amounts.fuel_units),
        rows_read: power_of_ten(amounts.rows_read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn developers_can_not_count_rows_by_their_meters() {
        let figures = |rows_read| Amounts { rows_read, fuel_units: rows_read * 7, ..Amounts::default() };
        assert_eq!(for_developers(&figures(8_300)), for_developers(&figures(8_400)));
        assert_eq!(for_developers(&figures(8_400)).rows_read, 10_000);
    }
}
