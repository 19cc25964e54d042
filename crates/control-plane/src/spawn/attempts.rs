//! Which runtime was last asked for which agent, until its answer is known.
//!
//! A runtime (or this server) may die between a request and its response. A retry with the same key must not get a
//! second agent elsewhere, so that runtime is asked first, and alone until it answers.

use parallax_api::Time;
use parallax_service::store::{Store, StoreError};
use rusqlite::OptionalExtension;

/// How long an attempt is remembered, in milliseconds: as long as the keys that lead back to it.
const KEEP_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// The table.
pub const MIGRATION: &str = "
    CREATE TABLE spawn_attempts (
        handle TEXT PRIMARY KEY,
        runtime TEXT NOT NULL,
        at INTEGER NOT NULL
    ) WITHOUT ROWID;
";

/// The attempts whose outcome is not known.
#[derive(Clone, Debug)]
pub struct Attempts {
    store: Store,
}

impl Attempts {
    /// Those in `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// The runtime that was asked for this agent and may have spawned it.
    pub async fn open(&self, handle: &str) -> Result<Option<String>, StoreError> {
        let handle = handle.to_owned();
        let select = "SELECT runtime FROM spawn_attempts WHERE handle = ?";
        self.store.with(move |db| db.query_row(select, [handle], |row| row.get(0)).optional()).await
    }

    /// This runtime is about to be asked.
    pub async fn begin(&self, handle: &str, runtime: &str) -> Result<(), StoreError> {
        let (handle, runtime, now) = (handle.to_owned(), runtime.to_owned(), Time::now().as_millis());
        let write = move |db: &rusqlite::Connection| {
            db.execute("DELETE FROM spawn_attempts WHERE at < ?", [now - KEEP_MILLIS])?;
            db.execute("INSERT OR REPLACE INTO spawn_attempts VALUES (?, ?, ?)", (handle, runtime, now))
                .map(drop)
        };
        self.store.with(write).await
    }

    /// The outcome is known.
    pub async fn end(&self, handle: &str) -> Result<(), StoreError> {
        let handle = handle.to_owned();
        let delete = move |db: &rusqlite::Connection| {
            db.execute("DELETE FROM spawn_attempts WHERE handle = ?", [handle]).map(drop)
        };
        self.store.with(delete).await
    }
}
