//! What happened in a run, kept before anything follows from it.
//!
//! [`Book::record`] takes an event into the ledger and the queue at once, whoever stops waiting, and returns when the
//! journal has it. Whatever is done to an agent is done after that: a run that dies in between does the same again, under
//! the same key.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use parallax_api::Problem;
use parallax_api::execution::{ExecutionEvent, ExecutionEventData};
use tokio::sync::{Notify, watch};

use super::clock::Clock;
use super::failure::Failure;
use super::ledger::Ledger;

/// Where the events of a run are kept.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Keeps these events, all or none. They are numbered on from the last ones.
    async fn append(&self, events: Vec<ExecutionEvent>) -> Result<(), Problem>;
}

/// The ledger and its journal.
pub(super) struct Book {
    clock: Clock,
    journal: Arc<dyn Journal>,
    pages: Mutex<Pages>,
    /// There is something to write.
    unwritten: Notify,
    /// How many events the journal has; none when it takes no more.
    written: watch::Sender<Option<u64>>,
    /// Counts changes of the ledger, for whoever waits for one.
    changed: watch::Sender<u64>,
}

struct Pages {
    ledger: Ledger,
    count: u64,
    /// Recorded, not yet kept. No longer than there are steps and questions at once: each waits for its own.
    unwritten: Vec<ExecutionEvent>,
}

impl Book {
    /// The book of a run with this history.
    pub fn new(ledger: Ledger, count: u64, clock: Clock, journal: Arc<dyn Journal>) -> Self {
        Self {
            clock,
            journal,
            pages: Mutex::new(Pages { ledger, count, unwritten: Vec::new() }),
            unwritten: Notify::new(),
            written: watch::Sender::new(Some(count)),
            changed: watch::Sender::new(0),
        }
    }

    /// Records an event, and waits until it is kept.
    pub async fn record(&self, data: ExecutionEventData) -> Result<(), Failure> {
        self.record_if(|_| Some(data)).await
    }

    /// Records what `decide` makes of the ledger as it stands, if it makes anything. Nothing comes in between.
    pub async fn record_if(
        &self,
        decide: impl FnOnce(&Ledger) -> Option<ExecutionEventData>,
    ) -> Result<(), Failure> {
        let mut written = self.written.subscribe();
        let number = {
            let mut pages = self.pages();
            let Some(data) = decide(&pages.ledger) else { return Ok(()) };
            pages.count += 1;
            let event = ExecutionEvent { id: pages.count.to_string(), data, timestamp: self.clock.now() };
            pages.ledger.apply(&event);
            pages.unwritten.push(event);
            pages.count
        };
        self.changed.send_modify(|count| *count += 1);
        self.unwritten.notify_one();
        // The sender lives as long as `self`.
        let kept = written.wait_for(|written| written.is_none_or(|written| written >= number)).await;
        match kept.map(|written| *written) {
            Ok(Some(_)) => Ok(()),
            _ => Err(Failure::halted()),
        }
    }

    /// Writes what is recorded, until the journal fails.
    pub async fn write(&self) -> Problem {
        loop {
            let events = std::mem::take(&mut self.pages().unwritten);
            let Some(last) = events.last().and_then(|event| event.id.parse().ok()) else {
                self.unwritten.notified().await;
                continue;
            };
            if let Err(problem) = self.journal.append(events).await {
                self.close();
                return problem;
            }
            self.written.send_replace(Some(last));
        }
    }

    /// Takes no more: whoever waits is told.
    pub fn close(&self) {
        self.written.send_replace(None);
    }

    /// Reads in the ledger.
    pub fn read<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.pages().ledger)
    }

    /// Waits until `look` finds something in the ledger.
    pub async fn find<T>(&self, look: impl Fn(&Ledger) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(found) = self.read(&look) {
                return found;
            }
            // The sender lives as long as `self`.
            let _ = changed.changed().await;
        }
    }

    /// The time.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
