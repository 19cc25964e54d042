//! WebSockets: the same address, token, TLS and refusals as everything else.

use std::time::Duration;

use base64::Engine;
use futures::stream::SplitSink;
use futures::{SinkExt, Stream, StreamExt};
use reqwest::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use reqwest::{Method, StatusCode, Upgraded};
use serde::Serialize;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::{Client, direct};
use crate::terminal::{
    CLOSE_AGENT_ENDED, CLOSE_GOING_AWAY, CLOSE_RUNTIME_UNAVAILABLE, CLOSE_TRY_AGAIN_LATER,
    CLOSE_UNKNOWN_AGENT, OUTPUT_READ,
};
use crate::{Code, Problem};

/// How long the upgrade may take.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(15);
/// A ping goes out this often, so that a server that is there always has something to say.
pub(super) const PING_EVERY: Duration = Duration::from_secs(15);
/// Nothing heard for so long: the connection is dead, whatever the network says.
pub(super) const SILENCE: Duration = Duration::from_secs(45);
/// The longest message taken.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// A WebSocket to the server.
pub type WebSocket = WebSocketStream<Upgraded>;
/// Its sending half.
pub(super) type WebSocketSink = SplitSink<WebSocket, Message>;

impl Client {
    /// Opens a WebSocket; the path and query are those of a GET.
    pub async fn websocket(
        &self,
        path: &str,
        query: &impl Serialize,
        protocol: Option<&'static str>,
    ) -> Result<WebSocket, Problem> {
        tokio::time::timeout(UPGRADE_TIMEOUT, self.upgrade(path, query, protocol)).await.unwrap_or_else(
            |_| {
                let base = &self.shown;
                Err(Problem::new(
                    Code::Timeout,
                    format!("{base} did not answer the WebSocket request in time"),
                ))
            },
        )
    }

    async fn upgrade(
        &self,
        path: &str,
        query: &impl Serialize,
        protocol: Option<&'static str>,
    ) -> Result<WebSocket, Problem> {
        let key = base64::engine::general_purpose::STANDARD.encode(uuid::Uuid::new_v4().as_bytes());
        let mut request = self
            .open(Method::GET, path)
            .query(query)
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, &key);
        if let Some(protocol) = protocol {
            request = request.header(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        let request = request.build().map_err(|error| self.unreachable(&error))?;
        let response = if direct::serves(request.url()) {
            direct::exchange(&request).await.map_err(|error| self.no_answer(&error.to_string()))?
        } else {
            self.http.execute(request).await.map_err(|error| self.unreachable(&error))?
        };
        let response = self.accepted(response).await?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        if response.status() != StatusCode::SWITCHING_PROTOCOLS
            || header(SEC_WEBSOCKET_ACCEPT) != Some(derive_accept_key(key.as_bytes()).as_str())
            || header(SEC_WEBSOCKET_PROTOCOL) != protocol
        {
            return Err(Problem::internal(format!(
                "{} does not speak the WebSocket of `{path}`",
                self.shown
            )));
        }
        let socket = response.upgrade().await.map_err(|error| self.unreachable(&error))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE))
            .read_buffer_size(OUTPUT_READ);
        Ok(WebSocketStream::from_raw_socket(socket, Role::Client, Some(config)).await)
    }
}

/// The next message that is not about the connection itself. The end, silence and every failure are a [`Problem`].
pub(super) async fn next_message(
    socket: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    base: &str,
) -> Result<Message, Problem> {
    loop {
        let message = tokio::time::timeout(SILENCE, socket.next())
            .await
            .map_err(|_| lost(base, &format!("nothing was heard for {} seconds", SILENCE.as_secs())))?;
        match message {
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(frame))) => {
                let (code, reason) =
                    frame.map(|f| (u16::from(f.code), f.reason.to_string())).unwrap_or_default();
                return Err(closed(base, code, &reason));
            }
            Some(Ok(message)) => return Ok(message),
            Some(Err(error)) => return Err(lost(base, &error.to_string())),
            None => return Err(lost(base, "the connection ended")),
        }
    }
}

/// Pings now and then; ends when the connection cannot be written to any more.
pub(super) async fn keep_alive(sink: &mut WebSocketSink) -> Error {
    loop {
        tokio::time::sleep(PING_EVERY).await;
        if let Err(error) = sink.send(Message::Ping(bytes::Bytes::new())).await {
            return error;
        }
    }
}

/// A connection that is no more.
pub(super) fn lost(base: &str, why: &str) -> Problem {
    Problem::new(Code::RuntimeUnavailable, format!("the connection to {base} was lost: {why}"))
}

/// A socket that the server closed.
fn closed(base: &str, code: u16, reason: &str) -> Problem {
    let said = if reason.is_empty() { format!("close code {code}") } else { reason.to_owned() };
    match code {
        CLOSE_AGENT_ENDED => Problem::new(Code::AgentStopped, said),
        CLOSE_UNKNOWN_AGENT => Problem::new(Code::AgentNotFound, said),
        CLOSE_RUNTIME_UNAVAILABLE => Problem::new(Code::RuntimeUnavailable, said),
        CLOSE_TRY_AGAIN_LATER => Problem::new(Code::ResourceLimit, said),
        CLOSE_GOING_AWAY => Problem::new(Code::ShuttingDown, format!("{base} is going away")),
        _ => lost(base, &said),
    }
    .with("closeCode", code)
}
