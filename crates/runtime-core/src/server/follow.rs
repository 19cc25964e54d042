//! Following one host: its journal into the event log, each event once; its end, or its loss, to the end.

use std::sync::Arc;
use std::time::Duration;

use parallax_api::agent::AgentExit;
use parallax_api::host::{HostEvent, HostLine};
use parallax_api::retry::Backoff;
use parallax_api::{Agent, AgentId, AgentStatus, Code, EventData, Problem, Time};
use parallax_store::{NewEvent, Projection, SourcePosition};
use tracing::Instrument;

use super::core::RuntimeCore;
use super::registry::{Entry, HostState};
use crate::backend::FoundHost;
use crate::host::{HostClient, HostEvents};

/// After the end was told, a host has nothing more to tell once it is quiet this long.
const SETTLE: Duration = Duration::from_millis(100);
/// How long viewers get to read the last output before their host goes.
const VIEWERS_GRACE: Duration = Duration::from_secs(10);
/// How long the remains of a lost host may hold up the news of its loss.
const REMOVE_FIRST: Duration = Duration::from_millis(500);
/// How long a server that is going away goes on collecting an agent that has ended: less than its grace.
const LAST_COLLECTING: Duration = Duration::from_secs(5);
/// How often collecting is tried before an agent is kept without what could not be had.
const COLLECT_TRIES: u32 = 5;
/// Between attempts to reach, collect or remove a host.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(2));

/// What became of a host that stopped answering.
enum Found {
    /// It is there, or nobody could say.
    Perhaps,
    /// It is not, and this is how it ended, where that is known.
    Dead(Option<AgentExit>),
}

/// Follows one agent's host. Owns what is known of how far it has been followed.
struct Follower {
    core: Arc<RuntimeCore>,
    entry: Arc<Entry>,
    /// The last end that stands in the event log.
    told: Option<AgentExit>,
    backoff: Backoff,
}

impl RuntimeCore {
    /// Follows the agent's host until the agent is in the archive or the server goes. `told`: how the agent ended,
    /// when that has been told already.
    pub(super) fn follow(self: &Arc<Self>, entry: Arc<Entry>, told: Option<AgentExit>) {
        let span = tracing::info_span!("follow", agent.id = %entry.id());
        let shutdown = self.shutdown.clone();
        let follower = Follower { core: self.clone(), entry: entry.clone(), told, backoff: BACKOFF };
        let following = async move {
            let mut following = std::pin::pin!(follower.run());
            tokio::select! {
                () = &mut following => return,
                () = shutdown.begun() => {}
            }
            // An agent that has just ended is collected, or its host would wait for the next server.
            if entry.agent().status == AgentStatus::Stopped {
                let _ = tokio::time::timeout(LAST_COLLECTING, following).await;
            }
        };
        self.shutdown.tracker().spawn(following.instrument(span));
    }
}

impl Follower {
    async fn run(mut self) {
        loop {
            match self.pull().await {
                Ok(host) => {
                    if self.retire(&host).await {
                        return;
                    }
                }
                Err(cause) => {
                    tracing::debug!(%cause, "the host's event stream ended");
                    if let Found::Dead(ended) = self.find_again().await {
                        return self.lost(ended).await;
                    }
                }
            }
            self.backoff.wait().await;
        }
    }

    /// Reads the host's journal until the agent is over and all of it is told.
    async fn pull(&mut self) -> Result<HostClient, Problem> {
        let HostState::Connected(host) = self.entry.host_state() else {
            return Err(Problem::internal("not found yet"));
        };
        let since = self.core.log.source_seq(self.entry.id().as_str()).await?;
        let mut events = host.events(since).await?;
        while let Some(line) = self.next_line(&mut events).await? {
            self.backoff = BACKOFF;
            match line {
                HostLine::State { agent } if self.is_its_own(&agent.id) => self.entry.set(*agent),
                HostLine::Event(event) if event.data.agent_id().is_none_or(|id| self.is_its_own(id)) => {
                    self.tell(event).await?;
                }
                // An agent is the same user as its host, and may have taken its place.
                HostLine::State { .. } | HostLine::Event(_) => {
                    return Err(Problem::internal("the host speaks of an agent that is not its own"));
                }
                HostLine::Gap { oldest } => {
                    tracing::warn!(since, oldest, "the host forgot events before they were read");
                }
                HostLine::Alive { .. } => {}
            }
        }
        Ok(host)
    }

    fn is_its_own(&self, id: &AgentId) -> bool {
        id == self.entry.id()
    }

    /// The next line; none when the agent is over and its host has said everything.
    async fn next_line(&self, events: &mut HostEvents) -> Result<Option<HostLine>, Problem> {
        let next =
            async { events.next().await?.ok_or_else(|| Problem::internal("the host closed it")).map(Some) };
        if self.is_over() { tokio::time::timeout(SETTLE, next).await.unwrap_or(Ok(None)) } else { next.await }
    }

    /// Whether the agent has ended and that very end has been told: an agent that is restarted ends more than once.
    fn is_over(&self) -> bool {
        let agent = self.entry.agent();
        agent.status == AgentStatus::Stopped && agent.exit.is_some() && agent.exit == self.told
    }

    /// Appends an event to the log, in one transaction with the agent as the event shows it.
    async fn tell(&mut self, event: HostEvent) -> Result<(), Problem> {
        let agent = event.data.agent().cloned();
        // First, so that whoever is woken by the event finds the agent as the event says.
        if let Some(agent) = &agent {
            self.entry.publish(agent.clone());
        }
        if let EventData::AgentStopped { agent, .. } = &event.data {
            self.told.clone_from(&agent.exit);
        }
        self.core.record(&self.entry, event, agent).await
    }

    /// Looks for the host in its place.
    async fn find_again(&self) -> Found {
        match self.core.backend.find_host(self.entry.id()).await {
            Ok(Some(FoundHost { address: Some(address), .. })) => {
                self.core.metrics.reconnected();
                self.entry.set_host_state(HostState::Connected(HostClient::new(address)));
                Found::Perhaps
            }
            Ok(dead) => Found::Dead(dead.and_then(|survivor| survivor.ended)),
            Err(problem) => {
                tracing::warn!(error = %problem, "failed to look for the agent's host");
                Found::Perhaps
            }
        }
    }

    /// The agent ended: collects what shall stay readable and lets the host go. False: it runs again.
    async fn retire(&mut self, host: &HostClient) -> bool {
        let (core, entry) = (&self.core, &self.entry);
        let mut backoff = BACKOFF;
        for attempt in 1..=COLLECT_TRIES {
            match core.archive.collect(entry.id(), host).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(attempt, error = format!("{error:#}"), "failed to collect an ended agent");
                    backoff.wait().await;
                }
            }
        }
        // A viewer reads the last output from the host. Whoever is slower resumes from the archive.
        let _ = tokio::time::timeout(VIEWERS_GRACE, entry.unwatched()).await;
        match host.release().await {
            Err(problem) if problem.code == Code::Conflict => return false,
            Err(problem) => tracing::debug!(error = %problem, "the host went before it was released"),
            Ok(()) => {}
        }
        self.archived().await;
        true
    }

    /// The host is gone and did not say how its agent ended, though the place may have: ends what remains and tells it.
    async fn lost(self, how: Option<AgentExit>) {
        tracing::warn!("the agent's host is lost");
        let (core, entry) = (self.core.clone(), self.entry.clone());
        let mut removing = tokio::spawn(async move { core.backend.remove(entry.id(), Duration::ZERO).await });
        // A loss that is told should be one; but the news does not wait for ever.
        let _ = tokio::time::timeout(REMOVE_FIRST, &mut removing).await;
        let agent = ended(self.entry.agent(), how);
        self.entry.publish(agent.clone());
        if agent.exit != self.told {
            self.publish_exit(agent).await;
        }
        self.archived().await;
    }

    /// Tells an end that the host could not tell, however often it takes.
    async fn publish_exit(&self, agent: Agent) {
        let reason = agent.exit.as_ref().map(|exit| exit.reason.clone()).unwrap_or_default();
        let mut backoff = BACKOFF;
        loop {
            let told = async {
                let seq = self.core.log.source_seq(self.entry.id().as_str()).await? + 1;
                let data = EventData::AgentStopped { agent: Box::new(agent.clone()), reason: reason.clone() };
                let event = HostEvent { seq, data, timestamp: agent.updated_at };
                self.core.record(&self.entry, event, Some(agent.clone())).await
            };
            match told.await {
                Ok(()) => return,
                Err(error) => tracing::error!(%error, "failed to tell an agent's end; trying again"),
            }
            backoff.wait().await;
        }
    }

    /// Everything that remains is in the archive: it answers from now on, and the place is given back.
    async fn archived(&self) {
        let (core, id) = (&self.core, self.entry.id());
        if !core.archive.holds(id)
            && let Err(error) = core.archive.put_empty(id)
        {
            tracing::error!(%error, "failed to write to the archive");
        }
        self.entry.set_host_state(HostState::Archived);
        self.remove_host().await;
        core.purge().await;
        tracing::info!("agent ended");
    }
}

impl Follower {
    /// Gives the place back. A place that is away is asked again; should this server go first, the next one asks.
    async fn remove_host(&self) {
        let mut backoff = BACKOFF;
        for attempt in 1.. {
            match self.core.backend.remove(self.entry.id(), Duration::ZERO).await {
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

impl RuntimeCore {
    /// Appends one event of an agent, and the agent with it.
    async fn record(&self, entry: &Entry, event: HostEvent, agent: Option<Agent>) -> Result<(), Problem> {
        let projection = match &agent {
            Some(agent) => Projection::AgentRow(Box::new(agent.clone())),
            None => Projection::Nothing,
        };
        let event = NewEvent {
            source: entry.id().to_string(),
            position: SourcePosition::Seq(event.seq),
            data: event.data,
            at: event.timestamp,
            projection,
        };
        self.log.append_event(event).await?;
        if let Some(agent) = &agent {
            self.backend.agent_changed(agent);
        }
        Ok(())
    }
}

/// The agent as it ended: as it said itself, or, when it did not come to that, as its place says.
fn ended(mut agent: Agent, how: Option<AgentExit>) -> Agent {
    if agent.status != AgentStatus::Stopped || agent.exit.is_none() {
        let at = Time::now().max(agent.updated_at);
        agent.status = AgentStatus::Stopped;
        agent.attention = None;
        agent.queued = 0;
        let lost = || AgentExit { code: None, signal: None, reason: "host_lost".into(), at };
        agent.exit = Some(how.unwrap_or_else(lost));
        agent.updated_at = at;
    }
    agent
}
