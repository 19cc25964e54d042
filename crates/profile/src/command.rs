//! Resolves a [`Launch`] to the command that a host starts: arguments, environment, files to write first.

use std::collections::BTreeMap;
use std::path::PathBuf;

use parallax_api::agent::EnvValue;
use parallax_api::{Code, Problem};

use crate::launch::Launch;
use crate::profile::start::Prepare;
use crate::template::Values;

/// What the templates of a profile may refer to, besides the launch itself.
#[derive(Clone, Debug)]
pub struct TemplateContext {
    /// The home of the user it runs as.
    pub home: PathBuf,
    /// The agent's own directory: nobody else reads it, and it is removed with the agent.
    pub agent_dir: PathBuf,
    /// The host's program, for hooks.
    pub host_binary: PathBuf,
    /// Whether it runs as root.
    pub is_root: bool,
}

impl TemplateContext {
    /// Where the images of messages are, `{agent_dir}/images`: there before the CLI starts, where it takes images.
    pub fn images_dir(&self) -> PathBuf {
        self.agent_dir.join("images")
    }
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
        /// The id, as [`crate::DetectorEvent::Session`] reported it.
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
    pub record: Option<SessionFileSource>,
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
pub struct SessionFileSource {
    /// Absolute paths with `*` (part of a name) and `**` (any directories). Only files written to since the start count.
    pub globs: Vec<String>,
    /// What the first line of the agent's own file holds, as JSON pointers and values. A file is the agent's own when its
    /// path or first line has the conversation's id, or when a process of the agent writes to it.
    pub first: BTreeMap<String, String>,
}

impl SessionFileSource {
    /// Whether the conversation's id stands in the path or the first line, so that no other agent's file can match.
    pub fn names(&self, conversation: &str) -> bool {
        self.globs.iter().chain(self.first.values()).any(|text| text.contains(conversation))
    }

    /// Where another conversation of the same agent is found.
    pub fn renamed(&self, from: &str, to: &str) -> Self {
        let first = self.first.iter().map(|(at, value)| (at.clone(), value.replace(from, to)));
        Self { globs: self.globs.iter().map(|glob| glob.replace(from, to)).collect(), first: first.collect() }
    }
}

impl Launch {
    /// The command to run for this conversation. Fails with `UNSUPPORTED` when the CLI cannot do what was asked.
    pub fn command(
        &self,
        context: &TemplateContext,
        conversation: &Conversation,
    ) -> Result<Command, Problem> {
        let start = &self.profile.start;
        let prepared: Vec<&Prepare> =
            self.profile.prepare.iter().filter(|prepare| self.applies(prepare, context)).collect();
        // The environment first: the rest may speak of it. What the request sets stays.
        let mut env = self.env.clone();
        for (name, value) in prepared.iter().flat_map(|prepare| &prepare.env) {
            let value = value.render(&self.values(context, conversation, &self.env));
            env.entry(name.clone()).or_insert_with(|| value.into());
        }
        let values = self.values(context, conversation, &env);

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
        if let Some(stray) = files.iter().find(|file| !file.path.starts_with(&context.agent_dir)) {
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

        let record = self.profile.record.as_ref().map(|record| SessionFileSource {
            globs: record.paths.iter().filter_map(|path| path.render_known(&values)).collect(),
            first: record.first.iter().map(|(at, value)| (at.clone(), value.render(&values))).collect(),
        });
        Ok(Command { program: start.program.clone(), args, env, files, record })
    }

    fn applies(&self, prepare: &Prepare, context: &TemplateContext) -> bool {
        let is_set = |name: &String| self.env.get(name).is_some_and(|value| !value.expose().is_empty());
        (prepare.when_approvals.is_empty() || prepare.when_approvals.contains(&self.approvals))
            && (prepare.when_env.is_empty() || prepare.when_env.iter().any(is_set))
            && !prepare.unless_env.iter().any(is_set)
            && prepare.when_root.is_none_or(|root| root == context.is_root)
    }

    fn values<'a>(
        &'a self,
        context: &'a TemplateContext,
        conversation: &'a Conversation,
        env: &'a BTreeMap<String, EnvValue>,
    ) -> Values<'a> {
        let (Conversation::New { id } | Conversation::Resume { id }) = conversation;
        Values {
            workdir: &self.workdir,
            // A home of the agent's own, when the request gives it one.
            home: env.get("HOME").map_or(&context.home, |home| home.expose().as_ref()),
            agent_dir: &context.agent_dir,
            host_binary: &context.host_binary,
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
