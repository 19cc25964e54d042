//! Agents that could not be read: named with what is found, and asked again when somebody searches.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use parallax_api::AgentId;
use tokio::sync::Notify;

/// Of agents that are known, those whose texts could not be read when they were last asked for.
#[derive(Debug, Default)]
pub(super) struct Unread {
    agents: Mutex<BTreeSet<AgentId>>,
    retry: Notify,
}

impl Unread {
    /// This agent's texts could not be read.
    pub(super) fn insert(&self, id: &AgentId) {
        self.agents().insert(id.clone());
    }

    /// This agent's texts were read.
    pub(super) fn remove(&self, id: &AgentId) {
        self.agents().remove(id);
    }

    /// Asks for another try of all of them, and says who they are.
    pub(super) fn request_retry(&self) -> Vec<AgentId> {
        let agents: Vec<AgentId> = self.agents().iter().cloned().collect();
        if !agents.is_empty() {
            self.retry.notify_one();
        }
        agents
    }

    /// Returns when another try was asked for since it last returned.
    pub(super) async fn retry_requested(&self) {
        self.retry.notified().await;
    }

    /// Keeps those for whom `is_there` holds.
    pub(super) fn retain(&self, is_there: impl Fn(&AgentId) -> bool) {
        self.agents().retain(|id| is_there(id));
    }

    fn agents(&self) -> MutexGuard<'_, BTreeSet<AgentId>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
