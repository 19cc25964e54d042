//! The agents of this server and what can be asked of one: found in the registry, answered by its host or, after its
//! end, by the archive.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{HeaderValue, Method};
use bytes::Bytes;
use hyper::upgrade::Upgraded;
use parallax_api::agent::{RestartRequest, StopRequest};
use parallax_api::files::FileQuery;
use parallax_api::message::{AnswerRequest, MessageList, MessageProgress, MessageQuery, MessagesQuery};
use parallax_api::observe::{LogsQuery, StatusReport};
use parallax_api::ports::AgentPorts;
use parallax_api::runtime::RuntimeStatus;
use parallax_api::terminal::{InputRequest, Screen};
use parallax_api::{Agent, AgentId, AgentStatus, Code, Problem, SendRequest, SendResponse};
use parallax_service::events::EventLog;
use parallax_service::known::Known;
use parallax_service::listing::{AgentsQuery, Page};
use parallax_service::shutdown::Shutdown;
use parallax_store::{AgentTable, StorageHealth};
use parallax_workspace::Workspaces;

use super::archive::{Archive, LogAnswer};
use super::config::RuntimeConfig;
use super::follower::StartupGate;
use super::health::HealthCache;
use super::metrics::RuntimeMetrics;
use super::ports::PortClaims;
use super::registry::{Entry, HostState, Registry};
use super::suspension::SuspensionLocks;
use super::undoing::Undoing;
use super::workspace_space::Space;
use crate::backend::AgentBackend;
use crate::host::{HostAnswer, HostClient};

/// How long a call waits for an agent that just ended to be in the archive, before its host counts as away.
const END_PATIENCE: Duration = Duration::from_secs(3);
/// How long `stop` waits to tell what became of the agent's workspace.
const WORKSPACE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long `stop` waits for the stop event after it killed a host that does not answer.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything a runtime server knows and does, apart from HTTP.
pub(super) struct RuntimeCore {
    pub(super) config: RuntimeConfig,
    pub(super) backend: Arc<dyn AgentBackend>,
    pub(super) registry: Arc<Registry>,
    pub(super) table: Arc<dyn AgentTable>,
    pub(super) storage: StorageHealth,
    /// Where agents work in directories of this machine.
    pub(super) workspaces: Option<Workspaces>,
    /// How much room these take.
    pub(super) space: Arc<Space>,
    /// Agents that have ended and may not be shown so yet: they hold no workspace.
    pub(super) ending: Mutex<HashSet<AgentId>>,
    /// Held while a clone of agents that have ended is looked at, and removed.
    pub(super) clones_ending: tokio::sync::Mutex<()>,
    pub(super) archive: Archive,
    pub(super) log: EventLog,
    pub(super) health: HealthCache,
    pub(super) metrics: RuntimeMetrics,
    pub(super) shutdown: Shutdown,
    /// Agents that are being suspended, resumed or discarded now.
    pub(super) suspension_locks: SuspensionLocks,
    /// What failed spawns left and is being removed.
    pub(super) undoing: Undoing,
    /// Ports of agents that are being started.
    pub(super) port_claims: PortClaims,
    /// Where agents of the last server wait to be followed.
    pub(super) startup_gate: StartupGate,
    /// Held while the backend looks at what it needs.
    pub(super) examining: tokio::sync::Mutex<()>,
}

/// A log: handed on from the host as it comes, or made from the archive.
pub(super) enum LogSource {
    Host(HostAnswer),
    Archive(LogAnswer),
}

impl RuntimeCore {
    /// Fails with `VALIDATION_ERROR` naming the field.
    pub(super) fn list(&self, query: &AgentsQuery) -> Result<Page, Problem> {
        let agents = self.registry.after(query.start()?).map(|entry| self.shown(&entry));
        query.page_in_order(agents, |agent, runtime| agent.runtime == runtime)
    }

    pub(super) fn get(&self, id: &AgentId) -> Result<Arc<Known>, Problem> {
        Ok(self.shown(&*self.registry.get(id)?))
    }

    /// The agent, and what its launch waits for while it has no host.
    fn shown(&self, entry: &Entry) -> Arc<Known> {
        if !entry.is_starting() {
            return entry.known();
        }
        let detail = self.backend.launch_detail(entry.id());
        Arc::new(Known::new(Agent { detail, ..entry.agent() }))
    }

    /// `CONFLICT`: there is no host yet.
    pub(super) fn starting(&self, entry: &Entry) -> Problem {
        let detail = self.backend.launch_detail(entry.id());
        let waits = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
        Problem::new(Code::Conflict, format!("the agent is still being started{waits}; it can be stopped"))
    }

    /// Hands a message to the agent. `message_id` names it: sent twice, it is delivered once.
    pub(super) async fn send(
        &self,
        id: &AgentId,
        message_id: String,
        request: SendRequest,
    ) -> Result<SendResponse, Problem> {
        request.check()?;
        let gone = |problem: Problem| match problem.code {
            // Whether it arrived is not known here: the id lets the sender find out, or send again safely.
            Code::RuntimeUnavailable | Code::ShuttingDown => problem.with("messageId", message_id.as_str()),
            _ => problem,
        };
        let sending = self.ask(id, async |host| host.send(message_id.clone(), request).await);
        tokio::select! {
            sent = sending => sent.map_err(gone),
            () = self.shutdown.begun() => Err(gone(Problem::new(
                Code::ShuttingDown,
                "the server goes away; the agent goes on, and what it answers will be among its messages",
            ))),
        }
    }

    pub(super) async fn withdraw(&self, id: &AgentId, message: &str) -> Result<(), Problem> {
        self.ask(id, async |host| host.withdraw(message).await).await
    }

    pub(super) async fn input(&self, id: &AgentId, request: &InputRequest) -> Result<(), Problem> {
        self.ask(id, async |host| host.input(request).await).await
    }

    pub(super) async fn answer(&self, id: &AgentId, request: &AnswerRequest) -> Result<Agent, Problem> {
        self.changed(id, async |host| host.answer(request).await).await
    }

    pub(super) async fn interrupt(&self, id: &AgentId) -> Result<Agent, Problem> {
        self.changed(id, async |host| host.interrupt().await).await
    }

    pub(super) async fn restart(&self, id: &AgentId, request: &RestartRequest) -> Result<Agent, Problem> {
        self.changed(id, async |host| host.restart(request).await).await
    }

    /// Ends an agent. One that has ended is no error; one whose host does not answer is taken away with its host. Goes on to its end
    /// when nobody waits for it any more.
    pub(super) async fn stop(
        self: &Arc<Self>,
        id: &AgentId,
        request: &StopRequest,
    ) -> Result<Agent, Problem> {
        let (core, id, request) = (self.clone(), id.clone(), *request);
        let stopping = self.shutdown.tracker().spawn(async move {
            let stopped = core.stop_now(&id, &request).await;
            if stopped.is_err() && core.registry.get(&id).is_ok() {
                core.backend.agent_goes_on(&id);
            }
            stopped
        });
        stopping.await.unwrap_or_else(|cause| Err(Problem::internal(cause)))
    }

    async fn stop_now(self: &Arc<Self>, id: &AgentId, request: &StopRequest) -> Result<Agent, Problem> {
        let entry = self.registry.get(id)?;
        if entry.agent().is_suspended() {
            return self.discard_suspended(id).await;
        }
        if entry.agent().status == AgentStatus::Stopped {
            return match self.backend.may_return(id) {
                true => self.discard_returning(&entry).await,
                false => Ok(entry.agent()),
            };
        }
        self.backend.agent_stopping(id);
        if let HostState::Starting(launch) = entry.host_state() {
            launch.cancel();
            entry.launched().await;
            // It may have come up at that moment; then it is stopped like any other.
            if matches!(entry.host_state(), HostState::Unreachable) {
                return Ok(entry.agent());
            }
        }
        let stopped = self.changed(id, async |host| host.stop(request).await).await;
        match stopped {
            Err(problem) if problem.code == Code::AgentStopped => Ok(entry.agent()),
            Err(problem) if problem.code == Code::RuntimeUnavailable => {
                tracing::warn!(agent.id = %id, error = %problem, "removing an agent whose host does not answer");
                // What it wrote to its disk stays: the follower saves it when it finds the host dead.
                self.backend.kill(id).await?;
                let ended = tokio::time::timeout(KILL_TIMEOUT, entry.ended()).await;
                ended.map(|()| entry.agent()).map_err(|_| problem)
            }
            // It was being suspended at that moment.
            Ok(agent) if agent.is_suspended() => self.discard_returning(&entry).await,
            Ok(agent) if agent.workspace.is_some() => {
                // Who stops it wants to know whether something stays. The event tells it in any case.
                let _ = tokio::time::timeout(WORKSPACE_TIMEOUT, entry.workspace_ended()).await;
                Ok(entry.agent())
            }
            answer => answer,
        }
    }

    /// Has an agent not come back that has ended and may: it was being suspended, or is moved.
    async fn discard_returning(self: &Arc<Self>, entry: &Arc<Entry>) -> Result<Agent, Problem> {
        self.backend.agent_stopping(entry.id());
        // It may have ended a moment ago.
        let archived = tokio::time::timeout(KILL_TIMEOUT, entry.archived()).await;
        archived
            .map_err(|_| Problem::new(Code::Conflict, "the agent is still ending; try again in a moment"))?;
        self.discard_suspended(entry.id()).await
    }

    pub(super) async fn messages(&self, id: &AgentId, query: &MessagesQuery) -> Result<MessageList, Problem> {
        let (ended_id, ended_query) = (id.clone(), query.clone());
        let ended = move |archive: &Archive| archive.messages(&ended_id, &ended_query);
        self.read(id, async |host| host.messages(query).await, ended).await
    }

    pub(super) async fn message(
        &self,
        id: &AgentId,
        message: &str,
        query: &MessageQuery,
    ) -> Result<MessageProgress, Problem> {
        let (ended_id, ended_message) = (id.clone(), message.to_owned());
        let ended = move |archive: &Archive| archive.message(&ended_id, &ended_message);
        self.read(id, async |host| host.message(message, query).await, ended).await
    }

    pub(super) async fn screen(&self, id: &AgentId) -> Result<Screen, Problem> {
        let ended_id = id.clone();
        let ended =
            move |archive: &Archive| archive.screen(&ended_id)?.ok_or_else(|| lost_with_its_host("screen"));
        self.read(id, async |host| host.screen().await, ended).await
    }

    pub(super) async fn status(&self, id: &AgentId) -> Result<StatusReport, Problem> {
        let ended_id = id.clone();
        let ended = move |archive: &Archive| {
            archive.status(&ended_id)?.ok_or_else(|| lost_with_its_host("status report"))
        };
        self.read(id, async |host| host.status().await, ended).await
    }

    pub(super) async fn logs(&self, id: &AgentId, query: &LogsQuery) -> Result<LogSource, Problem> {
        let live = async |host: HostClient| host.logs(query).await.map(LogSource::Host);
        let (ended_id, ended_query) = (id.clone(), query.clone());
        let ended = move |archive: &Archive| archive.logs(&ended_id, &ended_query).map(LogSource::Archive);
        self.read(id, live, ended).await
    }

    /// A file or a directory of the agent: read, written or removed by its host.
    pub(super) async fn file(
        &self,
        id: &AgentId,
        method: Method,
        query: &FileQuery,
        range: Option<&HeaderValue>,
        content: Bytes,
    ) -> Result<HostAnswer, Problem> {
        self.ask(id, async |host| host.file(method, query, range, content).await).await
    }

    /// The agent's ports, and who listens.
    pub(super) async fn ports(&self, id: &AgentId) -> Result<AgentPorts, Problem> {
        self.ask(id, async |host| host.ports().await).await
    }

    /// A stream of bytes to a port of the agent. Fails with `NOT_FOUND` where nobody listens, or not for this agent.
    pub(super) async fn tunnel(&self, id: &AgentId, port: u16) -> Result<Upgraded, Problem> {
        self.ask(id, async |host| host.tunnel(port).await).await
    }

    /// The state of this runtime.
    pub(super) async fn readiness(&self) -> RuntimeStatus {
        let health = self.health.get(&*self.backend).await;
        let reason = match self.shutdown.is_shutting_down() {
            true => Some("the server goes away".into()),
            false => health.trouble.or_else(|| {
                let why = self.storage.full()?;
                Some(format!("no agent can be recorded, because the disk takes no writes: {why}"))
            }),
        };
        RuntimeStatus {
            kind: self.backend.kind(),
            healthy: reason.is_none(),
            reason,
            agents: self.registry.running(),
            capacity: self.config.max_agents,
            types: health.types,
            classes: self.config.policy.classes(),
            version: env!("CARGO_PKG_VERSION").into(),
            storage: self.storage.status(),
            workspaces: self.space.shown(),
        }
    }

    /// Asks the host of a running agent. Fails with `AGENT_STOPPED` when the agent has ended or ends meanwhile.
    pub(super) async fn ask<T>(
        &self,
        id: &AgentId,
        call: impl AsyncFnOnce(HostClient) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let entry = self.registry.get(id)?;
        if let Some(problem) = paused(&entry.agent()) {
            return Err(problem);
        }
        let answer = match entry.host_state() {
            HostState::Connected(host) => call(host).await,
            HostState::Starting(_) => Err(self.starting(&entry)),
            HostState::Unreachable => Err(not_found_yet()),
            HostState::Archived => return Err(entry.stopped()),
        };
        match answer {
            Err(problem) if problem.code == Code::RuntimeUnavailable && self.ends(&entry).await => {
                Err(entry.stopped())
            }
            answer => answer,
        }
    }

    /// Asks the host for something that changes the agent, and lets everyone know the agent it answers.
    async fn changed(
        &self,
        id: &AgentId,
        call: impl AsyncFnOnce(HostClient) -> Result<Agent, Problem>,
    ) -> Result<Agent, Problem> {
        let agent = self.ask(id, call).await?;
        // An agent is the same user as its host, and may have taken its place: who stops it takes away the host as well.
        if agent.id != *id {
            let detail = "the agent's host answered with another agent";
            return Err(Problem::new(Code::RuntimeUnavailable, detail));
        }
        self.registry.get(id)?.publish(agent.clone());
        Ok(agent)
    }

    /// Asks the host, or, when the agent has ended, the archive (off the async threads: it reads files).
    pub(super) async fn read<T: Send + 'static>(
        &self,
        id: &AgentId,
        live: impl AsyncFnOnce(HostClient) -> Result<T, Problem>,
        ended: impl FnOnce(&Archive) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let entry = self.registry.get(id)?;
        let archive = self.archive.clone();
        let remains = || async {
            tokio::task::spawn_blocking(move || ended(&archive))
                .await
                .unwrap_or_else(|cause| Err(Problem::internal(cause)))
        };
        if let Some(problem) = paused(&entry.agent()) {
            return Err(problem);
        }
        let answer = match entry.host_state() {
            HostState::Connected(host) => live(host).await,
            HostState::Starting(_) => Err(self.starting(&entry)),
            HostState::Unreachable => Err(not_found_yet()),
            HostState::Archived => return remains().await,
        };
        match answer {
            Err(problem) if problem.code == Code::RuntimeUnavailable && self.ends(&entry).await => {
                remains().await
            }
            answer => answer,
        }
    }

    /// Whether an agent whose host did not answer turns out to have ended.
    async fn ends(&self, entry: &Entry) -> bool {
        tokio::time::timeout(END_PATIENCE, entry.archived()).await.is_ok()
    }
}

/// The code of the error of an agent whose processes the engine holds.
pub(super) const PAUSED: &str = "paused";

/// Whether the engine holds the agent's processes.
pub(super) fn is_paused(agent: &Agent) -> bool {
    agent.error.as_ref().is_some_and(|error| error.code == PAUSED)
}

/// `RUNTIME_UNAVAILABLE` for an agent whose host could not answer, at once and not after a timeout.
fn paused(agent: &Agent) -> Option<Problem> {
    let error = agent.error.as_ref().filter(|error| error.code == PAUSED)?;
    (agent.status != AgentStatus::Stopped)
        .then(|| Problem::new(Code::RuntimeUnavailable, error.message.clone()))
}

pub(super) fn not_found_yet() -> Problem {
    Problem::new(
        Code::RuntimeUnavailable,
        "the agent's host has not been found again yet; try again in a moment",
    )
}

fn lost_with_its_host(what: &str) -> Problem {
    Problem::new(Code::AgentStopped, format!("the agent's host was lost, and the {what} with it"))
}
