//! Beginning: who was here when the last server died, and who is still here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use parallax_api::{AgentId, AgentStatus, Problem};

use super::agents::Agents;
use super::records::Record;
use super::registry::Reach;
use crate::backend::{HostAddress, Survivor};
use crate::host::HostClient;

/// Hosts asked at once who they are.
const ASKED_AT_ONCE: usize = 16;

impl Agents {
    /// Puts every recorded agent into the registry and follows those whose end is not settled; hosts that are there
    /// without a record are adopted too, and dead ones removed.
    pub(super) async fn adopt(self: &Arc<Self>) -> Result<(), Problem> {
        let mut found = self.look_around().await;
        for Record { agent, launched } in self.records.all().await? {
            let survivor = found.remove(&agent.id);
            let told = (agent.status == AgentStatus::Stopped).then(|| agent.exit.clone()).flatten();
            let address = survivor.as_ref().and_then(|survivor| survivor.address.clone());
            if !launched && address.is_none() {
                // Nobody was told of it, and a retry may use its id: it must be gone before we serve.
                self.undo(&agent.id).await;
                continue;
            }
            let settled = told.is_some() && address.is_none() && self.archive.holds(&agent.id);
            let reach = match address {
                Some(address) => Reach::Host(HostClient::new(address)),
                None if settled => Reach::Ended,
                None => Reach::Away,
            };
            let entry = self.registry.insert(agent, reach, None);
            if !settled {
                self.follow(entry, told);
            } else if survivor.is_some() {
                self.remove_dead(entry.id().clone());
            }
        }
        self.adopt_strangers(found).await;
        tracing::info!(running = self.registry.running(), "agents adopted");
        self.purge_unknown().map_err(Problem::internal)
    }

    /// Every host in the place. When the place cannot be asked now, each agent's follower asks again.
    async fn look_around(&self) -> HashMap<AgentId, Survivor> {
        match self.backend.survivors().await {
            Ok(survivors) => survivors.into_iter().map(|survivor| (survivor.id.clone(), survivor)).collect(),
            Err(error) => {
                tracing::error!(%error, "failed to look for agents that are still here");
                HashMap::new()
            }
        }
    }

    /// Hosts without a record: the database was lost, or they are dead and belong to nobody.
    async fn adopt_strangers(self: &Arc<Self>, strangers: HashMap<AgentId, Survivor>) {
        let (living, dead): (Vec<Survivor>, Vec<Survivor>) =
            strangers.into_values().partition(|survivor| survivor.address.is_some());
        for survivor in dead {
            self.remove_dead(survivor.id);
        }
        let known = futures::stream::iter(living.into_iter().filter_map(|survivor| survivor.address))
            .map(async |address: HostAddress| {
                let host = HostClient::new(address);
                (host.agent().await, host)
            })
            .buffer_unordered(ASKED_AT_ONCE);
        let mut known = std::pin::pin!(known);
        while let Some((agent, host)) = known.next().await {
            match agent {
                Ok(agent) => {
                    tracing::info!(agent.id = %agent.id, "adopting an agent that stands in no record");
                    let entry = self.registry.insert(agent, Reach::Host(host), None);
                    self.follow(entry, None);
                }
                Err(error) => {
                    tracing::error!(?host, %error, "an unknown host does not answer; leaving it alone");
                }
            }
        }
    }

    fn remove_dead(self: &Arc<Self>, id: AgentId) {
        let agents = self.clone();
        self.shutdown.tracker().spawn(async move {
            if let Err(error) = agents.backend.remove(&id, Duration::ZERO).await {
                tracing::warn!(agent.id = %id, %error, "failed to remove what a dead host left");
            }
        });
    }
}
