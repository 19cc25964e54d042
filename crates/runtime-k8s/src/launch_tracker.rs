//! What only this server knows of a launch: whether it is under way, what it waits for, how it failed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use parallax_api::{Agent, AgentId, Problem};

use tokio::time::Instant;

use crate::resource::{ExitState, ParallaxAgent};

/// The launches of one server. Clones share one state.
#[derive(Clone, Default)]
pub(crate) struct LaunchTracker(Arc<Mutex<HashMap<AgentId, LaunchState>>>);

/// The state of one agent's launch.
#[derive(Clone, Default)]
pub(crate) struct LaunchState {
    /// The resource that asked for the agent, while its launch is under way.
    pub(crate) requested_by: Option<Arc<ParallaxAgent>>,
    /// A task of this server waits for the host.
    pub(crate) launching: bool,
    /// The pod of the pool that it has, or is about to have.
    pub(crate) pod: Option<String>,
    /// The host has answered.
    pub(crate) host_answered: bool,
    /// The host was asked to end its agent.
    pub(crate) stop_requested: bool,
    /// The API was asked to stop the agent for good.
    pub(crate) is_stopping: bool,
    /// Its pod was taken away, and the controller makes another one: how the agent ended in the first.
    pub(crate) moving: Option<ExitState>,
    /// It has ended for good: what there is of it is being removed, or was. The cache may not say so yet.
    pub(crate) is_over: bool,
    /// What the launch waits for, for people.
    pub(crate) waiting_for: Option<String>,
    /// Why the launch failed.
    pub(crate) failure: Option<Problem>,
    /// The failure may pass without a change of the resource.
    pub(crate) is_transient: bool,
    /// How often the launch failed with a transient failure.
    pub(crate) failed_attempts: u32,
    /// When a launch that failed is tried again.
    pub(crate) retry_at: Option<Instant>,
    /// The agent as the server published it last.
    pub(crate) published: Option<Agent>,
}

impl LaunchState {
    /// Whether this server has to do with the agent.
    pub(crate) fn is_known(&self) -> bool {
        self.launching || self.host_answered || self.moving.is_some() || self.published.is_some()
    }
}

impl LaunchTracker {
    /// The state of an agent's launch; the default state for an agent that is not tracked.
    pub(crate) fn get(&self, id: &AgentId) -> LaunchState {
        self.lock().get(id).cloned().unwrap_or_default()
    }

    /// Changes the state of an agent's launch.
    pub(crate) fn update(&self, id: &AgentId, change: impl FnOnce(&mut LaunchState)) {
        change(self.lock().entry(id.clone()).or_default());
    }

    /// Begins anew with `next`, unless `is_ending`; says whether it did.
    pub(crate) fn begin_anew(
        &self,
        id: &AgentId,
        next: LaunchState,
        is_ending: impl FnOnce(&LaunchState) -> bool,
    ) -> bool {
        let mut begins = false;
        self.update(id, |state| {
            begins = !is_ending(state);
            if begins {
                *state = next;
            }
        });
        begins
    }

    /// Drops the state of an agent whose resource is gone.
    pub(crate) fn remove(&self, id: &AgentId) {
        self.lock().remove(id);
    }

    /// Drops the states for which `keep` is false.
    pub(crate) fn retain(&self, keep: impl Fn(&AgentId, &LaunchState) -> bool) {
        self.lock().retain(|id, state| keep(id, state));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, LaunchState>> {
        self.0.lock().expect("nothing panics while it is locked")
    }
}
