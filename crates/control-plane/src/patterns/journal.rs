//! The journal of a run, in the store.

use std::sync::Arc;

use async_trait::async_trait;
use parallax_api::Problem;
use parallax_patterns::run::{Journal, RunEvent};
use parallax_store::{RunEventRow, RunStore, StorageHealth, StoreError};
use tokio::sync::watch;

/// Events per read.
const PAGE: usize = 200;

/// Stores the events of one run.
#[derive(Debug)]
pub struct StoredJournal {
    /// Where.
    pub store: Arc<dyn RunStore>,
    /// Says when a full disk takes writes again.
    pub storage: StorageHealth,
    /// The run.
    pub run_id: String,
    /// The number of the last event, for followers.
    pub head_tx: watch::Sender<u64>,
}

#[async_trait]
impl Journal for StoredJournal {
    /// Waits while the disk is full: nothing may be done that is not in the journal.
    async fn append(&self, events: Vec<RunEvent>) -> Result<(), Problem> {
        let last = events.last().map(|event| event.seq).unwrap_or_default();
        let rows: Vec<RunEventRow> = events.into_iter().map(into_row).collect();
        loop {
            match self.store.append(&self.run_id, rows.clone()).await {
                Ok(()) => break,
                Err(StoreError::Full(_)) => self.storage.until_writable().await,
                Err(error) => return Err(error.into()),
            }
        }
        self.head_tx.send_replace(last);
        Ok(())
    }
}

/// A page of the events after `after`.
pub async fn page(store: &dyn RunStore, run_id: &str, after: u64) -> Result<Vec<RunEvent>, StoreError> {
    Ok(store.events(run_id, after, PAGE).await?.into_iter().map(into_event).collect())
}

/// Every event that can be read.
pub async fn all(store: &dyn RunStore, run_id: &str) -> Result<Vec<RunEvent>, StoreError> {
    Ok(store.events(run_id, 0, usize::MAX).await?.into_iter().map(into_event).collect())
}

/// Whether no event is missing.
pub fn is_whole(history: &[RunEvent]) -> bool {
    !history.is_empty() && history.iter().zip(1..).all(|(event, seq)| event.seq == seq)
}

/// An event as the store has it.
pub fn into_row(event: RunEvent) -> RunEventRow {
    RunEventRow { seq: event.seq, data: event.data, at: event.timestamp }
}

fn into_event(row: RunEventRow) -> RunEvent {
    RunEvent { seq: row.seq, data: row.data, timestamp: row.at }
}
