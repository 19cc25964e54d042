//! The repository of what agents use over time.

use std::fmt::Debug;

use async_trait::async_trait;
use parallax_api::usage::{AgentUsage, UsagePoint, UsageSpan};
use parallax_api::{AgentId, Time};

use crate::StoreError;

/// What was measured of an agent last.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredAgent {
    /// The figures.
    pub usage: AgentUsage,
    /// Whether it had ended: there will be nothing more to measure.
    pub has_ended: bool,
}

/// What was measured at once.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// All agents together. Its time is that of the measurement.
    pub total: UsagePoint,
    /// Each agent that was measured.
    pub agents: Vec<MeasuredAgent>,
}

/// What agents use, by the minute and by the hour.
#[async_trait]
pub trait UsageStore: Debug + Send + Sync {
    /// Adds a measurement to its minute and its hour, and deletes what is older than the series go back, or more than is kept.
    async fn record(&self, measurement: Measurement) -> Result<(), StoreError>;

    /// What was measured last of each agent that is not forgotten.
    async fn latest(&self) -> Result<Vec<MeasuredAgent>, StoreError>;

    /// What all agents together had used when they were measured last.
    async fn last_total(&self) -> Result<Option<UsagePoint>, StoreError>;

    /// The series of an agent, or of all together, from `since` on: oldest first, at most [`UsageSpan::points`], the newest.
    async fn series(
        &self,
        agent: Option<&AgentId>,
        span: UsageSpan,
        since: Option<Time>,
    ) -> Result<Vec<UsagePoint>, StoreError>;

    /// Deletes all that is known of these agents. What they used stays in the series of all.
    async fn forget(&self, agents: Vec<AgentId>) -> Result<(), StoreError>;
}
