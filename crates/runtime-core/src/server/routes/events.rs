//! What happens, as it happens.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use parallax_api::event::EventsQuery;
use parallax_api::{Event, Problem};
use parallax_service::events;
use parallax_service::extract::{Query, Upgrade};

use super::App;

/// Events as server-sent events (or, when upgraded, a WebSocket). `Last-Event-ID` resumes.
#[utoipa::path(
    get, path = "/api/events", tag = "streams", params(EventsQuery),
    responses((status = 200, content_type = "text/event-stream", body = Event), (status = "4XX", body = Problem))
)]
pub(super) async fn sse(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
    upgrade: Option<Upgrade>,
) -> Response {
    events::follow(&app.core.log, query, &headers, upgrade, &app.core.shutdown)
}

/// Events as a WebSocket: a text frame an event.
#[utoipa::path(
    get, path = "/ws/events", tag = "streams", params(EventsQuery),
    responses((status = 101, description = "Frames are events"), (status = "4XX", body = Problem))
)]
pub(super) async fn websocket(
    State(app): State<App>,
    Query(query): Query<EventsQuery>,
    Upgrade(upgrade): Upgrade,
) -> Response {
    events::websocket(&app.core.log, query, upgrade, &app.core.shutdown)
}
