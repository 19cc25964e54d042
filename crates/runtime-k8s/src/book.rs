//! What this server knows of agents that the cluster does not: who is being launched, who was asked for, what they show.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use parallax_api::{Agent, AgentId, Problem};

use crate::resource::ParallaxAgent;

/// The notes of one server. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Book(Arc<Mutex<HashMap<AgentId, Note>>>);

/// What is noted of one agent.
#[derive(Clone, Default)]
pub(crate) struct Note {
    /// The resource it is launched for, while somebody waits for its host.
    pub(crate) asked: Option<Arc<ParallaxAgent>>,
    /// Somebody waits for its host.
    pub(crate) launching: bool,
    /// Its host has answered.
    pub(crate) answered: bool,
    /// Its host was told to end it.
    pub(crate) stopping: bool,
    /// Where it waits, for people.
    pub(crate) waits: Option<String>,
    /// Why it was not launched.
    pub(crate) refusal: Option<Problem>,
    /// What it shows.
    pub(crate) shown: Option<Agent>,
}

impl Book {
    /// What is noted of an agent; nothing, for one that nobody noted.
    pub(crate) fn of(&self, id: &AgentId) -> Note {
        self.lock().get(id).cloned().unwrap_or_default()
    }

    /// Changes what is noted.
    pub(crate) fn note(&self, id: &AgentId, change: impl FnOnce(&mut Note)) {
        change(self.lock().entry(id.clone()).or_default());
    }

    /// Forgets an agent whose resource is gone.
    pub(crate) fn forget(&self, id: &AgentId) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, Note>> {
        self.0.lock().expect("nothing panics while it is locked")
    }
}
