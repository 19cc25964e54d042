//! What the next server finds of workspaces, where the backend keeps that: another server, with another state directory, may be
//! the next one to have their agents.

use std::collections::HashSet;
use std::error::Error;

use anyhow::Context;
use parallax_api::{AgentId, Problem};
use parallax_workspace::{Ending, Workspace, Workspaces};

use super::core::RuntimeCore;

impl RuntimeCore {
    /// Takes over what the backend keeps of workspaces. What only this server knows of is of those that another one has removed.
    pub(super) async fn restore_workspaces(&self) -> anyhow::Result<()> {
        let Some(workspaces) = &self.workspaces else { return Ok(()) };
        let Some(kept) = self.backend.kept_workspaces().await? else { return Ok(()) };
        for kept in &kept {
            if let Err(error) = workspaces.restore(kept).await {
                let error = &error as &dyn Error;
                tracing::error!(agent.id = %kept.id, error, "a workspace that another server made is not known");
            }
        }
        let there: HashSet<&AgentId> = kept.iter().map(|kept| &kept.id).collect();
        for local in workspaces.list().context("failed to list the workspaces")? {
            let id = &local.record().id;
            if !there.contains(id) {
                workspaces.forget_store(id.as_str()).await.context("failed to forget a workspace")?;
            }
        }
        Ok(())
    }

    /// Notes what became of a clone, for this server and for the next one.
    pub(super) async fn note_clone_ending(
        &self,
        workspaces: &Workspaces,
        id: &AgentId,
        kept: Option<String>,
    ) {
        let noting = async {
            workspaces.note_ending(id.as_str(), &Ending { kept }).await?;
            self.backend.note_workspace(&workspaces.kept(id.as_str())?).await
        };
        if let Err(problem) = noting.await {
            tracing::error!(agent.id = %id, %problem, "what becomes of a workspace could not be noted");
        }
    }

    /// The store of a living agent with its repository, which another server may have had.
    pub(super) async fn filled_store(&self, id: &AgentId) -> Result<Workspace, Problem> {
        let store = self.store(id)?;
        let workspaces = self.workspaces()?;
        if workspaces.get(id.as_str()).is_ok() || store.record().ending.is_some() {
            return Ok(store);
        }
        let record = store.record();
        // Once more: what may be fetched from is this server's to say.
        match &record.url {
            Some(url) => self.config.repositories.check(url)?,
            None => self.config.workdirs.repository(&record.repository.to_string_lossy()).map(drop)?,
        }
        tracing::info!(agent.id = %id, "fetching the repository of a workspace that another server made");
        workspaces.refill(&store).await?;
        Ok(store)
    }
}
