//! Why something could not be done, by what a caller can do about it.

use std::io;
use std::time::Duration;

use parallax_api::{Code, Problem};

/// A failure of a workspace.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The request cannot be met as it is.
    #[error("{0}")]
    Invalid(String),
    /// There is no such workspace.
    #[error("there is no workspace `{0}`")]
    NotFound(String),
    /// Not in this state of the workspace or of its repository.
    #[error("{0}")]
    Conflict(String),
    /// It cannot be merged: these files conflict.
    #[error("{} files conflict, the first is `{}`", .0.len(), .0.first().map_or("", String::as_str))]
    Unmergeable(Vec<String>),
    /// `git` refused, in its own words.
    #[error("git refused: {0}")]
    Refused(String),
    /// `git` took too long.
    #[error("git took longer than {} seconds", .0.as_secs())]
    Timeout(Duration),
    /// `git` said more than is read.
    #[error("the answer is longer than {0} bytes: ask for less")]
    TooLong(usize),
    /// There is no program `git`.
    #[error("the program `git` cannot be started: {0}")]
    NoGit(io::Error),
    /// The operator has configured no command for this.
    #[error("{0}")]
    Unconfigured(String),
    /// The configured command cannot be started.
    #[error("the configured program `{program}` cannot be started: {cause}")]
    NoProgram {
        /// Which one.
        program: String,
        /// Why.
        cause: io::Error,
    },
    /// The configured command failed.
    #[error("`{program}` failed{}: {output}", .code.map_or_else(|| ", killed".into(), |code| format!(" with code {code}")))]
    CommandFailed {
        /// Which one.
        program: String,
        /// Its exit code; none when it was killed.
        code: Option<i32>,
        /// What it said.
        output: String,
    },
    /// The configured command took too long.
    #[error("`{program}` took longer than {} seconds; it may have done its work all the same", .limit.as_secs())]
    CommandTimeout {
        /// Which one.
        program: String,
        /// How long it may take.
        limit: Duration,
    },
    /// The file system.
    #[error("failed to use the workspace's files")]
    Io(#[from] io::Error),
}

/// The same failure for a caller of the API.
impl From<WorkspaceError> for Problem {
    fn from(error: WorkspaceError) -> Self {
        let said = error.to_string();
        match error {
            WorkspaceError::Invalid(_) => Self::invalid("workspace", said),
            WorkspaceError::NotFound(_) => Self::new(Code::NotFound, said),
            WorkspaceError::Unmergeable(files) => Self::new(Code::Conflict, said).with("files", files),
            WorkspaceError::Conflict(_) | WorkspaceError::Refused(_) => Self::new(Code::Conflict, said),
            WorkspaceError::Timeout(_) | WorkspaceError::CommandTimeout { .. } => {
                Self::new(Code::Timeout, said)
            }
            WorkspaceError::TooLong(_) => Self::new(Code::PayloadTooLarge, said),
            WorkspaceError::NoGit(_) => Self::new(Code::CliNotFound, said)
                .with("program", "git")
                .with("install", "install git 2.39 or newer on the runtime's machine"),
            WorkspaceError::Unconfigured(_) => {
                Self::new(Code::Unsupported, said).with("field", "pullRequest")
            }
            WorkspaceError::NoProgram { program, .. } => {
                Self::new(Code::CliNotFound, said).with("program", program)
            }
            WorkspaceError::CommandFailed { output, code, .. } => {
                Self::new(Code::Conflict, said).with("output", output).with("exitCode", code)
            }
            WorkspaceError::Io(cause) => Self::internal(format!("{said}: {cause}")),
        }
    }
}
