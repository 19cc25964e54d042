//! What of a worktree is not committed.

use crate::error::WorkspaceError;
use crate::git::Git;

/// Files that differ from the commit that is checked out, those included that git does not know.
pub(crate) struct Status(Vec<u8>);

impl Git {
    /// What is not committed here.
    pub(crate) async fn status(&self) -> Result<Status, WorkspaceError> {
        let args =
            ["status", "--porcelain=v2", "-z", "--untracked-files=normal", "--ignore-submodules=dirty"];
        self.run(args).await.map(Status)
    }
}

impl Status {
    /// Whether everything is committed.
    pub(crate) fn is_clean(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a merge is not finished.
    pub(crate) fn is_conflicted(&self) -> bool {
        self.lines().any(|line| line.starts_with(b"u "))
    }

    /// Whether all that differs is that files are gone.
    pub(crate) fn lacks_only_files(&self) -> bool {
        self.lines().all(|line| line.starts_with(b"1 .D "))
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == 0).filter(|line| !line.is_empty())
    }
}
