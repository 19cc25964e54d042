//! The log's tables. Numbers of events have no gap, and none is used twice.

use parallax_api::{AgentId, Event, EventData, Time};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::Mark;
use super::id::Epoch;

pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE event_log (epoch TEXT NOT NULL, bytes INTEGER NOT NULL);
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        agent TEXT,
        data TEXT NOT NULL,
        at INTEGER NOT NULL
    );
    CREATE INDEX events_of_agent ON events (agent, seq);
    CREATE TABLE event_sources (source TEXT PRIMARY KEY, seq INTEGER, cursor TEXT) WITHOUT ROWID;
"];

/// How many events one look at the database brings, and how many bytes of them: what a slow subscriber holds.
const PAGE_EVENTS: usize = 128;
const PAGE_BYTES: usize = 1024 * 1024;

/// What the log keeps at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub events: u64,
    pub bytes: u64,
}

/// An event and its number.
#[derive(Clone, Debug)]
pub(super) struct Numbered {
    pub seq: u64,
    pub event: Event,
}

/// A look at the log.
#[derive(Debug)]
pub(super) struct Page {
    /// The number before the oldest event kept.
    pub floor: u64,
    /// The number of the last event.
    pub head: u64,
    /// The events that were asked for, oldest first.
    pub events: Vec<Numbered>,
    /// Everything up to here has been looked at.
    pub reached: u64,
}

/// The log's epoch, made up at first sight.
pub(super) fn epoch(db: &Connection) -> rusqlite::Result<String> {
    if let Some(epoch) = db.query_row("SELECT epoch FROM event_log", [], |row| row.get(0)).optional()? {
        return Ok(epoch);
    }
    let epoch: String = Uuid::new_v4().simple().to_string().chars().take(12).collect();
    db.execute("INSERT INTO event_log VALUES (?, 0)", [&epoch])?;
    Ok(epoch)
}

/// The number of the last event, 0 before the first.
pub(super) fn head(db: &Connection) -> rusqlite::Result<u64> {
    let seq = db.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'events'")?;
    one_number(seq)
}

/// The number before the oldest event kept.
fn floor(db: &Connection) -> rusqlite::Result<u64> {
    let oldest = one_number(db.prepare_cached("SELECT min(seq) FROM events")?)?;
    if oldest == 0 { head(db) } else { Ok(oldest - 1) }
}

/// Takes note that `source` is taken up to `mark`; false when it was there before.
pub(super) fn advance(db: &Connection, source: &str, next: &Mark) -> rusqlite::Result<bool> {
    let known = match (mark(db, source)?, next) {
        (Some(Mark::Seq(last)), Mark::Seq(next)) => *next <= last,
        (Some(last), next) => last == *next,
        (None, _) => false,
    };
    if known {
        return Ok(false);
    }
    let (seq, cursor) = match next {
        Mark::Seq(seq) => (Some(signed(*seq)), None),
        Mark::Cursor(cursor) => (None, Some(cursor)),
    };
    db.prepare_cached("INSERT OR REPLACE INTO event_sources VALUES (?, ?, ?)")?
        .execute(params![source, seq, cursor])?;
    Ok(true)
}

pub(super) fn mark(db: &Connection, source: &str) -> rusqlite::Result<Option<Mark>> {
    db.prepare_cached("SELECT seq, cursor FROM event_sources WHERE source = ?")?
        .query_row([source], |row| {
            Ok(match row.get::<_, Option<String>>(1)? {
                Some(cursor) => Mark::Cursor(cursor),
                None => Mark::Seq(unsigned(row.get(0)?)),
            })
        })
        .optional()
}

pub(super) fn forget(db: &Connection, source: &str) -> rusqlite::Result<()> {
    db.execute("DELETE FROM event_sources WHERE source = ?", [source]).map(|_| ())
}

/// Keeps the event and lets go of the oldest ones past the bounds.
pub(super) fn insert(db: &Connection, data: &EventData, at: Time, bounds: Bounds) -> rusqlite::Result<u64> {
    let agent = data.agent_id().map(AgentId::as_str);
    let json =
        serde_json::to_string(data).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    db.prepare_cached("INSERT INTO events (agent, data, at) VALUES (?, ?, ?)")?.execute(params![
        agent,
        json,
        at.as_millis()
    ])?;
    let seq = unsigned(db.last_insert_rowid());
    db.prepare_cached("UPDATE event_log SET bytes = bytes + ?")?.execute([json.len() as i64])?;
    trim(db, seq, bounds)?;
    Ok(seq)
}

fn trim(db: &Connection, head: u64, bounds: Bounds) -> rusqlite::Result<()> {
    let mut bytes = one_number(db.prepare_cached("SELECT bytes FROM event_log")?)?;
    let mut oldest = db.prepare_cached("SELECT seq, length(CAST(data AS BLOB)) FROM events ORDER BY seq")?;
    let mut rows = oldest.query([])?;
    let (mut gone, mut freed) = (0, 0);
    while let Some(row) = rows.next()? {
        let (seq, length) = (unsigned(row.get(0)?), unsigned(row.get(1)?));
        let over = head - seq >= bounds.events || (bytes > bounds.bytes && seq < head);
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

/// The next events after `after`, of `agent` if one is named.
pub(super) fn page(
    db: &Connection,
    epoch: &Epoch,
    after: u64,
    agent: Option<&AgentId>,
) -> rusqlite::Result<Page> {
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
        let (seq, json) = (unsigned(row.get(0)?), row.get::<_, String>(1)?);
        bytes += json.len();
        match serde_json::from_str(&json) {
            Ok(data) => {
                let event = Event { id: epoch.id(seq), data, timestamp: Time::from_millis(row.get(2)?) };
                events.push(Numbered { seq, event });
            }
            // Written by another version: losing one event must not stop the stream for good.
            Err(error) => tracing::error!(seq, %error, "an event in the database cannot be read"),
        }
        if events.len() >= PAGE_EVENTS || bytes >= PAGE_BYTES {
            reached = seq;
            break;
        }
    }
    Ok(Page { floor, head, events, reached })
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
