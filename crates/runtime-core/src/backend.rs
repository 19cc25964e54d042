//! The one seam between places: how an agent's host is started, reached, found again, measured and removed.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use parallax_api::agent::EnvValue;
use parallax_api::runtime::{RuntimeKind, TypeInfo};
use parallax_api::{Agent, AgentExit, AgentId, Problem, SpawnRequest};
use parallax_profile::Launch;
use parallax_service::metrics::Metrics;
use tokio::sync::oneshot;

use crate::host::Dial;

/// A place where agents run. An implementation knows how to start, reach, find, measure and remove the *host* of an
/// agent there, and nothing else: what the host's agent does, says or prints is the runtime server's and the host's work.
///
/// Every call may be cancelled or repeated. The server bounds how long it waits for each of them.
#[async_trait]
pub trait AgentBackend: Send + Sync + 'static {
    /// The kind of place.
    fn kind(&self) -> RuntimeKind;

    /// Whether the engine is there and what it can run. Asked often and cached by the server for some seconds.
    async fn check(&self) -> Health;

    /// Starts a host and gives it its [`Launch`]; returns when the host listens and its agent's process runs.
    ///
    /// Fails with `UNSUPPORTED` (naming the `field`) for what this place cannot honour, `CLI_NOT_FOUND`,
    /// `IMAGE_NOT_FOUND`, `RESOURCE_LIMIT`, or `SPAWN_FAILED` with the last words as `output`. The server calls
    /// [`remove`](Self::remove) after a failure, so nothing need be cleaned up here.
    async fn launch(&self, id: &AgentId, launch: &Launch) -> Result<HostAddress, Problem>;

    /// Every host (and what is left of one) that this server or an earlier one with the same state started here.
    async fn survivors(&self) -> Result<Vec<Survivor>, Problem>;

    /// What there is of one host now: asked when a host stops answering. `None`: nothing is left of it.
    async fn find(&self, id: &AgentId) -> Result<Option<Survivor>, Problem> {
        Ok(self.survivors().await?.into_iter().find(|survivor| &survivor.id == id))
    }

    /// Ends the host and everything its agent started, and takes away what the place holds of them. After `grace`
    /// it insists. Already gone is success.
    async fn remove(&self, id: &AgentId, grace: Duration) -> Result<(), Problem>;

    /// What the agent's processes use, as the place measures it.
    async fn usage(&self, id: &AgentId) -> Result<Usage, Problem>;

    /// Who comes by another door than this server's, for as long as it runs: a place where people can ask for agents
    /// themselves (as resources of a cluster) tells of them here. Called once, after everyone was adopted.
    fn arrivals(&self) -> BoxStream<'static, Arrival> {
        stream::pending().boxed()
    }

    /// An agent is this now: for places that show it to people as well. Must not wait.
    fn show(&self, _agent: &Agent) {}

    /// Adds the place's own metrics to the server's.
    fn measure_by(&self, _metrics: &Metrics) {}
}

/// Somebody who comes by another door.
#[derive(Debug)]
pub enum Arrival {
    /// An agent is asked for. [`launch`](AgentBackend::launch) follows, with this id, if the request is valid.
    Asked {
        /// Its id, which no other agent has had.
        id: AgentId,
        /// What is asked for.
        request: Box<SpawnRequest>,
        /// Told when it was launched, or why it was not.
        answer: oneshot::Sender<Result<(), Problem>>,
    },
    /// The host of an agent that had ended runs again and goes on where that one ended.
    Returned(Survivor),
}

/// Where a host answers.
#[derive(Clone)]
pub enum HostAddress {
    /// A Unix socket of this machine.
    Unix(PathBuf),
    /// A TCP port; the host wants its token with every request.
    Tcp {
        /// Where it listens.
        addr: SocketAddr,
        /// The host's own token.
        token: EnvValue,
    },
    /// Whatever else opens a stream of bytes to the host: a port-forward, a tunnel.
    Dialer {
        /// Opens the stream.
        dial: Arc<dyn Dial>,
        /// The host's own token.
        token: EnvValue,
    },
}

impl fmt::Debug for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { addr, .. } => write!(f, "tcp:{addr}"),
            Self::Dialer { .. } => f.write_str("dialer"),
        }
    }
}

/// A host that was found in the place.
#[derive(Clone, Debug)]
pub struct Survivor {
    /// Its agent.
    pub id: AgentId,
    /// Where it answers. `None`: it is dead, and only what it left behind is there (to be removed).
    pub address: Option<HostAddress>,
    /// How a dead one ended, where the place tells. What the host itself told of its agent's end counts more.
    pub ended: Option<AgentExit>,
}

/// What an agent's processes use.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU time used by the processes that live, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
    /// How many processes.
    pub processes: u32,
}

/// What a place says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why no agent can be started here now; `None` when one can.
    pub trouble: Option<String>,
    /// Every agent type with a profile, whether it can be run here, and what to do if not.
    pub types: Vec<TypeInfo>,
}
