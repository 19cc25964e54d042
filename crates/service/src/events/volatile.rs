//! The end of the log while the disk takes no writes: kept in memory within bounds, and written when there is room.
//!
//! The ids of such events name the outage beside the log, so that after the death of the server, when they are lost and
//! their numbers are given again, a subscriber that sends one is answered with `reset`. Events that were dropped for want
//! of memory leave a `reset` in the log where they were.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parallax_api::{AgentId, EventData, Time};
use parallax_store::{EventBatch, EventPage, EventRow, Projection, SourcePosition, WrittenEvent};
use uuid::Uuid;

use super::id::{Epoch, Since};

/// Events kept in memory at most; the oldest are dropped.
const MAX_EVENTS: usize = 4096;
/// Bytes that they take in memory, roughly. The last state of each agent is held beside them: none of those may be dropped.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Events in one page.
const PAGE_EVENTS: usize = 128;
/// Events written in one transaction when there is room again.
const FLUSH_EVENTS: usize = 256;

/// The unwritten end of the log.
#[derive(Debug, Default)]
pub(super) struct Volatile {
    rows: VecDeque<(EventRow, usize)>,
    bytes: usize,
    /// The number of the last event that was dropped, 0 when none was.
    dropped: u64,
    positions: HashMap<String, SourcePosition>,
    /// The last projection of each agent, and its event.
    agents: HashMap<AgentId, (Projection, Arc<WrittenEvent>)>,
    /// The outage that ids are named after, while there is one.
    outage: Option<Outage>,
    /// Outages of this process that are over: their events were written under the numbers in their ids.
    written: Vec<Epoch>,
}

#[derive(Debug)]
struct Outage {
    epoch: Epoch,
    /// The number of its first event.
    first: u64,
}

impl Volatile {
    /// Whether everything is written.
    pub fn is_empty(&self) -> bool {
        self.outage.is_none()
    }

    /// Takes an event that cannot be written.
    pub fn push(&mut self, row: EventRow, source: String, position: SourcePosition, projection: Projection) {
        let first = row.seq;
        self.outage.get_or_insert_with(|| Outage {
            epoch: Epoch::new(format!("outage{}", Uuid::new_v4().simple())),
            first,
        });
        self.positions.insert(source, position);
        let agent = row.event.data().agent().filter(|_| projection != Projection::Nothing);
        self.agents.extend(agent.map(|agent| (agent.id.clone(), (projection, row.event.clone()))));
        let size = size_of::<(EventRow, usize)>() + row.event.memory();
        self.bytes += size;
        self.rows.push_back((row, size));
        while self.rows.len() > 1 && (self.rows.len() > MAX_EVENTS || self.bytes > MAX_BYTES) {
            if let Some((row, size)) = self.rows.pop_front() {
                self.bytes -= size;
                self.dropped = row.seq;
            }
        }
    }

    /// How far a source was taken in this outage.
    pub fn position(&self, source: &str) -> Option<SourcePosition> {
        self.positions.get(source).cloned()
    }

    /// Forgets a source.
    pub fn forget(&mut self, source: &str) {
        self.positions.remove(source);
    }

    /// The id of an event that is not written.
    pub fn id(&self, seq: u64) -> Option<String> {
        self.outage.as_ref().filter(|outage| seq >= outage.first).map(|outage| outage.epoch.id(seq))
    }

    /// Where the client wants to start that sends an id of an outage.
    pub fn since(&self, id: &str) -> Since {
        let current = self.outage.as_ref().map(|outage| &outage.epoch);
        let known = self.written.iter().chain(current).map(|epoch| epoch.since(id));
        known.into_iter().find(|since| matches!(since, Since::After(_))).unwrap_or(Since::Unknown)
    }

    /// The next events after `after`, when they stand here; none when the store has them.
    pub fn page(&self, after: u64, agent: Option<&AgentId>) -> Option<EventPage> {
        let outage = self.outage.as_ref().filter(|outage| after + 1 >= outage.first)?;
        let floor = self.dropped.max(outage.first.saturating_sub(1));
        let head = self.rows.back().map_or(floor, |(row, _)| row.seq);
        let mut events: Vec<EventRow> = Vec::new();
        let mut reached = head;
        for (row, _) in self.rows.iter().filter(|(row, _)| row.seq > after) {
            if concerns(agent, row.event.data()) {
                events.push(row.clone());
            }
            if events.len() >= PAGE_EVENTS {
                reached = row.seq;
                break;
            }
        }
        Some(EventPage { floor, head, events, reached })
    }

    /// What is to be written next, as long as there is something.
    pub fn batch(&self, keep_events: u64, keep_bytes: u64) -> Option<EventBatch> {
        if self.is_empty() {
            return None;
        }
        let mut rows: Vec<EventRow> =
            self.rows.iter().take(FLUSH_EVENTS).map(|(row, _)| row.clone()).collect();
        if self.dropped > 0 {
            let reason = "events were lost while the server's disk was full";
            let data = EventData::Reset { reason: reason.into() };
            let event = WrittenEvent::new(data).into();
            rows.insert(0, EventRow { seq: self.dropped, event, at: Time::now() });
        }
        let is_last = self.rows.len() <= FLUSH_EVENTS;
        // With the last events: before them the sources have not been taken so far.
        let (positions, projections) = if is_last {
            let positions =
                self.positions.iter().map(|(source, position)| (source.clone(), position.clone()));
            (positions.collect(), self.agents.values().cloned().collect())
        } else {
            (Vec::new(), Vec::new())
        };
        Some(EventBatch { rows, positions, projections, keep_events, keep_bytes })
    }

    /// The events up to `seq` are written.
    pub fn written(&mut self, seq: u64) {
        self.dropped = 0;
        while self.rows.front().is_some_and(|(row, _)| row.seq <= seq) {
            if let Some((_, size)) = self.rows.pop_front() {
                self.bytes -= size;
            }
        }
        match (self.rows.is_empty(), self.outage.take()) {
            (true, Some(outage)) => {
                self.written.push(outage.epoch);
                self.positions.clear();
                self.agents.clear();
            }
            // The rest keeps its ids.
            (false, Some(outage)) => self.outage = Some(Outage { first: seq + 1, ..outage }),
            (_, None) => {}
        }
    }
}

/// Whether an event is for a subscriber of this agent; one without an agent (`reset`) is for all.
fn concerns(agent: Option<&AgentId>, data: &EventData) -> bool {
    match (agent, data.agent_id()) {
        (Some(wanted), Some(agent)) => wanted == agent,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use parallax_api::Agent;

    use super::*;

    fn push(volatile: &mut Volatile, seq: u64, data: EventData) {
        let row = EventRow { seq, event: WrittenEvent::new(data).into(), at: Time::now() };
        volatile.push(row, "source".into(), SourcePosition::Seq(seq), Projection::AgentRow);
    }

    /// The text is there as data, and in the JSON.
    #[test]
    fn a_text_takes_its_place_twice() {
        let mut volatile = Volatile::default();
        for seq in 1..=20 {
            push(&mut volatile, seq, EventData::Reset { reason: "x".repeat(1024 * 1024) });
        }
        assert_eq!(volatile.rows.len(), 7);
        assert_eq!(volatile.dropped, 13);
    }

    #[test]
    fn an_agent_takes_more_than_its_json() {
        let mut volatile = Volatile::default();
        let agent = Agent::new("a".parse().unwrap(), "a", "shell", "local", Time::now());
        let held = size_of::<Agent>() + size_of::<EventData>();
        push(&mut volatile, 1, EventData::AgentReady { agent: agent.into() });
        let (row, size) = &volatile.rows[0];
        assert!(*size > row.event.json().len() + held, "{size}");
        volatile.written(1);
        assert_eq!(volatile.bytes, 0);
    }
}
