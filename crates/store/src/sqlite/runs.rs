//! The tables of runs, called `executions` and `execution_events`. Their migration stands with that of patterns.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parallax_api::Time;
use parallax_api::execution::{ExecutionEventData, ExecutionStatus};
use rusqlite::{Connection, OptionalExtension, params};

use super::database::Database;
use super::errors::json;
use super::row::{number, text};
use super::run_servers;
use super::schema::Table;
use crate::{NewRun, PreviousServer, RunEventRow, RunFilter, RunRow, RunStore, SourceRow, StoreError};

pub(super) const RUNS: Table = Table {
    name: "executions",
    key: "id",
    columns: &["id", "pattern", "source", "status", "created_at", "ended_at"],
};
pub(super) const EVENTS: Table =
    Table { name: "execution_events", key: "execution, seq", columns: &["execution", "seq", "data", "at"] };

#[async_trait]
impl RunStore for Database {
    async fn create(&self, run: NewRun, keep_ended: usize) -> Result<bool, StoreError> {
        let keep_ended = i64::try_from(keep_ended).unwrap_or(i64::MAX);
        self.write(move |db| {
            let created = db.execute(
                "INSERT OR IGNORE INTO executions (id, pattern, source, status, created_at, ended_at)
                 VALUES (?, ?, ?, ?, ?, NULL)",
                params![
                    run.id,
                    run.pattern,
                    run.source,
                    ExecutionStatus::Running.as_str(),
                    run.started.at.as_millis()
                ],
            )? == 1;
            if created {
                insert(db, &run.id, &run.started)?;
                run_servers::acquire(db, &run.id)?;
                delete_oldest(db, keep_ended)?;
            }
            Ok(created)
        })
        .await
    }

    async fn source(&self, id: &str) -> Result<Option<String>, StoreError> {
        let id = id.to_owned();
        let select = "SELECT source FROM executions WHERE id = ?";
        self.read(move |db| db.query_row(select, [id], |row| text(row, 0)).optional()).await
    }

    async fn acquire(&self, id: &str) -> Result<PreviousServer, StoreError> {
        let id = id.to_owned();
        self.write(move |db| run_servers::acquire(db, &id)).await
    }

    async fn release(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| run_servers::release(db, &id)).await
    }

    async fn unfinished(&self) -> Result<Vec<SourceRow>, StoreError> {
        self.read(|db| {
            let mut select = db.prepare("SELECT id, source FROM executions WHERE status = 'running'")?;
            select.query_map([], |row| Ok(SourceRow { id: text(row, 0)?, source: text(row, 1)? }))?.collect()
        })
        .await
    }

    async fn append(&self, id: &str, events: Vec<RunEventRow>) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| events.iter().try_for_each(|event| insert(db, &id, event))).await
    }

    async fn events(&self, id: &str, after: u64, limit: usize) -> Result<Vec<RunEventRow>, StoreError> {
        let (run, health) = (id.to_owned(), self.health().clone());
        self.read(move |db| {
            let mut select = db.prepare_cached(
                "SELECT seq, data, at FROM execution_events WHERE execution = ? AND seq > ? ORDER BY seq LIMIT ?",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let after = i64::try_from(after).unwrap_or(i64::MAX);
            let mut rows = select.query(params![run, after, limit])?;
            let mut events = Vec::new();
            while let Some(row) = rows.next()? {
                let seq = u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default();
                match serde_json::from_str(&text(row, 1)?) {
                    Ok(data) => events.push(RunEventRow { seq, data, at: Time::from_millis(number(row, 2)?) }),
                    Err(error) => {
                        health.report_damage(format!("the event {seq} of the run {run} cannot be read: {error}"));
                    }
                }
            }
            Ok(events)
        })
        .await
    }

    async fn give_up(&self, id: &str, at: Time) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| end(db, &id, ExecutionStatus::Failed, at)).await
    }

    async fn list(&self, filter: RunFilter) -> Result<Vec<RunRow>, StoreError> {
        self.read(move |db| {
            let mut select = db.prepare_cached(
                "SELECT id, pattern, status, created_at, ended_at FROM executions
                 WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR pattern = ?2)
                 ORDER BY created_at DESC, id DESC LIMIT ?3",
            )?;
            let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
            select
                .query_map(params![filter.status.map(ExecutionStatus::as_str), filter.pattern, limit], run)?
                .collect()
        })
        .await
    }

    async fn statuses(&self, ids: Vec<String>) -> Result<BTreeMap<String, ExecutionStatus>, StoreError> {
        self.read(move |db| {
            let mut known = BTreeMap::new();
            let mut select = db.prepare_cached("SELECT status FROM executions WHERE id = ?")?;
            for id in ids {
                let status: Option<String> = select.query_row([&id], |row| row.get(0)).optional()?;
                known.extend(status.map(|status| (id, status_of(&status))));
            }
            Ok(known)
        })
        .await
    }
}

fn insert(db: &Connection, run: &str, event: &RunEventRow) -> rusqlite::Result<()> {
    let data = serde_json::to_string(&event.data).map_err(json)?;
    let seq = i64::try_from(event.seq).unwrap_or(i64::MAX);
    db.prepare_cached("INSERT INTO execution_events (execution, seq, data, at) VALUES (?, ?, ?, ?)")?
        .execute(params![run, seq, data, event.at.as_millis()])?;
    match &event.data {
        ExecutionEventData::ExecutionEnded { status, .. } => end(db, run, *status, event.at),
        ExecutionEventData::ExecutionResumed { .. } => run_servers::loaded(db, run),
        _ => Ok(()),
    }
}

fn end(db: &Connection, run: &str, status: ExecutionStatus, at: Time) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE executions SET status = ?, ended_at = ? WHERE id = ?",
        params![status.as_str(), at.as_millis(), run],
    )?;
    run_servers::release(db, run)
}

fn delete_oldest(db: &Connection, keep_ended: i64) -> rusqlite::Result<()> {
    let old = "SELECT id FROM executions WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT -1 OFFSET ?";
    db.execute(&format!("DELETE FROM execution_events WHERE execution IN ({old})"), [keep_ended])?;
    db.execute(&format!("DELETE FROM executions WHERE id IN ({old})"), [keep_ended])?;
    Ok(())
}

fn run(row: &rusqlite::Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        id: text(row, 0)?,
        pattern: text(row, 1)?,
        status: status_of(&text(row, 2)?),
        created_at: Time::from_millis(number(row, 3)?),
        ended_at: row.get::<_, Option<i64>>(4)?.map(Time::from_millis),
    })
}

fn status_of(name: &str) -> ExecutionStatus {
    match name {
        "completed" => ExecutionStatus::Completed,
        "failed" => ExecutionStatus::Failed,
        "cancelled" => ExecutionStatus::Cancelled,
        _ => ExecutionStatus::Running,
    }
}
