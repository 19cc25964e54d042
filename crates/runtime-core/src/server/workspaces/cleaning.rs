//! Workspaces that are there: listed with why they are, and ended when their agents have.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use parallax_api::workspace::{WorkspaceCleanup, WorkspaceInfo, WorkspaceList};
use parallax_api::{AgentId, Problem};
use parallax_workspace::{Outcome, Workspace};
use tokio::time::Instant;

use super::unseen;
use crate::server::core::RuntimeCore;

/// How long a clean-up takes at most, less than who asks for it waits. What is under way by then goes on by itself.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(120);
/// Why one stays that a clean-up did not come to.
const NOT_REACHED: &str = "the clean-up took too long to come to it: clean up again";
/// Why one stays that a clean-up was looking at when its time was over.
const UNFINISHED: &str = "it is still being looked at: clean up again";

/// Workspaces that are looked at at the same time.
const AT_ONCE: usize = 4;

impl RuntimeCore {
    /// Every workspace here, also of agents that are forgotten.
    pub(in crate::server) async fn list_workspaces(&self) -> Result<WorkspaceList, Problem> {
        let workspaces = self.workspaces()?;
        let all = workspaces.list().map_err(Problem::from)?;
        let looked_at = all.into_iter().map(|workspace| async move {
            let mut info = self.info(&workspace).await;
            info.reason = match self.clone_root() {
                Some(_) => self.kept_clone(&workspace, info.in_use == Some(true)),
                None => {
                    workspaces.worth_keeping(&workspace).await.unwrap_or_else(|error| Some(unseen(&error)))
                }
            };
            info
        });
        let looked_at = stream::iter(looked_at).buffered(AT_ONCE).collect().await;
        let space = self.space.shown().map(|space| (self.config.name.clone(), space));
        Ok(WorkspaceList {
            workspaces: looked_at,
            space: space.into_iter().collect(),
            runtimes_away: Vec::new(),
        })
    }

    /// Ends the workspaces of agents that have ended, as each was asked for. Those that it does not come to in time are kept.
    pub(in crate::server) async fn clean_workspaces(self: &Arc<Self>) -> Result<WorkspaceCleanup, Problem> {
        let mut done = WorkspaceCleanup::default();
        let until = Instant::now() + CLEANUP_TIMEOUT;
        let mut unreached = 0;
        for workspace in self.workspaces()?.list().map_err(Problem::from)? {
            // Nobody has looked whether it is in use.
            let mut kept = self.info_of(&workspace, None);
            if Instant::now() >= until {
                unreached += 1;
                kept.reason = Some(NOT_REACHED.into());
                done.kept.push(kept);
                continue;
            }
            let core = self.clone();
            // To its end, whatever becomes of the caller: half a look would leave a container.
            let cleaning =
                self.shutdown.tracker().spawn(async move { core.clean_workspace(workspace).await });
            match tokio::time::timeout_at(until, cleaning).await {
                Ok(Ok((info, true))) => done.removed.push(info),
                Ok(Ok((info, false))) => done.kept.push(info),
                Ok(Err(error)) => return Err(Problem::internal(error)),
                Err(_) => {
                    unreached += 1;
                    kept.reason = Some(UNFINISHED.into());
                    done.kept.push(kept);
                }
            }
        }
        if unreached > 0 {
            tracing::warn!(unreached, "a clean-up of workspaces took too long to come to all of them");
        }
        self.forget_reclaimable().await;
        Ok(done)
    }

    /// Ends one workspace, unless an agent works in it: what it was, and whether it is gone.
    async fn clean_workspace(&self, workspace: Workspace) -> (WorkspaceInfo, bool) {
        let mut info = self.info(&workspace).await;
        if info.in_use == Some(true) {
            return (info, false);
        }
        let finished = match (self.clone_root(), self.workspaces()) {
            (_, Err(problem)) => Err(problem),
            (Some(_), Ok(workspaces)) => self.finish_clone(workspaces, &workspace).await,
            (None, Ok(workspaces)) => workspaces.finish_seen(workspace.record()).await.map_err(Problem::from),
        };
        match finished {
            Ok(Outcome::Removed) => {
                self.space.removed(info.id.as_str());
                return (info, true);
            }
            Ok(Outcome::Kept(reason)) => info.reason = Some(reason),
            Err(error) => info.reason = Some(unseen(&error)),
        }
        (info, false)
    }

    async fn info(&self, workspace: &Workspace) -> WorkspaceInfo {
        let in_use = self.is_in_use(workspace.record()).await;
        self.info_of(workspace, Some(in_use))
    }

    fn info_of(&self, workspace: &Workspace, in_use: Option<bool>) -> WorkspaceInfo {
        let record = workspace.record();
        let root = self.clone_root();
        let directory =
            root.map_or_else(|| workspace.directory().to_owned(), |root| root.join(record.id.as_str()));
        WorkspaceInfo {
            id: AgentId::clone(&record.id),
            name: record.name.clone(),
            runtime: self.config.name.clone(),
            in_use,
            repo: record.source(),
            branch: record.branch.clone(),
            path: directory.display().to_string(),
            volume: self.backend.workspace_volume(&record.id),
            keep: record.keep,
            reason: None,
            bytes: self.space.of(&record.id),
            created_at: record.created_at,
        }
    }
}
