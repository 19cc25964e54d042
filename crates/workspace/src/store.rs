//! The lifetime of stores: the clone of an agent is elsewhere, and somebody else removes it.

use std::io::ErrorKind;

use crate::clone::reaching;
use crate::error::WorkspaceError;
use crate::git::Git;
use crate::record::{Ending, Record};
use crate::remote::{self, Remote};
use crate::workspace::Workspace;
use crate::workspaces::{Workspaces, checked_id, remove_directory};

impl Workspaces {
    /// What is known of a workspace, whether it has a directory here or not.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn known(&self, id: &str) -> Result<Workspace, WorkspaceError> {
        self.recorded(id)
    }

    /// Notes what becomes of the clone of which every agent has ended that `seen` names. The store stays as long as the clone does: other
    /// agents may come to work in that. False, and nothing is noted: one has come since.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub async fn note_ending(&self, seen: &Record, ending: &Ending) -> Result<bool, WorkspaceError> {
        let _changing = self.changing().await;
        let id = seen.id.as_str();
        let mut workspace = self.recorded(id)?;
        let record = &mut workspace.record;
        if record.users != seen.users || record.joined_at != seen.joined_at {
            return Ok(false);
        }
        record.ending = Some(ending.clone().cut());
        record.reopened = None;
        record.write(&self.record(id))?;
        Ok(true)
    }

    /// Takes back what was noted of a clone's end: an agent that had ended goes on in it. False: nothing was noted.
    ///
    /// # Errors
    /// `NotFound` when there is none; when the record cannot be written.
    pub async fn reopen(&self, id: &str) -> Result<bool, WorkspaceError> {
        let _changing = self.changing().await;
        let mut workspace = self.recorded(id)?;
        // Nor does what was noted before others came to work in it.
        let was_reopened = workspace.record.reopened.take().is_some();
        if workspace.record.ending.take().is_none() && !was_reopened {
            return Ok(false);
        }
        workspace.record.write(&self.record(id))?;
        Ok(true)
    }

    /// Whether any of these commits, of the clone of this store, is on no branch or tag of the repository that it was made of. Asks that
    /// one.
    ///
    /// # Errors
    /// What git says.
    pub async fn lacks_any(&self, store: &Workspace, tips: &[String]) -> Result<bool, WorkspaceError> {
        let record = store.record();
        let git = Git::open(&record.git_directory).await?;
        let askpass = self.askpass_of(store)?;
        let fetching = reaching(git.clone(), askpass.as_ref());
        let (address, is_here) = (record.source(), record.url.is_none());
        let origin = Remote::ask(&fetching, &address, is_here).await?;
        let rest: Vec<&String> = tips.iter().filter(|tip| !origin.has(tip)).collect();
        if rest.is_empty() {
            return Ok(false);
        }
        // Of a clone without its history, only what it began with: other branches would come with all of theirs.
        let is_shallow = git.line(["rev-parse", "--is-shallow-repository"]).await? == "true";
        let branches = match (is_shallow, record.base_branch.as_deref()) {
            (false, _) => "+refs/heads/*:refs/remotes/origin/*".to_owned(),
            (true, Some(base)) => {
                let branch = base.trim_start_matches("refs/remotes/origin/");
                format!("+refs/heads/{branch}:refs/remotes/origin/{branch}")
            }
            (true, None) => return Ok(true),
        };
        // A branch that is gone there has no commits any more.
        let mut args = remote::fetch(is_here);
        args.extend(["--no-tags", "--prune", "--", &address, &branches]);
        fetching.run(args).await?;
        for tip in rest {
            let is_there = git.succeeds(["cat-file", "-e", &format!("{tip}^{{commit}}")]).await?;
            if !is_there || git.line(["rev-list", "--count", tip, "--not", "--remotes=origin"]).await? != "0"
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Forgets a workspace whose clone is gone, with what is here of it, whether its record can be read or not. One that is not known is no
    /// error.
    ///
    /// # Errors
    /// `Invalid` for what is no id, otherwise the file system's.
    pub async fn forget_store(&self, id: &str) -> Result<(), WorkspaceError> {
        // It becomes the name of what is removed.
        let id = checked_id(id)?;
        let _changing = self.changing().await;
        self.empty_store(id).await?;
        match self.forget(id) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(crate) async fn empty_store(&self, id: &str) -> Result<(), WorkspaceError> {
        remove_directory(&self.directory(id)).await?;
        match std::fs::remove_file(self.credentials(id)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
