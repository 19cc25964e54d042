//! The state that the routes share.

use std::ops::Deref;
use std::sync::Arc;

use parallax_service::events::EventLog;
use parallax_service::idempotency::Idempotency;
use parallax_service::shutdown::Shutdown;
use parallax_store::StorageHealth;

use crate::agent_cache::AgentCache;
use crate::locate::AgentLocator;
use crate::patterns::{Library, Runs};
use crate::ports::Ports;
use crate::presets::Presets;
use crate::push::Push;
use crate::runtimes::Runtimes;
use crate::search::Search;
use crate::spawn::Spawner;
use crate::usage::Usage;

/// A control plane, as its routes have it. Clones share one: every request makes several of them.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

impl App {
    /// The control plane that consists of these.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The parts of a control plane.
#[derive(Debug)]
pub struct Parts {
    /// The runtimes.
    pub runtimes: Arc<Runtimes>,
    /// The last known state of every agent.
    pub cache: Arc<AgentCache>,
    /// Finds the runtime of an agent, and lists agents.
    pub locator: AgentLocator,
    /// Spawns agents.
    pub spawner: Spawner,
    /// The events of all runtimes.
    pub log: EventLog,
    /// Responses by idempotency key.
    pub idempotency: Idempotency,
    /// The stored patterns.
    pub library: Library,
    /// What agents were told, said and showed.
    pub search: Search,
    /// What agents use over time.
    pub usage: Usage,
    /// Devices that are told by Web Push.
    pub push: Push,
    /// The stored presets.
    pub presets: Presets,
    /// Ports of agents.
    pub ports: Ports,
    /// The runs of patterns.
    pub runs: Runs,
    /// How the disk and the database are.
    pub storage: StorageHealth,
    /// The server's shutdown.
    pub shutdown: Shutdown,
}
