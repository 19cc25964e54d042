//! Starting: which agents the last server had, and which of them are still here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::{StreamExt, stream};
use parallax_api::workspace::WorkspaceKeep;
use parallax_api::{Agent, AgentId, AgentStatus, Problem};
use parallax_store::AgentRow;

use super::archive::DeadHost;
use super::core::RuntimeCore;
use super::registry::HostState;
use crate::backend::FoundHost;
use crate::host::{HostAddress, HostClient};

/// How long the backend may take to list its hosts, while this server does not serve.
const LIST_TIMEOUT: Duration = Duration::from_secs(15);
/// How often a host that is just starting is asked.
const ASK_INTERVAL: Duration = Duration::from_millis(50);
/// Hosts that are asked at once for their agents.
const ASKED_AT_ONCE: usize = 16;

impl RuntimeCore {
    /// Puts every agent of the table into the registry and follows those that are not in the archive. Hosts and archives
    /// without a row are adopted too: the database was lost or damaged, and what lies on the disk stays readable.
    pub(super) async fn adopt(self: &Arc<Self>) -> anyhow::Result<()> {
        let (mut found, rows) = tokio::join!(self.list_hosts(), self.table.all());
        let rows: Vec<_> = rows?.into_iter().map(|row| (found.remove(&row.agent.id), row)).collect();
        // At once: a host whose agent is still being set up answers late, and nothing is served before.
        let asked = stream::iter(rows)
            .map(async |(host, AgentRow { agent, launched })| {
                let address = host.as_ref().and_then(|host: &FoundHost| host.address.clone());
                let has_started = launched || self.has_started(&agent.id, address.as_ref()).await;
                (agent, host, address, has_started)
            })
            .buffered(ASKED_AT_ONCE);
        let mut asked = std::pin::pin!(asked);
        let mut adopted = Vec::new();
        while let Some((agent, host, address, has_started)) = asked.next().await {
            let exit = (agent.status == AgentStatus::Stopped).then(|| agent.exit.clone()).flatten();
            if !has_started {
                // Nobody got an answer, and a retry may use its id: it must be gone before we serve.
                self.undo(self.undoing.begin(&agent.id), WorkspaceKeep::Changed).await;
                continue;
            }
            if exit.is_some() && address.is_none() && self.archive.holds(&agent.id) {
                self.adopt_archived(agent, host.is_some());
            } else {
                let host_state = match address {
                    Some(address) => HostState::Connected(HostClient::new(address)),
                    None => HostState::Unreachable,
                };
                adopted.push((self.registry.insert(agent, host_state, None), exit));
            }
        }
        // Of those that did nothing, nothing new is expected.
        adopted.sort_by_key(|(entry, _)| entry.agent().status == AgentStatus::Ready);
        for (entry, exit) in adopted {
            self.follow_adopted(entry, exit);
        }
        self.adopt_unknown(found).await;
        self.adopt_archives().await?;
        tracing::info!(running = self.registry.running(), "agents adopted");
        Ok(())
    }

    /// Whether a host that was being started when the last server died has got its launch: then it answers, and otherwise it
    /// goes by itself.
    async fn has_started(&self, id: &AgentId, address: Option<&HostAddress>) -> bool {
        let Some(address) = address else { return false };
        let host = HostClient::new(address.clone());
        let asking = async {
            while host.agent().await.is_err() {
                let there = self.backend.find_host(id).await;
                if there.is_ok_and(|there| there.is_none_or(|host| host.address.is_none())) {
                    return false;
                }
                tokio::time::sleep(ASK_INTERVAL).await;
            }
            true
        };
        tokio::time::timeout(LIST_TIMEOUT, asking).await.unwrap_or(false)
    }

    /// Every host of the backend. When it cannot be asked now, each agent's follower asks again.
    async fn list_hosts(&self) -> HashMap<AgentId, FoundHost> {
        let listed = tokio::time::timeout(LIST_TIMEOUT, self.backend.list_hosts()).await;
        match listed.unwrap_or_else(|_| {
            Err(Problem::internal(format!("no answer within {} s", LIST_TIMEOUT.as_secs())))
        }) {
            Ok(hosts) => hosts.into_iter().map(|host| (host.id.clone(), host)).collect(),
            Err(error) => {
                tracing::error!(%error, "failed to look for agents that are still here");
                HashMap::new()
            }
        }
    }

    /// Hosts without a row: the database was lost. Living ones say who their agents are; of dead ones their journals do.
    async fn adopt_unknown(self: &Arc<Self>, unknown: HashMap<AgentId, FoundHost>) {
        let (living, dead): (Vec<FoundHost>, Vec<FoundHost>) =
            unknown.into_values().partition(|host| host.address.is_some());
        for host in dead {
            self.adopt_dead(host.id).await;
        }
        let living = living.into_iter().filter_map(|host| Some((host.id, host.address?)));
        let known = stream::iter(living)
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
                    tracing::info!(agent.id = %agent.id, "adopting an agent without a row");
                    let entry = self.registry.insert(agent, HostState::Connected(host), None);
                    self.follow_adopted(entry, None);
                }
                Err(error) => {
                    tracing::error!(?host, %error, "an unknown host does not answer; leaving it alone");
                }
            }
        }
    }

    /// A dead host without a row. One that never ran an agent goes; the others are followed to their end, which saves what
    /// they wrote. One whose archive is whole goes, too.
    async fn adopt_dead(self: &Arc<Self>, id: AgentId) {
        if self.archive.holds(&id) {
            // `adopt_archives` makes it known again.
            if !self.archive.agent(&id).is_suspended() {
                self.spawn_removal(id);
            }
            return;
        }
        match self.agent_of_dead(&id).await {
            Ok(Some(agent)) => {
                tracing::info!(agent.id = %id, "adopting an agent without a row whose host is dead");
                let entry = self.registry.insert(agent, HostState::Unreachable, None);
                self.follow_adopted(entry, None);
            }
            Ok(None) => self.spawn_removal(id),
            Err(error) => {
                tracing::error!(agent.id = %id, error = format!("{error:#}"), "failed to read what a dead host left; leaving it alone");
            }
        }
    }

    /// The agent of a dead host as its journal shows it last.
    async fn agent_of_dead(&self, id: &AgentId) -> anyhow::Result<Option<Agent>> {
        let scratch = self.archive.scratch(id)?;
        let files = tokio::time::timeout(LIST_TIMEOUT, self.backend.host_files(id, scratch.path()));
        let Some(files) = files.await.context("not in time")?? else { return Ok(None) };
        let id = id.clone();
        tokio::task::spawn_blocking(move || {
            let events = DeadHost::open(&files, id)?.events(0);
            Ok(events.iter().rev().find_map(|event| event.data.agent().cloned()))
        })
        .await?
    }

    /// An agent of which all is in the archive. What its last server did not come to remove goes now: what is left of its host, if
    /// `has_host`, and its workspace.
    fn adopt_archived(self: &Arc<Self>, agent: Agent, has_host: bool) {
        let id = agent.id.clone();
        let keep = self.config.keep.time;
        let age = self.archive.age(&id).unwrap_or_else(|| {
            // Only the wall clock tells, and it may be wrong: a quarter of the time is left in any case.
            let at = agent.exit.as_ref().map_or(agent.updated_at, |exit| exit.at);
            let age = parallax_api::Time::now().as_millis().saturating_sub(at.as_millis());
            Duration::from_millis(u64::try_from(age).unwrap_or(0)).min(keep - keep / 4)
        });
        // A suspended one comes back to all of it.
        let is_settled = agent.is_suspended() || !has_host && agent.workspace.is_none();
        let entry = self.registry.insert(agent, HostState::Unreachable, None);
        entry.set_archived(age);
        if is_settled {
            return;
        }
        let core = self.clone();
        self.shutdown.tracker().spawn(async move {
            if has_host {
                core.remove_dead(&id).await;
            }
            let agent = entry.agent();
            tokio::select! {
                () = core.discard_left_clone(&agent) => {}
                () = core.shutdown.begun() => {}
            }
        });
    }

    /// Archives without a row: the database was lost, and they stay readable.
    async fn adopt_archives(self: &Arc<Self>) -> anyhow::Result<()> {
        for id in self.archive.ids()? {
            if self.registry.get(&id).is_ok() {
                continue;
            }
            let agent = self.archive.agent(&id);
            tracing::info!(agent.id = %id, "adopting an archive without a row");
            self.table.put(&agent).await?;
            self.adopt_archived(agent, false);
        }
        Ok(())
    }

    fn spawn_removal(self: &Arc<Self>, id: AgentId) {
        let core = self.clone();
        self.shutdown.tracker().spawn(async move { core.remove_dead(&id).await });
    }

    async fn remove_dead(&self, id: &AgentId) {
        if let Err(error) = self.backend.remove(id, Duration::ZERO).await {
            tracing::warn!(agent.id = %id, %error, "failed to remove what a dead host left");
        }
    }
}
