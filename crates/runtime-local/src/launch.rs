//! Starting a host: a process that owes nothing to this one.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use parallax_api::host::HostStarted;
use parallax_api::{AgentId, Code, Problem};
use parallax_profile::Launch;
use parallax_runtime_core::HostAddress;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::agent_dir::AgentDir;
use crate::process::Process;

/// Marks every process of an agent, its host's included.
pub(crate) const AGENT_ID: &str = "PARALLAX_AGENT_ID";
/// How long a host may take to start its agent.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest word a host has for how its start went, in bytes: an agent's last words are in it.
const MAX_STARTED: u64 = 1024 * 1024;
/// How much of what a host that failed said is told, in bytes.
const LAST_WORDS: usize = 4096;
/// What a host needs of the agent's environment. The rest is not its business, the server's even less.
const HOST_ENVIRONMENT: [&str; 6] = ["HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ"];

/// Starts a host in `dir` and hands it its launch.
pub(crate) async fn launch(
    program: &Path,
    dir: &AgentDir,
    id: &AgentId,
    launch: &Launch,
) -> Result<HostAddress, Problem> {
    refuse_unsupported(launch)?;
    dir.create().map_err(Problem::internal)?;
    let child = start(program, dir, id, launch).map_err(|error| failed(dir, &format!("{error:#}")))?;
    let started = tokio::time::timeout(START_TIMEOUT, converse(child, dir, launch)).await;
    match started
        .unwrap_or_else(|_| Err(anyhow::anyhow!("it said nothing within {} s", START_TIMEOUT.as_secs())))
    {
        Ok(HostStarted::Ready { .. }) => Ok(HostAddress::Unix(dir.socket())),
        Ok(HostStarted::Failed(problem)) => Err(problem),
        Err(error) => Err(failed(dir, &format!("{error:#}"))),
    }
}

/// A plain process has no image, and nothing here holds it to a limit.
fn refuse_unsupported(launch: &Launch) -> Result<(), Problem> {
    let resources = &launch.resources;
    let field = if launch.image.is_some() {
        "image"
    } else if resources.cpu.is_some() {
        "resources.cpu"
    } else if resources.memory.is_some() {
        "resources.memory"
    } else if resources.pids.is_some() {
        "resources.pids"
    } else {
        return Ok(());
    };
    Err(Problem::new(
        Code::Unsupported,
        format!("the local runtime cannot honour `{field}`: agents are plain processes; leave it out, or use docker or kubernetes"),
    )
    .with("field", field))
}

fn start(program: &Path, dir: &AgentDir, id: &AgentId, launch: &Launch) -> anyhow::Result<Child> {
    let handed_on = HOST_ENVIRONMENT.iter().filter_map(|name| Some((name, launch.env.get(*name)?.expose())));
    let child = Command::new(program)
        .arg("serve")
        .arg("--dir")
        .arg(dir.path())
        .env_clear()
        .envs(handed_on)
        .env(AGENT_ID, id.as_str())
        // Not the server's: the host outlives it, and must not keep a directory busy.
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::options().create(true).append(true).open(dir.errors())?)
        .spawn()
        .with_context(|| format!("failed to start {}", program.display()))?;
    // Before it gets its launch: should this server die here, the host does too, for want of one; should it die later, the
    // next server knows whom to look for.
    let pid = child.id().context("the host ended at once")?;
    dir.set_host(Process::of(pid).context("the host ended at once")?)?;
    Ok(child)
}

/// Hands over the launch, hears how it went, and leaves the host to itself.
async fn converse(mut child: Child, dir: &AgentDir, launch: &Launch) -> anyhow::Result<HostStarted> {
    let mut stdin = child.stdin.take().context("the host has no standard input")?;
    let stdout = child.stdout.take().context("the host has no standard output")?;
    // Whoever is last to know it, the host is reaped while this server lives, and by the system after it.
    tokio::spawn(async move { child.wait().await });
    stdin.write_all(&serde_json::to_vec(launch)?).await.context("failed to hand over the launch")?;
    drop(stdin);
    let mut line = String::new();
    BufReader::new(stdout.take(MAX_STARTED))
        .read_line(&mut line)
        .await
        .context("failed to hear how it went")?;
    anyhow::ensure!(!line.is_empty(), "the host ended before it said how its start went");
    let started = serde_json::from_str(&line).context("the host said what is not understood")?;
    if let HostStarted::Ready { pid } = started
        && let Some(process) = Process::of(pid)
        && dir.host() != Some(process)
    {
        dir.set_host(process)?;
    }
    Ok(started)
}

/// `SPAWN_FAILED` with what the host said last.
fn failed(dir: &AgentDir, why: &str) -> Problem {
    let said = std::fs::read(dir.errors()).unwrap_or_default();
    let said = String::from_utf8_lossy(&said[said.len().saturating_sub(LAST_WORDS)..]).into_owned();
    Problem::new(Code::SpawnFailed, format!("the agent's host did not start: {why}")).with("output", said)
}
