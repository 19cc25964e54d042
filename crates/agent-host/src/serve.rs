//! `parallax-agent-host serve`: from a launch to an agent behind a socket, and its quiet end.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use parallax_api::agent::StopRequest;
use parallax_api::host::HostStarted;
use parallax_api::{AgentStatus, Problem};
use parallax_profile::Launch;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::contained;
use crate::door::Door;
use crate::reaper::Reaper;
use crate::routes::{Host, router};
use crate::session::{Session, Surroundings};

/// The largest launch, in bytes: a prompt and the environment.
const MAX_LAUNCH: u64 = 16 * 1024 * 1024;
/// How long the host of an ended agent waits for a runtime server to collect what is left.
const KEEP_ENDED: Duration = Duration::from_secs(600);
/// How long open streams may take to end when the host goes.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The host's socket, in its directory.
pub const SOCKET: &str = "host.sock";

/// How a host serves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The agent's directory.
    pub dir: PathBuf,
    /// It is the first process of a container.
    pub contained: bool,
    /// It listens here, too.
    pub listen: Option<SocketAddr>,
    /// The file with its launch; none: it comes by standard input.
    pub launch: Option<PathBuf>,
}

/// Serves one agent until it has ended and was collected.
pub fn run(options: &Options) -> anyhow::Result<()> {
    // A session of its own: nothing that happens to the server's terminal or process group reaches the host. When
    // the host already leads one (a container's first process), that is what was wanted.
    let _ = rustix::process::setsid();
    let launch = match &options.launch {
        None => read_launch(std::io::stdin().lock()).context("the launch on standard input")?,
        Some(file) => File::open(file)
            .map_err(anyhow::Error::from)
            .and_then(|file| read_launch(BufReader::new(file)))
            .with_context(|| format!("the launch in {}", file.display()))?,
    };
    let reaper = Reaper::start().context("becoming the reaper of the agent's processes")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let served = runtime.block_on(serve(options, launch, reaper));
    // A thread may still wait for a terminal that somebody holds; the process ends without it.
    runtime.shutdown_background();
    served
}

/// One line: whoever writes it need not be able to close its end.
fn read_launch(from: impl BufRead) -> anyhow::Result<Launch> {
    let mut text = Vec::new();
    from.take(MAX_LAUNCH).read_until(b'\n', &mut text)?;
    serde_json::from_slice(&text).context("not valid")
}

async fn serve(options: &Options, mut launch: Launch, reaper: Reaper) -> anyhow::Result<()> {
    ignore_hangup()?;
    let dir = &options.dir;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let socket = dir.join(SOCKET);
    if options.contained {
        // Left by a host whose container went without a word; nobody else is in this directory.
        drop(std::fs::remove_file(&socket));
    }
    let listener =
        UnixListener::bind(&socket).with_context(|| format!("listening on {}", socket.display()))?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
    std::fs::write(dir.join("host.pid"), std::process::id().to_string())?;

    let door = match options.listen {
        Some(address) => Some(Door::open(address, launch.token.take()).await?),
        None => None,
    };
    if options.contained {
        contained::inherit(&mut launch, dir).context("finding a home for the agent")?;
    }

    let binary = std::env::current_exe().context("finding this program")?;
    let (dir, contained) = (dir.clone(), options.contained);
    let surroundings = Surroundings { dir, socket: socket.clone(), binary, reaper, contained };
    match start(launch, surroundings, listener, door).await {
        Ok(served) => {
            say(&HostStarted::Ready { pid: std::process::id() })?;
            served.ended().await;
        }
        Err(problem) => say(&HostStarted::Failed(problem))?,
    }
    // The socket of a host that is gone must not look like one that is busy.
    drop(std::fs::remove_file(&socket));
    Ok(())
}

/// Listens from the first moment on, because hooks may report before the program counts as started.
async fn start(
    launch: Launch,
    surroundings: Surroundings,
    listener: UnixListener,
    door: Option<Door>,
) -> Result<Served, Problem> {
    let session = Session::start(launch, surroundings).await?;
    let released = CancellationToken::new();
    let app = router(Host { session: session.clone(), released: released.clone() });
    let mut servers = JoinSet::new();
    if let Some(door) = door {
        let (listener, guarded) = door.guard(app.clone());
        let closing = released.clone().cancelled_owned();
        servers.spawn(axum::serve(listener, guarded).with_graceful_shutdown(closing).into_future());
    }
    let closing = released.clone().cancelled_owned();
    servers.spawn(axum::serve(listener, app).with_graceful_shutdown(closing).into_future());
    Ok(Served { session, released, servers })
}

/// An agent behind its sockets.
struct Served {
    session: Session,
    released: CancellationToken,
    servers: JoinSet<std::io::Result<()>>,
}

impl Served {
    /// Resolves when the agent has ended and was collected, or nobody came to collect it.
    async fn ended(self) {
        let mut agent_rx = self.session.agent_changes();
        let end = agent_rx.wait_for(|agent| agent.status == AgentStatus::Stopped);
        tokio::select! {
            _ = end => {}
            () = terminated() => {
                // Asked by whoever stops a container: the agent gets its grace.
                if let Err(problem) = self.session.stop(StopRequest::default()).await {
                    tracing::error!(%problem, "the agent could not be stopped");
                }
            }
        }
        if tokio::time::timeout(KEEP_ENDED, self.released.cancelled()).await.is_err() {
            tracing::warn!("nobody collected the ended agent");
            self.released.cancel();
        }
        if tokio::time::timeout(LAST_WORDS, self.servers.join_all()).await.is_err() {
            tracing::debug!("a connection is still open");
        }
    }
}

/// A hang-up is for programs of a terminal, which the host is not: handled by doing nothing.
fn ignore_hangup() -> std::io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move { while hangups.recv().await.is_some() {} });
    Ok(())
}

async fn terminated() {
    match signal(SignalKind::terminate()) {
        Ok(mut terms) => drop(terms.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// Tells the server how the start went, then lets go of its pipe.
fn say(started: &HostStarted) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, started)?;
    // A server that died meanwhile finds the host by its directory.
    drop(stdout.write_all(b"\n").and_then(|()| stdout.flush()));
    let nowhere = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    rustix::stdio::dup2_stdin(&nowhere)?;
    Ok(())
}
