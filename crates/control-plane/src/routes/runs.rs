//! Runs: how they stand, what happens in them, answers and cancelling.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use parallax_api::Problem;
use parallax_api::execution::{
    BudgetRequest, Execution, ExecutionAnswer, ExecutionEvent, ExecutionEventsQuery, ExecutionList,
    ExecutionsQuery,
};
use parallax_api::pattern::Chart;
use parallax_service::extract::{Json, Path, Query, Upgrade};

use crate::app::App;
use crate::patterns::stream;

/// Runs, the newest first.
#[utoipa::path(
    get, path = "/api/executions", tag = "patterns", params(ExecutionsQuery),
    responses(
        (status = 200, body = ExecutionList),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn list(
    State(app): State<App>,
    Query(query): Query<ExecutionsQuery>,
) -> Result<Json<ExecutionList>, Problem> {
    Ok(Json(ExecutionList { executions: app.runs.list(&query).await? }))
}

/// A run: its steps, its open questions, its agents, what it has cost.
#[utoipa::path(
    get, path = "/api/executions/{id}", tag = "patterns", params(("id" = String, Path)),
    responses(
        (status = 200, body = Execution),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn get(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Execution>, Problem> {
    app.runs.get(&id).await.map(Json)
}

/// The org chart of a run: roles and who reports to whom.
#[utoipa::path(
    get, path = "/api/executions/{id}/chart", tag = "patterns", params(("id" = String, Path)),
    responses(
        (status = 200, body = Chart),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn chart(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Chart>, Problem> {
    app.runs.chart(&id).await.map(Json)
}

/// The events of a run from the first on, as server-sent events or, when upgraded, as a WebSocket. Ends with the run.
///
/// `since` (or `Last-Event-ID`) goes on after that event with nothing missed and nothing twice.
#[utoipa::path(
    get, path = "/api/executions/{id}/events", tag = "patterns",
    params(("id" = String, Path), ExecutionEventsQuery),
    responses(
        (status = 101, description = "Each text frame is an event"),
        (status = 200, content_type = "text/event-stream", body = ExecutionEvent),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn events(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Query(query): Query<ExecutionEventsQuery>,
    upgrade: Option<Upgrade>,
) -> Result<Response, Problem> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let since = last.filter(|id| !id.is_empty()).or(query.since);
    stream::follow(&app.runs, id, since, upgrade, &app.shutdown).await
}

/// Answer a question of a run, or approve: as a person.
///
/// `questionId` may be left out when one question only waits for a person.
#[utoipa::path(
    post, path = "/api/executions/{id}/answer", tag = "patterns", params(("id" = String, Path)),
    request_body = ExecutionAnswer,
    responses(
        (status = 200, body = Execution),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn answer(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(answer): Json<ExecutionAnswer>,
) -> Result<Json<Execution>, Problem> {
    app.runs.live(&id).await?.answer(answer).await.map(Json)
}

/// Let a run at work send more messages than its file says.
#[utoipa::path(
    post, path = "/api/executions/{id}/budget", tag = "patterns", params(("id" = String, Path)),
    request_body = BudgetRequest,
    responses(
        (status = 200, body = Execution),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn budget(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(BudgetRequest { messages }): Json<BudgetRequest>,
) -> Result<Json<Execution>, Problem> {
    app.runs.live(&id).await?.raise_budget(messages).await.map(Json)
}

/// Cancel a run: its work is stopped and its agents with it. Answers when they are gone.
///
/// Cancelling one that has ended is no error.
#[utoipa::path(
    post, path = "/api/executions/{id}/cancel", tag = "patterns", params(("id" = String, Path)),
    responses(
        (status = 200, body = Execution),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn cancel(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Execution>, Problem> {
    if app.runs.is_active(&id) {
        app.runs.live(&id).await?.cancel().await?;
    }
    app.runs.ended(&id).await.map(Json)
}
