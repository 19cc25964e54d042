//! The table of a runtime's agents.

use async_trait::async_trait;
use parallax_api::{Agent, AgentId};
use rusqlite::{Connection, params};

use super::database::Database;
use super::errors::json;
use super::row::{number, text};
use super::schema::Table;
use crate::{AgentRow, AgentTable, StoreError};

pub(super) const MIGRATION: &str = "
    CREATE TABLE agents (
        id TEXT PRIMARY KEY,
        agent TEXT NOT NULL,
        launched INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

pub(super) const TABLE: Table = Table { name: "agents", key: "id", columns: &["id", "agent", "launched"] };

#[async_trait]
impl AgentTable for Database {
    async fn all(&self) -> Result<Vec<AgentRow>, StoreError> {
        let rows = self.read(|db| {
            let mut select = db.prepare_cached("SELECT id, agent, launched FROM agents ORDER BY id")?;
            let rows =
                select.query_map([], |row| Ok((text(row, 0)?, text(row, 1)?, number(row, 2)? != 0)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        let parse = |(id, agent, launched): (String, String, bool)| match serde_json::from_str(&agent)
            .and_then(parallax_api::compat::agent)
        {
            Ok(agent) => Some(AgentRow { agent, launched }),
            Err(error) => {
                self.health().report_damage(format!("the agent {id} cannot be read: {error}"));
                None
            }
        };
        Ok(rows.await?.into_iter().filter_map(parse).collect())
    }

    async fn insert_pending(&self, agent: &Agent) -> Result<(), StoreError> {
        let agent = agent.clone();
        self.write(move |db| put(db, &agent, false)).await
    }

    async fn put(&self, agent: &Agent) -> Result<(), StoreError> {
        let agent = agent.clone();
        self.write(move |db| put(db, &agent, true)).await
    }

    async fn delete(&self, id: &AgentId) -> Result<(), StoreError> {
        let id = id.clone();
        self.write(move |db| db.execute("DELETE FROM agents WHERE id = ?", [id.as_str()]).map(drop)).await
    }
}

pub(super) fn put(db: &Connection, agent: &Agent, launched: bool) -> rusqlite::Result<()> {
    let data = serde_json::to_string(agent).map_err(json)?;
    db.prepare_cached("INSERT OR REPLACE INTO agents (id, agent, launched) VALUES (?, ?, ?)")?
        .execute(params![agent.id.as_str(), data, launched])
        .map(drop)
}
