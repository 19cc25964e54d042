//! Merging a workspace into a branch of its repository, without any checkout.

use std::path::PathBuf;

use parallax_api::workspace::{MergeRequest, MergeStrategy, Merged};

use crate::carry::received;
use crate::conflicts::{MergedTree, merged_tree};
use crate::error::WorkspaceError;
use crate::git::Git;
use crate::identity::Identity;
use crate::remote;
use crate::scratch::Scratch;
use crate::workspace::Workspace;
use crate::workspaces::{Workspaces, open_repository};

impl Workspaces {
    /// Merges what is committed in the workspace into a branch that is checked out nowhere.
    ///
    /// # Errors
    /// `Unmergeable` with the files that conflict, `Conflict` when something is not committed, the branch is checked out, or it
    /// moved meanwhile; `Invalid` when there is no such branch.
    pub async fn merge(
        &self,
        workspace: &Workspace,
        request: &MergeRequest,
    ) -> Result<Merged, WorkspaceError> {
        let own = workspace.git().await?;
        if !own.status().await?.is_clean() {
            return Err(WorkspaceError::Conflict("something is not committed: commit it first".into()));
        }
        self.merge_commit(workspace, &own.head().await?, request).await
    }

    /// The same for a commit of the workspace.
    ///
    /// # Errors
    /// As [`Workspaces::merge`].
    pub async fn merge_commit(
        &self,
        workspace: &Workspace,
        head: &str,
        request: &MergeRequest,
    ) -> Result<Merged, WorkspaceError> {
        let record = workspace.record();
        if let Some(url) = &record.url {
            let detail = format!("the workspace is a clone of {url}: push it, and merge it there");
            return Err(WorkspaceError::Conflict(detail));
        }
        let git = match record.is_clone {
            false => Git::open(&record.git_directory).await?,
            true => receive(workspace, head).await?,
        };
        let lender =
            PathBuf::from(git.line(["rev-parse", "--path-format=absolute", "--git-common-dir"]).await?);
        let tip = git.tip(&request.into).await.ok_or_else(|| {
            WorkspaceError::Invalid(format!("the repository has no branch `{:.100}`", request.into))
        })?;
        if let Some(place) = git.checked_out_at(&request.into).await? {
            let detail = format!(
                "`{:.100}` is checked out in {place}: merge `{}` there, or name another branch",
                request.into,
                workspace.record().branch
            );
            return Err(WorkspaceError::Conflict(detail));
        }
        let merged = |commit: String| Merged { into: request.into.clone(), commit };
        if git.succeeds(["merge-base", "--is-ancestor", head, &tip]).await? {
            return Ok(merged(tip));
        }
        let forward = git.succeeds(["merge-base", "--is-ancestor", &tip, head]).await?;
        let commit = match request.strategy {
            MergeStrategy::Ff if forward => head.to_owned(),
            MergeStrategy::Ff => {
                let detail = format!("`{:.100}` has commits that the workspace does not have", request.into);
                return Err(WorkspaceError::Conflict(detail));
            }
            MergeStrategy::Merge | MergeStrategy::Squash => {
                let scratch = Scratch::make(self.root(), &lender).await?;
                let tree = match merged_tree(&scratch.lender_git(), &tip, head).await? {
                    MergedTree::Clean(tree) => tree,
                    MergedTree::Conflicts(files) => return Err(WorkspaceError::Unmergeable(files)),
                };
                let is_done = git.line(["rev-parse", "--verify", &format!("{tip}^{{tree}}")]).await? == tree;
                if is_done && request.strategy == MergeStrategy::Squash {
                    // Squashed before: a commit with nothing in it would say otherwise.
                    return Ok(merged(tip));
                }
                let told = format!("Merge branch '{}' into {}", workspace.record().branch, request.into);
                let message = request.message.as_deref().unwrap_or(&told);
                let mut args = vec!["commit-tree", "-p", &tip];
                if request.strategy == MergeStrategy::Merge {
                    args.extend(["-p", head]);
                }
                args.extend(["-m", message, &tree]);
                let identity = Identity::choose(&git, None, &workspace.record().name).await?;
                identity.applied(git.clone()).line(args).await?
            }
        };
        if !git.move_branch(&request.into, &tip, &commit).await? {
            let detail = format!("`{:.100}` moved meanwhile: try again", request.into);
            return Err(WorkspaceError::Conflict(detail));
        }
        Ok(merged(commit))
    }
}

/// The repository that a clone was made of, with the clone's commits in it.
async fn receive(workspace: &Workspace, head: &str) -> Result<Git, WorkspaceError> {
    let git = open_repository(&workspace.record().repository).await?;
    let clone = workspace.directory().to_string_lossy().into_owned();
    // By the name that it has there: an object cannot be asked for everywhere.
    let name = if workspace.record().is_store { received(head) } else { "HEAD".into() };
    git.run(remote::fetch(true).into_iter().chain(["--no-tags", "--", &clone, &name])).await?;
    if !git.succeeds(["cat-file", "-e", &format!("{head}^{{commit}}")]).await? {
        return Err(WorkspaceError::Conflict("the workspace moved meanwhile: try again".into()));
    }
    Ok(git)
}
