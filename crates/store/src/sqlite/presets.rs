//! The table of presets.

use async_trait::async_trait;
use parallax_api::Time;
use parallax_api::preset::{Preset, PresetRequest};
use rusqlite::{OptionalExtension, params};

use super::database::Database;
use super::errors::json;
use super::row::{number, text};
use super::schema::Table;
use crate::{PresetStore, Put, StorageHealth, StoreError};

pub(super) const MIGRATION: &str = "
    CREATE TABLE presets (
        name TEXT PRIMARY KEY,
        request TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    ) WITHOUT ROWID;
";

pub(super) const TABLE: Table =
    Table { name: "presets", key: "name", columns: &["name", "request", "created_at", "updated_at"] };

/// A row, as it stands in the table.
type Row = (String, String, i64, i64);

#[async_trait]
impl PresetStore for Database {
    async fn put(&self, name: &str, request: &PresetRequest, max: usize) -> Result<Put, StoreError> {
        let (name, request, now) = (name.to_owned(), request.clone(), Time::now().as_millis());
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        self.write(move |db| {
            let known: Option<i64> = db
                .query_row("SELECT created_at FROM presets WHERE name = ?", [&name], |row| row.get(0))
                .optional()?;
            let count: i64 = db.query_row("SELECT count(*) FROM presets", [], |row| row.get(0))?;
            if known.is_none() && count >= max {
                return Ok(Put::TooMany);
            }
            let request = serde_json::to_string(&request).map_err(json)?;
            db.execute(
                "INSERT OR REPLACE INTO presets (name, request, created_at, updated_at) VALUES (?, ?, ?, ?)",
                params![name, request, known.unwrap_or(now), now],
            )?;
            Ok(if known.is_none() { Put::Created } else { Put::Replaced })
        })
        .await
    }

    async fn get(&self, name: &str) -> Result<Option<Preset>, StoreError> {
        let name = name.to_owned();
        let select = "SELECT name, request, created_at, updated_at FROM presets WHERE name = ?";
        let found = self.read(move |db| db.query_row(select, [name], row).optional()).await?;
        Ok(found.and_then(|row| parse(row, self.health())))
    }

    async fn list(&self) -> Result<Vec<Preset>, StoreError> {
        let rows: Vec<Row> = self
            .read(|db| {
                let select = "SELECT name, request, created_at, updated_at FROM presets ORDER BY name";
                db.prepare_cached(select)?.query_map([], row)?.collect()
            })
            .await?;
        Ok(rows.into_iter().filter_map(|row| parse(row, self.health())).collect())
    }

    async fn delete(&self, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        Ok(self.write(move |db| db.execute("DELETE FROM presets WHERE name = ?", [name])).await? > 0)
    }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok((text(row, 0)?, text(row, 1)?, number(row, 2)?, number(row, 3)?))
}

/// The preset, unless another version wrote what this one cannot read.
fn parse((name, request, created_at, updated_at): Row, health: &StorageHealth) -> Option<Preset> {
    match serde_json::from_str(&request) {
        Ok(PresetRequest { description, spawn }) => Some(Preset {
            name,
            description,
            spawn,
            created_at: Time::from_millis(created_at),
            updated_at: Time::from_millis(updated_at),
        }),
        Err(error) => {
            health.report_damage(format!("the preset {name} cannot be read: {error}"));
            None
        }
    }
}
