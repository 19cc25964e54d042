//! Spawning: the request goes to one runtime after the other, in the order of [`placement`], until one takes it.

mod attempts;

use std::sync::Arc;
use std::time::Duration;

use parallax_api::{Agent, Code, Problem, SpawnRequest};
use reqwest::{Method, StatusCode};

use crate::directory::Directory;
use crate::placement;
use crate::relay;
use crate::runtimes::{Runtime, Runtimes, Unanswered};
pub use attempts::{Attempts, MIGRATION};

/// How long a runtime may take: an image may have to be fetched first.
const SPAWN_TIMEOUT: Duration = Duration::from_secs(330);

/// Spawns agents.
#[derive(Clone, Debug)]
pub struct Spawner {
    /// Where they can be.
    pub runtimes: Arc<Runtimes>,
    /// Who learns where they are.
    pub directory: Arc<Directory>,
    /// What is not known to have ended.
    pub attempts: Attempts,
}

/// No agent.
enum Refusal {
    /// Another place may take it.
    OfThePlace(Problem),
    /// No place would.
    Final(Problem),
    /// The runtime may have it all the same.
    Uncertain(Problem),
}

/// Runtimes by name, each with why it did not take the agent.
type Refused = Vec<(String, Problem)>;

impl Spawner {
    /// Spawns an agent on the first runtime that takes it. `handle` names the agent to come: a runtime that gets it
    /// twice spawns once, and as long as one may have spawned it no other is asked.
    ///
    /// # Errors
    /// The refusal of the request, or of every place; see [`placement::refusal`].
    pub async fn spawn(&self, handle: &str, request: &SpawnRequest) -> Result<Agent, Problem> {
        request.check()?;
        let mut refused = Refused::new();
        let earlier = self.attempts.open(handle).await?;
        if let Some(agent) = self.ask_each(earlier.as_slice(), true, handle, request, &mut refused).await? {
            return Ok(agent);
        }
        let wanted = request.runtime.as_deref();
        let infos = self.runtimes.infos_now(wanted).await;
        let mut order: Vec<String> = placement::choose(wanted, &request.r#type, &infos)?
            .into_iter()
            .map(|choice| choice.name.clone())
            .collect();
        order.retain(|name| earlier.as_ref() != Some(name));
        if let Some(agent) = self.ask_each(&order, false, handle, request, &mut refused).await? {
            return Ok(agent);
        }
        for runtime in &infos {
            let meant = wanted.is_none_or(|wanted| placement::is_meant(wanted, runtime));
            if meant && refused.iter().all(|(name, _)| *name != runtime.name) {
                refused.push((runtime.name.clone(), placement::unfit(&request.r#type, runtime)));
            }
        }
        Err(placement::refusal(refused))
    }

    /// Asks these runtimes one after the other, until one takes the agent or it is clear that none does.
    async fn ask_each(
        &self,
        names: &[String],
        again: bool,
        handle: &str,
        request: &SpawnRequest,
        refused: &mut Refused,
    ) -> Result<Option<Agent>, Problem> {
        for name in names {
            match self.attempt(name, again, handle, request).await {
                Ok(agent) => return Ok(Some(agent)),
                Err(Refusal::OfThePlace(problem)) => {
                    tracing::info!(runtime.name = name, code = %problem.code, "the runtime did not take the agent");
                    refused.push((name.clone(), problem));
                }
                Err(Refusal::Final(problem) | Refusal::Uncertain(problem)) => return Err(problem),
            }
        }
        Ok(None)
    }

    /// Asks a runtime, and remembers that for as long as the outcome is not known. `again`: it was asked before, and
    /// only its answer tells that it does not have the agent.
    async fn attempt(
        &self,
        name: &str,
        again: bool,
        handle: &str,
        request: &SpawnRequest,
    ) -> Result<Agent, Refusal> {
        let Some(runtime) = self.runtimes.get(name) else {
            let detail = format!("the runtime `{name}` is not configured any more");
            return Err(Refusal::Uncertain(perhaps(Problem::new(Code::RuntimeUnavailable, detail))));
        };
        let in_store = |error| Refusal::Final(Problem::from(error));
        self.attempts.begin(handle, name).await.map_err(in_store)?;
        let outcome = match ask(runtime, &self.directory, handle, request).await {
            Err(Refusal::OfThePlace(problem)) if again && problem.code == Code::RuntimeUnavailable => {
                Err(Refusal::Uncertain(perhaps(problem)))
            }
            outcome => outcome,
        };
        if !matches!(outcome, Err(Refusal::Uncertain(_))) {
            self.attempts.end(handle).await.map_err(in_store)?;
        }
        outcome
    }
}

async fn ask(
    runtime: &Runtime,
    directory: &Directory,
    handle: &str,
    request: &SpawnRequest,
) -> Result<Agent, Refusal> {
    // The choice is made: a runtime's own name for itself may be another.
    let request = &SpawnRequest { runtime: None, ..request.clone() };
    let send = || {
        let spawn =
            runtime.request(Method::POST, "/api/agents").json(request).header("idempotency-key", handle);
        runtime.exchange(spawn, SPAWN_TIMEOUT)
    };
    let mut answer = send().await;
    if answer.as_ref().is_err_and(|unanswered| unanswered.broke_off) {
        answer = send().await.map_err(|again| Unanswered { may_be_taken: true, ..again });
    }
    let answer = answer.map_err(|unanswered| match unanswered.may_be_taken {
        true => Refusal::Uncertain(perhaps(unanswered.problem)),
        false => Refusal::OfThePlace(unanswered.problem),
    })?;
    let status = answer.status();
    let body = relay::read(answer, runtime).await.map_err(|problem| Refusal::Uncertain(perhaps(problem)))?;
    if status.is_success() {
        return relay::agent(&body, runtime, directory).map_err(Refusal::Final);
    }
    let problem = relay::problem(&body).unwrap_or_else(|| odd(runtime, status));
    Err(if placement::is_of_the_place(&problem) {
        Refusal::OfThePlace(problem)
    } else {
        Refusal::Final(problem)
    })
}

/// The same problem, with what to do when the agent may be there in spite of it.
fn perhaps(problem: Problem) -> Problem {
    let detail = format!(
        "{}; it may have spawned the agent all the same: send the request again with the same `Idempotency-Key`, or \
         look at the list when the runtime is back",
        problem.detail
    );
    Problem { detail, ..problem }
}

fn odd(runtime: &Runtime, status: StatusCode) -> Problem {
    let detail =
        format!("the runtime `{}` answered {status}, not in the words of a Parallax server", runtime.name());
    Problem::new(Code::RuntimeUnavailable, detail)
}
