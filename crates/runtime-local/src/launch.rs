//! Starting a host: a process that owes nothing to this one.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use parallax_api::agent::Resources;
use parallax_api::host::HostStarted;
use parallax_api::{AgentId, Code, Problem};
use parallax_profile::Launch;
use parallax_runtime_core::HostAddress;
use parallax_runtime_core::handshake::{
    MAX_STARTED, launch_line, parse_started, start_failed, start_timed_out, start_timeout,
};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::unix::pipe;

use crate::agent_dir::AgentDir;
use crate::census::AGENT_ID;
use crate::os::cgroup::Group;
use crate::os::{self, Files, Process, Started};

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
    let host = start(program, dir, id, launch).map_err(failed)?;
    match tokio::time::timeout(start_timeout(launch), converse(host, dir, &line)).await {
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
        setup: _,
        env: _,
        workdir: _,
        terminal: _,
        idle_timeout_seconds: _,
        max_lifetime_seconds: _,
        stall_seconds: _,
        log_limit: _,
        // Set by backends that mount or listen; this one has a directory of the machine and a socket.
        mount: _,
        checkout: _,
        token: _,
        image,
        resources: Resources { cpu, memory, disk, pids },
    } = launch;
    let asked = [
        ("image", image.is_some()),
        ("resources.cpu", cpu.is_some()),
        ("resources.memory", memory.is_some()),
        ("resources.disk", disk.is_some()),
        ("resources.pids", pids.is_some()),
    ];
    let Some((field, _)) = asked.into_iter().find(|(_, is_asked)| *is_asked) else { return Ok(()) };
    Err(Problem::new(
        Code::Unsupported,
        format!("the local runtime cannot honour `{field}`: agents are plain processes; leave it out, or use docker or kubernetes"),
    )
    .with("field", field))
}

/// A host that was started, and waits for its launch.
struct Host {
    pid: u32,
    stdin: pipe::Sender,
    stdout: pipe::Receiver,
}

fn start(program: &Path, dir: &AgentDir, id: &AgentId, launch: &Launch) -> anyhow::Result<Host> {
    let handed_on = HOST_ENVIRONMENT.iter().filter_map(|name| Some((name, launch.env.get(*name)?.expose())));
    let mut command = Command::new(program);
    command.arg("serve").arg("--dir").arg(dir.path());
    command.env_clear().envs(handed_on).env(AGENT_ID, id.as_str());
    let group = Group::make(id);
    let group = group.inspect_err(|error| tracing::debug!(%error, "the agent gets no control group")).ok();
    let place = group.as_ref().and_then(Group::open);
    let ((input, stdin), (stdout, output)) = (std::io::pipe()?, std::io::pipe()?);
    let files = Files { input: input.into(), output: output.into(), errors: errors(dir)?.into() };
    let started = os::start(&mut command, files, place.as_ref().map(AsFd::as_fd))
        .with_context(|| format!("failed to start {}", program.display()))?;
    let group = group.filter(|_| !started.in_group);
    let pid = started.pid;
    let noted = note(pid, dir, group.as_ref());
    reap(started);
    noted?;
    Ok(Host {
        pid,
        stdin: pipe::Sender::from_owned_fd(stdin.into())?,
        stdout: pipe::Receiver::from_owned_fd(stdout.into())?,
    })
}

/// Writes down which process the host is, and marks it. Before it gets its launch: should this server die here, the host does too,
/// for want of one; should it die later, the next server knows whom to look for.
fn note(pid: u32, dir: &AgentDir, group: Option<&Group>) -> anyhow::Result<()> {
    parallax_service::process::restore_limits(pid);
    let process = Process::of(pid).context("the host ended at once")?;
    dir.set_host(process)?;
    if let Some(Err(error)) = group.map(|group| group.enter(process)) {
        tracing::debug!(%error, "the agent gets no control group");
    }
    Ok(())
}

/// Whoever is last to know it, the host is reaped while this server lives, and by the system after it.
fn reap(started: Started) {
    let Started { pid, handle, .. } = started;
    // SAFETY: an owned descriptor stays the same one until it is dropped, and it is dropped with what is made here.
    #[expect(unsafe_code, reason = "no safe interface exists")]
    match unsafe { AsyncFd::register_with_interest(handle, Interest::READABLE) } {
        Ok(ended) => drop(tokio::spawn(async move {
            if ended.readable().await.is_ok() {
                os::reap(ended.get_ref());
            }
        })),
        // The system watches no more descriptors. A thread of its own: the host outlives this server, which does not wait for it.
        Err(_) => {
            let waiting = std::thread::Builder::new().name("reaper".into()).spawn(move || os::wait_for(pid));
            if let Err(error) = waiting {
                tracing::warn!(%error, "a host that ends stays a zombie for as long as this server runs");
            }
        }
    }
}

/// Hands over the launch, hears how it went, and leaves the host to itself.
async fn converse(host: Host, dir: &AgentDir, line: &[u8]) -> anyhow::Result<HostStarted> {
    let Host { pid: started_pid, mut stdin, stdout } = host;
    stdin.write_all(line).await.context("failed to hand over the launch")?;
    drop(stdin);
    let mut line = Vec::new();
    BufReader::new(stdout.take(MAX_STARTED as u64))
        .read_until(b'\n', &mut line)
        .await
        .context("failed to hear how it went")?;
    anyhow::ensure!(!line.is_empty(), "the host ended before it said how its start went");
    let started = parse_started(&line).context("the host said what is not understood")?;
    // A program that starts the host and goes is another process than the host.
    if let HostStarted::Ready { pid } = started
        && pid != started_pid
        && let Some(process) = Process::of(pid)
        && dir.host().await? != Some(process)
    {
        dir.set_host(process)?;
    }
    Ok(started)
}

/// The file for what the host says when something is wrong with it. A link in its place is not followed.
fn errors(dir: &AgentDir) -> std::io::Result<File> {
    File::options()
        .create(true)
        .append(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(dir.errors())
}
