//! The terminal socket.

use axum::extract::State;
use axum::response::Response;
use parallax_api::Problem;
use parallax_api::terminal::{TerminalMode, TerminalQuery};
use parallax_service::access::{Caller, Scope};
use parallax_service::extract::{Path, Query, Upgrade};
use parallax_service::websocket::{self, HandOver};

use super::App;
use crate::server::viewing::Viewing;

/// The agent's terminal as a WebSocket: output as text, ready for xterm.js; what is sent is typed, except
/// `{"type":"resize","cols":…,"rows":…}`. With the subprotocol `parallax.terminal.v1`, binary frames with offsets.
#[utoipa::path(
    get, path = "/ws/agents/{id}/terminal", tag = "streams", params(("id" = String, Path), TerminalQuery),
    responses(
        (status = 101, description = "The terminal. Closed with 4404 (no such agent), 4000 (agent ended), 1001 (server goes away), 1013 (too many viewers), 4503 (its host does not answer)"),
        (status = "4XX", body = Problem),
    )
)]
pub(super) async fn terminal(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(mut query): Query<TerminalQuery>,
    caller: Caller,
    hand_over: HandOver,
    Upgrade(upgrade): Upgrade,
) -> Result<Response, Problem> {
    if query.mode == Some(TerminalMode::Interactive) {
        caller.require(Scope::Operate)?;
    } else if caller.scope() < Scope::Operate {
        query.mode = Some(TerminalMode::View);
    }
    let upgrade = websocket::terminal(upgrade);
    let v1 = upgrade.selected_protocol().is_some();
    let tracker = app.core.shutdown.tracker().clone();
    let entry = id.parse().and_then(|id| app.core.registry.get(&id));
    let viewing = match entry.and_then(|entry| Viewing::begin(&app.core, entry, query, v1)) {
        Ok(viewing) => viewing,
        Err(problem) => return Ok(websocket::refuse(upgrade, problem)),
    };
    // The host is asked before the upgrade is answered: from then on there is no way back.
    let host = if hand_over.is_possible() { viewing.handover().await } else { None };
    Ok(match host {
        Some(host) => hand_over.accept(upgrade.selected_protocol(), move |connection| {
            tracker.track_future(viewing.hand_over(host, connection))
        }),
        None => upgrade.on_upgrade(move |socket| tracker.track_future(viewing.serve(socket))),
    })
}
