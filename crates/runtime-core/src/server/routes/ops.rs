//! For whoever runs the server.

use axum::extract::State;
use axum::http::StatusCode;
use parallax_api::Problem;
use parallax_api::check::CheckList;
use parallax_api::observe::AgentMetricsList;
use parallax_api::runtime::RuntimeStatus;
use parallax_service::access::{Caller, Operator};
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

/// What every agent that lives uses and has done. An idle agent's host is not asked for what it counted before.
#[utoipa::path(
    get, path = "/api/metrics", tag = "observation",
    responses((status = 200, body = AgentMetricsList), (status = "4XX", body = Problem), (status = "5XX", body = Problem))
)]
pub(super) async fn metrics(State(app): State<App>) -> Json<AgentMetricsList> {
    Json(AgentMetricsList { agents: app.core.all_metrics().await })
}

/// Look at what the backend needs: the engine or the cluster, images, rights, and from inside a container what it reaches.
#[utoipa::path(
    post, path = "/api/checks", tag = "operations",
    responses((status = 200, body = CheckList), (status = "4XX", body = Problem), (status = "5XX", body = Problem))
)]
pub(super) async fn checks(State(app): State<App>, _: Operator) -> Result<Json<CheckList>, Problem> {
    app.core.checks().await.map(Json)
}

/// Serve the control plane that the header `parallax-control-plane` names, for 15 s from its last request. 409 while another one is
/// served; so is every request of that other one.
#[utoipa::path(
    post, path = "/api/control-plane", tag = "operations",
    responses((status = 204), (status = "4XX", body = Problem))
)]
pub(super) async fn control_plane() -> StatusCode {
    // The lease was taken, or the request did not come here.
    StatusCode::NO_CONTENT
}
