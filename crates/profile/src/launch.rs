//! A profile and a request become a command.

pub mod template;

use std::collections::BTreeMap;
use std::path::PathBuf;

use parallax_api::agent::{EnvValue, Resources};
use parallax_api::{Agent, Approvals, Code, Problem, TerminalSize};
use serde::{Deserialize, Serialize};

use crate::profile::Profile;
use crate::profile::start::Prepare;
use template::Values;

/// What a host is told to run. It is written to the host's standard input as JSON and holds secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Launch {
    /// The agent as it begins.
    pub agent: Agent,
    /// What is known of its CLI.
    pub profile: Profile,
    /// The request's own arguments.
    pub args: Vec<String>,
    /// What it may do unasked.
    pub approvals: Approvals,
    /// A first message.
    pub prompt: Option<String>,
    /// Its environment: what the server hands on, and what the request sets.
    pub env: BTreeMap<String, EnvValue>,
    /// Its working directory, as it sees it.
    pub workdir: PathBuf,
    /// What is mounted there, in places with file systems of their own. None: what the place gives every agent.
    #[serde(default)]
    pub mount: Option<Mount>,
    /// The terminal's size.
    pub terminal: TerminalSize,
    /// Stop it after so many seconds in which nothing happened.
    pub idle_timeout_seconds: Option<u64>,
    /// Stop it after so many seconds.
    pub max_lifetime_seconds: Option<u64>,
    /// The image, where the runtime has images.
    pub image: Option<String>,
    /// Its limits.
    pub resources: Resources,
    /// How many bytes of its output are kept on disk.
    pub log_limit: u64,
    /// What callers of the host must show, where it listens on a network.
    #[serde(default)]
    pub token: Option<EnvValue>,
}

/// What is mounted at an agent's working directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// What.
    pub source: MountSource,
    /// The agent may not write there.
    pub read_only: bool,
}

/// Where a mount comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountSource {
    /// A directory of the machine.
    Directory(PathBuf),
    /// A named volume (Docker) or an existing claim (Kubernetes).
    Volume(String),
}

/// How many bytes of output are kept unless told: 64 MiB.
pub const DEFAULT_LOG_LIMIT: u64 = 64 * 1024 * 1024;

/// Where the agent runs.
#[derive(Clone, Debug)]
pub struct Place {
    /// The home of the user it runs as.
    pub home: PathBuf,
    /// The agent's own directory: nobody else reads it, and it is removed with the agent.
    pub agent_dir: PathBuf,
    /// The host's program, for hooks.
    pub host_binary: PathBuf,
    /// Whether it runs as root.
    pub is_root: bool,
}

/// Which conversation the CLI begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conversation {
    /// A new one, with this id (a UUID) where the CLI lets others name it.
    New {
        /// The id.
        id: String,
    },
    /// An old one.
    Resume {
        /// The id, as [`crate::Fact::Session`] told it.
        id: String,
    },
}

/// A command, resolved.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program: a name to find on the PATH of `env`, or a path.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment.
    pub env: BTreeMap<String, EnvValue>,
    /// Files to write first.
    pub files: Vec<PreparedFile>,
    /// The session file to follow.
    pub record: Option<RecordSource>,
}

/// A file to write before the start.
#[derive(Clone, Debug)]
pub struct PreparedFile {
    /// Where: under the agent's own directory.
    pub path: PathBuf,
    /// What. May hold secrets.
    pub contents: EnvValue,
    /// Its permissions.
    pub mode: u32,
    /// Leave it as it is when it is there already.
    pub keep: bool,
}

/// Where the session file of an agent is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordSource {
    /// Absolute paths with `*` (part of a name) and `**` (any directories). Only files written to since the start count.
    pub globs: Vec<String>,
    /// What the first line of the agent's own file holds, as JSON pointers and values; `first` decides among several
    /// files, and where it does not, the one that a process of the agent has open.
    pub first: BTreeMap<String, String>,
}

impl Launch {
    /// The command to run for this conversation. Fails with `UNSUPPORTED` when the CLI cannot do what was asked.
    pub fn command(&self, place: &Place, conversation: &Conversation) -> Result<Command, Problem> {
        let start = &self.profile.start;
        let prepared: Vec<&Prepare> =
            self.profile.prepare.iter().filter(|prepare| self.applies(prepare, place)).collect();
        // The environment first: the rest may speak of it. What the request sets stays.
        let mut env = self.env.clone();
        for (name, value) in prepared.iter().flat_map(|prepare| &prepare.env) {
            let value = value.render(&self.values(place, conversation, &self.env));
            env.entry(name.clone()).or_insert_with(|| value.into());
        }
        let values = self.values(place, conversation, &env);

        let approvals = self.profile.approvals.get(self.approvals).ok_or_else(|| {
            self.unsupported("approvals", "cannot be started with these approvals; leave the field out")
        })?;
        let mut args = values.all(&start.args);
        args.extend(values.all(approvals));
        args.extend(prepared.iter().flat_map(|prepare| values.all(&prepare.args)));
        let files: Vec<PreparedFile> = prepared
            .iter()
            .flat_map(|prepare| &prepare.files)
            .map(|file| PreparedFile {
                path: file.path.render(&values).into(),
                contents: file.contents.render(&values).into(),
                mode: file.mode,
                keep: file.keep,
            })
            .collect();
        if let Some(stray) = files.iter().find(|file| !file.path.starts_with(&place.agent_dir)) {
            let path = stray.path.display();
            return Err(Problem::internal(format!(
                "the profile writes {path}, which is not the agent's own"
            )));
        }

        if self.agent.model.is_some() {
            if start.model.is_empty() {
                return Err(self.unsupported("model", "has no choice of model; leave the field out"));
            }
            args.extend(values.all(&start.model));
        }
        args.extend(self.args.iter().cloned());
        args.extend(values.all(match conversation {
            Conversation::New { .. } => &start.new,
            Conversation::Resume { .. } if start.resume.is_empty() => {
                return Err(self.unsupported(
                    "resume",
                    "cannot go on with a conversation; restart with `resume: false`",
                ));
            }
            Conversation::Resume { .. } => &start.resume,
        }));

        let record = self.profile.record.as_ref().map(|record| RecordSource {
            globs: record.paths.iter().filter_map(|path| path.render_known(&values)).collect(),
            first: record.first.iter().map(|(at, value)| (at.clone(), value.render(&values))).collect(),
        });
        Ok(Command { program: start.program.clone(), args, env, files, record })
    }

    fn applies(&self, prepare: &Prepare, place: &Place) -> bool {
        let is_set = |name: &String| self.env.get(name).is_some_and(|value| !value.expose().is_empty());
        (prepare.when_approvals.is_empty() || prepare.when_approvals.contains(&self.approvals))
            && (prepare.when_env.is_empty() || prepare.when_env.iter().any(is_set))
            && !prepare.unless_env.iter().any(is_set)
            && prepare.when_root.is_none_or(|root| root == place.is_root)
    }

    fn values<'a>(
        &'a self,
        place: &'a Place,
        conversation: &'a Conversation,
        env: &'a BTreeMap<String, EnvValue>,
    ) -> Values<'a> {
        let (Conversation::New { id } | Conversation::Resume { id }) = conversation;
        Values {
            workdir: &self.workdir,
            // A home of the agent's own, when the request gives it one.
            home: env.get("HOME").map_or(&place.home, |home| home.expose().as_ref()),
            agent_dir: &place.agent_dir,
            host_binary: &place.host_binary,
            session_id: id,
            model: self.agent.model.as_deref(),
            env,
        }
    }

    fn unsupported(&self, field: &str, why: &str) -> Problem {
        let detail = format!("an agent of type `{}` {why}", self.profile.name);
        Problem::new(Code::Unsupported, detail).with("field", field)
    }
}
