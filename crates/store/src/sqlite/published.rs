//! The table of published agents. It is called `told_agents`, as in every released database.

use async_trait::async_trait;
use parallax_api::{Agent, AgentId, AgentStatus};
use rusqlite::{Connection, OptionalExtension, params};

use super::database::Database;
use super::errors::json;
use super::row::text;
use super::schema::Table;
use crate::{PublishedAgents, StorageHealth, StoreError};

pub(super) const MIGRATION: &str = "
    CREATE TABLE told_agents (
        id TEXT PRIMARY KEY,
        runtime TEXT NOT NULL,
        agent TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX told_agents_of_runtime ON told_agents (runtime);
";

pub(super) const TABLE: Table =
    Table { name: "told_agents", key: "id", columns: &["id", "runtime", "agent"] };

#[async_trait]
impl PublishedAgents for Database {
    async fn all(&self) -> Result<Vec<Agent>, StoreError> {
        let rows = self.read(|db| {
            let mut select = db.prepare_cached("SELECT id, agent FROM told_agents")?;
            select.query_map([], |row| Ok((text(row, 0)?, text(row, 1)?)))?.collect()
        });
        Ok(parse(rows.await?, self.health()))
    }

    async fn of(&self, runtime: &str) -> Result<Vec<Agent>, StoreError> {
        let runtime = runtime.to_owned();
        let rows = self.read(move |db| {
            let mut select = db.prepare_cached("SELECT id, agent FROM told_agents WHERE runtime = ?")?;
            select.query_map([runtime], |row| Ok((text(row, 0)?, text(row, 1)?)))?.collect()
        });
        Ok(parse(rows.await?, self.health()))
    }

    async fn delete_stopped(&self, ids: Vec<AgentId>) -> Result<(), StoreError> {
        self.write(move |db| {
            let mut select = db.prepare_cached("SELECT agent FROM told_agents WHERE id = ?")?;
            let mut delete = db.prepare_cached("DELETE FROM told_agents WHERE id = ?")?;
            for id in ids {
                let row: Option<String> = select.query_row([id.as_str()], |row| text(row, 0)).optional()?;
                let agent = row.and_then(|row| serde_json::from_str::<Agent>(&row).ok());
                if agent.is_some_and(|agent| agent.status == AgentStatus::Stopped) {
                    delete.execute([id.as_str()])?;
                }
            }
            Ok(())
        })
        .await
    }
}

pub(super) fn put(db: &Connection, agent: &Agent) -> rusqlite::Result<()> {
    let data = serde_json::to_string(agent).map_err(json)?;
    db.prepare_cached("INSERT OR REPLACE INTO told_agents (id, runtime, agent) VALUES (?, ?, ?)")?
        .execute(params![agent.id.as_str(), agent.runtime, data])
        .map(drop)
}

/// The agents that can be read; the runtime of one that cannot sends it again.
fn parse(rows: Vec<(String, String)>, health: &StorageHealth) -> Vec<Agent> {
    let parse = |(id, row): (String, String)| match serde_json::from_str(&row) {
        Ok(agent) => Some(agent),
        Err(error) => {
            health.report_damage(format!("the published agent {id} cannot be read: {error}"));
            None
        }
    };
    rows.into_iter().filter_map(parse).collect()
}
