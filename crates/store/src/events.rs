//! The event log's repository.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use parallax_api::{Agent, AgentId, EventData, Time};

use crate::StoreError;

/// How far a source has been taken into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourcePosition {
    /// The source numbers its events upwards: a number not above the last one is known already.
    Seq(u64),
    /// The source names its events: the name of the last one is where to continue.
    Cursor(String),
}

/// What happened, and its JSON: written once, for the database and for every subscriber.
#[derive(Debug)]
pub struct WrittenEvent {
    data: EventData,
    json: String,
}

impl WrittenEvent {
    /// Writes it.
    pub fn new(data: EventData) -> Self {
        let json = serde_json::to_string(&data).expect("an event is plain data with text keys");
        Self { data, json }
    }

    /// Reads what was written, and writes it as this version does.
    ///
    /// # Errors
    /// When it is no event that this version knows.
    pub fn read(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json).map(Self::new)
    }

    /// What happened.
    pub fn data(&self) -> &EventData {
        &self.data
    }

    /// `{"event", "data"}`.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Roughly how many bytes it takes in memory: the JSON, the same texts once more as data, and what holds these.
    pub fn memory(&self) -> usize {
        let agent = self.data.agent().map_or(0, |_| size_of::<Agent>());
        size_of::<Self>() + agent + 2 * self.json.len()
    }
}

/// What else is written of an event, in its transaction: the agent as the event shows it. An event without one has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Projection {
    /// Nothing.
    #[default]
    Nothing,
    /// Into [`crate::PublishedAgents`].
    PublishedAgent,
    /// Into [`crate::AgentTable`].
    AgentRow,
}

/// An event on its way into the log.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Where it comes from.
    pub source: String,
    /// Its position there.
    pub position: SourcePosition,
    /// What happened.
    pub event: Arc<WrittenEvent>,
    /// When.
    pub at: Time,
    /// What is written with it.
    pub projection: Projection,
}

/// An event with its number in the log.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// The number.
    pub seq: u64,
    /// What happened.
    pub event: Arc<WrittenEvent>,
    /// When.
    pub at: Time,
}

/// What is written in one transaction.
#[derive(Clone, Debug, Default)]
pub struct EventBatch {
    /// Events, with numbers above those in the log.
    pub rows: Vec<EventRow>,
    /// How far the sources are taken with them.
    pub positions: Vec<(String, SourcePosition)>,
    /// What else is written, each of an event.
    pub projections: Vec<(Projection, Arc<WrittenEvent>)>,
    /// Events kept in the log at most; the oldest are deleted.
    pub keep_events: u64,
    /// Bytes of events kept in the log at most.
    pub keep_bytes: u64,
}

/// Where a log ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// Names this log; an id of another one is told apart by it.
    pub epoch: String,
    /// The number of the last event, 0 before the first.
    pub seq: u64,
}

/// A part of the log.
#[derive(Clone, Debug)]
pub struct EventPage {
    /// The number before the oldest event that is kept.
    pub floor: u64,
    /// The number of the last event.
    pub head: u64,
    /// The events that were asked for, oldest first.
    pub events: Vec<EventRow>,
    /// Everything up to here has been read.
    pub reached: u64,
}

/// The events of a server, in the order of their numbers. The numbers are given by the one writer of the log, in commit
/// order; the store refuses a number that is taken.
#[async_trait]
pub trait EventStore: Debug + Send + Sync {
    /// Where the log ends.
    async fn head(&self) -> Result<LogHead, StoreError>;

    /// Writes all of it, or nothing.
    async fn append(&self, batch: EventBatch) -> Result<(), StoreError>;

    /// The next events after `after`: of `agent` and of no agent, or all.
    async fn page(&self, after: u64, agent: Option<&AgentId>) -> Result<EventPage, StoreError>;

    /// How far `source` has been taken.
    async fn position(&self, source: &str) -> Result<Option<SourcePosition>, StoreError>;

    /// Forgets how far `source` was taken. Its events stay.
    async fn forget_source(&self, source: &str) -> Result<(), StoreError>;
}
