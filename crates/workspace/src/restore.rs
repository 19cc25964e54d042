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
use crate::remote;
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

    /// Takes over what another server knew of a store. What this one had then (`seen`) gives way; a repository that was fetched
    /// stays. False, and nothing is changed: this one has come to know it, or more of it, since.
    ///
    /// # Errors
    /// When it is no such thing, or cannot be written.
    pub async fn restore(&self, kept: &KeptWorkspace, seen: Option<&Record>) -> Result<bool, WorkspaceError> {
        let _changing = self.changing().await;
        let id = kept.id.as_str();
        let mut record = Record::parse(kept.record.as_bytes())?;
        if record.id != kept.id || !record.is_store {
            return Err(Error::new(ErrorKind::InvalidData, "the record is that of another workspace").into());
        }
        let secret = kept.secret.as_deref().map(serde_json::from_str::<Credentials>);
        let secret = secret.transpose().map_err(Error::from)?;
        if self.recorded(id).ok().as_ref().map(Workspace::record) != seen {
            return Ok(false);
        }
        record.git_directory = self.directory(id).join(".git");
        if record.ending.is_some() {
            self.empty_store(id).await?;
        }
        if let Some(known) = secret {
            known.write(&self.credentials(id))?;
        }
        record.write(&self.record(id))?;
        Ok(true)
    }

    /// Fetches the repository of a store anew that another server had. It is then as it was, with as much history, but for the commits of the
    /// agent.
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
        let fetch = remote::fetch(record.url.is_none());
        // One that is on no branch any more: some servers give it away when they are asked for it.
        let by_id = format!("+{}:{}", record.base, received(&record.base));
        let is_here = match record.depth {
            Some(depth) => fetch_part(&fetching, &fetch, depth, record, &by_id).await?,
            None => false,
        };
        let all = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];
        if !is_here {
            fetching.run(fetch.iter().copied().chain(["--", &source]).chain(all)).await?;
        }
        if git.commit_of(&record.base).await.is_err()
            && !fetching.succeeds(fetch.iter().copied().chain(["--", &source, &by_id])).await?
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

/// Fetches as much history as a clone with a `depth` was made with, of the commit that it began with and of the branch of that, if that is
/// still there. False: it is not to be had in this way.
async fn fetch_part(
    fetching: &Git,
    fetch: &[&str],
    depth: u32,
    record: &Record,
    by_id: &str,
) -> Result<bool, WorkspaceError> {
    let (source, depth) = (record.source(), format!("--depth={depth}"));
    let tracked = record.base_branch.as_deref().and_then(|name| name.strip_prefix("refs/remotes/origin/"));
    let tracked = tracked.map(|branch| format!("+refs/heads/{branch}:refs/remotes/origin/{branch}"));
    let part = || fetch.iter().copied().chain([depth.as_str(), "--no-tags", "--", &source, by_id]);
    if let Some(tracked) = &tracked
        && fetching.succeeds(part().chain([tracked.as_str()])).await?
    {
        return Ok(true);
    }
    fetching.succeeds(part()).await
}
