//! A viewer that the agent's host serves itself, on the viewer's own connection.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parallax_api::AgentId;
use parallax_api::terminal::TerminalQuery;
use parallax_service::websocket::{HandedConnection, TakeViewers, Taker, close_frame};

use super::{CLOSE_RUNTIME_UNAVAILABLE, CLOSING, HostState, Viewing};
use crate::host::Handover;
use crate::server::core::RuntimeCore;

/// How long a host may take to let a viewer go: a little more than it gives the viewer.
const LETTING_GO: Duration = Duration::from_secs(3);

/// The agents' viewers, for another server in this process.
pub(in crate::server) struct Viewers(pub Arc<RuntimeCore>);

#[async_trait]
impl TakeViewers for Viewers {
    async fn taker(&self, id: &AgentId, query: &TerminalQuery, v1: bool) -> Option<Taker> {
        let entry = self.0.registry.get(id).ok()?;
        let viewing = Viewing::begin(&self.0, entry, query.clone(), v1).ok()?;
        let host = viewing.handover().await?;
        let tracker = self.0.shutdown.tracker().clone();
        Some(Box::new(move |connection| Box::pin(tracker.track_future(viewing.hand_over(host, connection)))))
    }
}

impl std::fmt::Debug for Viewers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Viewers")
    }
}

impl Viewing {
    /// A host that takes this viewer's connection. `None`: it is relayed.
    pub(in crate::server) async fn handover(&self) -> Option<Handover> {
        match self.entry.host_state() {
            HostState::Connected(host) => host.handover().await,
            _ => None,
        }
    }

    /// Hands the viewer over, and is its stand-in among this server's viewers until it, the agent or the server goes. Whoever loses
    /// its connection to a host that died connects again, and is told what became of the agent.
    pub(in crate::server) async fn hand_over(self, handover: Handover, connection: HandedConnection) {
        let mut viewer = match handover.pass(self.query.clone(), self.v1, &connection).await {
            Ok(viewer) => viewer,
            Err(error) => {
                tracing::debug!(%error, agent.id = %self.entry.id(), "a viewer could not be handed over");
                let why =
                    close_frame(CLOSE_RUNTIME_UNAVAILABLE, "the agent's host does not answer; connect again");
                // A viewer that is gone or does not answer needs no more telling.
                let _ = tokio::time::timeout(CLOSING, connection.close(why)).await;
                return;
            }
        };
        // The host's descriptor is the only one from here on: when it closes, the viewer knows.
        let _counted = connection.counted;
        drop(connection.stream);
        let is_left = tokio::select! {
            () = viewer.left() => true,
            () = self.core.shutdown.begun() => false,
        };
        if !is_left {
            // A viewer that does not answer needs no more telling.
            let _ = tokio::time::timeout(LETTING_GO, viewer.let_go()).await;
        }
    }
}
