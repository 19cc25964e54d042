//! A viewer that the agent's host serves itself, on the viewer's own connection.

use std::sync::Arc;

use async_trait::async_trait;
use parallax_api::AgentId;
use parallax_api::terminal::TerminalQuery;
use parallax_service::websocket::{HandedConnection, TakeViewers, Taker};

use super::{CLOSING, HostState, Viewing};
use crate::host::Handover;
use crate::server::core::RuntimeCore;

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
        let mut viewer = match handover.pass(self.query.clone(), self.v1, connection).await {
            Ok(viewer) => viewer,
            Err(error) => {
                tracing::debug!(%error, agent.id = %self.entry.id(), "a viewer could not be handed over");
                return;
            }
        };
        let is_left = tokio::select! {
            () = viewer.left() => true,
            () = self.core.shutdown.begun() => false,
        };
        if !is_left {
            // A viewer that does not answer needs no more telling.
            let _ = tokio::time::timeout(CLOSING, viewer.let_go()).await;
        }
    }
}
