//! What happens in the backend without the server's API: spawn requests, and hosts that run again.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use parallax_api::{AgentError, AgentId, AgentStatus, Code, EventData, Problem, Time};
use tokio::sync::mpsc;

use super::core::{PAUSED, RuntimeCore, is_paused};
use super::registry::{Entry, HostState};
use crate::backend::{BackendEvent, FoundHost};
use crate::host::HostClient;

/// Pauses and their ends that wait to be told.
const MAX_PAUSES: usize = 256;
/// How long an agent whose host runs again may take to be in the archive as it had ended: more than what its first host left may take to
/// be saved.
const OLD_END_TIMEOUT: Duration = Duration::from_mins(5);

impl RuntimeCore {
    /// Handles the backend's events until the server goes.
    pub(super) fn watch_backend(self: &Arc<Self>) {
        let (pauses_tx, mut pauses_rx) = mpsc::channel(MAX_PAUSES);
        let core = self.clone();
        self.shutdown.tracker().spawn(async move {
            while let Some((id, why)) = pauses_rx.recv().await {
                core.paused(&id, why).await;
            }
        });
        let core = self.clone();
        let mut events = self.backend.events();
        self.shutdown.tracker().spawn(async move {
            loop {
                let event = tokio::select! {
                    event = events.next() => event,
                    () = core.shutdown.begun() => return,
                };
                let Some(event) = event else { return };
                let (core, tracker) = (core.clone(), core.shutdown.tracker().clone());
                match event {
                    // A spawn takes its time, and the next one need not wait for it. The slots of the registry bound them.
                    BackendEvent::SpawnRequested { id, request, answer } => drop(tracker.spawn(async move {
                        let spawned = core.spawn(id, *request).await.map(drop);
                        // A backend that stopped waiting finds the agent among its hosts.
                        drop(answer.send(spawned));
                    })),
                    BackendEvent::HostRestarted(host) => {
                        drop(tracker.spawn(async move { core.host_restarted(host).await }));
                    }
                    BackendEvent::EndSettled { id, answer } => {
                        let is_settled = core.registry.get(&id).map_or(true, |entry| entry.is_settled());
                        // Who asked may not wait any more.
                        let _ = answer.send(is_settled);
                    }
                    // In their order: the last one is how it is.
                    BackendEvent::HostPaused { id, why } => drop(pauses_tx.send((id, why)).await),
                }
            }
        });
    }

    async fn host_restarted(self: &Arc<Self>, host: FoundHost) {
        let id = host.id.clone();
        let host = match self.registry.get(&id) {
            Ok(known) if !matches!(known.host_state(), HostState::Archived) => {
                tokio::select! {
                    host = self.found_after_its_end(&known) => host,
                    () = self.shutdown.begun() => return,
                }
            }
            _ => Some(host),
        };
        let Some(host) = host else { return };
        if let Err(error) = self.readopt(host).await {
            tracing::error!(agent.id = %id, %error, "a host that runs again does not answer");
        }
    }

    /// The host of an agent that is not in the archive yet, once it is: who follows the agent may be about to end it, and looks for no host
    /// any more. `None`: it is followed still, or no host runs.
    async fn found_after_its_end(&self, known: &Entry) -> Option<FoundHost> {
        tokio::time::timeout(OLD_END_TIMEOUT, known.archived()).await.ok()?;
        // The one that was told of may be the one that has ended by now, and is about to go.
        let found = match self.backend.find_host(known.id()).await {
            Ok(found) => found?,
            Err(error) => {
                tracing::error!(agent.id = %known.id(), %error, "failed to look for a host that runs again");
                return None;
            }
        };
        let host = HostClient::new(found.address.clone()?);
        let runs = host.agent().await.is_ok_and(|agent| agent.status != AgentStatus::Stopped);
        runs.then_some(found)
    }

    /// Tells that an agent's processes are held, or go on: its host cannot.
    async fn paused(&self, id: &AgentId, why: Option<String>) {
        let Ok(entry) = self.registry.get(id) else { return };
        let HostState::Connected(host) = entry.host_state() else { return };
        let mut agent = entry.agent();
        let data = match why {
            Some(message) => {
                let error = AgentError { since: Some(Time::now()), ..AgentError::new(PAUSED, message) };
                agent.error = Some(error.clone());
                // By the host's clock: what it says later would be older by one that is ahead.
                agent.updated_at = agent.updated_at.next();
                Some(EventData::AgentError { agent: Box::new(agent.clone()), error })
            }
            None if !is_paused(&agent) => return,
            None => {
                let told_at = agent.updated_at;
                agent.error = None;
                if let Ok(now) = host.agent().await {
                    agent = now;
                }
                agent.updated_at = agent.updated_at.or_just_after(told_at);
                let boxed = Box::new(agent.clone());
                match agent.status {
                    AgentStatus::Ready => Some(EventData::AgentReady { agent: boxed }),
                    AgentStatus::Busy => Some(EventData::AgentBusy { agent: boxed }),
                    _ => None,
                }
            }
        };
        entry.set(agent.clone());
        let Some(data) = data else { return };
        if let Err(error) = self.record_without_host(&entry, data, agent.updated_at).await {
            tracing::error!(agent.id = %id, %error, "failed to publish that an agent is paused or goes on");
        }
    }

    /// An agent that had ended runs again, under the same id and with the same journal, which continues. Fails when its host does not
    /// answer.
    pub(super) async fn readopt(self: &Arc<Self>, found: FoundHost) -> Result<(), Problem> {
        let Some(address) = found.address else { return Ok(()) };
        let _one_at_a_time = self.suspension_locks.readopting().await;
        let known = self.registry.get(&found.id).ok();
        if known.is_some_and(|entry| !matches!(entry.host_state(), HostState::Archived)) {
            // Adopted or followed already.
            return Ok(());
        }
        let host = HostClient::new(address);
        let agent = host.agent().await?;
        // A host speaks of its own agent and of no other.
        if agent.id != found.id {
            let detail = format!("the host of the agent {} says that it is the one of another", found.id);
            return Err(Problem::new(Code::Internal, detail));
        }
        tracing::info!(agent.id = %agent.id, "an agent that had ended runs again");
        self.goes_on(&agent).await;
        let entry = self.registry.insert(agent, HostState::Connected(host), None);
        self.follow(entry, None);
        Ok(())
    }
}
