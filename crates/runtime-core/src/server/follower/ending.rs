//! The end of an agent: what it left goes into the archive, then its host goes.

use std::time::Duration;

use parallax_api::host::HostEvent;
use parallax_api::retry::Backoff;
use parallax_api::{Agent, AgentError, AgentExit, AgentStatus, Code, EventData, Time};

use super::{BACKOFF, Follower};
use crate::host::HostClient;
use crate::server::archive::DeadHost;
use crate::server::core::RuntimeCore;

/// How long viewers get to read the last output before their host goes.
const VIEWERS_GRACE: Duration = Duration::from_secs(10);
/// How long saving what a dead host left may hold up the event of its end.
const SAVE_FIRST: Duration = Duration::from_secs(5);
/// How long removing what is left of a dead host may hold it up.
const REMOVE_FIRST: Duration = Duration::from_millis(500);
/// How long a backend may take to hand out the files of a dead host.
const FILES_TIMEOUT: Duration = Duration::from_secs(120);
/// Pauses between attempts to save what an ended agent left. It is tried until it works: the host waits.
const SAVE_BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(10));

/// What became of an agent that has ended.
pub(super) enum Retired {
    /// It is in the archive, and its host is released.
    Archived,
    /// It runs again, or its host cannot be reached: the host is to be followed again.
    NotYet,
}

impl Follower {
    /// The agent ended: collects what stays readable and lets the host go.
    pub(super) async fn retire(&mut self, host: &HostClient) -> Retired {
        let (core, entry) = (&self.core, &self.entry);
        let mut backoff = SAVE_BACKOFF;
        for attempt in 1u32.. {
            match core.archive.collect(&entry.agent(), host).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(attempt, error = format!("{error:#}"), "failed to collect an ended agent");
                }
            }
            backoff.wait().await;
            match host.agent().await {
                Ok(agent) if agent.status == AgentStatus::Stopped => {}
                Ok(_) | Err(_) => return Retired::NotYet,
            }
        }
        // A viewer reads the last output from the host. One that is slower resumes from the archive.
        let _ = tokio::time::timeout(VIEWERS_GRACE, entry.unwatched()).await;
        match host.release().await {
            Err(problem) if problem.code == Code::Conflict => return Retired::NotYet,
            Err(problem) => tracing::debug!(error = %problem, "the host went before it was released"),
            Ok(()) => {}
        }
        self.archived().await;
        Retired::Archived
    }

    /// The host is dead: publishes what it had not said yet and how its agent ended, and saves what lies on its disk.
    pub(super) async fn bury(mut self, exit: Option<AgentExit>) {
        tracing::warn!("the agent's host is dead");
        let exit = exit.unwrap_or_else(|| AgentExit::for_reason("host_lost", Time::now()));
        let since = self.core.log.source_seq(self.entry.id().as_str()).await.unwrap_or(0);
        let (core, agent, last_exit) = (self.core.clone(), self.entry.agent(), exit.clone());
        let mut saving = tokio::spawn(async move { core.save_dead_host(agent, last_exit, since).await });
        let known = self.entry.agent();
        // By an earlier server, which did not come to the rest.
        let was_told = known.status == AgentStatus::Stopped && self.has_published(known.exit.as_ref());
        // The event comes when everything is saved and nothing of the host is left, but it does not wait for ever.
        match tokio::time::timeout(SAVE_FIRST, &mut saving).await {
            Ok(saved) if was_told => self.tell_saved_late(saved.unwrap_or_default()).await,
            Ok(saved) => self.tell_saved(saved.unwrap_or_default(), exit).await,
            Err(_) => {
                // Until everything is saved, something of the agent may still write to its workspace.
                self.tell_end(ended(self.entry.agent(), exit)).await;
                match saving.await {
                    Ok(saved) => self.tell_saved_late(saved).await,
                    Err(error) => tracing::error!(%error, "failed to save what a dead host left"),
                }
            }
        }
        self.archived().await;
    }

    async fn tell_saved(&mut self, saved: SavedHost, exit: AgentExit) {
        for event in saved.events {
            self.publish_until_stored(event).await;
        }
        let mut agent = ended(self.entry.agent(), exit);
        if saved.is_lost {
            agent.error = Some(log_lost());
        }
        self.end_workspace(&mut agent).await;
        self.tell_end(agent).await;
    }

    /// What was saved after the end was told: what was said, and the end as the host had written it. That is shown from now on, without an
    /// event: an agent ends once.
    async fn tell_saved_late(&mut self, saved: SavedHost) {
        let told = self.entry.agent();
        let mut agent = told.clone();
        for event in saved.events {
            match event.data {
                EventData::AgentStopped { agent: own, .. } => {
                    agent = Agent { updated_at: own.updated_at.or_just_after(told.updated_at), ..*own };
                }
                // An end before that was of an earlier run.
                EventData::AgentStarted { .. } => agent = told.clone(),
                // How it was before, it is no more.
                data if data.agent().is_some() => {}
                data => self.publish_until_stored(HostEvent { data, ..event }).await,
            }
        }
        if saved.is_lost {
            agent.error = Some(log_lost());
        }
        self.end_workspace(&mut agent).await;
        if agent != told {
            self.entry.publish(agent.clone());
            self.store_until_stored(&agent).await;
        }
    }

    async fn tell_end(&self, agent: Agent) {
        self.entry.publish(agent.clone());
        if !self.has_published(agent.exit.as_ref()) {
            self.publish_exit(agent).await;
        }
    }

    async fn publish_until_stored(&mut self, event: HostEvent) {
        let mut backoff = BACKOFF;
        while let Err(error) = self.publish(vec![event.clone()]).await {
            tracing::error!(%error, "failed to publish an event of a dead host; trying again");
            backoff.wait().await;
        }
    }

    async fn store_until_stored(&self, agent: &Agent) {
        let mut backoff = BACKOFF;
        while let Err(error) = self.core.table.put(agent).await {
            tracing::error!(%error, "failed to store how an agent ended; trying again");
            backoff.wait().await;
        }
    }

    /// Publishes an end that the host could not publish, however often it takes. It has no number of the host's journal, in which there may be
    /// more.
    async fn publish_exit(&self, agent: Agent) {
        let reason = agent.exit.as_ref().map(|exit| exit.reason.clone()).unwrap_or_default();
        let mut backoff = BACKOFF;
        loop {
            let data = EventData::AgentStopped { agent: Box::new(agent.clone()), reason: reason.clone() };
            match self.core.record_without_host(&self.entry, data, agent.updated_at).await {
                Ok(()) => return,
                Err(error) => tracing::error!(%error, "failed to publish an agent's end; trying again"),
            }
            backoff.wait().await;
        }
    }

    /// Everything that remains is in the archive: it answers from now on, and the backend may delete the rest.
    async fn archived(&self) {
        // One that may come back is not brought back while it is still being ended.
        if self.entry.agent().is_suspended() {
            self.remove_host().await;
            self.entry.set_archived(Duration::ZERO);
        } else {
            self.entry.set_being_removed(true);
            self.entry.set_archived(Duration::ZERO);
            self.remove_host().await;
            self.entry.set_being_removed(false);
            self.core.discard_clone(&self.entry.agent()).await;
        }
        self.core.purge().await;
        tracing::info!("agent ended");
    }

    /// Has the backend delete what it holds. One that does not answer is asked again; should this server go first, the next
    /// one asks.
    async fn remove_host(&self) {
        let mut backoff = BACKOFF;
        for attempt in 1.. {
            let removed = match self.entry.agent().is_suspended() {
                true => self.core.backend.settle_suspended(self.entry.id()).await,
                false => self.core.backend.remove(self.entry.id(), Duration::ZERO).await,
            };
            match removed {
                Ok(()) => return,
                Err(error) if attempt == 1 => {
                    tracing::error!(%error, "failed to remove an ended agent's host");
                }
                Err(error) => {
                    tracing::debug!(%error, attempt, "failed to remove an ended agent's host again");
                }
            }
            backoff.wait().await;
        }
    }
}

/// What was saved of a dead host.
#[derive(Default)]
struct SavedHost {
    /// The events that were on its disk and are not published yet.
    events: Vec<HostEvent>,
    /// Its directory was gone, and with it log and messages.
    is_lost: bool,
    /// It had been suspended: what is left of it is kept.
    is_suspended: bool,
}

fn log_lost() -> AgentError {
    AgentError::new("log_lost", "its log and messages were in a directory that is gone with its host")
}

impl RuntimeCore {
    /// Copies what a dead host left into the archive, until that works, and has the backend delete the rest.
    async fn save_dead_host(&self, agent: Agent, exit: AgentExit, since: u64) -> SavedHost {
        let mut backoff = SAVE_BACKOFF;
        let saved = loop {
            match self.try_save_dead_host(&agent, &exit, since).await {
                Ok(saved) => break saved,
                Err(error) => {
                    tracing::error!(agent.id = %agent.id, error = format!("{error:#}"), "failed to save what a dead host left; trying again");
                }
            }
            backoff.wait().await;
        };
        if !saved.is_suspended {
            let removing = self.backend.remove(&agent.id, Duration::ZERO);
            // What does not work now is tried again, by the caller.
            let _ = tokio::time::timeout(REMOVE_FIRST, removing).await;
        }
        saved
    }

    async fn try_save_dead_host(
        &self,
        agent: &Agent,
        exit: &AgentExit,
        since: u64,
    ) -> anyhow::Result<SavedHost> {
        let scratch = self.archive.scratch(&agent.id)?;
        let files = tokio::time::timeout(FILES_TIMEOUT, self.backend.host_files(&agent.id, scratch.path()));
        let files = files.await??;
        let (archive, mut agent, exit) = (self.archive.clone(), agent.clone(), exit.clone());
        let saving = move || {
            let Some(files) = files else {
                // A collection that was whole before the host died counts more than nothing.
                let (is_lost, is_suspended) = (!archive.holds(&agent.id), agent.is_suspended());
                if is_lost {
                    let agent = Agent { error: Some(log_lost()), ..ended(agent, exit) };
                    archive.put_empty(&agent)?;
                }
                return Ok(SavedHost { events: Vec::new(), is_lost, is_suspended });
            };
            let dead = DeadHost::open(&files, agent.id.clone())?;
            let events = dead.events(since);
            for event in &events {
                if let Some(last) = event.data.agent() {
                    agent = last.clone();
                }
            }
            let agent = ended(agent, exit);
            archive.recover(&agent, &dead)?;
            anyhow::Ok(SavedHost { events, is_lost: false, is_suspended: agent.is_suspended() })
        };
        let saved = tokio::task::spawn_blocking(saving).await?;
        drop(scratch);
        saved
    }
}

/// The agent as it ended: as it said itself, or, when it did not come to that, with this exit.
fn ended(mut agent: Agent, exit: AgentExit) -> Agent {
    if agent.status != AgentStatus::Stopped || agent.exit.is_none() {
        let at = exit.at.or_just_after(agent.updated_at);
        agent.status = AgentStatus::Stopped;
        agent.attention = None;
        agent.queued = 0;
        agent.exit = Some(exit);
        agent.updated_at = at;
    }
    agent
}
