//! The table of agents in the database: which agents the last server had, and how they ended.

use parallax_api::{Agent, AgentId};
use parallax_service::store::{Store, StoreError};
use rusqlite::types::Type;
use rusqlite::{Connection, params};

/// The server's part of the database.
pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE agents (
        id TEXT PRIMARY KEY,
        agent TEXT NOT NULL,
        launched INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
"];

/// Every agent as it was last published.
#[derive(Clone, Debug)]
pub(super) struct AgentTable(Store);

/// An agent in the database.
pub(super) struct AgentRow {
    /// As it was last published.
    pub(super) agent: Agent,
    /// Whether its host was seen to start. If not, the server died during a spawn that nobody got an answer to.
    pub(super) launched: bool,
}

impl AgentTable {
    pub(super) fn new(store: Store) -> Self {
        Self(store)
    }

    pub(super) async fn all(&self) -> Result<Vec<AgentRow>, StoreError> {
        self.0
            .with(|db| {
                let mut select = db.prepare_cached("SELECT agent, launched FROM agents ORDER BY id")?;
                let rows = select.query_map([], |row| {
                    let agent: String = row.get(0)?;
                    let agent = serde_json::from_str(&agent).map_err(|error| {
                        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
                    })?;
                    Ok(AgentRow { agent, launched: row.get(1)? })
                })?;
                rows.collect()
            })
            .await
    }

    /// Inserts the row of an agent that is about to be launched.
    pub(super) async fn insert_pending(&self, agent: &Agent) -> Result<(), StoreError> {
        let agent = agent.clone();
        self.0.with(move |db| write(db, &agent, false)).await
    }

    /// Writes the row of an agent whose host runs.
    pub(super) async fn put(&self, agent: &Agent) -> Result<(), StoreError> {
        let agent = agent.clone();
        self.0.with(move |db| put(db, &agent)).await
    }

    pub(super) async fn delete(&self, id: &AgentId) -> Result<(), StoreError> {
        let id = id.clone();
        self.0.with(move |db| db.execute("DELETE FROM agents WHERE id = ?", [id.as_str()]).map(drop)).await
    }
}

/// Writes the row of an agent in the transaction of the caller.
pub(super) fn put(db: &Connection, agent: &Agent) -> rusqlite::Result<()> {
    write(db, agent, true)
}

fn write(db: &Connection, agent: &Agent, launched: bool) -> rusqlite::Result<()> {
    let json = serde_json::to_string(agent).expect("an agent is plain data with text keys");
    db.prepare_cached("INSERT OR REPLACE INTO agents VALUES (?, ?, ?)")?
        .execute(params![agent.id.as_str(), json, launched])
        .map(drop)
}
