//! The repository of published agents. Rows are written with events, see [`crate::Projection`].

use std::fmt::Debug;

use async_trait::async_trait;
use parallax_api::{Agent, AgentId};

use crate::StoreError;

/// Each agent as its last published event showed it.
#[async_trait]
pub trait PublishedAgents: Debug + Send + Sync {
    /// Every agent.
    async fn all(&self) -> Result<Vec<Agent>, StoreError>;

    /// The agents of one runtime.
    async fn of(&self, runtime: &str) -> Result<Vec<Agent>, StoreError>;

    /// Deletes those of these agents whose stop was published.
    async fn delete_stopped(&self, ids: Vec<AgentId>) -> Result<(), StoreError>;
}
