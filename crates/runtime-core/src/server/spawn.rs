//! Spawning: from a request to a host that runs its agent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parallax_api::retry::Backoff;
use parallax_api::runtime::RuntimeKind;
use parallax_api::workspace::WorkspaceKeep;
use parallax_api::{Agent, AgentExit, AgentId, AgentStatus, Code, Problem, SpawnRequest, Time};
use parallax_profile::Launch;
use tokio_util::sync::CancellationToken;

use super::core::RuntimeCore;
use super::registry::HostState;
use super::undoing::Leftovers;
use crate::host::HostClient;

/// How long a host may take to start: an image may have to be fetched first.
const LAUNCH_TIMEOUT: Duration = Duration::from_secs(300);
/// How long taking away what a failed launch left may take.
const CLEAN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long after it failed it is tried again.
const UNDO_AGAIN: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));
/// Variables that the host sets: a request's would cut the agent off from its host.
const RESERVED: [&str; 2] = ["PARALLAX_HOST_SOCKET", "PARALLAX_AGENT_ID"];

impl RuntimeCore {
    /// Spawns an agent with this id; when there is one (a request that is sent again), answers it.
    ///
    /// Runs to its end whatever becomes of the caller: a host that is half started belongs to nobody.
    pub(super) async fn spawn(
        self: &Arc<Self>,
        id: AgentId,
        request: SpawnRequest,
    ) -> Result<Agent, Problem> {
        if let Ok(entry) = self.registry.get(&id) {
            entry.launched().await;
            // One that was not started is not there any more, and is tried once more.
            if self.registry.get(&id).is_ok() {
                return Ok(entry.agent());
            }
        }
        if self.shutdown.is_shutting_down() {
            return Err(Problem::new(Code::ShuttingDown, "the server goes away; try again in a moment"));
        }
        if self.undoing.contains(&id) {
            // It would be removed with what is left of the attempt before.
            return Err(Problem::new(
                Code::RuntimeUnavailable,
                "what is left of an earlier attempt is still being removed; try again in a moment",
            ));
        }
        let core = self.clone();
        let spawning = async move {
            let began = Instant::now();
            let spawned = core.start(id, request).await;
            core.metrics.spawned(began.elapsed(), spawned.as_ref().err().map(|problem| problem.code));
            spawned
        };
        self.shutdown.tracker().spawn(spawning).await.unwrap_or_else(|cause| Err(Problem::internal(cause)))
    }

    async fn start(self: &Arc<Self>, id: AgentId, request: SpawnRequest) -> Result<Agent, Problem> {
        let (workspace, ports) = (request.workspace.clone(), request.ports);
        let mut launch = self.resolve(&id, request)?;
        let slot = self.registry.take_slot()?;
        let claim = ports.map(|count| self.give_ports(&mut launch, count)).transpose()?;
        // Before the launch: should this server die in it, the next one knows whose host it finds.
        self.table.insert_pending(&launch.agent).await?;
        // Listed from now on: an image may have to be fetched, and whoever asked may think better of it.
        let cancelled = CancellationToken::new();
        let state = HostState::Starting(cancelled.clone());
        let entry = self.registry.insert(launch.agent.clone(), state, Some(slot));
        drop(claim);
        let launching = async {
            if let Some(asked) = &workspace {
                self.make_workspace(&mut launch, asked).await?;
            }
            // Another agent's is there already.
            if launch.checkout.as_ref().is_none_or(|checkout| checkout.id != id) {
                return self.backend.launch(&id, &launch).await;
            }
            tokio::select! {
                launched = self.backend.launch(&id, &launch) => launched,
                problem = self.hand_over_clone(&id) => Err(problem),
            }
        };
        let launched = tokio::select! {
            biased;
            () = cancelled.cancelled() => Ok(Err(Problem::new(
                Code::AgentStopped,
                "the agent was stopped while it was being started",
            ))),
            launched = tokio::time::timeout(LAUNCH_TIMEOUT, launching) => launched,
        };
        let late = || {
            Problem::new(
                Code::SpawnFailed,
                "the agent's host did not start within five minutes; should an image still be on its way, try again",
            )
        };
        let launched = match launched.unwrap_or_else(|_| Err(late())) {
            Ok(address) => self.table.put(&launch.agent).await.map(|()| address).map_err(Problem::from),
            Err(problem) => Err(problem),
        };
        match launched {
            Ok(address) => {
                entry.set(launch.agent);
                entry.set_host_state(HostState::Connected(HostClient::new(address)));
                // The host knows more by now, and says it first of all to who follows it.
                self.follow(entry.clone(), None);
                tracing::info!(agent.id = %id, agent.kind = entry.agent().r#type, "agent spawned");
                Ok(entry.agent())
            }
            Err(problem) => {
                tracing::warn!(agent.id = %id, agent.kind = launch.agent.r#type, code = %problem.code, "spawn failed");
                let leftovers = self.undoing.begin(&id);
                self.registry.remove(&id);
                let reason = if problem.code == Code::AgentStopped { "stopped" } else { "not_started" };
                let mut agent = launch.agent;
                agent.status = AgentStatus::Stopped;
                agent.exit = Some(AgentExit::for_reason(reason, Time::now()));
                entry.set(agent);
                entry.set_host_state(HostState::Unreachable);
                // Nobody was given it: what is in the workspace is its set-up's.
                let is_taken_back = self.undo(leftovers, WorkspaceKeep::Never).await;
                // `INTERNAL` leaves open whether something was made, so that no other runtime is asked.
                Err(match problem.code {
                    Code::Internal if is_taken_back => {
                        Problem { more: problem.more, ..Problem::new(Code::SpawnFailed, problem.detail) }
                    }
                    _ => problem,
                })
            }
        }
    }

    /// Takes away what a launch left that failed, or that a server did not live to see. A backend that does not answer now is
    /// asked again until it does, and so is a disk; should this server go first, the next one finds the record. Returns whether it is done.
    pub(super) async fn undo(self: &Arc<Self>, leftovers: Leftovers, keep: WorkspaceKeep) -> bool {
        if self.try_undo(&leftovers.id, keep).await.is_ok() {
            return true;
        }
        let (core, begun) = (self.clone(), self.shutdown.clone());
        let trying = async move {
            let mut again = UNDO_AGAIN;
            while core.try_undo(&leftovers.id, keep).await.is_err() {
                again.wait().await;
            }
        };
        self.shutdown.tracker().spawn(async move {
            tokio::select! {
                () = trying => {}
                () = begun.begun() => {}
            }
        });
        false
    }

    async fn try_undo(&self, id: &AgentId, keep: WorkspaceKeep) -> Result<(), Problem> {
        let removed = tokio::time::timeout(CLEAN_TIMEOUT, self.backend.remove(id, Duration::ZERO)).await;
        let removed = removed.unwrap_or_else(|_| Err(Problem::internal("not within thirty seconds")));
        removed.inspect_err(
            |error| tracing::error!(agent.id = %id, %error, "failed to remove what a failed spawn left"),
        )?;
        self.undo_workspace(id, keep).await.inspect_err(
            |error| tracing::error!(agent.id = %id, %error, "failed to undo the workspace of a failed spawn"),
        )?;
        self.table
            .delete(id)
            .await
            .inspect_err(|error| {
                tracing::error!(agent.id = %id, error = %error, "failed to forget an agent that did not start");
            })
            .map_err(Problem::from)
    }

    /// What the host is to run. Refuses what the request may not have here.
    fn resolve(&self, id: &AgentId, mut request: SpawnRequest) -> Result<Launch, Problem> {
        request.check()?;
        let profile =
            self.config.profiles.get(&request.r#type).ok_or_else(|| self.unknown_type(&request.r#type))?;
        self.check_runtime(request.runtime.as_deref())?;
        if let Some(name) = RESERVED.iter().find(|name| request.env.contains_key(**name)) {
            return Err(Problem::invalid("env", format!("`{name}` is set by the agent's host")));
        }
        self.config.policy.admit(&mut request)?;
        let workdir = match &request.workspace {
            None => self.config.workdirs.resolve(request.workdir.as_deref())?,
            Some(asked) => self.workspace_place(id, asked)?,
        };
        let now = Time::now();
        let agent = Agent {
            id: id.clone(),
            name: request.name,
            r#type: request.r#type,
            status: AgentStatus::Starting,
            runtime: self.config.name.clone(),
            created_at: now,
            attention: None,
            error: None,
            exit: None,
            capabilities: request.capabilities,
            role: request.role,
            class: request.class,
            labels: request.labels,
            workdir: Some(workdir.shown),
            workspace: None,
            ports: None,
            model: request.model,
            updated_at: now,
            last_activity_at: None,
            activity: None,
            queued: 0,
            detail: None,
            stale: false,
        };
        let mut env = self.config.environment.inherited_by(&profile);
        env.extend(request.env);
        Ok(Launch {
            agent,
            profile: profile.as_ref().clone(),
            args: request.args,
            approvals: request.approvals.unwrap_or_default(),
            prompt: request.prompt,
            setup: request.workspace.and_then(|asked| asked.setup),
            env,
            workdir: workdir.path,
            mount: workdir.mount,
            checkout: None,
            terminal: request.terminal.unwrap_or_default(),
            idle_timeout_seconds: request.idle_timeout_seconds,
            max_lifetime_seconds: request.max_lifetime_seconds,
            stall_seconds: request.stall_seconds,
            image: request.image,
            resources: request.resources.unwrap_or_default(),
            log_limit: self.config.log_limit,
            token: None,
        })
    }

    /// Explicit means that or nothing: never another backend in silence.
    fn check_runtime(&self, asked: Option<&str>) -> Result<(), Problem> {
        let kind: RuntimeKind = self.backend.kind();
        match asked {
            Some(asked) if asked != self.config.name && asked != kind.as_str() => Err(Problem::new(
                Code::Unsupported,
                format!(
                    "this is the runtime `{}` ({kind}); ask `{asked}` itself, or the control plane",
                    self.config.name
                ),
            )
            .with("field", "runtime")),
            _ => Ok(()),
        }
    }

    fn unknown_type(&self, asked: &str) -> Problem {
        let known = self.config.profiles.names();
        Problem::invalid(
            "type",
            format!(
                "there is no profile for `{asked}`, only for {}; --profiles DIR adds more",
                known.join(", ")
            ),
        )
        .with("types", known)
    }
}
