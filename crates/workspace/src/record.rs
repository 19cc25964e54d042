//! What is kept of a workspace beside it, for the next server.

use std::io;
use std::path::{Path, PathBuf};

use parallax_api::text::cut;
use parallax_api::workspace::WorkspaceKeep;
use parallax_api::{AgentId, Time};
use serde::{Deserialize, Serialize};

/// The largest record that is read, in bytes.
const MAX_RECORD: u64 = 64 * 1024;

/// A workspace as it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The id: that of its agent.
    pub id: AgentId,
    /// The agent's name.
    #[serde(default)]
    pub name: String,
    /// The repository, or the worktree, that it was made from.
    pub repository: PathBuf,
    /// The git directory that all worktrees of the repository share. It outlives the worktree that `repository` may be.
    pub git_directory: PathBuf,
    /// The URL that it was cloned from, in place of `repository`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether it is a repository of its own.
    #[serde(default)]
    pub is_clone: bool,
    /// Whether it is the server's side of a clone that its agent has elsewhere, and has no files.
    #[serde(default)]
    pub is_store: bool,
    /// What became of a clone elsewhere when its agent had ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// Its branch.
    pub branch: String,
    /// The commit that it began with.
    pub base: String,
    /// Commits of history that it was made with; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// The branch that this commit was taken from, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
    /// What stays of it when its agent has ended.
    #[serde(default)]
    pub keep: WorkspaceKeep,
    /// When it was made.
    pub created_at: Time,
    /// The agents that came to work in it after the first one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<AgentId>,
    /// When the last one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined_at: Option<Time>,
    /// What was noted of it before the last ones came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopened: Option<Reopened>,
}

/// An ending that agents have taken away by coming. It counts again when none of them has started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reopened {
    /// The ending.
    pub ending: Ending,
    /// How many `users` there were.
    pub users: usize,
}

/// The longest reason that is kept or told, in characters.
const MAX_REASON: usize = 300;

/// What became of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ending {
    /// Why it stays; none when it goes.
    pub kept: Option<String>,
}

impl Ending {
    /// One with a reason that is short enough to be kept: some are what git or a host said.
    pub(crate) fn cut(self) -> Self {
        Self { kept: self.kept.map(cut_reason) }
    }
}

/// The reason, or the beginning of one that is too long to be kept.
pub fn cut_reason(reason: String) -> String {
    cut(reason, MAX_REASON)
}

impl Record {
    /// What it was made from, for people.
    pub fn source(&self) -> String {
        self.url.clone().unwrap_or_else(|| self.repository.display().to_string())
    }

    /// Every agent that works or worked in it, the first one first.
    pub fn agents(&self) -> impl Iterator<Item = &AgentId> {
        std::iter::once(&self.id).chain(&self.users)
    }

    /// Writes it as a whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let unfinished = path.with_extension("tmp");
        std::fs::write(&unfinished, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(unfinished, path)
    }

    /// Reads one.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        if std::fs::symlink_metadata(path)?.len() > MAX_RECORD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the record is too long"));
        }
        Self::parse(&std::fs::read(path)?)
    }

    /// Reads one that was written somewhere.
    pub(crate) fn parse(text: &[u8]) -> io::Result<Self> {
        let record: Self = serde_json::from_slice(text)?;
        // They become arguments of git, and whoever may write there may have changed them.
        if record.base.bytes().all(|byte| byte.is_ascii_hexdigit()) && !record.branch.starts_with('-') {
            Ok(record)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the record names no commit or no branch"))
        }
    }
}
