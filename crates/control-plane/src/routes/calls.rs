//! Calls to one agent, proxied to its runtime, which parses them and refuses what is none.

use std::time::Duration;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use parallax_api::message::{DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS, MessageProgress, MessageQuery};
use parallax_api::{AgentId, Code, Problem, SendRequest};
use parallax_service::extract::Query;
use reqwest::Method;

use super::extract::Forwarded;
use crate::agent_cache::Heard;
use crate::app::App;
use crate::relay::{self, Call};

/// How much longer than other calls a restart may take: it stops and starts.
const RESTART_TIME: Duration = Duration::from_secs(120);
/// How much longer than other calls a resume may take: it starts a host, like a spawn.
const RESUME_TIME: Duration = Duration::from_secs(300);
/// How much longer than other calls one of git may take: some of its own calls follow each other.
const GIT_TIME: Duration = Duration::from_secs(150);

/// How much longer than other calls a pull request may take: git pushes, then a command asks somebody far away.
const PULL_REQUEST_TIME: Duration = Duration::from_secs(270);

/// A call that takes no longer than any other.
pub async fn forward(State(app): State<App>, Forwarded { id, call }: Forwarded) -> Result<Response, Problem> {
    proxy(&app, &id, call).await
}

/// The same for a call that is answered by git.
pub async fn forward_git(
    State(app): State<App>,
    Forwarded { id, call }: Forwarded,
) -> Result<Response, Problem> {
    proxy(&app, &id, call.taking(GIT_TIME)).await
}

/// The same for a pull request.
pub async fn forward_pull_request(
    State(app): State<App>,
    Forwarded { id, call }: Forwarded,
) -> Result<Response, Problem> {
    proxy(&app, &id, call.taking(PULL_REQUEST_TIME)).await
}

/// The same for a call whose response is the agent.
pub async fn forward_for_agent(
    State(app): State<App>,
    Forwarded { id, call }: Forwarded,
) -> Result<Response, Problem> {
    proxy_agent(&app, &id, call).await
}

/// A new process, with the same id, directory and, unless asked otherwise, conversation; or none until it is resumed.
pub async fn restart(State(app): State<App>, Forwarded { id, call }: Forwarded) -> Result<Response, Problem> {
    proxy_agent(&app, &id, call.taking(RESTART_TIME)).await
}

/// A suspended agent comes back.
pub async fn resume(State(app): State<App>, Forwarded { id, call }: Forwarded) -> Result<Response, Problem> {
    proxy_agent(&app, &id, call.taking(RESUME_TIME)).await
}

/// Send a message.
///
/// 202 when it is accepted; with `expectResponse`, 200 with the answer to this very message. When the answer takes
/// longer than `timeoutMs` it is 504 with the `messageId`, and the answer comes as an event and stands in `messages`.
pub async fn send(State(app): State<App>, Forwarded { id, call }: Forwarded) -> Result<Response, Problem> {
    // The runtime parses the body in any case, and refuses what is no request.
    let request: SendRequest = serde_json::from_slice(call.content()).unwrap_or_default();
    let wait = if request.expect_response { request.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS) } else { 0 };
    let wait = Duration::from_millis(wait.min(MAX_TIMEOUT_MS));
    proxy(&app, &id, call.safe_to_repeat().taking(wait)).await
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
    let call = Call::new(Method::GET, format!("/messages/{}", message_id(message)?))
        .query(raw.as_deref())
        .taking(query.duration()?);
    proxy(&app, &id, call).await
}

/// Withdraw a message that waits: it is not typed. 409 when it waits no more.
#[utoipa::path(
    delete, path = "/api/managed-agents/{id}/messages/{message_id}", tag = "conversation",
    params(("id" = String, Path), ("message_id" = String, Path)),
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn withdraw(
    State(app): State<App>,
    Path((id, message)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let id: AgentId = id.parse()?;
    proxy(&app, &id, Call::new(Method::DELETE, format!("/messages/{}", message_id(message)?))).await
}

/// A message's id becomes part of a path.
fn message_id(message: String) -> Result<String, Problem> {
    let fits =
        message.len() <= 100 && message.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if fits { Ok(message) } else { Err(Problem::new(Code::NotFound, "no message of this agent has that id")) }
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
    relay::into_agent_response(answer, &runtime, &app.cache, id, Heard::Changed).await
}
