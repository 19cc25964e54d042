//! Each agent as its last published event showed it.

use parallax_api::{Agent, AgentId};
use rusqlite::{Connection, params};

/// The table. Its name is older than the module: databases of earlier versions are read as they are.
pub const MIGRATION: &str = "
    CREATE TABLE told_agents (
        id TEXT PRIMARY KEY,
        runtime TEXT NOT NULL,
        agent TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX told_agents_of_runtime ON told_agents (runtime);
";

/// Every agent.
pub fn all(db: &Connection) -> rusqlite::Result<Vec<Agent>> {
    let mut select = db.prepare_cached("SELECT agent FROM told_agents")?;
    let rows = select.query_map([], |row| row.get::<_, String>(0))?;
    read(rows)
}

/// The agents of one runtime.
pub fn of(db: &Connection, runtime: &str) -> rusqlite::Result<Vec<Agent>> {
    let mut select = db.prepare_cached("SELECT agent FROM told_agents WHERE runtime = ?")?;
    let rows = select.query_map([runtime], |row| row.get::<_, String>(0))?;
    read(rows)
}

/// Stores an agent as an event shows it.
pub fn put(db: &Connection, agent: &Agent) -> rusqlite::Result<()> {
    let json = serde_json::to_string(agent)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    db.prepare_cached("INSERT OR REPLACE INTO told_agents VALUES (?, ?, ?)")?.execute(params![
        agent.id.as_str(),
        agent.runtime,
        json
    ])?;
    Ok(())
}

/// Deletes those of these agents whose stop was published.
pub fn delete_stopped(db: &Connection, ids: &[AgentId]) -> rusqlite::Result<()> {
    let mut delete = db.prepare_cached(
        "DELETE FROM told_agents WHERE id = ? AND json_extract(agent, '$.status') = 'stopped'",
    )?;
    for id in ids {
        delete.execute([id.as_str()])?;
    }
    Ok(())
}

fn read(rows: impl Iterator<Item = rusqlite::Result<String>>) -> rusqlite::Result<Vec<Agent>> {
    let mut agents = Vec::new();
    for json in rows {
        match serde_json::from_str(&json?) {
            Ok(agent) => agents.push(agent),
            // Written by another version; its runtime sends the agent again.
            Err(error) => tracing::warn!(%error, "an agent in the database cannot be read"),
        }
    }
    Ok(agents)
}
