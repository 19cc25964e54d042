//! Which client a request is of, and how many streams each may have at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Query, Request};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use parallax_api::{Code, Problem};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::websocket;

/// Streams of one client at once: terminals, events, logs that are followed. A control plane is one client of its
/// runtimes, for all of its own.
pub const MAX_STREAMS: usize = 512;
/// Clients that are remembered though they have no stream.
const MAX_CLIENTS: usize = 1024;

/// Who counts as one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ClientKey {
    /// Whoever has this token, by its digest.
    Token([u8; 32]),
    /// An account of this machine.
    Account(u32),
    /// Whoever calls from this address.
    Address(Option<IpAddr>),
}

/// The streams of all clients.
#[derive(Debug, Default)]
pub(super) struct Streams(Mutex<HashMap<ClientKey, Arc<Semaphore>>>);

/// One stream of a client, until it is dropped.
pub(super) type StreamPermit = OwnedSemaphorePermit;

/// Keeps what belongs to a connection until it ends: a WebSocket outlives its request. An extension of requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct UntilClosed(Arc<Mutex<Vec<StreamPermit>>>);

impl UntilClosed {
    pub(super) fn keep(&self, permit: StreamPermit) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(permit);
    }
}

impl Streams {
    /// Fails with `RESOURCE_LIMIT`.
    pub(super) fn begin(&self, client: ClientKey) -> Result<StreamPermit, Problem> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MAX_CLIENTS {
            clients.retain(|_, streams| streams.available_permits() < MAX_STREAMS);
        }
        let streams = clients.entry(client).or_insert_with(|| Arc::new(Semaphore::new(MAX_STREAMS)));
        streams.clone().try_acquire_owned().map_err(|_| {
            let detail =
                format!("this client follows {MAX_STREAMS} streams already; close some, or try again later");
            Problem::new(Code::ResourceLimit, detail).with("limit", MAX_STREAMS)
        })
    }
}

/// Whether the client asks for a WebSocket.
pub(super) fn is_upgrade(request: &Request) -> bool {
    let upgrade = request.headers().get(header::UPGRADE);
    upgrade.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// What of a query says that the answer is a stream.
#[derive(Deserialize)]
struct Follow {
    #[serde(default)]
    follow: bool,
}

/// Whether the client asks for a log to be followed.
pub(super) fn follows(request: &Request) -> bool {
    // Decoded as who answers it does.
    Query::<Follow>::try_from_uri(request.uri()).is_ok_and(|Query(query)| query.follow)
}

/// Whether the response is a stream of events.
pub(super) fn is_event_stream(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The response, which has the permit until its body has been sent.
pub(super) fn hold(response: Response, permit: StreamPermit) -> Response {
    response.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |chunk| {
            let _held_while_streaming = &permit;
            chunk
        }))
    })
}

/// Refuses a WebSocket: a browser cannot read why an upgrade was refused; it can read why a socket was closed.
pub(super) async fn refuse_socket(request: Request, problem: Problem) -> Response {
    let (mut parts, _) = request.into_parts();
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await else {
        return problem.into_response();
    };
    websocket::refuse(upgrade, problem)
}
