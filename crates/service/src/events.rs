//! A server's event log: what its sources published, each event once, in one order.
//!
//! [`EventLog::append`] numbers and stores an event; [`EventLog::subscribe`] follows from any id; [`stream`] gives a
//! subscription to a client as SSE or WebSocket. A subscriber that falls behind reads on from the store: it misses
//! nothing, and nothing waits for it.
//!
//! One task, the `writer`, appends. It gives the numbers, and publishes an event after the commit that stored it, so the
//! order of numbers is the order of commits whatever the store is. While the disk takes no writes the writer goes on from
//! memory (`volatile`).

mod id;
pub mod socket;
pub mod stream;
mod subscription;
mod volatile;
mod writer;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::body::Bytes;
use axum::extract::ws::Utf8Bytes;
use futures::{Stream, StreamExt};
use parallax_api::{AgentId, Event, EventData, Time};
use parallax_store::{EventPage, EventRow, EventStore, NewEvent, Projection, StoreError, WrittenEvent};
use tokio::sync::{Semaphore, broadcast, mpsc};

use id::{Epoch, Since};
pub use parallax_store::SourcePosition;
pub use stream::{follow, sse, websocket};
use subscription::Subscription;
use volatile::Volatile;

/// Events kept by default.
pub const DEFAULT_KEEP: u64 = 100_000;
/// Bytes of events kept: responses of a mebibyte are rare, a full disk is worse than a shorter memory.
const KEEP_BYTES: u64 = 512 * 1024 * 1024;
/// Pieces of events that wait in memory for live subscribers; one that is further behind reads from the store.
const LIVE: usize = 256;
/// Subscribers over sockets at once; more are refused with `RESOURCE_LIMIT`.
const MAX_SUBSCRIBERS: usize = 1024;
/// Appends that may wait for the writer; more wait for room before they are handed over.
const MAX_APPENDS: usize = 1024;

/// The log. Clones share it; its writer ends with the last of them.
#[derive(Clone, Debug)]
pub struct EventLog {
    shared: Arc<Shared>,
    commands_tx: mpsc::Sender<writer::Command>,
}

/// What the writer and the subscribers share.
#[derive(Debug)]
struct Shared {
    store: Arc<dyn EventStore>,
    epoch: Epoch,
    keep: u64,
    /// The number of the last event.
    head: AtomicU64,
    live: broadcast::Sender<Piece>,
    volatile: Mutex<Volatile>,
    subscribers: Arc<Semaphore>,
}

/// Events that live subscribers get together.
type Piece = Arc<[Arc<Published>]>;

/// An event as subscribers get it.
#[derive(Debug)]
pub struct Published {
    id: String,
    row: EventRow,
    /// Put together by the first subscriber that sends it, for all who do.
    json: OnceLock<Utf8Bytes>,
    /// The same for those who send it as SSE.
    sse: OnceLock<Bytes>,
}

impl Published {
    fn new(id: String, row: EventRow) -> Self {
        Self { id, row, json: OnceLock::new(), sse: OnceLock::new() }
    }

    /// What happened.
    pub fn data(&self) -> &EventData {
        self.row.event.data()
    }

    /// The same to keep.
    fn event(&self) -> Event {
        Event { id: self.id.clone(), data: self.data().clone(), timestamp: self.row.at }
    }

    /// The event as the wire has it. Clones share the text.
    fn json(&self) -> Utf8Bytes {
        self.json.get_or_init(|| wire_json(&self.id, &self.row).into()).clone()
    }

    /// The event as a frame of SSE. Clones share the text.
    fn sse(&self) -> Bytes {
        // JSON has no end of a line outside its texts, and none as it is inside.
        let frame = || {
            let (id, name, json) = (&self.id, self.data().name(), wire_json(&self.id, &self.row));
            format!("id: {id}\nevent: {name}\ndata: {json}\n\n").into()
        };
        self.sse.get_or_init(frame).clone()
    }
}

/// The JSON of an [`Event`], around that of what happened, which is written already.
fn wire_json(id: &str, row: &EventRow) -> String {
    let fields = row.event.json().strip_prefix('{').and_then(|json| json.strip_suffix('}'));
    let fields = fields.expect("an event is an object");
    // An id is made here, of letters, digits and a hyphen.
    format!(r#"{{"id":"{id}",{fields},"timestamp":"{}"}}"#, row.at)
}

impl EventLog {
    /// The log in `store`, with at most `keep` events.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(store: Arc<dyn EventStore>, keep: u64) -> Result<Self, StoreError> {
        let head = store.head().await?;
        let (commands_tx, commands_rx) = mpsc::channel(MAX_APPENDS);
        let shared = Arc::new(Shared {
            store,
            epoch: Epoch::new(head.epoch),
            keep: keep.max(1),
            head: AtomicU64::new(head.seq),
            live: broadcast::Sender::new(LIVE),
            volatile: Mutex::default(),
            subscribers: Arc::new(Semaphore::new(MAX_SUBSCRIBERS)),
        });
        tokio::spawn(writer::write(shared.clone(), commands_rx));
        Ok(Self { shared, commands_tx })
    }

    /// Appends the event that `source` numbers `source_seq`, exactly once: none when the log has taken that number or
    /// a later one before.
    ///
    /// # Errors
    /// When the store fails; nothing is appended then.
    pub async fn append(
        &self,
        source: &str,
        source_seq: u64,
        data: EventData,
        at: Time,
    ) -> Result<Option<Event>, StoreError> {
        let (source, position) = (source.to_owned(), SourcePosition::Seq(source_seq));
        let event = WrittenEvent::new(data).into();
        self.append_event(NewEvent { source, position, event, at, projection: Projection::Nothing }).await
    }

    /// The same for an event with a projection: it is written if and only if the event is.
    ///
    /// # Errors
    /// As [`EventLog::append`].
    pub async fn append_event(&self, event: NewEvent) -> Result<Option<Event>, StoreError> {
        let appended = writer::append(&self.commands_tx, vec![event]).await?.pop().flatten();
        Ok(appended.map(|published| published.event()))
    }

    /// The same for several events, in one transaction. Answers which of them were appended.
    ///
    /// # Errors
    /// As [`EventLog::append`]; none of them is appended then.
    pub async fn append_all(&self, events: Vec<NewEvent>) -> Result<Vec<bool>, StoreError> {
        let appended = writer::append(&self.commands_tx, events).await?;
        Ok(appended.iter().map(Option::is_some).collect())
    }

    /// The highest number taken from `source`; 0 when there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn source_seq(&self, source: &str) -> Result<u64, StoreError> {
        Ok(match self.position(source).await? {
            Some(SourcePosition::Seq(seq)) => seq,
            _ => 0,
        })
    }

    /// How far `source` has been taken: where to continue.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn position(&self, source: &str) -> Result<Option<SourcePosition>, StoreError> {
        if let Some(position) = self.shared.volatile().position(source) {
            return Ok(Some(position));
        }
        self.shared.store.position(source).await
    }

    /// Forgets how far `source` was taken: it is gone for good. Its events stay.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_source(&self, source: &str) -> Result<(), StoreError> {
        writer::forget(&self.commands_tx, source).await
    }

    /// Follows the log: everything after the event `since`, or after now; of one agent, or of all. `0` means from the
    /// oldest kept. An id that is too old or not of this log is answered with `reset` first; then comes what is kept.
    ///
    /// The stream has no end of its own, except when the store fails; it starts when this is called, not when it is
    /// first polled.
    pub fn subscribe(
        &self,
        since: Option<String>,
        agent: Option<AgentId>,
    ) -> impl Stream<Item = Event> + Send + use<> {
        self.subscription(since.as_deref(), agent).into_stream().map(|published| published.event())
    }

    /// Follows the log from now on, as [`EventLog::subscribe`] does, with no copy of the events for this subscriber.
    pub fn published(&self) -> impl Stream<Item = Arc<Published>> + Send + use<> {
        self.subscription(None, None).into_stream()
    }

    fn subscription(&self, since: Option<&str>, agent: Option<AgentId>) -> Subscription {
        let live = self.shared.live.subscribe();
        let since = match since {
            None => Since::After(self.shared.head.load(Ordering::Acquire)),
            Some(id) => self.shared.since(id),
        };
        Subscription::new(self.clone(), live, since, agent)
    }
}

impl Shared {
    /// Where the client that sends this id wants to start.
    fn since(&self, id: &str) -> Since {
        match self.epoch.since(id) {
            Since::Unknown => self.volatile().since(id),
            since => since,
        }
    }

    /// The id that resumes after the event with this number.
    fn id(&self, seq: u64) -> String {
        let outage = self.volatile().id(seq);
        outage.unwrap_or_else(|| self.epoch.id(seq))
    }

    fn event(&self, row: EventRow) -> Published {
        Published::new(self.id(row.seq), row)
    }

    /// The next events after `after`, from the store and from memory.
    async fn page(&self, after: u64, agent: Option<&AgentId>) -> Result<EventPage, StoreError> {
        if let Some(page) = self.volatile().page(after, agent) {
            return Ok(page);
        }
        let mut page = self.store.page(after, agent).await?;
        // What stands in memory comes after what is stored; the subscriber asks again for it.
        page.head = page.head.max(self.head.load(Ordering::Acquire));
        Ok(page)
    }

    fn volatile(&self) -> MutexGuard<'_, Volatile> {
        self.volatile.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use parallax_api::Agent;

    use super::*;

    #[test]
    fn what_is_put_together_is_an_event_as_the_wire_has_it() {
        let agent = Agent::new("a".parse().unwrap(), "\"ü\"\n", "shell", "local", Time::from_millis(-1));
        let happened = [
            EventData::AgentStopped { agent: Box::new(agent), reason: "}".into() },
            EventData::Reset { reason: "{\u{7}\r\n".into() },
        ];
        for data in happened {
            let row = EventRow {
                seq: 7,
                event: WrittenEvent::new(data).into(),
                at: Time::from_millis(1_764_000_000_042),
            };
            let published = Published::new(Epoch::new("e".into()).id(7), row);
            let expected = published.event();
            assert_eq!(published.json().as_str(), serde_json::to_string(&expected).unwrap());
            assert_eq!(Event::read(&published.json()).unwrap(), expected);
            let frame = String::from_utf8(published.sse().into()).unwrap();
            let (id, name, json) = (&expected.id, expected.data.name(), published.json());
            assert_eq!(frame, format!("id: {id}\nevent: {name}\ndata: {json}\n\n"));
            assert_eq!(frame.matches(['\r', '\n']).count(), 4);
        }
    }
}
