//! One viewer of one terminal: handed to the agent's host, relayed to it frame by frame, or shown what an ended agent printed.

mod ended;
mod handed;

pub(super) use handed::Viewers;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::{SinkExt, StreamExt};
use parallax_api::terminal::{CLOSE_GOING_AWAY, CLOSE_RUNTIME_UNAVAILABLE, MAX_VIEWERS, TerminalQuery};
use parallax_api::{Code, Problem};
use parallax_service::websocket;
use tokio::sync::OwnedSemaphorePermit;

use super::core::RuntimeCore;
use super::metrics::Viewer;
use super::registry::{Entry, HostState};
use crate::host::{HostTerminal, to_host, to_viewer};

/// How often a quiet terminal shows that it lives, so that a viewer that vanished is noticed.
const ALIVE: Duration = Duration::from_secs(20);
/// A viewer that takes no bytes for this long is gone; it can resume.
const STUCK: Duration = Duration::from_secs(60);
/// How long a viewer gets to answer a close frame.
const CLOSING: Duration = Duration::from_secs(1);
/// How long a viewer whose host went waits to be told what became of the agent.
const END_PATIENCE: Duration = Duration::from_secs(3);

/// A viewer that was let in.
pub(super) struct Viewing {
    core: Arc<RuntimeCore>,
    entry: Arc<Entry>,
    query: TerminalQuery,
    v1: bool,
    _permit: OwnedSemaphorePermit,
    _counted: Viewer,
}

/// Why relaying ended.
enum End {
    /// The host closed, and the viewer has been told why.
    Told,
    /// The viewer left.
    Left,
    /// The host's connection broke.
    Broken,
    /// This server goes away.
    GoingAway,
    /// The viewer sent what cannot be taken.
    Violation(CloseFrame),
}

impl Viewing {
    /// Lets a viewer in. Fails with `RESOURCE_LIMIT` when there are too many.
    pub(super) fn begin(
        core: &Arc<RuntimeCore>,
        entry: Arc<Entry>,
        query: TerminalQuery,
        v1: bool,
    ) -> Result<Self, Problem> {
        let permit = entry.viewers.clone().try_acquire_owned().map_err(|_| {
            let detail = format!("too many viewers watch this agent ({MAX_VIEWERS}); try again later");
            Problem::new(Code::ResourceLimit, detail).with("limit", MAX_VIEWERS)
        })?;
        let counted = core.metrics.viewer();
        Ok(Self { core: core.clone(), entry, query, v1, _permit: permit, _counted: counted })
    }

    /// Serves the viewer until it, the agent or the server goes.
    pub(super) async fn serve(self, mut socket: WebSocket) {
        if let HostState::Connected(host) = self.entry.host_state()
            && let Ok(terminal) = host.terminal(&self.query, self.v1).await
        {
            match self.relay(&mut socket, terminal).await {
                End::Told | End::Left => {}
                End::Violation(frame) => close(socket, frame.code, &frame.reason).await,
                End::GoingAway => close(socket, CLOSE_GOING_AWAY, "the server is going away").await,
                End::Broken if self.ends().await => self.say_end(socket).await,
                End::Broken => {
                    close(socket, CLOSE_RUNTIME_UNAVAILABLE, "the agent's host does not answer").await;
                }
            }
        } else if self.ends().await {
            self.show_ended(socket).await;
        } else {
            close(socket, CLOSE_RUNTIME_UNAVAILABLE, "the agent's host does not answer").await;
        }
    }

    /// Hands frames on, both ways at once: a viewer that does not read still types, and a program that does not read
    /// still prints. Whoever is slow is only behind on its own stream: the host skips for a viewer that is.
    async fn relay(&self, viewer: &mut WebSocket, host: HostTerminal) -> End {
        let (mut viewer_tx, mut viewer_rx) = viewer.split();
        let (mut host_tx, mut host_rx) = host.split();
        let shown = async {
            loop {
                let frame = match tokio::time::timeout(ALIVE, host_rx.next()).await {
                    Err(_) => Message::Ping(Default::default()),
                    Ok(Some(Ok(frame))) => match to_viewer(frame) {
                        Some(frame) => frame,
                        None => continue,
                    },
                    Ok(Some(Err(_)) | None) => return End::Broken,
                };
                let last = matches!(frame, Message::Close(_));
                match tokio::time::timeout(STUCK, viewer_tx.send(frame)).await {
                    Ok(Ok(())) if last => return End::Told,
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => return End::Left,
                }
            }
        };
        let typed = async {
            while let Some(frame) = viewer_rx.next().await {
                let frame = match frame {
                    Ok(frame) => frame,
                    Err(error) => return websocket::violation(&error).map_or(End::Left, End::Violation),
                };
                if let Some(violation) = websocket::too_long(&frame, self.v1) {
                    return End::Violation(violation);
                }
                for piece in websocket::pieces(frame).filter_map(to_host) {
                    if host_tx.send(piece).await.is_err() {
                        // What the host still had to say is on its way: `shown` ends with it.
                        std::future::pending::<()>().await;
                    }
                }
            }
            End::Left
        };
        tokio::select! {
            end = shown => end,
            end = typed => end,
            () = self.core.shutdown.begun() => End::GoingAway,
        }
    }

    /// Whether the agent turns out to have ended.
    async fn ends(&self) -> bool {
        tokio::select! {
            ended = tokio::time::timeout(END_PATIENCE, self.entry.archived()) => ended.is_ok(),
            () = self.core.shutdown.begun() => false,
        }
    }
}

/// Says why, and lets the viewer answer, so that the reason arrives before the connection goes.
async fn close(mut socket: WebSocket, code: u16, reason: &str) {
    let closing = async {
        socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await?;
        while let Some(Ok(_)) = socket.recv().await {}
        Ok::<(), axum::Error>(())
    };
    // A viewer that is gone or does not answer needs no more telling.
    let _ = tokio::time::timeout(CLOSING, closing).await;
}
