//! Workspaces of agents with a file system of their own: clones on a volume that the backend makes. The agent's host runs git
//! in them; what needs credentials or the network is done here, in a store that has the same commits.
//!
//! What a host says of its agent's clone is as trustworthy as the agent, who is the same user.

use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt;
use parallax_api::host::WorkspaceCall;
use parallax_api::workspace::{
    Conflicts, MergeRequest, Merged, PullRequest, PullRequestRequest, PushRequest, Pushed, WorkspaceEnd,
    WorkspaceKeep, WorkspaceMode, WorkspaceRequest,
};
use parallax_api::{Agent, AgentId, Code, Problem};
use parallax_profile::{Checkout, Launch, Mount, MountSource};
use parallax_workspace::{
    Incoming, Other, Outcome, PullRequestCommand, Record, ScratchFile, Side, Stand, Unpublished, Workspace,
    Workspaces,
};
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
const UNSEEN: &str = "nobody has looked at it since its last agent went";
/// Why a clone stays that this server has no record of.
const UNKNOWN: &str = "nothing is known of it any more, so nobody looks at it";
/// Why a clone stays whose agent was only taken away.
const RETURNS: &str = "its agent was moved, and goes on in it";
/// Why one stays that others work in.
const IN_USE: &str = "another agent works in it";
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

/// All that is in a clone by now.
struct Looked {
    store: Workspace,
    incoming: Incoming,
}

impl Looked {
    fn side(&self) -> Side<'_> {
        Side { workspace: &self.store, incoming: Some(&self.incoming) }
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

    /// What becomes of the clone of an agent that has ended, and whose host may still be there. Asked again, it is the same.
    pub(super) async fn end_clone(&self, agent: &Agent, root: PathBuf) -> Option<WorkspaceEnd> {
        let (asked, workspaces) = (agent.workspace.as_ref()?, self.workspaces.as_ref()?);
        let id = workspace_of(agent);
        let reason = match workspaces.known(id.as_str()) {
            Err(_) => match self.backend.holds_workspace(id).await {
                Ok(true) => Some(UNKNOWN.into()),
                // It is gone already.
                Ok(false) | Err(_) => None,
            },
            Ok(store) => match &store.record().ending {
                Some(ending) => ending.kept.clone(),
                // Its agent goes on elsewhere, in the same workspace.
                None if self.backend.may_return(&agent.id) => Some(RETURNS.into()),
                None if self.is_in_use(store.record()).await => Some(IN_USE.into()),
                None => {
                    let kept = self.worth_keeping_there(&agent.id, store.record().keep).await;
                    match self.note_end(workspaces, store.record(), kept.clone()).await {
                        Ok(false) => Some(IN_USE.into()),
                        _ => kept,
                    }
                }
            },
        };
        Some(WorkspaceEnd {
            kept: reason.is_some(),
            reason,
            path: root.join(id.as_str()).display().to_string(),
            volume: self.backend.workspace_volume(id),
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
    pub(super) async fn discard_clone(&self, agent: &Agent) {
        let Some(workspaces) = self.workspaces.as_ref().filter(|_| self.clone_root().is_some()) else {
            return;
        };
        let id = workspace_of(agent);
        let Ok(store) = workspaces.known(id.as_str()) else { return };
        if store.record().ending.as_ref().is_none_or(|ending| ending.kept.is_some()) {
            return;
        }
        for attempt in 1..=REMOVALS {
            if self.others_have_containers(store.record(), &agent.id).await {
                // Whoever of them goes last takes it.
                return;
            }
            // The first time it was decided a moment ago. Later on somebody may have worked on the volume: it is looked at again.
            let removed = match attempt == 1 && store.record().users.is_empty() {
                true => self.remove_free_clone(workspaces, id).await.map(|()| Outcome::Removed),
                false => self.finish_clone(workspaces, &store).await,
            };
            match removed {
                Ok(Outcome::Removed) => return,
                Ok(Outcome::Kept(reason)) => {
                    tracing::info!(agent.id = %id, reason, "the volume of a workspace is left");
                }
                Err(problem) => tracing::warn!(agent.id = %id, %problem, "the volume of a workspace is left"),
            }
            tokio::time::sleep(REMOVAL_PAUSE).await;
        }
        if store.record().keep == WorkspaceKeep::Never {
            // Whatever its agent left is to go. What somebody else left is another matter.
            let reason = "something else used its volume when its agent had ended";
            drop(self.note_end(workspaces, store.record(), Some(reason.into())).await);
        }
    }

    /// Whether something is left of another agent than this one that works or worked in it. What is left of this one is on its way out.
    async fn others_have_containers(&self, record: &Record, own: &AgentId) -> bool {
        for id in record.agents() {
            if id != own && !matches!(self.backend.find_host(id).await, Ok(None)) {
                return true;
            }
        }
        false
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
                self.note_end(workspaces, store.record(), Some(reason.into())).await.map(drop)
            }
        };
        if let Err(problem) = undone {
            tracing::error!(agent.id = %id, %problem, "failed to remove the workspace of a failed spawn");
        }
    }

    /// Why a clone is kept, as it was when somebody last looked.
    pub(super) fn kept_clone(&self, store: &Workspace, in_use: bool) -> Option<String> {
        match &store.record().ending {
            Some(ending) => ending.kept.clone(),
            None if in_use => None,
            None => Some(UNSEEN.into()),
        }
    }

    /// What a clean-up does with a clone whose agents have ended: it is looked at again, whatever was found at their end, since others
    /// may have worked on its volume. One that somebody took away is forgotten.
    pub(super) async fn finish_clone(
        &self,
        workspaces: &Workspaces,
        store: &Workspace,
    ) -> Result<Outcome, Problem> {
        // One at a time: a look uses the volume, and would pass for somebody who works there.
        let _turn = self.clones_ending.lock().await;
        let record = store.record();
        if !self.backend.holds_workspace(&record.id).await? {
            self.remove_clone(workspaces, &record.id).await?;
            return Ok(Outcome::Removed);
        }
        let kept = match record.keep {
            WorkspaceKeep::Always => Some("it was asked for".into()),
            WorkspaceKeep::Never => record.ending.as_ref().and_then(|ending| ending.kept.clone()),
            WorkspaceKeep::Changed => match self.look_again(workspaces, store).await {
                Ok(kept) => kept,
                Err(problem) if problem.code == Code::Unsupported => self.kept_clone(store, false),
                Err(problem) => Some(format!("it could not be looked at: {:.300}", problem.detail)),
            },
        };
        match self.note_end(workspaces, record, kept.clone()).await {
            Ok(true) => {}
            Ok(false) => return Ok(Outcome::Kept(IN_USE.into())),
            // Somebody else has removed it meanwhile.
            Err(problem) if problem.code == Code::NotFound => return Ok(Outcome::Removed),
            Err(problem) => return Err(problem),
        }
        if let Some(kept) = kept {
            return Ok(Outcome::Kept(kept));
        }
        self.remove_free_clone(workspaces, &record.id).await?;
        Ok(Outcome::Removed)
    }

    /// What would be lost with a clone in which no agent works: looked at where it is, and compared with what its origin has by now.
    async fn look_again(
        &self,
        workspaces: &Workspaces,
        store: &Workspace,
    ) -> Result<Option<String>, Problem> {
        let record = store.record();
        let said = self.backend.look_into_workspace(&record.id).await?;
        let found: Unpublished = serde_json::from_slice(&said).map_err(Problem::internal)?;
        if !found.is_sound() {
            return Err(Problem::internal("what is in it is not understood"));
        }
        if found.tips.is_empty() || workspaces.get(record.id.as_str()).is_err() {
            let has_commits = !found.tips.is_empty();
            return Ok(found.reason(has_commits));
        }
        // It may be allowed no longer.
        match &record.url {
            Some(url) => self.config.repositories.check(url)?,
            None => drop(self.config.workdirs.repository(&record.source())?),
        }
        let lacks = workspaces.lacks_any(store, &found.tips).await?;
        Ok(found.reason(lacks).map(|reason| reason.chars().take(MAX_REASON).collect()))
    }

    /// Removes the volume, whatever is in it, and what is known of it.
    async fn remove_clone(&self, workspaces: &Workspaces, id: &AgentId) -> Result<(), Problem> {
        let mut attempt = 1;
        while let Err(problem) = self.remove_free_clone(workspaces, id).await {
            if attempt >= REMOVALS {
                return Err(problem);
            }
            attempt += 1;
            tokio::time::sleep(REMOVAL_PAUSE).await;
        }
        Ok(())
    }

    /// The same, if nothing uses the volume at this moment.
    async fn remove_free_clone(&self, workspaces: &Workspaces, id: &AgentId) -> Result<(), Problem> {
        self.backend.remove_workspace(id).await?;
        Ok(workspaces.forget_store(id.as_str()).await?)
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

    /// Brings the commits of an agent's clone to its store.
    async fn bring(&self, id: &AgentId) -> Result<Brought, Problem> {
        let store = self.filled_store(id).await?;
        let (stand, file) = self.export(id, false).await?;
        let path = file.as_ref().map(ScratchFile::path);
        self.workspaces()?.receive(&store, &stand, path.as_deref()).await?;
        Ok(Brought { store, stand })
    }

    /// Takes all that is in an agent's clone, for as long as the answer is kept.
    async fn look(&self, id: &AgentId) -> Result<Looked, Problem> {
        let store = self.filled_store(id).await?;
        let (stand, file) = self.export(id, true).await?;
        let path = file.as_ref().map(ScratchFile::path);
        let incoming = self.workspaces()?.receive_snapshot(&store, &stand, path.as_deref()).await?;
        Ok(Looked { store, incoming })
    }

    /// How an agent's clone stands, and a bundle, where there is anything new.
    async fn export(&self, id: &AgentId, whole: bool) -> Result<(Stand, Option<ScratchFile>), Problem> {
        let answer = self.ask(id, async |host| host.export_workspace(whole).await).await?;
        let file = self.workspaces()?.scratch_file()?;
        let bringing = take(answer, file.path());
        let late = || Problem::new(Code::Timeout, "the agent's commits did not come in time");
        let (stand, length) =
            tokio::time::timeout(BUNDLE_TIMEOUT, bringing).await.unwrap_or_else(|_| Err(late()))?;
        Ok((stand, (length > 0).then_some(file)))
    }
}

/// The workspace that an agent works in: its own, or that of an agent before it.
pub(super) fn workspace_of(agent: &Agent) -> &AgentId {
    agent.workspace.as_ref().and_then(|workspace| workspace.id.as_ref()).unwrap_or(&agent.id)
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
