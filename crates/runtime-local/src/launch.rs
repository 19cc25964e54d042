//! Starting a host: a process that owes nothing to this one.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use parallax_api::agent::Resources;
use parallax_api::host::HostStarted;
use parallax_api::{AgentId, Code, Problem};
use parallax_profile::Launch;
use parallax_runtime_core::HostAddress;
use parallax_runtime_core::handshake::{
    MAX_STARTED, START_TIMEOUT, launch_line, parse_started, start_failed, start_timed_out,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::agent_dir::AgentDir;
use crate::process::Process;

/// Marks every process of an agent, its host's included.
pub(crate) const AGENT_ID: &str = "PARALLAX_AGENT_ID";
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
    let line = launch_line(launch)?;
    let failed = |error: anyhow::Error| start_failed(&format!("{error:#}"), &dir.last_words());
    let child = start(program, dir, id, launch).map_err(failed)?;
    match tokio::time::timeout(START_TIMEOUT, converse(child, dir, &line)).await {
        Ok(Ok(HostStarted::Ready { .. })) => Ok(HostAddress::Unix(dir.socket())),
        Ok(Ok(HostStarted::Failed(problem))) => Err(problem),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(start_timed_out(&dir.last_words())),
    }
}

/// A plain process has no image, and nothing here holds it to a limit.
fn refuse_unsupported(launch: &Launch) -> Result<(), Problem> {
    // Every field is named: a new one does not compile before somebody decided whether it is honoured here.
    let Launch {
        // Honoured by the host.
        agent: _,
        profile: _,
        args: _,
        approvals: _,
        prompt: _,
        env: _,
        workdir: _,
        terminal: _,
        idle_timeout_seconds: _,
        max_lifetime_seconds: _,
        log_limit: _,
        // Set by backends that mount or listen; this one has a directory of the machine and a socket.
        mount: _,
        token: _,
        image,
        resources: Resources { cpu, memory, pids },
    } = launch;
    let asked = [
        ("image", image.is_some()),
        ("resources.cpu", cpu.is_some()),
        ("resources.memory", memory.is_some()),
        ("resources.pids", pids.is_some()),
    ];
    let Some((field, _)) = asked.into_iter().find(|(_, is_asked)| *is_asked) else { return Ok(()) };
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
async fn converse(mut child: Child, dir: &AgentDir, line: &[u8]) -> anyhow::Result<HostStarted> {
    let mut stdin = child.stdin.take().context("the host has no standard input")?;
    let stdout = child.stdout.take().context("the host has no standard output")?;
    // Whoever is last to know it, the host is reaped while this server lives, and by the system after it.
    tokio::spawn(async move { child.wait().await });
    stdin.write_all(line).await.context("failed to hand over the launch")?;
    drop(stdin);
    let mut line = Vec::new();
    BufReader::new(stdout.take(MAX_STARTED as u64))
        .read_until(b'\n', &mut line)
        .await
        .context("failed to hear how it went")?;
    anyhow::ensure!(!line.is_empty(), "the host ended before it said how its start went");
    let started = parse_started(&line).context("the host said what is not understood")?;
    if let HostStarted::Ready { pid } = started
        && let Some(process) = Process::of(pid)
        && dir.host() != Some(process)
    {
        dir.set_host(process)?;
    }
    Ok(started)
}
