//! What the routes share.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use futures::future::join_all;
use parallax_api::runtime::RuntimeKind;
use parallax_api::{Agent, AgentId, Code, Problem};
use parallax_service::events::EventLog;
use parallax_service::extract::Path;
use parallax_service::idempotency::Idempotency;
use parallax_service::shutdown::Shutdown;
use reqwest::Method;

use crate::directory::Directory;
use crate::patterns::{Executions, Library};
use crate::relay::{self, Call};
use crate::runtimes::{Runtime, Runtimes};
use crate::spawn::Spawner;

/// How long a list waits for the runtimes. Who is slower is shown as last known.
const LIST_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the runtimes may take to say whether an agent that nobody here knows is theirs.
const FIND_TIMEOUT: Duration = Duration::from_secs(2);

/// The parts of a control plane. Clones are the same.
#[derive(Clone, Debug)]
pub struct App {
    /// The runtimes.
    pub runtimes: Arc<Runtimes>,
    /// Which agent is where.
    pub directory: Arc<Directory>,
    /// What spawns agents.
    pub spawner: Spawner,
    /// The events of all runtimes.
    pub log: EventLog,
    /// What was answered to spawn requests with a key.
    pub idempotency: Idempotency,
    /// The patterns that are kept.
    pub library: Library,
    /// The runs of patterns.
    pub executions: Executions,
    /// The end of all this.
    pub shutdown: Shutdown,
}

impl App {
    /// The runtime that has this agent.
    ///
    /// # Errors
    /// `AGENT_NOT_FOUND`, or `RUNTIME_UNAVAILABLE` when it is on one that is not configured any more.
    pub async fn locate(&self, id: &AgentId) -> Result<Arc<Runtime>, Problem> {
        let agent = match self.directory.get(id) {
            Some(agent) => agent,
            None => self.find(id).await?,
        };
        self.runtimes.get(&agent.runtime).cloned().ok_or_else(|| {
            let detail =
                format!("the agent is on the runtime `{}`, which is not configured here", agent.runtime);
            Problem::new(Code::RuntimeUnavailable, detail)
        })
    }

    /// Asks every runtime that answers for an agent that is not known here: one may have just spawned it.
    async fn find(&self, id: &AgentId) -> Result<Agent, Problem> {
        let (here, away): (Vec<_>, Vec<_>) = self.runtimes.iter().partition(|runtime| runtime.is_reachable());
        let ask = async |runtime: &Arc<Runtime>| {
            let answer = Call::new(Method::GET, "").send(runtime, id).await.ok()?;
            let body = answer.error_for_status().ok()?.bytes().await.ok()?;
            relay::agent(&body, runtime, &self.directory).ok()
        };
        let asked = join_all(here.into_iter().map(ask));
        let found = tokio::time::timeout(FIND_TIMEOUT, asked).await.unwrap_or_default();
        found.into_iter().flatten().next().ok_or_else(|| {
            let away: Vec<&str> = away.iter().map(|runtime| runtime.name()).collect();
            let problem = Problem::no_agent(id);
            if away.is_empty() { problem } else { problem.with("runtimesAway", away) }
        })
    }

    /// An agent as callers see it: `stale` when its runtime does not answer.
    pub fn seen(&self, mut agent: Agent) -> Agent {
        agent.stale = !self.runtimes.get(&agent.runtime).is_some_and(|runtime| runtime.is_reachable());
        agent
    }

    /// Every agent, fresh from the runtimes that answer and as last known from those that do not.
    pub async fn agents(&self) -> Vec<Agent> {
        let ask = async |runtime: &Arc<Runtime>| {
            let asked = tokio::time::timeout(LIST_TIMEOUT, self.directory.refill(runtime)).await;
            matches!(asked, Ok(Ok(()))).then(|| runtime.name().to_owned())
        };
        let here = self.runtimes.iter().filter(|runtime| runtime.is_reachable());
        let fresh: Vec<String> = join_all(here.map(ask)).await.into_iter().flatten().collect();
        let mut agents = self.directory.all();
        for agent in &mut agents {
            agent.stale = !fresh.contains(&agent.runtime);
        }
        agents
    }

    /// Whether the agent is on a runtime of this name or kind.
    pub fn is_on(&self, agent: &Agent, wanted: &str) -> bool {
        let kind = || self.runtimes.get(&agent.runtime).map(|runtime| runtime.kind());
        agent.runtime == wanted || RuntimeKind::from_str(wanted).is_ok_and(|wanted| kind() == Some(wanted))
    }
}

/// The agent's id in the path. Text that cannot be an id names no agent.
#[derive(Debug)]
pub struct Id(pub AgentId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(id) = Path::<String>::from_request_parts(parts, state).await?;
        id.parse().map(Self)
    }
}
