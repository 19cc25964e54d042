//! The repository of spawn attempts.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::StoreError;

/// Which runtime was last asked for which agent, until its answer is known. An attempt is kept as long as the
/// idempotency key that leads back to it.
#[async_trait]
pub trait SpawnAttempts: Debug + Send + Sync {
    /// The runtime that was asked for this agent and may have spawned it.
    async fn pending(&self, agent_id: &str) -> Result<Option<String>, StoreError>;

    /// This runtime is about to be asked.
    async fn begin(&self, agent_id: &str, runtime: &str) -> Result<(), StoreError>;

    /// The outcome is known.
    async fn end(&self, agent_id: &str) -> Result<(), StoreError>;
}
