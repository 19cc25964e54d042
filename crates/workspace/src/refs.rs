//! References of a repository: its branches, and the commits that names stand for.

use crate::error::WorkspaceError;
use crate::git::Git;

impl Git {
    /// The commit that is checked out.
    pub(crate) async fn head(&self) -> Result<String, WorkspaceError> {
        self.line(["rev-parse", "--verify", "HEAD"]).await
    }

    /// The commit that a branch is at.
    pub(crate) async fn tip(&self, branch: &str) -> Option<String> {
        self.line(["rev-parse", "--verify", "--quiet", "--end-of-options", &reference(branch)]).await.ok()
    }

    /// The commit that this name stands for: a branch, a tag, an id.
    ///
    /// # Errors
    /// `Invalid` when there is none.
    pub(crate) async fn commit_of(&self, name: &str) -> Result<String, WorkspaceError> {
        let commit = format!("{name}^{{commit}}");
        self.line(["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]).await.map_err(|_| {
            WorkspaceError::Invalid(format!("the repository has no commit `{name:.100}` to begin with"))
        })
    }

    /// The whole name of the reference that a name stands for; none for a commit or a detached `HEAD`.
    pub(crate) async fn full_name(&self, name: &str) -> Option<String> {
        let args = ["rev-parse", "--symbolic-full-name", "--verify", "--quiet", "--end-of-options", name];
        // A detached `HEAD` names itself.
        self.line(args).await.ok().filter(|name| name.starts_with("refs/"))
    }

    /// The branch that is checked out.
    pub(crate) async fn current_branch(&self) -> Result<Option<String>, WorkspaceError> {
        let answer = self.answer(["symbolic-ref", "--quiet", "--short", "HEAD"]).await?;
        let name = String::from_utf8(answer.stdout)
            .map_err(|_| WorkspaceError::Invalid("the name of the branch is not UTF-8".into()))?;
        Ok(Some(name.trim_end_matches('\n').to_owned()).filter(|name| !name.is_empty()))
    }

    /// The checkout that has this branch.
    pub(crate) async fn checked_out_at(&self, branch: &str) -> Result<Option<String>, WorkspaceError> {
        let reference = reference(branch);
        let list = self.run(["worktree", "list", "--porcelain", "-z"]).await?;
        let list = String::from_utf8_lossy(&list).into_owned();
        let mut place = "";
        let mut is_bare = false;
        for line in list.split('\0') {
            if let Some(path) = line.strip_prefix("worktree ") {
                (place, is_bare) = (path, false);
            }
            is_bare |= line == "bare";
            if line.strip_prefix("branch ") == Some(&reference) && !is_bare {
                return Ok(Some(place.to_owned()));
            }
        }
        Ok(None)
    }

    /// Makes a branch, if there is none of this name: somebody beside this server may make it at the same time.
    pub(crate) async fn create_branch(&self, branch: &str, commit: &str) -> Result<(), WorkspaceError> {
        self.run(["update-ref", &reference(branch), commit, ""]).await.map(drop)
    }

    /// Moves a branch from one commit to another. False when it was not there any more.
    pub(crate) async fn move_branch(
        &self,
        branch: &str,
        from: &str,
        to: &str,
    ) -> Result<bool, WorkspaceError> {
        self.succeeds(["update-ref", &reference(branch), to, from]).await
    }

    /// Removes a branch while it is at `tip`, and nobody has it checked out: commits that came since stay on it. A record may
    /// also name one that is another's: its server died before it made the branch.
    pub(crate) async fn remove_branch(&self, branch: &str, tip: &str) -> Result<(), WorkspaceError> {
        if self.checked_out_at(branch).await?.is_none() {
            self.succeeds(["update-ref", "-d", &reference(branch), tip]).await?;
        }
        Ok(())
    }

    /// Fails with `Invalid` for what cannot be the name of a branch.
    pub(crate) async fn check_branch_name(&self, branch: &str) -> Result<(), WorkspaceError> {
        // `HEAD` is what is checked out, wherever a branch can be named.
        let is_odd = branch.starts_with('-') || branch == "HEAD";
        if is_odd || !self.succeeds(["check-ref-format", &reference(branch)]).await? {
            return Err(WorkspaceError::Invalid(format!("`{branch:.100}` cannot be the name of a branch")));
        }
        Ok(())
    }

    /// Fails with `Invalid` for what cannot be the name of a branch, or is one already.
    pub(crate) async fn check_new_branch(&self, branch: &str) -> Result<(), WorkspaceError> {
        self.check_branch_name(branch).await?;
        match self.tip(branch).await {
            Some(_) => Err(WorkspaceError::Invalid(format!("there is a branch `{branch:.100}` already"))),
            None => Ok(()),
        }
    }
}

fn reference(branch: &str) -> String {
    format!("refs/heads/{branch}")
}
