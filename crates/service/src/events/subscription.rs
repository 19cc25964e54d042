//! One subscriber: the past from the database, the present from memory, seamlessly.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::{Stream, stream};
use parallax_api::{AgentId, Event, EventData, Time};
use tokio::sync::broadcast::{self, error::RecvError};

use super::EventLog;
use super::id::Since;
use super::table::{self, Numbered, Page};
use crate::store::StoreError;

#[derive(Debug)]
pub(super) struct Subscription {
    log: EventLog,
    /// Subscribed before the database is read: what happens meanwhile waits here.
    live: broadcast::Receiver<Arc<Numbered>>,
    agent: Option<AgentId>,
    /// Everything up to here has been told, or is of no concern.
    position: Since,
    /// Read from the database, not yet told.
    read: VecDeque<Event>,
    /// The database may hold what memory no longer does.
    behind: bool,
}

impl Subscription {
    pub fn new(
        log: EventLog,
        live: broadcast::Receiver<Arc<Numbered>>,
        position: Since,
        agent: Option<AgentId>,
    ) -> Self {
        Self { log, live, agent, position, read: VecDeque::new(), behind: true }
    }

    pub fn into_stream(self) -> impl Stream<Item = Event> + Send + use<> {
        stream::unfold(
            self,
            |mut subscription| async move { Some((subscription.next().await?, subscription)) },
        )
    }

    /// The id to resume from when nothing more has been told; none before the first look at the log.
    pub fn id(&self) -> Option<String> {
        match self.position {
            Since::After(seq) => Some(self.log.0.epoch.id(seq)),
            Since::Oldest | Since::Unknown => None,
        }
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Some(event);
            }
            if self.behind {
                if let Err(error) = self.catch_up().await {
                    tracing::error!(error = &error as &dyn std::error::Error, "failed to read events");
                    return None;
                }
                continue;
            }
            match self.live.recv().await {
                Ok(numbered) if numbered.seq > self.told() => {
                    self.position = Since::After(numbered.seq);
                    if self.concerns(&numbered.event.data) {
                        return Some(numbered.event.clone());
                    }
                }
                Ok(_read_before) => {}
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Reads the next page; afterwards what is live is next, unless the page was full.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        let after = self.told();
        let (epoch, agent) = (self.log.0.epoch.clone(), self.agent.clone());
        let page = self.log.0.store.with(move |db| table::page(db, &epoch, after, agent.as_ref())).await?;
        if let Some((reason, resumed)) = self.lost(&page) {
            // The reset carries the id before what comes next, so that resuming from it is resuming.
            let id = self.log.0.epoch.id(resumed);
            let data = EventData::Reset { reason: reason.into() };
            self.read.push_back(Event { id, data, timestamp: Time::now() });
        }
        self.behind = page.reached < page.head;
        self.position = Since::After(page.reached);
        self.read.extend(page.events.into_iter().map(|numbered| numbered.event));
        Ok(())
    }

    /// The number up to which everything has been told.
    fn told(&self) -> u64 {
        match self.position {
            Since::After(seq) => seq,
            Since::Oldest | Since::Unknown => 0,
        }
    }

    /// Why the events that were asked for cannot all be told, and after which number the telling goes on.
    fn lost(&self, page: &Page) -> Option<(&'static str, u64)> {
        match self.position {
            Since::After(seq) if seq < page.floor => {
                Some(("the events after this id are no longer kept", page.floor))
            }
            Since::After(seq) if seq > page.head => Some(("this id is not known here", page.head)),
            Since::Unknown => Some(("this id is not of this server's log", page.floor)),
            Since::After(_) | Since::Oldest => None,
        }
    }

    /// The filter is strict; an event without an agent (`reset`) concerns everybody.
    fn concerns(&self, data: &EventData) -> bool {
        match (&self.agent, data.agent_id()) {
            (Some(wanted), Some(agent)) => wanted == agent,
            _ => true,
        }
    }
}
