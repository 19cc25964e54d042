//! Which runtime has an agent, and every agent of all runtimes.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parallax_api::runtime::RuntimeKind;
use parallax_api::{Agent, AgentId, Code, Problem};
use reqwest::Method;

use crate::agent_cache::{AgentCache, Known};
use crate::relay::{self, Call};
use crate::runtimes::{Runtime, Runtimes};

/// How long a list waits for the runtimes. The agents of a slower one are listed as last known.
const LIST_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the runtimes may take to say whether an agent that is not cached here is theirs.
const FIND_TIMEOUT: Duration = Duration::from_secs(2);

/// Finds agents. Clones share the cache.
#[derive(Clone, Debug)]
pub struct AgentLocator {
    /// The runtimes to ask.
    pub runtimes: Arc<Runtimes>,
    /// What is known of their agents.
    pub cache: Arc<AgentCache>,
}

impl AgentLocator {
    /// The runtime that has this agent.
    ///
    /// # Errors
    /// `AGENT_NOT_FOUND`, or `RUNTIME_UNAVAILABLE` when its runtime is not configured any more.
    pub async fn locate(&self, id: &AgentId) -> Result<Arc<Runtime>, Problem> {
        let name = match self.cache.runtime_of(id) {
            Some(name) => name,
            None => self.find(id).await?.runtime,
        };
        self.runtimes.get(&name).cloned().ok_or_else(|| {
            let detail = format!("the agent is on the runtime `{name}`, which is not configured here");
            Problem::new(Code::RuntimeUnavailable, detail)
        })
    }

    /// Asks every reachable runtime for an agent that is not cached: one may have just spawned it.
    async fn find(&self, id: &AgentId) -> Result<Agent, Problem> {
        let (reachable, away): (Vec<_>, Vec<_>) =
            self.runtimes.iter().partition(|runtime| runtime.is_reachable());
        let ask = async |runtime: &Arc<Runtime>| {
            let response = Call::new(Method::GET, "").send(runtime, id).await.ok()?;
            let body = response.error_for_status().ok()?.bytes().await.ok()?;
            relay::agent(&body, runtime, &self.cache).ok()
        };
        let asked = join_all(reachable.into_iter().map(ask));
        let found = tokio::time::timeout(FIND_TIMEOUT, asked).await.unwrap_or_default();
        found.into_iter().flatten().next().ok_or_else(|| {
            let away: Vec<&str> = away.iter().map(|runtime| runtime.name()).collect();
            let problem = Problem::no_agent(id);
            if away.is_empty() { problem } else { problem.with("runtimesAway", away) }
        })
    }

    /// The agent with `stale` set when its runtime is not reachable.
    pub fn with_staleness(&self, mut agent: Agent) -> Agent {
        agent.stale = !self.is_reachable(&agent);
        agent
    }

    /// Whether its runtime is reachable.
    pub fn is_reachable(&self, agent: &Agent) -> bool {
        self.runtimes.get(&agent.runtime).is_some_and(|runtime| runtime.is_reachable())
    }

    /// Every agent, fresh from the reachable runtimes and as last known from the others.
    pub async fn list(&self) -> Listing {
        let refresh = async |runtime: &Arc<Runtime>| {
            let asked = tokio::time::timeout(LIST_TIMEOUT, self.cache.refresh(runtime)).await;
            matches!(asked, Ok(Ok(()))).then(|| runtime.name().to_owned())
        };
        let reachable = self.runtimes.iter().filter(|runtime| runtime.is_reachable());
        let fresh: Vec<String> = join_all(reachable.map(refresh)).await.into_iter().flatten().collect();
        Listing { agents: self.cache.all(), fresh }
    }

    /// Whether the agent is on a runtime of this name or kind.
    pub fn is_on(&self, agent: &Agent, wanted: &str) -> bool {
        let kind = || self.runtimes.get(&agent.runtime).map(|runtime| runtime.kind());
        agent.runtime == wanted || RuntimeKind::from_str(wanted).is_ok_and(|wanted| kind() == Some(wanted))
    }
}

/// Agents, and which runtimes have just said that they are so.
#[derive(Debug)]
pub struct Listing {
    /// The agents, in no order.
    pub agents: Vec<Arc<Known>>,
    fresh: Vec<String>,
}

impl Listing {
    /// Whether its runtime did not answer.
    pub fn is_stale(&self, agent: &Agent) -> bool {
        !self.fresh.contains(&agent.runtime)
    }

    /// Those that `wanted` lets through, as they are to be shown.
    pub fn into_agents(self, wanted: impl Fn(&Agent) -> bool) -> Vec<Agent> {
        let shown = |agent: &Agent| Agent { stale: self.is_stale(agent), ..agent.clone() };
        self.agents.iter().map(|known| known.agent()).filter(|agent| wanted(agent)).map(shown).collect()
    }
}
