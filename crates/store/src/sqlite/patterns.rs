//! The table of pattern files.

use async_trait::async_trait;
use parallax_api::Time;
use rusqlite::{OptionalExtension, params};

use super::database::Database;
use super::row::{number, text};
use super::schema::Table;
use crate::{PatternRow, PatternStore, Put, StoreError};

/// The tables of patterns and of runs: one script, as released.
pub(super) const MIGRATION: &str = "
    CREATE TABLE patterns (
        name TEXT PRIMARY KEY,
        source TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE executions (
        id TEXT PRIMARY KEY,
        pattern TEXT NOT NULL,
        source TEXT NOT NULL,
        status TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        ended_at INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX executions_by_status ON executions (status);
    CREATE TABLE execution_events (
        execution TEXT NOT NULL,
        seq INTEGER NOT NULL,
        data TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (execution, seq)
    ) WITHOUT ROWID;
";

pub(super) const TABLE: Table =
    Table { name: "patterns", key: "name", columns: &["name", "source", "created_at", "updated_at"] };

#[async_trait]
impl PatternStore for Database {
    async fn put(&self, name: &str, source: &str, replace: bool, max: usize) -> Result<Put, StoreError> {
        let (name, source, now) = (name.to_owned(), source.to_owned(), Time::now().as_millis());
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        self.write(move |db| {
            let known: Option<i64> = db
                .query_row("SELECT created_at FROM patterns WHERE name = ?", [&name], |row| row.get(0))
                .optional()?;
            let count: i64 = db.query_row("SELECT count(*) FROM patterns", [], |row| row.get(0))?;
            if known.is_some() && !replace {
                return Ok(Put::Exists);
            }
            if known.is_none() && count >= max {
                return Ok(Put::TooMany);
            }
            db.execute(
                "INSERT OR REPLACE INTO patterns (name, source, created_at, updated_at) VALUES (?, ?, ?, ?)",
                params![name, source, known.unwrap_or(now), now],
            )?;
            Ok(if known.is_none() { Put::Created } else { Put::Replaced })
        })
        .await
    }

    async fn get(&self, name: &str) -> Result<Option<PatternRow>, StoreError> {
        let name = name.to_owned();
        let select = "SELECT name, source, created_at, updated_at FROM patterns WHERE name = ?";
        self.read(move |db| db.query_row(select, [name], pattern).optional()).await
    }

    async fn list(&self) -> Result<Vec<PatternRow>, StoreError> {
        self.read(|db| {
            let mut select =
                db.prepare_cached("SELECT name, source, created_at, updated_at FROM patterns ORDER BY name")?;
            select.query_map([], pattern)?.collect()
        })
        .await
    }

    async fn delete(&self, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        let deleted = self.write(move |db| db.execute("DELETE FROM patterns WHERE name = ?", [name])).await?;
        Ok(deleted > 0)
    }
}

fn pattern(row: &rusqlite::Row<'_>) -> rusqlite::Result<PatternRow> {
    Ok(PatternRow {
        name: text(row, 0)?,
        source: text(row, 1)?,
        created_at: Time::from_millis(number(row, 2)?),
        updated_at: Time::from_millis(number(row, 3)?),
    })
}
