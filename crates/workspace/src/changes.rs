//! What was changed in a workspace since it was made.

use serde::Serialize;

use crate::error::WorkspaceError;
use crate::git::Git;
use crate::workspace::Workspace;

/// Files that are listed at most; `truncated` says when there are more.
const MAX_FILES: usize = 5000;

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// The branch that is checked out; none when it is no branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit that the workspace began with.
    pub base: String,
    /// The commit that is checked out.
    pub head: String,
    /// Commits since the base.
    pub ahead: u64,
    /// Commits that the branch of the base has got since.
    pub behind: u64,
    /// Whether something is not committed.
    pub dirty: bool,
    /// Whether a merge is unfinished.
    pub conflicted: bool,
    /// The files that differ from the base, committed or not, by path.
    pub files: Vec<FileChange>,
    /// Whether more files than are listed differ.
    pub truncated: bool,
}

/// One file that differs from the base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileChange {
    /// Its path in the workspace. Bytes that are no UTF-8 are replaced.
    pub path: String,
    /// Its path before, when it was renamed or copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `A`, `M`, `D`, `R`, `C`, `T` or `U`, as git has it.
    pub status: char,
    /// Lines added; none for a binary file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added: Option<u64>,
    /// Lines removed; none for a binary file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<u64>,
}

impl Workspace {
    /// What was changed since it was made: commits, and files compared with the base.
    ///
    /// # Errors
    /// What git says; `TooLong` when more is changed than is read.
    pub async fn changes(&self) -> Result<Changes, WorkspaceError> {
        let base = &self.record().base;
        let (git, _scratch) = self.git_with_new_files().await?;
        let head = git.line(["rev-parse", "--verify", "HEAD"]).await?;
        let branch = git.line(["symbolic-ref", "--quiet", "--short", "HEAD"]).await.ok();
        let ahead = count(&git, &format!("{base}..HEAD")).await?;
        let behind = match &self.record().base_branch {
            // It may be gone by now.
            Some(branch) => count(&git, &format!("HEAD..{branch}")).await.unwrap_or_default(),
            None => 0,
        };
        let status = self.git().await?.run(STATUS).await?;
        let compare = |format: &'static str| {
            ["diff", format, "-z", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", base, "--"]
        };
        let names = git.run(compare("--name-status")).await?;
        let counts = git.run(compare("--numstat")).await?;
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
            dirty: !status.is_empty(),
            conflicted: status.split(|b| *b == 0).any(|line| line.starts_with(b"u ")),
            files,
            truncated,
        })
    }
}

/// What is not committed, files that git does not know included.
pub(crate) const STATUS: [&str; 5] =
    ["status", "--porcelain=v2", "-z", "--untracked-files=normal", "--ignore-submodules=dirty"];

pub(crate) async fn count(git: &Git, range: &str) -> Result<u64, WorkspaceError> {
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
