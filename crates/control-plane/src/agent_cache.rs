//! A cache of every agent, by id, with the runtime that has it.
//!
//! The cache holds the newest state of each agent, from events, lists and responses. The database holds each agent as
//! its last *published* event showed it, written in one transaction with that event. At start the cache is filled with
//! the published agents; after a gap in a runtime's events the difference between the two is published ([`gap`]).
//!
//! What was heard of an agent, or of all agents of a runtime, within [`FRESH_FOR`] is answered from here. A call that may
//! change an agent ends that ([`AgentCache::expire`]); what was asked for before that call was answered does not begin it anew.
//!
//! [`sync()`] follows each runtime's events; [`AgentCache::resync`] asks a runtime for its list.

mod gap;
mod parts;
mod sync;

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use parallax_api::client::ListFilter;
use parallax_api::{Agent, AgentId, AgentStatus, Problem};
use parallax_service::events::EventLog;
use parallax_service::known::Known;
use parallax_store::{PublishedAgents, StoreError};
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::Instant;

use crate::runtimes::Runtime;
pub use parts::Part;
use parts::Parts;
pub use sync::sync;

/// Agents per request when a runtime is asked for its list.
const PAGE: usize = 1000;
/// Errors that no further message mends: the CLI's provider gives no more, or lets it in no more. The page's `trouble.ts` has words for each.
const NEEDS_PERSON: [&str; 2] = ["rate_limit", "auth"];
/// How old a state may be that is answered without asking the runtime.
const FRESH_FOR: Duration = Duration::from_millis(200);

/// The cache.
#[derive(Debug)]
pub struct AgentCache {
    published: Arc<dyn PublishedAgents>,
    log: EventLog,
    agents: Mutex<HashMap<AgentId, Cached>>,
    /// The names of the runtimes that there are. An agent belongs to the one that had it first, as long as that has it.
    runtimes: HashSet<String>,
    /// When the list of a runtime, by its name, was last read. Held while it is read: those who wait use the same one.
    lists: Mutex<HashMap<String, Arc<AsyncMutex<Option<Instant>>>>>,
    departed_tx: watch::Sender<()>,
    parts: Parts,
}

/// How something was heard of an agent.
#[derive(Clone, Copy, Debug)]
pub enum Heard {
    /// As an event: it happened some time ago.
    Told,
    /// By asking its runtime at this moment.
    Asked(Instant),
    /// As the answer to a call that changed it, just now.
    Changed,
}

/// An agent, and when its state was last heard of; never in this process when it was read from the database.
#[derive(Debug)]
struct Cached {
    known: Arc<Known>,
    heard_at: Option<Instant>,
    /// The same, of what shows every change that this control plane has caused.
    fresh_at: Option<Instant>,
    /// When a call that may have changed it was last answered: what was asked for before does not show the change.
    changed_at: Option<Instant>,
    /// Held by who asks its runtime for it.
    asking: Option<Asking>,
}

/// The lock of who asks a runtime for an agent: those who wait for it find the answer here.
pub type Asking = Arc<AsyncMutex<()>>;

impl Cached {
    fn new(agent: Agent) -> Self {
        let known = Arc::new(Known::new(agent));
        Self { known, heard_at: None, fresh_at: None, changed_at: None, asking: None }
    }

    fn agent(&self) -> &Agent {
        self.known.agent()
    }

    /// Whether what was heard may be of a time before the last change.
    fn is_outdated(&self, heard: Heard) -> bool {
        match heard {
            Heard::Asked(at) => self.changed_at.is_some_and(|changed_at| at < changed_at),
            // Once somebody has asked since the change, what is told is no older than that answer, or is passed over.
            Heard::Told => self.changed_at.is_some() && self.fresh_at.is_none(),
            Heard::Changed => false,
        }
    }

    fn was_heard(&mut self, heard: Heard) {
        let now = Instant::now();
        if let Heard::Changed = heard {
            self.changed_at = Some(now);
        }
        self.heard_at = Some(now);
        if !self.is_outdated(heard) {
            self.fresh_at = Some(now);
        }
    }
}

impl AgentCache {
    /// A cache filled with the published agents. New events are appended to `log`, which is in the same database.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(
        published: Arc<dyn PublishedAgents>,
        log: EventLog,
        runtimes: HashSet<String>,
    ) -> Result<Self, StoreError> {
        let agents = published.all().await?.into_iter();
        let agents = agents.map(|agent| (agent.id.clone(), Cached::new(agent))).collect();
        Ok(Self {
            published,
            log,
            agents: Mutex::new(agents),
            runtimes,
            lists: Mutex::default(),
            departed_tx: watch::Sender::new(()),
            parts: Parts::default(),
        })
    }

    /// The agent with this id.
    pub fn get(&self, id: &AgentId) -> Option<Agent> {
        self.agents().get(id).map(|cached| cached.agent().clone())
    }

    /// The name of the runtime that has this agent.
    pub fn runtime_of(&self, id: &AgentId) -> Option<String> {
        self.agents().get(id).map(|cached| cached.agent().runtime.clone())
    }

    /// The agent, when its state is fresh.
    pub fn get_fresh(&self, id: &AgentId) -> Option<Arc<Known>> {
        let agents = self.agents();
        let cached = agents.get(id)?;
        cached.fresh_at.is_some_and(|at| at.elapsed() < FRESH_FOR).then(|| cached.known.clone())
    }

    /// The lock of who asks for this agent; none for one that is not known here.
    pub fn asking(&self, id: &AgentId) -> Option<Asking> {
        Some(self.agents().get_mut(id)?.asking.get_or_insert_default().clone())
    }

    /// Every agent, in no order.
    pub fn all(&self) -> Vec<Arc<Known>> {
        self.agents().values().map(|cached| cached.known.clone()).collect()
    }

    /// The agents of all other runtimes than these, in no order.
    pub fn elsewhere(&self, runtimes: &[String]) -> Vec<Arc<Known>> {
        let agents = self.agents();
        let others = agents.values().filter(|cached| !runtimes.contains(&cached.agent().runtime));
        others.map(|cached| cached.known.clone()).collect()
    }

    /// What agents need a person for, each by a name of its own: what they ask, and that they are not served any more.
    pub fn attentions(&self) -> HashSet<String> {
        let agents = self.agents();
        let living = agents.values().map(Cached::agent).filter(|agent| agent.status != AgentStatus::Stopped);
        let occasions = living.filter_map(|agent| match (&agent.attention, &agent.error) {
            (Some(asked), _) => Some(asked.id.clone()),
            (None, Some(error)) if NEEDS_PERSON.contains(&error.code.as_str()) => {
                // A host of an earlier version does not say since when.
                let since = error.since.map(|since| since.to_string()).unwrap_or_default();
                Some(format!("{}/{}/{since}", agent.id, error.code))
            }
            _ => None,
        });
        occasions.collect()
    }

    /// Inserts or replaces an agent, unless a newer state is cached. `agent.runtime` is the runtime's name here.
    pub fn upsert(&self, agent: Agent, heard: Heard) {
        self.upsert_all([agent], heard);
    }

    /// What is known of an agent after something was heard of it; none when another runtime has it.
    fn hear(&self, agents: &mut HashMap<AgentId, Cached>, agent: Agent, heard: Heard) -> Option<Upserted> {
        (!self.is_anothers(agents, &agent.id, &agent.runtime)).then(|| upsert(agents, agent, heard))
    }

    /// Whether another runtime has this agent: one may not take it over by speaking of it, nor answer for it.
    pub fn belongs_to_another(&self, id: &AgentId, runtime: &str) -> bool {
        self.is_anothers(&self.agents(), id, runtime)
    }

    fn is_anothers(&self, agents: &HashMap<AgentId, Cached>, id: &AgentId, runtime: &str) -> bool {
        let owner = agents.get(id).map(|cached| cached.agent().runtime.as_str());
        let other = owner.filter(|owner| *owner != runtime && self.runtimes.contains(*owner));
        if let Some(owner) = other {
            static WARNED: Once = Once::new();
            // Once: a runtime must not be able to fill the log.
            WARNED.call_once(|| {
                tracing::warn!(agent.id = %id, runtime, owner, "a runtime speaks of another one's agent, and is not heard");
            });
        }
        other.is_some()
    }

    /// What is on which page may be another after a change.
    fn note(&self, upserted: &Upserted) {
        if upserted.is_news {
            self.parts.expire(&upserted.known.agent().runtime);
        }
    }

    /// Removes an agent that its runtime does not have any more.
    pub fn remove(&self, id: &AgentId) {
        if self.agents().remove(id).is_some() {
            self.departed_tx.send_replace(());
        }
    }

    /// Changes whenever agents are not there any more: what is kept about them elsewhere can go.
    pub fn departures(&self) -> watch::Receiver<()> {
        self.departed_tx.subscribe()
    }

    /// The agent may have changed, by a call whose response does not show it: the next request asks its runtime.
    pub fn expire(&self, id: &AgentId) {
        let runtime = self.agents().get_mut(id).map(|cached| {
            (cached.fresh_at, cached.changed_at) = (None, Some(Instant::now()));
            // Who asks now does so before the change.
            cached.asking = None;
            cached.agent().runtime.clone()
        });
        if let Some(runtime) = runtime {
            // One that is being read was asked for before the change, and expires with the lock's entry.
            self.lists().remove(&runtime);
            self.parts.expire(&runtime);
        }
    }

    /// Reads the runtime's list, unless that was done just now.
    ///
    /// # Errors
    /// As [`AgentCache::resync`].
    pub async fn refresh(&self, runtime: &Runtime) -> Result<(), Problem> {
        let read_at = self.lists().entry(runtime.name().to_owned()).or_default().clone();
        let mut read_at = read_at.lock().await;
        if read_at.is_none_or(|at| at.elapsed() >= FRESH_FOR) {
            let asked_at = Instant::now();
            self.resync(runtime).await?;
            *read_at = Some(asked_at);
        }
        Ok(())
    }

    /// Replaces the cached agents of a runtime by its own list, and says who is on it.
    ///
    /// # Errors
    /// When the runtime does not answer; the cache is then unchanged.
    pub async fn resync(&self, runtime: &Runtime) -> Result<HashSet<AgentId>, Problem> {
        let asked_at = Instant::now();
        let before = self.ids_of(runtime.name());
        let listed = list(runtime).await?;
        let on_it: HashSet<AgentId> = listed.iter().map(|agent| agent.id.clone()).collect();
        let gone: HashSet<AgentId> = before.into_iter().filter(|id| !on_it.contains(id)).collect();
        self.upsert_all(listed, Heard::Asked(asked_at));
        self.forget(gone, asked_at).await?;
        Ok(on_it)
    }

    fn upsert_all(&self, listed: impl IntoIterator<Item = Agent>, heard: Heard) {
        let mut agents = self.agents();
        for agent in listed {
            if let Some(upserted) = self.hear(&mut agents, agent, heard) {
                self.note(&upserted);
            }
        }
    }

    /// Removes agents that were missing in what their runtime was asked for at `asked_at`. Those of whom something was heard since
    /// then are not gone: they were spawned meanwhile, or again.
    async fn forget(&self, mut gone: HashSet<AgentId>, asked_at: Instant) -> Result<(), StoreError> {
        let is_unheard = |cached: &Cached| cached.heard_at.is_none_or(|at| at < asked_at);
        {
            let agents = self.agents();
            gone.retain(|id| agents.get(id).is_some_and(is_unheard));
        }
        if gone.is_empty() {
            return Ok(());
        }
        // First, so that what fails here is tried again by the next list. Keep the row of an agent whose last published status is
        // running: its `agent_stopped` event has not arrived yet, or `sync` makes one.
        match self.published.delete_stopped(gone.iter().cloned().collect()).await {
            // The first list of the next server deletes them.
            Ok(()) | Err(StoreError::Full(_)) => {}
            Err(error) => return Err(error),
        }
        self.agents().retain(|id, cached| !gone.contains(id) || !is_unheard(cached));
        self.departed_tx.send_replace(());
        Ok(())
    }

    fn ids_of(&self, runtime: &str) -> Vec<AgentId> {
        let agents = self.agents();
        let of_runtime = agents.values().map(Cached::agent).filter(|agent| agent.runtime == runtime);
        of_runtime.map(|agent| agent.id.clone()).collect()
    }

    fn agents(&self) -> MutexGuard<'_, HashMap<AgentId, Cached>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lists(&self) -> MutexGuard<'_, HashMap<String, Arc<AsyncMutex<Option<Instant>>>>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
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

/// What is known of an agent after something was heard of it, and whether that is news.
struct Upserted {
    known: Arc<Known>,
    is_news: bool,
}

/// Makes `agent` what is known, unless something newer is.
fn upsert(agents: &mut HashMap<AgentId, Cached>, agent: Agent, heard: Heard) -> Upserted {
    let Some(cached) = agents.get_mut(&agent.id) else {
        let (id, mut cached) = (agent.id.clone(), Cached::new(agent));
        cached.was_heard(heard);
        let known = cached.known.clone();
        agents.insert(id, cached);
        return Upserted { known, is_news: true };
    };
    // A list and an event may overtake each other: what is known is newer than what was heard just now.
    let is_older = match cached.agent().age().cmp(&agent.age()) {
        Ordering::Less => false,
        Ordering::Equal => matches!(heard, Heard::Asked(_)) && cached.is_outdated(heard),
        Ordering::Greater => true,
    };
    // Where nothing is new, what was written of it stays.
    let is_news = !is_older && *cached.agent() != agent;
    if is_news {
        cached.known = Arc::new(Known::new(agent));
        cached.asking = None;
    }
    cached.was_heard(heard);
    Upserted { known: cached.known.clone(), is_news }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_words_for_every_error_that_needs_a_person_and_no_other() {
        let page = include_str!("../ui/src/features/attention/trouble.ts");
        let (_, table) = page.split_once("const TROUBLES: Record<string, Words> = {\n").expect("its table");
        let (table, _) = table.split_once("\n};").expect("its end");
        let keys = table.lines().filter_map(|line| {
            let (key, value) = line.strip_prefix("  ")?.split_once(": ")?;
            (value.starts_with('{') && !key.starts_with(' ')).then_some(key)
        });
        assert_eq!(keys.collect::<HashSet<_>>(), HashSet::from(NEEDS_PERSON));
    }
}
