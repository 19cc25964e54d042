//! Why something could not be done, by what a caller can do about it.

use std::io;
use std::time::Duration;

/// A failure of a workspace.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The request cannot be met as it is.
    #[error("{0}")]
    Invalid(String),
    /// There is no such workspace.
    #[error("there is no workspace `{0}`")]
    NotFound(String),
    /// `git` refused, in its own words.
    #[error("git refused: {0}")]
    Refused(String),
    /// `git` took too long.
    #[error("git took longer than {} seconds", .0.as_secs())]
    Timeout(Duration),
    /// `git` said more than is read.
    #[error("the answer is longer than {0} bytes: ask for less")]
    TooLong(usize),
    /// The file system.
    #[error("failed to use the workspace's files")]
    Io(#[from] io::Error),
}
