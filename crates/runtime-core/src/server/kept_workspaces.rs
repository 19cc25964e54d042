//! What the next server finds of workspaces, where the backend keeps that: another server, with another state directory, may be
//! the next one to have their agents.

use std::collections::HashSet;
use std::error::Error;

use anyhow::Context;
use parallax_api::{Agent, AgentId, Code, Problem};
use parallax_workspace::{Ending, Record, Workspace, Workspaces};

use super::clones::workspace_of;
use super::core::RuntimeCore;

impl RuntimeCore {
    /// Takes over what the backend keeps of workspaces. What is not kept, and has no volume any more, was removed by another server.
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
            if !there.contains(id) && !self.backend.holds_workspace(id).await? {
                workspaces.forget_store(id.as_str()).await.context("failed to forget a workspace")?;
            }
        }
        Ok(())
    }

    /// Notes what becomes of a clone, for this server and for the next one. False: another agent has come since `seen`.
    pub(super) async fn note_end(
        &self,
        workspaces: &Workspaces,
        seen: &Record,
        kept: Option<String>,
    ) -> Result<bool, Problem> {
        let noting = async {
            let is_noted = workspaces.note_ending(seen, &Ending { kept }).await?;
            if is_noted {
                self.backend.note_workspace(&workspaces.kept(seen.id.as_str())?).await?;
            }
            Ok(is_noted)
        };
        noting.await.inspect_err(|problem: &Problem| {
            if problem.code != Code::NotFound {
                tracing::error!(agent.id = %seen.id, %problem, "what becomes of a workspace could not be noted");
            }
        })
    }

    /// Takes back what was decided of the workspace of an agent that runs: it may have ended before, and go on now.
    pub(super) async fn goes_on(&self, agent: &Agent) {
        self.ending.lock().expect("nothing panics while it is locked").remove(&agent.id);
        let Some(workspaces) = self.workspaces.as_ref().filter(|_| self.clone_root().is_some()) else {
            return;
        };
        let id = workspace_of(agent);
        let is_ended = |known: &Workspace| known.record().ending.is_some();
        if !workspaces.known(id.as_str()).as_ref().is_ok_and(is_ended) {
            return;
        }
        let reopening = async {
            if workspaces.reopen(id.as_str()).await? {
                self.backend.note_workspace(&workspaces.kept(id.as_str())?).await?;
            }
            Ok(())
        };
        if let Err(problem) = reopening.await {
            let problem: Problem = problem;
            tracing::error!(agent.id = %agent.id, %problem, "that an agent goes on in its workspace could not be noted");
        }
    }

    /// The store of a living agent with its repository, which another server may have had.
    pub(super) async fn filled_store(&self, id: &AgentId) -> Result<Workspace, Problem> {
        let store = self.store(id)?;
        let workspaces = self.workspaces()?;
        if workspaces.get(store.record().id.as_str()).is_ok() || store.record().ending.is_some() {
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
