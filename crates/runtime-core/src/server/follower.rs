//! Following one host: its journal into the event log, each event once, until its agent has ended or it is dead.

mod ending;
mod startup_gate;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parallax_api::agent::AgentExit;
use parallax_api::host::{HostEvent, HostLine};
use parallax_api::retry::Backoff;
use parallax_api::workspace::WorkspaceEnd;
use parallax_api::{Agent, AgentId, AgentStatus, EventData, Problem, Time};
use tracing::Instrument;

use self::ending::Retired;
pub(super) use self::startup_gate::StartupGate;
use super::core::RuntimeCore;
use super::registry::{Entry, HostState, keep_changes};
use crate::backend::FoundHost;
use crate::host::{HostClient, HostEvents, ReceivedLine};

/// After the stop event, stop reading when no line arrived for this long.
const SETTLE: Duration = Duration::from_millis(100);
/// How long a server that is going away goes on collecting an agent that has ended: less than its grace.
const LAST_COLLECTING: Duration = Duration::from_secs(5);
/// Pauses between attempts to reach a host.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(2));
/// A stream that has lived for so long did not break at its beginning.
const STEADY: Duration = Duration::from_secs(2);

/// What became of a host that stopped answering.
enum Found {
    /// It may be there: ask again.
    Perhaps,
    /// It is dead, and this is how it ended, where the backend knows.
    Dead(Option<AgentExit>),
}

/// Follows one agent's host, and knows how far.
struct Follower {
    core: Arc<RuntimeCore>,
    entry: Arc<Entry>,
    /// The last end in the event log.
    published_exit: Option<AgentExit>,
    /// It was seen to run: nothing holds of what was decided of its workspace before.
    goes_on: bool,
    /// When what its host said last of its state was new, if it ran then.
    seen_running: Option<Time>,
    /// What became of the agent's workspace.
    workspace_end: Option<WorkspaceEnd>,
    /// Since when the agent has been starting.
    starting_since: Option<Time>,
    backoff: Backoff,
    /// It is one of the last server's, and was not connected to yet.
    waits_for_turn: bool,
}

impl RuntimeCore {
    /// Follows the agent's host until the agent is in the archive or the server goes. `published_exit`: the agent's end,
    /// when the event log has it already.
    pub(super) fn follow(self: &Arc<Self>, entry: Arc<Entry>, published_exit: Option<AgentExit>) {
        self.begin_following(entry, published_exit, false);
    }

    /// The same of an agent of the last server, when it is its turn.
    pub(super) fn follow_adopted(self: &Arc<Self>, entry: Arc<Entry>, published_exit: Option<AgentExit>) {
        self.begin_following(entry, published_exit, true);
    }

    fn begin_following(
        self: &Arc<Self>,
        entry: Arc<Entry>,
        published_exit: Option<AgentExit>,
        waits_for_turn: bool,
    ) {
        let span = tracing::info_span!("follow", agent.id = %entry.id());
        let watched = entry.clone();
        let shutdown = self.shutdown.clone();
        let follower = Follower {
            core: self.clone(),
            entry: entry.clone(),
            published_exit,
            goes_on: false,
            seen_running: None,
            workspace_end: None,
            starting_since: None,
            backoff: BACKOFF,
            waits_for_turn,
        };
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
        self.watch_changes(watched);
    }
}

impl Follower {
    async fn run(mut self) {
        loop {
            match self.pull().await {
                // What only its end needs is not beside every agent.
                Ok(host) => match Box::pin(self.retire(&host)).await {
                    Retired::Archived => return,
                    Retired::NotYet => {}
                },
                Err(cause) => {
                    tracing::debug!(%cause, "the host's event stream ended");
                    if let Found::Dead(exit) = self.find_again().await {
                        return Box::pin(self.bury(exit)).await;
                    }
                }
            }
            self.backoff.wait().await;
        }
    }

    /// Reads the host's journal until the agent has ended and all of it is published.
    async fn pull(&mut self) -> Result<HostClient, Problem> {
        let HostState::Connected(host) = self.entry.host_state() else {
            return Err(Problem::internal("not found yet"));
        };
        // Hosts elsewhere do not share this machine's cores.
        let waits = std::mem::take(&mut self.waits_for_turn) && host.is_local();
        let connecting = Box::pin(self.connect(&host));
        let (mut events, mut next) = if waits {
            self.core.startup_gate.pass(&self.core.shutdown, connecting).await?
        } else {
            connecting.await?
        };
        let opened = Instant::now();
        let mut unknown = 0u64;
        while let Some(lines) = next {
            // One that says how it is and breaks off, each time, is not asked all the time.
            if opened.elapsed() >= STEADY {
                self.backoff.reset();
            }
            self.take(lines, &mut unknown).await?;
            next = self.next_lines(&mut events).await?;
        }
        Ok(host)
    }

    /// What the host says that the event log has not, and how its agent is: its first lines.
    async fn connect(&self, host: &HostClient) -> Result<(HostEvents, Option<Vec<ReceivedLine>>), Problem> {
        let since = self.core.log.source_seq(self.entry.id().as_str()).await?;
        let mut events = host.events(since).await?;
        let first = self.next_lines(&mut events).await?;
        Ok((events, first))
    }

    /// Takes lines in their order. Events that follow one another are published in one transaction.
    async fn take(&mut self, lines: Vec<ReceivedLine>, unknown: &mut u64) -> Result<(), Problem> {
        let mut events = Vec::new();
        for line in lines {
            let ReceivedLine::Known(line) = line else {
                self.core.metrics.unknown_line();
                if *unknown == 0 {
                    tracing::warn!(
                        "the host says what this version does not know; such lines are passed over"
                    );
                }
                *unknown += 1;
                continue;
            };
            match *line {
                HostLine::Event(event) if event.data.agent_id().is_none_or(|id| self.is_its_own(id)) => {
                    // To end a workspace takes time, which what came before does not wait for.
                    if event.data.agent().is_some_and(|agent| agent.exit.is_some()) {
                        self.publish(std::mem::take(&mut events)).await?;
                    }
                    events.push(event);
                }
                HostLine::State { mut agent } if self.is_its_own(&agent.id) => {
                    self.publish(std::mem::take(&mut events)).await?;
                    // It may show an end before the event does.
                    self.end_workspace(&mut agent).await;
                    let runs = agent.exit.is_none();
                    self.seen_running = runs.then_some(agent.updated_at);
                    self.entry.set(*agent);
                    // It may have ended before: the node of its pod was drained, or somebody has brought it back.
                    if runs && (self.workspace_end.take().is_some() || !self.goes_on) {
                        self.goes_on = true;
                        Box::pin(self.core.goes_on(&self.entry.agent())).await;
                    }
                }
                // An agent is the same user as its host, and may have taken its place.
                HostLine::State { .. } | HostLine::Event(_) => {
                    self.publish(events).await?;
                    return Err(Problem::internal("the host speaks of an agent that is not its own"));
                }
                HostLine::Gap { oldest } => {
                    tracing::warn!(oldest, "the host forgot events before they were read");
                }
                HostLine::Alive { .. } => {}
            }
        }
        self.publish(events).await
    }

    fn is_its_own(&self, id: &AgentId) -> bool {
        id == self.entry.id()
    }

    /// The next lines; `None` when the agent has ended and its host has said everything.
    async fn next_lines(&self, events: &mut HostEvents) -> Result<Option<Vec<ReceivedLine>>, Problem> {
        let next =
            async { events.next().await?.ok_or_else(|| Problem::internal("the host closed it")).map(Some) };
        if self.is_over() { tokio::time::timeout(SETTLE, next).await.unwrap_or(Ok(None)) } else { next.await }
    }

    /// Whether the agent has ended and that very end is published.
    fn is_over(&self) -> bool {
        let known = self.entry.known();
        let agent = known.agent();
        agent.status == AgentStatus::Stopped && self.has_published(agent.exit.as_ref())
    }

    /// Whether this is the last end in the event log: an agent that is restarted ends more than once.
    fn has_published(&self, exit: Option<&AgentExit>) -> bool {
        exit.zip(self.published_exit.as_ref()).is_some_and(|(exit, published)| exit.is_same_end(published))
    }

    /// Appends events to the log, in one transaction with the agent as they show it.
    async fn publish(&mut self, mut events: Vec<HostEvent>) -> Result<(), Problem> {
        if events.is_empty() {
            return Ok(());
        }
        let mut published_exit = None;
        let last = events.iter().rposition(|event| event.data.agent().is_some());
        for (index, event) in events.iter_mut().enumerate() {
            if let Some(agent) = event.data.agent_mut() {
                keep_changes(agent, self.entry.known().agent());
                // A host says its state before what nobody had heard yet: an end before that was not the last one, and decides nothing.
                if self.seen_running.is_none_or(|seen| agent.updated_at >= seen) {
                    self.end_workspace(agent).await;
                }
                // First, so that a subscriber that is woken by the event finds the agent as the event says, or later. An end is noted
                // whatever follows it.
                if agent.exit.is_some() || last == Some(index) {
                    self.entry.publish(agent.clone());
                }
                self.measure_start(agent);
            }
            if let EventData::AgentStopped { agent, .. } = &event.data {
                published_exit = agent.exit.clone().or(published_exit);
            }
        }
        self.core.record(&self.entry, events).await?;
        self.backoff.reset();
        if published_exit.is_some() {
            self.published_exit = published_exit;
        }
        Ok(())
    }

    /// Counts how long the agent was starting, once it no longer is. By the events: they say when it was, however late they are read.
    fn measure_start(&mut self, agent: &Agent) {
        match agent.status {
            // One that has ended before was asked for again.
            AgentStatus::Starting if self.published_exit.is_none() => {
                self.starting_since = Some(agent.created_at);
            }
            AgentStatus::Starting => {
                self.starting_since.get_or_insert(agent.updated_at);
            }
            AgentStatus::Stopped => self.starting_since = None,
            AgentStatus::Ready | AgentStatus::Busy | AgentStatus::Error => {
                let Some(since) = self.starting_since.take() else { return };
                let took = agent.updated_at.as_millis().saturating_sub(since.as_millis());
                let took = Duration::from_millis(u64::try_from(took).unwrap_or_default());
                self.core.metrics.started(&agent.r#type, took);
            }
        }
    }

    /// Ends the workspace of an agent that has ended, and says in the agent's exit what became of it.
    async fn end_workspace(&mut self, agent: &mut Agent) {
        // A suspended agent comes back to its workspace.
        if agent.is_suspended() || agent.exit.as_ref().is_none_or(|exit| exit.workspace.is_some()) {
            return;
        }
        if self.workspace_end.is_none() {
            self.workspace_end = Box::pin(self.core.end_workspace(agent)).await;
        }
        if let (Some(exit), Some(_)) = (&mut agent.exit, &self.workspace_end) {
            exit.workspace.clone_from(&self.workspace_end);
            // Newer than what the host said of the end, and by its clock: what it says when the agent runs again would be older by one that is
            // ahead.
            agent.updated_at = agent.updated_at.next();
        }
    }

    /// Asks the backend for the host.
    async fn find_again(&self) -> Found {
        match self.core.backend.find_host(self.entry.id()).await {
            Ok(Some(FoundHost { address: Some(address), .. })) => {
                self.core.metrics.reconnected();
                self.entry.set_host_state(HostState::Connected(HostClient::new(address)));
                Found::Perhaps
            }
            Ok(dead) => Found::Dead(dead.and_then(|host| host.ended)),
            Err(problem) => {
                tracing::warn!(error = %problem, "failed to look for the agent's host");
                Found::Perhaps
            }
        }
    }
}
