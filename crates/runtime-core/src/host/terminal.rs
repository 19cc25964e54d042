//! A host's terminal socket.

use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use futures::StreamExt;
use parallax_api::terminal::{OUTPUT_READ, ServerFrame, TERMINAL_V1, TerminalMode, TerminalQuery};
use parallax_api::{Code, Problem};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::HostClient;
use super::client::{QUICK, away, with_query};
use super::dial::{ByteStream, Dial};

/// An open terminal socket of a host.
pub type HostTerminal = WebSocketStream<Box<dyn ByteStream>>;

impl HostClient {
    /// Opens the terminal, with the subprotocol `parallax.terminal.v1` or plain.
    pub async fn terminal(&self, query: &TerminalQuery, v1: bool) -> Result<HostTerminal, Problem> {
        // A ticket is for this server; the host has no use for it.
        let query = TerminalQuery { ticket: None, ..query.clone() };
        let uri = format!("ws://host{}", with_query("/terminal", &query)?);
        let mut request = uri.into_client_request().map_err(Problem::internal)?;
        if v1 {
            request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(TERMINAL_V1));
        }
        if let Some(value) = self.authorization() {
            request.headers_mut().insert(AUTHORIZATION, value.parse().map_err(Problem::internal)?);
        }
        let open = async {
            let stream = self.address().dial().await.map_err(away)?;
            let config = WebSocketConfig::default().read_buffer_size(OUTPUT_READ);
            match client_async_with_config(request, stream, Some(config)).await {
                Ok((socket, _)) => Ok(socket),
                Err(tungstenite::Error::Http(answer)) => Err(refusal(&answer)),
                Err(cause) => Err(away(cause)),
            }
        };
        tokio::time::timeout(QUICK, open)
            .await
            .unwrap_or_else(|_| Err(away("no terminal within ten seconds")))
    }

    /// What names the agent's output log; `end` is its last offset.
    pub async fn log_epoch(&self, end: u64) -> Result<String, Problem> {
        let query = TerminalQuery { mode: Some(TerminalMode::View), since: Some(end), ticket: None };
        let mut terminal = self.terminal(&query, true).await?;
        let hello = tokio::time::timeout(QUICK, terminal.next()).await.map_err(|_| away("no hello"))?;
        let hello = hello.ok_or_else(|| away("no hello"))?.map_err(away)?;
        match serde_json::from_str(hello.to_text().map_err(away)?).map_err(away)? {
            ServerFrame::Hello { epoch, .. } => Ok(epoch),
            _ => Err(away("it did not say hello")),
        }
    }
}

fn refusal(answer: &tungstenite::http::Response<Option<Vec<u8>>>) -> Problem {
    let body = answer.body().as_deref().unwrap_or_default();
    serde_json::from_slice(body).unwrap_or_else(|_| {
        Problem::new(
            Code::RuntimeUnavailable,
            format!("the agent's host refused its terminal: {}", answer.status()),
        )
    })
}

/// A frame of the host as axum has it; `None` for what axum does by itself.
pub(crate) fn to_viewer(frame: Message) -> Option<axum::extract::ws::Message> {
    use axum::extract::ws;
    Some(match frame {
        Message::Text(text) => ws::Message::Text(text.as_str().into()),
        Message::Binary(bytes) => ws::Message::Binary(bytes),
        Message::Close(frame) => {
            ws::Message::Close(frame.map(|frame| ws::CloseFrame {
                code: frame.code.into(),
                reason: frame.reason.as_str().into(),
            }))
        }
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return None,
    })
}

/// A frame of a viewer as tungstenite has it; `None` for what tungstenite does by itself.
pub(crate) fn to_host(frame: axum::extract::ws::Message) -> Option<Message> {
    use axum::extract::ws;
    Some(match frame {
        ws::Message::Text(text) => Message::Text(text.as_str().into()),
        ws::Message::Binary(bytes) => Message::Binary(bytes),
        ws::Message::Close(_) => Message::Close(None),
        ws::Message::Ping(_) | ws::Message::Pong(_) => return None,
    })
}
