//! A profile file: everything that differs between one CLI and another.

pub mod answer_source;
pub mod credentials;
pub mod dialog_rule;
mod nesting;
pub mod pattern;
pub mod report;
pub mod screen;
pub mod start;
pub mod submit;

use std::time::Duration;

use parallax_api::AgentError;
use serde::{Deserialize, Serialize};

use answer_source::AnswerRule;
use credentials::Credentials;
use dialog_rule::{DialogRule, OptionName};
use pattern::Pattern;
use report::{HookRule, SessionFileRule, StatusRule, TitleRule};
use screen::{ComposerRule, OverlayRule, ScreenRule};
use start::{ApprovalArgs, Prepare, Start};
use submit::images::PATH;
use submit::{ExitRule, Submit};

use crate::observation::{Outcome, Source};

/// The longest `start.window_ms`.
const MAX_START_WINDOW_MS: u64 = 10_000;

/// What is known of one CLI.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The agent type it defines: lower-case letters, digits and dashes, 1 to 63.
    pub name: String,
    /// What people call the CLI.
    pub title: String,
    /// The versions its rules were checked with.
    #[serde(default)]
    pub checked: Vec<String>,
    /// The command.
    pub start: Start,
    /// How what the agent may do unasked becomes arguments.
    #[serde(default)]
    pub approvals: ApprovalArgs,
    /// What is set up before the start, each under its conditions.
    #[serde(default)]
    pub prepare: Vec<Prepare>,
    /// How its status reports (OSC 7501) are read. Without this they are not.
    #[serde(default)]
    pub status: Option<StatusRule>,
    /// What its window titles mean; the first that matches counts.
    #[serde(default)]
    pub titles: Vec<TitleRule>,
    /// What its hooks tell.
    #[serde(default)]
    pub hooks: Vec<HookRule>,
    /// The session file it writes, and what the lines tell.
    #[serde(default)]
    pub record: Option<SessionFileRule>,
    /// Where the answer of a turn is taken from.
    #[serde(default)]
    pub answer: AnswerRule,
    /// What the screen tells where nothing better does.
    #[serde(default)]
    pub screen: ScreenRule,
    /// Where a message is typed; the first that is there counts.
    #[serde(default)]
    pub composers: Vec<ComposerRule>,
    /// Menus of its own that take the place of the composer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlays: Vec<OverlayRule>,
    /// What it asks a person; the first that matches counts.
    #[serde(default)]
    pub dialogs: Vec<DialogRule>,
    /// What stands before the choice that Enter takes.
    #[serde(default)]
    pub marks: Vec<String>,
    /// Ids for choices, by label; the first that matches counts. A label without one gets a word made from it.
    #[serde(default)]
    pub choices: Vec<OptionName>,
    /// Codes for errors, by message; the first that matches counts.
    #[serde(default)]
    pub errors: Vec<ErrorCode>,
    /// How a message is typed.
    #[serde(default)]
    pub submit: Submit,
    /// The keys that stop the current turn.
    #[serde(default)]
    pub interrupt: Vec<String>,
    /// How it is asked to end.
    #[serde(default)]
    pub leave: ExitRule,
    /// Where its login shows. Read here only: a host does not get it.
    #[serde(default, skip_serializing)]
    pub credentials: Credentials,
}

/// The code for errors whose message matches.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorCode {
    /// `auth`, `rate_limit`, `network`, `api_error`, …
    pub code: String,
    /// The message.
    pub pattern: Pattern,
}

/// A profile that cannot be used, and where the fault is.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Not TOML, or not a profile: the message names line and field.
    #[error("profile is not valid: {0}")]
    Syntax(#[from] Box<toml::de::Error>),
    /// A field holds something that cannot be.
    #[error("profile is not valid: `{field}`: {why}")]
    Field {
        /// The field.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// A profile file cannot be read.
    #[error("profile {path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A profile file is not valid.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: Box<ProfileError>,
    },
}

impl Profile {
    /// Reads a profile. Fails naming line and field.
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        if nesting::depth(text) > nesting::MAX_DEPTH {
            let why = format!("tables and lists stand in each other more than {} deep", nesting::MAX_DEPTH);
            return Err(ProfileError::Field { field: "{".into(), why });
        }
        let profile: Self = toml::from_str(text).map_err(Box::new)?;
        profile.check()?;
        Ok(profile)
    }

    /// How a message is typed.
    pub fn submit(&self) -> &Submit {
        &self.submit
    }

    /// The keys that stop the current turn, one write each.
    pub fn interrupt_keys(&self) -> &[String] {
        &self.interrupt
    }

    /// How the CLI is asked to end.
    pub fn leave(&self) -> &ExitRule {
        &self.leave
    }

    /// Where answers are taken from.
    pub fn answer(&self) -> &AnswerRule {
        &self.answer
    }

    /// Whether some report has the prompt that was taken.
    pub fn reports_prompts(&self) -> bool {
        [Source::Hook, Source::SessionFile].into_iter().any(|source| self.reports_prompts_in(source))
    }

    /// Whether this source tells the prompts: then what it tells is in order with them.
    pub(crate) fn reports_prompts_in(&self, source: Source) -> bool {
        match source {
            Source::Hook => self.hooks.iter().any(|rule| rule.read.prompt.is_some()),
            Source::SessionFile => {
                let mut lines = self.record.iter().flat_map(|record| &record.lines);
                lines.any(|rule| rule.read.prompt.is_some())
            }
            _ => false,
        }
    }

    /// Whether this source tells the ends of turns that end like this: only then may the end of the turn before be awaited from it.
    /// No hook of Claude Code runs when a turn is interrupted.
    pub(crate) fn reports_ends_in(&self, source: Source, outcome: Outcome) -> bool {
        // What ends a turn may say as well that it failed.
        let is_told = |over: Option<Outcome>| match outcome {
            Outcome::Interrupted => over == Some(outcome),
            Outcome::Completed | Outcome::Failed => over.is_some_and(|over| over != Outcome::Interrupted),
        };
        match source {
            Source::Hook => self.hooks.iter().any(|rule| is_told(rule.over)),
            Source::SessionFile => {
                let mut lines = self.record.iter().flat_map(|record| &record.lines);
                lines.any(|rule| is_told(rule.over))
            }
            _ => false,
        }
    }

    /// Whether the session file tells what a turn failed with.
    pub(crate) fn records_failures(&self) -> bool {
        let lines = self.record.iter().flat_map(|record| &record.lines);
        lines.into_iter().any(|rule| rule.over.is_some() && rule.read.failure.is_some())
    }

    /// The versions the rules were checked with.
    pub fn checked_versions(&self) -> &[String] {
        &self.checked
    }

    /// How to install the CLI, for `CLI_NOT_FOUND`.
    pub fn install(&self) -> &str {
        &self.start.install
    }

    /// How long after its start an end counts as a start that failed.
    pub fn start_window(&self) -> Duration {
        Duration::from_millis(self.start.window_ms)
    }

    /// Whether a variable of the server's environment is handed on to the agent, besides the common ones.
    pub fn inherits(&self, variable: &str) -> bool {
        self.start.inherit.iter().any(|name| match name.strip_suffix('*') {
            Some(prefix) => variable.starts_with(prefix),
            None => name == variable,
        })
    }

    /// An error with the code that this profile gives such a message.
    pub(crate) fn error(&self, message: &str) -> AgentError {
        let code = self.errors.iter().find(|rule| rule.pattern.is_match(message));
        AgentError::new(code.map_or("cli_error", |rule| &rule.code), message)
    }

    fn check(&self) -> Result<(), ProfileError> {
        let fits = (1..=63).contains(&self.name.len())
            && self.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !fits {
            return Err(field("name", "1 to 63 lower-case letters, digits and dashes"));
        }
        if self.start.program.is_empty() {
            return Err(field("start.program", "must name a program"));
        }
        if self.start.window_ms > MAX_START_WINDOW_MS {
            return Err(field("start.window_ms", "at most 10000: who spawns waits so long"));
        }
        if self.submit.images.as_ref().is_some_and(|images| !images.insert.contains(PATH)) {
            return Err(field("submit.images.insert", "must hold `{path}`"));
        }
        for (index, dialog) in self.dialogs.iter().enumerate() {
            if dialog.asks.is_none() && dialog.error.is_none() {
                return Err(field(&format!("dialogs[{index}]"), "needs `asks` or `error`"));
            }
        }
        Ok(())
    }
}

fn field(field: &str, why: &str) -> ProfileError {
    ProfileError::Field { field: field.into(), why: why.into() }
}
