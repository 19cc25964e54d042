//! What the next server finds of workspaces, where the backend keeps that: another server, with another state directory, may be
//! the next one to have their agents.

use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use parallax_api::retry::Backoff;
use parallax_api::{Agent, AgentId, Code, Problem};
use parallax_workspace::{Ending, Record, Workspace, Workspaces};

use super::clones::workspace_of;
use super::core::RuntimeCore;

/// How long the backend may take to say what is kept, while this server does not serve.
const LIST_TIMEOUT: Duration = Duration::from_secs(15);
/// Between two tries to learn it.
const RETRY: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

impl RuntimeCore {
    /// Takes over what the backend keeps of workspaces; when it does not say now, as soon as it does. Agents do not wait for that.
    pub(super) async fn restore_workspaces(self: &Arc<Self>) -> anyhow::Result<()> {
        let Some(workspaces) = &self.workspaces else { return Ok(()) };
        let seen = workspaces.list().context("failed to list the workspaces")?;
        let Err(problem) = self.try_to_restore(workspaces, &seen).await else { return Ok(()) };
        tracing::error!(
            %problem,
            "the workspaces of earlier servers are not known yet, and nothing of them is removed; they are asked for again. On Kubernetes \
             this server's role needs `list` and `get` on persistentvolumeclaims (deploy/kubernetes/rbac.yaml)"
        );
        let (core, shutdown) = (self.clone(), self.shutdown.clone());
        self.shutdown.tracker().spawn(async move {
            tokio::select! {
                () = core.keep_restoring(&seen, problem) => {}
                () = shutdown.begun() => {}
            }
        });
        Ok(())
    }

    async fn keep_restoring(&self, seen: &[Workspace], mut told: Problem) {
        let Some(workspaces) = &self.workspaces else { return };
        let mut backoff = RETRY;
        loop {
            backoff.wait().await;
            match self.try_to_restore(workspaces, seen).await {
                Ok(()) => return tracing::info!("the workspaces of earlier servers are known"),
                Err(problem) if problem.detail == told.detail => {}
                Err(problem) => {
                    tracing::error!(%problem, "the workspaces of earlier servers are still not known");
                    told = problem;
                }
            }
        }
    }

    /// What is not kept, and has no volume any more, was removed by another server. Only what is here as it was `seen` at the start is
    /// touched: this server may have served meanwhile, and knows better.
    async fn try_to_restore(&self, workspaces: &Workspaces, seen: &[Workspace]) -> Result<(), Problem> {
        let listing = tokio::time::timeout(LIST_TIMEOUT, self.backend.kept_workspaces()).await;
        let late = || Problem::new(Code::Timeout, format!("no answer within {} s", LIST_TIMEOUT.as_secs()));
        let Some(kept) = listing.unwrap_or_else(|_| Err(late()))? else { return Ok(()) };
        for kept in &kept {
            let seen = seen.iter().map(Workspace::record).find(|record| record.id == kept.id);
            if let Err(error) = workspaces.restore(kept, seen).await {
                let error = &error as &dyn Error;
                tracing::error!(agent.id = %kept.id, error, "a workspace that another server made is not known");
            }
        }
        let there: HashSet<&AgentId> = kept.iter().map(|kept| &kept.id).collect();
        for local in seen {
            let id = &local.record().id;
            let is_as_seen = workspaces.known(id.as_str()).is_ok_and(|now| now.record() == local.record());
            if is_as_seen && !there.contains(id) && !self.backend.holds_workspace(id).await? {
                workspaces.forget_store(id.as_str()).await?;
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
        let is_ended =
            |known: &Workspace| known.record().ending.is_some() || known.record().reopened.is_some();
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
        self.check_source(store.record())?;
        tracing::info!(agent.id = %id, "fetching the repository of a workspace that another server made");
        workspaces.refill(&store).await?;
        Ok(store)
    }
}
