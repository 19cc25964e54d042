//! What agents use (one row a minute and one an hour), in a database of its own: it is written all the time, and losing it harms nothing.

use async_trait::async_trait;
use parallax_api::observe::Tokens;
use parallax_api::usage::{AgentUsage, UsagePoint, UsageSpan};
use parallax_api::{AgentId, Time};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::database::Database;
use super::row::{number, text};
use super::schema::Table;
use crate::{MeasuredAgent, Measurement, StoreError, UsageStore};

pub(super) const MIGRATION: &str = "
    CREATE TABLE usage_minutes (
        id INTEGER PRIMARY KEY,
        agent TEXT NOT NULL,
        at INTEGER NOT NULL,
        cpu REAL,
        cpu_measured INTEGER NOT NULL,
        memory INTEGER,
        tokens_in INTEGER,
        tokens_out INTEGER,
        cost REAL,
        agents INTEGER,
        UNIQUE (agent, at)
    );
    CREATE INDEX usage_minutes_at ON usage_minutes (at);
    CREATE TABLE usage_hours (
        id INTEGER PRIMARY KEY,
        agent TEXT NOT NULL,
        at INTEGER NOT NULL,
        cpu REAL,
        cpu_measured INTEGER NOT NULL,
        memory INTEGER,
        tokens_in INTEGER,
        tokens_out INTEGER,
        cost REAL,
        agents INTEGER,
        UNIQUE (agent, at)
    );
    CREATE INDEX usage_hours_at ON usage_hours (at);
    CREATE TABLE usage_latest (
        agent TEXT PRIMARY KEY,
        at INTEGER NOT NULL,
        cpu REAL,
        memory INTEGER,
        tokens_in INTEGER,
        tokens_out INTEGER,
        cost REAL,
        has_ended INTEGER NOT NULL
    ) WITHOUT ROWID;
";

/// No rows are looked for by their time alone any more.
pub(super) const MIGRATION_WITHOUT_TIMES: &str = "DROP INDEX usage_minutes_at; DROP INDEX usage_hours_at;";

const POINT: &[&str] =
    &["id", "agent", "at", "cpu", "cpu_measured", "memory", "tokens_in", "tokens_out", "cost", "agents"];

pub(super) const MINUTES: Table = Table { name: "usage_minutes", key: "id", columns: POINT };
pub(super) const HOURS: Table = Table { name: "usage_hours", key: "id", columns: POINT };
pub(super) const LATEST: Table = Table {
    name: "usage_latest",
    key: "agent",
    columns: &["agent", "at", "cpu", "memory", "tokens_in", "tokens_out", "cost", "has_ended"],
};

/// All agents together, in the column of the agent.
const ALL: &str = "";
/// Rows that are kept of each table at most, the newest: some 340 agents over the whole of a series; some 60 and 30 MB.
const MAX_MINUTES: i64 = 500_000;
const MAX_HOURS: i64 = 250_000;

/// A span's table.
struct Place {
    span: UsageSpan,
    table: &'static str,
    max: i64,
}

const PLACES: [Place; 2] = [
    Place { span: UsageSpan::Minutes, table: "usage_minutes", max: MAX_MINUTES },
    Place { span: UsageSpan::Hours, table: "usage_hours", max: MAX_HOURS },
];

#[async_trait]
impl UsageStore for Database {
    async fn record(&self, measurement: Measurement) -> Result<(), StoreError> {
        self.write(move |db| {
            let Measurement { total, agents } = measurement;
            for place in &PLACES {
                trim(db, place)?;
                add(db, place, ALL, &total)?;
                shorten(db, place, ALL, total.at)?;
                for MeasuredAgent { usage, .. } in &agents {
                    let agent = usage.agent_id.as_str();
                    add(db, place, agent, &point_of(usage))?;
                    shorten(db, place, agent, usage.at)?;
                }
            }
            for measured in &agents {
                put_latest(db, measured)?;
            }
            Ok(())
        })
        .await
    }

    async fn latest(&self) -> Result<Vec<MeasuredAgent>, StoreError> {
        self.read(|db| {
            let mut select = db.prepare_cached(
                "SELECT at, cpu, memory, tokens_in, tokens_out, cost, agent, has_ended FROM usage_latest",
            )?;
            let mut rows = select.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                // A row that is damaged names no agent.
                let Ok(agent_id) = text(row, 6)?.parse() else { continue };
                let UsagePoint { at, cpu_percent, memory_bytes, tokens, cost_usd, .. } = point(row)?;
                let usage = AgentUsage { agent_id, at, cpu_percent, memory_bytes, tokens, cost_usd };
                found.push(MeasuredAgent { usage, has_ended: number(row, 7)? != 0 });
            }
            Ok(found)
        })
        .await
    }

    async fn last_total(&self) -> Result<Option<UsagePoint>, StoreError> {
        // It only grows, and a clock may have been wrong: the most, not the last.
        let select = "SELECT max(at), NULL, NULL, max(tokens_in), max(tokens_out), max(cost) FROM usage_hours
             WHERE agent = ? GROUP BY agent";
        self.read(move |db| db.query_row(select, [ALL], point).optional()).await
    }

    async fn series(
        &self,
        agent: Option<&AgentId>,
        span: UsageSpan,
        since: Option<Time>,
    ) -> Result<Vec<UsagePoint>, StoreError> {
        let agent = agent.map_or(ALL, AgentId::as_str).to_owned();
        let since = since.map_or(0, Time::as_millis);
        // What a clock that was ahead has left is not of now.
        let now = Time::now().as_millis();
        self.read(move |db| {
            let mut points = Vec::new();
            for Place { table, .. } in PLACES.iter().filter(|place| place.span == span) {
                let mut select = db.prepare_cached(&format!(
                    "SELECT at, cpu, memory, tokens_in, tokens_out, cost, agents FROM {table}
                     WHERE agent = ? AND at BETWEEN ? AND ? ORDER BY at DESC LIMIT ?"
                ))?;
                let most = i64::try_from(span.points()).unwrap_or(i64::MAX);
                let row = |row: &Row<'_>| {
                    let agents: Option<i64> = row.get(6)?;
                    let agents = agents.and_then(|agents| u32::try_from(agents).ok());
                    Ok(UsagePoint { agents, ..point(row)? })
                };
                points =
                    select.query_map(params![agent, since, now, most], row)?.collect::<Result<_, _>>()?;
            }
            points.reverse();
            Ok(points)
        })
        .await
    }

    async fn forget(&self, agents: Vec<AgentId>) -> Result<(), StoreError> {
        self.write(move |db| {
            for agent in &agents {
                for table in ["usage_minutes", "usage_hours", "usage_latest"] {
                    db.prepare_cached(&format!("DELETE FROM {table} WHERE agent = ?"))?
                        .execute([agent.as_str()])?;
                }
            }
            Ok(())
        })
        .await
    }
}

/// Adds figures to the minute or hour that they are of: the mean of the CPU's use, the most memory, the last of what only grows.
fn add(db: &Connection, place: &Place, agent: &str, figures: &UsagePoint) -> rusqlite::Result<()> {
    let table = place.table;
    let at = figures.at.as_millis();
    let begin = at - at.rem_euclid(place.span.step_millis());
    db.prepare_cached(&format!(
        "INSERT INTO {table} (agent, at, cpu, cpu_measured, memory, tokens_in, tokens_out, cost, agents)
         VALUES (?1, ?2, ?3, ?3 IS NOT NULL, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (agent, at) DO UPDATE SET
            cpu = coalesce((cpu * cpu_measured + excluded.cpu) / (cpu_measured + 1), cpu, excluded.cpu),
            cpu_measured = cpu_measured + excluded.cpu_measured,
            memory = coalesce(max(memory, excluded.memory), memory, excluded.memory),
            tokens_in = coalesce(excluded.tokens_in, tokens_in),
            tokens_out = coalesce(excluded.tokens_out, tokens_out),
            cost = coalesce(excluded.cost, cost),
            agents = coalesce(max(agents, excluded.agents), agents, excluded.agents)"
    ))?
    .execute(params![
        agent,
        begin,
        figures.cpu_percent,
        figures.memory_bytes.map(signed),
        figures.tokens.map(|tokens| signed(tokens.input)),
        figures.tokens.map(|tokens| signed(tokens.output)),
        figures.cost_usd,
        figures.agents,
    ])
    .map(drop)
}

/// Deletes an agent's oldest points beyond what a series has. A clock that was ahead has left points of a time that has not come: these do
/// not count.
fn shorten(db: &Connection, place: &Place, agent: &str, now: Time) -> rusqlite::Result<()> {
    let Place { span, table, .. } = place;
    let most = i64::try_from(span.points()).unwrap_or(i64::MAX);
    db.prepare_cached(&format!(
        "DELETE FROM {table} WHERE agent = ?1 AND at <=
             (SELECT at FROM {table} WHERE agent = ?1 AND at <= ?3 ORDER BY at DESC LIMIT 1 OFFSET ?2)"
    ))?
    .execute(params![agent, most, now.as_millis()])
    .map(drop)
}

/// Deletes the rows that were written first, beyond the bound. By no time: a clock may be wrong in both directions.
fn trim(db: &Connection, place: &Place) -> rusqlite::Result<()> {
    let Place { table, max, .. } = place;
    db.prepare_cached(&format!("DELETE FROM {table} WHERE id <= (SELECT max(id) FROM {table}) - ?"))?
        .execute([max])
        .map(drop)
}

fn put_latest(db: &Connection, measured: &MeasuredAgent) -> rusqlite::Result<()> {
    let MeasuredAgent { usage, has_ended } = measured;
    db.prepare_cached(
        "INSERT OR REPLACE INTO usage_latest (agent, at, cpu, memory, tokens_in, tokens_out, cost, has_ended)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        usage.agent_id.as_str(),
        usage.at.as_millis(),
        usage.cpu_percent,
        usage.memory_bytes.map(signed),
        usage.tokens.map(|tokens| signed(tokens.input)),
        usage.tokens.map(|tokens| signed(tokens.output)),
        usage.cost_usd,
        has_ended,
    ])
    .map(drop)
}

fn point_of(usage: &AgentUsage) -> UsagePoint {
    let AgentUsage { at, cpu_percent, memory_bytes, tokens, cost_usd, .. } = usage.clone();
    UsagePoint { at, cpu_percent, memory_bytes, tokens, cost_usd, agents: None }
}

/// The figures of a row: `at`, `cpu`, `memory`, `tokens_in`, `tokens_out`, `cost`.
fn point(row: &Row<'_>) -> rusqlite::Result<UsagePoint> {
    let count = |index: usize| -> rusqlite::Result<Option<u64>> {
        Ok(row.get::<_, Option<i64>>(index)?.and_then(|count| u64::try_from(count).ok()))
    };
    let tokens = count(3)?.zip(count(4)?).map(|(input, output)| Tokens { input, output });
    Ok(UsagePoint {
        cpu_percent: row.get(1)?,
        memory_bytes: count(2)?,
        tokens,
        cost_usd: row.get(5)?,
        ..UsagePoint::unknown(Time::from_millis(number(row, 0)?))
    })
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn measured(agent: &AgentId, at: i64, cpu: Option<f64>, memory: u64, tokens: Option<u64>) -> Measurement {
        let usage = AgentUsage {
            agent_id: agent.clone(),
            at: Time::from_millis(at),
            cpu_percent: cpu,
            memory_bytes: Some(memory),
            tokens: tokens.map(|input| Tokens { input, output: 1 }),
            cost_usd: None,
        };
        let total = UsagePoint { agents: Some(1), ..point_of(&usage) };
        Measurement { total, agents: vec![MeasuredAgent { usage, has_ended: false }] }
    }

    #[tokio::test]
    async fn minutes_and_hours_of_what_was_measured() {
        let dir = tempfile::tempdir().unwrap();
        let agent = AgentId::generate();
        let store = crate::sqlite::open_usage(dir.path()).await.unwrap();
        let begin = 1000 * HOUR;
        for (at, cpu, memory, tokens) in [
            (begin, None, 7, None),
            (begin + 30_000, Some(10.0), 9, Some(5)),
            (begin + 59_999, Some(20.0), 8, None),
            (begin + 60_000, Some(60.0), 3, Some(6)),
        ] {
            store.record(measured(&agent, at, cpu, memory, tokens)).await.unwrap();
        }
        let minutes = store.series(Some(&agent), UsageSpan::Minutes, None).await.unwrap();
        let seen: Vec<_> =
            minutes.iter().map(|p| (p.at.as_millis() - begin, p.cpu_percent, p.memory_bytes)).collect();
        assert_eq!(seen, [(0, Some(15.0), Some(9)), (60_000, Some(60.0), Some(3))]);
        assert_eq!(minutes[0].tokens, Some(Tokens { input: 5, output: 1 }));
        assert_eq!((minutes[0].cost_usd, minutes[0].agents), (None, None));
        let hours = store.series(None, UsageSpan::Hours, None).await.unwrap();
        assert_eq!((hours.len(), hours[0].cpu_percent, hours[0].agents), (1, Some(30.0), Some(1)));
        let since = Some(Time::from_millis(begin + 1));
        assert_eq!(store.series(Some(&agent), UsageSpan::Minutes, since).await.unwrap().len(), 1);

        // The next server has it all.
        drop(store);
        let store = crate::sqlite::open_usage(dir.path()).await.unwrap();
        assert_eq!(store.last_total().await.unwrap().unwrap().tokens, Some(Tokens { input: 6, output: 1 }));
        assert_eq!(store.latest().await.unwrap()[0].usage.memory_bytes, Some(3));

        // A clock that is far ahead for a while costs nothing that was measured, nor does one that is far behind.
        let total = store.last_total().await.unwrap().unwrap().tokens;
        let ahead = Time::now().as_millis() + 9000 * HOUR;
        store.record(measured(&agent, ahead, None, 1, Some(1))).await.unwrap();
        store.record(measured(&agent, begin + HOUR, None, 1, Some(6))).await.unwrap();
        let hours = store.series(Some(&agent), UsageSpan::Hours, None).await.unwrap();
        assert_eq!(hours.iter().map(|p| p.at.as_millis() - begin).collect::<Vec<_>>(), [0, HOUR]);
        assert_eq!(store.last_total().await.unwrap().unwrap().tokens, total);
        // A series has so many points, and no more.
        for hour in 2..=UsageSpan::Hours.points() {
            let at = begin + i64::try_from(hour).unwrap() * HOUR;
            store.record(measured(&agent, at, None, 1, None)).await.unwrap();
        }
        let hours = store.series(Some(&agent), UsageSpan::Hours, None).await.unwrap();
        assert_eq!((hours.len(), hours[0].at.as_millis() - begin), (UsageSpan::Hours.points(), HOUR));

        store.forget(vec![agent.clone()]).await.unwrap();
        assert_eq!(store.series(Some(&agent), UsageSpan::Hours, None).await.unwrap(), []);
        assert_eq!(store.latest().await.unwrap(), []);
        assert_eq!(
            store.series(None, UsageSpan::Hours, None).await.unwrap().len(),
            UsageSpan::Hours.points()
        );
    }

    #[tokio::test]
    async fn a_database_with_indexes_of_times_is_taken_over_without_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("usage.db");
        let older = Connection::open(&path).unwrap();
        older
            .execute_batch(&format!(
                "{MIGRATION}
                 CREATE TABLE parts (name TEXT PRIMARY KEY, version INTEGER NOT NULL);
                 INSERT INTO parts VALUES ('main', 1);
                 INSERT INTO usage_hours (agent, at, cpu_measured, memory) VALUES ('', {HOUR}, 0, 7);"
            ))
            .unwrap();
        older.close().unwrap();

        let store = crate::sqlite::open_usage(dir.path()).await.unwrap();
        let hours = store.series(None, UsageSpan::Hours, None).await.unwrap();
        assert_eq!(hours.iter().map(|point| point.memory_bytes).collect::<Vec<_>>(), [Some(7)]);
        let agent = AgentId::generate();
        store.record(measured(&agent, 2 * HOUR, None, 9, None)).await.unwrap();
        assert_eq!(store.series(None, UsageSpan::Hours, None).await.unwrap().len(), 2);
        let indexes = "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name LIKE 'usage_%_at'";
        let indexes = Connection::open(&path).unwrap().query_row(indexes, [], |row| number(row, 0)).unwrap();
        assert_eq!(indexes, 0);
        let set_aside = std::fs::read_dir(dir.path()).unwrap();
        let set_aside = set_aside
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("damaged"));
        assert_eq!(set_aside.count(), 0);
    }
}
