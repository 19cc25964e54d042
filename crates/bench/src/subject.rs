//! What is measured: our servers, peers where they are installed, and the bare limit.

mod cao;
mod limit;
mod parallax;
mod peer;
mod sandbox_agent;
mod ttyd;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use cao::Cao;
pub(crate) use limit::Limit;
pub(crate) use parallax::Stack;
use sandbox_agent::SandboxAgent;
use ttyd::Ttyd;

use crate::process;
use crate::viewer::Place;

/// Where programs are.
pub(crate) struct Programs {
    /// The directory of `parallax` and `parallax-agent-host`.
    pub(crate) ours: PathBuf,
    /// `sandbox-agent`, when it is installed.
    pub(crate) sandbox_agent: Option<PathBuf>,
    /// `ttyd`, when it is installed.
    pub(crate) ttyd: Option<PathBuf>,
    /// `cao-server`, when it and tmux are installed.
    pub(crate) cao: Option<PathBuf>,
}

/// One column of the report.
#[derive(Clone)]
pub(crate) enum Subject {
    /// A PTY between two threads and a WebSocket: each viewer has its own.
    Limit(Arc<limit::Server>),
    /// Rivet's sandbox-agent.
    SandboxAgent(Arc<SandboxAgent>),
    /// ttyd: each viewer has a shell of its own.
    Ttyd(Arc<Ttyd>),
    /// Our runtime server, asked directly.
    Runtime(Arc<Stack>),
    /// The same through the control plane.
    ControlPlane(Arc<Stack>),
}

/// A shell that runs at a subject.
pub(crate) struct Shell {
    pub(crate) id: String,
    pub(crate) place: Place,
}

impl Subject {
    /// All that can be measured here, in a directory of their own.
    pub(crate) async fn all(programs: &Programs, home: &Path) -> anyhow::Result<Vec<Self>> {
        let mut all = vec![Self::Limit(Arc::new(limit::Server::start().await?))];
        match &programs.sandbox_agent {
            Some(program) => match SandboxAgent::start(program, home).await {
                Ok(server) => all.push(Self::SandboxAgent(Arc::new(server))),
                Err(error) => eprintln!("skipped: sandbox-agent does not start: {error:#}"),
            },
            None => eprintln!("skipped: sandbox-agent is not on the PATH (npm install @sandbox-agent/cli)"),
        }
        match &programs.ttyd {
            Some(program) => match Ttyd::start(program, home).await {
                Ok(server) => all.push(Self::Ttyd(Arc::new(server))),
                Err(error) => eprintln!("skipped: ttyd does not start: {error:#}"),
            },
            None => eprintln!("skipped: ttyd is not on the PATH"),
        }
        if programs.cao.is_none() {
            eprintln!(
                "skipped: cao-server and tmux are not both on the PATH (PyPI's cli-agent-orchestrator)"
            );
        }
        let stack = Arc::new(Stack::start(&programs.ours, home).await?);
        all.extend([Self::Runtime(stack.clone()), Self::ControlPlane(stack)]);
        Ok(all)
    }

    /// Another server like this one, for a look at its start. None: it has none of its own.
    pub(crate) async fn another(&self, programs: &Programs, home: &Path) -> anyhow::Result<Option<Self>> {
        Ok(match (self, &programs.sandbox_agent, &programs.ttyd) {
            (Self::SandboxAgent(_), Some(program), _) => {
                Some(Self::SandboxAgent(Arc::new(SandboxAgent::start(program, home).await?)))
            }
            (Self::Ttyd(_), _, Some(program)) => {
                Some(Self::Ttyd(Arc::new(Ttyd::start(program, home).await?)))
            }
            (Self::Runtime(_), ..) => {
                Some(Self::Runtime(Arc::new(Stack::start(&programs.ours, home).await?)))
            }
            // The control plane is in the process of the runtime.
            _ => None,
        })
    }

    /// The head of its column.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Limit(_) => "bare limit",
            Self::SandboxAgent(_) => "sandbox-agent",
            Self::Ttyd(_) => "ttyd",
            Self::Runtime(_) => "runtime",
            Self::ControlPlane(_) => "control plane",
        }
    }

    /// Whether several viewers can watch one shell.
    pub(crate) fn has_viewers(&self) -> bool {
        !matches!(self, Self::Limit(_) | Self::Ttyd(_))
    }

    /// Our own servers.
    pub(crate) fn stack(&self) -> Option<&Arc<Stack>> {
        match self {
            Self::Runtime(stack) | Self::ControlPlane(stack) => Some(stack),
            _ => None,
        }
    }

    /// Starts a shell.
    pub(crate) async fn shell(&self) -> anyhow::Result<Shell> {
        match self {
            Self::Limit(server) => Ok(server.shell()),
            Self::SandboxAgent(server) => server.shell().await,
            Self::Ttyd(server) => Ok(server.shell()),
            Self::Runtime(stack) => stack.shell(false).await,
            Self::ControlPlane(stack) => stack.shell(true).await,
        }
    }

    /// Ends it.
    pub(crate) async fn end(&self, shell: Shell) -> anyhow::Result<()> {
        match self {
            // It has ended with its viewer.
            Self::Limit(_) | Self::Ttyd(_) => Ok(()),
            Self::SandboxAgent(server) => server.end(&shell.id).await,
            Self::Runtime(stack) | Self::ControlPlane(stack) => stack.end(&shell.id).await,
        }
    }

    /// The process of the server.
    pub(crate) fn server(&self) -> u32 {
        match self {
            Self::Limit(server) => server.pid(),
            Self::SandboxAgent(server) => server.pid(),
            Self::Ttyd(server) => server.pid(),
            Self::Runtime(stack) | Self::ControlPlane(stack) => stack.pid(),
        }
    }

    /// The processes that work for this shell, without the shell.
    pub(crate) fn processes(&self, shell: &Shell) -> Vec<u32> {
        let hosts = match self {
            Self::Runtime(_) | Self::ControlPlane(_) => {
                process::with_command(&["parallax-agent-host", &shell.id])
            }
            _ => Vec::new(),
        };
        [vec![self.server()], hosts].concat()
    }
}
