//! Workspaces of agents with a file system of their own: clones on a volume that the backend makes. The agent's host runs git
//! in them; what needs credentials or the network is done here, in a store that has the same commits.
//!
//! What a host says of its agent's clone is as trustworthy as the agent, who is the same user.

use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt;
use parallax_api::host::WorkspaceCall;
use parallax_api::workspace::{
    Conflicts, MergeRequest, Merged, PushRequest, Pushed, WorkspaceEnd, WorkspaceKeep, WorkspaceMode,
    WorkspaceRequest,
};
use parallax_api::{Agent, AgentId, Code, Problem};
use parallax_profile::{Checkout, Launch, Mount, MountSource};
use parallax_workspace::{Other, Outcome, Side, Stand, Workspace, Workspaces};
use tokio::io::AsyncWriteExt;

use super::core::RuntimeCore;
use super::registry::HostState;
use super::workdir::{Workdir, Workdirs};
use super::workspaces::{not_here, unsupported};
use crate::host::{HostAnswer, HostClient};

/// Between two looks for the host of an agent that is being started.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// The largest bundle that is taken of an agent, in bytes.
const MAX_BUNDLE: u64 = 1 << 30;
/// The longest line that says how a clone stands, in bytes.
const MAX_STAND: usize = 16 * 1024;
/// How long taking a bundle of an agent may take.
const BUNDLE_TIMEOUT: Duration = Duration::from_secs(240);
/// Why a clone stays of whose end nothing is known.
const UNSEEN: &str = "its agent ended while no server was there, so nobody has looked at it";
/// Why a clone stays whose agent was only taken away.
const RETURNS: &str = "its agent was moved, and goes on in it";
/// How long the event of an agent's end waits for its clone.
const END_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest reason of a host that is passed on, in characters.
const MAX_REASON: usize = 300;
/// Attempts to remove a volume: what used it may be a moment in going.
const REMOVALS: usize = 5;
/// Between two of them.
const REMOVAL_PAUSE: Duration = Duration::from_millis(500);

/// A clone as its agent has it by now, with its commits in the store.
struct Brought {
    store: Workspace,
    stand: Stand,
}

impl Brought {
    fn side(&self) -> Side<'_> {
        Side { workspace: &self.store, snapshot: self.stand.snapshot.as_deref() }
    }
}

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
        let volume = self.backend.workspace_volume(id).ok_or_else(not_here)?;
        if asked.reuse.is_some() {
            let detail = "in a container agents do not share a workspace: name the volume of one that was kept as `workdir`";
            return Err(unsupported("workspace.reuse", detail));
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

    /// Has the host of this launch wait for the store's repository.
    pub(super) fn check_out_there(&self, launch: &mut Launch) {
        let checkout = |root| Checkout { root, id: launch.agent.id.clone() };
        launch.checkout = self.clone_root().map(checkout);
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
        let ours = self.bring(id, true).await?;
        let other = match with.parse::<AgentId>() {
            Ok(other) if self.store(&other).is_ok() => Some(self.bring(&other, true).await?),
            _ => None,
        };
        let theirs = other.as_ref().map_or(Other::Commit(with), |other| Other::Workspace(other.side()));
        Ok(self.workspaces()?.conflicts(ours.side(), theirs).await?)
    }

    pub(super) async fn push_clone(&self, id: &AgentId, request: &PushRequest) -> Result<Pushed, Problem> {
        let Brought { store, stand } = self.bring(id, false).await?;
        let current = stand.branch.as_deref();
        let pushed = self.workspaces()?.push_commit(&store, &stand.head, current, request).await?;
        let call = WorkspaceCall::Pushed { pushed: pushed.clone() };
        if let Err(problem) = self.ask(id, async |host| host.workspace_bytes(&call).await).await {
            tracing::warn!(agent.id = %id, %problem, "what was pushed could not be noted in the agent's clone");
        }
        Ok(pushed)
    }

    pub(super) async fn merge_clone(&self, id: &AgentId, request: &MergeRequest) -> Result<Merged, Problem> {
        let Brought { store, stand } = self.bring(id, false).await?;
        if !stand.is_clean {
            return Err(Problem::new(Code::Conflict, "something is not committed: commit it first"));
        }
        Ok(self.workspaces()?.merge_commit(&store, &stand.head, request).await?)
    }

    /// What becomes of the clone of an agent that has ended, and whose host may still be there. Asked again, it is the same.
    pub(super) async fn end_clone(&self, agent: &Agent, root: PathBuf) -> Option<WorkspaceEnd> {
        let (asked, workspaces) = (agent.workspace.as_ref()?, self.workspaces.as_ref()?);
        let id = agent.id.as_str();
        let reason = match workspaces.known(id) {
            // It is gone already.
            Err(_) => None,
            Ok(store) => match &store.record().ending {
                Some(ending) => ending.kept.clone(),
                // Its agent goes on elsewhere, in the same workspace.
                None if self.backend.may_return(&agent.id) => Some(RETURNS.into()),
                None => {
                    let kept = self.worth_keeping_there(&agent.id, store.record().keep).await;
                    self.note_clone_ending(workspaces, &agent.id, kept.clone()).await;
                    kept
                }
            },
        };
        Some(WorkspaceEnd {
            kept: reason.is_some(),
            reason,
            path: root.join(id).display().to_string(),
            volume: self.backend.workspace_volume(&agent.id),
            branch: asked.branch.clone(),
        })
    }

    async fn worth_keeping_there(&self, id: &AgentId, keep: WorkspaceKeep) -> Option<String> {
        match keep {
            WorkspaceKeep::Never => return None,
            WorkspaceKeep::Always => return Some("it was asked for".into()),
            WorkspaceKeep::Changed => {}
        }
        let host = self.registry.get(id).ok().map(|entry| entry.host_state());
        let Some(HostState::Connected(host)) = host else {
            return Some("its agent's host was gone before it could be looked at".into());
        };
        let looking = host.workspace::<Option<String>>(&WorkspaceCall::WorthKeeping);
        match tokio::time::timeout(END_TIMEOUT, looking).await {
            Ok(Ok(reason)) => reason.map(|reason| reason.chars().take(MAX_REASON).collect()),
            Ok(Err(problem)) => Some(format!("it could not be looked at: {:.300}", problem.detail)),
            Err(_) => Some("it could not be looked at in time".into()),
        }
    }

    /// Removes the volume of a clone that goes, when nothing uses it any more. What does not work now is done by the next `gc`.
    pub(super) async fn discard_clone(&self, id: &AgentId) {
        let Some(workspaces) = self.workspaces.as_ref().filter(|_| self.clone_root().is_some()) else {
            return;
        };
        let goes = workspaces
            .known(id.as_str())
            .is_ok_and(|store| store.record().ending.as_ref().is_some_and(|ending| ending.kept.is_none()));
        if !goes {
            return;
        }
        let Err(problem) = self.remove_clone(workspaces, id).await else { return };
        tracing::warn!(agent.id = %id, %problem, "the volume of a workspace is left");
        if problem.code != Code::RuntimeUnavailable {
            // Something else works in it, and may leave there what nobody has looked at.
            let reason = "something else used its volume when its agent had ended";
            self.note_clone_ending(workspaces, id, Some(reason.into())).await;
        }
    }

    /// After a spawn that failed, or of which nobody knows whether it did.
    pub(super) async fn undo_clone(&self, workspaces: &Workspaces, id: &AgentId, keep: WorkspaceKeep) {
        let Ok(store) = workspaces.known(id.as_str()) else { return };
        let undone = match keep {
            // What becomes of it was decided.
            _ if store.record().ending.is_some() => Ok(()),
            WorkspaceKeep::Never => self.remove_clone(workspaces, id).await,
            _ => {
                let reason = "the server went before its agent was known to run, so nobody has looked at it";
                self.note_clone_ending(workspaces, id, Some(reason.into())).await;
                Ok(())
            }
        };
        if let Err(problem) = undone {
            tracing::error!(agent.id = %id, %problem, "failed to remove the workspace of a failed spawn");
        }
    }

    /// Why a clone is kept; nobody looks into one whose agent has ended.
    pub(super) fn kept_clone(&self, store: &Workspace, in_use: bool) -> Option<String> {
        match &store.record().ending {
            Some(ending) => ending.kept.clone(),
            None if in_use => None,
            None => Some(UNSEEN.into()),
        }
    }

    /// What a clean-up does with a clone whose agent has ended: one that goes, goes; one that somebody took away is forgotten.
    pub(super) async fn finish_clone(
        &self,
        workspaces: &Workspaces,
        store: &Workspace,
    ) -> Result<Outcome, Problem> {
        let id = &store.record().id;
        let Some(kept) = self.kept_clone(store, false) else {
            self.remove_clone(workspaces, id).await?;
            return Ok(Outcome::Removed);
        };
        if self.backend.holds_workspace(id).await? {
            return Ok(Outcome::Kept(kept));
        }
        self.remove_clone(workspaces, id).await?;
        Ok(Outcome::Removed)
    }

    /// Removes the volume, and what is known of it.
    pub(super) async fn remove_clone(&self, workspaces: &Workspaces, id: &AgentId) -> Result<(), Problem> {
        let mut attempt = 1;
        while let Err(problem) = self.backend.remove_workspace(id).await {
            if attempt >= REMOVALS {
                return Err(problem);
            }
            attempt += 1;
            tokio::time::sleep(REMOVAL_PAUSE).await;
        }
        Ok(workspaces.forget_store(id.as_str()).await?)
    }

    /// The store of an agent, living or ended.
    pub(super) fn store(&self, id: &AgentId) -> Result<Workspace, Problem> {
        let entry = self.registry.get(id)?;
        let found = self.workspaces.as_ref().and_then(|workspaces| workspaces.known(id.as_str()).ok());
        match found.filter(|_| entry.agent().workspace.is_some()) {
            Some(store) => Ok(store),
            None => Err(Problem::new(
                Code::NotFound,
                "the agent has no workspace: it was spawned without one, or it went with the agent",
            )),
        }
    }

    /// Brings the commits of an agent's clone to its store.
    async fn bring(&self, id: &AgentId, whole: bool) -> Result<Brought, Problem> {
        let store = self.filled_store(id).await?;
        let workspaces = self.workspaces()?;
        let answer = self.ask(id, async |host| host.export_workspace(whole).await).await?;
        let file = workspaces.scratch_file()?;
        let bringing = take(answer, file.path());
        let late = || Problem::new(Code::Timeout, "the agent's commits did not come in time");
        let (stand, length) =
            tokio::time::timeout(BUNDLE_TIMEOUT, bringing).await.unwrap_or_else(|_| Err(late()))?;
        let path = file.path();
        let bundle = (length > 0).then_some(path.as_path());
        workspaces.receive(&store, &stand, bundle).await?;
        Ok(Brought { store, stand })
    }
}

/// The first line of an export, and the rest as a file of so many bytes.
async fn take(answer: HostAnswer, bundle: PathBuf) -> Result<(Stand, u64), Problem> {
    let odd =
        |why: &str| Problem::internal(format!("the agent's host answered what is not understood: {why}"));
    let mut file = tokio::fs::File::create_new(bundle).await.map_err(Problem::internal)?;
    let mut parts = answer.into_body().into_data_stream();
    let (mut head, mut stand, mut length) = (Vec::new(), None, 0_u64);
    while let Some(part) = parts.next().await {
        let mut part = part.map_err(crate::host::away)?;
        if stand.is_none() {
            let end = part.iter().position(|byte| *byte == b'\n');
            head.extend_from_slice(&part.split_to(end.unwrap_or(part.len())));
            if head.len() > MAX_STAND {
                return Err(odd("its first line is too long"));
            }
            if end.is_none() {
                continue;
            }
            stand = Some(serde_json::from_slice(&head).map_err(|cause| odd(&cause.to_string()))?);
            drop(part.split_to(1));
        }
        length = length.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        if length > MAX_BUNDLE {
            let detail = format!("the agent's new commits have more than {MAX_BUNDLE} bytes");
            return Err(Problem::new(Code::PayloadTooLarge, detail));
        }
        file.write_all(&part).await.map_err(Problem::internal)?;
    }
    file.flush().await.map_err(Problem::internal)?;
    Ok((stand.ok_or_else(|| odd("it broke off"))?, length))
}
