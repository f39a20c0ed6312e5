//! `/v1/key`: the enclave's public key, with which receipts and tree heads verify.

use axum::Json;
use axum::extract::State;
use glovebox_api::EnclaveKey;

use crate::app::App;
use crate::input::Who;
use crate::problem::Failure;

/// The enclave's public key.
#[utoipa::path(get, path = "/v1/key", tag = "enclave", responses((status = 200, body = EnclaveKey)))]
pub(crate) async fn show(State(app): State<App>, Who(caller): Who) -> Result<Json<EnclaveKey>, Failure> {
    app.ask(&caller, |engine, _| engine.key()).await.map(Json)
}
