//! The agents of a run: spawned, or adopted where they run already. Each spawn is recorded before it is requested.

use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use parallax_api::agent::MAX_MESSAGE;
use parallax_api::execution::{ExecutionEventData as Data, Fault, SentKind, TeamMember};
use parallax_api::retry::Backoff;
use parallax_api::{Agent, AgentId, AgentStatus, Code, Problem, SpawnRequest};
use tokio::sync::oneshot;

use super::engine::Engine;
use super::pool::{Checkout, Pool, PooledAgent, Reservation};
use super::queues::JoinRequest;
use super::state::{RunState, Wanted};
use super::step_error::{StepError, is_uncertain};
use super::{prompt, routing};
use crate::pattern::{MessageType, Role};

/// Between repetitions of a call with an unknown outcome.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(5));
/// How often `NO_RUNTIME` is retried: a server that has just started does not see its runtimes at once.
const NO_RUNTIME_RETRIES: u32 = 4;
/// The label of an agent that names its run.
pub const EXECUTION_LABEL: &str = "parallax.execution";

impl Engine {
    /// An agent of the role for this conversation: the one that has it, or the next idle one.
    pub(super) async fn checkout_for(
        &self,
        name: &str,
        conversation: &str,
    ) -> Result<PooledAgent, StepError> {
        if let Some(pooled) = self.pool(name)?.claim(conversation) {
            return Ok(pooled);
        }
        let before = self.store.read(|state| state.conversations().agent_of(conversation));
        self.checkout(name, before.as_ref()).await
    }

    /// Spawns the `minInstances` of each role.
    pub(super) async fn spawn_initial(&self) -> Result<(), StepError> {
        let mut joining: Vec<BoxFuture<'_, Result<PooledAgent, StepError>>> = Vec::new();
        for (name, role) in &self.pattern.structure.roles {
            let there =
                self.store.read(|state| state.present().filter(|member| member.role == *name).count());
            for _ in there..role.min_instances as usize {
                joining.push(Box::pin(self.checkout(name, None)));
            }
        }
        // All of them at once: one that returns to the pool early would be counted twice.
        join_all(joining).await.into_iter().collect::<Result<Vec<PooledAgent>, StepError>>().map(drop)
    }

    /// Repeats the spawns that were requested when the server died, under the same keys.
    pub(super) async fn restore_spawns(&self) {
        let mut spawning: Vec<BoxFuture<'_, ()>> = Vec::new();
        for (key, wanted) in self.store.read(RunState::wanted) {
            spawning.push(Box::pin(async move {
                let Some(role) = self.pattern.structure.roles.get(&wanted.role) else { return };
                let spawned = self.spawn(&key, role, &wanted).await;
                // A failed spawn is recorded as refused; its step requests another agent.
                if let (Ok(member), Ok(pool)) = (spawned, self.pool(&wanted.role)) {
                    pool.restore(member, None);
                }
            }));
        }
        join_all(spawning).await;
    }

    pub(super) async fn checkout(
        &self,
        name: &str,
        preferred: Option<&AgentId>,
    ) -> Result<PooledAgent, StepError> {
        match self.pool(name)?.checkout(preferred).await {
            Checkout::Ready(pooled) => Ok(pooled),
            Checkout::Reserved(reservation) => {
                // Not awaited here: the step may end before the agent has joined.
                let (agent_tx, agent_rx) = oneshot::channel();
                let join = JoinRequest { role: name.to_owned(), reservation, agent_tx };
                self.join_tx.send(join).map_err(|_| StepError::shutting_down())?;
                agent_rx.await.map_err(|_| StepError::shutting_down())?
            }
        }
    }

    pub(super) fn pool(&self, name: &str) -> Result<&Pool, StepError> {
        self.pools
            .get(name)
            .ok_or_else(|| StepError::permanent("VALIDATION_ERROR", format!("no role `{name}`")))
    }

    /// Fills a reservation with an agent.
    pub(super) async fn fill(&self, name: &str, reservation: Reservation) -> Result<PooledAgent, StepError> {
        let role = &self.pattern.structure.roles[name];
        if !role.managed {
            let member = self.adopt_running(name, role, reservation.number).await?;
            return Ok(reservation.fill(member));
        }
        // One after the other: those that come later work in the workspace of the first.
        let _turn = if role.shares_workspace() { Some(self.sharing.lock().await) } else { None };
        let shared =
            role.shares_workspace().then(|| self.store.read(|state| state.workspace_of(name))).flatten();
        if shared.is_some() {
            match self.fill_from(name, role, reservation.number, shared).await {
                // It went with its last agent. The next one makes another.
                Err(failure) if failure.fault.code == Code::NotFound.as_str() => {}
                outcome => return outcome.map(|member| reservation.fill(member)),
            }
        }
        self.fill_from(name, role, reservation.number, None).await.map(|member| reservation.fill(member))
    }

    /// Spawns an agent of the first type that can run; `workspace`: in that of this agent.
    async fn fill_from(
        &self,
        name: &str,
        role: &Role,
        number: u32,
        workspace: Option<AgentId>,
    ) -> Result<TeamMember, StepError> {
        let mut refused = None;
        for agent_type in &role.wanted_types() {
            let within = workspace.as_ref().map(|id| format!("/in/{id}")).unwrap_or_default();
            let key = format!("{}/{name}/{number}/{agent_type}{within}", self.id);
            let wanted = Wanted {
                role: name.into(),
                number,
                agent_type: agent_type.clone(),
                workspace: workspace.clone(),
            };
            self.store
                .append(Data::AgentWanted {
                    key: key.clone(),
                    role: name.into(),
                    number,
                    r#type: agent_type.clone(),
                    workspace: workspace.clone(),
                })
                .await?;
            match self.spawn(&key, role, &wanted).await {
                Ok(member) => return Ok(member),
                Err(failure) if allows_other_type(&failure.fault) => refused = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        Err(refused.unwrap_or_else(|| StepError::permanent("VALIDATION_ERROR", "the role has no agent type")))
    }

    /// Spawns an agent that is recorded as wanted.
    async fn spawn(&self, key: &str, role: &Role, wanted: &Wanted) -> Result<TeamMember, StepError> {
        let (name, number) = (wanted.role.as_str(), wanted.number);
        let spawned = match self.request(role, wanted) {
            Ok(request) => self.retry_until_certain(|| self.agents.spawn(key, &request)).await,
            Err(failure) => Err(Problem::new(Code::Validation, failure.fault.message)),
        };
        match spawned {
            Ok(agent) => {
                let member = member(&agent, name, number, true);
                self.store.append(Data::AgentJoined { member: member.clone() }).await?;
                Ok(member)
            }
            Err(problem) => {
                let error = Fault::from(&problem);
                let refused = Data::AgentRefused { key: key.into(), role: name.into(), error };
                self.store.append(refused).await?;
                Err(StepError::from(&problem))
            }
        }
    }

    fn request(&self, role: &Role, wanted: &Wanted) -> Result<SpawnRequest, StepError> {
        let (name, number) = (wanted.role.as_str(), wanted.number);
        // All of them together: each may name a long input.
        let mut room = MAX_MESSAGE;
        let mut filled = |text: &String| {
            let filled = self.text_within(text, room)?;
            room -= filled.len();
            Ok::<_, StepError>(filled)
        };
        let workdir = match &role.workdir {
            Some(text) => Some(filled(text)?),
            None if role.workspace.is_some() => None,
            None => self.store.read(|state| state.workdir().map(str::to_owned)),
        };
        let workspace = role.workspace.as_ref();
        let workspace = workspace
            .map(|asked| self.workspace(asked, wanted.workspace.as_ref(), &mut filled))
            .transpose()?;
        let mut env = std::collections::BTreeMap::new();
        for (variable, text) in &role.env {
            env.insert(variable.clone(), filled(text)?.into());
        }
        let short = &self.id[self.id.len().saturating_sub(4)..];
        let agent_name: String = format!("{name}-{number}-{short}").chars().take(63).collect();
        let labels = [
            (EXECUTION_LABEL, self.id.as_str()),
            ("parallax.pattern", self.pattern.name.as_str()),
            ("parallax.role", name),
        ];
        Ok(SpawnRequest {
            name: agent_name,
            r#type: wanted.agent_type.clone(),
            preset: role.preset.clone(),
            capabilities: role.capabilities.clone(),
            workdir,
            workspace,
            env,
            runtime: role.runtime.clone(),
            class: role.class.clone(),
            role: Some(name.to_owned()),
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            model: role.model.clone(),
            args: role.args.clone(),
            approvals: role.approvals,
            image: role.image.clone(),
            ports: role.ports,
            ..SpawnRequest::default()
        })
    }

    /// Adopts an agent that runs already.
    async fn adopt_running(&self, name: &str, role: &Role, number: u32) -> Result<TeamMember, StepError> {
        let running = self.agents.running().await;
        let fits = |agent: &&Agent| {
            agent.status != AgentStatus::Stopped
                && !agent.labels.contains_key(EXECUTION_LABEL)
                && role.capabilities.iter().all(|word| agent.capabilities.contains(word))
                && (role.types().is_empty() || role.types().contains(&agent.r#type))
        };
        let mut fitting: Vec<&Agent> = running.iter().filter(fits).collect();
        fitting.sort_by_key(|agent| (agent.status != AgentStatus::Ready, agent.created_at, agent.id.clone()));
        for agent in fitting {
            let member = member(agent, name, number, false);
            let free = |state: &RunState| state.present().all(|other| other.agent_id != member.agent_id);
            let joined = Data::AgentJoined { member: member.clone() };
            let mut taken = false;
            let take = |state: &RunState| {
                taken = free(state);
                taken.then_some(joined)
            };
            self.store.append_if(take).await?;
            if taken {
                return Ok(member);
            }
        }
        let wanted = if role.capabilities.is_empty() { role.types() } else { &role.capabilities };
        let message = format!("no running agent is free for the role `{name}` ({})", wanted.join(", "));
        Err(StepError::retryable(Code::AgentNotFound.as_str(), message))
    }

    /// Repeats a call until its outcome is certain.
    pub(super) async fn retry_until_certain<'a, T>(
        &self,
        mut call: impl FnMut() -> BoxFuture<'a, Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let (mut backoff, mut retries) = (BACKOFF, 0);
        loop {
            match call().await {
                Err(problem) if is_uncertain(&problem) => {}
                Err(problem) if problem.code == Code::NoRuntime && retries < NO_RUNTIME_RETRIES => {
                    retries += 1;
                }
                outcome => return outcome,
            }
            backoff.wait().await;
        }
    }

    /// Leaves a copy of a message of `from` for every role that a routing rule names.
    pub(super) async fn leave_notes(
        &self,
        kind: MessageType,
        attempt: &str,
        from: &str,
        text: &str,
    ) -> Result<(), StepError> {
        for to in routing::copies(&self.pattern, kind, from, text) {
            let key = format!("{attempt}:{kind:?}:{to}");
            let note = routing::note(kind, from, text);
            self.store
                .append_if(|state| {
                    let room = state.notes(&to).len() < routing::MAX_NOTES;
                    let new = room && !state.has_note(&key);
                    new.then(|| Data::NoteLeft { key, from: from.into(), to: to.clone(), text: note })
                })
                .await?;
        }
        Ok(())
    }

    /// The briefing of an agent that receives its first message.
    pub(super) fn briefing(&self, member: &TeamMember, kind: SentKind) -> Option<String> {
        let role = self.pattern.structure.roles.get(&member.role)?;
        let first = !self.store.read(|state| state.conversations().was_sent_to(&member.agent_id));
        (role.briefing && first && kind != SentKind::Answer)
            .then(|| prompt::briefing(&self.pattern, &member.role, role))
    }
}

fn member(agent: &Agent, role: &str, number: u32, managed: bool) -> TeamMember {
    TeamMember {
        agent_id: agent.id.clone(),
        role: role.into(),
        number,
        r#type: agent.r#type.clone(),
        runtime: agent.runtime.clone(),
        managed,
        present: true,
    }
}

/// Whether an agent of another type may be spawned instead.
fn allows_other_type(fault: &Fault) -> bool {
    Code::ALL.iter().any(|code| code.as_str() == fault.code && code.allows_other_type())
}
