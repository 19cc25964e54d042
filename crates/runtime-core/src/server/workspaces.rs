//! Checkouts of agents: made before an agent starts, ended after it has.

use std::path::PathBuf;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use parallax_api::workspace::{
    AgentWorkspace, Changes, CommitRequest, Committed, Conflicts, ConflictsQuery, DiffQuery, MergeRequest,
    Merged, PullRequest, PullRequestRequest, PushRequest, Pushed, WorkspaceCleanup, WorkspaceEnd,
    WorkspaceInfo, WorkspaceKeep, WorkspaceList, WorkspaceMode, WorkspaceRequest,
};
use parallax_api::{Agent, AgentId, AgentStatus, Code, Problem, Time};
use parallax_profile::Launch;
use parallax_workspace::{
    CloneOptions, Credentials, NewWorkspace, Other, Outcome, Record, Workspace, WorkspaceError, Workspaces,
};

use super::config::RuntimeConfig;
use super::core::RuntimeCore;
use super::workdir::{Workdir, Workdirs};

/// How long the event of an agent's end waits for its workspace.
const END_TIMEOUT: Duration = Duration::from_secs(60);

/// Workspaces that are looked at at the same time.
const AT_ONCE: usize = 4;
/// A workspace that is younger, in milliseconds, may be that of a spawn under way: longer than one may take.
const SPAWNING_MS: i64 = 600_000;

/// The workspaces of a server whose agents work in directories of this machine.
pub(super) fn open(config: &RuntimeConfig) -> Result<Option<Workspaces>, WorkspaceError> {
    match config.workdirs {
        Workdirs::Here { .. } => Workspaces::open(&config.state_dir.join("workspaces")).map(Some),
        Workdirs::Mounted { .. } => Ok(None),
    }
}

impl RuntimeCore {
    /// Where the agent will work. Refuses what cannot be made here.
    pub(super) fn workspace_place(&self, id: &AgentId, asked: &WorkspaceRequest) -> Result<Workdir, Problem> {
        let workspaces = self.workspaces()?;
        if let Some(id) = &asked.reuse {
            let found = workspaces.get(id.as_str()).map_err(problem)?;
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
            let joined = self.workspaces()?.join(id.as_str(), &launch.agent.id).await.map_err(problem)?;
            launch.agent.workspace = Some(shown(&joined, Some(id.clone())));
            return Ok(());
        }
        self.check_space().await?;
        let url = asked.is_remote().then(|| asked.repo.clone());
        let repository = match url {
            Some(_) => PathBuf::new(),
            None => self.config.workdirs.repository(&asked.repo).ok_or_else(not_here)??,
        };
        let clone = (asked.mode() == WorkspaceMode::Clone).then(|| CloneOptions {
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
        let made = self.workspaces()?.create(&new).await.map_err(problem)?;
        self.space.made();
        launch.agent.workspace = Some(shown(&made, None));
        Ok(())
    }

    /// After a spawn that failed.
    pub(super) async fn undo_workspace(&self, id: &AgentId, keep: WorkspaceKeep) {
        let Some(workspaces) = &self.workspaces else { return };
        // One that it was to reuse stays as it is.
        for joined in workspaces.list().unwrap_or_default() {
            if joined.record().users.contains(id)
                && let Err(error) = workspaces.leave(joined.record().id.as_str(), id).await
            {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(agent.id = %id, error, "a workspace names an agent that did not start");
            }
        }
        match workspaces.finish(id.as_str(), keep).await {
            Ok(Outcome::Removed) => self.space.removed(id.as_str()),
            Ok(Outcome::Kept(reason)) => {
                tracing::warn!(agent.id = %id, reason, "the workspace of a failed spawn is kept");
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(agent.id = %id, error, "failed to remove the workspace of a failed spawn");
            }
        }
    }

    /// Ends the workspace of an agent that has ended, as it was asked for when it was made: what became of it. `None`: the agent
    /// has none. Asked again, it tells the same.
    pub(super) async fn end_workspace(&self, agent: &Agent) -> Option<WorkspaceEnd> {
        let (asked, workspaces) = (agent.workspace.as_ref()?, self.workspaces.as_ref()?);
        let id = asked.id.as_ref().unwrap_or(&agent.id).as_str();
        self.note_ending(&agent.id);
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
            branch: asked.branch.clone(),
        })
    }

    pub(super) async fn changes(&self, id: &AgentId) -> Result<Changes, Problem> {
        self.workspace(id)?.changes().await.map_err(problem)
    }

    pub(super) async fn diff(&self, id: &AgentId, query: &DiffQuery) -> Result<Vec<u8>, Problem> {
        self.workspace(id)?.diff(query).await.map_err(problem)
    }

    pub(super) async fn conflicts(&self, id: &AgentId, query: &ConflictsQuery) -> Result<Conflicts, Problem> {
        if query.with.is_empty() || query.with.len() > 255 {
            return Err(Problem::invalid("with", "name an agent's id, or a branch, tag or commit"));
        }
        let (workspaces, workspace) = (self.workspaces()?, self.workspace(id)?);
        let other = query.with.parse().ok().and_then(|other: AgentId| {
            // An agent that is forgotten may have left its workspace.
            self.workspace(&other).ok().or_else(|| workspaces.get(other.as_str()).ok())
        });
        let other = other.as_ref().map_or(Other::Commit(&query.with), Other::Workspace);
        workspaces.conflicts(&workspace, other).await.map_err(problem)
    }

    pub(super) async fn commit(&self, id: &AgentId, request: &CommitRequest) -> Result<Committed, Problem> {
        request.check()?;
        let committed = self.workspace(id)?.commit(request).await.map_err(problem)?;
        self.registry.get(id)?.look_again.notify_one();
        Ok(committed)
    }

    pub(super) async fn push(&self, id: &AgentId, request: &PushRequest) -> Result<Pushed, Problem> {
        request.check()?;
        self.workspaces()?.push(&self.workspace(id)?, request).await.map_err(problem)
    }

    /// Pushes, and has the configured command make a pull request.
    pub(super) async fn pull_request(
        &self,
        id: &AgentId,
        request: &PullRequestRequest,
    ) -> Result<PullRequest, Problem> {
        request.check()?;
        let workspace = self.workspace(id)?;
        let Some(command) = &self.config.workspace_policy.pull_requests else {
            let detail = "no command for pull requests is configured: start the runtime with --pull-request-command (docs/workspaces.md has those for gh and glab)";
            return Err(problem(WorkspaceError::Unconfigured(detail.into())));
        };
        self.workspaces()?.pull_request(&workspace, request, command).await.map_err(problem)
    }

    pub(super) async fn merge(&self, id: &AgentId, request: &MergeRequest) -> Result<Merged, Problem> {
        request.check()?;
        self.workspaces()?.merge(&self.workspace(id)?, request).await.map_err(problem)
    }

    /// Every workspace here, also of agents that are forgotten.
    pub(super) async fn list_workspaces(&self) -> Result<WorkspaceList, Problem> {
        let workspaces = self.workspaces()?;
        let all = workspaces.list().map_err(problem)?;
        let looked_at = all.into_iter().map(|workspace| async move {
            let mut info = self.info(&workspace).await;
            info.reason = match workspaces.worth_keeping(&workspace).await {
                Ok(reason) => reason,
                Err(error) => Some(unseen(&error)),
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

    /// Ends the workspaces of agents that have ended, as each was asked for.
    pub(super) async fn clean_workspaces(&self) -> Result<WorkspaceCleanup, Problem> {
        let workspaces = self.workspaces()?;
        let mut done = WorkspaceCleanup::default();
        for workspace in workspaces.list().map_err(problem)? {
            let mut info = self.info(&workspace).await;
            if info.in_use {
                done.kept.push(info);
                continue;
            }
            match workspaces.finish_seen(workspace.record()).await {
                Ok(Outcome::Removed) => {
                    self.space.removed(info.id.as_str());
                    done.removed.push(info);
                }
                Ok(Outcome::Kept(reason)) => {
                    info.reason = Some(reason);
                    done.kept.push(info);
                }
                Err(error) => {
                    info.reason = Some(unseen(&error));
                    done.kept.push(info);
                }
            }
        }
        self.forget_reclaimable().await;
        Ok(done)
    }

    async fn info(&self, workspace: &Workspace) -> WorkspaceInfo {
        let record = workspace.record();
        let in_use = self.is_in_use(record).await;
        WorkspaceInfo {
            id: AgentId::clone(&record.id),
            name: record.name.clone(),
            runtime: self.config.name.clone(),
            in_use,
            repo: record.source(),
            branch: record.branch.clone(),
            path: workspace.directory().display().to_string(),
            keep: record.keep,
            reason: None,
            bytes: self.space.of(&record.id),
            created_at: record.created_at,
        }
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
        for id in record.agents().filter(|id| !ending.contains(*id)) {
            let is_there = match self.registry.get(id) {
                Ok(entry) => entry.agent().status != AgentStatus::Stopped,
                // It may be that of a spawn under way. Or of a host that lives and is not known here: the database was lost, or the
                // host did not say in time whose it is.
                Err(_) => age < SPAWNING_MS || !matches!(self.backend.find_host(id).await, Ok(None)),
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

    fn workspaces(&self) -> Result<&Workspaces, Problem> {
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

fn unseen(error: &WorkspaceError) -> String {
    format!("it could not be looked at: {error}")
}

fn not_here() -> Problem {
    unsupported(
        "workspace",
        "this runtime does not make workspaces yet: ask for a `workdir`, or for the local runtime",
    )
}

fn unsupported(field: &str, detail: &str) -> Problem {
    Problem::new(Code::Unsupported, detail).with("field", field)
}

/// The same failure for a caller of the API.
pub(super) fn problem(error: WorkspaceError) -> Problem {
    let said = error.to_string();
    match error {
        WorkspaceError::Invalid(_) => Problem::invalid("workspace", said),
        WorkspaceError::NotFound(_) => Problem::new(Code::NotFound, said),
        WorkspaceError::Unmergeable(files) => Problem::new(Code::Conflict, said).with("files", files),
        WorkspaceError::Conflict(_) | WorkspaceError::Refused(_) => Problem::new(Code::Conflict, said),
        WorkspaceError::Timeout(_) | WorkspaceError::CommandTimeout { .. } => {
            Problem::new(Code::Timeout, said)
        }
        WorkspaceError::TooLong(_) => Problem::new(Code::PayloadTooLarge, said),
        WorkspaceError::NoGit(_) => Problem::new(Code::CliNotFound, said)
            .with("program", "git")
            .with("install", "install git 2.39 or newer on the runtime's machine"),
        WorkspaceError::Unconfigured(_) => unsupported("pullRequest", &said),
        WorkspaceError::NoProgram { program, .. } => {
            Problem::new(Code::CliNotFound, said).with("program", program)
        }
        WorkspaceError::CommandFailed { output, code, .. } => {
            Problem::new(Code::Conflict, said).with("output", output).with("exitCode", code)
        }
        WorkspaceError::Io(cause) => Problem::internal(format!("{said}: {cause}")),
    }
}
