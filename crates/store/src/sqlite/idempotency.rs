//! The table of idempotency keys. Rows are aged by their order and by a clock that only counts the server's running time,
//! never by the wall clock.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use parallax_api::Time;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::time::{Duration, Instant};

use super::database::Database;
use super::schema::Table;
use crate::{IdempotencyStore, KeyRow, KeyState, StoreError};

pub(super) const MIGRATION: &str = "
    CREATE TABLE idempotency (
        key TEXT PRIMARY KEY,
        digest BLOB NOT NULL,
        handle TEXT NOT NULL,
        outcome TEXT,
        at INTEGER NOT NULL
    );
    CREATE INDEX idempotency_by_age ON idempotency (at);
";

pub(super) const TABLE: Table =
    Table { name: "idempotency", key: "rowid", columns: &["key", "digest", "handle", "outcome", "at"] };

/// How long a key is kept.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);
/// Keys that are kept; the oldest are deleted first.
const KEEP_KEYS: i64 = 10_000;
/// How often the age of the newest key is noted: a key may be kept this much longer.
const NOTE_INTERVAL: Duration = Duration::from_secs(600);

/// The keys, with what this process knows of their age.
#[derive(Debug)]
pub(super) struct Keys {
    database: Database,
    /// The last row at a time: rows up to it are as old as that, at least. Those of earlier servers count from the start
    /// of this one.
    notes: Arc<Mutex<VecDeque<(Instant, i64)>>>,
}

impl Keys {
    pub(super) fn new(database: Database) -> Self {
        Self { database, notes: Arc::default() }
    }
}

#[async_trait]
impl IdempotencyStore for Keys {
    async fn claim(&self, key: &str, digest: [u8; 32], resource_id: &str) -> Result<KeyState, StoreError> {
        let (key, resource_id, notes) = (key.to_owned(), resource_id.to_owned(), self.notes.clone());
        let now = Instant::now();
        self.database
            .write(move |db| {
                if let Some(row) = find(db, &key)? {
                    return Ok(row.state(digest));
                }
                put(db, &KeyRow { key, digest, resource_id: resource_id.clone(), outcome: None })?;
                expire(db, &mut notes.lock().unwrap_or_else(PoisonError::into_inner), now)?;
                Ok(KeyState::Open(resource_id))
            })
            .await
    }

    async fn put(&self, row: KeyRow) -> Result<(), StoreError> {
        self.database.write(move |db| put(db, &row)).await
    }

    async fn complete(&self, key: &str, outcome: &str) -> Result<(), StoreError> {
        let (key, outcome) = (key.to_owned(), outcome.to_owned());
        let update = "UPDATE idempotency SET outcome = ? WHERE key = ?";
        self.database.write(move |db| db.execute(update, [outcome, key]).map(drop)).await
    }

    async fn forget(&self, key: &str) -> Result<(), StoreError> {
        let key = key.to_owned();
        let delete = "DELETE FROM idempotency WHERE key = ?";
        self.database.write(move |db| db.execute(delete, [key]).map(drop)).await
    }
}

fn find(db: &Connection, key: &str) -> rusqlite::Result<Option<KeyRow>> {
    db.prepare_cached("SELECT key, digest, handle, outcome FROM idempotency WHERE key = ?")?
        .query_row([key], |row| {
            Ok(KeyRow {
                key: row.get(0)?,
                digest: row.get(1)?,
                resource_id: row.get(2)?,
                outcome: row.get(3)?,
            })
        })
        .optional()
}

fn put(db: &Connection, row: &KeyRow) -> rusqlite::Result<()> {
    // `at` is for people and for earlier versions of the program.
    db.prepare_cached(
        "INSERT OR REPLACE INTO idempotency (key, digest, handle, outcome, at) VALUES (?, ?, ?, ?, ?)",
    )?
    .execute(params![row.key, row.digest, row.resource_id, row.outcome, Time::now().as_millis()])
    .map(drop)
}

/// Deletes keys that are older than [`KEEP`] for certain, and those beyond [`KEEP_KEYS`].
fn expire(db: &Connection, notes: &mut VecDeque<(Instant, i64)>, now: Instant) -> rusqlite::Result<()> {
    let last: i64 = db.query_row("SELECT coalesce(max(rowid), 0) FROM idempotency", [], |row| row.get(0))?;
    if notes.back().is_none_or(|(at, _)| now.duration_since(*at) >= NOTE_INTERVAL) {
        notes.push_back((now, last));
    }
    let mut expired = last - KEEP_KEYS;
    while let Some((_, row)) = notes.front().filter(|(at, _)| now.duration_since(*at) > KEEP) {
        expired = expired.max(*row);
        notes.pop_front();
    }
    db.prepare_cached("DELETE FROM idempotency WHERE rowid <= ?")?.execute([expired])?;
    Ok(())
}
