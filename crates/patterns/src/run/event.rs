//! Events of a run, numbered from 1 without a gap.

use parallax_api::Time;
use parallax_api::execution::{ExecutionEvent, ExecutionEventData};

/// One event of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEvent {
    /// Its number, from 1.
    pub seq: u64,
    /// What happened.
    pub data: ExecutionEventData,
    /// When.
    pub timestamp: Time,
}

impl From<RunEvent> for ExecutionEvent {
    fn from(event: RunEvent) -> Self {
        Self { id: event.seq.to_string(), data: event.data, timestamp: event.timestamp }
    }
}
