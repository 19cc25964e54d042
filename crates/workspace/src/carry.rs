//! The way between a server's store and the clone that its agent has elsewhere: the repository goes there as an archive, and
//! commits come back as a bundle.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parallax_api::workspace::Pushed;
use serde::{Deserialize, Serialize};

use crate::error::WorkspaceError;
use crate::git::Git;
use crate::identity::Identity;
use crate::record::Record;
use crate::remote;
use crate::scratch::{Scratch, ScratchDirectory};
use crate::workspace::Workspace;
use crate::workspaces::Workspaces;

/// How long making or taking in a bundle may take.
const BUNDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// The most memory that git takes at once for what an agent's host sent: objects other than files are held whole.
const RECEIVE_MEMORY: &str = "256m";
/// What a bundle calls the commit that it is made for.
const SENT: &str = "refs/parallax/out";

/// How an agent's clone stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stand {
    /// The commit that is checked out.
    pub head: String,
    /// The branch that is checked out.
    pub branch: Option<String>,
    /// Whether everything is committed.
    pub is_clean: bool,
    /// A commit of all that is in it, committed or not, where that was asked for.
    pub snapshot: Option<String>,
}

/// A file of ours, removed when it is dropped.
pub struct ScratchFile {
    directory: ScratchDirectory,
    name: &'static str,
}

impl ScratchFile {
    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join(self.name)
    }
}

impl Workspaces {
    /// A place for a file that nothing is in yet.
    ///
    /// # Errors
    /// The file system's.
    pub fn scratch_file(&self) -> Result<ScratchFile, WorkspaceError> {
        Ok(ScratchFile { directory: ScratchDirectory::make(self.root())?, name: "file" })
    }

    /// A store as an archive (tar), for [`Workspaces::unpack`]. No credentials are in it.
    ///
    /// # Errors
    /// The file system's.
    pub async fn pack(&self, store: &Workspace) -> Result<ScratchFile, WorkspaceError> {
        let file = self.scratch_file()?;
        let (path, git_directory) = (file.path(), store.record().git_directory.clone());
        let record = Record { is_store: false, ..store.record().clone() };
        let pack = move || {
            let mut archive = tar::Builder::new(File::create_new(path)?);
            let text = serde_json::to_vec_pretty(&record)?;
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o600);
            header.set_size(u64::try_from(text.len()).unwrap_or(u64::MAX));
            archive.append_data(&mut header, format!("{}.json", record.id), text.as_slice())?;
            archive.follow_symlinks(false);
            archive.append_dir_all(format!("{}/.git", record.id), git_directory)?;
            archive.finish()
        };
        tokio::task::spawn_blocking(pack).await.map_err(std::io::Error::from)??;
        Ok(file)
    }

    /// Makes the workspace of a store's archive, which comes from whoever started this program, and checks its files out.
    ///
    /// # Errors
    /// When it cannot be written, or git refuses.
    pub async fn unpack(
        &self,
        id: &str,
        archive: impl Read + Send + 'static,
    ) -> Result<Workspace, WorkspaceError> {
        let root = self.root().to_owned();
        let unpack = move || tar::Archive::new(archive).unpack(root);
        tokio::task::spawn_blocking(unpack).await.map_err(std::io::Error::from)??;
        let mut workspace = self.get(id)?;
        workspace.record.git_directory = workspace.directory.join(".git");
        workspace.record.write(&self.record(id))?;
        let git = workspace.git().await?;
        // Agents commit, too, and an image configures nobody.
        Identity::choose(&git, None, &workspace.record.name).await?.configure(&git).await?;
        git.run(["reset", "--hard", "--quiet"]).await?;
        Ok(workspace)
    }

    /// Takes the commits of an agent's clone into its store. Whatever the agent made of them, they are of this store alone, and
    /// named by what they are.
    ///
    /// # Errors
    /// `Invalid` for what is no such bundle, otherwise what git says.
    pub async fn receive(
        &self,
        store: &Workspace,
        stand: &Stand,
        bundle: Option<&Path>,
    ) -> Result<(), WorkspaceError> {
        let git = Git::open(&store.record().git_directory).await?;
        let head = &stand.head;
        check(&git, stand).await?;
        let is_known = git.commit_of(&received(head)).await.is_ok_and(|known| known == *head);
        if let Some(bundle) = bundle.filter(|_| !is_known) {
            take_in(&git, stand, head, bundle, &received(head)).await?;
        }
        // It may have been there before.
        git.commit_of(head).await?;
        git.run(["update-ref", &received(head), head]).await.map(drop)
    }

    /// Takes all that is in an agent's clone, committed or not, for as long as the answer is kept: nothing of it goes into the store, which
    /// would grow with every look.
    ///
    /// # Errors
    /// As [`Workspaces::receive`].
    pub async fn receive_snapshot(
        &self,
        store: &Workspace,
        stand: &Stand,
        bundle: Option<&Path>,
    ) -> Result<Incoming, WorkspaceError> {
        let record = store.record();
        let scratch = Scratch::make(self.root(), &record.git_directory).await?;
        check(scratch.git(), stand).await?;
        scratch.copy_shallow(&record.git_directory)?;
        let commit = stand.snapshot.clone();
        let commit = commit.ok_or_else(|| WorkspaceError::Invalid("there is no snapshot".into()))?;
        // What the bundle builds on has to be named.
        scratch.git().run(["update-ref", &received(&record.base), &record.base]).await?;
        if let Some(bundle) = bundle {
            take_in(scratch.git(), stand, &commit, bundle, &received(&commit)).await?;
        }
        scratch.git().commit_of(&commit).await?;
        Ok(Incoming { scratch, commit })
    }
}

/// All that is in the clone of an agent, beside its store. It goes when this is dropped.
pub struct Incoming {
    scratch: Scratch,
    commit: String,
}

impl Incoming {
    /// A commit of it.
    pub(crate) fn commit(&self) -> &str {
        &self.commit
    }

    /// Where its objects are.
    pub(crate) fn objects(&self) -> PathBuf {
        self.scratch.path().join("objects")
    }
}

/// Fails with `Invalid` when it says what cannot be.
async fn check(git: &Git, stand: &Stand) -> Result<(), WorkspaceError> {
    if let Some(branch) = &stand.branch {
        git.check_branch_name(branch).await?;
    }
    std::iter::once(&stand.head).chain(&stand.snapshot).try_for_each(|commit| check_commit(commit))
}

/// Fetches the bundle, whose commit is to be `tip`, as `name`.
async fn take_in(
    git: &Git,
    stand: &Stand,
    tip: &str,
    bundle: &Path,
    name: &str,
) -> Result<(), WorkspaceError> {
    let git = git.clone().with_time_limit(BUNDLE_TIMEOUT);
    // Objects stay packed: unpacked they may be any size.
    let git = git.with_setting("fetch.unpackLimit=1").with_variable("GIT_ALLOC_LIMIT", RECEIVE_MEMORY);
    let wanted = format!("+{SENT}:{name}");
    let args = remote::fetch(false).into_iter().chain(["--no-tags", "--"]).map(OsStr::new);
    git.run(args.chain([bundle.as_os_str(), wanted.as_ref()])).await?;
    let is_what_was_said = git.commit_of(name).await? == tip
        && git.succeeds(["merge-base", "--is-ancestor", &stand.head, tip]).await?;
    if is_what_was_said {
        return Ok(());
    }
    Err(WorkspaceError::Invalid("the bundle holds other commits than it says".into()))
}

impl Workspace {
    /// How the clone stands, and a bundle of what its store does not have. With `is_whole` what is not committed is among it.
    /// No bundle: there is nothing.
    ///
    /// # Errors
    /// What git says.
    pub async fn export(&self, is_whole: bool) -> Result<(Stand, Option<ScratchFile>), WorkspaceError> {
        let git = self.git().await?;
        let (head, branch) = (git.head().await?, git.current_branch().await?);
        let is_clean = git.status().await?.is_clean();
        let root = self.directory.parent().unwrap_or(&self.directory);
        let scratch = Scratch::make(root, &self.record.git_directory).await?;
        scratch.copy_shallow(&self.record.git_directory)?;
        let snapshot = if is_whole { Some(self.snapshot(&scratch).await?) } else { None };
        let stand = Stand { head, branch, is_clean, snapshot };
        let (tip, known) = (stand.snapshot.as_ref().unwrap_or(&stand.head), format!("^{}", self.record.base));
        let git = scratch.git().clone().with_time_limit(BUNDLE_TIMEOUT);
        if git.line(["rev-list", "--count", tip, &known, "--"]).await? == "0" {
            return Ok((stand, None));
        }
        git.run(["update-ref", SENT, tip]).await?;
        let file = ScratchFile { directory: ScratchDirectory::make(root)?, name: "bundle" };
        let path = file.path();
        let create = ["bundle".as_ref(), "create".as_ref(), "--quiet".as_ref(), path.as_os_str()];
        git.run(create.into_iter().chain([SENT.as_ref(), known.as_ref()])).await?;
        Ok((stand, Some(file)))
    }

    /// Notes what was pushed from the store, as a push from here would have.
    ///
    /// # Errors
    /// What git says.
    pub async fn note_pushed(&self, pushed: &Pushed) -> Result<(), WorkspaceError> {
        let git = self.git().await?;
        git.check_branch_name(&pushed.branch).await?;
        check_commit(&pushed.commit)?;
        let noted = format!("refs/remotes/origin/{}", pushed.branch);
        git.run(["update-ref", &noted, &pushed.commit]).await.map(drop)
    }
}

/// What a store calls a commit that it received.
pub(crate) fn received(commit: &str) -> String {
    format!("refs/parallax/in/{commit}")
}

fn check_commit(commit: &str) -> Result<(), WorkspaceError> {
    let is_one = matches!(commit.len(), 40 | 64) && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_one { Ok(()) } else { Err(WorkspaceError::Invalid("the id of a commit is none".into())) }
}
