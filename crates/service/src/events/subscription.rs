//! One subscriber: the past from the store, the present from memory, without a seam.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::{Stream, stream};
use parallax_api::{AgentId, EventData, Time};
use parallax_store::{EventPage, EventRow, StoreError, WrittenEvent};
use tokio::sync::broadcast::{self, error::RecvError};

use super::id::Since;
use super::{EventLog, Piece, Published};

#[derive(Debug)]
pub(super) struct Subscription {
    log: EventLog,
    /// Subscribed before the store is read: what happens meanwhile waits here.
    live: broadcast::Receiver<Piece>,
    agent: Option<AgentId>,
    /// Everything up to here has been sent, or is not for this subscriber.
    position: Since,
    /// Read from the store or told live, not yet sent.
    read: VecDeque<Arc<Published>>,
    /// The store may hold what the live channel no longer does.
    behind: bool,
}

impl Subscription {
    pub fn new(
        log: EventLog,
        live: broadcast::Receiver<Piece>,
        position: Since,
        agent: Option<AgentId>,
    ) -> Self {
        Self { log, live, agent, position, read: VecDeque::new(), behind: true }
    }

    pub fn into_stream(self) -> impl Stream<Item = Arc<Published>> + Send + use<> {
        stream::unfold(
            self,
            |mut subscription| async move { Some((subscription.next().await?, subscription)) },
        )
    }

    /// The id to resume from before anything is sent; none when the start is not known yet.
    pub fn id(&self) -> Option<String> {
        match self.position {
            Since::After(seq) => Some(self.log.shared.id(seq)),
            Since::Oldest | Since::Unknown => None,
        }
    }

    async fn next(&mut self) -> Option<Arc<Published>> {
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
                Ok(piece) => self.take(&piece),
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Takes what is told live and was not read before.
    fn take(&mut self, piece: &[Arc<Published>]) {
        for published in piece {
            if published.row.seq > self.position() {
                self.position = Since::After(published.row.seq);
                if self.concerns(published.data()) {
                    self.read.push_back(published.clone());
                }
            }
        }
    }

    /// Reads the next page; afterwards what is live is next, unless the page was full.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        let after = self.position();
        let shared = &self.log.shared;
        let page = shared.page(after, self.agent.as_ref()).await?;
        if let Some((reason, resumed)) = self.lost(&page) {
            // The reset carries the id before what comes next, so that resuming from it is resuming.
            let id = shared.id(resumed);
            let event = WrittenEvent::new(EventData::Reset { reason: reason.into() });
            let row = EventRow { seq: resumed, event: event.into(), at: Time::now() };
            self.read.push_back(Arc::new(Published::new(id, row)));
        }
        self.behind = page.reached < page.head;
        self.position = Since::After(page.reached);
        self.read.extend(page.events.into_iter().map(|row| Arc::new(shared.event(row))));
        Ok(())
    }

    /// The number up to which everything has been sent.
    fn position(&self) -> u64 {
        match self.position {
            Since::After(seq) => seq,
            Since::Oldest | Since::Unknown => 0,
        }
    }

    /// Why the events that were asked for cannot all be sent, and after which number the stream continues.
    fn lost(&self, page: &EventPage) -> Option<(&'static str, u64)> {
        match self.position {
            Since::After(seq) if seq < page.floor => {
                Some(("the events after this id are no longer kept", page.floor))
            }
            Since::After(seq) if seq > page.head => Some(("this id is not known here", page.head)),
            Since::Unknown => Some(("this id is not of this server's log", page.floor)),
            Since::After(_) | Since::Oldest => None,
        }
    }

    /// The filter is strict; an event without an agent (`reset`) is for all.
    fn concerns(&self, data: &EventData) -> bool {
        match (&self.agent, data.agent_id()) {
            (Some(wanted), Some(agent)) => wanted == agent,
            _ => true,
        }
    }
}
