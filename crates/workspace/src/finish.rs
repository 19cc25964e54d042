//! The end of a workspace: nothing that was not committed, merged or pushed is lost, unless that was asked for.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

use parallax_api::workspace::WorkspaceKeep;

use crate::error::WorkspaceError;
use crate::git::Git;
use crate::record::Record;
use crate::scratch;
use crate::workspace::Workspace;
use crate::workspaces::{Workspaces, lock_reason};

/// How long the removal of a worktree may take: a checkout can be large, and what it built larger.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(600);

/// What became of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is gone, and its branch with it.
    Removed,
    /// It stays, with why.
    Kept(String),
}

impl Workspaces {
    /// Ends a workspace whose agent has ended, or never ran. It stays when others have come to work in it.
    ///
    /// # Errors
    /// What git says: it stays then. One that is gone already is no error.
    pub async fn finish(&self, id: &str, keep: WorkspaceKeep) -> Result<Outcome, WorkspaceError> {
        self.finish_unless(id, keep, |now| !now.users.is_empty()).await
    }

    /// Ends a workspace of which every agent has ended that its record named when it was looked at. It stays when another one has
    /// come since.
    ///
    /// # Errors
    /// As [`Workspaces::finish`].
    pub async fn finish_seen(&self, seen: &Record) -> Result<Outcome, WorkspaceError> {
        let has_changed = |now: &Record| now.users != seen.users;
        self.finish_unless(seen.id.as_str(), seen.keep, has_changed).await
    }

    async fn finish_unless(
        &self,
        id: &str,
        keep: WorkspaceKeep,
        has_come: impl Fn(&Record) -> bool + Send,
    ) -> Result<Outcome, WorkspaceError> {
        match self.get(id) {
            Err(WorkspaceError::NotFound(_)) => return self.finish_missing(id).await,
            found => found?,
        };
        if keep == WorkspaceKeep::Always {
            return Ok(Outcome::Kept("it was asked for".into()));
        }
        let _changing = self.changing().await;
        // Again: while this waited, another call may have ended it, and another agent may have come.
        let workspace = match self.get(id) {
            Err(WorkspaceError::NotFound(_)) => return Ok(Outcome::Removed),
            found => found?,
        };
        if has_come(workspace.record()) {
            return Ok(Outcome::Kept("another agent has come to work in it".into()));
        }
        if workspace.record().is_clone {
            return self.finish_clone(&workspace, keep).await;
        }
        let outside = Git::open(&workspace.record().git_directory).await;
        let is_cut_short = is_missing(&workspace.directory().join(".git"));
        if is_cut_short {
            if holds_no_file(workspace.directory()).await? {
                tokio::fs::remove_dir_all(workspace.directory()).await?;
                match outside {
                    Ok(outside) => self.clean_up(&outside, workspace.record()).await,
                    Err(_) => self.forget(id)?,
                }
                return Ok(Outcome::Removed);
            }
            // Writes its `.git` again, if git still knows the worktree.
            let repair = [OsStr::new("worktree"), "repair".as_ref(), "--".as_ref()];
            let directory = workspace.directory().as_os_str();
            if let Ok(outside) = &outside {
                outside.succeeds(repair.into_iter().chain([directory])).await?;
            }
        }
        let git = workspace.git().await?;
        if keep == WorkspaceKeep::Changed
            && let Some(reason) = worth_keeping(&git, &workspace, is_cut_short).await?
        {
            return Ok(Outcome::Kept(reason));
        }
        let branch = &workspace.record().branch;
        let tip = git.tip(branch).await;
        // Git looks into the worktree before it removes it, where other filters may be than in the repository.
        let outside = outside?.without_programs_of(&git);
        // Files that are gone are changes to git: force, once nothing else was found.
        let force = keep == WorkspaceKeep::Never || is_cut_short;
        remove_worktree(&outside, &workspace, force).await?;
        if let Some(tip) = tip {
            outside.remove_branch(branch, &tip).await?;
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
            (WorkspaceKeep::Changed, Ok(found)) if found.record().is_clone => {
                clone_worth_keeping(&found).await
            }
            (WorkspaceKeep::Changed, Ok(found)) => worth_keeping(&found.git().await?, &found, false).await,
            (WorkspaceKeep::Never, _) | (_, Err(WorkspaceError::NotFound(_))) => Ok(None),
            (_, Err(error)) => Err(error),
        }
    }

    /// A repository of its own goes with its directory.
    async fn finish_clone(
        &self,
        workspace: &Workspace,
        keep: WorkspaceKeep,
    ) -> Result<Outcome, WorkspaceError> {
        if keep == WorkspaceKeep::Changed
            && let Some(reason) = clone_worth_keeping(workspace).await?
        {
            return Ok(Outcome::Kept(reason));
        }
        // All at once out of the way: half a removal would look like work that nobody committed. What is left of one goes with the
        // next start.
        let doomed = scratch::doomed(self.root())?;
        tokio::fs::rename(workspace.directory(), &doomed).await?;
        self.forget(workspace.record().id.as_str())?;
        // By itself: whoever does not wait for it any longer need not.
        let removing = tokio::spawn(async move { tokio::fs::remove_dir_all(doomed).await });
        removing.await.map_err(std::io::Error::from)??;
        Ok(Outcome::Removed)
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
        if workspace.record().is_clone {
            self.forget(id)?;
            return Ok(Outcome::Removed);
        }
        match Git::open(&workspace.record().git_directory).await {
            Ok(git) => self.clean_up(&git, workspace.record()).await,
            // The repository is gone, too.
            Err(_) => self.forget(id)?,
        }
        Ok(Outcome::Removed)
    }
}

/// Removes the worktree; without force git itself refuses what was changed since it was looked at. A refused one is as it was.
async fn remove_worktree(git: &Git, workspace: &Workspace, force: bool) -> Result<(), WorkspaceError> {
    let worktree = |words: &[&str]| -> Vec<OsString> {
        let words = ["worktree"].iter().chain(words).chain(&["--"]).map(OsString::from);
        words.chain([workspace.directory().into()]).collect()
    };
    // It is not locked when an earlier end was cut short. One that stays locked is refused below.
    git.succeeds(worktree(&["unlock"])).await?;
    let remove = worktree(if force { &["remove", "--force"] } else { &["remove"] });
    let removing = git.clone().with_time_limit(REMOVE_TIMEOUT);
    // By itself: whoever does not wait for it any longer must not leave half of it.
    let removed =
        tokio::spawn(async move { removing.run(remove).await }).await.map_err(std::io::Error::from)?;
    if let Err(error) = removed {
        let reason = lock_reason(workspace.record().id.as_str());
        // Git may know it no longer.
        let _ = git.succeeds(worktree(&["lock", "--reason", &reason])).await;
        return Err(error);
    }
    Ok(())
}

fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Whether there are directories in it, and nothing else.
async fn holds_no_file(directory: &Path) -> std::io::Result<bool> {
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        let mut entries = tokio::fs::read_dir(directory).await?;
        while let Some(entry) = entries.next_entry().await? {
            if !entry.file_type().await?.is_dir() {
                return Ok(false);
            }
            left.push(entry.path());
        }
    }
    Ok(true)
}

/// What would be lost with a clone: what is in no commit, and commits that no remote has.
async fn clone_worth_keeping(workspace: &Workspace) -> Result<Option<String>, WorkspaceError> {
    let found = workspace.unpublished().await?;
    let has_commits = found.commits > 0;
    Ok(found.reason(has_commits))
}

/// What would be lost. Of a worktree whose removal was cut short, files that are gone are no loss: they are in its commits.
async fn worth_keeping(
    git: &Git,
    workspace: &Workspace,
    is_cut_short: bool,
) -> Result<Option<String>, WorkspaceError> {
    let status = git.status().await?;
    let is_loss = if is_cut_short { !status.lacks_only_files() } else { !status.is_clean() };
    if is_loss {
        return Ok(Some("something in it is not committed".into()));
    }
    let branch = &workspace.record().branch;
    let exclude = format!("--exclude={branch}");
    let tip = git.tip(branch).await;
    let args = ["rev-list", "--count", "HEAD"].into_iter().chain(tip.as_deref());
    let others = ["--not", &exclude, "--branches", "--remotes", "--tags", &workspace.record().base];
    let unpublished = git.line(args.chain(others)).await?;
    Ok((unpublished != "0").then(|| format!("{unpublished} of its commits are on no other branch")))
}
