//! The one task that appends to the log.
//!
//! It takes what is waiting as one batch, one transaction. Numbers are given here, from the last one that was committed;
//! an event is published only when it is committed, or held in memory because the disk takes no writes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parallax_api::Time;
use parallax_api::pace::Pace;
use parallax_store::{EventBatch, EventRow, NewEvent, Projection, SourcePosition, StoreError, WrittenEvent};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{KEEP_BYTES, Published, Shared};
use crate::memory;

/// Appends in one transaction at most, and events, with those of one append more.
const MAX_BATCH: usize = 128;
const MAX_EVENTS: usize = 1024;
/// Bytes of events after which none is added to what live subscribers get together.
const PIECE_BYTES: usize = 16 * 1024;
/// Sources whose position is kept in memory; when there are more, all are read again.
const MAX_POSITIONS: usize = 16_384;
/// How often it is tried to write what is held in memory.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Command {
    /// These events, all of them or none.
    Append(Vec<NewEvent>, Answer<Vec<Option<Arc<Published>>>>),
    Forget(String, Answer<()>),
}

impl Command {
    /// How many events it brings.
    fn events(&self) -> usize {
        match self {
            Self::Append(events, _) => events.len(),
            Self::Forget(..) => 0,
        }
    }
}

/// Asks the writer to append.
pub(super) async fn append(
    commands_tx: &mpsc::Sender<Command>,
    events: Vec<NewEvent>,
) -> Result<Vec<Option<Arc<Published>>>, StoreError> {
    ask(commands_tx, |answer_tx| Command::Append(events, answer_tx)).await
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
    // That of batches of several events: what comes meanwhile is in the next one, and pages that both change are written once. An
    // event alone, and not right after such a batch, does not wait.
    let mut pace = Pace::default();
    // When it is tried again to write what is held in memory: however often somebody appends meanwhile.
    let mut flush_at: Option<Instant> = None;
    loop {
        let is_volatile = !writer.shared.volatile().is_empty();
        flush_at = is_volatile.then(|| flush_at.unwrap_or_else(|| Instant::now() + FLUSH_INTERVAL));
        let due = flush_at.unwrap_or_else(Instant::now);
        let received = tokio::select! {
            biased;
            () = tokio::time::sleep_until(due), if is_volatile => {
                writer.flush().await;
                flush_at = None;
                continue;
            }
            received = commands_rx.recv_many(&mut commands, MAX_BATCH) => received,
        };
        if received == 0 {
            break;
        }
        if let Some(until) = pace.until(Instant::now())
            && commands.len() < MAX_BATCH
        {
            tokio::time::sleep_until(until).await;
            while commands.len() < MAX_BATCH
                && let Ok(command) = commands_rx.try_recv()
            {
                commands.push(command);
            }
        }
        let are_several = commands.iter().map(Command::events).sum::<usize>() > 1;
        if are_several {
            pace.went(Instant::now());
        } else {
            pace.rest();
        }
        writer.handle(&mut commands).await;
    }
    // The last chance for what is held in memory.
    writer.flush().await;
}

/// What is to be written of an agent at the end of the batch. States before its last one would be replaced in the same
/// transaction: nobody could see them.
fn last_projections(batch: &[Numbered]) -> Vec<(Projection, Arc<WrittenEvent>)> {
    let mut seen = HashSet::new();
    let shown = batch.iter().rev().filter(|numbered| numbered.projection != Projection::Nothing);
    shown
        .filter_map(|numbered| {
            let event = &numbered.row.event;
            let is_last = seen.insert((numbered.projection, &event.data().agent()?.id));
            is_last.then(|| (numbered.projection, event.clone()))
        })
        .collect()
}

/// The events of a batch in pieces for live subscribers, for whom so many may wait.
fn pieces(events: &[Arc<Published>]) -> impl Iterator<Item = &[Arc<Published>]> {
    let mut bytes = 0;
    events.chunk_by(move |before, _| {
        bytes += before.row.event.json().len();
        let goes_on = bytes < PIECE_BYTES;
        if !goes_on {
            bytes = 0;
        }
        goes_on
    })
}

struct Writer {
    shared: Arc<Shared>,
    /// Positions as they are after everything that was appended.
    positions: HashMap<String, SourcePosition>,
}

/// Events on their way into the store, and who waits for them.
#[derive(Default)]
struct Batch {
    events: Vec<Numbered>,
    answers: Vec<Waiting>,
}

/// An event with a number.
struct Numbered {
    row: EventRow,
    source: String,
    position: SourcePosition,
    projection: Projection,
}

/// One who waits for some events of a batch: for each that it asked for, its number, or none when it was known.
struct Waiting {
    seqs: Vec<Option<u64>>,
    answer: Answer<Vec<Option<Arc<Published>>>>,
}

impl Writer {
    async fn handle(&mut self, commands: &mut Vec<Command>) {
        let mut batch = Batch::default();
        for command in commands.drain(..) {
            match command {
                Command::Append(events, answer) => match self.number(events, &mut batch.events).await {
                    Ok(seqs) => {
                        batch.answers.push(Waiting { seqs, answer });
                        if batch.events.len() >= MAX_EVENTS {
                            self.commit(std::mem::take(&mut batch)).await;
                        }
                    }
                    Err(error) => {
                        // The caller may have stopped waiting.
                        let _ = answer.send(Err(error));
                    }
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

    /// Gives those events the next numbers that are not known already.
    async fn number(
        &mut self,
        events: Vec<NewEvent>,
        batch: &mut Vec<Numbered>,
    ) -> Result<Vec<Option<u64>>, StoreError> {
        for event in &events {
            self.load_position(&event.source).await?;
        }
        let mut seqs = Vec::with_capacity(events.len());
        for NewEvent { source, position, event, at, projection } in events {
            if self.is_known(&source, &position) {
                seqs.push(None);
                continue;
            }
            self.positions.insert(source.clone(), position.clone());
            let seq = self.shared.head.load(Ordering::Acquire) + batch.len() as u64 + 1;
            // As the wire and the store have it: an event is the same live and read later.
            let row = EventRow { seq, event, at: Time::from_millis(at.as_millis()) };
            batch.push(Numbered { row, source, position, projection });
            seqs.push(Some(seq));
        }
        Ok(seqs)
    }

    async fn load_position(&mut self, source: &str) -> Result<(), StoreError> {
        if self.positions.contains_key(source) {
            return Ok(());
        }
        let held = self.shared.volatile().position(source);
        let position = match held {
            Some(position) => Some(position),
            None => self.shared.store.position(source).await?,
        };
        self.positions.extend(position.map(|position| (source.to_owned(), position)));
        Ok(())
    }

    fn is_known(&self, source: &str, next: &SourcePosition) -> bool {
        match (self.positions.get(source), next) {
            (Some(SourcePosition::Seq(last)), SourcePosition::Seq(next)) => next <= last,
            (Some(last), next) => last == next,
            (None, _) => false,
        }
    }

    /// Stores a batch and publishes it.
    async fn commit(&mut self, batch: Batch) {
        let Batch { events, answers } = batch;
        let stored = if events.is_empty() {
            Ok(())
        } else if self.shared.volatile().is_empty() {
            self.store(&events).await
        } else {
            // The order stays: what comes after an event in memory is held in memory.
            self.hold(&events);
            Ok(())
        };
        match stored {
            Ok(()) => self.publish(events, answers),
            Err(StoreError::Full(_)) => {
                self.hold(&events);
                self.publish(events, answers);
            }
            Err(error) => {
                let shown = error.to_string();
                let mut error = Some(error);
                for Waiting { answer, .. } in answers {
                    let error = error.take().unwrap_or_else(|| StoreError::Database(shown.clone().into()));
                    // The caller may have stopped waiting.
                    let _ = answer.send(Err(error));
                }
                // Read again from the store: nothing of this batch was taken.
                self.positions.clear();
            }
        }
        if self.positions.len() > MAX_POSITIONS {
            self.positions.clear();
        }
    }

    async fn store(&self, batch: &[Numbered]) -> Result<(), StoreError> {
        let mut positions = HashMap::new();
        for numbered in batch {
            positions.insert(numbered.source.clone(), numbered.position.clone());
        }
        let rows = EventBatch {
            rows: batch.iter().map(|numbered| numbered.row.clone()).collect(),
            positions: positions.into_iter().collect(),
            projections: last_projections(batch),
            keep_events: self.shared.keep,
            keep_bytes: KEEP_BYTES,
        };
        self.shared.store.append(rows).await
    }

    fn hold(&self, batch: &[Numbered]) {
        let mut volatile = self.shared.volatile();
        for Numbered { row, source, position, projection } in batch {
            volatile.push(row.clone(), source.clone(), position.clone(), *projection);
        }
    }

    /// In the order of the numbers. The head first: a subscriber that comes in between starts after this event and does
    /// not get it twice.
    fn publish(&self, events: Vec<Numbered>, answers: Vec<Waiting>) {
        memory::worked();
        let first = events.first().map(|event| event.row.seq).unwrap_or_default();
        let published: Vec<_> =
            events.into_iter().map(|event| Arc::new(self.shared.event(event.row))).collect();
        for piece in pieces(&published) {
            if let Some(last) = piece.last() {
                self.shared.head.store(last.row.seq, Ordering::Release);
            }
            // An error only means that there is no subscriber now.
            let _ = self.shared.live.send(piece.into());
        }
        for Waiting { seqs, answer } in answers {
            let of = |seq: u64| {
                let index = usize::try_from(seq.checked_sub(first)?).ok()?;
                published.get(index).cloned()
            };
            // The caller may have stopped waiting.
            let _ = answer.send(Ok(seqs.into_iter().map(|seq| seq.and_then(of)).collect()));
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use async_trait::async_trait;
    use futures::future::join_all;
    use parallax_api::{AgentId, EventData};
    use parallax_store::{EventPage, EventStore, LogHead};

    use super::super::EventLog;
    use super::*;

    /// Counts transactions, after so many for which it has no room.
    #[derive(Debug, Default)]
    struct Transactions {
        written: AtomicU64,
        refusals: AtomicU64,
    }

    #[async_trait]
    impl EventStore for Transactions {
        async fn head(&self) -> Result<LogHead, StoreError> {
            Ok(LogHead { epoch: "e".into(), seq: 0 })
        }

        async fn append(&self, _: EventBatch) -> Result<(), StoreError> {
            if self
                .refusals
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full| full.checked_sub(1))
                .is_ok()
            {
                return Err(StoreError::Full("no room".into()));
            }
            self.written.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }

        async fn page(&self, _: u64, _: Option<&AgentId>) -> Result<EventPage, StoreError> {
            Err(StoreError::Stopped)
        }

        async fn position(&self, _: &str) -> Result<Option<SourcePosition>, StoreError> {
            Ok(None)
        }

        async fn forget_source(&self, _: &str) -> Result<(), StoreError> {
            Ok(())
        }
    }

    /// The least time between two transactions.
    const PACE: Duration = Duration::from_millis(5);

    /// So many sources append ten times each, the second a millisecond after the first and so on. Answers how many transactions that
    /// was, and how long it took.
    async fn appended(sources: u64) -> (u64, Duration) {
        let transactions = Arc::new(Transactions::default());
        let log = EventLog::open(transactions.clone(), 100).await.unwrap();
        let start = Instant::now();
        join_all((0..sources).map(async |source| {
            for seq in 1..=10 {
                let data = EventData::Reset { reason: String::new() };
                let event = log.append(&source.to_string(), seq, data, Time::from_millis(0)).await;
                assert!(event.unwrap().is_some());
                if source > 0 {
                    tokio::time::sleep(Duration::from_millis(source)).await;
                }
            }
        }))
        .await;
        (transactions.written.load(Ordering::Relaxed), start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_held_in_memory_is_written_also_while_somebody_appends_all_the_time() {
        let store = Arc::new(Transactions { refusals: AtomicU64::new(1), ..Default::default() });
        let log = EventLog::open(store.clone(), 100).await.unwrap();
        for seq in 1..=15 {
            let data = EventData::Reset { reason: String::new() };
            log.append("a", seq, data, Time::from_millis(0)).await.unwrap();
            tokio::time::sleep(FLUSH_INTERVAL / 5).await;
        }
        assert!(store.written.load(Ordering::Relaxed) > 1, "there is room again");
    }

    #[tokio::test(start_paused = true)]
    async fn what_several_append_in_quick_succession_is_one_transaction() {
        assert_eq!(appended(1).await, (10, Duration::ZERO), "who appends alone does not wait");
        let (transactions, took) = appended(4).await;
        assert!(transactions <= 11, "{transactions} transactions");
        assert!(took <= PACE * 11, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_source_appends_several_at_a_time_is_paced_too() {
        let transactions = Arc::new(Transactions::default());
        let log = EventLog::open(transactions.clone(), 100).await.unwrap();
        let start = Instant::now();
        for (seqs, pause) in [(1..=1, 0), (2..=3, 0), (4..=5, 1), (6..=6, 2), (7..=7, 2)] {
            log.append_all(seqs.map(happened).collect()).await.unwrap();
            assert_eq!(start.elapsed(), PACE * pause, "one alone waits only right after several");
        }
        assert_eq!(transactions.written.load(Ordering::Relaxed), 5);
    }

    fn happened(seq: u64) -> NewEvent {
        NewEvent {
            source: "a".into(),
            position: SourcePosition::Seq(seq),
            event: WrittenEvent::new(EventData::Reset { reason: "x".repeat(PIECE_BYTES / 10) }).into(),
            at: Time::from_millis(0),
            projection: Projection::Nothing,
        }
    }

    #[test]
    fn pieces_are_all_there_is_in_its_order() {
        let event = |seq| {
            let NewEvent { event, at, .. } = happened(seq);
            Arc::new(Published::new(seq.to_string(), EventRow { seq, event, at }))
        };
        for count in [0, 1, 9, 10, 11, 35] {
            let events: Vec<_> = (1..=count).map(event).collect();
            let pieces: Vec<_> = pieces(&events).collect();
            let ids =
                |events: &[Arc<Published>]| events.iter().map(|event| event.row.seq).collect::<Vec<_>>();
            assert_eq!(ids(&pieces.concat()), ids(&events));
            assert!(pieces.iter().all(|piece| (1..=10).contains(&piece.len())), "{count}");
            assert_eq!(pieces.len() as u64, count.div_ceil(10), "{count}");
        }
    }
}
