//! What outlives a server, behind repositories that are named for what they keep.
//!
//! Each repository is a small trait: [`EventStore`], [`IdempotencyStore`], [`PublishedAgents`], [`SpawnAttempts`],
//! [`PatternStore`], [`PresetStore`], [`DeviceStore`], [`RunStore`] and, in databases of their own, [`TextIndex`] and [`UsageStore`] for a control plane; [`EventStore`], [`IdempotencyStore`], [`AgentTable`] for a runtime.
//! [`sqlite`] implements them over one database in the server's state directory. Nothing outside of [`sqlite`] knows
//! SQL, so another database is another module beside it.
//!
//! Every write is one transaction. A write that finds no room fails with [`StoreError::Full`] and changes nothing; the
//! callers that can go on from memory do. [`StorageHealth`] says how the storage is, for `/ready`.

mod agents;
mod attempts;
mod devices;
mod error;
mod events;
mod health;
mod idempotency;
mod os;
mod patterns;
mod presets;
mod published;
mod runs;
pub mod sqlite;
mod texts;
mod usage;

use std::sync::Arc;

pub use agents::{AgentRow, AgentTable};
pub use attempts::SpawnAttempts;
pub use devices::{DeviceRow, DeviceStore};
pub use error::StoreError;
pub use events::{
    EventBatch, EventPage, EventRow, EventStore, LogHead, NewEvent, Projection, SourcePosition, WrittenEvent,
};
pub use health::StorageHealth;
pub use idempotency::{IdempotencyStore, KeyRow, KeyState};
pub use patterns::{PatternRow, PatternStore, Put};
pub use presets::PresetStore;
pub use published::PublishedAgents;
pub use runs::{NewRun, PreviousServer, RunEventRow, RunFilter, RunRow, RunStore, SourceRow};
pub use texts::{FoundText, TextIndex, TextPosition, TextQuery, TextRow};
pub use usage::{MeasuredAgent, Measurement, UsageStore};

/// The repositories of a control plane.
#[derive(Clone, Debug)]
pub struct ControlPlaneStores {
    /// The event log.
    pub events: Arc<dyn EventStore>,
    /// Responses by idempotency key.
    pub idempotency: Arc<dyn IdempotencyStore>,
    /// Each agent as its last published event showed it.
    pub published: Arc<dyn PublishedAgents>,
    /// Spawn requests whose outcome is unknown.
    pub attempts: Arc<dyn SpawnAttempts>,
    /// The stored patterns.
    pub patterns: Arc<dyn PatternStore>,
    /// The stored presets.
    pub presets: Arc<dyn PresetStore>,
    /// Devices that are told by Web Push.
    pub devices: Arc<dyn DeviceStore>,
    /// Runs and their events.
    pub runs: Arc<dyn RunStore>,
    /// How the storage is.
    pub health: StorageHealth,
}

/// The repositories of a runtime server.
#[derive(Clone, Debug)]
pub struct RuntimeStores {
    /// The event log.
    pub events: Arc<dyn EventStore>,
    /// Responses by idempotency key.
    pub idempotency: Arc<dyn IdempotencyStore>,
    /// The runtime's agents.
    pub agents: Arc<dyn AgentTable>,
    /// How the storage is.
    pub health: StorageHealth,
}
