//! The verbs on core.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use parallax_api::agent::{RestartRequest, StopRequest};
use parallax_api::message::{AnswerRequest, MessageList, MessageProgress, MessageQuery, MessagesQuery};
use parallax_api::observe::{Metrics, StatusReport};
use parallax_api::terminal::{InputRequest, Screen};
use parallax_api::{Agent, Code, Problem, SendRequest, SpawnRequest};
use parallax_service::extract::{Json, Query};
use parallax_service::idempotency::{IdempotencyKey, StoredResponse};
use parallax_service::listing::{AgentsQuery, Page};

use super::{App, Id};

/// Spawn an agent.
pub(super) async fn spawn(
    State(app): State<App>,
    key: IdempotencyKey,
    Json(request): Json<SpawnRequest>,
) -> Result<StoredResponse, Problem> {
    let asked = request.clone();
    let work = move |handle: String| async move {
        let agent = app.core.spawn(handle.parse()?, request).await?;
        Ok(StoredResponse::new(StatusCode::CREATED, &agent)?.at(format!("/api/agents/{}", agent.id)))
    };
    app.idempotency.clone().respond(key, "POST /api/agents", &asked, work).await
}

/// List agents, oldest first. `status`, `type`, `runtime`, `capability` and `label` (`key` or `key=value`) may be
/// repeated: several labels must all match, several values of the others are alternatives.
pub(super) async fn list(State(app): State<App>, Query(query): Query<AgentsQuery>) -> Result<Page, Problem> {
    app.core.list(&query)
}

/// One agent.
pub(super) async fn get(State(app): State<App>, Id(id): Id) -> Result<Response, Problem> {
    Ok(Json(app.core.get(&id)?.json()).into_response())
}

/// Stop an agent: ask, wait `graceMs`, insist. Stopping one that has ended is no error.
pub(super) async fn stop(
    State(app): State<App>,
    Id(id): Id,
    Query(request): Query<StopRequest>,
) -> Result<Json<Agent>, Problem> {
    app.core.stop(&id, &request).await.map(Json)
}

/// Send a message: 202 when it is accepted, 200 with the answer when `expectResponse` asks to wait for it.
pub(super) async fn send(
    State(app): State<App>,
    Id(id): Id,
    key: IdempotencyKey,
    Json(request): Json<SendRequest>,
) -> Result<StoredResponse, Problem> {
    let (asked, operation) = (request.clone(), format!("POST /api/agents/{id}/send"));
    let work = move |message_id: String| async move {
        let sent = app.core.send(&id, message_id, request).await?;
        let status = if sent.response.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
        StoredResponse::new(status, &sent)
    };
    app.idempotency.clone().respond(key, &operation, &asked, work).await
}

/// The conversation, oldest first.
pub(super) async fn messages(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<MessagesQuery>,
) -> Result<Json<MessageList>, Problem> {
    app.core.messages(&id, &query).await.map(Json)
}

/// One message: how far it has come, and its answer.
#[utoipa::path(
    get, path = "/api/agents/{id}/messages/{message_id}", tag = "agents",
    params(("id" = String, Path), ("message_id" = String, Path), MessageQuery),
    responses((status = 200, body = MessageProgress), (status = "4XX", body = Problem))
)]
pub(super) async fn message(
    State(app): State<App>,
    Path((id, message)): Path<(String, String)>,
    Query(query): Query<MessageQuery>,
) -> Result<Json<MessageProgress>, Problem> {
    app.core.message(&id.parse()?, &word(message)?, &query).await.map(Json)
}

/// Withdraw a message that waits: it is not typed. 409 when it waits no more.
#[utoipa::path(
    delete, path = "/api/agents/{id}/messages/{message_id}", tag = "agents",
    params(("id" = String, Path), ("message_id" = String, Path)),
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn withdraw(
    State(app): State<App>,
    Path((id, message)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    app.core.withdraw(&id.parse()?, &word(message)?).await.map(|()| StatusCode::NO_CONTENT)
}

/// A message's id becomes part of a path.
fn word(id: String) -> Result<String, Problem> {
    let fits = id.len() <= 100 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if fits { Ok(id) } else { Err(Problem::new(Code::NotFound, "no message of this agent has that id")) }
}

/// What a person would see now.
pub(super) async fn screen(State(app): State<App>, Id(id): Id) -> Result<Json<Screen>, Problem> {
    app.core.screen(&id).await.map(Json)
}

/// Why the agent has the status it has: which rule, which evidence.
pub(super) async fn status(State(app): State<App>, Id(id): Id) -> Result<Json<StatusReport>, Problem> {
    app.core.status(&id).await.map(Json)
}

/// What the agent uses and has done.
pub(super) async fn metrics(State(app): State<App>, Id(id): Id) -> Result<Json<Metrics>, Problem> {
    app.core.metrics(&id).await.map(Json)
}

/// Press keys.
pub(super) async fn input(
    State(app): State<App>,
    Id(id): Id,
    Json(request): Json<InputRequest>,
) -> Result<StatusCode, Problem> {
    app.core.input(&id, &request).await.map(|()| StatusCode::NO_CONTENT)
}

/// Answer the pending question.
pub(super) async fn answer(
    State(app): State<App>,
    Id(id): Id,
    Json(request): Json<AnswerRequest>,
) -> Result<Json<Agent>, Problem> {
    app.core.answer(&id, &request).await.map(Json)
}

/// Stop the current turn, keep the agent.
pub(super) async fn interrupt(State(app): State<App>, Id(id): Id) -> Result<Json<Agent>, Problem> {
    app.core.interrupt(&id).await.map(Json)
}

/// A new process, with the same id, directory and, unless told otherwise, conversation. No body means the default.
pub(super) async fn restart(
    State(app): State<App>,
    Id(id): Id,
    request: Option<Json<RestartRequest>>,
) -> Result<Json<Agent>, Problem> {
    let request = request.map(|Json(request)| request).unwrap_or_default();
    app.core.restart(&id, &request).await.map(Json)
}

/// End an agent's processes and keep what it needs to come back.
pub(super) async fn suspend(State(app): State<App>, Id(id): Id) -> Result<Json<Agent>, Problem> {
    app.core.suspend(&id).await.map(Json)
}

/// Bring a suspended agent back, under the same id.
pub(super) async fn resume(State(app): State<App>, Id(id): Id) -> Result<Json<Agent>, Problem> {
    app.core.resume(&id).await.map(Json)
}
