//! The lifetime of stores: the clone of an agent is elsewhere, and somebody else removes it.

use std::io::ErrorKind;

use crate::error::WorkspaceError;
use crate::record::Ending;
use crate::workspace::Workspace;
use crate::workspaces::{Workspaces, remove_directory};

impl Workspaces {
    /// What is known of a workspace, whether it has a directory here or not.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn known(&self, id: &str) -> Result<Workspace, WorkspaceError> {
        self.recorded(id)
    }

    /// Notes what became of the clone. One that stays needs no store any more: nobody asks an agent that has ended for commits.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub async fn note_ending(&self, id: &str, ending: &Ending) -> Result<(), WorkspaceError> {
        let _changing = self.changing().await;
        let mut workspace = self.recorded(id)?;
        workspace.record.ending = Some(ending.clone());
        workspace.record.write(&self.record(id))?;
        self.empty_store(id).await
    }

    /// Forgets a workspace whose clone is gone. One that is not known is no error.
    ///
    /// # Errors
    /// The file system's.
    pub async fn forget_store(&self, id: &str) -> Result<(), WorkspaceError> {
        let _changing = self.changing().await;
        match self.recorded(id) {
            Err(WorkspaceError::NotFound(_)) => return Ok(()),
            found => found?,
        };
        self.empty_store(id).await?;
        Ok(self.forget(id)?)
    }

    pub(crate) async fn empty_store(&self, id: &str) -> Result<(), WorkspaceError> {
        remove_directory(&self.directory(id)).await?;
        match std::fs::remove_file(self.credentials(id)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
