//! Spawning: the request goes to one runtime after the other, in the order of [`placement`], until one takes it.

use std::sync::Arc;
use std::time::Duration;

use parallax_api::problem::Outcome;
use parallax_api::{Agent, Code, Problem, SpawnRequest};
use parallax_store::{SpawnAttempts, StoreError};
use reqwest::{Method, StatusCode};

use crate::agent_cache::{AgentCache, Heard};
use crate::placement;
use crate::presets::Presets;
use crate::relay;
use crate::runtimes::{Runtime, Runtimes, Unanswered};

/// How long a runtime may take: an image may have to be fetched first.
const SPAWN_TIMEOUT: Duration = Duration::from_secs(330);

/// Spawns agents.
#[derive(Clone, Debug)]
pub struct Spawner {
    /// The runtimes to choose from.
    pub runtimes: Arc<Runtimes>,
    /// Where a spawned agent is cached.
    pub cache: Arc<AgentCache>,
    /// Requests to runtimes whose outcome is unknown.
    pub attempts: Arc<dyn SpawnAttempts>,
    /// What requests may leave out.
    pub presets: Presets,
}

/// Why a runtime did not spawn the agent.
enum SpawnError {
    /// Another runtime may take it.
    TryNext(Problem),
    /// No runtime would.
    Final(Problem),
    /// The runtime may have spawned it all the same.
    Uncertain(Problem),
}

/// Runtimes by name, each with why it did not take the agent.
type Refused = Vec<(String, Problem)>;

impl Spawner {
    /// Spawns an agent on the first runtime that takes it. `agent_id` is the id of the agent that will be made: a runtime
    /// that gets it twice spawns once, and as long as one may have spawned it no other is asked.
    ///
    /// # Errors
    /// The refusal of the request, or of every runtime; see [`placement::refusal`].
    pub async fn spawn(&self, agent_id: &str, request: &SpawnRequest) -> Result<Agent, Problem> {
        let earlier = self.attempts.pending(agent_id).await?;
        let resolving = async {
            let resolved = self.presets.resolve(request).await?;
            resolved.check().map(|()| resolved)
        };
        let request = &match resolving.await {
            Ok(resolved) => resolved,
            // The preset was changed meanwhile, and a runtime may have the agent as it was before.
            Err(problem) if earlier.is_some() => {
                let unknown = Problem::new(Code::RuntimeUnavailable, problem.detail);
                return Err(maybe_spawned(unknown));
            }
            Err(problem) => return Err(problem),
        };
        let mut refused = Refused::new();
        if let Some(agent) = self.ask_each(earlier.as_slice(), true, agent_id, request, &mut refused).await? {
            return Ok(agent);
        }
        let (wanted, class) = (request.runtime.as_deref(), request.class.as_deref());
        let infos = self.runtimes.infos_now(wanted).await;
        let mut order: Vec<String> = placement::choose(wanted, &request.r#type, class, &infos)?
            .into_iter()
            .map(|choice| choice.name.clone())
            .collect();
        order.retain(|name| earlier.as_ref() != Some(name));
        if let Some(holder) = self.workspace_holder(request) {
            // Nowhere else is the workspace that it is to work in.
            order = vec![holder];
        }
        if let Some(agent) = self.ask_each(&order, false, agent_id, request, &mut refused).await? {
            return Ok(agent);
        }
        for runtime in &infos {
            let meant = wanted.is_none_or(|wanted| placement::is_meant(wanted, runtime));
            if meant && refused.iter().all(|(name, _)| *name != runtime.name) {
                refused
                    .push((runtime.name.clone(), placement::why_not_placed(&request.r#type, class, runtime)));
            }
        }
        Err(placement::refusal(refused))
    }

    /// The runtime that has the workspace that the agent is to work in, where one is named and its agent is known.
    fn workspace_holder(&self, request: &SpawnRequest) -> Option<String> {
        let reused = request.workspace.as_ref()?.reuse.as_ref()?;
        self.cache.runtime_of(reused)
    }

    /// Asks these runtimes one after the other, until one takes the agent or it is clear that none does.
    async fn ask_each(
        &self,
        names: &[String],
        again: bool,
        agent_id: &str,
        request: &SpawnRequest,
        refused: &mut Refused,
    ) -> Result<Option<Agent>, Problem> {
        for name in names {
            match self.attempt(name, again, agent_id, request).await {
                Ok(agent) => return Ok(Some(agent)),
                Err(SpawnError::TryNext(problem)) => {
                    tracing::info!(runtime.name = name, code = %problem.code, "the runtime did not take the agent");
                    refused.push((name.clone(), problem));
                }
                Err(SpawnError::Final(problem) | SpawnError::Uncertain(problem)) => return Err(problem),
            }
        }
        Ok(None)
    }

    /// Asks a runtime, and stores the attempt for as long as its outcome is unknown. `again`: it was asked before, and
    /// only its answer proves that it does not have the agent.
    async fn attempt(
        &self,
        name: &str,
        again: bool,
        agent_id: &str,
        request: &SpawnRequest,
    ) -> Result<Agent, SpawnError> {
        let Some(runtime) = self.runtimes.get(name) else {
            let detail = format!("the runtime `{name}` is not configured any more");
            return Err(uncertain(Problem::new(Code::RuntimeUnavailable, detail)));
        };
        let in_store = |error| SpawnError::Final(Problem::from(error));
        self.attempts.begin(agent_id, name).await.map_err(in_store)?;
        let outcome = match ask(runtime, &self.cache, agent_id, request).await {
            Err(SpawnError::TryNext(problem) | SpawnError::Final(problem))
                if again && problem.code.outcome() == Outcome::Uncertain =>
            {
                Err(uncertain(problem))
            }
            outcome => outcome,
        };
        if !matches!(outcome, Err(SpawnError::Uncertain(_))) {
            match self.attempts.end(agent_id).await {
                // The outcome is known all the same. The attempt goes with its key, or is repeated with the same id.
                Ok(()) | Err(StoreError::Full(_)) => {}
                Err(error) => return Err(in_store(error)),
            }
        }
        outcome
    }
}

async fn ask(
    runtime: &Runtime,
    cache: &AgentCache,
    agent_id: &str,
    request: &SpawnRequest,
) -> Result<Agent, SpawnError> {
    // Placement is done, and the runtime may have another name for itself.
    let request = &SpawnRequest { runtime: None, ..request.clone() };
    let send = || {
        let spawn =
            runtime.request(Method::POST, "/api/agents").json(request).header("idempotency-key", agent_id);
        runtime.exchange(spawn, SPAWN_TIMEOUT)
    };
    let mut answer = send().await;
    if answer.as_ref().is_err_and(|unanswered| unanswered.broke_off) {
        answer = send().await.map_err(|again| Unanswered { may_be_taken: true, ..again });
    }
    let answer = answer.map_err(|unanswered| match unanswered.may_be_taken {
        true => uncertain(unanswered.problem),
        false => SpawnError::TryNext(unanswered.problem),
    })?;
    let status = answer.status();
    let body = relay::read(answer, runtime).await.map_err(uncertain)?;
    if status.is_success() {
        // The id is the runtime's to give: what is asked for is made under it.
        return relay::agent(&body, runtime, cache, None, Heard::Changed).map_err(uncertain);
    }
    let Some(problem) = relay::problem(&body) else {
        // Who stands between gave up waiting, as it may be: the runtime goes on.
        let unexpected = unexpected_response(runtime, status);
        return Err(if status.is_server_error() {
            uncertain(unexpected)
        } else {
            SpawnError::TryNext(unexpected)
        });
    };
    // That it goes away a runtime says before it begins, and that it, or what is behind it, cannot be reached, before or when it has
    // taken back what it began.
    Err(if problem.allows_other_runtime() {
        SpawnError::TryNext(problem)
    } else if problem.code.outcome() == Outcome::Uncertain {
        uncertain(problem)
    } else {
        SpawnError::Final(problem)
    })
}

/// It may be spawned: no other runtime is asked.
fn uncertain(problem: Problem) -> SpawnError {
    SpawnError::Uncertain(maybe_spawned(problem))
}

/// The same problem, with what to do in case the agent was spawned.
fn maybe_spawned(problem: Problem) -> Problem {
    let detail = format!(
        "{}; it may have spawned the agent all the same: send the request again with the same `Idempotency-Key`, or \
         look at the list when the runtime is back",
        problem.detail
    );
    Problem { detail, ..problem }
}

fn unexpected_response(runtime: &Runtime, status: StatusCode) -> Problem {
    let detail =
        format!("the runtime `{}` answered {status}, not in the words of a Parallax server", runtime.name());
    Problem::new(Code::RuntimeUnavailable, detail)
}
