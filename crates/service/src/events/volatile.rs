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
    held: VecDeque<Held>,
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

/// An event that is not written.
#[derive(Debug)]
struct Held {
    row: EventRow,
    /// Where it comes from, and how far that is taken with it.
    source: String,
    position: SourcePosition,
    projection: Projection,
    /// What it takes in memory, roughly.
    size: usize,
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
        self.positions.insert(source.clone(), position.clone());
        let agent = row.event.data().agent().filter(|_| projection != Projection::Nothing);
        self.agents.extend(agent.map(|agent| (agent.id.clone(), (projection, row.event.clone()))));
        let size = size_of::<Held>() + source.len() + row.event.memory();
        self.bytes += size;
        self.held.push_back(Held { row, source, position, projection, size });
        while self.held.len() > 1 && (self.held.len() > MAX_EVENTS || self.bytes > MAX_BYTES) {
            if let Some(oldest) = self.held.pop_front() {
                self.bytes -= oldest.size;
                self.dropped = oldest.row.seq;
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
        let head = self.held.back().map_or(floor, |held| held.row.seq);
        let mut events: Vec<EventRow> = Vec::new();
        let mut reached = head;
        for row in self.held.iter().map(|held| &held.row).filter(|row| row.seq > after) {
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
        let first = || self.held.iter().take(FLUSH_EVENTS);
        let mut rows: Vec<EventRow> = first().map(|held| held.row.clone()).collect();
        if self.dropped > 0 {
            let reason = "events were lost while the server's disk was full";
            let data = EventData::Reset { reason: reason.into() };
            let event = WrittenEvent::new(data).into();
            rows.insert(0, EventRow { seq: self.dropped, event, at: Time::now() });
        }
        // How far each source is taken with these events, and how each agent is after them: who comes after a server that dies before the rest is
        // written goes on from there. The last ones also have those of which every event was dropped.
        let (positions, agents) = if self.held.len() <= FLUSH_EVENTS {
            (self.positions.clone(), self.agents.clone())
        } else {
            let positions = first().map(|held| (held.source.clone(), held.position.clone()));
            let changed = first().filter(|held| held.projection != Projection::Nothing);
            let agents = changed.filter_map(|held| {
                let id = held.row.event.data().agent()?.id.clone();
                Some((id, (held.projection, held.row.event.clone())))
            });
            (positions.collect(), agents.collect())
        };
        let (positions, projections) = (positions.into_iter().collect(), agents.into_values().collect());
        Some(EventBatch { rows, positions, projections, keep_events, keep_bytes })
    }

    /// The events up to `seq` are written.
    pub fn written(&mut self, seq: u64) {
        self.dropped = 0;
        while self.held.front().is_some_and(|held| held.row.seq <= seq) {
            if let Some(held) = self.held.pop_front() {
                self.bytes -= held.size;
            }
        }
        match (self.held.is_empty(), self.outage.take()) {
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
        assert_eq!(volatile.held.len(), 7);
        assert_eq!(volatile.dropped, 13);
    }

    /// A server that dies between two pieces is followed by one that reads on behind the first.
    #[test]
    fn each_piece_says_how_far_it_comes() {
        let mut volatile = Volatile::default();
        let agent = Agent::new("a".parse().unwrap(), "a", "shell", "local", Time::now());
        let pieces = [FLUSH_EVENTS as u64, 10];
        for seq in 1..=pieces.iter().sum() {
            push(&mut volatile, seq, EventData::AgentReady { agent: Box::new(agent.clone()) });
        }
        let mut last = 0;
        for piece in pieces {
            last += piece;
            let batch = volatile.batch(100, 100).unwrap();
            assert_eq!(batch.rows.last().unwrap().seq, last);
            assert_eq!(batch.positions, [("source".to_owned(), SourcePosition::Seq(last))]);
            assert_eq!(batch.projections.len(), 1);
            volatile.written(last);
        }
        assert!(volatile.is_empty());
    }

    #[test]
    fn an_agent_takes_more_than_its_json() {
        let mut volatile = Volatile::default();
        let agent = Agent::new("a".parse().unwrap(), "a", "shell", "local", Time::now());
        let held = size_of::<Agent>() + size_of::<EventData>();
        push(&mut volatile, 1, EventData::AgentReady { agent: agent.into() });
        let Held { row, size, .. } = &volatile.held[0];
        assert!(*size > row.event.json().len() + held, "{size}");
        volatile.written(1);
        assert_eq!(volatile.bytes, 0);
    }
}
