//! One workspace.

use std::path::{Path, PathBuf};

use crate::error::WorkspaceError;
use crate::git::Git;
use crate::record::Record;

/// The worktree of one agent.
#[derive(Clone, Debug)]
pub struct Workspace {
    pub(crate) directory: PathBuf,
    pub(crate) record: Record,
}

impl Workspace {
    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// How it was made.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Git in it.
    pub(crate) async fn git(&self) -> Result<Git, WorkspaceError> {
        let git = Git::open(&self.directory).await?;
        // What the agent may have done to its `.git` must not lead to another repository.
        let top = git.line(["rev-parse", "--show-toplevel"]).await?;
        if Path::new(&top) != self.directory {
            let detail = format!("`{}` is no worktree any more", self.directory.display());
            return Err(WorkspaceError::Invalid(detail));
        }
        Ok(git)
    }

    /// The branch that is checked out.
    pub(crate) async fn current_branch(&self, git: &Git) -> Result<Option<String>, WorkspaceError> {
        let answer = git.answer(["symbolic-ref", "--quiet", "--short", "HEAD"]).await?;
        let name = String::from_utf8(answer.stdout)
            .map_err(|_| WorkspaceError::Invalid("the name of the branch is not UTF-8".into()))?;
        Ok(Some(name.trim_end_matches('\n').to_owned()).filter(|name| !name.is_empty()))
    }

    /// Git with a copy of the index in which files that git does not know yet are to be added, so that they are compared as well.
    /// The agent's own index is not touched. The copy goes with what is returned.
    pub(crate) async fn git_with_new_files(&self) -> Result<(Git, ScratchIndex), WorkspaceError> {
        let git = self.git().await?;
        let scratch = ScratchIndex::of(&git).await?;
        let git = git.with_index(scratch.path());
        // A file that cannot be read is left out.
        git.succeeds(["add", "--intent-to-add", "--ignore-errors", "--", "."]).await?;
        Ok((git, scratch))
    }
}

/// A copy of an index, removed when it is dropped.
pub(crate) struct ScratchIndex(PathBuf);

impl ScratchIndex {
    /// A copy of the index of a worktree.
    pub(crate) async fn of(git: &Git) -> Result<Self, WorkspaceError> {
        let index = git.line(["rev-parse", "--path-format=absolute", "--git-path", "index"]).await?;
        Self::copy(Path::new(&index))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn copy(index: &Path) -> Result<Self, WorkspaceError> {
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let scratch = Self(index.with_extension(format!("parallax-{}-{number}", std::process::id())));
        // No index: nothing was ever added.
        match std::fs::copy(index, &scratch.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(scratch),
            copied => copied?,
        };
        // As old as the original: git looks into files that are as young as the index. One that was changed in the second in which
        // it was checked out, and is as long as before, would pass for unchanged.
        let written = std::fs::metadata(index)?.modified()?;
        std::fs::File::options().write(true).open(&scratch.0)?.set_modified(written)?;
        Ok(scratch)
    }
}

static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

impl Drop for ScratchIndex {
    fn drop(&mut self) {
        // It may never have been written.
        drop(std::fs::remove_file(&self.0));
        drop(std::fs::remove_file(self.0.with_added_extension("lock")));
    }
}
