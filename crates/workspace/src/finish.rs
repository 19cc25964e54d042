//! The end of a workspace: nothing that was not committed, merged or pushed is lost, unless that was asked for.

use std::ffi::OsStr;

use serde::{Deserialize, Serialize};

use crate::changes::STATUS;
use crate::error::WorkspaceError;
use crate::git::Git;
use crate::workspace::Workspace;
use crate::workspaces::Workspaces;

/// What stays of a workspace when its agent has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Nothing, whatever is in it.
    Never,
    /// All of it, when something is not committed, or its commits are on no other branch.
    #[default]
    Changed,
    /// All of it.
    Always,
}

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
    /// `NotFound` when there is none, otherwise what git says: it stays then.
    pub async fn finish(&self, id: &str, keep: Keep) -> Result<Outcome, WorkspaceError> {
        let workspace = self.get(id)?;
        if keep == Keep::Always {
            return Ok(Outcome::Kept("it was asked for".into()));
        }
        let _changing = self.changing().await;
        let git = workspace.git().await?;
        if keep == Keep::Changed
            && let Some(reason) = worth_keeping(&git, &workspace).await?
        {
            return Ok(Outcome::Kept(reason));
        }
        let branch = format!("refs/heads/{}", workspace.record().branch);
        let tip = git.line(["rev-parse", "--verify", "--quiet", "--end-of-options", &branch]).await.ok();
        let outside = Git::open(&workspace.record().repository).await?;
        let directory = workspace.directory().as_os_str();
        outside.run::<&OsStr>(["worktree".as_ref(), "unlock".as_ref(), "--".as_ref(), directory]).await?;
        let mut remove: Vec<&OsStr> = vec!["worktree".as_ref(), "remove".as_ref()];
        if keep == Keep::Never {
            remove.push("--force".as_ref());
        }
        remove.extend::<[&OsStr; 2]>(["--".as_ref(), directory]);
        // Without force git itself refuses what was changed since the look above.
        outside.run(remove).await?;
        if let Some(tip) = tip {
            // Only where it was seen: commits that came since stay on it.
            outside.succeeds(["update-ref", "-d", &branch, &tip]).await?;
        }
        self.forget(id)?;
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
