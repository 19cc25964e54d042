//! The write-ahead log of a run and its projection.
//!
//! [`RunStore::append`] applies an event to the state and queues it for the journal in one step, and returns when the journal
//! has stored it. A caller that is dropped while it waits does not undo the event. Every action on an agent comes after that:
//! a run that dies in between repeats the action under the same key.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use parallax_api::Problem;
use parallax_api::execution::ExecutionEventData;
use tokio::sync::{Notify, watch};

use super::clock::Clock;
use super::event::RunEvent;
use super::state::RunState;
use super::step_error::StepError;

/// Durable storage of a run's events.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Stores these events, all or none. Their numbers follow those stored before.
    async fn append(&self, events: Vec<RunEvent>) -> Result<(), Problem>;
}

/// The state of a run and its journal.
pub(super) struct RunStore {
    clock: Clock,
    journal: Arc<dyn Journal>,
    state: Mutex<StoreState>,
    /// Wakes the writer.
    unwritten: Notify,
    /// How many events the journal has stored; none when it accepts no more.
    written: watch::Sender<Option<u64>>,
    /// Counts changes of the state, for [`RunStore::wait_for`].
    changed: watch::Sender<u64>,
}

struct StoreState {
    run: RunState,
    count: u64,
    /// Applied, but not stored yet. Bounded by the concurrent steps and questions: each waits for its own event.
    unwritten: Vec<RunEvent>,
}

impl RunStore {
    /// The store of a run whose `count` events are stored already.
    pub fn new(run: RunState, count: u64, clock: Clock, journal: Arc<dyn Journal>) -> Self {
        Self {
            clock,
            journal,
            state: Mutex::new(StoreState { run, count, unwritten: Vec::new() }),
            unwritten: Notify::new(),
            written: watch::Sender::new(Some(count)),
            changed: watch::Sender::new(0),
        }
    }

    /// Appends an event, and waits until it is stored.
    pub async fn append(&self, data: ExecutionEventData) -> Result<(), StepError> {
        self.append_if(|_| Some(data)).await
    }

    /// Appends the event that `decide` returns for the current state, if any. No other event comes in between.
    pub async fn append_if(
        &self,
        decide: impl FnOnce(&RunState) -> Option<ExecutionEventData>,
    ) -> Result<(), StepError> {
        let mut written = self.written.subscribe();
        let seq = {
            let mut state = self.state();
            let Some(data) = decide(&state.run) else { return Ok(()) };
            state.count += 1;
            let event = RunEvent { seq: state.count, data, timestamp: self.clock.now() };
            state.run.apply(&event);
            state.unwritten.push(event);
            state.count
        };
        self.changed.send_modify(|count| *count += 1);
        self.unwritten.notify_one();
        // The sender lives as long as `self`.
        let stored = written.wait_for(|written| written.is_none_or(|written| written >= seq)).await;
        match stored.map(|written| *written) {
            Ok(Some(_)) => Ok(()),
            _ => Err(StepError::shutting_down()),
        }
    }

    /// Writes appended events to the journal, until the journal fails.
    pub async fn run_writer(&self) -> Problem {
        loop {
            let (events, last) = {
                let mut state = self.state();
                (std::mem::take(&mut state.unwritten), state.count)
            };
            if events.is_empty() {
                self.unwritten.notified().await;
                continue;
            }
            if let Err(problem) = self.journal.append(events).await {
                self.close();
                return problem;
            }
            self.written.send_replace(Some(last));
        }
    }

    /// Accepts no more events: pending and later appends fail.
    pub fn close(&self) {
        self.written.send_replace(None);
    }

    /// Reads the state.
    pub fn read<T>(&self, look: impl FnOnce(&RunState) -> T) -> T {
        look(&self.state().run)
    }

    /// Waits until `look` finds something in the state.
    pub async fn wait_for<T>(&self, look: impl Fn(&RunState) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(found) = self.read(&look) {
                return found;
            }
            // The sender lives as long as `self`.
            let _ = changed.changed().await;
        }
    }

    /// The run's clock.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    fn state(&self) -> MutexGuard<'_, StoreState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
