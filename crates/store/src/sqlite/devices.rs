//! The table of devices.

use async_trait::async_trait;
use parallax_api::Time;
use parallax_api::push::PushSubscription;
use rusqlite::{OptionalExtension, params};

use super::database::Database;
use super::errors::json;
use super::row::{number, text};
use super::schema::Table;
use crate::{DeviceRow, DeviceStore, Put, StoreError};

pub(super) const MIGRATION: &str = "
    CREATE TABLE push_devices (
        id TEXT PRIMARY KEY,
        subscription TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) WITHOUT ROWID;
";

pub(super) const TABLE: Table =
    Table { name: "push_devices", key: "id", columns: &["id", "subscription", "created_at"] };

#[async_trait]
impl DeviceStore for Database {
    async fn put(&self, id: &str, device: &PushSubscription, max: usize) -> Result<Put, StoreError> {
        let (id, device, now) = (id.to_owned(), device.clone(), Time::now().as_millis());
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        self.write(move |db| {
            let known: Option<i64> = db
                .query_row("SELECT created_at FROM push_devices WHERE id = ?", [&id], |row| row.get(0))
                .optional()?;
            let count: i64 = db.query_row("SELECT count(*) FROM push_devices", [], |row| row.get(0))?;
            if known.is_none() && count >= max {
                return Ok(Put::TooMany);
            }
            let device = serde_json::to_string(&device).map_err(json)?;
            db.execute(
                "INSERT OR REPLACE INTO push_devices (id, subscription, created_at) VALUES (?, ?, ?)",
                params![id, device, known.unwrap_or(now)],
            )?;
            Ok(if known.is_none() { Put::Created } else { Put::Replaced })
        })
        .await
    }

    async fn list(&self) -> Result<Vec<DeviceRow>, StoreError> {
        let rows: Vec<(String, String, i64)> = self
            .read(|db| {
                let select = "SELECT id, subscription, created_at FROM push_devices ORDER BY created_at, id";
                let row = |row: &rusqlite::Row<'_>| Ok((text(row, 0)?, text(row, 1)?, number(row, 2)?));
                db.prepare_cached(select)?.query_map([], row)?.collect()
            })
            .await?;
        let parse =
            |(id, subscription, created_at): (String, String, i64)| match serde_json::from_str(&subscription)
            {
                Ok(subscription) => {
                    Some(DeviceRow { id, subscription, created_at: Time::from_millis(created_at) })
                }
                Err(error) => {
                    self.health().report_damage(format!("the device {id} cannot be read: {error}"));
                    None
                }
            };
        Ok(rows.into_iter().filter_map(parse).collect())
    }

    async fn delete(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        Ok(self.write(move |db| db.execute("DELETE FROM push_devices WHERE id = ?", [id])).await? > 0)
    }
}
