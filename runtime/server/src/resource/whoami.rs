//! `/v1/whoami`: who the enclave takes the caller for.

use axum::Json;
use axum::extract::State;
use glovebox_api::WhoAmI;

use crate::app::App;
use crate::input::Who;

/// Who the enclave takes the caller for.
#[utoipa::path(get, path = "/v1/whoami", tag = "enclave", responses((status = 200, body = WhoAmI)))]
pub(crate) async fn show(State(app): State<App>, Who(caller): Who) -> Json<WhoAmI> {
    Json(app.engine.whoami(&caller))
}
