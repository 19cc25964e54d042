//! The difference itself, as a unified diff.

use std::ffi::OsString;
use std::path::{Component, PathBuf};

use crate::error::WorkspaceError;
use crate::workspace::Workspace;

/// Lines around a change at most.
const MAX_CONTEXT: u32 = 1000;

/// What to compare the workspace with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Against {
    /// The commit that it began with.
    #[default]
    Base,
    /// The commit that is checked out: what is not committed.
    Head,
}

/// Which difference.
#[derive(Clone, Debug, Default)]
pub struct DiffRequest {
    /// One file or directory of the workspace. Default: all.
    pub file: Option<PathBuf>,
    /// Lines around a change. Default: 3.
    pub context: Option<u32>,
    /// What to compare with.
    pub against: Against,
}

impl Workspace {
    /// The unified diff, files that git does not know yet included.
    ///
    /// # Errors
    /// `Invalid` for a path that leads out of the workspace, `TooLong` when more is changed than is read.
    pub async fn diff(&self, request: &DiffRequest) -> Result<Vec<u8>, WorkspaceError> {
        let context = request.context.unwrap_or(3);
        if context > MAX_CONTEXT {
            return Err(WorkspaceError::Invalid(format!("at most {MAX_CONTEXT} lines of context")));
        }
        if let Some(file) = &request.file
            && !file.components().all(|part| matches!(part, Component::Normal(_)))
        {
            return Err(WorkspaceError::Invalid("the path leads out of the workspace".into()));
        }
        let (git, _scratch) = self.git_with_new_files().await?;
        let mut args: Vec<OsString> =
            ["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=dirty"]
                .map(Into::into)
                .into();
        args.extend([
            "--src-prefix=a/".into(),
            "--dst-prefix=b/".into(),
            format!("--unified={context}").into(),
        ]);
        args.push(match request.against {
            Against::Base => self.record().base.clone().into(),
            Against::Head => "HEAD".into(),
        });
        args.push("--".into());
        args.extend(request.file.clone().map(OsString::from));
        git.run(args).await
    }
}
