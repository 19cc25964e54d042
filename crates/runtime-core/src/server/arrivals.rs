//! Taking in who comes by another door than this server's.

use std::sync::Arc;

use futures::StreamExt;

use super::agents::Agents;
use super::registry::Reach;
use crate::backend::{Arrival, Survivor};
use crate::host::HostClient;

impl Agents {
    /// Takes in whoever arrives until the server goes.
    pub(super) fn keep_taking_in(self: &Arc<Self>) {
        let agents = self.clone();
        let mut arrivals = self.backend.arrivals();
        self.shutdown.tracker().spawn(async move {
            loop {
                let arrival = tokio::select! {
                    arrival = arrivals.next() => arrival,
                    () = agents.shutdown.begun() => return,
                };
                let Some(arrival) = arrival else { return };
                let agents = agents.clone();
                // A spawn takes its time, and the next one need not wait for it. The slots of the registry bound them.
                agents.shutdown.tracker().clone().spawn(async move { agents.take_in(arrival).await });
            }
        });
    }

    async fn take_in(self: &Arc<Self>, arrival: Arrival) {
        match arrival {
            Arrival::Asked { id, request, answer } => {
                let spawned = self.spawn(id, *request).await.map(drop);
                // A place that no longer wants to know sees the agent among its own.
                drop(answer.send(spawned));
            }
            Arrival::Returned(survivor) => self.take_back(survivor).await,
        }
    }

    /// An agent that had ended runs again, under the same id and with the same journal, which goes on.
    async fn take_back(self: &Arc<Self>, survivor: Survivor) {
        let Some(address) = survivor.address else { return };
        let known = self.registry.get(&survivor.id).ok();
        if known.is_some_and(|entry| !matches!(entry.reach(), Reach::Ended)) {
            // Adopted or followed already.
            return;
        }
        let host = HostClient::new(address);
        match host.agent().await {
            Ok(agent) => {
                tracing::info!(agent.id = %agent.id, "an agent that had ended runs again");
                let entry = self.registry.insert(agent, Reach::Host(host), None);
                self.follow(entry, None);
            }
            Err(error) => {
                tracing::error!(agent.id = %survivor.id, %error, "a host that runs again does not answer");
            }
        }
    }
}
