//! Checkouts of agents: made before an agent starts, ended after it has.

mod cleaning;

use std::path::PathBuf;
use std::time::Duration;

use parallax_api::host::WorkspaceCall;
use parallax_api::workspace::{
    AgentWorkspace, Changes, CommitRequest, Committed, Conflicts, ConflictsQuery, DiffQuery, MergeRequest,
    Merged, PullRequest, PullRequestRequest, PushRequest, Pushed, WorkspaceEnd, WorkspaceKeep, WorkspaceMode,
    WorkspaceRequest,
};
use parallax_api::{Agent, AgentId, AgentStatus, Code, Problem, Time};
use parallax_profile::Launch;
use parallax_workspace::{
    CloneOptions, Credentials, NewWorkspace, Other, Outcome, Record, Workspace, WorkspaceError, Workspaces,
    cut_reason,
};

use super::clones::workspace_of;
use super::config::RuntimeConfig;
use super::core::RuntimeCore;
use super::workdir::{Workdir, Workdirs};
use crate::backend::AgentBackend;

/// How long the event of an agent's end waits for its workspace.
const END_TIMEOUT: Duration = Duration::from_secs(60);

/// A workspace that is younger, in milliseconds, may be that of a spawn under way: longer than one may take.
const SPAWNING_MS: i64 = 600_000;

/// The workspaces of a server: checkouts of agents that work in directories of this machine, the stores of others.
pub(super) fn open(
    config: &RuntimeConfig,
    backend: &dyn AgentBackend,
) -> Result<Option<Workspaces>, WorkspaceError> {
    let is_here = matches!(config.workdirs, Workdirs::Here { .. });
    let has_any = is_here || backend.workspace_volume(&AgentId::generate()).is_some();
    has_any.then(|| Workspaces::open(&config.state_dir.join("workspaces"))).transpose()
}

impl RuntimeCore {
    /// Where the agent will work. Refuses what cannot be made here.
    pub(super) fn workspace_place(&self, id: &AgentId, asked: &WorkspaceRequest) -> Result<Workdir, Problem> {
        let workspaces = self.workspaces()?;
        if workspaces.known(id.as_str()).is_ok() {
            // Before anything that could be undone: the undoing would take it.
            return Err(left_behind(id));
        }
        if let Some(root) = self.clone_root() {
            return self.clone_place(id, root, asked);
        }
        if let Some(id) = &asked.reuse {
            let found = workspaces.get(id.as_str()).map_err(Problem::from)?;
            let path = found.directory().to_owned();
            return Ok(Workdir { shown: path.display().to_string(), path, mount: None });
        }
        if asked.is_remote() {
            self.config.repositories.check(&asked.repo)?;
        }
        let path = workspaces.directory(id.as_str());
        Ok(Workdir { shown: path.display().to_string(), path, mount: None })
    }

    /// Makes the workspace that the launch works in.
    pub(super) async fn make_workspace(
        &self,
        launch: &mut Launch,
        asked: &WorkspaceRequest,
    ) -> Result<(), Problem> {
        if let Some(id) = &asked.reuse {
            let workspaces = self.workspaces()?;
            if self.clone_root().is_some() {
                self.check_reuse(workspaces, id).await?;
            }
            // Last: until then its first agent may be starting, and fail.
            if self.undoing.contains(id) {
                let detail = "its first agent did not start, and the workspace is being removed";
                return Err(Problem::new(Code::Conflict, detail).with("field", "workspace.reuse"));
            }
            let joined = workspaces.join(id.as_str(), &launch.agent.id).await.map_err(Problem::from)?;
            launch.agent.workspace = Some(shown(&joined, Some(id.clone())));
            self.check_out_there(launch);
            return Ok(());
        }
        self.check_space().await?;
        let url = asked.is_remote().then(|| asked.repo.clone());
        let repository = match url {
            Some(_) => PathBuf::new(),
            None => self.config.workdirs.repository(&asked.repo)?,
        };
        let is_store = self.clone_root().is_some();
        if is_store && self.backend.holds_workspace(&launch.agent.id).await? {
            // Of another server, and not known here yet. This one is not to work there, and nobody is to take it away.
            return Err(left_behind(&launch.agent.id));
        }
        let clone = (is_store || asked.mode() == WorkspaceMode::Clone).then(|| CloneOptions {
            is_store,
            url,
            depth: asked.depth,
            credentials: asked.credentials.as_ref().map(|known| Credentials {
                username: known.username.clone().unwrap_or_else(|| "git".into()),
                password: known.password.expose().to_owned(),
            }),
        });
        let new = NewWorkspace {
            id: launch.agent.id.clone(),
            name: launch.agent.name.clone(),
            repository,
            reference: asked.r#ref.clone(),
            branch: asked.branch.clone(),
            keep: asked.keep,
            clone,
        };
        let made = self.workspaces()?.create(&new).await.map_err(Problem::from)?;
        self.space.made();
        launch.agent.workspace = Some(shown(&made, None));
        if is_store {
            let kept = self.workspaces()?.kept(launch.agent.id.as_str())?;
            self.backend.make_workspace(&launch.agent, &kept).await?;
        }
        self.check_out_there(launch);
        Ok(())
    }

    /// After a spawn that failed. What cannot be undone now, and may be later on, is an error.
    pub(super) async fn undo_workspace(&self, id: &AgentId, keep: WorkspaceKeep) -> Result<(), Problem> {
        let Some(workspaces) = &self.workspaces else { return Ok(()) };
        // One that it was to reuse stays as it is.
        for joined in workspaces.list()?.iter().map(Workspace::record).filter(|one| one.users.contains(id)) {
            workspaces.leave(joined.id.as_str(), id).await?;
        }
        if self.clone_root().is_some() {
            return self.undo_clone(workspaces, id, keep).await;
        }
        match workspaces.finish(id.as_str(), keep).await {
            Ok(Outcome::Removed) => self.space.removed(id.as_str()),
            Ok(Outcome::Kept(reason)) => {
                tracing::warn!(agent.id = %id, reason, "the workspace of a failed spawn is kept");
            }
            Err(error @ (WorkspaceError::Io(_) | WorkspaceError::Timeout(_) | WorkspaceError::NoGit(_))) => {
                return Err(error.into());
            }
            // It would be the same again: it stays for somebody to look at.
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(agent.id = %id, error, "the workspace of a failed spawn is left");
            }
        }
        Ok(())
    }

    /// Ends the workspace of an agent that has ended, as it was asked for when it was made: what became of it. `None`: the agent
    /// has none. Asked again, it tells the same.
    pub(super) async fn end_workspace(&self, agent: &Agent) -> Option<WorkspaceEnd> {
        let (asked, workspaces) = (agent.workspace.as_ref()?, self.workspaces.as_ref()?);
        let id = workspace_of(agent).as_str();
        self.note_ending(&agent.id);
        if let Some(root) = self.clone_root() {
            return self.end_clone(agent, root).await;
        }
        let end = async {
            match workspaces.get(id) {
                Ok(workspace) if self.is_in_use(workspace.record()).await => {
                    Ok(Outcome::Kept("another agent works in it".into()))
                }
                Ok(workspace) => workspaces.finish_seen(workspace.record()).await,
                // Taken away before this server or by somebody else: what is left of it goes, too.
                Err(_) => workspaces.finish(id, WorkspaceKeep::Changed).await,
            }
        };
        let reason = match tokio::time::timeout(END_TIMEOUT, end).await {
            Ok(Ok(Outcome::Removed)) => {
                self.space.removed(id);
                None
            }
            Ok(Ok(Outcome::Kept(reason))) => Some(reason),
            Ok(Err(error)) => Some(unseen(&error)),
            Err(_) => Some("it could not be looked at in time".into()),
        };
        if let Some(reason) = &reason {
            tracing::info!(agent.id = id, reason, "the agent's workspace is kept");
        }
        Some(WorkspaceEnd {
            kept: reason.is_some(),
            reason,
            path: workspaces.directory(id).display().to_string(),
            volume: None,
            branch: asked.branch.clone(),
        })
    }

    pub(super) async fn changes(&self, id: &AgentId) -> Result<Changes, Problem> {
        if self.clone_root().is_some() {
            return self.ask_clone(id, &WorkspaceCall::Changes).await;
        }
        self.workspace(id)?.changes().await.map_err(Problem::from)
    }

    pub(super) async fn diff(&self, id: &AgentId, query: &DiffQuery) -> Result<Vec<u8>, Problem> {
        if self.clone_root().is_some() {
            return self.ask_clone_bytes(id, &WorkspaceCall::Diff { query: query.clone() }).await;
        }
        self.workspace(id)?.diff(query).await.map_err(Problem::from)
    }

    pub(super) async fn conflicts(&self, id: &AgentId, query: &ConflictsQuery) -> Result<Conflicts, Problem> {
        if query.with.is_empty() || query.with.len() > 255 {
            return Err(Problem::invalid("with", "name an agent's id, or a branch, tag or commit"));
        }
        if self.clone_root().is_some() {
            return self.clone_conflicts(id, &query.with).await;
        }
        let (workspaces, workspace) = (self.workspaces()?, self.workspace(id)?);
        let other = query.with.parse().ok().and_then(|other: AgentId| {
            // An agent that is forgotten may have left its workspace.
            self.workspace(&other).ok().or_else(|| workspaces.get(other.as_str()).ok())
        });
        let other = other.as_ref().map_or(Other::Commit(&query.with), |other| Other::Workspace(other.into()));
        workspaces.conflicts(&workspace, other).await.map_err(Problem::from)
    }

    pub(super) async fn commit(&self, id: &AgentId, request: &CommitRequest) -> Result<Committed, Problem> {
        request.check()?;
        let committed = match self.clone_root() {
            Some(_) => self.ask_clone(id, &WorkspaceCall::Commit { request: request.clone() }).await?,
            None => self.workspace(id)?.commit(request).await?,
        };
        self.registry.get(id)?.look_again.notify_one();
        Ok(committed)
    }

    pub(super) async fn push(&self, id: &AgentId, request: &PushRequest) -> Result<Pushed, Problem> {
        request.check()?;
        if self.clone_root().is_some() {
            return self.push_clone(id, request).await;
        }
        self.workspaces()?.push(&self.workspace(id)?, request).await.map_err(Problem::from)
    }

    /// Pushes, and has the configured command make a pull request.
    pub(super) async fn pull_request(
        &self,
        id: &AgentId,
        request: &PullRequestRequest,
    ) -> Result<PullRequest, Problem> {
        request.check()?;
        let clone = self.clone_root().is_some();
        let workspace = if clone { None } else { Some(self.workspace(id)?) };
        let Some(command) = &self.config.workspace_policy.pull_requests else {
            let detail = "no command for pull requests is configured: start the runtime with --pull-request-command (docs/workspaces.md has those for gh and glab)";
            return Err(WorkspaceError::Unconfigured(detail.into()).into());
        };
        match workspace {
            Some(workspace) => Ok(self.workspaces()?.pull_request(&workspace, request, command).await?),
            None => self.pull_request_of_clone(id, request, command).await,
        }
    }

    pub(super) async fn merge(&self, id: &AgentId, request: &MergeRequest) -> Result<Merged, Problem> {
        request.check()?;
        if self.clone_root().is_some() {
            return self.merge_clone(id, request).await;
        }
        self.workspaces()?.merge(&self.workspace(id)?, request).await.map_err(Problem::from)
    }

    /// Notes that an agent has ended before it is shown as such: of two that end at once, the later one takes the workspace away.
    fn note_ending(&self, id: &AgentId) {
        let is_shown_living = |id: &AgentId| {
            self.registry.get(id).is_ok_and(|entry| entry.agent().status != AgentStatus::Stopped)
        };
        let mut ending = self.ending.lock().expect("nothing panics while it is locked");
        ending.retain(is_shown_living);
        ending.insert(id.clone());
    }

    /// Whether an agent works in it that has not ended.
    pub(super) async fn is_in_use(&self, record: &Record) -> bool {
        let begun = record.joined_at.unwrap_or(record.created_at);
        let age = Time::now().as_millis().saturating_sub(begun.as_millis());
        let ending = self.ending.lock().expect("nothing panics while it is locked").clone();
        for id in record.agents() {
            // Whatever was told of its end: it goes on in there.
            if self.backend.may_return(id) {
                return true;
            }
            if ending.contains(id) {
                continue;
            }
            let is_there = match self.registry.get(id) {
                // One that is suspended comes back to it.
                Ok(entry) => {
                    let agent = entry.agent();
                    agent.status != AgentStatus::Stopped || agent.is_suspended()
                }
                // It may be that of a spawn under way. Or of a host that lives and is not known here: the database was lost, or the
                // host did not say in time whose it is. Or of one that is suspended, which has no host.
                Err(_) => {
                    age < SPAWNING_MS
                        || !matches!(self.backend.find_host(id).await, Ok(None))
                        || !matches!(self.backend.holds_suspended(id).await, Ok(false))
                }
            };
            if is_there {
                return true;
            }
        }
        false
    }

    /// The workspace of an agent, living or ended.
    fn workspace(&self, id: &AgentId) -> Result<Workspace, Problem> {
        let asked = self.registry.get(id)?.agent().workspace.clone();
        let workspace = asked.and_then(|asked| asked.id).unwrap_or_else(|| id.clone());
        let found = self.workspaces.as_ref().and_then(|workspaces| workspaces.get(workspace.as_str()).ok());
        found.ok_or_else(|| {
            Problem::new(
                Code::NotFound,
                "the agent has no workspace: it was spawned without one, or it went with the agent",
            )
        })
    }

    pub(super) fn workspaces(&self) -> Result<&Workspaces, Problem> {
        self.workspaces.as_ref().ok_or_else(not_here)
    }
}

/// A workspace as its agent shows it; `id` where it was made for another one.
fn shown(workspace: &Workspace, id: Option<AgentId>) -> AgentWorkspace {
    let record = workspace.record();
    AgentWorkspace {
        id,
        repo: record.source(),
        branch: record.branch.clone(),
        base: record.base.clone(),
        changes: None,
    }
}

/// Why a workspace stays that could not be looked at.
pub(super) fn unseen(error: &impl std::fmt::Display) -> String {
    cut_reason(format!("it could not be looked at: {error}"))
}

fn left_behind(id: &AgentId) -> Problem {
    let detail = "an earlier attempt of this request left a workspace, which is kept (`parallax workspaces`); sent again, the request makes \
                  another";
    Problem::new(Code::Conflict, detail).with("workspace", id.as_str())
}

pub(super) fn not_here() -> Problem {
    unsupported(
        "workspace",
        "this runtime does not make workspaces yet: ask for a `workdir`, or for the local runtime",
    )
}

pub(super) fn unsupported(field: &str, detail: &str) -> Problem {
    Problem::new(Code::Unsupported, detail).with("field", field)
}
