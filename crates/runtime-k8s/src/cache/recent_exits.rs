//! How pods ended that are gone: asked for a moment after the watch reported the deletion.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use parallax_api::{AgentExit, AgentId};

/// The oldest entries are dropped beyond this number.
const MAX_EXITS: usize = 1000;

/// The exits of the pods that were deleted last.
#[derive(Default)]
pub(super) struct RecentExits(Mutex<VecDeque<(AgentId, AgentExit)>>);

impl RecentExits {
    pub(super) fn push(&self, id: AgentId, exit: AgentExit) {
        let mut exits = self.lock();
        exits.push_back((id, exit));
        let surplus = exits.len().saturating_sub(MAX_EXITS);
        exits.drain(..surplus);
    }

    pub(super) fn get(&self, id: &AgentId) -> Option<AgentExit> {
        self.lock().iter().rev().find(|(agent, _)| agent == id).map(|(_, exit)| exit.clone())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(AgentId, AgentExit)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
