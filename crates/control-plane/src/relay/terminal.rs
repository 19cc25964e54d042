//! Proxies an agent's terminal frame by frame between a viewer and the runtime.
//!
//! Each direction reads one frame and writes it before it reads the next: a viewer that cannot keep up makes the
//! runtime wait on this connection only, and the runtime then skips for that viewer. Nothing is buffered here.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket as Viewer};
use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use parallax_api::client::WebSocket as Upstream;
use parallax_api::terminal::{CLOSE_GOING_AWAY, CLOSE_RUNTIME_UNAVAILABLE, TERMINAL_V1, TerminalQuery};
use parallax_api::{AgentId, Problem};
use parallax_service::shutdown::Shutdown;
use parallax_service::websocket;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite;
use tungstenite::protocol::frame::Utf8Bytes;

use crate::runtimes::Runtime;

/// A ping goes out this often in each direction, so that a live peer is never silent for long.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// A side that was silent for this long counts as dead.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a side may take to read the close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Closes a viewer's socket with the code that says why there is no terminal.
pub async fn refuse(mut viewer: Viewer, problem: &Problem) {
    let ending = websocket::refusal(problem);
    // The viewer may be gone already.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, viewer.send(Message::Close(Some(ending)))).await;
}

/// Connects the viewer to the agent's terminal at its runtime until one side, or this server, ends it.
pub async fn relay(
    viewer: Viewer,
    runtime: Arc<Runtime>,
    id: AgentId,
    query: TerminalQuery,
    shutdown: Shutdown,
) {
    let protocol = viewer.protocol().is_some_and(|protocol| protocol == TERMINAL_V1).then_some(TERMINAL_V1);
    // A ticket opens this server, not the runtime.
    let query = TerminalQuery { ticket: None, ..query };
    let upstream = match runtime.websocket(&format!("/ws/agents/{id}/terminal"), &query, protocol).await {
        Ok(upstream) => upstream,
        Err(problem) => return refuse(viewer, &problem).await,
    };
    let (mut to_viewer, from_viewer) = viewer.split();
    let (mut to_agent, from_agent) = upstream.split();
    let ending = tokio::select! {
        ending = output(from_agent, &mut to_viewer, &runtime) => ending,
        ending = input(from_viewer, &mut to_agent, protocol.is_some()) => ending,
        () = shutdown.begun() => Some(websocket::close_frame(CLOSE_GOING_AWAY, "the server is going away")),
    };
    let closed = async {
        if let Some(ending) = ending {
            to_viewer.send(Message::Close(Some(ending))).await.ok();
        }
        to_agent.close().await.ok();
    };
    // A side that does not read any more needs no close frame.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, closed).await;
}

/// From the agent to the viewer. None: the viewer is gone.
async fn output(
    mut from_agent: SplitStream<Upstream>,
    to_viewer: &mut SplitSink<Viewer, Message>,
    runtime: &Runtime,
) -> Option<CloseFrame> {
    let mut ping = tokio::time::interval(PING_INTERVAL);
    let mut dead_at = Instant::now() + SILENCE_TIMEOUT;
    loop {
        let heard = tokio::select! {
            heard = tokio::time::timeout_at(dead_at, from_agent.next()) => heard,
            _ = ping.tick() => {
                to_viewer.send(Message::Ping(Bytes::new())).await.ok()?;
                continue;
            }
        };
        dead_at = Instant::now() + SILENCE_TIMEOUT;
        let message = match heard {
            Ok(Some(Ok(tungstenite::Message::Text(text)))) => Message::Text(text.as_str().into()),
            Ok(Some(Ok(tungstenite::Message::Binary(bytes)))) => Message::Binary(bytes),
            Ok(Some(Ok(tungstenite::Message::Close(Some(frame))))) => {
                return Some(websocket::close_frame(frame.code.into(), &frame.reason));
            }
            Ok(Some(Ok(tungstenite::Message::Ping(_) | tungstenite::Message::Pong(_)))) => continue,
            Ok(
                Some(Ok(tungstenite::Message::Close(None) | tungstenite::Message::Frame(_)))
                | Some(Err(_))
                | None,
            )
            | Err(_) => {
                runtime.recheck();
                let reason = format!(
                    "the runtime `{}` is gone; connect again, with `since` to miss nothing",
                    runtime.name()
                );
                return Some(websocket::close_frame(CLOSE_RUNTIME_UNAVAILABLE, &reason));
            }
        };
        to_viewer.send(message).await.ok()?;
    }
}

/// From the viewer to the agent. Ends when the viewer does, or when the agent's side does not take more: then
/// [`output`] is about to learn the reason.
async fn input(
    mut from_viewer: SplitStream<Viewer>,
    to_agent: &mut SplitSink<Upstream, tungstenite::Message>,
    v1: bool,
) -> Option<CloseFrame> {
    let mut ping = tokio::time::interval(PING_INTERVAL);
    let mut dead_at = Instant::now() + SILENCE_TIMEOUT;
    loop {
        let heard = tokio::select! {
            heard = tokio::time::timeout_at(dead_at, from_viewer.next()) => heard,
            _ = ping.tick() => {
                send(to_agent, tungstenite::Message::Ping(Bytes::new())).await;
                continue;
            }
        };
        let frame = match heard {
            Ok(Some(Ok(Message::Close(_))) | None) | Err(_) => return None,
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return websocket::violation(&error),
        };
        let violation = websocket::too_long(&frame, v1);
        if violation.is_some() {
            return violation;
        }
        for piece in websocket::pieces(frame) {
            match piece {
                Message::Text(text) => {
                    send(to_agent, tungstenite::Message::Text(Utf8Bytes::from(text.as_str()))).await;
                }
                Message::Binary(bytes) => send(to_agent, tungstenite::Message::Binary(bytes)).await,
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) => {}
            }
        }
        // However long the agent took: the viewer was not silent.
        dead_at = Instant::now() + SILENCE_TIMEOUT;
    }
}

/// Sends; waits for ever when that fails, because the other direction learns the reason and ends the relay.
async fn send(to_agent: &mut SplitSink<Upstream, tungstenite::Message>, message: tungstenite::Message) {
    if to_agent.send(message).await.is_err() {
        std::future::pending::<()>().await;
    }
}
