//! The end of a workspace: nothing that was not committed, merged or pushed is lost, unless that was asked for.

use std::ffi::OsStr;

use parallax_api::workspace::WorkspaceKeep;

use crate::changes::STATUS;
use crate::error::WorkspaceError;
use crate::git::Git;
use crate::workspace::Workspace;
use crate::workspaces::{Workspaces, remove_branch};

/// What became of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is gone, and its branch with it.
    Removed,
    /// It stays, with why.
    Kept(String),
}

impl Workspaces {
    /// Ends a workspace whose agent has ended.
    ///
    /// # Errors
    /// What git says: it stays then. One that is gone already is no error.
    pub async fn finish(&self, id: &str, keep: WorkspaceKeep) -> Result<Outcome, WorkspaceError> {
        let workspace = match self.get(id) {
            Err(WorkspaceError::NotFound(_)) => return self.finish_missing(id).await,
            found => found?,
        };
        if keep == WorkspaceKeep::Always {
            return Ok(Outcome::Kept("it was asked for".into()));
        }
        let _changing = self.changing().await;
        let git = workspace.git().await?;
        if keep == WorkspaceKeep::Changed
            && let Some(reason) = worth_keeping(&git, &workspace).await?
        {
            return Ok(Outcome::Kept(reason));
        }
        let branch = format!("refs/heads/{}", workspace.record().branch);
        let tip = git.line(["rev-parse", "--verify", "--quiet", "--end-of-options", &branch]).await.ok();
        // Git looks into the worktree before it removes it, where other filters may be than in the repository.
        let outside = Git::open(&workspace.record().git_directory).await?.without_programs_of(&git);
        let directory = workspace.directory().as_os_str();
        outside.run::<&OsStr>(["worktree".as_ref(), "unlock".as_ref(), "--".as_ref(), directory]).await?;
        let mut remove: Vec<&OsStr> = vec!["worktree".as_ref(), "remove".as_ref()];
        if keep == WorkspaceKeep::Never {
            remove.push("--force".as_ref());
        }
        remove.extend::<[&OsStr; 2]>(["--".as_ref(), directory]);
        // Without force git itself refuses what was changed since the look above.
        outside.run(remove).await?;
        if let Some(tip) = tip {
            remove_branch(&outside, &workspace.record().branch, &tip).await?;
        }
        self.forget(id)?;
        Ok(Outcome::Removed)
    }

    /// Why a workspace would be kept at the end of its agent; none when it would go.
    ///
    /// # Errors
    /// What git says.
    pub async fn worth_keeping(&self, workspace: &Workspace) -> Result<Option<String>, WorkspaceError> {
        match (workspace.record().keep, self.get(workspace.record().id.as_str())) {
            (WorkspaceKeep::Always, Ok(_)) => Ok(Some("it was asked for".into())),
            (WorkspaceKeep::Changed, Ok(found)) => worth_keeping(&found.git().await?, &found).await,
            (WorkspaceKeep::Never, _) | (_, Err(WorkspaceError::NotFound(_))) => Ok(None),
            (_, Err(error)) => Err(error),
        }
    }

    /// The directory is not there: it never was, or somebody removed it. Its branch goes only when nothing was committed on it.
    async fn finish_missing(&self, id: &str) -> Result<Outcome, WorkspaceError> {
        let workspace = match self.recorded(id) {
            Err(WorkspaceError::NotFound(_)) => return Ok(Outcome::Removed),
            found => found?,
        };
        if workspace.directory().symlink_metadata().is_ok() {
            let detail = format!("`{}` is no directory any more", workspace.directory().display());
            return Err(WorkspaceError::Invalid(detail));
        }
        let _changing = self.changing().await;
        match Git::open(&workspace.record().git_directory).await {
            Ok(git) => self.clean_up(&git, workspace.record()).await,
            // The repository is gone, too.
            Err(_) => self.forget(id)?,
        }
        Ok(Outcome::Removed)
    }
}

/// What would be lost.
async fn worth_keeping(git: &Git, workspace: &Workspace) -> Result<Option<String>, WorkspaceError> {
    if !git.run(STATUS).await?.is_empty() {
        return Ok(Some("something in it is not committed".into()));
    }
    let branch = &workspace.record().branch;
    let exclude = format!("--exclude={branch}");
    let own = format!("refs/heads/{branch}");
    let mut commits = vec!["HEAD"];
    if git.succeeds(["rev-parse", "--verify", "--quiet", "--end-of-options", &own]).await? {
        commits.push(&own);
    }
    let args = ["rev-list", "--count"].into_iter().chain(commits);
    let others = ["--not", &exclude, "--branches", "--remotes", "--tags", &workspace.record().base];
    let unpublished = git.line(args.chain(others)).await?;
    Ok((unpublished != "0").then(|| format!("{unpublished} of its commits are on no other branch")))
}
