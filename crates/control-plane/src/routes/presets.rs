//! Presets. What they say is for who may spawn: reading needs the scope `operate`.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parallax_api::Problem;
use parallax_api::preset::{Preset, PresetList, PresetRequest};
use parallax_service::access::Operator;
use parallax_service::extract::{Json, Path};

use crate::app::App;

/// The presets, by name. Needs the scope `operate`.
#[utoipa::path(
    get, path = "/api/presets", tag = "presets",
    responses(
        (status = 200, body = PresetList),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn list(State(app): State<App>, _: Operator) -> Result<Json<PresetList>, Problem> {
    Ok(Json(PresetList { presets: app.presets.list().await? }))
}

/// One preset. Needs the scope `operate`.
#[utoipa::path(
    get, path = "/api/presets/{name}", tag = "presets", params(("name" = String, Path)),
    responses(
        (status = 200, body = Preset),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn get(
    State(app): State<App>,
    _: Operator,
    Path(name): Path<String>,
) -> Result<Json<Preset>, Problem> {
    app.presets.get(&name).await.map(Json)
}

/// Add a preset, or replace it.
#[utoipa::path(
    put, path = "/api/presets/{name}", tag = "presets",
    params(("name" = String, Path, min_length = 1, max_length = 63, pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")),
    request_body = PresetRequest,
    responses(
        (status = 200, body = Preset), (status = 201, body = Preset),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn put(
    State(app): State<App>,
    Path(name): Path<String>,
    Json(request): Json<PresetRequest>,
) -> Result<Response, Problem> {
    let (is_new, preset) = app.presets.put(&name, &request).await?;
    if !is_new {
        return Ok(Json(preset).into_response());
    }
    let location = HeaderValue::try_from(format!("/api/presets/{name}")).map_err(Problem::internal)?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(preset)).into_response())
}

/// Delete a preset. Agents that were spawned with it are what they are.
#[utoipa::path(
    delete, path = "/api/presets/{name}", tag = "presets", params(("name" = String, Path)),
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn delete(State(app): State<App>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    app.presets.delete(&name).await.map(|()| StatusCode::NO_CONTENT)
}
