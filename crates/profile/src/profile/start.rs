//! The command of a CLI and what is set up before it starts.

use std::collections::BTreeMap;

use parallax_api::Approvals;
use serde::{Deserialize, Serialize};

use crate::template::Template;

/// The command. Arguments come in this order: `args`, those of the approvals, those of what is prepared, `model`, the
/// request's own, then `new` or `resume`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The program: a name to find on PATH, or a path.
    pub program: String,
    /// How to install it, for the error when it is missing.
    #[serde(default)]
    pub install: String,
    /// Arguments it always gets.
    #[serde(default)]
    pub args: Vec<Template>,
    /// Arguments that choose a model. Empty: it has no such choice, and a request with one is refused.
    #[serde(default)]
    pub model: Vec<Template>,
    /// Arguments for a new conversation.
    #[serde(default)]
    pub new: Vec<Template>,
    /// Arguments to go on with a conversation. Empty: it cannot.
    #[serde(default)]
    pub resume: Vec<Template>,
    /// Variables of the server's environment that are handed on; `NAME*` is every one that begins so.
    #[serde(default)]
    pub inherit: Vec<String>,
    /// An end so soon after the start, without having been ready, is a start that failed: a spawn is answered after this time,
    /// in milliseconds, unless it is ready before. 0: as soon as the program runs.
    #[serde(default)]
    pub window_ms: u64,
}

/// Arguments for each way to approve. What has none is refused, but for `ask`, the default.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalArgs {
    /// Ask before each action.
    #[serde(default)]
    pub ask: Option<Vec<Template>>,
    /// Edit files unasked.
    #[serde(default)]
    pub edits: Option<Vec<Template>>,
    /// Do everything unasked.
    #[serde(default)]
    pub all: Option<Vec<Template>>,
}

impl ApprovalArgs {
    /// The arguments, when the CLI can do that.
    pub fn get(&self, approvals: Approvals) -> Option<&[Template]> {
        match approvals {
            Approvals::Ask => Some(self.ask.as_deref().unwrap_or_default()),
            Approvals::Edits => self.edits.as_deref(),
            Approvals::All => self.all.as_deref(),
        }
    }
}

/// Something set up before the start, when all of its conditions hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepare {
    /// Only with one of these approvals.
    #[serde(default)]
    pub when_approvals: Vec<Approvals>,
    /// Only when one of these variables is set for the agent.
    #[serde(default)]
    pub when_env: Vec<String>,
    /// Only when none of these variables is set for the agent.
    #[serde(default)]
    pub unless_env: Vec<String>,
    /// Only as root, or only as somebody else.
    #[serde(default)]
    pub when_root: Option<bool>,
    /// More arguments.
    #[serde(default)]
    pub args: Vec<Template>,
    /// Variables. What the request sets itself stays.
    #[serde(default)]
    pub env: BTreeMap<String, Template>,
    /// Files to write first, in the agent's own directory.
    #[serde(default)]
    pub files: Vec<FileTemplate>,
}

/// A file to write before the start.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileTemplate {
    /// Where, under `{agent_dir}`.
    pub path: Template,
    /// What.
    pub contents: Template,
    /// Its permissions. Default: for the agent's user alone.
    #[serde(default = "private")]
    pub mode: u32,
    /// Leave it as it is when it is there already (a restart): the CLI may have added to it.
    #[serde(default)]
    pub keep: bool,
}

/// Only the owner reads and writes.
fn private() -> u32 {
    0o600
}
