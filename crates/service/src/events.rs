//! A server's own journal of events: what its sources told, once each, under one cursor.
//!
//! [`EventLog::append`] numbers and keeps an event; [`EventLog::subscribe`] follows from any id; [`stream`] gives a
//! subscription to a client as SSE or WebSocket. A subscriber that falls behind reads on from the database: it misses
//! nothing, and nothing waits for it.

mod id;
pub mod socket;
pub mod stream;
mod subscription;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::Stream;
use parallax_api::{AgentId, Event, EventData, Time};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{Semaphore, broadcast};

use id::{Epoch, Since};
pub use stream::{follow, sse, websocket};
use subscription::Subscription;
use table::Numbered;

use crate::store::{Store, StoreError};

/// Events kept unless told otherwise.
pub const DEFAULT_KEEP: u64 = 100_000;
/// Bytes of events kept: answers of a mebibyte are rare, a full disk is worse than a shorter memory.
const KEEP_BYTES: u64 = 512 * 1024 * 1024;
/// Events that wait in memory for live subscribers; one that is further behind reads from the database.
const LIVE: usize = 256;
/// Subscribers over sockets at once; more are refused with `RESOURCE_LIMIT`.
const MAX_SUBSCRIBERS: usize = 1024;

/// How far a source has been taken into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The source numbers its events upwards: a number not above the last one is known already.
    Seq(u64),
    /// The source names its events: the name of the last one is where to go on.
    Cursor(String),
}

/// The log. Clones are the same.
#[derive(Clone, Debug)]
pub struct EventLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    epoch: Epoch,
    bounds: table::Bounds,
    /// The number of the last event.
    head: AtomicU64,
    live: broadcast::Sender<Arc<Numbered>>,
    subscribers: Arc<Semaphore>,
}

impl EventLog {
    /// The log in `store`, with at most `keep` events.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(store: &Store, keep: u64) -> Result<Self, StoreError> {
        store.migrate("events", table::MIGRATIONS).await?;
        let (epoch, head) = store.with(|db| Ok((table::epoch(db)?, table::head(db)?))).await?;
        Ok(Self(Arc::new(Inner {
            store: store.clone(),
            epoch: Epoch::new(epoch),
            bounds: table::Bounds { events: keep.max(1), bytes: KEEP_BYTES },
            head: AtomicU64::new(head),
            live: broadcast::Sender::new(LIVE),
            subscribers: Arc::new(Semaphore::new(MAX_SUBSCRIBERS)),
        })))
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
        self.append_with(source, Mark::Seq(source_seq), data, at, |_, _| Ok(())).await
    }

    /// The same, and `also` in the same transaction: what it writes is kept if and only if the event is.
    ///
    /// # Errors
    /// As [`EventLog::append`], and whatever `also` answers.
    pub async fn append_with<F>(
        &self,
        source: &str,
        mark: Mark,
        data: EventData,
        at: Time,
        also: F,
    ) -> Result<Option<Event>, StoreError>
    where
        F: FnOnce(&Connection, &Event) -> rusqlite::Result<()> + Send + 'static,
    {
        let (log, source) = (self.clone(), source.to_owned());
        // As the wire and the database have it: an event is the same told live and told later.
        let at = Time::from_millis(at.as_millis());
        let append = move |connection: &mut Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if !table::advance(&transaction, &source, &mark)? {
                return Ok(None);
            }
            let seq = table::insert(&transaction, &data, at, log.0.bounds)?;
            let event = Event { id: log.0.epoch.id(seq), data, timestamp: at };
            also(&transaction, &event)?;
            transaction.commit()?;
            // Still on the store's one thread: subscribers hear of events in the order of their numbers. The head
            // first, so that who subscribes in between starts after this event and is not told of it.
            log.0.head.store(seq, Ordering::Release);
            // No receiver only means that nobody follows now.
            let _ = log.0.live.send(Arc::new(Numbered { seq, event: event.clone() }));
            Ok(Some(event))
        };
        self.0.store.run(append).await
    }

    /// The highest number taken from `source`; 0 when there is none. Where to go on pulling.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn source_seq(&self, source: &str) -> Result<u64, StoreError> {
        Ok(match self.mark(source).await? {
            Some(Mark::Seq(seq)) => seq,
            _ => 0,
        })
    }

    /// How far `source` has been taken.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn mark(&self, source: &str) -> Result<Option<Mark>, StoreError> {
        let source = source.to_owned();
        self.0.store.with(move |db| table::mark(db, &source)).await
    }

    /// Forgets how far `source` was taken: it is gone for good. Its events stay.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_source(&self, source: &str) -> Result<(), StoreError> {
        let source = source.to_owned();
        self.0.store.with(move |db| table::forget(db, &source)).await
    }

    /// Follows the log: everything after the event `since`, or after now; of one agent, or of all. `0` means from the
    /// oldest kept. An id that is too old or not of this log is told as `reset` first; then comes what is kept.
    ///
    /// The stream has no end of its own, except when the store fails; it starts when this is called, not when it is
    /// first polled.
    pub fn subscribe(
        &self,
        since: Option<String>,
        agent: Option<AgentId>,
    ) -> impl Stream<Item = Event> + Send + use<> {
        self.subscription(since.as_deref(), agent).into_stream()
    }

    fn subscription(&self, since: Option<&str>, agent: Option<AgentId>) -> Subscription {
        let live = self.0.live.subscribe();
        let since = match since {
            None => Since::After(self.0.head.load(Ordering::Acquire)),
            Some(id) => self.0.epoch.since(id),
        };
        Subscription::new(self.clone(), live, since, agent)
    }
}
