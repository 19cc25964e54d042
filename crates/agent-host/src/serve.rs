//! `parallax-agent-host serve`: from a launch to an agent behind a socket, and to the host's end.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Router, ServiceExt};
use parallax_api::agent::{EnvValue, StopRequest};
use parallax_api::host::{HostStarted, VIEWER_SOCKET};
use parallax_api::{AgentStatus, Code, Problem};
use parallax_profile::Launch;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Layer as _;

use crate::contacts::{self, Contacts};
use crate::container;
use crate::peer::{self, Peer};
use crate::peer_listener::PeerListener;
use crate::reaper::Reaper;
use crate::routes::{Host, Parts, around, router, serve_handed};
use crate::session::{Session, SessionContext};
use crate::tcp::TokenListener;
use crate::waiting::{self, Caller};
use crate::workspace::Workspace;
use crate::workspace::intake::Intake;

/// The largest launch, in bytes: a prompt and the environment.
pub(crate) const MAX_LAUNCH: u64 = 16 * 1024 * 1024;
/// How long the host of an ended agent waits for a runtime server to collect its log and messages.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(600);
/// The same where a container engine ends the host, and no server asks for anything: not as long as the engine would wait before it kills. A server
/// that starts again, or follows another, asks within less.
const UNASKED_TIMEOUT: Duration = Duration::from_secs(10);
/// How long open streams may take to close when the host ends.
const CLOSE_GRACE: Duration = Duration::from_millis(500);

/// What the system tells at once. There are a few descriptors and those of viewers, and room is kept for as many.
const MAX_EVENTS: usize = 64;

/// The host's socket, in its directory.
pub const SOCKET: &str = "host.sock";

/// Configuration of a host.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// The agent's directory.
    pub dir: PathBuf,
    /// The host is the first process of a container.
    pub in_container: bool,
    /// A TCP address to listen on, beside the socket.
    pub listen: Option<SocketAddr>,
    /// Where the launch comes from.
    pub launch: LaunchSource,
}

/// Where a host's launch comes from.
#[derive(Clone, Debug)]
pub enum LaunchSource {
    /// One line on standard input.
    StandardInput,
    /// A file.
    File(PathBuf),
    /// Whoever shows the token at this address, which this host listens on afterwards as well.
    Network {
        /// The address.
        address: SocketAddr,
        /// What the token is checked against, until the launch names another one.
        verifier: EnvValue,
    },
}

/// Serves one agent until it has ended and was collected.
pub fn run(config: &ServeConfig) -> anyhow::Result<()> {
    // A session of its own: signals to the server's terminal or process group do not reach the host. This fails when
    // the host already leads a session (the first process of a container), which serves as well.
    let _ = rustix::process::setsid();
    // Before the launch is read: what it holds, and the terminal's descriptors, are not for other processes of the user.
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "other processes of this user can look into this one");
    }
    let launch = read_given(&config.launch)?;
    let reaper = Reaper::start().context("becoming the reaper of the agent's processes")?;
    // One thread: what a key costs is mostly threads that wake each other.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_io_events_per_tick(MAX_EVENTS)
        .build()?;
    let served = runtime.block_on(host_agent(config, launch, reaper));
    // A thread may still be busy with a file; the host does not wait for it.
    runtime.shutdown_background();
    served
}

/// All that a host does, not on the stack: there it would lie twice, beneath everything, for as long as the agent lives.
#[inline(never)]
fn host_agent(
    config: &ServeConfig,
    launch: Option<Box<Launch>>,
    reaper: Reaper,
) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + '_>> {
    Box::pin(async {
        match (launch, &config.launch) {
            (Some(launch), _) => serve(config, launch, None, reaper).await,
            (None, LaunchSource::Network { address, verifier }) => {
                match Box::pin(waiting::wait(*address, verifier.clone())).await? {
                    Some((launch, caller)) => serve(config, launch, Some(caller), reaper).await,
                    None => Ok(()),
                }
            }
            (None, _) => unreachable!("what is given is read before"),
        }
    })
}

/// The launch, unless it comes over the network. Not inlined: what reading takes of the stack is given back.
#[inline(never)]
fn read_given(source: &LaunchSource) -> anyhow::Result<Option<Box<Launch>>> {
    Ok(Some(Box::new(match source {
        LaunchSource::StandardInput => {
            // The standard library's reader would keep its buffer beside the agent.
            let read = rustix::stdio::stdin()
                .try_clone_to_owned()
                .map_err(anyhow::Error::from)
                .and_then(|input| read_launch(BufReader::new(File::from(input))));
            read.context("the launch on standard input")?
        }
        LaunchSource::File(file) => {
            let read = File::open(file)
                .map_err(anyhow::Error::from)
                .and_then(|file| read_launch(BufReader::new(file)));
            read.with_context(|| format!("the launch in {}", file.display()))?
        }
        LaunchSource::Network { .. } => return Ok(None),
    })))
}

/// Reads one line: the writer need not be able to close its end.
fn read_launch(from: impl BufRead) -> anyhow::Result<Launch> {
    let mut text = Vec::new();
    from.take(MAX_LAUNCH).read_until(b'\n', &mut text)?;
    serde_json::from_slice(&text).context("not valid")
}

async fn serve(
    config: &ServeConfig,
    mut launch: Box<Launch>,
    mut caller: Option<Caller>,
    reaper: Reaper,
) -> anyhow::Result<()> {
    ignore_hangup()?;
    let dir = &config.dir;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let socket = dir.join(SOCKET);
    if config.in_container {
        // Left by a host whose container was killed; no other host uses this directory.
        drop(std::fs::remove_file(&socket));
    }
    let listener =
        UnixListener::bind(&socket).with_context(|| format!("listening on {}", socket.display()))?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
    let viewers = if config.in_container { None } else { listen_for_viewers(dir) };

    let listening = caller.as_mut().and_then(Caller::take_listener);
    let tcp = match (config.listen, listening) {
        (_, Some(listener)) => Some(TokenListener::over(listener, launch.token.take())?),
        (Some(address), None) => Some(TokenListener::bind(address, launch.token.take()).await?),
        (None, None) => None,
    };
    if config.in_container {
        container::inherit(&mut launch, dir).context("finding a home for the agent")?;
    }

    let binary = std::env::current_exe().context("finding this program")?;
    let (dir, in_container) = (dir.clone(), config.in_container);
    let context = SessionContext { dir, socket: socket.clone(), binary, reaper, in_container };
    let listeners = Listeners { api: listener, viewers, tcp };
    // What the start needs is not kept for as long as the agent lives.
    let (started, served) = match Box::pin(start(*launch, context, listeners)).await {
        Ok(served) => (HostStarted::Ready { pid: std::process::id() }, Some(served)),
        Err(problem) => (HostStarted::Failed(problem), None),
    };
    report_start(&started)?;
    let told = async {
        if let Some(caller) = caller {
            caller.answer(started).await;
        }
    };
    match served {
        Some(served) => drop(tokio::join!(served.ended(), told)),
        None => told.await,
    }
    // A dead host's sockets must not look like a busy one's.
    drop(std::fs::remove_file(&socket));
    drop(std::fs::remove_file(socket.with_file_name(VIEWER_SOCKET)));
    Ok(())
}

/// Where a host is asked.
struct Listeners {
    api: UnixListener,
    viewers: Option<UnixListener>,
    tcp: Option<TokenListener>,
}

/// Where servers hand viewers over. A host without it has all of them relayed.
fn listen_for_viewers(dir: &Path) -> Option<UnixListener> {
    let socket = dir.join(VIEWER_SOCKET);
    let listen = || {
        let listener = UnixListener::bind(&socket)?;
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
        Ok::<_, std::io::Error>(listener)
    };
    listen().inspect_err(|error| tracing::warn!(%error, "no viewers can be handed over")).ok()
}

/// The socket listens already: hooks may report before the program counts as started.
async fn start(launch: Launch, context: SessionContext, listeners: Listeners) -> Result<Served, Problem> {
    let Listeners { api, viewers, tcp } = listeners;
    let released = CancellationToken::new();
    let (contacts, in_container) = (Contacts::new(), context.in_container);
    let workspace = launch.checkout.clone().map(|checkout| {
        let home = launch.env.get("HOME").map(EnvValue::expose);
        Workspace::new(checkout, &context.binary, &context.dir, home, &context.reaper)
    });
    let host = |session: &Session, workspace: Option<Workspace>| {
        Host::new(Parts { session: session.clone(), workspace, released: released.clone() })
    };
    let counting = from_fn_with_state(contacts.clone(), contacts::count);
    let routes = |host: Host| around(counting.layer(router(host)));
    let Some(missing) = workspace.clone().filter(|workspace| !workspace.is_made()) else {
        let session = Session::start(launch, context).await?;
        let host = host(&session, workspace);
        let mut servers = listen(&routes(host.clone()), api, tcp, &released);
        if let Some(viewers) = viewers {
            servers.spawn(serve_handed(PeerListener::new(viewers), host));
        }
        return Ok(Served { session, released, contacts, in_container, servers });
    };
    if launch.checkout.as_ref().is_some_and(|checkout| checkout.id != launch.agent.id) {
        let detail = "there is no checkout on the volume of the workspace that the agent was to work in";
        return Err(Problem::new(Code::SpawnFailed, detail).with("field", "workspace.reuse"));
    }
    // The repository comes by the host's own API, so that this is there before the agent is.
    let mut intake = Intake::new(missing);
    let servers = listen(&intake.router(), api, tcp, &released);
    intake.made().await?;
    let session = Session::start(launch, context).await?;
    intake.open(routes(host(&session, workspace)));
    Ok(Served { session, released, contacts, in_container, servers })
}

fn listen(
    app: &Router,
    listener: UnixListener,
    tcp: Option<TokenListener>,
    released: &CancellationToken,
) -> JoinSet<std::io::Result<()>> {
    let mut servers = JoinSet::new();
    if let Some(tcp) = tcp {
        servers.spawn(tcp.serve(app.clone(), released.clone()));
    }
    let closing = released.clone().cancelled_owned();
    let app = from_fn(peer::authorize).layer(app.clone());
    let app = ServiceExt::<Request>::into_make_service_with_connect_info::<Peer>(app);
    let listener = PeerListener::new(listener);
    servers.spawn(axum::serve(listener, app).with_graceful_shutdown(closing).into_future());
    servers
}

/// An agent and the servers of its sockets.
struct Served {
    session: Session,
    released: CancellationToken,
    contacts: Contacts,
    in_container: bool,
    servers: JoinSet<std::io::Result<()>>,
}

impl Served {
    /// Resolves when the agent has ended and was collected, or was not collected in time.
    async fn ended(self) {
        let mut agent_rx = self.session.agent_changes();
        let end = agent_rx.wait_for(|agent| agent.status == AgentStatus::Stopped);
        let is_terminated = tokio::select! {
            _ = end => false,
            () = terminated() => {
                // An engine stops the container: the agent gets its grace.
                if let Err(problem) = self.session.stop(StopRequest::default()).await {
                    tracing::error!(%problem, "the agent could not be stopped");
                }
                true
            }
        };
        let is_collected = tokio::select! {
            () = self.released.cancelled() => true,
            () = self.given_up(is_terminated) => false,
            () = tokio::time::sleep(RELEASE_TIMEOUT) => false,
        };
        if !is_collected {
            tracing::warn!("the ended agent was not collected");
            self.released.cancel();
        }
        if tokio::time::timeout(CLOSE_GRACE, self.servers.join_all()).await.is_err() {
            tracing::debug!("a connection is still open");
        }
    }

    /// Resolves when the engine ends the host and there is nobody who would collect what is left.
    async fn given_up(&self, is_terminated: bool) {
        if !self.in_container {
            return std::future::pending().await;
        }
        if !is_terminated {
            terminated().await;
        }
        self.contacts.lost_for(UNASKED_TIMEOUT).await;
    }
}

/// SIGHUP is for programs of a terminal, which the host is not.
fn ignore_hangup() -> std::io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move { while hangups.recv().await.is_some() {} });
    Ok(())
}

pub(crate) async fn terminated() {
    match signal(SignalKind::terminate()) {
        Ok(mut terms) => drop(terms.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// Reports the start to the server, then closes the pipe to it.
fn report_start(started: &HostStarted) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(started)?;
    line.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    // A server that died meanwhile finds the host by its directory, so this write may fail.
    drop(stdout.write_all(&line).and_then(|()| stdout.flush()));
    let nowhere = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    rustix::stdio::dup2_stdin(&nowhere)?;
    Ok(())
}
