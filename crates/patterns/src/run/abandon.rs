//! Messages whose answer is not wanted any more: a step took too long, or the run is cancelled.
//!
//! A message that still waits at its agent would be typed when the agent gets to it, so it is withdrawn.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::future::join_all;
use parallax_api::AgentId;
use parallax_api::execution::TeamMember;

use super::engine::Engine;

/// The ids of messages at their agents, by key. Those that were sent before a restart are not known, nor those whose sender was given up
/// before it heard the id: they are looked for.
#[derive(Default)]
pub(super) struct AcceptedMessages(Mutex<HashMap<String, String>>);

impl AcceptedMessages {
    /// An agent has accepted a message.
    pub fn add(&self, key: &str, message: &str) {
        self.lock().insert(key.to_owned(), message.to_owned());
    }

    /// The message has an answer, or will have none.
    pub fn remove(&self, key: &str) {
        self.lock().remove(key);
    }

    fn get(&self, key: &str) -> Option<String> {
        self.lock().get(key).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Has the agent not do this message, or not go on with it. Returns whether it can take another one.
    pub(super) async fn take_back(&self, member: &TeamMember, key: &str) -> bool {
        // An unmanaged agent also works for others, so it is not interrupted: its answer is ignored.
        self.withdraw_message(&member.agent_id, key).await
            || !member.managed
            || self.agents.interrupt(&member.agent_id).await.is_ok()
    }

    /// Withdraws what waits at agents that others go on using, at the end of the run. The others are stopped.
    pub(super) async fn withdraw_messages(&self) {
        let waiting: Vec<(String, AgentId)> = self.store.read(|state| {
            let is_others =
                |agent: &AgentId| state.present().any(|member| member.agent_id == *agent && !member.managed);
            let in_flight =
                state.conversations().in_flight().filter(|(_, message)| is_others(&message.agent));
            in_flight.map(|(key, message)| (key.clone(), message.agent.clone())).collect()
        });
        join_all(waiting.iter().map(|(key, agent)| self.withdraw_message(agent, key))).await;
    }

    /// Whether it waited. It is at work otherwise, or its agent is gone.
    async fn withdraw_message(&self, agent: &AgentId, key: &str) -> bool {
        let Some(message) = self.message_at(agent, key).await else { return false };
        let withdrawn = self.retry_until_certain(|| self.agents.withdraw(agent, &message)).await;
        // Only now: the run may end while this is on its way, and does it then.
        self.accepted.remove(key);
        withdrawn.is_ok()
    }

    /// The id of a message that may wait at its agent.
    async fn message_at(&self, agent: &AgentId, key: &str) -> Option<String> {
        if let Some(known) = self.accepted.get(key) {
            return Some(known);
        }
        let sent = self.store.read(|state| state.conversations().message(key).cloned())?;
        let found = self.retry_until_certain(|| self.agents.waiting(agent, &sent.text, sent.sent_at)).await;
        found.ok().flatten()
    }
}
