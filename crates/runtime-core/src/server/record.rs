//! Writing an agent's events down.

use std::sync::Arc;

use parallax_api::host::HostEvent;
use parallax_api::{AgentId, EventData, Problem, Time};
use parallax_store::{NewEvent, Projection, SourcePosition, WrittenEvent};

use super::core::RuntimeCore;
use super::registry::Entry;

impl RuntimeCore {
    /// Appends events of an agent, and the agent as they show it, in one transaction.
    pub(super) async fn record(&self, entry: &Entry, events: Vec<HostEvent>) -> Result<(), Problem> {
        let event = |event: HostEvent| NewEvent {
            source: entry.id().to_string(),
            position: SourcePosition::Seq(event.seq),
            event: WrittenEvent::new(event.data).into(),
            at: event.timestamp,
            projection: Projection::AgentRow,
        };
        self.append(events.into_iter().map(event).collect()).await
    }

    /// The same of an event that is in no host's journal, whose numbers go on by themselves.
    pub(super) async fn record_without_host(
        &self,
        entry: &Entry,
        data: EventData,
        at: Time,
    ) -> Result<(), Problem> {
        let event = NewEvent {
            source: source_without_host(entry.id()),
            position: SourcePosition::Cursor(AgentId::generate().to_string()),
            event: WrittenEvent::new(data).into(),
            at,
            projection: Projection::AgentRow,
        };
        self.append(vec![event]).await
    }

    async fn append(&self, events: Vec<NewEvent>) -> Result<(), Problem> {
        let recorded: Vec<Arc<WrittenEvent>> = events.iter().map(|event| event.event.clone()).collect();
        self.log.append_all(events).await?;
        for agent in recorded.iter().filter_map(|event| event.data().agent()) {
            self.backend.agent_changed(agent);
        }
        Ok(())
    }
}

/// What the event log calls the source of events of an agent that its host did not write.
pub(super) fn source_without_host(id: &AgentId) -> String {
    format!("{id} as its engine says")
}
