//! A WebSocket that tells: text frames one way, and signs of life.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures::{Stream, StreamExt};
use parallax_api::terminal::CLOSE_GOING_AWAY;

use crate::shutdown::Shutdown;
use crate::websocket;

/// How often a quiet stream shows that it lives; a WebSocket that did not answer one ping by the next is dropped.
pub const ALIVE: Duration = Duration::from_secs(20);
/// The longest frame of a client, in bytes: it has nothing to say on such a socket.
pub const MAX_CLIENT_FRAME: usize = 4096;
/// A client that takes no bytes for this long is gone; it can resume.
const STUCK: Duration = Duration::from_secs(30);

/// Tells every text, then closes with `end`; with 1001 when the server goes. Returns when the client is gone as well.
pub async fn tell(
    mut socket: WebSocket,
    texts: impl Stream<Item = impl Into<Utf8Bytes>> + Send,
    end: CloseFrame,
    shutdown: Shutdown,
) {
    let mut texts = std::pin::pin!(texts);
    let mut alive = tokio::time::interval(ALIVE);
    let mut answered = true;
    loop {
        let frame = tokio::select! {
            biased;
            () = shutdown.begun() => Message::Close(Some(going_away())),
            text = texts.next() => match text {
                Some(text) => Message::text(text),
                None => Message::Close(Some(end.clone())),
            },
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_))) | None => return,
                Some(Err(error)) => match websocket::violation(&error) {
                    Some(close) => Message::Close(Some(close)),
                    None => return,
                },
                Some(Ok(_)) => {
                    answered = true;
                    continue;
                }
            },
            _ = alive.tick() => {
                if !std::mem::take(&mut answered) {
                    return;
                }
                Message::Ping(Default::default())
            }
        };
        let last = matches!(frame, Message::Close(_));
        let sent = tokio::time::timeout(STUCK, socket.send(frame)).await;
        if last || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

/// 1001: whoever follows may resume with the next server.
pub fn going_away() -> CloseFrame {
    CloseFrame { code: CLOSE_GOING_AWAY, reason: "the server is going away".into() }
}
