//! A page of the list: each runtime is asked for its part of it, whatever else it has.
//!
//! What is asked for again within [`FRESH_FOR`] is answered from here, unless something else was heard of an agent of the runtime meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use parallax_api::Problem;
use parallax_service::listing::{AgentsQuery, Place};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::{AgentCache, FRESH_FOR, Known, upsert};
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
        let list = runtime.client().list_page(&asked).await.inspect_err(|_| runtime.recheck())?;
        let more_after = list.agents.last().filter(|_| list.next_cursor.is_some()).map(Place::of);
        let mut agents = Vec::with_capacity(list.agents.len());
        let mut known = self.agents();
        for mut agent in list.agents {
            runtime.name().clone_into(&mut agent.runtime);
            agents.push(upsert(&mut known, agent).known);
        }
        drop(known);
        let part = Part { agents, more_after };
        *last = Some((asked_at, part.clone()));
        Ok(part)
    }

    /// Without those that are gone.
    fn as_known_now(&self, part: &Part) -> Part {
        let known = self.agents();
        let agents = part.agents.iter().filter_map(|agent| known.get(&agent.agent().id));
        Part { agents: agents.map(|cached| cached.known.clone()).collect(), ..part.clone() }
    }
}
