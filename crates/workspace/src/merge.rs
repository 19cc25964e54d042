//! Merging a workspace into a branch of its repository, without any checkout.

use parallax_api::workspace::{MergeRequest, MergeStrategy, Merged};

use crate::changes::STATUS;
use crate::conflicts::{MergedTree, merged_tree};
use crate::error::WorkspaceError;
use crate::git::Git;
use crate::identity::Identity;
use crate::scratch::Scratch;
use crate::workspace::Workspace;
use crate::workspaces::Workspaces;

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
        if !own.run(STATUS).await?.is_empty() {
            return Err(WorkspaceError::Conflict("something is not committed: commit it first".into()));
        }
        let head = own.line(["rev-parse", "--verify", "HEAD"]).await?;
        let git = Git::open(&workspace.record().git_directory).await?;
        let reference = format!("refs/heads/{}", request.into);
        let tip = git.line(["rev-parse", "--verify", "--quiet", "--end-of-options", &reference]).await;
        let tip = tip.map_err(|_| {
            WorkspaceError::Invalid(format!("the repository has no branch `{:.100}`", request.into))
        })?;
        if let Some(place) = checked_out_at(&git, &reference).await? {
            let detail = format!(
                "`{:.100}` is checked out in {place}: merge `{}` there, or name another branch",
                request.into,
                workspace.record().branch
            );
            return Err(WorkspaceError::Conflict(detail));
        }
        let merged = |commit: String| Merged { into: request.into.clone(), commit };
        if git.succeeds(["merge-base", "--is-ancestor", &head, &tip]).await? {
            return Ok(merged(tip));
        }
        let forward = git.succeeds(["merge-base", "--is-ancestor", &tip, &head]).await?;
        let commit = match request.strategy {
            MergeStrategy::Ff if forward => head,
            MergeStrategy::Ff => {
                let detail = format!("`{:.100}` has commits that the workspace does not have", request.into);
                return Err(WorkspaceError::Conflict(detail));
            }
            MergeStrategy::Merge | MergeStrategy::Squash => {
                let scratch = Scratch::make(self.root(), &workspace.record().git_directory).await?;
                let tree = match merged_tree(&scratch.lender_git(), &tip, &head).await? {
                    MergedTree::Clean(tree) => tree,
                    MergedTree::Conflicts(files) => return Err(WorkspaceError::Unmergeable(files)),
                };
                let told = format!("Merge branch '{}' into {}", workspace.record().branch, request.into);
                let message = request.message.as_deref().unwrap_or(&told);
                let mut args = vec!["commit-tree", "-p", &tip];
                if request.strategy == MergeStrategy::Merge {
                    args.extend(["-p", &head]);
                }
                args.extend(["-m", message, &tree]);
                let identity = Identity::choose(&git, None, &workspace.record().name).await?;
                identity.applied(git.clone()).line(args).await?
            }
        };
        if !git.succeeds(["update-ref", &reference, &commit, &tip]).await? {
            let detail = format!("`{:.100}` moved meanwhile: try again", request.into);
            return Err(WorkspaceError::Conflict(detail));
        }
        Ok(merged(commit))
    }
}

/// The checkout that has this branch.
pub(crate) async fn checked_out_at(git: &Git, reference: &str) -> Result<Option<String>, WorkspaceError> {
    let list = git.run(["worktree", "list", "--porcelain", "-z"]).await?;
    let list = String::from_utf8_lossy(&list).into_owned();
    let mut place = "";
    let mut is_bare = false;
    for line in list.split('\0') {
        if let Some(path) = line.strip_prefix("worktree ") {
            (place, is_bare) = (path, false);
        }
        is_bare |= line == "bare";
        if line.strip_prefix("branch ") == Some(reference) && !is_bare {
            return Ok(Some(place.to_owned()));
        }
    }
    Ok(None)
}
