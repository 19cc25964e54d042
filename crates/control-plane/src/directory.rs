//! Which agent is where, and what was last known of it.
//!
//! Two things are kept apart. What is *known* is in memory: the newest word on each agent, from events, lists and
//! answers. What was *told* is in the database: each agent as the last event of it showed it, written in one
//! transaction with that event. After a restart the known begins with the told; after a gap in a runtime's events the
//! difference between the two is what subscribers must still be told ([`gap`]).
//!
//! [`pull()`] follows each runtime's events; [`Directory::refill`] asks it for its list.

mod gap;
mod pull;
mod told;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use parallax_api::client::ListFilter;
use parallax_api::{Agent, AgentId, Problem};
use parallax_service::events::EventLog;
use parallax_service::store::{Store, StoreError};

use crate::runtimes::Runtime;
pub use pull::pull;
pub use told::MIGRATION;

/// Agents asked for at once when a runtime is asked for its list.
const PAGE: usize = 1000;

/// The directory.
#[derive(Debug)]
pub struct Directory {
    store: Store,
    log: EventLog,
    known: Mutex<HashMap<AgentId, Agent>>,
}

impl Directory {
    /// The directory in `store`, as it was told last; new events go to `log`, which is in the same store.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(store: Store, log: EventLog) -> Result<Self, StoreError> {
        let known = store.with(told::all).await?.into_iter().map(|agent| (agent.id.clone(), agent)).collect();
        Ok(Self { store, log, known: Mutex::new(known) })
    }

    /// What is known of this agent.
    pub fn get(&self, id: &AgentId) -> Option<Agent> {
        self.known().get(id).cloned()
    }

    /// Every agent that is known, in no order.
    pub fn all(&self) -> Vec<Agent> {
        self.known().values().cloned().collect()
    }

    /// Takes word of an agent, unless a newer one is known. `agent.runtime` is the runtime's name here.
    pub fn learn(&self, agent: Agent) {
        learn(&mut self.known(), agent);
    }

    /// Its runtime does not know this agent any more.
    pub fn forget(&self, id: &AgentId) {
        self.known().remove(id);
    }

    /// Asks the runtime for all its agents and takes them in; those it does not have any more are forgotten.
    ///
    /// # Errors
    /// When the runtime does not answer; what was known stays.
    pub async fn refill(&self, runtime: &Runtime) -> Result<(), Problem> {
        // Whoever is spawned from now on may be missing in the list, and is not gone for that.
        let before: Vec<AgentId> = self.of(runtime.name()).into_iter().map(|agent| agent.id).collect();
        let listed = list(runtime).await?;
        let mut gone = before;
        gone.retain(|id| listed.iter().all(|agent| agent.id != *id));
        self.take(&gone, listed);
        if !gone.is_empty() {
            // One that was last told as running stays told: its end is still to come as an event.
            self.store.with(move |db| told::forget_ended(db, &gone)).await?;
        }
        Ok(())
    }

    fn take(&self, gone: &[AgentId], listed: Vec<Agent>) {
        let mut known = self.known();
        for id in gone {
            known.remove(id);
        }
        for agent in listed {
            learn(&mut known, agent);
        }
    }

    /// What is known of this runtime's agents.
    fn of(&self, runtime: &str) -> Vec<Agent> {
        self.known().values().filter(|agent| agent.runtime == runtime).cloned().collect()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<AgentId, Agent>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything the runtime has, under its name here.
async fn list(runtime: &Runtime) -> Result<Vec<Agent>, Problem> {
    let filter = ListFilter { limit: Some(PAGE), ..ListFilter::default() };
    let mut agents = runtime.client().list_all(&filter).await.inspect_err(|_| runtime.doubt())?;
    for agent in &mut agents {
        runtime.name().clone_into(&mut agent.runtime);
    }
    Ok(agents)
}

fn learn(known: &mut HashMap<AgentId, Agent>, agent: Agent) {
    let age = |agent: &Agent| (agent.updated_at, agent.last_activity_at);
    match known.get_mut(&agent.id) {
        // A list and an event may pass each other on the way.
        Some(old) if age(old) > age(&agent) => {}
        Some(old) => *old = agent,
        None => {
            known.insert(agent.id.clone(), agent);
        }
    }
}
