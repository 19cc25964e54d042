//! What the next server needs to know of a workspace, which may be one on another machine: told, taken over, and the store
//! fetched anew.

use std::io::{Error, ErrorKind};

use parallax_api::AgentId;

use crate::carry::received;
use crate::clone::{FETCH_TIMEOUT, INIT, configure_origin, reaching};
use crate::credentials::Credentials;
use crate::error::WorkspaceError;
use crate::git::Git;
use crate::record::Record;
use crate::remote::UPLOAD_HERE;
use crate::scratch::ScratchDirectory;
use crate::workspace::Workspace;
use crate::workspaces::Workspaces;

/// What is known of a workspace, to be kept where the next server finds it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptWorkspace {
    /// The id: that of its agent.
    pub id: AgentId,
    /// How it was made, and what became of it: JSON.
    pub record: String,
    /// The credentials for its repository, if it has any: JSON. For nobody's eyes.
    pub secret: Option<String>,
}

impl std::fmt::Debug for KeptWorkspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let secret = self.secret.as_ref().map(|_| "[secret]");
        f.debug_struct("KeptWorkspace").field("record", &self.record).field("secret", &secret).finish()
    }
}

impl Workspaces {
    /// What the next server needs to know of this one.
    ///
    /// # Errors
    /// `NotFound` when there is none, otherwise the file system's.
    pub fn kept(&self, id: &str) -> Result<KeptWorkspace, WorkspaceError> {
        let record = self.recorded(id)?.record;
        let known = Credentials::read(&self.credentials(id))?;
        Ok(KeptWorkspace {
            record: serde_json::to_string(&record).map_err(Error::from)?,
            secret: known.map(|known| serde_json::to_string(&known)).transpose().map_err(Error::from)?,
            id: record.id,
        })
    }

    /// Takes over what another server knew of a store. What this one had is as it was then, and gives way; a repository that was fetched
    /// stays.
    ///
    /// # Errors
    /// When it is no such thing, or cannot be written.
    pub async fn restore(&self, kept: &KeptWorkspace) -> Result<(), WorkspaceError> {
        let _changing = self.changing().await;
        let id = kept.id.as_str();
        let mut record = Record::parse(kept.record.as_bytes())?;
        if record.id != kept.id || !record.is_store {
            return Err(Error::new(ErrorKind::InvalidData, "the record is that of another workspace").into());
        }
        record.git_directory = self.directory(id).join(".git");
        if record.ending.is_some() {
            self.empty_store(id).await?;
        }
        if let Some(secret) = &kept.secret {
            let known: Credentials = serde_json::from_str(secret).map_err(Error::from)?;
            known.write(&self.credentials(id))?;
        }
        Ok(record.write(&self.record(id))?)
    }

    /// Fetches the repository of a store anew that another server had. It is then as it was, but for the commits of the agent.
    ///
    /// # Errors
    /// `Conflict` when the repository does not have the commit any more that the workspace began with, otherwise what git says.
    pub async fn refill(&self, store: &Workspace) -> Result<(), WorkspaceError> {
        let record = store.record();
        let scratch = ScratchDirectory::make(self.root())?;
        let directory = scratch.path().join("store");
        std::fs::create_dir(&directory)?;
        let git = Git::open(&directory).await?;
        self.fetch_again(&git, store).await?;
        git.create_branch(&record.branch, &record.base).await?;
        git.run(["symbolic-ref", "HEAD", &format!("refs/heads/{}", record.branch)]).await?;
        let _changing = self.changing().await;
        // Another call may have fetched it meanwhile.
        if store.directory().symlink_metadata().is_err() {
            std::fs::rename(directory, store.directory())?;
        }
        Ok(())
    }

    async fn fetch_again(&self, git: &Git, store: &Workspace) -> Result<(), WorkspaceError> {
        let record = store.record();
        let source = record.source();
        git.run(INIT).await?;
        let askpass = self.askpass_of(store)?;
        let fetching = reaching(git.clone().with_time_limit(FETCH_TIMEOUT), askpass.as_ref());
        let mut fetch = vec!["fetch", "--quiet", "--no-write-fetch-head", "--no-recurse-submodules"];
        if record.url.is_none() {
            fetch.push(UPLOAD_HERE);
        }
        fetch.extend(["--", &source]);
        let all = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];
        fetching.run(fetch.iter().copied().chain(all)).await?;
        // One that is on no branch any more: some servers give it away when they are asked for it.
        let by_id = format!("+{}:{}", record.base, received(&record.base));
        if git.commit_of(&record.base).await.is_err()
            && !fetching.succeeds(fetch.iter().copied().chain([by_id.as_str()])).await?
        {
            let detail = format!(
                "`{source}` does not have the commit {:.12} any more that the workspace began with: nothing can be pushed, merged or \
                 compared from there; the files can be read (`parallax files`)",
                record.base
            );
            return Err(WorkspaceError::Conflict(detail));
        }
        configure_origin(git, &source).await
    }
}
