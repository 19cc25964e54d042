//! Pull requests: what is committed in a workspace is pushed, and a command that the operator configured asks that it be merged.
//!
//! The command runs in a repository of ours with the remote as its `origin`, so that neither hooks nor configuration that an agent
//! wrote say anything there, and with no variables but those that it needs.

use std::ffi::OsString;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use parallax_api::text::{is_plain_char, plain};
use parallax_api::workspace::{MAX_PULL_REQUEST_TITLE, PullRequest, PullRequestRequest, PushRequest};
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::command_template::{CommandTemplate, Values};
use crate::error::WorkspaceError;
use crate::git::{Git, set_environment_with_configuration};
use crate::process::{Group, read_and_drop};
use crate::record::Record;
use crate::scratch::{Scratch, ScratchDirectory};
use crate::workspace::Workspace;
use crate::workspaces::Workspaces;

/// How long the command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(120);
/// Commands at the same time; the others wait, and their time begins when they start.
const COMMANDS_AT_ONCE: usize = 4;
/// How much of what it prints is kept, in bytes.
const MAX_OUTPUT: usize = 64 * 1024;
/// How much of what it complains about is kept, in bytes.
const MAX_COMPLAINT: usize = 4096;
/// The longest URL that is looked for, in bytes.
const MAX_URL: usize = 2048;
/// Commits that a description names at most.
const MAX_COMMITS: usize = 50;

static COMMANDS: Semaphore = Semaphore::const_new(COMMANDS_AT_ONCE);

/// The command that makes pull requests.
#[derive(Clone)]
pub struct PullRequestCommand {
    /// What is run.
    pub template: CommandTemplate,
    /// Variables that it gets beside those of every git: tokens, most often.
    pub variables: Vec<(String, OsString)>,
}

impl std::fmt::Debug for PullRequestCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.variables.iter().map(|(name, _)| name).collect();
        f.debug_struct("PullRequestCommand")
            .field("template", &self.template)
            .field("variables", &names)
            .finish()
    }
}

impl Workspaces {
    /// Pushes what is committed to `origin`, and has `command` make a pull request of it.
    ///
    /// # Errors
    /// As [`Workspaces::push`]; `Invalid` when no branch is known to merge into, `Conflict` when nothing was committed;
    /// `NoProgram`, `CommandFailed` with the command's words, or `CommandTimeout`.
    pub async fn pull_request(
        &self,
        workspace: &Workspace,
        request: &PullRequestRequest,
        command: &PullRequestCommand,
    ) -> Result<PullRequest, WorkspaceError> {
        let own = workspace.git().await?;
        let (head, current) = (own.head().await?, own.current_branch().await?);
        self.pull_request_of(workspace, &head, current.as_deref(), request, command).await
    }

    /// The same for the commit and the branch that are checked out where the agent works.
    ///
    /// # Errors
    /// As [`Workspaces::pull_request`].
    pub async fn pull_request_of(
        &self,
        workspace: &Workspace,
        head: &str,
        current: Option<&str>,
        request: &PullRequestRequest,
        command: &PullRequestCommand,
    ) -> Result<PullRequest, WorkspaceError> {
        if request.draft && !command.template.knows_drafts() {
            return Err(WorkspaceError::Unconfigured(
                "the configured command for pull requests makes no drafts: it has no `{draft:WORD}`".into(),
            ));
        }
        let record = workspace.record();
        let own = Git::open(&record.git_directory).await?;
        let base = match &request.base {
            Some(base) => base.clone(),
            None => branch_begun_with(record).ok_or_else(|| {
                WorkspaceError::Invalid("the workspace began with no branch: name a `base`".into())
            })?,
        };
        own.check_branch_name(&base).await?;
        if base == record.branch {
            return Err(WorkspaceError::Invalid(format!("`{base:.100}` cannot be merged into itself")));
        }
        if head == record.base {
            let detail = "nothing was committed in the workspace since it was made: commit first";
            return Err(WorkspaceError::Conflict(detail.into()));
        }
        let delivery = self.deliver_commit(workspace, head, current, &PushRequest::default()).await?;
        let (branch, commit) = (delivery.pushed.branch, delivery.pushed.commit);
        let repo = without_user(&delivery.url);
        let scratch = Scratch::make(self.root(), &record.git_directory).await?;
        for (key, value) in [
            ("remote.origin.url", repo.as_str()),
            ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
        ] {
            scratch.git().run(["config", "--local", key, value]).await?;
        }
        scratch.git().create_branch(&branch, &commit).await?;
        scratch.git().run(["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")]).await?;
        let (subject, description) = said_by_commits(&scratch, record, &commit).await;
        let title = request.title.clone().or(subject).unwrap_or_else(|| branch.clone());
        let body = request.body.clone().unwrap_or(description);

        let directory = ScratchDirectory::make(self.root())?;
        let body_file = directory.path().join("body.md");
        write_own(&body_file, body.as_bytes())?;
        let arguments = command.template.arguments(&Values {
            branch: &branch,
            base: &base,
            title: &title,
            body: &body,
            body_file: &body_file,
            repo: &repo,
            is_draft: request.draft,
        })?;
        let (printed, output) = run(command, &arguments, &scratch).await?;
        Ok(PullRequest { url: first_url(&printed), output, branch, base, commit, pushed: delivery.is_news })
    }
}

/// The branch that the workspace was cut from, as the remote has it.
fn branch_begun_with(record: &Record) -> Option<String> {
    let name = record.base_branch.as_deref()?;
    let far = name.strip_prefix("refs/remotes/").and_then(|name| Some(name.split_once('/')?.1));
    name.strip_prefix("refs/heads/").or(far).map(str::to_owned)
}

/// A title and a description from what was committed: of one commit its message, of several their subjects.
async fn said_by_commits(scratch: &Scratch, record: &Record, commit: &str) -> (Option<String>, String) {
    let range = format!("{}..{commit}", record.base);
    let most = format!("--max-count={MAX_COMMITS}");
    let log = async |format: &str| {
        let args =
            ["log", "--no-show-signature", "--no-color", "--encoding=UTF-8", &most, format, &range, "--"];
        // Of a clone without its history: what it says is a convenience.
        let said = scratch.git().run(args).await.unwrap_or_default();
        String::from_utf8_lossy(&said).into_owned()
    };
    let said = log("--format=%s").await;
    let subjects: Vec<String> = said.lines().map(plain_title).filter(|line| !line.is_empty()).collect();
    let body = match subjects.len() {
        0 => String::new(),
        1 => log("--format=%b").await.trim().replace('\0', ""),
        _ => subjects.iter().rev().map(|subject| format!("* {subject}\n")).collect(),
    };
    (subjects.into_iter().next(), body)
}

/// The subject of a commit, which an agent wrote, as a title may be.
fn plain_title(subject: &str) -> String {
    let mut title = plain(subject).trim_start_matches(['-', ' ']).trim_end().to_owned();
    title.truncate(title.floor_char_boundary(MAX_PULL_REQUEST_TITLE));
    // A sign that was joined to another may have lost that.
    plain(&title)
}

/// The URL without a name and password, which everybody who lists processes would see. Of ssh the user is part of the address.
fn without_user(url: &str) -> String {
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    match url.split_once("://").filter(|_| is_web) {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

/// Runs it, and returns what it printed, and that with what it complained about.
async fn run(
    command: &PullRequestCommand,
    arguments: &[OsString],
    scratch: &Scratch,
) -> Result<(String, String), WorkspaceError> {
    let program = command.template.program();
    // Never closed.
    let _turn = COMMANDS.acquire().await;
    let mut started = Command::new(program);
    set_environment_with_configuration(&mut started);
    started.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", scratch.lenders()).env("NO_COLOR", "1");
    started.envs(command.variables.iter().map(|(name, value)| (name, value)));
    started.args(arguments).current_dir(scratch.path());
    started.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    started.process_group(0).kill_on_drop(true);
    let no_program = |cause| WorkspaceError::NoProgram { program: program.to_owned(), cause };
    let mut group = Group(started.spawn().map_err(no_program)?);
    let (stdout, stderr) = (group.0.stdout.take(), group.0.stderr.take());
    let running = async {
        let (stdout, stderr) =
            tokio::join!(read_and_drop(stdout, MAX_OUTPUT), read_and_drop(stderr, MAX_COMPLAINT));
        let status = group.0.wait().await?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
        Ok::<_, WorkspaceError>((status, text(stdout?), text(stderr?)))
    };
    let too_long = || WorkspaceError::CommandTimeout { program: program.to_owned(), limit: COMMAND_TIMEOUT };
    let (status, printed, complaint) =
        tokio::time::timeout(COMMAND_TIMEOUT, running).await.unwrap_or_else(|_| Err(too_long()))?;
    let output = [printed.as_str(), complaint.as_str()];
    let output: Vec<_> = output.into_iter().filter(|text| !text.is_empty()).collect();
    let output = output.join("\n");
    if !status.success() {
        let program = program.to_owned();
        return Err(WorkspaceError::CommandFailed { program, code: status.code(), output });
    }
    Ok((printed, output))
}

/// The first `http` or `https` URL in a text.
fn first_url(text: &str) -> Option<String> {
    let starts = ["https://", "http://"].into_iter().filter_map(|scheme| text.find(scheme));
    let url = &text[starts.min()?..];
    let ends = |c: char| c.is_whitespace() || !is_plain_char(c) || matches!(c, '"' | '\'' | '<' | '>' | '`');
    let url = url[..url.find(ends).unwrap_or(url.len())].trim_end_matches(['.', ',', ';', ')', ']']);
    (url.len() <= MAX_URL && !url.ends_with("://")).then(|| url.to_owned())
}

fn write_own(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_url_of_what_was_printed() {
        for (text, url) in [
            ("https://example.com/o/r/pull/7\n", Some("https://example.com/o/r/pull/7")),
            (
                "!1 Fix (b)\n <http://e.org/r/-/merge_requests/1>, https://x",
                Some("http://e.org/r/-/merge_requests/1"),
            ),
            ("see https://e.org/a.", Some("https://e.org/a")),
            ("https://e.org/\u{1b}[0m", Some("https://e.org/")),
            ("ssh://git@e.org/x", None),
            ("https://", None),
            ("", None),
        ] {
            assert_eq!(first_url(text).as_deref(), url, "{text}");
        }
        assert_eq!(first_url(&format!("https://{}", "x".repeat(MAX_URL))), None);
    }

    #[test]
    fn nobody_sees_a_password() {
        for (url, shown) in [
            ("https://me:word@example.com/o/r.git", "https://example.com/o/r.git"),
            ("http://a@b@example.com:8080", "http://example.com:8080"),
            ("https://example.com/a@b", "https://example.com/a@b"),
            ("ssh://git@example.com/o/r", "ssh://git@example.com/o/r"),
            ("git@example.com:o/r", "git@example.com:o/r"),
            ("/srv/r.git", "/srv/r.git"),
        ] {
            assert_eq!(without_user(url), shown);
        }
    }

    #[test]
    fn a_subject_is_no_option() {
        assert_eq!(plain_title("--repo=evil \u{1b}[31mred\u{202e}"), "repo=evil [31mred");
        assert_eq!(plain_title(&"ä".repeat(300)).len(), MAX_PULL_REQUEST_TITLE);
        assert_eq!(plain_title("- "), "");
    }
}
