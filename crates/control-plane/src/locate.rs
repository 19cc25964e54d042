//! Which runtime has an agent, and every agent of all runtimes.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use parallax_api::runtime::RuntimeKind;
use parallax_api::{Agent, AgentId, Code, Problem};
use parallax_service::known::Known;
use parallax_service::listing::{AgentsQuery, Place};
use reqwest::Method;
use tokio::time::Instant;

use crate::agent_cache::{AgentCache, Heard, Part};
use crate::relay::{self, Call};
use crate::runtimes::{Runtime, Runtimes};

/// How long a list waits for the runtimes. The agents of a slower one are listed as last known.
const LIST_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the runtimes may take to say whether an agent that is not cached here is theirs.
const FIND_TIMEOUT: Duration = Duration::from_secs(2);

/// A runtime did not say whether it has an agent.
struct Silent;

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
            let asked = tokio::time::timeout(FIND_TIMEOUT, self.ask(runtime, id)).await;
            asked.unwrap_or(Err(Silent)).map_err(|Silent| runtime.name().to_owned())
        };
        let mut asked: FuturesUnordered<_> = reachable.into_iter().map(ask).collect();
        let mut silent: Vec<String> = away.iter().map(|runtime| runtime.name().to_owned()).collect();
        while let Some(answer) = asked.next().await {
            match answer {
                // Whatever the others would say.
                Ok(Some(agent)) => return Ok(agent),
                Ok(None) => {}
                Err(name) => silent.push(name),
            }
        }
        let problem = Problem::no_agent(id);
        Err(if silent.is_empty() { problem } else { problem.with("runtimesAway", silent) })
    }

    /// Whether a runtime has this agent. Only its own word says that it does not.
    async fn ask(&self, runtime: &Arc<Runtime>, id: &AgentId) -> Result<Option<Agent>, Silent> {
        let heard = Heard::Asked(Instant::now());
        let response = Call::new(Method::GET, "").send(runtime, id).await.map_err(|_| Silent)?;
        let is_agent = response.status().is_success();
        let body = relay::read(response, runtime).await.map_err(|_| Silent)?;
        if is_agent {
            return relay::agent(&body, runtime, &self.cache, Some(id), heard).map(Some).map_err(|_| Silent);
        }
        let is_unknown = relay::problem(&body).is_some_and(|problem| problem.code == Code::AgentNotFound);
        if is_unknown { Ok(None) } else { Err(Silent) }
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

    /// The page that `query` asks for, oldest first: fresh from the reachable runtimes, each of which is asked for its part of it,
    /// and as last known from the others.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for a limit or cursor that is none.
    pub async fn page(&self, query: &AgentsQuery) -> Result<ListPage, Problem> {
        let (limit, after) = (query.size()?, query.start()?);
        let ask = async |runtime: &Arc<Runtime>| {
            let asked = tokio::time::timeout(LIST_TIMEOUT, self.cache.part(runtime, query)).await;
            asked.ok()?.ok().map(|part| (runtime.name().to_owned(), part))
        };
        let wanted =
            |name: &str| query.runtime.is_empty() || query.runtime.iter().any(|wanted| self.is(name, wanted));
        let reachable =
            self.runtimes.iter().filter(|runtime| runtime.is_reachable() && wanted(runtime.name()));
        let answered: Vec<_> = join_all(reachable.map(ask)).await.into_iter().flatten().collect();
        let (fresh, mut parts): (Vec<String>, Vec<Part>) = answered.into_iter().unzip();
        let is_asked_for = |agent: &Agent| query.lets_through(agent, |agent, name| self.is_on(agent, name));
        let is_behind = |place: &Place| after.as_ref().is_none_or(|after| place > after);
        let belongs =
            |known: &Arc<Known>| is_asked_for(known.agent()) && is_behind(&Place::of(known.agent()));
        for part in &mut parts {
            // Some may have changed since. And whatever a runtime says, the next page is another one.
            part.agents.retain(belongs);
            part.more_after.take_if(|end| !is_behind(end));
        }
        let mut agents = self.cache.elsewhere(&fresh);
        agents.retain(belongs);
        parts.push(Part { agents, more_after: None });
        let (agents, next_cursor) = merged(parts, limit);
        Ok(ListPage { agents, next_cursor, fresh })
    }

    /// Whether the agent is on a runtime of this name or kind.
    pub fn is_on(&self, agent: &Agent, wanted: &str) -> bool {
        self.is(&agent.runtime, wanted)
    }

    /// Whether the runtime has this name or kind.
    fn is(&self, name: &str, wanted: &str) -> bool {
        let kind = || self.runtimes.get(name).map(|runtime| runtime.kind());
        name == wanted || RuntimeKind::from_str(wanted).is_ok_and(|wanted| kind() == Some(wanted))
    }
}

/// The page that the parts make, and the cursor of the next one.
fn merged(parts: Vec<Part>, limit: usize) -> (Vec<Arc<Known>>, Option<String>) {
    // What a runtime has behind its part is not known: the page ends there.
    let end = parts.iter().filter_map(|part| part.more_after.clone()).min();
    let mut agents: Vec<(Place, Arc<Known>)> = parts
        .into_iter()
        .flat_map(|part| part.agents)
        .map(|known| (Place::of(known.agent()), known))
        .filter(|(place, _)| end.as_ref().is_none_or(|end| place <= end))
        .collect();
    agents.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    agents.dedup_by(|(one, _), (other, _)| one == other);
    let next = match agents.len() > limit {
        true => agents.get(limit - 1).map(|(last, _)| last.clone()),
        false => end,
    };
    agents.truncate(limit);
    (agents.into_iter().map(|(_, known)| known).collect(), next.map(|place| place.to_string()))
}

/// A page of the list, and which runtimes have just said that it is so.
#[derive(Debug)]
pub struct ListPage {
    /// The agents, oldest first.
    pub agents: Vec<Arc<Known>>,
    /// What to send as `cursor` for the next page, when there is one.
    pub next_cursor: Option<String>,
    fresh: Vec<String>,
}

impl ListPage {
    /// Whether its runtime did not answer.
    pub fn is_stale(&self, agent: &Agent) -> bool {
        !self.fresh.contains(&agent.runtime)
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

#[cfg(test)]
mod tests {
    use parallax_api::Time;

    use super::*;

    fn known(made_at: i64) -> Arc<Known> {
        let name = made_at.to_string();
        let id = AgentId::generate();
        Arc::new(Known::new(Agent::new(id, &*name, "shell", "local", Time::from_millis(made_at))))
    }

    /// What two runtimes have, in pages of three.
    #[test]
    fn pages_of_several_runtimes_hold_each_agent_once_in_order() {
        let runtimes: [Vec<Arc<Known>>; 2] =
            [[1, 2, 3, 4, 9, 10], [5, 6, 7, 8, 11, 12]].map(|made| made.into_iter().map(known).collect());
        let mut seen = Vec::new();
        let mut after: Option<Place> = None;
        loop {
            let part = |agents: &Vec<Arc<Known>>| {
                let behind = |known: &&Arc<Known>| {
                    after.as_ref().is_none_or(|after| Place::of(known.agent()) > *after)
                };
                let rest: Vec<_> = agents.iter().filter(behind).cloned().collect();
                let agents: Vec<_> = rest.iter().take(3).cloned().collect();
                let more_after = agents.last().filter(|_| rest.len() > 3).map(|last| Place::of(last.agent()));
                Part { agents, more_after }
            };
            let (agents, next) = merged(runtimes.iter().map(part).collect(), 3);
            assert_eq!(agents.len(), 3);
            seen.extend(agents.iter().map(|known| known.agent().created_at.as_millis()));
            let Some(next) = next else { break };
            after = Some(next.parse().unwrap());
        }
        assert_eq!(seen, (1..=12).collect::<Vec<_>>());
    }

    #[test]
    fn a_page_ends_where_a_runtime_has_more_to_tell() {
        let [one, three] = [1, 3].map(known);
        let more_after = Some(Place::of(known(2).agent()));
        let parts = vec![
            // What was between has changed, and is not asked for any more.
            Part { agents: vec![one.clone()], more_after: more_after.clone() },
            Part { agents: vec![three], more_after: None },
        ];
        let (agents, next) = merged(parts, 3);
        assert_eq!(
            agents.iter().map(|known| known.agent().id.clone()).collect::<Vec<_>>(),
            [one.agent().id.clone()]
        );
        assert_eq!(next, more_after.map(|place| place.to_string()));
    }
}
