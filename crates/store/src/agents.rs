//! The repository of a runtime's agents.

use std::fmt::Debug;

use async_trait::async_trait;
use parallax_api::{Agent, AgentId};

use crate::StoreError;

/// An agent as it is stored.
#[derive(Clone, Debug)]
pub struct AgentRow {
    /// As its last event showed it.
    pub agent: Agent,
    /// Whether its host was seen to start. Otherwise the server died in the middle of a spawn that was never answered.
    pub launched: bool,
}

/// The agents of a runtime: which ones there were when the last server ended, and how they ended. Rows are also written
/// with events, see [`crate::Projection`].
#[async_trait]
pub trait AgentTable: Debug + Send + Sync {
    /// Every agent that can be read. One that cannot is reported as damaged and left where it is.
    async fn all(&self) -> Result<Vec<AgentRow>, StoreError>;

    /// Stores an agent that is about to be launched.
    async fn insert_pending(&self, agent: &Agent) -> Result<(), StoreError>;

    /// Stores an agent whose host runs.
    async fn put(&self, agent: &Agent) -> Result<(), StoreError>;

    /// Deletes an agent.
    async fn delete(&self, id: &AgentId) -> Result<(), StoreError>;
}
