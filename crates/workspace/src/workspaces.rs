//! The workspaces of one server: made, found again, removed.

use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use parallax_api::workspace::WorkspaceKeep;
use parallax_api::{AgentId, Time};
use tokio::sync::{Mutex, MutexGuard};

use crate::credentials::Credentials;
use crate::error::WorkspaceError;
use crate::git::Git;
use crate::record::{Record, Reopened};
use crate::workspace::Workspace;
use crate::{remote, scratch};

/// Characters of a name in a branch.
const MAX_NAME: usize = 40;
/// Agents that work in one workspace after its first one, at most: its record is bounded.
const MAX_USERS: usize = 500;
/// Characters of an id in a branch.
const SHORT_ID: usize = 8;

/// The workspaces below one directory.
#[derive(Debug)]
pub struct Workspaces {
    root: PathBuf,
    /// Held while worktrees are added or removed: git's own locks fail instead of waiting.
    changing: Mutex<()>,
}

/// How a clone is made.
#[derive(Clone, Debug, Default)]
pub struct CloneOptions {
    /// The repository's URL; none: that of this machine.
    pub url: Option<String>,
    /// Commits of history. Default: all.
    pub depth: Option<u32>,
    /// Who git says it is. Without them it is the user of this machine, with what is configured for that one.
    pub credentials: Option<Credentials>,
    /// Make a store: no file is checked out, because the agent works on it elsewhere.
    pub is_store: bool,
}

/// A workspace to make.
#[derive(Clone, Debug)]
pub struct NewWorkspace {
    /// The agent's id.
    pub id: AgentId,
    /// The agent's name, for the branch.
    pub name: String,
    /// The repository, or a worktree of it: its top directory.
    pub repository: PathBuf,
    /// What to begin with. Default: what is checked out in `repository`.
    pub reference: Option<String>,
    /// The new branch. Default: `parallax/<name>-<short id>`.
    pub branch: Option<String>,
    /// What stays of it when its agent has ended.
    pub keep: WorkspaceKeep,
    /// Make a clone, and not a worktree.
    pub clone: Option<CloneOptions>,
}

impl Workspaces {
    /// Those below `root`, which is made if need be, and is this one's alone.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(root: &Path) -> Result<Self, WorkspaceError> {
        // What agents write is their owner's alone.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        // Git knows worktrees by their real paths.
        let root = root.canonicalize()?;
        scratch::sweep(&root)?;
        Ok(Self { root, changing: Mutex::new(()) })
    }

    /// Those below `root`, for a short while beside whoever opened it, in a process of its own that has opened none before. What
    /// processes like it left that were killed goes.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn beside(root: &Path) -> Result<Self, WorkspaceError> {
        let root = root.canonicalize()?;
        scratch::sweep_dead(&root)?;
        Ok(Self { root, changing: Mutex::new(()) })
    }

    /// Makes a workspace on a new branch: a worktree of a repository, whose own checkout is not touched, or a clone.
    ///
    /// # Errors
    /// `Invalid` for a request that cannot be met, with what to do; otherwise what git says.
    pub async fn create(&self, new: &NewWorkspace) -> Result<Workspace, WorkspaceError> {
        let id = checked_id(new.id.as_str())?;
        let branch = new.branch.clone().unwrap_or_else(|| branch_name(&new.name, id));
        match &new.clone {
            None => self.create_worktree(new, id, branch).await,
            Some(options) => self.create_clone(new, id, branch, options).await,
        }
    }

    async fn create_worktree(
        &self,
        new: &NewWorkspace,
        id: &str,
        branch: String,
    ) -> Result<Workspace, WorkspaceError> {
        let git = open_repository(&new.repository).await?;
        let reference = new.reference.as_deref().unwrap_or("HEAD");
        let base = git.commit_of(reference).await?;
        git.check_new_branch(&branch).await?;
        let base_branch = git.full_name(reference).await;
        let record = Record {
            repository: new.repository.canonicalize()?,
            git_directory: git
                .line(["rev-parse", "--path-format=absolute", "--git-common-dir"])
                .await?
                .into(),
            base,
            base_branch,
            ..self.new_record(new, branch)
        };
        let _changing = self.changing().await;
        self.check_free(id)?;
        // Again: another call may have made it since.
        git.check_new_branch(&record.branch).await?;
        // Before the worktree: a server that dies in between leaves a record without one, not one that nobody knows.
        record.write(&self.record(id))?;
        let reason = lock_reason(id);
        let directory = self.directory(id);
        let args = ["worktree", "add", "--quiet", "--no-checkout", "--lock", "--reason", &reason, "--"];
        let args = args.map(OsString::from).into_iter();
        let args = args.chain([directory.clone().into(), record.branch.clone().into()]);
        let workspace = Workspace { directory, record };
        // First and by itself, so that it is known whose it is.
        if let Err(error) = git.create_branch(&workspace.record.branch, &workspace.record.base).await {
            self.forget(id)?;
            return Err(error);
        }
        let made = async {
            git.run(args).await?;
            // Only now: configuration can depend on the worktree and on its branch, and with it which filters there are.
            workspace.git().await?.run(["reset", "--hard", "--quiet"]).await
        };
        if let Err(error) = made.await {
            self.clean_up(&git, &workspace.record).await;
            return Err(error);
        }
        Ok(workspace)
    }

    async fn create_clone(
        &self,
        new: &NewWorkspace,
        id: &str,
        branch: String,
        options: &CloneOptions,
    ) -> Result<Workspace, WorkspaceError> {
        let repository = match &options.url {
            Some(url) => remote::host(url).map(|_| PathBuf::new())?,
            None => {
                open_repository(&new.repository).await?;
                new.repository.canonicalize()?
            }
        };
        let directory = self.directory(id);
        let record = Record {
            repository,
            git_directory: directory.join(".git"),
            url: options.url.clone(),
            is_clone: true,
            is_store: options.is_store,
            depth: options.depth,
            ..self.new_record(new, branch)
        };
        let mut workspace = Workspace { directory, record };
        {
            let _changing = self.changing().await;
            self.check_free(id)?;
            workspace.record.write(&self.record(id))?;
        }
        // Others need not wait: nothing here is anybody else's.
        let made = async {
            if let Some(known) = &options.credentials {
                known.write(&self.credentials(id))?;
            }
            self.fill_clone(&mut workspace, new, options).await?;
            Ok(workspace.record.write(&self.record(id))?)
        };
        let made: Result<(), WorkspaceError> = made.await;
        if let Err(error) = made {
            if let Err(left) = remove_directory(&workspace.directory).await {
                let left = &left as &dyn std::error::Error;
                tracing::warn!(agent.id = id, error = left, "a clone that failed is left");
            } else {
                self.forget(id)?;
            }
            return Err(error);
        }
        Ok(workspace)
    }

    fn new_record(&self, new: &NewWorkspace, branch: String) -> Record {
        Record {
            id: new.id.clone(),
            name: new.name.clone(),
            repository: PathBuf::new(),
            git_directory: PathBuf::new(),
            url: None,
            is_clone: false,
            is_store: false,
            ending: None,
            branch,
            base: String::new(),
            depth: None,
            base_branch: None,
            keep: new.keep,
            created_at: Time::now(),
            users: Vec::new(),
            joined_at: None,
            reopened: None,
        }
    }

    fn check_free(&self, id: &str) -> Result<(), WorkspaceError> {
        if self.directory(id).symlink_metadata().is_ok() || self.record(id).symlink_metadata().is_ok() {
            return Err(WorkspaceError::Invalid(format!("there is a workspace `{id}` already")));
        }
        Ok(())
    }

    /// Lets another agent work in a workspace: it stays until the last one is gone.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Conflict` when it has had too many agents.
    pub async fn join(&self, id: &str, agent: &AgentId) -> Result<Workspace, WorkspaceError> {
        let _changing = self.changing().await;
        let mut workspace = self.get(id)?;
        // What becomes of it is open again, unless it is on its way out.
        let ending = workspace.record.ending.take();
        if ending.as_ref().is_some_and(|ending| ending.kept.is_none()) {
            return Err(WorkspaceError::NotFound(id.to_owned()));
        }
        // Whatever the agents before did to it: it still is what it was made as.
        workspace.git().await?;
        let users = &mut workspace.record.users;
        users.retain(|user| user != agent);
        if users.len() >= MAX_USERS {
            return Err(WorkspaceError::Conflict(format!(
                "{MAX_USERS} agents have worked in `{id}`: make another"
            )));
        }
        if let Some(ending) = ending {
            workspace.record.reopened = Some(Reopened { ending, users: users.len() });
        }
        users.push(agent.clone());
        workspace.record.joined_at = Some(Time::now());
        workspace.record.write(&self.record(id))?;
        Ok(workspace)
    }

    /// Takes back a [`Workspaces::join`] of an agent that did not start. What was noted of the workspace counts again, unless others have come
    /// as well.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub async fn leave(&self, id: &str, agent: &AgentId) -> Result<(), WorkspaceError> {
        let _changing = self.changing().await;
        let Ok(mut workspace) = self.recorded(id) else { return Ok(()) };
        let record = &mut workspace.record;
        if !record.users.contains(agent) {
            return Ok(());
        }
        record.users.retain(|user| user != agent);
        if let Some(before) = record.reopened.take_if(|before| before.users == record.users.len()) {
            record.ending = Some(before.ending);
        }
        Ok(workspace.record.write(&self.record(id))?)
    }

    /// The workspace of this agent.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn get(&self, id: &str) -> Result<Workspace, WorkspaceError> {
        let workspace = self.recorded(id)?;
        let is_directory = workspace.directory.symlink_metadata().is_ok_and(|found| found.is_dir());
        if is_directory { Ok(workspace) } else { Err(WorkspaceError::NotFound(id.to_owned())) }
    }

    /// The directory of all of them.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Every workspace, those included whose directory is gone. Records that cannot be read are passed over.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<Workspace>, WorkspaceError> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.root)? {
            let name = entry?.file_name();
            if let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".json"))
                && let Ok(workspace) = self.recorded(id)
            {
                found.push(workspace);
            }
        }
        found.sort_by(|a, b| a.record.id.cmp(&b.record.id));
        Ok(found)
    }

    /// What is known of a workspace whose directory may be gone.
    pub(crate) fn recorded(&self, id: &str) -> Result<Workspace, WorkspaceError> {
        let id = checked_id(id)?;
        let record = Record::read(&self.record(id)).ok().filter(|record| record.id.as_str() == id);
        let record = record.ok_or_else(|| WorkspaceError::NotFound(id.to_owned()))?;
        Ok(Workspace { directory: self.directory(id), record })
    }

    /// Waits until no other worktree is added or removed.
    pub(crate) async fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Forgets a workspace whose directory is gone.
    pub(crate) fn forget(&self, id: &str) -> std::io::Result<()> {
        match std::fs::remove_file(self.credentials(id)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        std::fs::remove_file(self.record(id))
    }

    /// Where the credentials of this workspace are kept, if it has any.
    pub(crate) fn credentials(&self, id: &str) -> PathBuf {
        self.root.join(format!("{id}.credentials"))
    }

    /// After a worktree that was not made, or is gone: nothing of it is left but commits.
    pub(crate) async fn clean_up(&self, git: &Git, record: &Record) {
        let directory = self.directory(record.id.as_str());
        let directory = directory.as_os_str();
        let remove =
            ["worktree".as_ref(), "remove".as_ref(), "--force".as_ref(), "--force".as_ref(), "--".as_ref()];
        // Perhaps it was never there; the branch only goes while it is where it was made.
        let _ = git.succeeds(remove.into_iter().chain([directory])).await;
        let _ = git.remove_branch(&record.branch, &record.base).await;
        if let Err(error) = self.forget(record.id.as_str()) {
            tracing::warn!(
                agent.id = %record.id,
                error = &error as &dyn std::error::Error,
                "a record is left"
            );
        }
    }

    /// Where the workspace of this agent is, or would be.
    pub fn directory(&self, id: &str) -> PathBuf {
        self.root.join(id)
    }

    pub(crate) fn record(&self, id: &str) -> PathBuf {
        self.root.join(format!("{id}.json"))
    }
}

/// Why git keeps the worktree of this agent: for whoever lists them.
pub(crate) fn lock_reason(id: &str) -> String {
    format!("parallax agent {id}")
}

/// An id that is one name in a directory and no option.
pub(crate) fn checked_id(id: &str) -> Result<&str, WorkspaceError> {
    let fits = (1..=63).contains(&id.len())
        && !id.starts_with('-')
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if fits { Ok(id) } else { Err(WorkspaceError::Invalid("an id has letters, digits and `-` only".into())) }
}

/// Removes a directory with all that is in it, off the async threads.
pub(crate) async fn remove_directory(directory: &Path) -> std::io::Result<()> {
    match tokio::fs::remove_dir_all(directory).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Git at the top of the repository that was named: never of one around it.
pub(crate) async fn open_repository(path: &Path) -> Result<Git, WorkspaceError> {
    let real = path.canonicalize().map_err(|error| {
        WorkspaceError::Invalid(format!("`{}` cannot be opened: {error}", path.display()))
    })?;
    let git = Git::open(&real).await?;
    let is_bare = git.line(["rev-parse", "--is-bare-repository"]).await.map_err(|error| {
        WorkspaceError::Invalid(format!("`{}` is no git repository: {error}", path.display()))
    })?;
    let top = if is_bare == "true" {
        git.line(["rev-parse", "--absolute-git-dir"]).await?
    } else {
        git.line(["rev-parse", "--show-toplevel"]).await?
    };
    if Path::new(&top).canonicalize()? != real {
        let detail =
            format!("`{}` stands in the repository `{top}`: name that one if it is meant", path.display());
        return Err(WorkspaceError::Invalid(detail));
    }
    Ok(git)
}

fn branch_name(name: &str, id: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(fit).take(MAX_NAME).collect();
    let words: Vec<&str> = name.split('-').filter(|word| !word.is_empty()).collect();
    let name = if words.is_empty() { "agent".to_owned() } else { words.join("-") };
    // The end of an id: ids of one moment begin alike.
    let short = &id[id.len().saturating_sub(SHORT_ID)..];
    format!("parallax/{name}-{}", short.trim_matches('-'))
}
