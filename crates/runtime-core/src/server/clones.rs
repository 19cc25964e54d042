//! Workspaces of agents with a file system of their own: clones on a volume that the backend makes. The agent's host runs git
//! in them; what needs credentials or the network is done here, in a store that has the same commits.
//!
//! What a host says of its agent's clone is as trustworthy as the agent, who is the same user.

mod carrying;
mod ending;

use std::path::PathBuf;
use std::time::Duration;

use parallax_api::host::WorkspaceCall;
use parallax_api::workspace::{
    Conflicts, MergeRequest, Merged, PullRequest, PullRequestRequest, PushRequest, Pushed, WorkspaceMode,
    WorkspaceRequest,
};
use parallax_api::{Agent, AgentId, Code, Problem};
use parallax_profile::{Checkout, Launch, Mount, MountSource};
use parallax_workspace::{Other, PullRequestCommand, Record, Workspace, Workspaces};

use carrying::Brought;

use super::core::RuntimeCore;
use super::registry::HostState;
use super::workdir::{Workdir, Workdirs};
use super::workspaces::{not_here, unsupported};
use crate::host::HostClient;

/// Between two looks for the host of an agent that is being started.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

impl RuntimeCore {
    /// Where agents here have their clones; none where they work in directories of this machine.
    pub(super) fn clone_root(&self) -> Option<PathBuf> {
        match &self.config.workdirs {
            Workdirs::Here { .. } => None,
            Workdirs::Mounted { at, .. } => Some(at.clone()),
        }
    }

    /// Where the clone of this agent will be. Refuses what cannot be made here.
    pub(super) fn clone_place(
        &self,
        id: &AgentId,
        root: PathBuf,
        asked: &WorkspaceRequest,
    ) -> Result<Workdir, Problem> {
        let id = asked.reuse.as_ref().unwrap_or(id);
        let volume = self.backend.workspace_volume(id).ok_or_else(not_here)?;
        if asked.reuse.is_some() && !self.backend.shares_workspaces() {
            let detail =
                "agents do not share a workspace here: name the volume of one that was kept as `workdir`";
            return Err(unsupported("workspace.reuse", detail));
        }
        if asked.reuse.is_some() {
            self.workspaces()?.known(id.as_str())?;
        }
        if asked.mode == Some(WorkspaceMode::Worktree) {
            let detail = "a container has no part in a repository of the machine: leave `mode` out, or ask for a `clone`";
            return Err(unsupported("workspace.mode", detail));
        }
        if asked.is_remote() {
            self.config.repositories.check(&asked.repo)?;
        }
        let path = root.join(id.as_str());
        let mount = Mount { source: MountSource::Volume(volume), read_only: false };
        Ok(Workdir { shown: path.display().to_string(), path, mount: Some(mount) })
    }

    /// Has the host of this launch wait for the store's repository, or find the checkout that its agent is to work in.
    pub(super) fn check_out_there(&self, launch: &mut Launch) {
        let id = workspace_of(&launch.agent).clone();
        launch.checkout = self.clone_root().map(|root| Checkout { root, id });
    }

    /// Refuses a clone that cannot be worked in: one that is being made, is gone, or has no store any more.
    pub(super) async fn check_reuse(&self, workspaces: &Workspaces, id: &AgentId) -> Result<(), Problem> {
        let gone = || Problem::new(Code::NotFound, format!("the volume of the workspace `{id}` is gone"));
        let is_starting =
            self.registry.get(id).is_ok_and(|entry| matches!(entry.host_state(), HostState::Starting(_)));
        if is_starting {
            let detail =
                "the workspace is still being made for its first agent; try again when that one runs";
            return Err(Problem::new(Code::Conflict, detail).with("field", "workspace.reuse"));
        }
        if !self.backend.holds_workspace(id).await? {
            return Err(gone());
        }
        if workspaces.get(id.as_str()).is_err() {
            let detail =
                "the workspace was kept by a version that kept no store of it: name its volume as `workdir`";
            return Err(unsupported("workspace.reuse", detail));
        }
        Ok(())
    }

    /// Hands the store's repository to the host of an agent that is being started, as soon as that one answers. Resolves with
    /// why it cannot be: otherwise the launch goes on, and says itself how it went.
    pub(super) async fn hand_over_clone(&self, id: &AgentId) -> Problem {
        let packed = async {
            let workspaces = self.workspaces()?;
            Ok::<_, Problem>(workspaces.pack(&workspaces.get(id.as_str())?).await?)
        };
        let packed = match packed.await {
            Ok(packed) => packed,
            Err(problem) => return problem,
        };
        loop {
            if let Ok(Some(found)) = self.backend.find_host(id).await
                && let Some(address) = found.address
            {
                match HostClient::new(address).check_out(&packed.path()).await {
                    Ok(()) => std::future::pending().await,
                    Err(problem) if problem.code == Code::RuntimeUnavailable => {
                        tracing::debug!(agent.id = %id, %problem, "the host does not take its repository yet");
                    }
                    // The host has it from an attempt whose answer was lost.
                    Err(problem) if problem.code == Code::Conflict => {}
                    Err(problem) => return problem,
                }
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Asks the host of a running agent for what it finds or does in the clone.
    pub(super) async fn ask_clone<T: serde::de::DeserializeOwned>(
        &self,
        id: &AgentId,
        call: &WorkspaceCall,
    ) -> Result<T, Problem> {
        self.store(id)?;
        self.ask(id, async |host| host.workspace(call).await).await
    }

    /// The unified diff of the clone.
    pub(super) async fn ask_clone_bytes(
        &self,
        id: &AgentId,
        call: &WorkspaceCall,
    ) -> Result<Vec<u8>, Problem> {
        self.store(id)?;
        self.ask(id, async |host| host.workspace_bytes(call).await).await
    }

    pub(super) async fn clone_conflicts(&self, id: &AgentId, with: &str) -> Result<Conflicts, Problem> {
        let ours = self.look(id).await?;
        let other = match with.parse::<AgentId>() {
            Ok(other) if self.store(&other).is_ok() => Some(self.look(&other).await?),
            _ => None,
        };
        let theirs = other.as_ref().map_or(Other::Commit(with), |other| Other::Workspace(other.side()));
        Ok(self.workspaces()?.conflicts(ours.side(), theirs).await?)
    }

    pub(super) async fn push_clone(&self, id: &AgentId, request: &PushRequest) -> Result<Pushed, Problem> {
        let Brought { store, stand } = self.bring(id).await?;
        let current = stand.branch.as_deref();
        let pushed = self.workspaces()?.push_commit(&store, &stand.head, current, request).await?;
        self.note_pushed(id, pushed.clone()).await;
        Ok(pushed)
    }

    pub(super) async fn pull_request_of_clone(
        &self,
        id: &AgentId,
        request: &PullRequestRequest,
        command: &PullRequestCommand,
    ) -> Result<PullRequest, Problem> {
        let Brought { store, stand } = self.bring(id).await?;
        let current = stand.branch.as_deref();
        let made = self.workspaces()?.pull_request_of(&store, &stand.head, current, request, command).await?;
        let (branch, commit) = (made.branch.clone(), made.commit.clone());
        self.note_pushed(id, Pushed { remote: "origin".into(), branch, commit }).await;
        Ok(made)
    }

    async fn note_pushed(&self, id: &AgentId, pushed: Pushed) {
        let call = WorkspaceCall::Pushed { pushed };
        if let Err(problem) = self.ask(id, async |host| host.workspace_bytes(&call).await).await {
            tracing::warn!(agent.id = %id, %problem, "what was pushed could not be noted in the agent's clone");
        }
    }

    pub(super) async fn merge_clone(&self, id: &AgentId, request: &MergeRequest) -> Result<Merged, Problem> {
        let Brought { store, stand } = self.bring(id).await?;
        if !stand.is_clean {
            return Err(Problem::new(Code::Conflict, "something is not committed: commit it first"));
        }
        Ok(self.workspaces()?.merge_commit(&store, &stand.head, request).await?)
    }

    /// Fails when what a workspace was made from may not be fetched from any more: that is this server's to say, and it may have changed.
    pub(super) fn check_source(&self, record: &Record) -> Result<(), Problem> {
        match &record.url {
            Some(url) => self.config.repositories.check(url),
            None => self.config.workdirs.repository(&record.source()).map(drop),
        }
    }

    /// The store of an agent, living or ended.
    pub(super) fn store(&self, id: &AgentId) -> Result<Workspace, Problem> {
        let entry = self.registry.get(id)?;
        let agent = entry.agent();
        let id = workspace_of(&agent).as_str();
        let found = self.workspaces.as_ref().and_then(|workspaces| workspaces.known(id).ok());
        match found.filter(|_| agent.workspace.is_some()) {
            Some(store) => Ok(store),
            None => Err(Problem::new(
                Code::NotFound,
                "the agent has no workspace: it was spawned without one, or it went with the agent",
            )),
        }
    }
}

/// The workspace that an agent works in: its own, or that of an agent before it.
pub(super) fn workspace_of(agent: &Agent) -> &AgentId {
    agent.workspace.as_ref().and_then(|workspace| workspace.id.as_ref()).unwrap_or(&agent.id)
}
