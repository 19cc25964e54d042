//! Beginning: who was here when the last server died, and who is still here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use parallax_api::{AgentId, AgentStatus, Problem};
use parallax_store::AgentRow;

use super::core::RuntimeCore;
use super::registry::HostState;
use crate::backend::FoundHost;
use crate::host::{HostAddress, HostClient};

/// How long the place may take to say who is there, while nobody can use this server.
const LOOKING: Duration = Duration::from_secs(15);
/// How often a host that is just starting is asked.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// Hosts asked at once who they are.
const ASKED_AT_ONCE: usize = 16;

impl RuntimeCore {
    /// Puts every recorded agent into the registry and follows those whose end is not settled; hosts that are there
    /// without a record are adopted too, and dead ones removed.
    pub(super) async fn adopt(self: &Arc<Self>) -> Result<(), Problem> {
        let mut found = self.list_hosts().await;
        for AgentRow { agent, launched } in self.table.all().await? {
            let survivor = found.remove(&agent.id);
            let told = (agent.status == AgentStatus::Stopped).then(|| agent.exit.clone()).flatten();
            let address = survivor.as_ref().and_then(|survivor| survivor.address.clone());
            if !launched && !self.has_started(&agent.id, address.as_ref()).await {
                // Nobody was told of it, and a retry may use its id: it must be gone before we serve.
                self.undo(&agent.id).await;
                continue;
            }
            let settled = told.is_some() && address.is_none() && self.archive.holds(&agent.id);
            let host_state = match address {
                Some(address) => HostState::Connected(HostClient::new(address)),
                None if settled => HostState::Archived,
                None => HostState::Unreachable,
            };
            let entry = self.registry.insert(agent, host_state, None);
            if !settled {
                self.follow(entry, told);
            } else if survivor.is_some() {
                self.remove_dead(entry.id().clone());
            }
        }
        self.adopt_unknown(found).await;
        tracing::info!(running = self.registry.running(), "agents adopted");
        self.remove_orphans().map_err(Problem::internal)
    }
    /// Whether a host that was being started when the last server died has got its launch: then it answers, and otherwise it
    /// goes by itself.
    async fn has_started(&self, id: &AgentId, address: Option<&HostAddress>) -> bool {
        let Some(address) = address else { return false };
        let host = HostClient::new(address.clone());
        let asking = async {
            while host.agent().await.is_err() {
                let there = self.backend.find_host(id).await;
                if there.is_ok_and(|there| there.is_none_or(|survivor| survivor.address.is_none())) {
                    return false;
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
            true
        };
        tokio::time::timeout(LOOKING, asking).await.unwrap_or(false)
    }

    /// Every host in the place. When the place cannot be asked now, each agent's follower asks again.
    async fn list_hosts(&self) -> HashMap<AgentId, FoundHost> {
        let looked = tokio::time::timeout(LOOKING, self.backend.list_hosts()).await;
        match looked
            .unwrap_or_else(|_| Err(Problem::internal(format!("no answer within {} s", LOOKING.as_secs()))))
        {
            Ok(survivors) => survivors.into_iter().map(|survivor| (survivor.id.clone(), survivor)).collect(),
            Err(error) => {
                tracing::error!(%error, "failed to look for agents that are still here");
                HashMap::new()
            }
        }
    }

    /// Hosts without a record: the database was lost, or they are dead and belong to nobody.
    async fn adopt_unknown(self: &Arc<Self>, strangers: HashMap<AgentId, FoundHost>) {
        let (living, dead): (Vec<FoundHost>, Vec<FoundHost>) =
            strangers.into_values().partition(|survivor| survivor.address.is_some());
        for survivor in dead {
            self.remove_dead(survivor.id);
        }
        let living = living.into_iter().filter_map(|survivor| Some((survivor.id, survivor.address?)));
        let known = futures::stream::iter(living)
            .map(async |(id, address): (AgentId, HostAddress)| {
                let host = HostClient::new(address);
                let agent = host.agent().await;
                // A host speaks of its own agent and of no other.
                (
                    agent.and_then(
                        |agent| if agent.id == id { Ok(agent) } else { Err(Problem::no_agent(&id)) },
                    ),
                    host,
                )
            })
            .buffer_unordered(ASKED_AT_ONCE);
        let mut known = std::pin::pin!(known);
        while let Some((agent, host)) = known.next().await {
            match agent {
                Ok(agent) => {
                    tracing::info!(agent.id = %agent.id, "adopting an agent that stands in no record");
                    let entry = self.registry.insert(agent, HostState::Connected(host), None);
                    self.follow(entry, None);
                }
                Err(error) => {
                    tracing::error!(?host, %error, "an unknown host does not answer; leaving it alone");
                }
            }
        }
    }

    fn remove_dead(self: &Arc<Self>, id: AgentId) {
        let core = self.clone();
        self.shutdown.tracker().spawn(async move {
            if let Err(error) = core.backend.remove(&id, Duration::ZERO).await {
                tracing::warn!(agent.id = %id, %error, "failed to remove what a dead host left");
            }
        });
    }
}
