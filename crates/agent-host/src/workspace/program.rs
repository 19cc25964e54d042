//! `parallax-agent-host workspace`: what is done in an agent's clone, by a process of the agent's user with children of its own.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use parallax_api::host::WorkspaceCall;
use parallax_api::{Code, Problem};
use parallax_profile::launch::CHECKOUT_TIMEOUT;
use parallax_workspace::{Workspace, WorkspaceError, Workspaces};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

/// The exit code of a refusal, which stands on standard output then.
pub const REFUSED: u8 = 3;
/// How long a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(150);
/// The largest file that is written, in bytes: a bundle, and what git makes on the way to it.
const MAX_FILE: u64 = 4 << 30;
/// The longest call that is read, in bytes.
const MAX_CALL: u64 = 1024 * 1024;

/// How long making a workspace, or a call, may take.
pub fn time_limit(makes: bool) -> Duration {
    if makes { CHECKOUT_TIMEOUT } else { CALL_TIMEOUT }
}

/// What the program is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Make the workspace of the archive on standard input.
    Make,
    /// Do what the call on standard input says.
    Answer,
    /// Say what would be lost with a workspace that no agent works in any more.
    Unpublished,
}

/// Does it, and prints the answer.
///
/// # Errors
/// When the answer cannot be written. A refusal is none: it is printed, and [`REFUSED`] is the code.
pub fn run(root: &Path, id: &str, task: Task) -> anyhow::Result<ExitCode> {
    let limit = getrlimit(Resource::Fsize);
    setrlimit(
        Resource::Fsize,
        Rlimit { current: Some(limit.current.unwrap_or(MAX_FILE).min(MAX_FILE)), ..limit },
    )?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let doing = async {
            match task {
                Task::Make => make(root, id).await,
                Task::Answer => answer(root, id).await,
                Task::Unpublished => unpublished(root, id).await,
            }
        };
        let limit = time_limit(task == Task::Make);
        tokio::time::timeout(limit, doing)
            .await
            .unwrap_or(Err(Failure::Workspace(WorkspaceError::Timeout(limit))))
    });
    let mut out = std::io::stdout().lock();
    let Err(failure) = done else { return Ok(ExitCode::SUCCESS) };
    let problem = match failure {
        Failure::Workspace(WorkspaceError::NoGit(cause)) => {
            let detail = format!(
                "the agent's image has no program `git` ({cause}), which a workspace needs: install git 2.39 or newer there, or \
                 name another `image`"
            );
            Problem::new(Code::CliNotFound, detail).with("program", "git").with("field", "image")
        }
        Failure::Workspace(error) => error.into(),
        Failure::Problem(problem) => problem,
    };
    serde_json::to_writer(&mut out, &problem)?;
    out.flush()?;
    Ok(ExitCode::from(REFUSED))
}

enum Failure {
    Workspace(WorkspaceError),
    Problem(Problem),
}

impl From<WorkspaceError> for Failure {
    fn from(error: WorkspaceError) -> Self {
        Self::Workspace(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Workspace(error.into())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Problem(Problem::internal(error))
    }
}

async fn make(root: &Path, id: &str) -> Result<(), Failure> {
    let workspaces = Workspaces::open(root)?;
    workspaces.unpack(id, std::io::stdin()).await?;
    Ok(())
}

async fn answer(root: &Path, id: &str) -> Result<(), Failure> {
    let mut asked = Vec::new();
    std::io::stdin().take(MAX_CALL).read_to_end(&mut asked)?;
    let call: WorkspaceCall = serde_json::from_slice(&asked)?;
    // Others look at the same time: what they work with stays.
    let workspaces = Workspaces::beside(root)?;
    let workspace = workspaces.get(id)?;
    match call {
        WorkspaceCall::Changes => say(&workspace.changes().await?)?,
        WorkspaceCall::Diff { query } => std::io::stdout().write_all(&workspace.diff(&query).await?)?,
        WorkspaceCall::Commit { request } => say(&workspace.commit(&request).await?)?,
        WorkspaceCall::Export { whole } => export(&workspace, whole).await?,
        WorkspaceCall::Pushed { pushed } => workspace.note_pushed(&pushed).await?,
        WorkspaceCall::WorthKeeping => say(&workspaces.worth_keeping(&workspace).await?)?,
    }
    Ok(std::io::stdout().flush()?)
}

async fn unpublished(root: &Path, id: &str) -> Result<(), Failure> {
    say(&Workspaces::beside(root)?.get(id)?.unpublished().await?)
}

async fn export(workspace: &Workspace, whole: bool) -> Result<(), Failure> {
    let (stand, bundle) = workspace.export(whole).await?;
    say(&stand)?;
    let mut out = std::io::stdout().lock();
    out.write_all(b"\n")?;
    if let Some(bundle) = bundle {
        std::io::copy(&mut File::open(bundle.path())?, &mut out)?;
    }
    Ok(())
}

fn say(answer: &impl Serialize) -> Result<(), Failure> {
    Ok(std::io::stdout().write_all(&serde_json::to_vec(answer)?)?)
}
