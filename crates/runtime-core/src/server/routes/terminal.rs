//! The terminal socket.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use parallax_api::Problem;
use parallax_api::terminal::{TERMINAL_V1, TerminalMode, TerminalQuery};
use parallax_service::access::{Caller, Scope};
use parallax_service::extract::{Path, Query, Upgrade};

use super::App;
use crate::server::viewing::{self, Viewing};

/// Bytes of one frame from a viewer: a paste may be long.
const MAX_FRAME: usize = 1024 * 1024;

/// The agent's terminal as a WebSocket: output as text, ready for xterm.js; what is sent is typed, except
/// `{"type":"resize","cols":…,"rows":…}`. With the subprotocol `parallax.terminal.v1`, binary frames with offsets.
#[utoipa::path(
    get, path = "/ws/agents/{id}/terminal", tag = "terminal", params(("id" = String, Path), TerminalQuery),
    responses(
        (status = 101, description = "Closed with 4404 (no such agent), 4000 (agent ended), 1001 (server goes away)"),
        (status = "4XX", body = Problem),
    )
)]
pub(super) async fn terminal(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(mut query): Query<TerminalQuery>,
    caller: Caller,
    Upgrade(upgrade): Upgrade,
) -> Result<Response, Problem> {
    if query.mode == Some(TerminalMode::Interactive) {
        caller.require(Scope::Operate)?;
    } else if caller.scope() < Scope::Operate {
        query.mode = Some(TerminalMode::View);
    }
    let upgrade = upgrade.protocols([TERMINAL_V1]).max_message_size(MAX_FRAME).max_frame_size(MAX_FRAME);
    let v1 = upgrade.selected_protocol().is_some();
    let shutdown = app.core.shutdown.clone();
    let track = move |viewing| shutdown.tracker().clone().track_future(viewing);
    let entry = id.parse().and_then(|id| app.core.registry.get(&id));
    Ok(match entry {
        Ok(entry) => {
            let viewing = Viewing::begin(&app.core, entry, query, v1)?;
            upgrade.on_upgrade(move |socket| track(viewing.serve(socket))).into_response()
        }
        // A browser cannot read why an upgrade was refused; it can read why a socket was closed.
        Err(_) => upgrade.on_upgrade(viewing::close_unknown).into_response(),
    })
}
