//! Terminals and events.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use parallax_api::event::EventsQuery;
use parallax_api::terminal::{TerminalMode, TerminalQuery};
use parallax_api::{AgentId, Event, Problem};
use parallax_service::access::{Caller, Scope};
use parallax_service::events as service_events;
use parallax_service::extract::{Query, Upgrade};
use parallax_service::websocket::{self, HandOver, Taker};

use super::extract::Id;
use crate::app::App;
use crate::relay::terminal as relay;

/// The agent's terminal, as a WebSocket.
///
/// Text frames go straight into xterm.js, keys come back as text frames, `{"type":"resize","cols":…,"rows":…}`
/// resizes; the subprotocol `parallax.terminal.v1` has offsets and exact resume. Closed with 4404 for an unknown
/// agent, 4000 when the agent ended, 4503 when its runtime does not answer, 1013 when too many watch it.
#[utoipa::path(
    get, path = "/api/managed-agents/{id}/terminal", tag = "streams", params(("id" = String, Path), TerminalQuery),
    responses(
        (status = 101, description = "The terminal"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn terminal(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Query(query): Query<TerminalQuery>,
    hand_over: HandOver,
    Upgrade(upgrade): Upgrade,
) -> Result<Response, Problem> {
    if query.mode.unwrap_or_default() == TerminalMode::Interactive {
        caller.require(Scope::Operate)?;
    }
    let upgrade = websocket::terminal(upgrade);
    if hand_over.is_possible()
        && let Some(taker) = taker(&app, &id, &query, upgrade.selected_protocol().is_some()).await
    {
        return Ok(hand_over.accept(upgrade.selected_protocol(), taker));
    }
    let shutdown = app.shutdown.clone();
    let relaying = async move |viewer| match app.locator.locate(&id).await {
        Ok(runtime) => relay::relay(viewer, runtime, id, query, app.shutdown.clone()).await,
        Err(problem) => relay::refuse(viewer, &problem).await,
    };
    Ok(upgrade.on_upgrade(move |viewer| shutdown.tracker().clone().track_future(relaying(viewer))))
}

/// Who takes the viewer without a relay: the runtime of the agent, where that is in this process.
async fn taker(app: &App, id: &AgentId, query: &TerminalQuery, v1: bool) -> Option<Taker> {
    let runtime = app.locator.runtimes.get(&app.locator.cache.runtime_of(id)?)?;
    runtime.viewers()?.taker(id, query, v1).await
}

/// The events of every agent, as server-sent events or, when upgraded, as a WebSocket.
///
/// `since` (or `Last-Event-ID`) resumes after that event with nothing missed and nothing twice.
#[utoipa::path(
    get, path = "/api/managed-agents/events", tag = "streams", params(EventsQuery),
    responses(
        (status = 101, description = "Each text frame is an event"),
        (status = 200, content_type = "text/event-stream", body = Event),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn events(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
    upgrade: Option<Upgrade>,
) -> Response {
    service_events::follow(&app.log, query, &headers, upgrade, &app.shutdown)
}

/// The same at the path that runtimes have, so that a page written for a runtime works here too.
pub async fn events_socket(
    State(app): State<App>,
    Query(query): Query<EventsQuery>,
    Upgrade(upgrade): Upgrade,
) -> Response {
    service_events::websocket(&app.log, query, upgrade, &app.shutdown)
}
