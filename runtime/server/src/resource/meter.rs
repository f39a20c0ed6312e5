//! `/v1/meters`: budgets and their use; live figures for operators.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use glovebox_api::{GrantMeters, LiveMeters, Page};
use glovebox_engine::Caller;
use tokio::time::{Interval, MissedTickBehavior};

use crate::app::App;
use crate::input::{Asked, Paging, Who};
use crate::peer::Peer;
use crate::problem::Failure;
use crate::stream::{News, Source, follow};

const LIVE_INTERVAL: Duration = Duration::from_secs(1);

/// Budget and use of the grants that the caller may see.
#[utoipa::path(get, path = "/v1/meters", tag = "meters", params(Paging),
    responses((status = 200, body = Page<GrantMeters>)))]
pub(crate) async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<GrantMeters>>, Failure> {
    let meters = app.ask(&caller, |engine, caller| engine.meters(caller)).await?;
    paging.cut(meters, |meters| meters.grant.to_string()).map(Json)
}

/// What runs and waits, memory, fuel, refusals and budgets at this moment.
#[utoipa::path(get, path = "/v1/meters/live", tag = "meters", responses((status = 200, body = LiveMeters)))]
pub(crate) async fn live(State(app): State<App>, Who(caller): Who) -> Result<Json<LiveMeters>, Failure> {
    app.ask(&caller, |engine, caller| engine.live_meters(caller)).await.map(Json)
}

/// The same once a second as server-sent events: `event: meters` with LiveMeters.
#[utoipa::path(get, path = "/v1/meters/live/events", tag = "meters",
    responses((status = 200, body = LiveMeters, content_type = "text/event-stream")))]
pub(crate) async fn watch(
    State(app): State<App>,
    Who(caller): Who,
    Extension(peer): Extension<Arc<Peer>>,
) -> Result<Response, Failure> {
    // Whoever may not see them gets an answer, not a stream that ends with one.
    app.ask(&caller, |engine, caller| engine.live_meters(caller)).await?;
    let mut ticks = tokio::time::interval(LIVE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let source = Live { app: app.clone(), ticks };
    follow(&app, peer, caller, source)
}

struct Live {
    app: App,
    ticks: Interval,
}

impl Source for Live {
    type Value = LiveMeters;
    const EVENT: &'static str = "meters";

    async fn next(&mut self, caller: &Caller) -> Option<Result<News<LiveMeters>, Failure>> {
        self.ticks.tick().await;
        let meters = self.app.ask(caller, |engine, caller| engine.live_meters(caller)).await;
        Some(meters.map(|value| News { value, is_last: false }))
    }
}
