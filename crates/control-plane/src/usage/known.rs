//! What is known of agents, and what those had used that are not there any more.

use std::collections::{HashMap, VecDeque};

use parallax_api::AgentId;
use parallax_api::usage::AgentUsage;
use parallax_store::MeasuredAgent;

use super::figures::Reading;

/// Agents that are gone of whom is remembered what they had used, the last ones. One that comes back after more have gone counts anew.
const MAX_DEPARTED: usize = 1000;

/// What is known of an agent.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) measured: MeasuredAgent,
    /// The CPU time, where this server measured it.
    pub(super) reading: Option<Reading>,
}

/// The agents that were measured.
#[derive(Debug, Default)]
pub(super) struct KnownAgents {
    agents: HashMap<AgentId, Known>,
    /// Those that no runtime had any more, the last one at the end. Whoever is missing in one list of its runtime and is in the next
    /// has used nothing twice.
    departed: VecDeque<AgentUsage>,
}

impl KnownAgents {
    /// Those that an earlier server measured.
    pub(super) fn after(latest: Vec<MeasuredAgent>) -> Self {
        let known =
            |measured: MeasuredAgent| (measured.usage.agent_id.clone(), Known { measured, reading: None });
        Self { agents: latest.into_iter().map(known).collect(), departed: VecDeque::new() }
    }

    pub(super) fn get(&self, id: &AgentId) -> Option<&Known> {
        self.agents.get(id)
    }

    /// In no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Known> {
        self.agents.values()
    }

    /// What an agent is counted with in what all have used: also one that was gone meanwhile.
    pub(super) fn counted(&self, id: &AgentId) -> Option<&AgentUsage> {
        let known = self.agents.get(id).map(|known| &known.measured.usage);
        known.or_else(|| self.departed.iter().find(|usage| usage.agent_id == *id))
    }

    pub(super) fn insert(&mut self, id: AgentId, known: Known) {
        if self.agents.insert(id.clone(), known).is_none() {
            self.departed.retain(|usage| usage.agent_id != id);
        }
    }

    /// Forgets those that are gone, but for what they are counted with, and says who they are.
    pub(super) fn forget(&mut self, is_gone: impl Fn(&AgentId) -> bool) -> Vec<AgentId> {
        let gone: Vec<AgentId> = self.agents.keys().filter(|id| is_gone(id)).cloned().collect();
        self.departed.extend(gone.iter().filter_map(|id| Some(self.agents.remove(id)?.measured.usage)));
        let too_many = self.departed.len().saturating_sub(MAX_DEPARTED);
        self.departed.drain(..too_many);
        gone
    }
}
