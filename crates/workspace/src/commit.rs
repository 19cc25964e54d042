//! Committing what is in a workspace.

use parallax_api::workspace::{CommitRequest, Committed};

use crate::error::WorkspaceError;
use crate::identity::Identity;
use crate::workspace::Workspace;

impl Workspace {
    /// Commits everything that is not committed, new files included, on what is checked out.
    ///
    /// # Errors
    /// `Conflict` when there is nothing to commit, or a merge is unfinished; otherwise what git says.
    pub async fn commit(&self, request: &CommitRequest) -> Result<Committed, WorkspaceError> {
        let git = self.git().await?;
        let status = git.status().await?;
        if status.is_clean() {
            return Err(WorkspaceError::Conflict("there is nothing to commit".into()));
        }
        if status.is_conflicted() {
            let detail = "a merge in the workspace is not finished: have its conflicts resolved first";
            return Err(WorkspaceError::Conflict(detail.into()));
        }
        // What stands in place of the index is written: a link would lead out of the repository.
        drop(self.scratch_index(&git).await?);
        let identity = Identity::choose(&git, request.author.as_deref(), &self.record().name).await?;
        git.run(["add", "--all", "--", "."]).await?;
        let message = format!("--message={}", request.message);
        let commit = ["commit", "--quiet", "--no-verify", "--no-gpg-sign", "--cleanup=whitespace", &message];
        identity.applied(git.clone()).run(commit).await?;
        Ok(Committed { commit: git.head().await?, branch: git.current_branch().await? })
    }
}
