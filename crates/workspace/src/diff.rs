//! The difference itself, as a unified diff.

use std::ffi::OsString;
use std::path::{Component, Path};

use parallax_api::workspace::{DiffAgainst, DiffQuery};

use crate::error::WorkspaceError;
use crate::workspace::Workspace;

/// Lines around a change at most.
const MAX_CONTEXT: u32 = 1000;

impl Workspace {
    /// The unified diff, files that git does not know yet included.
    ///
    /// # Errors
    /// `Invalid` for a path that leads out of the workspace, `TooLong` when more is changed than is read.
    pub async fn diff(&self, request: &DiffQuery) -> Result<Vec<u8>, WorkspaceError> {
        let DiffQuery { file, context, against, format: _ } = request;
        let context = context.unwrap_or(3);
        if context > MAX_CONTEXT {
            return Err(WorkspaceError::Invalid(format!("at most {MAX_CONTEXT} lines of context")));
        }
        if let Some(file) = file
            && (file.is_empty()
                || file.contains('\0')
                || !Path::new(file).components().all(|part| matches!(part, Component::Normal(_))))
        {
            return Err(WorkspaceError::Invalid("the path leads out of the workspace".into()));
        }
        let (git, scratch) = self.git_with_new_files().await?;
        let mut args: Vec<OsString> =
            ["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=dirty"]
                .map(Into::into)
                .into();
        args.extend([
            "--src-prefix=a/".into(),
            "--dst-prefix=b/".into(),
            format!("--unified={context}").into(),
        ]);
        args.push(match against.unwrap_or_default() {
            DiffAgainst::Base => self.record().base.clone().into(),
            DiffAgainst::Head => "HEAD".into(),
        });
        args.push("--".into());
        args.extend(file.clone().map(OsString::from));
        let diff = git.run(args).await?;
        scratch.check_there()?;
        Ok(diff)
    }
}
