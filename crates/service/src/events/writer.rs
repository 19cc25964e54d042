//! The one task that appends to the log.
//!
//! It takes what is waiting as one batch, one transaction. Numbers are given here, from the last one that was committed;
//! an event is published only when it is committed, or held in memory because the disk takes no writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parallax_api::{Event, Time};
use parallax_store::{EventBatch, EventRow, NewEvent, Projection, SourcePosition, StoreError};
use tokio::sync::{mpsc, oneshot};

use super::{KEEP_BYTES, Shared};

/// Appends in one transaction at most.
const MAX_BATCH: usize = 128;
/// Sources whose position is kept in memory; when there are more, all are read again.
const MAX_POSITIONS: usize = 16_384;
/// How often it is tried to write what is held in memory.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Command {
    Append(Box<NewEvent>, Answer<Option<Event>>),
    Forget(String, Answer<()>),
}

/// Asks the writer to append.
pub(super) async fn append(
    commands_tx: &mpsc::Sender<Command>,
    event: NewEvent,
) -> Result<Option<Event>, StoreError> {
    ask(commands_tx, |answer_tx| Command::Append(Box::new(event), answer_tx)).await
}

/// Asks the writer to forget a source.
pub(super) async fn forget(commands_tx: &mpsc::Sender<Command>, source: &str) -> Result<(), StoreError> {
    ask(commands_tx, |answer_tx| Command::Forget(source.to_owned(), answer_tx)).await
}

async fn ask<T>(
    commands_tx: &mpsc::Sender<Command>,
    command: impl FnOnce(Answer<T>) -> Command,
) -> Result<T, StoreError> {
    let (answer_tx, answer_rx) = oneshot::channel();
    commands_tx.send(command(answer_tx)).await.map_err(|_| StoreError::Stopped)?;
    answer_rx.await.map_err(|_| StoreError::Stopped)?
}

/// Appends until every handle of the log is dropped.
pub(super) async fn write(shared: Arc<Shared>, mut commands_rx: mpsc::Receiver<Command>) {
    let mut writer = Writer { shared, positions: HashMap::new() };
    let mut commands = Vec::with_capacity(MAX_BATCH);
    loop {
        let is_volatile = !writer.shared.volatile().is_empty();
        let received = tokio::select! {
            received = commands_rx.recv_many(&mut commands, MAX_BATCH) => received,
            () = tokio::time::sleep(FLUSH_INTERVAL), if is_volatile => {
                writer.flush().await;
                continue;
            }
        };
        if received == 0 {
            break;
        }
        writer.handle(&mut commands).await;
    }
    // The last chance for what is held in memory.
    writer.flush().await;
}

struct Writer {
    shared: Arc<Shared>,
    /// Positions as they are after everything that was appended.
    positions: HashMap<String, SourcePosition>,
}

/// An event with a number, on its way into the store.
struct Numbered {
    row: EventRow,
    source: String,
    position: SourcePosition,
    projection: Projection,
    answer: Answer<Option<Event>>,
}

impl Writer {
    async fn handle(&mut self, commands: &mut Vec<Command>) {
        let mut batch = Vec::new();
        for command in commands.drain(..) {
            match command {
                Command::Append(event, answer) => match self.number(*event, answer, batch.len()).await {
                    Some(numbered) => batch.push(numbered),
                    None => continue,
                },
                Command::Forget(source, answer) => {
                    self.commit(std::mem::take(&mut batch)).await;
                    self.positions.remove(&source);
                    self.shared.volatile().forget(&source);
                    // The caller may have stopped waiting.
                    let _ = answer.send(self.shared.store.forget_source(&source).await);
                }
            }
        }
        self.commit(batch).await;
    }

    /// Gives an event the next number; none when it is known, or when that cannot be found out.
    async fn number(
        &mut self,
        event: NewEvent,
        answer: Answer<Option<Event>>,
        ahead: usize,
    ) -> Option<Numbered> {
        let NewEvent { source, position, data, at, projection } = event;
        match self.is_known(&source, &position).await {
            Ok(false) => {}
            known => {
                // The caller may have stopped waiting.
                let _ = answer.send(known.map(|_| None));
                return None;
            }
        }
        self.positions.insert(source.clone(), position.clone());
        let seq = self.shared.head.load(Ordering::Acquire) + ahead as u64 + 1;
        // As the wire and the store have it: an event is the same live and read later.
        let row = EventRow { seq, data, at: Time::from_millis(at.as_millis()) };
        Some(Numbered { row, source, position, projection, answer })
    }

    async fn is_known(&mut self, source: &str, next: &SourcePosition) -> Result<bool, StoreError> {
        if !self.positions.contains_key(source) {
            if self.positions.len() >= MAX_POSITIONS {
                self.positions.clear();
            }
            let held = self.shared.volatile().position(source);
            let position = match held {
                Some(position) => Some(position),
                None => self.shared.store.position(source).await?,
            };
            self.positions.extend(position.map(|position| (source.to_owned(), position)));
        }
        Ok(match (self.positions.get(source), next) {
            (Some(SourcePosition::Seq(last)), SourcePosition::Seq(next)) => next <= last,
            (Some(last), next) => last == next,
            (None, _) => false,
        })
    }

    /// Stores a batch and publishes it.
    async fn commit(&mut self, batch: Vec<Numbered>) {
        if batch.is_empty() {
            return;
        }
        let stored = if self.shared.volatile().is_empty() { self.store(&batch).await } else { Err(None) };
        match stored {
            Ok(()) => self.publish(batch),
            // The order stays: what comes after an event in memory is held in memory.
            Err(None) => self.hold(batch),
            Err(Some(StoreError::Full(_))) => self.hold(batch),
            Err(Some(error)) => {
                // Read again from the store: nothing of this batch was taken.
                self.positions.clear();
                let shown = error.to_string();
                let mut error = Some(error);
                for numbered in batch {
                    let error = error.take().unwrap_or_else(|| StoreError::Database(shown.clone().into()));
                    // The caller may have stopped waiting.
                    let _ = numbered.answer.send(Err(error));
                }
            }
        }
    }

    async fn store(&self, batch: &[Numbered]) -> Result<(), Option<StoreError>> {
        let mut positions = HashMap::new();
        for numbered in batch {
            positions.insert(numbered.source.clone(), numbered.position.clone());
        }
        let rows = EventBatch {
            rows: batch.iter().map(|numbered| numbered.row.clone()).collect(),
            positions: positions.into_iter().collect(),
            projections: batch.iter().map(|numbered| numbered.projection.clone()).collect(),
            keep_events: self.shared.keep,
            keep_bytes: KEEP_BYTES,
        };
        self.shared.store.append(rows).await.map_err(Some)
    }

    fn hold(&self, batch: Vec<Numbered>) {
        for numbered in &batch {
            let Numbered { row, source, position, projection, .. } = numbered;
            self.shared.volatile().push(row.clone(), source.clone(), position.clone(), projection.clone());
        }
        self.publish(batch);
    }

    /// In the order of the numbers. The head first: a subscriber that comes in between starts after this event and does
    /// not get it twice.
    fn publish(&self, batch: Vec<Numbered>) {
        for Numbered { row, answer, .. } in batch {
            let published = Arc::new(self.shared.event(row));
            let event = published.event.clone();
            self.shared.head.store(published.seq, Ordering::Release);
            // An error only means that there is no subscriber now.
            let _ = self.shared.live.send(published);
            // The caller may have stopped waiting.
            let _ = answer.send(Ok(Some(event)));
        }
    }

    /// Writes what is held in memory, as far as the store takes it.
    async fn flush(&self) {
        loop {
            let batch = self.shared.volatile().batch(self.shared.keep, KEEP_BYTES);
            let Some(batch) = batch else { return };
            let last = batch.rows.last().map(|row| row.seq).unwrap_or_default();
            if let Err(error) = self.shared.store.append(batch).await {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "events stay in memory");
                return;
            }
            self.shared.volatile().written(last);
        }
    }
}
