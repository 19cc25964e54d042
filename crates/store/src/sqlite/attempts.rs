//! The table of spawn attempts.

use async_trait::async_trait;
use parallax_api::Time;
use rusqlite::{OptionalExtension, params};

use super::database::Database;
use super::schema::Table;
use crate::{SpawnAttempts, StoreError};

pub(super) const MIGRATION: &str = "
    CREATE TABLE spawn_attempts (
        handle TEXT PRIMARY KEY,
        runtime TEXT NOT NULL,
        at INTEGER NOT NULL
    ) WITHOUT ROWID;
";

pub(super) const TABLE: Table =
    Table { name: "spawn_attempts", key: "handle", columns: &["handle", "runtime", "at"] };

#[async_trait]
impl SpawnAttempts for Database {
    async fn pending(&self, agent_id: &str) -> Result<Option<String>, StoreError> {
        let agent_id = agent_id.to_owned();
        let select = "SELECT runtime FROM spawn_attempts WHERE handle = ?";
        self.read(move |db| db.query_row(select, [agent_id], |row| row.get(0)).optional()).await
    }

    async fn begin(&self, agent_id: &str, runtime: &str) -> Result<(), StoreError> {
        let (agent_id, runtime, now) = (agent_id.to_owned(), runtime.to_owned(), Time::now().as_millis());
        self.write(move |db| {
            // Nothing leads back to an attempt whose key is gone. No clock is asked: it may jump.
            db.execute(
                "DELETE FROM spawn_attempts WHERE handle NOT IN (SELECT handle FROM idempotency)",
                [],
            )?;
            db.execute(
                "INSERT OR REPLACE INTO spawn_attempts (handle, runtime, at) VALUES (?, ?, ?)",
                params![agent_id, runtime, now],
            )
            .map(drop)
        })
        .await
    }

    async fn end(&self, agent_id: &str) -> Result<(), StoreError> {
        let agent_id = agent_id.to_owned();
        let delete = "DELETE FROM spawn_attempts WHERE handle = ?";
        self.write(move |db| db.execute(delete, [agent_id]).map(drop)).await
    }
}
