//! Messages whose answer is not wanted any more: a step took too long, or the run is cancelled.
//!
//! A message that still waits at its agent would be typed when the agent gets to it, so it is withdrawn.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::future::join_all;
use parallax_api::AgentId;
use parallax_api::execution::TeamMember;

use super::engine::Engine;

/// The ids of messages at their agents, by key. Those that were sent before a restart are not known.
#[derive(Default)]
pub(super) struct AcceptedMessages(Mutex<HashMap<String, Accepted>>);

#[derive(Clone)]
struct Accepted {
    agent: AgentId,
    message: String,
}

impl AcceptedMessages {
    /// The agent has accepted a message.
    pub fn add(&self, key: &str, agent: &AgentId, message: &str) {
        self.lock().insert(key.to_owned(), Accepted { agent: agent.clone(), message: message.to_owned() });
    }

    /// The message has an answer, or will have none.
    pub fn remove(&self, key: &str) {
        self.lock().remove(key);
    }

    fn get(&self, key: &str) -> Option<Accepted> {
        self.lock().get(key).cloned()
    }

    fn take_of(&self, agent: &AgentId) -> Vec<Accepted> {
        self.lock().extract_if(|_, accepted| accepted.agent == *agent).map(|(_, accepted)| accepted).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Accepted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Has the agent not do this message, or not go on with it. Returns whether it can take another one.
    pub(super) async fn take_back(&self, member: &TeamMember, key: &str) -> bool {
        if let Some(waiting) = self.accepted.get(key) {
            let has_waited = self.withdraw_message(&waiting).await;
            // Only now: the run may end while this is on its way, and does it then.
            self.accepted.remove(key);
            if has_waited {
                return true;
            }
        }
        // An unmanaged agent also works for others, so it is not interrupted: its answer is ignored.
        !member.managed || self.agents.interrupt(&member.agent_id).await.is_ok()
    }

    /// Withdraws what waits at agents that others go on using, at the end of the run. The others are stopped.
    pub(super) async fn withdraw_messages(&self) {
        let unmanaged: Vec<AgentId> = self.store.read(|state| {
            let members = state.present().filter(|member| !member.managed);
            members.map(|member| member.agent_id.clone()).collect()
        });
        let waiting: Vec<Accepted> =
            unmanaged.iter().flat_map(|agent| self.accepted.take_of(agent)).collect();
        join_all(waiting.iter().map(|message| self.withdraw_message(message))).await;
    }

    /// Whether it waited. It is at work otherwise, or its agent is gone.
    async fn withdraw_message(&self, Accepted { agent, message }: &Accepted) -> bool {
        self.retry_until_certain(|| self.agents.withdraw(agent, message)).await.is_ok()
    }
}
