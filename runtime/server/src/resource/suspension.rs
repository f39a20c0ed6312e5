//! Suspensions: what whoever runs the zone stops at once, and what goes on by the consent of several sides.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use glovebox_api::{Decision, Page};
use glovebox_catalog::{Grant, GrantId, Suspended, SuspendedKind};
use glovebox_engine::{Caller, SuspensionStep};

use crate::app::App;
use crate::input::{Asked, Paging, Place, Who, Write};
use crate::problem::Failure;

/// What is suspended now, by whom and why, and who has consented that it goes on.
#[utoipa::path(get, path = "/v1/suspensions", tag = "suspensions", params(Paging),
    responses((status = 200, body = Page<Suspended>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Suspended>>, Failure> {
    let suspended = app.ask(&caller, |engine, caller| engine.suspensions(caller)).await?;
    paging.cut(suspended, Suspended::path).map(Json)
}

macro_rules! steps {
    ($($(#[$doc:meta])* $path:literal ($($id:literal)?) => $handler:ident, $kind:ident, $step:ident;)+) => {$(
        $(#[$doc])*
        #[utoipa::path(post, path = $path, tag = "suspensions", params($(($id = String, Path))?),
            request_body = Decision, responses((status = 200, body = Suspended)))]
        pub(crate) async fn $handler(
            State(app): State<App>,
            Who(caller): Who,
            place: Place,
            write: Write<Decision>,
        ) -> Result<Response, Failure> {
            step(app, caller, place, SuspendedKind::$kind, SuspensionStep::$step, write).await
        }
    )+};
}

steps! {
    /// Suspends a dataset: no job on it runs or ends with a release, and nothing is brought in.
    "/v1/datasets/{id}/suspend" ("id") => suspend_dataset, Dataset, Suspend;
    /// Consents that a dataset is used again. The supplier must, and the zone where the zone suspended it.
    "/v1/datasets/{id}/resume" ("id") => resume_dataset, Dataset, Resume;
    /// Suspends a module, whoever runs it.
    "/v1/modules/{id}/suspend" ("id") => suspend_module, Module, Suspend;
    /// Consents that a module runs again. The zone must, and a reviewer of another organisation than its author's.
    "/v1/modules/{id}/resume" ("id") => resume_module, Module, Resume;
    /// Suspends an organisation: its people get in nowhere, its jobs stop.
    "/v1/organisations/{id}/suspend" ("id") => suspend_organisation, Organisation, Suspend;
    /// Consents that an organisation comes in again. An operator must, and a security officer.
    "/v1/organisations/{id}/resume" ("id") => resume_organisation, Organisation, Resume;
    /// Suspends the zone: nothing runs, comes in or leaves.
    "/v1/zone/suspend" () => suspend_zone, Zone, Suspend;
    /// Consents that the zone goes on. An operator must, and a security officer.
    "/v1/zone/resume" () => resume_zone, Zone, Resume;
}

/// Becomes responsible for a grant of the caller's organisation, e.g. since whoever was has left.
#[utoipa::path(post, path = "/v1/grants/{id}/take-over", tag = "grants", params(("id" = GrantId, Path)),
    request_body = Decision, responses((status = 200, body = Grant)))]
pub(crate) async fn take_over(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    Write { body, once }: Write<Decision>,
) -> Result<Response, Failure> {
    let id: GrantId = place.read("id")?;
    app.write(&caller, once, StatusCode::OK, move |engine, caller| engine.take_over_grant(caller, &id, &body)).await
}

async fn step(
    app: App,
    caller: Caller,
    place: Place,
    kind: SuspendedKind,
    step: SuspensionStep,
    Write { body, once }: Write<Decision>,
) -> Result<Response, Failure> {
    let id: String = if kind == SuspendedKind::Zone { "zone".to_owned() } else { place.read("id")? };
    app.write(&caller, once, StatusCode::OK, move |engine, caller| {
        engine.step_suspension(caller, kind, &id, step, &body)
    })
    .await
}
