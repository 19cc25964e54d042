//! What was changed in a workspace since it was made.

use parallax_api::workspace::{Changes, FileChange};

use crate::error::WorkspaceError;
use crate::git::Git;
use crate::workspace::Workspace;

/// Files that are listed at most; `truncated` says when there are more.
pub(crate) const MAX_FILES: usize = 5000;

impl Workspace {
    /// What was changed since it was made: commits, and files compared with the base.
    ///
    /// # Errors
    /// What git says; `TooLong` when more is changed than is read. Never a part of it as if it were all.
    pub async fn changes(&self) -> Result<Changes, WorkspaceError> {
        let base = &self.record().base;
        let (git, scratch) = self.git_with_new_files().await?;
        let head = git.head().await?;
        let branch = git.current_branch().await?;
        let ahead = count(&git, &format!("{base}..HEAD")).await?;
        let behind = match &self.record().base_branch {
            // It may be gone by now.
            Some(branch) => count(&git, &format!("HEAD..{branch}")).await.unwrap_or_default(),
            None => 0,
        };
        let status = self.git().await?.status().await?;
        let compare = |format: &'static str| {
            ["diff", format, "-z", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", base, "--"]
        };
        let names = git.run(compare("--name-status")).await?;
        let counts = git.run(compare("--numstat")).await?;
        scratch.check_there()?;
        let mut files = name_status(&names);
        add_counts(&mut files, &counts);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let truncated = files.len() > MAX_FILES;
        files.truncate(MAX_FILES);
        Ok(Changes {
            branch,
            base: base.clone(),
            head,
            ahead,
            behind,
            dirty: !status.is_clean(),
            conflicted: status.is_conflicted(),
            files,
            truncated,
        })
    }
}

async fn count(git: &Git, range: &str) -> Result<u64, WorkspaceError> {
    let line = git.line(["rev-list", "--count", "--end-of-options", range, "--"]).await?;
    line.parse().map_err(|_| WorkspaceError::Refused(format!("`{line:.100}` is no number of commits")))
}

/// `STATUS NUL PATH NUL`, and a second path after a rename or a copy.
fn name_status(output: &[u8]) -> Vec<FileChange> {
    let mut fields = output.split(|b| *b == 0).map(text);
    let mut files = Vec::new();
    while let (Some(status), Some(path)) = (fields.next().filter(|field| !field.is_empty()), fields.next()) {
        let status = status.chars().next().unwrap_or('X');
        let (from, path) = match status {
            'R' | 'C' => (Some(path), fields.next().unwrap_or_default()),
            _ => (None, path),
        };
        files.push(FileChange { path, from, status, added: None, removed: None });
    }
    files
}

/// `ADDED TAB REMOVED TAB PATH NUL`; of a rename the path is empty, and two follow.
fn add_counts(files: &mut [FileChange], output: &[u8]) {
    let mut counts = std::collections::HashMap::new();
    let mut fields = output.split(|b| *b == 0).map(text);
    while let Some(field) = fields.next().filter(|field| !field.is_empty()) {
        let mut parts = field.splitn(3, '\t');
        let (added, removed) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let counted = (added.parse().ok(), removed.parse().ok());
        let path = match parts.next().unwrap_or_default() {
            "" => fields.nth(1).unwrap_or_default(),
            path => path.to_owned(),
        };
        counts.insert(path, counted);
    }
    for file in files {
        if let Some((added, removed)) = counts.remove(&file.path) {
            (file.added, file.removed) = (added, removed);
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
