//! Devices that are told by Web Push.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use parallax_api::Problem;
use parallax_api::push::{PushDevice, PushInfo, PushSubscription};
use parallax_service::access::Operator;
use parallax_service::extract::{Json, Path};

use crate::app::App;

/// The server's key, which a browser subscribes with, and the devices that are told. Needs the scope `operate`.
#[utoipa::path(
    get, path = "/api/push", tag = "push",
    responses(
        (status = 200, body = PushInfo),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn info(State(app): State<App>, _: Operator) -> Result<Json<PushInfo>, Problem> {
    app.push.info().await.map(Json)
}

/// Tell a device when somebody waits, or change how it is told: the body is the browser's subscription.
///
/// A message says how many wait, and nothing else.
#[utoipa::path(
    post, path = "/api/push/devices", tag = "push", request_body = PushSubscription,
    responses(
        (status = 200, body = PushDevice), (status = 201, body = PushDevice),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn put(
    State(app): State<App>,
    Json(subscription): Json<PushSubscription>,
) -> Result<Response, Problem> {
    let (is_new, device) = app.push.put(subscription).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(device)).into_response())
}

/// Tell a device nothing any more.
#[utoipa::path(
    delete, path = "/api/push/devices/{id}", tag = "push", params(("id" = String, Path)),
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn delete(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    app.push.delete(&id).await.map(|()| StatusCode::NO_CONTENT)
}
