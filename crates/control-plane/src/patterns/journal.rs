//! The events of runs, in the store.

use async_trait::async_trait;
use parallax_api::execution::{ExecutionEventData, ExecutionStatus};
use parallax_api::{Problem, Time};
use parallax_patterns::run::{Journal, RunEvent};
use parallax_service::store::{Store, StoreError};
use rusqlite::{Connection, params};
use tokio::sync::watch;

/// Events per read.
const PAGE: usize = 200;

/// Stores the events of one run.
#[derive(Debug)]
pub struct StoredJournal {
    /// Where.
    pub store: Store,
    /// The run.
    pub run_id: String,
    /// The number of the last event, for those who follow.
    pub head_tx: watch::Sender<u64>,
}

#[async_trait]
impl Journal for StoredJournal {
    async fn append(&self, events: Vec<RunEvent>) -> Result<(), Problem> {
        let id = self.run_id.clone();
        let last = events.last().map(|event| event.seq).unwrap_or_default();
        self.store.with(move |db| events.iter().try_for_each(|event| insert(db, &id, event))).await?;
        self.head_tx.send_replace(last);
        Ok(())
    }
}

/// Stores one event, and the status of the run when that is its end.
pub fn insert(db: &Connection, execution: &str, event: &RunEvent) -> rusqlite::Result<()> {
    let json = serde_json::to_string(&event.data)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let seq = i64::try_from(event.seq).unwrap_or(i64::MAX);
    let at = event.timestamp.as_millis();
    db.prepare_cached("INSERT INTO execution_events VALUES (?, ?, ?, ?)")?
        .execute(params![execution, seq, json, at])?;
    if let ExecutionEventData::ExecutionEnded { status, .. } = &event.data {
        db.execute(
            "UPDATE executions SET status = ?, ended_at = ? WHERE id = ?",
            params![word(*status), at, execution],
        )?;
    }
    Ok(())
}

/// A page of the events after `after`.
pub async fn page(store: &Store, execution: &str, after: u64) -> Result<Vec<RunEvent>, StoreError> {
    read(store, execution, after, PAGE).await
}

/// Every event.
pub async fn all(store: &Store, execution: &str) -> Result<Vec<RunEvent>, StoreError> {
    read(store, execution, 0, usize::MAX).await
}

async fn read(store: &Store, execution: &str, after: u64, limit: usize) -> Result<Vec<RunEvent>, StoreError> {
    let execution = execution.to_owned();
    let select = move |db: &Connection| {
        let mut select = db.prepare_cached(
            "SELECT seq, data, at FROM execution_events WHERE execution = ? AND seq > ? ORDER BY seq LIMIT ?",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = select.query_map(params![execution, after, limit], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
        })?;
        rows.map(|row| {
            let (seq, json, at) = row?;
            let data = serde_json::from_str(&json).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, error.into())
            })?;
            let seq = u64::try_from(seq).unwrap_or_default();
            Ok(RunEvent { seq, data, timestamp: Time::from_millis(at) })
        })
        .collect()
    };
    store.with(select).await
}

/// A status as the table has it.
pub fn word(status: ExecutionStatus) -> &'static str {
    match status {
        ExecutionStatus::Running => "running",
        ExecutionStatus::Completed => "completed",
        ExecutionStatus::Failed => "failed",
        ExecutionStatus::Cancelled => "cancelled",
    }
}
