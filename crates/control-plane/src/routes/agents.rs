//! Spawning, listing, showing and stopping agents.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use parallax_api::agent::{AgentList, StopRequest};
use parallax_api::{Agent, Code, Problem, SpawnRequest};
use parallax_service::extract::{Json, Query};
use parallax_service::idempotency::{IdempotencyKey, StoredResponse};
use parallax_service::known::Known;
use parallax_service::listing::{AgentsQuery, Page};
use reqwest::Method;
use tokio::time::Instant;

use super::extract::Id;
use crate::agent_cache::Heard;
use crate::app::App;
use crate::relay::{self, Call};

/// How long a runtime may take to show an agent before the cached state is answered.
const SHOW_TIMEOUT: Duration = Duration::from_secs(5);

/// Spawn an agent.
///
/// A named `runtime` (a kind or a name) takes it or nothing does. Otherwise it is the one with the lowest priority
/// number that is healthy, has room and can run the type; when that one cannot after all, the next.
pub async fn spawn(
    State(app): State<App>,
    key: IdempotencyKey,
    Json(request): Json<SpawnRequest>,
) -> Result<StoredResponse, Problem> {
    let (spawner, asked) = (app.spawner.clone(), request.clone());
    let work = move |agent_id: String| async move {
        let agent = spawner.spawn(&agent_id, &request).await?;
        Ok(StoredResponse::new(StatusCode::CREATED, &agent)?.at(format!("/api/managed-agents/{}", agent.id)))
    };
    app.idempotency.respond(key, "POST /api/managed-agents", &asked, work).await
}

/// List agents, oldest first.
///
/// Those of a runtime that does not answer are listed as last known, with `stale: true`.
pub async fn list(State(app): State<App>, Query(query): Query<AgentsQuery>) -> Result<Response, Problem> {
    let page = app.locator.page(&query).await?;
    if page.agents.iter().any(|known| page.is_stale(known.agent())) {
        let shown = |known: &Arc<Known>| {
            let agent = known.agent().clone();
            Agent { stale: page.is_stale(&agent), ..agent }
        };
        let agents: Vec<Agent> = page.agents.iter().map(shown).collect();
        let list = AgentList { count: agents.len(), agents, next_cursor: page.next_cursor };
        return Ok(Json(list).into_response());
    }
    Ok(Page { agents: page.agents, next_cursor: page.next_cursor }.into_response())
}

/// One agent.
///
/// When its runtime does not answer: as last known, with `stale: true`.
pub async fn get(State(app): State<App>, Id(id): Id) -> Result<Response, Problem> {
    let fresh = || app.cache.get_fresh(&id).filter(|known| app.locator.is_reachable(known.agent()));
    if let Some(known) = fresh() {
        return Ok(axum::Json(known.json()).into_response());
    }
    let last_known = || app.cache.get(&id).map(|agent| app.locator.with_staleness(agent));
    if let Some(agent) = last_known().filter(|agent| agent.stale) {
        return Ok(Json(agent).into_response());
    }
    let answer_by = Instant::now() + SHOW_TIMEOUT;
    let asking = app.cache.asking(&id);
    // Many who ask at once ask the runtime once. Who finds no answer after that asks for itself, and keeps nobody waiting.
    let mut _asks = None;
    if let Some(asking) = &asking {
        _asks = asking.try_lock().ok();
        if _asks.is_none() {
            // After a timeout there is a last known state.
            drop(tokio::time::timeout_at(answer_by, asking.lock()).await);
        }
    }
    if let Some(known) = fresh() {
        return Ok(axum::Json(known.json()).into_response());
    }
    let last_known = last_known();
    if let Some(agent) = last_known.clone().filter(|agent| agent.stale || Instant::now() >= answer_by) {
        return Ok(Json(Agent { stale: true, ..agent }).into_response());
    }
    let runtime = app.locator.locate(&id).await?;
    let heard = Heard::Asked(Instant::now());
    let asked = async {
        let answer = Call::new(Method::GET, "").within(SHOW_TIMEOUT).send(&runtime, &id).await;
        let answer = answer.map_err(|cause| cause.problem)?;
        relay::into_agent_response(answer, &runtime, &app.cache, &id, heard).await
    };
    // With its body: one that comes slowly keeps others waiting, too.
    let answer = tokio::time::timeout_at(answer_by, asked).await.unwrap_or_else(|_| {
        let detail = format!("the runtime `{}` did not answer in time", runtime.name());
        Err(Problem::new(Code::RuntimeUnavailable, detail))
    });
    match (answer, last_known) {
        (Err(_), Some(agent)) => Ok(Json(Agent { stale: true, ..agent }).into_response()),
        (answer, _) => answer,
    }
}

/// Stop an agent: ask, wait `graceMs`, insist.
///
/// Stopping one that has ended is no error.
pub async fn stop(
    State(app): State<App>,
    Id(id): Id,
    Query(request): Query<StopRequest>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let runtime = app.locator.locate(&id).await?;
    let call =
        Call::new(Method::DELETE, "").query(query.as_deref()).taking(Duration::from_millis(request.grace_ms));
    let answer = call.send(&runtime, &id).await.map_err(|unanswered| unanswered.problem)?;
    relay::into_agent_response(answer, &runtime, &app.cache, &id, Heard::Changed).await
}
