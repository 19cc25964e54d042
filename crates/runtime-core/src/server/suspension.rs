//! Suspending agents and bringing them back. A suspended agent has ended for everybody who asks, with the exit `suspended`; the
//! archive answers for it until it is back, and it is not forgotten.

mod lock;

use std::sync::Arc;
use std::time::Duration;

use parallax_api::host::HostEvent;
use parallax_api::{Agent, AgentError, AgentId, AgentStatus, Code, EventData, Problem, Time};

use super::core::RuntimeCore;
use super::registry::{Entry, HostState};
use crate::backend::FoundHost;

pub(super) use lock::SuspensionLocks;

/// How long a suspended agent may take to be in the archive.
const ARCHIVE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a host may take to come back: as long as a launch.
const RESUME_TIMEOUT: Duration = Duration::from_secs(300);
/// How often is looked whether what suspended agents need is still there.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// The exit of a suspended agent whose files somebody removed.
const REMOVED: &str = "removed";

impl RuntimeCore {
    /// Ends an agent so that it can come back. One that cannot is refused with `UNSUPPORTED`, and goes on. One that is
    /// suspended is no error.
    pub(super) async fn suspend(self: &Arc<Self>, id: &AgentId) -> Result<Agent, Problem> {
        let (core, id) = (self.clone(), id.clone());
        // To its end, whatever becomes of the caller.
        let suspending = self.shutdown.tracker().spawn(async move { core.suspend_now(&id).await });
        suspending.await.unwrap_or_else(|cause| Err(Problem::internal(cause)))
    }

    async fn suspend_now(self: &Arc<Self>, id: &AgentId) -> Result<Agent, Problem> {
        let _lock = self.suspension_locks.lock(id)?;
        // Who had the lock before may have replaced it.
        let entry = self.registry.get(id)?;
        if entry.agent().is_suspended() {
            return Ok(entry.agent());
        }
        let host = match entry.host_state() {
            HostState::Connected(host) => host,
            HostState::Starting(_) => return Err(self.starting(&entry)),
            HostState::Archived => return Err(entry.stopped()),
            HostState::Unreachable => return Err(super::core::not_found_yet()),
        };
        self.check_suspend(&entry.agent()).await?;
        self.backend.suspend(id, &host).await?;
        let archived = tokio::time::timeout(ARCHIVE_TIMEOUT, entry.archived()).await;
        archived.map_err(|_| {
            Problem::new(
                Code::Timeout,
                "the agent is not suspended yet; it goes on being suspended, ask for it again",
            )
        })?;
        match entry.agent() {
            agent if agent.is_suspended() => Ok(agent),
            // It ended by itself at the same moment, or somebody stopped it.
            _ => Err(entry.stopped()),
        }
    }

    async fn check_suspend(&self, agent: &Agent) -> Result<(), Problem> {
        let profile = self.config.profiles.get(&agent.r#type);
        if profile.is_none_or(|profile| profile.start.resume.is_empty()) {
            let detail = format!(
                "agents of the type `{}` cannot go on with a conversation (their profile has no `resume`), so this one could not \
                 come back; it goes on",
                agent.r#type
            );
            return Err(Problem::new(Code::Unsupported, detail));
        }
        self.backend.check_suspend(agent).await
    }

    /// Brings a suspended agent back under its id. One that runs is no error. When it does not come back it stays suspended, and
    /// `error` of the agent says why, as the answer does.
    pub(super) async fn resume(self: &Arc<Self>, id: &AgentId) -> Result<Agent, Problem> {
        if self.shutdown.is_shutting_down() {
            return Err(Problem::new(Code::ShuttingDown, "the server goes away; try again in a moment"));
        }
        let (core, id) = (self.clone(), id.clone());
        let resuming = self.shutdown.tracker().spawn(async move { core.resume_now(&id).await });
        resuming.await.unwrap_or_else(|cause| Err(Problem::internal(cause)))
    }

    async fn resume_now(self: &Arc<Self>, id: &AgentId) -> Result<Agent, Problem> {
        let _lock = self.suspension_locks.lock(id)?;
        let entry = self.registry.get(id)?;
        if entry.agent().status != AgentStatus::Stopped {
            return Ok(entry.agent());
        }
        // It may have ended a moment ago.
        if tokio::time::timeout(ARCHIVE_TIMEOUT, entry.archived()).await.is_err() {
            return Err(Problem::new(Code::Conflict, "the agent is still ending; try again in a moment"));
        }
        if !entry.agent().is_suspended() {
            return Err(entry.stopped());
        }
        // Given back before the agent takes its own: two may be counted for a moment, and never none.
        let slot = self.registry.take_slot()?;
        let resumed = tokio::time::timeout(RESUME_TIMEOUT, self.backend.resume(id)).await;
        let late = || Problem::new(Code::Timeout, "the agent's host did not answer within five minutes");
        let adopted = match resumed.unwrap_or_else(|_| Err(late())) {
            Ok(address) => {
                self.readopt(FoundHost { id: id.clone(), address: Some(address), ended: None }).await
            }
            Err(problem) => Err(problem),
        };
        match adopted {
            Ok(()) => {
                self.backend.resumed(id);
                drop(slot);
                let agent = self.registry.get(id)?.agent();
                tracing::info!(agent.id = %id, "agent resumed");
                Ok(agent)
            }
            Err(problem) => {
                tracing::warn!(agent.id = %id, %problem, "an agent did not come back");
                let mut agent = entry.agent();
                agent.error = Some(AgentError::new("resume_failed", problem.detail.clone()));
                // By its host's clock, which says how new it is when it comes back the next time.
                agent.updated_at = agent.updated_at.next();
                self.table.put(&agent).await?;
                entry.publish(agent);
                Err(problem)
            }
        }
    }

    /// Ends an agent for good that is suspended, or has ended and may come back by the backend's own doing.
    pub(super) async fn discard_suspended(self: &Arc<Self>, id: &AgentId) -> Result<Agent, Problem> {
        let (core, id) = (self.clone(), id.clone());
        // To its end, whatever becomes of the caller.
        let discarding = self.shutdown.tracker().spawn(async move { core.discard_now(&id).await });
        discarding.await.unwrap_or_else(|cause| Err(Problem::internal(cause)))
    }

    async fn discard_now(self: &Arc<Self>, id: &AgentId) -> Result<Agent, Problem> {
        let _lock = self.suspension_locks.lock(id)?;
        let entry = &self.registry.get(id)?;
        if entry.agent().status != AgentStatus::Stopped {
            return Err(Problem::new(Code::Conflict, "the agent has just come back; stop it again"));
        }
        self.backend.discard_suspended(entry.id()).await?;
        self.end_suspended(entry, "stopped").await?;
        Ok(entry.agent())
    }

    /// Publishes the end of an agent that was suspended. Its host will write no event any more.
    async fn end_suspended(self: &Arc<Self>, entry: &Arc<Entry>, reason: &str) -> Result<(), Problem> {
        let mut agent = entry.agent();
        let Some(exit) = agent.exit.as_mut() else { return Ok(()) };
        exit.reason = reason.into();
        agent.updated_at = Time::now().or_just_after(agent.updated_at);
        if let Some(end) = self.end_workspace(&agent).await
            && let Some(exit) = agent.exit.as_mut()
        {
            exit.workspace = Some(end);
        }
        let ended = agent.clone();
        let seq = self.log.source_seq(entry.id().as_str()).await? + 1;
        let data = EventData::AgentStopped { agent: Box::new(agent.clone()), reason: reason.into() };
        let event = HostEvent { seq, data, timestamp: agent.updated_at };
        entry.publish(agent);
        self.record(entry, vec![event]).await?;
        // The engine may be away for a while, which the end does not wait for.
        let (core, shutdown) = (self.clone(), self.shutdown.clone());
        self.shutdown.tracker().spawn(async move {
            tokio::select! {
                () = core.discard_clone(&ended) => {}
                () = shutdown.begun() => {}
            }
        });
        Ok(())
    }

    /// Looks, for as long as the server runs, whether what suspended agents need is still there: somebody may remove a
    /// container or a resource.
    pub(super) fn watch_suspended(self: &Arc<Self>) {
        let core = self.clone();
        self.shutdown.tracker().spawn(async move {
            let mut look = tokio::time::interval(LOOK_INTERVAL.min(core.config.keep.time));
            loop {
                tokio::select! {
                    _ = look.tick() => core.end_removed().await,
                    () = core.shutdown.begun() => return,
                }
            }
        });
    }

    async fn end_removed(self: &Arc<Self>) {
        for entry in self.registry.all() {
            let is_settled =
                matches!(entry.host_state(), HostState::Archived) && entry.agent().is_suspended();
            let Some(_lock) = is_settled.then(|| self.suspension_locks.lock(entry.id()).ok()).flatten()
            else {
                continue;
            };
            // An engine that does not answer says nothing.
            if matches!(self.backend.holds_suspended(entry.id()).await, Ok(false)) {
                tracing::warn!(agent.id = %entry.id(), "what a suspended agent needs was removed; it has ended");
                // The rest goes with it: its launch holds secrets.
                let ending = async {
                    self.backend.discard_suspended(entry.id()).await?;
                    self.end_suspended(&entry, REMOVED).await
                };
                if let Err(error) = ending.await {
                    tracing::error!(agent.id = %entry.id(), %error, "failed to publish the end of a suspended agent");
                }
            }
        }
    }
}
