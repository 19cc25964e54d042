//! Calls to one agent, proxied to its runtime.

use std::time::Duration;

use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use parallax_api::message::{DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS, MessageProgress, MessageQuery};
use parallax_api::{AgentId, Code, Problem, SendRequest};
use parallax_service::extract::Query;
use reqwest::Method;

use super::extract::{Body, Id};
use crate::app::App;
use crate::relay::{self, Call};

/// How much longer than other calls a restart may take: it stops and starts.
const RESTART_TIME: Duration = Duration::from_secs(120);

/// Send a message.
///
/// 202 when it is accepted; with `expectResponse`, 200 with the answer to this very message. When the answer takes
/// longer than `timeoutMs` it is 504 with the `messageId`, and the answer comes as an event and stands in `messages`.
pub async fn send(
    State(app): State<App>,
    Id(id): Id,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // The runtime parses the body in any case, and refuses what is no request.
    let request: SendRequest = serde_json::from_slice(&body.0).unwrap_or_default();
    let wait = if request.expect_response { request.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS) } else { 0 };
    let wait = Duration::from_millis(wait.min(MAX_TIMEOUT_MS));
    let call = Call::new(Method::POST, "/send").body(&headers, body.0).safe_to_repeat().taking(wait);
    proxy(&app, &id, call).await
}

/// The conversation, oldest first.
pub async fn messages(
    State(app): State<App>,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    proxy(&app, &id, Call::new(Method::GET, "/messages").query(query)).await
}

/// One message: how far it has come, and its answer. With `wait`, as soon as it has ended or a person is needed.
#[utoipa::path(
    get, path = "/api/managed-agents/{id}/messages/{message_id}", tag = "conversation",
    params(("id" = String, Path), ("message_id" = String, Path), MessageQuery),
    responses(
        (status = 200, body = MessageProgress),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn message(
    State(app): State<App>,
    Path((id, message)): Path<(String, String)>,
    Query(query): Query<MessageQuery>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let id: AgentId = id.parse()?;
    let fits =
        message.len() <= 100 && message.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !fits {
        return Err(Problem::new(Code::NotFound, "no message of this agent has that id"));
    }
    let call = Call::new(Method::GET, format!("/messages/{message}")).query(raw).taking(query.duration()?);
    proxy(&app, &id, call).await
}

/// Press keys: `text` as it stands, or named `keys`.
pub async fn input(
    State(app): State<App>,
    Id(id): Id,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    proxy(&app, &id, Call::new(Method::POST, "/input").body(&headers, body.0)).await
}

/// Answer the pending question: with an `option` of `attention.options`, or with `text`.
pub async fn answer(
    State(app): State<App>,
    Id(id): Id,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    proxy_agent(&app, &id, Call::new(Method::POST, "/answer").body(&headers, body.0)).await
}

/// Stop the current turn, keep the agent.
pub async fn interrupt(State(app): State<App>, Id(id): Id) -> Result<Response, Problem> {
    proxy_agent(&app, &id, Call::new(Method::POST, "/interrupt")).await
}

/// A new process, with the same id, directory and, unless asked otherwise, conversation.
pub async fn restart(
    State(app): State<App>,
    Id(id): Id,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    proxy_agent(&app, &id, Call::new(Method::POST, "/restart").body(&headers, body.0).taking(RESTART_TIME))
        .await
}

/// The log: the last lines as JSON; with `format=raw` or `asciicast`, or with `follow`, a body that streams.
pub async fn logs(
    State(app): State<App>,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    proxy(&app, &id, Call::new(Method::GET, "/logs").query(query)).await
}

/// What a person would see now.
pub async fn screen(State(app): State<App>, Id(id): Id) -> Result<Response, Problem> {
    proxy(&app, &id, Call::new(Method::GET, "/screen")).await
}

/// Why the agent has the status it has: which rule, which evidence.
pub async fn status(State(app): State<App>, Id(id): Id) -> Result<Response, Problem> {
    proxy(&app, &id, Call::new(Method::GET, "/status")).await
}

/// What the agent uses and has done.
pub async fn metrics(State(app): State<App>, Id(id): Id) -> Result<Response, Problem> {
    proxy(&app, &id, Call::new(Method::GET, "/metrics")).await
}

/// Proxies a call; the response comes back as it is.
pub(super) async fn proxy(app: &App, id: &AgentId, call: Call) -> Result<Response, Problem> {
    let runtime = app.locator.locate(id).await?;
    let reads_only = call.reads_only();
    let answer = call.send(&runtime, id).await;
    if !reads_only {
        app.cache.expire(id);
    }
    let answer = answer.map_err(|unanswered| unanswered.problem)?;
    Ok(relay::into_response(answer, &app.shutdown))
}

/// The same for a call whose response is the agent.
async fn proxy_agent(app: &App, id: &AgentId, call: Call) -> Result<Response, Problem> {
    let runtime = app.locator.locate(id).await?;
    let answer = call.send(&runtime, id).await.map_err(|unanswered| unanswered.problem)?;
    relay::into_agent_response(answer, &runtime, &app.cache, id).await
}
