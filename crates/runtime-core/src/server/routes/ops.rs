//! For whoever runs the server.

use axum::extract::State;
use axum::http::StatusCode;
use parallax_api::runtime::RuntimeStatus;
use parallax_service::access::Caller;
use parallax_service::extract::Json;

use super::App;

/// Whether the server lives.
#[utoipa::path(get, path = "/health", tag = "operations", responses((status = 200, description = "It does")))]
pub(super) async fn health(caller: Caller) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "ok", "access": caller.rule().as_str() }))
}

/// Whether an agent could be spawned now, and which types.
#[utoipa::path(
    get, path = "/ready", tag = "operations",
    responses((status = 200, body = RuntimeStatus), (status = 503, body = RuntimeStatus))
)]
pub(super) async fn ready(State(app): State<App>) -> (StatusCode, Json<RuntimeStatus>) {
    let status = app.core.readiness().await;
    let code = if status.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(status))
}
