//! A WebSocket whose connection leaves the server: the handshake is answered here, its frames are somebody else's.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::extract::ws::CloseFrame;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::StreamExt;
use futures::future::BoxFuture;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use parallax_api::AgentId;
use parallax_api::terminal::TerminalQuery;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{self, Role};

use crate::access::UntilClosed;
use crate::serve::{Connection, Socket};

/// What is needed to take the connection out of this server. An extractor, before [`crate::extract::Upgrade`], which checks the
/// handshake.
#[derive(Debug)]
pub struct HandOver(Option<(OnUpgrade, HeaderValue)>);

/// A connection behind its handshake.
pub struct HandedConnection {
    /// The socket, which nothing here reads any more.
    pub stream: std::net::TcpStream,
    /// What was read of it already.
    pub read: Bytes,
    /// Kept until the connection has ended elsewhere: it counts among this server's until then.
    pub counted: Counted,
}

impl HandedConnection {
    /// Closes it in place of whoever was to take it, and waits for the answer.
    pub async fn close(self, frame: CloseFrame) {
        let Ok(stream) = TcpStream::from_std(self.stream) else { return };
        let read = self.read.into();
        let mut socket = WebSocketStream::from_partially_read(stream, read, Role::Server, None).await;
        let (code, reason) = (frame.code.into(), frame.reason.as_str().into());
        if socket.close(Some(protocol::CloseFrame { code, reason })).await.is_err() {
            // It has gone already.
            return;
        }
        // With its answer, or the end of its connection, nothing comes any more.
        while let Some(Ok(_)) = socket.next().await {}
    }
}

/// A connection among those of its server, until this is dropped.
pub struct Counted(#[expect(dead_code, reason = "it counts by being there")] Arc<Connection>);

/// Takes the viewers of a server in the same process: the runtime behind a control plane.
#[async_trait]
pub trait TakeViewers: fmt::Debug + Send + Sync {
    /// Who takes a viewer of this agent, with all that is to be asked before asked already. `None`: nobody, it is relayed as to any other server.
    async fn taker(&self, id: &AgentId, query: &TerminalQuery, v1: bool) -> Option<Taker>;
}

/// Serves a viewer on its connection until it, the agent or the server goes.
pub type Taker = Box<dyn FnOnce(HandedConnection) -> BoxFuture<'static, ()> + Send>;

impl<S: Sync> FromRequestParts<S> for HandOver {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        // Only what this crate serves is a socket of which is known how to take it.
        let is_ours = parts.extensions.get::<UntilClosed>().is_some();
        let on_upgrade = parts.extensions.get::<OnUpgrade>().filter(|_| is_ours);
        let key = parts.headers.get(header::SEC_WEBSOCKET_KEY);
        let accept = key.and_then(|key| HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok());
        Ok(Self(on_upgrade.cloned().zip(accept)))
    }
}

impl HandOver {
    /// Whether this connection can leave.
    pub fn is_possible(&self) -> bool {
        self.0.is_some()
    }

    /// Accepts the upgrade, with this subprotocol, and gives the connection to `take`. Only where it [is possible](Self::is_possible).
    ///
    /// # Panics
    /// Where it is not.
    pub fn accept<F: Future<Output = ()> + Send + 'static>(
        self,
        protocol: Option<&HeaderValue>,
        take: impl FnOnce(HandedConnection) -> F + Send + 'static,
    ) -> Response {
        let (on_upgrade, accept) = self.0.expect("the connection can leave");
        tokio::spawn(async move {
            match connection(on_upgrade).await {
                Ok(connection) => take(connection).await,
                Err(error) => tracing::debug!(%error, "a connection did not become a WebSocket"),
            }
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        if let Some(protocol) = protocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol.clone());
        }
        response
    }
}

async fn connection(on_upgrade: OnUpgrade) -> anyhow::Result<HandedConnection> {
    let parts = on_upgrade.await?.downcast::<TokioIo<Socket>>();
    let parts = parts.map_err(|_| anyhow::anyhow!("its socket is of another kind"))?;
    let (stream, connection) = parts.io.into_inner().into_parts();
    Ok(HandedConnection { stream: stream.into_std()?, read: parts.read_buf, counted: Counted(connection) })
}
