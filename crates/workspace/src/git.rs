//! The `git` program, called so that a hostile repository runs nothing and an endless one ends.
//!
//! - The environment is empty but for a few variables, so that none of the caller's leads elsewhere.
//! - Hooks, file system monitors, external diffs and text conversions are off; filters and merge drivers are switched off by their
//!   names, as the repository's configuration has them.
//! - Only ordinary protocols are allowed, nobody is prompted, and pathspecs are literal.
//! - Every call has a time limit and an output limit; the whole process group ends with it.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::error::WorkspaceError;
use crate::process::{Group, read_and_drop, read_up_to};

/// How long one call may take.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Calls at the same time. Each is a process or more; the others wait, and their time begins when they start.
const CALLS_AT_ONCE: usize = 16;
/// The longest output that is read, in bytes.
pub const MAX_OUTPUT: usize = 8 * 1024 * 1024;
/// The longest complaint that is passed on, in bytes.
const MAX_COMPLAINT: usize = 4096;
/// Filters and merge drivers of a repository at most; one with more is refused.
const MAX_PROGRAMS: usize = 64;

/// Configuration of every call. It wins over that of the repository, the user and the system.
const CONFIG: &[&str] = &[
    "core.hooksPath=/dev/null",
    // Larger files are compared as binary ones, whatever the repository says: they would be read into memory.
    "core.bigFileThreshold=64m",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "core.pager=cat",
    "core.editor=false",
    "core.alternateRefsCommand=false",
    // Files that a repository names: they may be pipes that nobody writes.
    "core.attributesFile=/dev/null",
    "color.ui=false",
    "commit.gpgSign=false",
    "diff.colorMoved=no",
    "diff.mnemonicPrefix=false",
    "diff.noprefix=false",
    "diff.orderFile=/dev/null",
    "diff.renames=true",
    "diff.submodule=short",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "merge.conflictStyle=merge",
    "merge.default=text",
    "merge.renames=true",
    "protocol.ext.allow=never",
    "status.renames=true",
    "submodule.recurse=false",
];

/// Variables that are passed on: where programs and the user's own configuration are.
const PASSED_ON: &[&str] = &["PATH", "HOME", "XDG_CONFIG_HOME", "USER", "LOGNAME", "TMPDIR"];

/// Variables of every call.
const ENVIRONMENT: &[(&str, &str)] = &[
    // Trees and commits are held in memory whole, and a few bytes of a pack may say that one is as large as all of it.
    ("GIT_ALLOC_LIMIT", "1g"),
    ("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh"),
    ("GIT_ASKPASS", "false"),
    ("GIT_LFS_SKIP_SMUDGE", "1"),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("LC_ALL", "C"),
    ("SSH_ASKPASS", "false"),
];

static CALLS: Semaphore = Semaphore::const_new(CALLS_AT_ONCE);

/// Git in one directory.
#[derive(Clone, Debug)]
pub struct Git {
    directory: OsString,
    /// Configuration that switches the repository's filters and merge drivers off, and what this one has beside.
    programs_off: Vec<String>,
    /// Variables of this one beside those of every call.
    variables: Vec<(&'static str, OsString)>,
    time_limit: Duration,
    output_limit: usize,
}

impl Git {
    /// Git in `directory`, with the filters and merge drivers of the repository there switched off.
    ///
    /// # Errors
    /// When it has too many of them, or git does not start.
    pub async fn open(directory: &Path) -> Result<Self, WorkspaceError> {
        let mut git = Self {
            directory: directory.into(),
            programs_off: Vec::new(),
            variables: Vec::new(),
            time_limit: CALL_TIMEOUT,
            output_limit: MAX_OUTPUT,
        };
        let found = git.answer(["config", "--name-only", "-z", "--get-regexp", "^(filter|merge)\\."]).await?;
        // Without a match the status is 1, and the output empty.
        let mut names: Vec<(&str, &str)> = std::str::from_utf8(&found.stdout)
            .map_err(|_| WorkspaceError::Invalid("the repository's configuration is not UTF-8".into()))?
            .split('\0')
            .filter_map(|key| {
                let (section, rest) = key.split_once('.')?;
                Some((section, rest.rsplit_once('.')?.0))
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        if names.len() > MAX_PROGRAMS {
            return Err(WorkspaceError::Invalid(format!(
                "the repository has more than {MAX_PROGRAMS} filters and merge drivers"
            )));
        }
        if let Some((_, odd)) = names.iter().find(|(_, name)| name.contains(['=', '\n'])) {
            return Err(WorkspaceError::Invalid(format!(
                "the repository has a filter or merge driver with an odd name: {odd:?}"
            )));
        }
        let off = |(section, name): &(&str, &str)| {
            // An empty filter is none. A driver must be something: this one fails, which is a conflict.
            let keys: &[&str] = match *section {
                "filter" => &["clean=", "smudge=", "process=", "required=false"],
                _ => &["driver=false"],
            };
            keys.iter().map(|key| format!("{section}.{name}.{key}")).collect::<Vec<_>>()
        };
        git.programs_off = names.iter().flat_map(off).collect();
        Ok(git)
    }

    /// The same with the filters and merge drivers of another one switched off, too.
    #[must_use]
    pub(crate) fn without_programs_of(mut self, other: &Self) -> Self {
        self.programs_off.extend_from_slice(&other.programs_off);
        self
    }

    /// The same with another limit than [`CALL_TIMEOUT`].
    #[must_use]
    pub(crate) fn with_time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    /// The same with another limit than [`MAX_OUTPUT`].
    #[must_use]
    pub(crate) fn with_output_limit(self, output_limit: usize) -> Self {
        Self { output_limit, ..self }
    }

    /// The same with an index of its own.
    #[must_use]
    pub fn with_index(self, index: &Path) -> Self {
        self.with_variable("GIT_INDEX_FILE", index)
    }

    /// The same with another setting (`key=value`).
    #[must_use]
    pub(crate) fn with_setting(mut self, setting: &str) -> Self {
        self.programs_off.push(setting.to_owned());
        self
    }

    /// The same with another variable.
    #[must_use]
    pub(crate) fn with_variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Runs git, and returns its output.
    ///
    /// # Errors
    /// When git fails, takes too long, or says too much.
    pub async fn run<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Vec<u8>, WorkspaceError> {
        let output = self.answer(args).await?;
        if output.code == Some(0) {
            return Ok(output.stdout);
        }
        Err(WorkspaceError::Refused(output.complaint))
    }

    /// The output as a line of text.
    ///
    /// # Errors
    /// As [`Git::run`], and when the output is not UTF-8.
    pub async fn line<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<String, WorkspaceError> {
        let output = self.run(args).await?;
        let text = String::from_utf8(output)
            .map_err(|_| WorkspaceError::Invalid("a name in the repository is not UTF-8".into()))?;
        Ok(text.trim_end_matches('\n').to_owned())
    }

    /// Whether git answers with success.
    ///
    /// # Errors
    /// When git does not start or takes too long.
    pub async fn succeeds<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<bool, WorkspaceError> {
        Ok(self.answer(args).await?.code == Some(0))
    }

    /// Adds files to the index; one that cannot be read is left out. Whatever else goes wrong is an error: without the files, or with an
    /// index that is gone, the answer to what was changed would be another one.
    ///
    /// # Errors
    /// What git says.
    pub(crate) async fn add(&self, how: &str) -> Result<(), WorkspaceError> {
        let added = self.answer(["add", how, "--ignore-errors", "--", "."]).await?;
        match added.code {
            Some(0 | 1) => Ok(()),
            _ => Err(not_known(&added.complaint)),
        }
    }

    /// What git answers, whether it is a success or not.
    pub(crate) async fn answer<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Output, WorkspaceError> {
        // Never closed.
        let _turn = CALLS.acquire().await;
        let mut command = Command::new("git");
        set_environment(&mut command);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        for entry in CONFIG.iter().copied().chain(self.programs_off.iter().map(String::as_str)) {
            command.args(["-c", entry]);
        }
        command.arg("-C").arg(&self.directory).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut group = Group(command.spawn().map_err(WorkspaceError::NoGit)?);
        let stdout = group.0.stdout.take();
        let stderr = group.0.stderr.take();
        let reading = async {
            let (stdout, stderr) =
                tokio::join!(read_up_to(stdout, self.output_limit), read_and_drop(stderr, MAX_COMPLAINT));
            let (stdout, is_whole) = stdout?;
            if !is_whole {
                return Err(WorkspaceError::TooLong(self.output_limit));
            }
            let status = group.0.wait().await?;
            let complaint = String::from_utf8_lossy(&stderr?).trim().to_owned();
            Ok(Output { code: status.code(), stdout, complaint })
        };
        tokio::time::timeout(self.time_limit, reading)
            .await
            .unwrap_or(Err(WorkspaceError::Timeout(self.time_limit)))
    }
}

/// Leaves a program the variables that git has here, and no other.
fn set_environment(command: &mut Command) {
    command.env_clear();
    for name in PASSED_ON {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(ENVIRONMENT.iter().copied());
}

/// The same for a program that may run git itself: it has the configuration of every call, too.
pub(crate) fn set_environment_with_configuration(command: &mut Command) {
    set_environment(command);
    for (number, (key, value)) in CONFIG.iter().filter_map(|entry| entry.split_once('=')).enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{number}"), key).env(format!("GIT_CONFIG_VALUE_{number}"), value);
    }
    command.env("GIT_CONFIG_COUNT", CONFIG.len().to_string());
}

/// What was changed cannot be said.
pub(crate) fn not_known(why: &str) -> WorkspaceError {
    WorkspaceError::Conflict(format!("what was changed is not known: {why}"))
}

/// What git answered.
pub(crate) struct Output {
    /// Its exit code; none when it was killed.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    /// What it said on standard error.
    pub(crate) complaint: String,
}
