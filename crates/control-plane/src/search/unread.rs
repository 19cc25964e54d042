//! Agents that could not be read: named with what is found, and asked again when somebody searches.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use parallax_api::AgentId;
use tokio::sync::Notify;

/// Of agents that are known, those whose texts could not be read when they were last asked for.
#[derive(Debug, Default)]
pub(super) struct Unread {
    agents: Mutex<BTreeSet<AgentId>>,
    wanted: Notify,
}

impl Unread {
    /// Whether this agent's texts could be read.
    pub(super) fn note(&self, id: &AgentId, is_unread: bool) {
        let mut agents = self.agents();
        if is_unread {
            agents.insert(id.clone());
        } else {
            agents.remove(id);
        }
    }

    /// Who they are, in a search: they are to be asked again.
    pub(super) fn wanted(&self) -> Vec<AgentId> {
        let agents: Vec<AgentId> = self.agents().iter().cloned().collect();
        if !agents.is_empty() {
            self.wanted.notify_one();
        }
        agents
    }

    /// Returns when somebody has searched since it last did.
    pub(super) async fn is_wanted(&self) {
        self.wanted.notified().await;
    }

    pub(super) fn retain(&self, is_there: impl Fn(&AgentId) -> bool) {
        self.agents().retain(|id| is_there(id));
    }

    fn agents(&self) -> MutexGuard<'_, BTreeSet<AgentId>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
