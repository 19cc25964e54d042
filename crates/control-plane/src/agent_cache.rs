//! A cache of every agent, by id, with the runtime that has it.
//!
//! The cache holds the newest state of each agent, from events, lists and responses. The database holds each agent as
//! its last *published* event showed it, written in one transaction with that event. At start the cache is filled with
//! the published agents; after a gap in a runtime's events the difference between the two is published ([`gap`]).
//!
//! [`sync()`] follows each runtime's events; [`AgentCache::resync`] asks a runtime for its list.

mod gap;
mod sync;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parallax_api::client::ListFilter;
use parallax_api::{Agent, AgentId, Problem};
use parallax_service::events::EventLog;
use parallax_store::{PublishedAgents, StoreError};

use crate::runtimes::Runtime;
pub use sync::sync;

/// Agents per request when a runtime is asked for its list.
const PAGE: usize = 1000;

/// The cache.
#[derive(Debug)]
pub struct AgentCache {
    published: Arc<dyn PublishedAgents>,
    log: EventLog,
    agents: Mutex<HashMap<AgentId, Agent>>,
}

impl AgentCache {
    /// A cache filled with the published agents. New events are appended to `log`, which is in the same database.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(published: Arc<dyn PublishedAgents>, log: EventLog) -> Result<Self, StoreError> {
        let agents = published.all().await?.into_iter().map(|agent| (agent.id.clone(), agent)).collect();
        Ok(Self { published, log, agents: Mutex::new(agents) })
    }

    /// The agent with this id.
    pub fn get(&self, id: &AgentId) -> Option<Agent> {
        self.agents().get(id).cloned()
    }

    /// Every agent, in no order.
    pub fn all(&self) -> Vec<Agent> {
        self.agents().values().cloned().collect()
    }

    /// Inserts or replaces an agent, unless a newer state is cached. `agent.runtime` is the runtime's name here.
    pub fn upsert(&self, agent: Agent) {
        upsert(&mut self.agents(), agent);
    }

    /// Removes an agent that its runtime does not have any more.
    pub fn remove(&self, id: &AgentId) {
        self.agents().remove(id);
    }

    /// Replaces the cached agents of a runtime by its own list.
    ///
    /// # Errors
    /// When the runtime does not answer; the cache is then unchanged.
    pub async fn resync(&self, runtime: &Runtime) -> Result<(), Problem> {
        // Taken before the request: an agent that is spawned meanwhile may be missing in the list, and is not gone.
        let before: Vec<AgentId> = self.of(runtime.name()).into_iter().map(|agent| agent.id).collect();
        let listed = list(runtime).await?;
        let mut gone = before;
        gone.retain(|id| listed.iter().all(|agent| agent.id != *id));
        self.apply(&gone, listed);
        if !gone.is_empty() {
            // Keep the row of an agent whose last published status is running: its `agent_stopped` event has not
            // arrived yet.
            match self.published.delete_stopped(gone).await {
                // The next resync deletes them.
                Ok(()) | Err(StoreError::Full(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn apply(&self, gone: &[AgentId], listed: Vec<Agent>) {
        let mut agents = self.agents();
        for id in gone {
            agents.remove(id);
        }
        for agent in listed {
            upsert(&mut agents, agent);
        }
    }

    /// The cached agents of this runtime.
    fn of(&self, runtime: &str) -> Vec<Agent> {
        self.agents().values().filter(|agent| agent.runtime == runtime).cloned().collect()
    }

    fn agents(&self) -> MutexGuard<'_, HashMap<AgentId, Agent>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every agent of the runtime, under the runtime's name here.
async fn list(runtime: &Runtime) -> Result<Vec<Agent>, Problem> {
    let filter = ListFilter { limit: Some(PAGE), ..ListFilter::default() };
    let mut agents = runtime.client().list_all(&filter).await.inspect_err(|_| runtime.recheck())?;
    for agent in &mut agents {
        runtime.name().clone_into(&mut agent.runtime);
    }
    Ok(agents)
}

fn upsert(agents: &mut HashMap<AgentId, Agent>, agent: Agent) {
    let age = |agent: &Agent| (agent.updated_at, agent.last_activity_at);
    match agents.get_mut(&agent.id) {
        // A list and an event may overtake each other.
        Some(old) if age(old) > age(&agent) => {}
        Some(old) => *old = agent,
        None => {
            agents.insert(agent.id.clone(), agent);
        }
    }
}
