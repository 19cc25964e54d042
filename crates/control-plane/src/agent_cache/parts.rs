//! A page of the list: each runtime is asked for its part of it, whatever else it has.
//!
//! What is asked for again within [`FRESH_FOR`] is answered from here, unless something else was heard of an agent of the runtime meanwhile.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use parallax_api::{Agent, AgentId, Problem};
use parallax_service::known::Known;
use parallax_service::listing::{AgentsQuery, Place};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::{AgentCache, Cached, FRESH_FOR, Heard};
use crate::runtimes::Runtime;

/// Parts that are remembered at most; when there are more, all are asked for again.
const MAX_PARTS: usize = 256;

/// What a runtime has on a page.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Its agents, oldest first, as they are known by now.
    pub agents: Vec<Arc<Known>>,
    /// The place of the last one that it told of, when it has more behind that.
    pub more_after: Option<Place>,
}

/// The parts that were read last, by runtime and query. Each is locked while it is read: those who wait use the same one.
#[derive(Debug, Default)]
pub(super) struct Parts(Mutex<HashMap<Key, Slot>>);

type Key = (String, Vec<(&'static str, String)>);
type Slot = Arc<AsyncMutex<Option<(Instant, Part)>>>;

impl Parts {
    fn slot(&self, key: Key) -> Slot {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if parts.len() >= MAX_PARTS && !parts.contains_key(&key) {
            parts.clear();
        }
        parts.entry(key).or_default().clone()
    }

    /// An agent of this runtime may have changed.
    pub(super) fn expire(&self, runtime: &str) {
        // One that is being read was asked for before the change, and expires with the lock's entry.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _), _| of != runtime);
    }
}

impl AgentCache {
    /// The runtime's part of the page that `query` asks for.
    ///
    /// # Errors
    /// When the runtime does not answer.
    pub async fn part(&self, runtime: &Runtime, query: &AgentsQuery) -> Result<Part, Problem> {
        let mut asked = query.filters();
        asked.push(("limit", query.size()?.to_string()));
        asked.extend(query.cursor.clone().map(|cursor| ("cursor", cursor)));
        let slot = self.parts.slot((runtime.name().to_owned(), asked.clone()));
        let mut last = slot.lock().await;
        if let Some((_, part)) = last.as_ref().filter(|(asked_at, _)| asked_at.elapsed() < FRESH_FOR) {
            return Ok(self.as_known_now(part));
        }
        let asked_at = Instant::now();
        let start = query.start()?;
        let before = match query.filters().is_empty() {
            true => self.places_behind(runtime.name(), start.as_ref()),
            false => Vec::new(),
        };
        let list = runtime.client().list_page(&asked).await.inspect_err(|_| runtime.recheck())?;
        let more_after = list.agents.last().filter(|_| list.next_cursor.is_some()).map(Place::of);
        let agents = self.upsert_page(runtime.name(), list.agents, Heard::Asked(asked_at));
        let part = Part { agents, more_after };
        self.take_away(&part, before, asked_at).await;
        *last = Some((asked_at, part.clone()));
        Ok(part)
    }

    fn upsert_page(&self, runtime: &str, listed: Vec<Agent>, heard: Heard) -> Vec<Arc<Known>> {
        let mut known = self.agents();
        let listed = listed.into_iter().map(|agent| Agent { runtime: runtime.into(), ..agent });
        listed.filter_map(|agent| Some(self.hear(&mut known, agent, heard)?.known)).collect()
    }

    /// Where the agents of a runtime stand that come behind this place.
    fn places_behind(&self, runtime: &str, start: Option<&Place>) -> Vec<Place> {
        let agents = self.agents();
        let of_runtime = agents.values().map(Cached::agent).filter(|agent| agent.runtime == runtime);
        let behind = of_runtime.filter(|agent| start.is_none_or(|start| start.is_before(agent)));
        behind.map(Place::of).collect()
    }

    /// Removes those of `before` that would be in this part if their runtime still had them.
    async fn take_away(&self, part: &Part, before: Vec<Place>, asked_at: Instant) {
        let on_it: HashSet<Place> = part.agents.iter().map(|known| Place::of(known.agent())).collect();
        let is_in = |place: &Place| part.more_after.as_ref().is_none_or(|end| place <= end);
        let gone = before.into_iter().filter(|place| is_in(place) && !on_it.contains(place));
        let gone: HashSet<AgentId> = gone.map(Place::into_id).filter_map(|id| id.parse().ok()).collect();
        if let Err(error) = self.forget(gone, asked_at).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "agents that are gone could not be forgotten; the next list does it");
        }
    }

    /// Without those that are gone.
    fn as_known_now(&self, part: &Part) -> Part {
        let known = self.agents();
        let agents = part.agents.iter().filter_map(|agent| known.get(&agent.agent().id));
        Part { agents: agents.map(|cached| cached.known.clone()).collect(), ..part.clone() }
    }
}
