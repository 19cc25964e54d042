//! A repository of ours that borrows the objects of another: what is computed in it changes nothing there, and the
//! configuration of the other, which agents can write, says nothing in it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::WorkspaceError;
use crate::git::Git;
use crate::scratch_name::ScratchName;

/// A directory of ours, removed when it is dropped.
pub(crate) struct ScratchDirectory(PathBuf);

impl ScratchDirectory {
    /// A new one below `root`.
    pub(crate) fn make(root: &Path) -> std::io::Result<Self> {
        let directory = doomed(root)?;
        std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
        Ok(Self(directory))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchDirectory {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// A name below `root` that nothing has, and that goes with the next sweep.
pub(crate) fn doomed(root: &Path) -> std::io::Result<PathBuf> {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = root.join(ScratchName::own().numbered(number));
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(path),
        Err(error) => Err(error),
        Ok(_) => Err(std::io::Error::from(std::io::ErrorKind::AlreadyExists)),
    }
}

/// A bare repository, removed when it is dropped.
pub(crate) struct Scratch {
    directory: ScratchDirectory,
    lender: PathBuf,
    /// Every place that objects are borrowed from, as git lists them.
    lenders: OsString,
    git: Git,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Scratch {
    /// One below `root` that has the objects of the repository with this git directory.
    pub(crate) async fn make(root: &Path, git_directory: &Path) -> Result<Self, WorkspaceError> {
        Self::make_of(root, git_directory, &[]).await
    }

    /// The same with what is in other directories of objects.
    pub(crate) async fn make_of(
        root: &Path,
        git_directory: &Path,
        others: &[PathBuf],
    ) -> Result<Self, WorkspaceError> {
        let lender = Git::open(git_directory).await?;
        let format = lender.line(["rev-parse", "--show-object-format"]).await?;
        let directory = ScratchDirectory::make(root)?;
        let mut lenders = quoted(&git_directory.join("objects"));
        for other in others {
            lenders.push(":");
            lenders.push(quoted(other));
        }
        let git =
            Git::open(directory.path()).await?.with_variable("GIT_ALTERNATE_OBJECT_DIRECTORIES", &lenders);
        let scratch = Self { lender: git_directory.join("objects"), lenders, git, directory };
        let format = format!("--object-format={format}");
        scratch.git.run(["init", "--quiet", "--bare", "--template=", &format]).await?;
        Ok(scratch)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Has its history end where that of a clone with a `depth` does, whose commits name parents that are nowhere.
    pub(crate) fn copy_shallow(&self, git_directory: &Path) -> std::io::Result<()> {
        let shallow = git_directory.join("shallow");
        if shallow.symlink_metadata().is_ok_and(|found| found.is_file()) {
            std::fs::copy(shallow, self.path().join("shallow"))?;
        }
        Ok(())
    }

    /// Every place that objects are borrowed from, as git lists them in a variable.
    pub(crate) fn lenders(&self) -> &OsStr {
        &self.lenders
    }

    /// Git in it.
    pub(crate) fn git(&self) -> &Git {
        &self.git
    }

    /// The same, so that new objects go to the lender.
    pub(crate) fn lender_git(&self) -> Git {
        self.git.clone().with_variable("GIT_OBJECT_DIRECTORY", &self.lender)
    }

    /// Another git (of a worktree of the lender), so that its new objects go into this.
    pub(crate) fn storing_here(&self, git: Git) -> Git {
        git.with_variable("GIT_OBJECT_DIRECTORY", self.directory.path().join("objects"))
            .with_variable("GIT_ALTERNATE_OBJECT_DIRECTORIES", &self.lenders)
    }
}

/// A path in a list of object directories. Quoted, any will do.
fn quoted(path: &Path) -> OsString {
    let mut quoted = Vec::from(*b"\"");
    for byte in path.as_os_str().as_bytes() {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    OsString::from_vec(quoted)
}

/// Removes what a server that was killed left.
pub(crate) fn sweep(root: &Path) -> std::io::Result<()> {
    sweep_where(root, |_, _| true)
}

/// Removes what programs beside this one left that are gone. To be called before anything is made here.
pub(crate) fn sweep_dead(root: &Path) -> std::io::Result<()> {
    sweep_where(root, |name, directory| name.is_abandoned(ScratchName::own(), age(directory)))
}

fn sweep_where(root: &Path, goes: impl Fn(&ScratchName, &Path) -> bool) -> std::io::Result<()> {
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name().to_str().and_then(ScratchName::read);
        if name.is_some_and(|name| goes(&name, &entry.path())) {
            remove(&entry.path());
        }
    }
    Ok(())
}

/// How long ago something was put into it; nothing, where a clock says that is yet to come.
fn age(directory: &Path) -> Duration {
    let changed = directory.symlink_metadata().and_then(|found| found.modified());
    changed.ok().and_then(|at| at.elapsed().ok()).unwrap_or_default()
}

fn remove(directory: &Path) {
    if let Err(error) = std::fs::remove_dir_all(directory) {
        tracing::warn!(error = &error as &dyn std::error::Error, "a scratch repository is left");
    }
}
