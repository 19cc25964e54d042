//! The event log's tables.

use async_trait::async_trait;
use parallax_api::{AgentId, Time};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::database::Database;
use super::row::{number, text};
use super::schema::Table;
use super::{agents, published};
use crate::{
    EventBatch, EventPage, EventRow, EventStore, LogHead, Projection, SourcePosition, StoreError,
    WrittenEvent,
};

pub(super) const MIGRATION: &str = "
    CREATE TABLE event_log (epoch TEXT NOT NULL, bytes INTEGER NOT NULL);
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        agent TEXT,
        data TEXT NOT NULL,
        at INTEGER NOT NULL
    );
    CREATE INDEX events_of_agent ON events (agent, seq);
    CREATE TABLE event_sources (source TEXT PRIMARY KEY, seq INTEGER, cursor TEXT) WITHOUT ROWID;
";

pub(super) const LOG: Table = Table { name: "event_log", key: "rowid", columns: &["epoch", "bytes"] };
pub(super) const EVENTS: Table =
    Table { name: "events", key: "seq", columns: &["seq", "agent", "data", "at"] };
pub(super) const SOURCES: Table =
    Table { name: "event_sources", key: "source", columns: &["source", "seq", "cursor"] };

/// Events per page, and bytes of them: what a slow subscriber holds in memory.
const PAGE_EVENTS: usize = 128;
const PAGE_BYTES: usize = 1024 * 1024;

#[async_trait]
impl EventStore for Database {
    async fn head(&self) -> Result<LogHead, StoreError> {
        let found = self.read(|db| Ok((epoch(db)?, head(db)?))).await?;
        let (epoch, seq) = match found {
            (Some(epoch), seq) => (epoch, seq),
            (None, seq) => {
                let epoch = new_epoch();
                let written = epoch.clone();
                match self.write(move |db| set_epoch(db, &written)).await {
                    // Without room the epoch is this process's own, which is what it must be then.
                    Ok(()) | Err(StoreError::Full(_)) => {}
                    Err(error) => return Err(error),
                }
                (epoch, seq)
            }
        };
        Ok(LogHead { epoch, seq })
    }

    async fn append(&self, batch: EventBatch) -> Result<(), StoreError> {
        self.write(move |db| append(db, &batch)).await
    }

    async fn page(&self, after: u64, agent: Option<&AgentId>) -> Result<EventPage, StoreError> {
        let agent = agent.cloned();
        let health = self.health().clone();
        self.read(move |db| {
            page(db, after, agent.as_ref(), |seq, error| {
                health.report_damage(format!("the event {seq} cannot be read: {error}"));
            })
        })
        .await
    }

    async fn position(&self, source: &str) -> Result<Option<SourcePosition>, StoreError> {
        let source = source.to_owned();
        self.read(move |db| position(db, &source)).await
    }

    async fn forget_source(&self, source: &str) -> Result<(), StoreError> {
        let source = source.to_owned();
        self.write(move |db| db.execute("DELETE FROM event_sources WHERE source = ?", [source]).map(drop))
            .await
    }
}

fn new_epoch() -> String {
    Uuid::new_v4().simple().to_string().chars().take(12).collect()
}

fn epoch(db: &Connection) -> rusqlite::Result<Option<String>> {
    db.query_row("SELECT epoch FROM event_log", [], |row| row.get(0)).optional()
}

fn set_epoch(db: &Connection, epoch: &str) -> rusqlite::Result<()> {
    let bytes: i64 =
        db.query_row("SELECT coalesce(sum(length(CAST(data AS BLOB))), 0) FROM events", [], |row| {
            row.get(0)
        })?;
    db.execute("DELETE FROM event_log", [])?;
    db.execute("INSERT INTO event_log (epoch, bytes) VALUES (?, ?)", params![epoch, bytes]).map(drop)
}

/// After rows were copied from another database: a new epoch, unless `whole`, so that every id that was given out before
/// is told apart from the numbers that come.
pub(super) fn after_copy(db: &Connection, whole: bool) -> rusqlite::Result<()> {
    match epoch(db)? {
        Some(epoch) if whole => set_epoch(db, &epoch),
        _ => set_epoch(db, &new_epoch()),
    }
}

/// The number of the last event, 0 before the first.
fn head(db: &Connection) -> rusqlite::Result<u64> {
    one_number(db.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'events'")?)
}

/// The number before the oldest event kept.
fn floor(db: &Connection) -> rusqlite::Result<u64> {
    let oldest = one_number(db.prepare_cached("SELECT min(seq) FROM events")?)?;
    if oldest == 0 { head(db) } else { Ok(oldest - 1) }
}

fn position(db: &Connection, source: &str) -> rusqlite::Result<Option<SourcePosition>> {
    db.prepare_cached("SELECT seq, cursor FROM event_sources WHERE source = ?")?
        .query_row([source], |row| {
            Ok(match row.get::<_, Option<String>>(1)? {
                Some(cursor) => SourcePosition::Cursor(cursor),
                None => SourcePosition::Seq(unsigned(row.get(0)?)),
            })
        })
        .optional()
}

fn append(db: &Connection, batch: &EventBatch) -> rusqlite::Result<()> {
    let mut bytes = 0;
    let mut insert = db.prepare_cached("INSERT INTO events (seq, agent, data, at) VALUES (?, ?, ?, ?)")?;
    for row in &batch.rows {
        let agent = row.event.data().agent_id().map(AgentId::as_str);
        let json = row.event.json();
        insert.execute(params![signed(row.seq), agent, json, row.at.as_millis()])?;
        bytes += json.len();
    }
    for (source, position) in &batch.positions {
        let (seq, cursor) = match position {
            SourcePosition::Seq(seq) => (Some(signed(*seq)), None),
            SourcePosition::Cursor(cursor) => (None, Some(cursor)),
        };
        db.prepare_cached("INSERT OR REPLACE INTO event_sources (source, seq, cursor) VALUES (?, ?, ?)")?
            .execute(params![source, seq, cursor])?;
    }
    for (projection, event) in &batch.projections {
        let Some(agent) = event.data().agent() else { continue };
        match projection {
            Projection::Nothing => {}
            Projection::PublishedAgent => published::put(db, agent)?,
            Projection::AgentRow => agents::put(db, agent, true)?,
        }
    }
    db.prepare_cached("UPDATE event_log SET bytes = bytes + ?")?.execute([signed(bytes as u64)])?;
    match batch.rows.last() {
        Some(last) => trim(db, last.seq, batch.keep_events, batch.keep_bytes),
        None => Ok(()),
    }
}

/// Deletes the oldest events beyond the bounds.
fn trim(db: &Connection, head: u64, keep_events: u64, keep_bytes: u64) -> rusqlite::Result<()> {
    let mut bytes = one_number(db.prepare_cached("SELECT bytes FROM event_log")?)?;
    let mut oldest = db.prepare_cached("SELECT seq, length(CAST(data AS BLOB)) FROM events ORDER BY seq")?;
    let mut rows = oldest.query([])?;
    let (mut gone, mut freed) = (0, 0);
    while let Some(row) = rows.next()? {
        let (seq, length) = (unsigned(row.get(0)?), unsigned(row.get(1)?));
        let over = head.saturating_sub(seq) >= keep_events || (bytes > keep_bytes && seq < head);
        if !over {
            break;
        }
        (gone, freed, bytes) = (seq, freed + length, bytes.saturating_sub(length));
    }
    if gone > 0 {
        db.prepare_cached("DELETE FROM events WHERE seq <= ?")?.execute([signed(gone)])?;
        db.prepare_cached("UPDATE event_log SET bytes = bytes - ?")?.execute([signed(freed)])?;
    }
    Ok(())
}

fn page(
    db: &Connection,
    after: u64,
    agent: Option<&AgentId>,
    unreadable: impl Fn(u64, serde_json::Error),
) -> rusqlite::Result<EventPage> {
    let (floor, head) = (floor(db)?, head(db)?);
    let mut events = Vec::new();
    let mut reached = head;
    let mut bytes = 0;
    // An event without an agent (`reset`) concerns every subscriber.
    let mut select = match agent {
        None => db.prepare_cached("SELECT seq, data, at FROM events WHERE seq > ?1 ORDER BY seq")?,
        Some(_) => db.prepare_cached(
            "SELECT seq, data, at FROM events WHERE seq > ?1 AND (agent = ?2 OR agent IS NULL) ORDER BY seq",
        )?,
    };
    let mut rows = match agent {
        None => select.query([signed(after)])?,
        Some(agent) => select.query(params![signed(after), agent.as_str()])?,
    };
    while let Some(row) = rows.next()? {
        let (seq, json) = (unsigned(row.get(0)?), text(row, 1)?);
        bytes += json.len();
        match WrittenEvent::read(&json) {
            Ok(event) => {
                events.push(EventRow { seq, event: event.into(), at: Time::from_millis(number(row, 2)?) });
            }
            // Written by another version, or damaged: losing one event must not stop the stream for good.
            Err(error) => unreadable(seq, error),
        }
        if events.len() >= PAGE_EVENTS || bytes >= PAGE_BYTES {
            reached = seq;
            break;
        }
    }
    Ok(EventPage { floor, head, events, reached })
}

fn one_number(mut select: rusqlite::CachedStatement<'_>) -> rusqlite::Result<u64> {
    let number = select.query_row([], |row| row.get::<_, Option<i64>>(0)).optional()?.flatten();
    Ok(unsigned(number.unwrap_or_default()))
}

/// SQLite has signed numbers only; ours start at 1 and do not reach the bound.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
