//! The repository of runs and their events.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use parallax_api::Time;
use parallax_api::execution::{ExecutionEventData, ExecutionStatus};

use crate::StoreError;

/// An event of a run.
#[derive(Clone, Debug)]
pub struct RunEventRow {
    /// Its number in the run, from 1.
    pub seq: u64,
    /// What happened.
    pub data: ExecutionEventData,
    /// When.
    pub at: Time,
}

/// A run that is to be stored.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Its id.
    pub id: String,
    /// The name of its pattern.
    pub pattern: String,
    /// The pattern file.
    pub source: String,
    /// Its first event.
    pub started: RunEventRow,
}

/// A run in a list.
#[derive(Clone, Debug)]
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// The name of its pattern.
    pub pattern: String,
    /// Its status.
    pub status: ExecutionStatus,
    /// When it was started.
    pub created_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
}

/// A run that has not ended.
#[derive(Clone, Debug)]
pub struct SourceRow {
    /// Its id.
    pub id: String,
    /// The pattern file.
    pub source: String,
}

/// Which runs to list.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Those with this status.
    pub status: Option<ExecutionStatus>,
    /// Those of this pattern.
    pub pattern: Option<String>,
    /// So many at most.
    pub limit: usize,
}

/// How the server ended that worked on a run before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviousServer {
    /// It was stopped, or there was none.
    Stopped,
    /// It died.
    Died,
    /// The last servers died while they loaded the run.
    DiesLoading,
}

/// Runs and their events.
#[async_trait]
pub trait RunStore: Debug + Send + Sync {
    /// Stores a run with its first event, and deletes the oldest ended ones beyond `keep_ended`; false when the id is
    /// taken.
    async fn create(&self, run: NewRun, keep_ended: usize) -> Result<bool, StoreError>;

    /// Takes an unfinished run for this server, before it is loaded. A run that is created here is taken already.
    async fn acquire(&self, id: &str) -> Result<PreviousServer, StoreError>;

    /// Gives a run back: this server stops.
    async fn release(&self, id: &str) -> Result<(), StoreError>;

    /// The runs that have not ended.
    async fn unfinished(&self) -> Result<Vec<SourceRow>, StoreError>;

    /// The pattern file that a run began with.
    async fn source(&self, id: &str) -> Result<Option<String>, StoreError>;

    /// Stores events of a run, and its status when one of them is its end.
    async fn append(&self, id: &str, events: Vec<RunEventRow>) -> Result<(), StoreError>;

    /// The events of a run after the number `after`, at most `limit`.
    async fn events(&self, id: &str, after: u64, limit: usize) -> Result<Vec<RunEventRow>, StoreError>;

    /// Marks a run as failed whose events are damaged.
    async fn give_up(&self, id: &str, at: Time) -> Result<(), StoreError>;

    /// Runs, the newest first.
    async fn list(&self, filter: RunFilter) -> Result<Vec<RunRow>, StoreError>;

    /// The statuses of those of these runs that are stored.
    async fn statuses(&self, ids: Vec<String>) -> Result<BTreeMap<String, ExecutionStatus>, StoreError>;
}
