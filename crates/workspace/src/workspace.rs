//! One workspace.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::WorkspaceError;
use crate::git::{Git, not_known};
use crate::record::Record;
use crate::scratch::ScratchDirectory;

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
        // The git directory of a clone is the agent's own as well: a link would lead to another repository.
        let own = &self.record.git_directory;
        if self.record.is_clone
            && (!own.symlink_metadata()?.is_dir()
                || Path::new(&git.line(["rev-parse", "--absolute-git-dir"]).await?) != own
                || own.join("commondir").symlink_metadata().is_ok())
        {
            let detail = format!("`{}` is not the repository any more that it was", self.directory.display());
            return Err(WorkspaceError::Invalid(detail));
        }
        if !self.record.is_clone && !self.is_worktree_of_its_repository(&git).await? {
            let detail =
                format!("`{}` is not the worktree any more that it was made as", self.directory.display());
            return Err(WorkspaceError::Invalid(detail));
        }
        Ok(git)
    }

    /// Whether its `.git` leads to what the repository that it was made from keeps of this very worktree. It could lead to that of a
    /// neighbour, to the main checkout or to another repository: a commit would be made there.
    async fn is_worktree_of_its_repository(&self, git: &Git) -> Result<bool, WorkspaceError> {
        let common = git.line(["rev-parse", "--path-format=absolute", "--git-common-dir"]).await?;
        let own = PathBuf::from(git.line(["rev-parse", "--absolute-git-dir"]).await?);
        let common = PathBuf::from(common).canonicalize()?;
        if common != self.record.git_directory.canonicalize()?
            || own.parent().map(Path::canonicalize).transpose()? != Some(common.join("worktrees"))
        {
            return Ok(false);
        }
        // Where git finds the worktree from there, absolute or from there on.
        let back = read_small(&own.join("gitdir"))?;
        let back = own.join(OsStr::from_bytes(back.trim_ascii_end()));
        let is_git = back.file_name().is_some_and(|name| name == ".git");
        Ok(is_git
            && back.parent().and_then(|place| place.canonicalize().ok()) == Some(self.directory.clone()))
    }

    /// Git with a copy of the index in which files that git does not know yet are to be added, so that they are compared as well.
    /// The agent's own index is not touched. The copy goes with what is returned.
    pub(crate) async fn git_with_new_files(&self) -> Result<(Git, ScratchIndex), WorkspaceError> {
        let git = self.git().await?;
        let scratch = self.scratch_index(&git).await?;
        let git = git.with_index(&scratch.path());
        git.add("--intent-to-add").await?;
        Ok((git, scratch))
    }

    /// A copy of the index, beside all workspaces: out of the agent's own directories, and gone with the next sweep there if this
    /// server is killed.
    pub(crate) async fn scratch_index(&self, git: &Git) -> Result<ScratchIndex, WorkspaceError> {
        let root = self.directory.parent().unwrap_or(&self.directory);
        let scratch = ScratchIndex::of(git, root).await?;
        git.clone().with_index(&scratch.path()).check_index().await?;
        Ok(scratch)
    }
}

/// The longest file that [`read_small`] reads, in bytes.
const MAX_SMALL: u64 = 8192;
/// The largest index that is copied, in bytes.
const MAX_INDEX: u64 = 256 << 20;

/// A copy of an index in a directory of ours, removed when it is dropped.
pub(crate) struct ScratchIndex {
    directory: ScratchDirectory,
}

impl ScratchIndex {
    /// A copy of the index of a worktree, below `root`.
    pub(crate) async fn of(git: &Git, root: &Path) -> Result<Self, WorkspaceError> {
        // Not `--git-path index`: that would follow a link in its place.
        let index = PathBuf::from(git.line(["rev-parse", "--absolute-git-dir"]).await?).join("index");
        let scratch = Self { directory: ScratchDirectory::make(root)? };
        let copy = scratch.path();
        let copied = tokio::task::spawn_blocking(move || copy_index(&index, &copy)).await;
        copied.map_err(std::io::Error::from)??;
        Ok(scratch)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("index")
    }

    /// Fails when somebody has taken it away: to git, an index that is not there is an empty one.
    pub(crate) fn check_there(&self) -> Result<(), WorkspaceError> {
        match self.directory.path().symlink_metadata() {
            Ok(_) => Ok(()),
            Err(error) => Err(not_known(&format!("the copy of the index is gone: {error}"))),
        }
    }
}

/// A file of an agent of a few words.
fn read_small(path: &Path) -> std::io::Result<Vec<u8>> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    file.take(MAX_SMALL).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn copy_index(index: &Path, copy: &Path) -> Result<(), WorkspaceError> {
    // The agent can put anything in its place: a pipe would wait for a writer, a link leads elsewhere.
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let odd = |what: &str| WorkspaceError::Invalid(format!("the index of the worktree {what}"));
    let index = match rustix::fs::open(index, flags, Mode::empty()) {
        Ok(index) => std::fs::File::from(index),
        // No index: nothing was ever added.
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::LOOP | Errno::NXIO) => return Err(odd("is no file")),
        Err(error) => return Err(std::io::Error::from(error).into()),
    };
    let metadata = index.metadata()?;
    if !metadata.is_file() {
        return Err(odd("is no file"));
    }
    let mut copy = std::fs::File::create_new(copy)?;
    // One more than may be: it can grow meanwhile.
    if metadata.len() > MAX_INDEX || std::io::copy(&mut (&index).take(MAX_INDEX + 1), &mut copy)? > MAX_INDEX
    {
        return Err(odd("is too large"));
    }
    // As old as the original: git looks into files that are as young as the index. One that was changed in the second in which
    // it was checked out, and is as long as before, would pass for unchanged.
    copy.set_modified(metadata.modified()?)?;
    Ok(())
}
