//! Pushing what is committed in a workspace.

use std::path::Path;

use parallax_api::workspace::{PushRequest, Pushed};

use crate::clone::reaching;
use crate::error::WorkspaceError;
use crate::git::Git;
use crate::scratch::Scratch;
use crate::workspace::Workspace;
use crate::workspaces::Workspaces;

/// How git receives in a repository of this machine: nothing of its configuration runs here. What is checked out there stays as it
/// is, since its filters would run. Said here, because git clears the configuration of a call before it receives.
const RECEIVE_HERE: &str = concat!(
    "--receive-pack=git -c core.hooksPath=/dev/null -c core.alternateRefsCommand=false -c core.fsmonitor=false",
    " -c receive.denyCurrentBranch=refuse -c receive.autogc=false -c gc.auto=0 receive-pack"
);

impl Workspaces {
    /// Pushes the commit that is checked out to a branch of a remote. The remote's address is read from the repository; the
    /// rest of its configuration, which an agent may have written, says nothing: credentials and the like are the user's own.
    ///
    /// # Errors
    /// `Invalid` when there is no such remote, `Conflict` when no branch was named and another than the workspace's own is checked
    /// out, otherwise what git says.
    pub async fn push(&self, workspace: &Workspace, request: &PushRequest) -> Result<Pushed, WorkspaceError> {
        let own = workspace.git().await?;
        let (commit, current) = (own.head().await?, own.current_branch().await?);
        self.push_commit(workspace, &commit, current.as_deref(), request).await
    }

    /// The same for the commit and the branch that are checked out where the agent works.
    ///
    /// # Errors
    /// As [`Workspaces::push`].
    pub async fn push_commit(
        &self,
        workspace: &Workspace,
        commit: &str,
        current: Option<&str>,
        request: &PushRequest,
    ) -> Result<Pushed, WorkspaceError> {
        self.deliver_commit(workspace, commit, current, request).await.map(|delivery| delivery.pushed)
    }

    /// The push of a commit, with what else is known then.
    pub(crate) async fn deliver_commit(
        &self,
        workspace: &Workspace,
        commit: &str,
        current: Option<&str>,
        request: &PushRequest,
    ) -> Result<Delivery, WorkspaceError> {
        let branch = match &request.branch {
            Some(branch) => branch.clone(),
            None => own_branch(workspace, current)?,
        };
        let git = Git::open(&workspace.record().git_directory).await?;
        git.check_branch_name(&branch).await?;
        let remote = request.remote.as_deref().unwrap_or("origin");
        let record = workspace.record();
        // Whatever the agent made of the configuration of its clone: `origin` is where it came from. Credentials go nowhere else.
        let is_own_origin = record.is_clone && remote == "origin";
        let url = match is_own_origin {
            true => record.source(),
            false => address(&git, remote).await?,
        };
        let askpass = if is_own_origin { self.askpass_of(workspace)? } else { None };
        let is_here = is_path(&url) || url.starts_with("file://");
        let url = match is_path(&url) {
            // As git has it: relative to the repository.
            true => record.repository.join(url).to_string_lossy().into_owned(),
            false => url,
        };
        let scratch = Scratch::make(self.root(), &workspace.record().git_directory).await?;
        let target = format!("{}{commit}:refs/heads/{branch}", if request.force { "+" } else { "" });
        let mut args = vec!["push", "--porcelain", "--no-verify", "--no-signed"];
        if is_here {
            args.push(RECEIVE_HERE);
        }
        args.extend(["--", &url, &target]);
        let told = reaching(scratch.git().clone(), askpass.as_ref()).run(args).await?;
        // As a push of the repository itself would have noted.
        let noted = format!("refs/remotes/{remote}/{branch}");
        if !git.succeeds(["update-ref", &noted, commit]).await? {
            tracing::warn!(agent.id = %workspace.record().id, "what was pushed could not be noted");
        }
        // `=`: it was there already.
        let is_news = !told.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"=\t"));
        let pushed = Pushed { remote: remote.to_owned(), branch, commit: commit.to_owned() };
        Ok(Delivery { pushed, url, is_news })
    }
}

/// A push, and what it found.
pub(crate) struct Delivery {
    pub(crate) pushed: Pushed,
    /// Where it was pushed to.
    pub(crate) url: String,
    /// Whether the remote did not have it already.
    pub(crate) is_news: bool,
}

/// The branch that was made for the workspace, if it is checked out. What the agent switched to may be `main`: nobody chose that.
fn own_branch(workspace: &Workspace, current: Option<&str>) -> Result<String, WorkspaceError> {
    let branch = &workspace.record().branch;
    let what = match current {
        Some(current) if current == branch => return Ok(branch.clone()),
        Some(current) => format!("`{current:.100}`"),
        None => "no branch".into(),
    };
    let detail = format!("{what} is checked out in the workspace instead of `{branch}`: name a `branch`");
    Err(WorkspaceError::Conflict(detail))
}

/// Where a remote is pushed to.
async fn address(git: &Git, remote: &str) -> Result<String, WorkspaceError> {
    for key in ["pushurl", "url"] {
        let found = git.answer(["config", "--get", &format!("remote.{remote}.{key}")]).await?;
        let url = String::from_utf8_lossy(&found.stdout).trim_end_matches('\n').to_owned();
        if found.code == Some(0) && !url.is_empty() {
            if url.starts_with('-') || url.contains(['\0', '\n']) || url.contains("::") {
                return Err(WorkspaceError::Invalid(format!(
                    "the address of the remote `{remote:.100}` is none"
                )));
            }
            return Ok(url);
        }
    }
    Err(WorkspaceError::Invalid(format!("the repository has no remote `{remote:.100}`")))
}

/// Whether this is a path of this machine, as git sees it: neither `scheme://…` nor `host:path`.
fn is_path(url: &str) -> bool {
    Path::new(url).is_absolute() || url.split('/').next().is_some_and(|first| !first.contains(':'))
}
