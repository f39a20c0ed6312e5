//! Every route of the REST interface: one table, from which the router and the OpenAPI document are made.

use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};
use glovebox_policy::Action;

use crate::app::{self, App, Matched};
use crate::problem::Failure;
use crate::resource::{
    audit, dataset, document, grant, job, key, meter, module, organisation, principal, release, review, snapshot,
    suspension, whoami,
};

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// `GET` or `POST`. HEAD works wherever GET does.
    pub method: &'static str,
    /// Its path, with parameters in braces.
    pub path: &'static str,
    /// What Cedar is asked for; none where everyone on file may.
    pub action: Option<Action>,
}

macro_rules! routes {
    ($($method:ident $path:literal => $module:ident::$handler:ident, $action:expr;)+) => {
        /// Every route.
        pub const ROUTES: &[Route] = &[$(Route { method: routes!(@name $method), path: $path, action: $action }),+];

        fn handlers() -> Vec<(&'static str, MethodRouter<App>)> {
            vec![$(($path, $method($module::$handler))),+]
        }

        /// The OpenAPI document of the same handlers; `resource::document` completes it.
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($module::$handler),+))]
        pub(crate) struct Documented;
    };
    (@name get) => { "GET" };
    (@name post) => { "POST" };
}

routes! {
    get  "/v1/whoami" => whoami::show, None;
    get  "/v1/key" => key::show, Some(Action::KeyRead);
    get  "/v1/openapi.json" => document::show, None;

    get  "/v1/organisations" => organisation::list, Some(Action::OrganisationRead);
    post "/v1/organisations" => organisation::create, Some(Action::OrganisationCreate);
    post "/v1/organisations/{id}/suspend" => suspension::suspend_organisation, Some(Action::OrganisationSuspend);
    post "/v1/organisations/{id}/resume" => suspension::resume_organisation, Some(Action::OrganisationResume);
    get  "/v1/suspensions" => suspension::list, Some(Action::SuspensionRead);
    post "/v1/zone/suspend" => suspension::suspend_zone, Some(Action::ZoneSuspend);
    post "/v1/zone/resume" => suspension::resume_zone, Some(Action::ZoneResume);
    get  "/v1/principals" => principal::list, Some(Action::PrincipalRead);
    post "/v1/principals" => principal::create, Some(Action::PrincipalCreate);
    post "/v1/principals/{id}/deactivate" => principal::deactivate, Some(Action::PrincipalDeactivate);

    get  "/v1/datasets" => dataset::list, Some(Action::DatasetRead);
    post "/v1/datasets" => dataset::register, Some(Action::DatasetRegister);
    get  "/v1/datasets/{id}" => dataset::show, Some(Action::DatasetRead);
    post "/v1/datasets/{id}/limits" => dataset::limit, Some(Action::DatasetLimit);
    get  "/v1/datasets/{id}/claims" => dataset::claims, Some(Action::ClaimRead);
    post "/v1/datasets/{id}/suspend" => suspension::suspend_dataset, Some(Action::DatasetSuspend);
    post "/v1/datasets/{id}/resume" => suspension::resume_dataset, Some(Action::DatasetResume);
    get  "/v1/datasets/{id}/privacy" => dataset::privacy, Some(Action::DatasetRead);
    get  "/v1/datasets/{id}/snapshots" => snapshot::list, Some(Action::SnapshotRead);
    post "/v1/datasets/{id}/snapshots" => snapshot::ingest, Some(Action::DatasetIngest);
    get  "/v1/datasets/{id}/snapshots/{number}/report" => snapshot::report, Some(Action::SnapshotRead);

    get  "/v1/grants" => grant::list, Some(Action::GrantRead);
    post "/v1/grants" => grant::propose, Some(Action::GrantPropose);
    get  "/v1/grants/{id}" => grant::show, Some(Action::GrantRead);
    post "/v1/grants/{id}/approve" => grant::approve, Some(Action::GrantApprove);
    post "/v1/grants/{id}/refuse" => grant::refuse, Some(Action::GrantRefuse);
    post "/v1/grants/{id}/suspend" => grant::suspend, Some(Action::GrantSuspend);
    post "/v1/grants/{id}/resume" => grant::resume, Some(Action::GrantResume);
    post "/v1/grants/{id}/revoke" => grant::revoke, Some(Action::GrantRevoke);

    post "/v1/grants/{id}/take-over" => suspension::take_over, Some(Action::GrantTakeOver);

    get  "/v1/modules" => module::list, Some(Action::ModuleRead);
    post "/v1/modules" => module::submit, Some(Action::ModuleSubmit);
    get  "/v1/modules/{id}" => module::show, Some(Action::ModuleRead);
    post "/v1/modules/{id}/suspend" => suspension::suspend_module, Some(Action::ModuleSuspend);
    post "/v1/modules/{id}/resume" => suspension::resume_module, Some(Action::ModuleResume);
    post "/v1/modules/lint" => module::lint, Some(Action::ModuleSubmit);

    get  "/v1/jobs" => job::list, Some(Action::JobRead);
    post "/v1/jobs" => job::submit, Some(Action::JobSubmit);
    post "/v1/jobs/explain" => job::explain, Some(Action::JobSubmit);
    get  "/v1/jobs/{id}" => job::show, Some(Action::JobRead);
    get  "/v1/jobs/{id}/events" => job::watch, Some(Action::JobRead);
    post "/v1/jobs/{id}/cancel" => job::cancel, Some(Action::JobCancel);
    get  "/v1/jobs/{id}/receipt" => job::receipt, Some(Action::ReceiptRead);

    get  "/v1/releases" => release::list, Some(Action::ReleaseRead);
    get  "/v1/releases/{id}" => release::show, Some(Action::ReleaseRead);
    get  "/v1/releases/{id}/receipt" => release::receipt, Some(Action::ReceiptRead);

    get  "/v1/reviews" => review::list, Some(Action::ReviewRead);
    get  "/v1/reviews/{id}" => review::show, Some(Action::ReviewRead);
    get  "/v1/reviews/{id}/output" => review::output, Some(Action::ReviewInspect);
    post "/v1/reviews/{id}/claim" => review::claim, Some(Action::ReviewClaim);
    post "/v1/reviews/{id}/comment" => review::comment, Some(Action::ReviewComment);
    post "/v1/reviews/{id}/return" => review::give_back, Some(Action::ReviewReturn);
    post "/v1/reviews/{id}/approve" => review::approve, Some(Action::ReviewApprove);
    post "/v1/reviews/{id}/refuse" => review::refuse, Some(Action::ReviewRefuse);
    post "/v1/reviews/{id}/answer" => review::answer, Some(Action::ReviewAnswer);

    get  "/v1/meters" => meter::list, Some(Action::MeterRead);
    get  "/v1/meters/live" => meter::live, Some(Action::MeterLive);
    get  "/v1/meters/live/events" => meter::watch, Some(Action::MeterLive);

    get  "/v1/audit/events" => audit::events, Some(Action::AuditRead);
    get  "/v1/audit/own" => audit::own, Some(Action::AuditReadOwn);
    get  "/v1/audit/head" => audit::head, Some(Action::AuditProve);
    get  "/v1/audit/proofs/inclusion/{sequence}" => audit::inclusion, Some(Action::AuditProve);
    get  "/v1/audit/proofs/consistency" => audit::consistency, Some(Action::AuditProve);
    get  "/v1/audit/export" => audit::export, Some(Action::AuditExport);
}

/// The router of the REST interface.
pub(crate) fn router(app: App) -> Router {
    handlers()
        .into_iter()
        .fold(Router::new(), |router, (path, handler)| {
            let matched = map_response(async move |answer: Response| (Extension(Matched(path)), answer));
            router.route(path, handler.layer(matched))
        })
        .fallback(async || Failure::UnknownRoute)
        .method_not_allowed_fallback(async || Failure::MethodNotAllowed)
        .layer(from_fn_with_state(app.clone(), app::identify))
        .layer(from_fn_with_state(app.clone(), app::limit))
        .layer(from_fn_with_state(app.clone(), app::observe))
        .with_state(app)
}
