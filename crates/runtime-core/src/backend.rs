//! The one seam between backends: how an agent's host is started, reached, found again, measured and removed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use parallax_api::check::Check;
use parallax_api::runtime::{RuntimeKind, TypeInfo};
use parallax_api::{Agent, AgentExit, AgentId, Code, Problem, SpawnRequest};
use parallax_profile::Launch;
use parallax_service::metrics::Metrics;
use parallax_workspace::KeptWorkspace;
use tokio::sync::oneshot;

use crate::host::{HostAddress, HostClient};

/// What runs agents: processes of a machine, containers, pods.
///
/// An implementation knows how to start, reach, find, measure and remove the *host* of an agent, and nothing else: what the
/// host's agent does, says or prints is the work of the runtime server and of the host.
///
/// Every call may be cancelled or repeated. The server bounds how long it waits for each of them.
#[async_trait]
pub trait AgentBackend: Send + Sync + 'static {
    /// The kind of backend.
    fn kind(&self) -> RuntimeKind;

    /// Whether the engine answers and what it can run. Called often; the server caches the result for some seconds.
    async fn check(&self) -> Health;

    /// What this backend needs, looked at one by one, for `parallax doctor`. Called when somebody asks. It may take some seconds and
    /// start something of its own, which it removes.
    async fn examine(&self) -> Vec<Check> {
        self.check().await.checks()
    }

    /// Starts a host and gives it its [`Launch`]; returns when the host listens and its agent's process runs.
    ///
    /// Fails with `UNSUPPORTED` (naming the `field`) for what this backend cannot honour, `CLI_NOT_FOUND`,
    /// `IMAGE_NOT_FOUND`, `RESOURCE_LIMIT`, or `SPAWN_FAILED` with the last words as `output`. The server calls
    /// [`remove`](Self::remove) after a failure, so an implementation need not clean up.
    async fn launch(&self, id: &AgentId, launch: &Launch) -> Result<HostAddress, Problem>;

    /// Every host that this server, or an earlier one with the same state, started here: running or dead.
    async fn list_hosts(&self) -> Result<Vec<FoundHost>, Problem>;

    /// The host of one agent, running or dead. Called when a host stops answering. `None`: nothing is left of it.
    async fn find_host(&self, id: &AgentId) -> Result<Option<FoundHost>, Problem> {
        Ok(self.list_hosts().await?.into_iter().find(|host| &host.id == id))
    }

    /// The directory of a dead host, with what it wrote there (log segments, journal, messages), as a directory of this
    /// machine. A backend whose files are elsewhere copies them below `scratch`, an empty directory of the caller's. `None`:
    /// they are gone for good. An error is temporary: the server asks again, and does not [`remove`](Self::remove) the
    /// host before. What the agent started and outlived its host is ended first, so that nothing changes any more.
    async fn host_files(&self, _id: &AgentId, _scratch: &Path) -> Result<Option<PathBuf>, Problem> {
        Ok(None)
    }

    /// Ends the host and everything its agent started, at once, and keeps the host's files. Already dead is success. A backend
    /// whose files go with the host has nothing to keep.
    async fn kill(&self, id: &AgentId) -> Result<(), Problem> {
        self.remove(id, Duration::ZERO).await
    }

    /// Ends the host and everything its agent started, and deletes what the backend holds of them. After `grace` it
    /// kills. Already gone is success.
    async fn remove(&self, id: &AgentId, grace: Duration) -> Result<(), Problem>;

    /// Whether this agent, which runs, could come back from a suspension. Asked before anything of it is ended; its type is known
    /// to go on with conversations. Fails with `UNSUPPORTED`, and says what would have to be otherwise.
    async fn check_suspend(&self, _agent: &Agent) -> Result<(), Problem> {
        let detail = format!(
            "an agent of a {} runtime cannot be suspended: there is nothing around it that would be kept; stop it, or spawn it \
             with another `runtime` (docker, kubernetes)",
            self.kind()
        );
        Err(Problem::new(Code::Unsupported, detail))
    }

    /// Has `host` end its agent with the reason `suspended`, and keeps what [`resume`](Self::resume) needs. Returns when the
    /// agent's processes have ended, or will.
    async fn suspend(&self, _id: &AgentId, host: &HostClient) -> Result<(), Problem> {
        host.suspend().await.map(drop)
    }

    /// Called in place of [`remove`](Self::remove) when a suspended agent is in the archive: ends what still runs of it, and
    /// keeps workspace, home and the host's files.
    async fn settle_suspended(&self, _id: &AgentId) -> Result<(), Problem> {
        Ok(())
    }

    /// Starts the host of a suspended agent again; returns when it answers. What fails leaves the agent suspended, with all that
    /// is kept of it. `AGENT_STOPPED`: it is gone.
    async fn resume(&self, id: &AgentId) -> Result<HostAddress, Problem> {
        Err(Problem::new(Code::AgentStopped, format!("nothing is kept of the agent {id}")))
    }

    /// Called when an agent that was resumed is followed again: what [`resume`](Self::resume) needed is not needed any more. Must not
    /// wait.
    fn resumed(&self, _id: &AgentId) {}

    /// Whether what a suspended agent needs is still there; somebody may have removed it in the engine. Also asked of agents that the
    /// server does not know: one that may come back is still in its workspace.
    async fn holds_suspended(&self, _id: &AgentId) -> Result<bool, Problem> {
        Ok(false)
    }

    /// Deletes what is kept of an agent that is suspended or [may return](Self::may_return), which ends it for good. Already gone is
    /// success.
    async fn discard_suspended(&self, id: &AgentId) -> Result<(), Problem> {
        self.remove(id, Duration::ZERO).await
    }

    /// What the launch of an agent waits for at this moment, for people. Called while [`launch`](Self::launch) runs. Must not wait.
    fn launch_detail(&self, _id: &AgentId) -> Option<String> {
        None
    }

    /// Called before the host of an agent is asked to stop it for good, or its launch is dropped. Must not wait.
    fn agent_stopping(&self, _id: &AgentId) {}

    /// Called when a stop was refused that [`agent_stopping`](Self::agent_stopping) told of: nothing holds of that. Must not wait.
    fn agent_goes_on(&self, _id: &AgentId) {}

    /// The name of the volume that the workspace of this agent is on: made with its first launch, and kept until
    /// [`remove_workspace`](Self::remove_workspace). `None`: agents here have no workspaces, or have them in directories of this
    /// machine.
    fn workspace_volume(&self, _id: &AgentId) -> Option<String> {
        None
    }

    /// Called when the workspace of a new agent is made, before its launch: makes its volume, where the launch would not, and keeps
    /// with it what the next server needs to know.
    async fn make_workspace(&self, _agent: &Agent, _kept: &KeptWorkspace) -> Result<(), Problem> {
        Ok(())
    }

    /// Keeps what has changed of that. A volume that is gone is no error.
    async fn note_workspace(&self, _kept: &KeptWorkspace) -> Result<(), Problem> {
        Ok(())
    }

    /// Everything that is kept in this way. `None`: this backend keeps nothing, because the next server has the same state directory.
    async fn kept_workspaces(&self) -> Result<Option<Vec<KeptWorkspace>>, Problem> {
        Ok(None)
    }

    /// Whether an agent that has ended is about to run again by the backend's own doing, or may be brought back in the engine, so that
    /// its workspace stays. False once [`remove`](Self::remove) or [`discard_suspended`](Self::discard_suspended) has ended it for good. Must
    /// not wait.
    fn may_return(&self, _id: &AgentId) -> bool {
        false
    }

    /// Whether an agent can work in the workspace of another one (`workspace.reuse`).
    fn shares_workspaces(&self) -> bool {
        false
    }

    /// Whether that volume is there; somebody may have removed it in the engine. A launch with a checkout of another agent's is on that one's
    /// volume, and is refused where it is gone.
    async fn holds_workspace(&self, _id: &AgentId) -> Result<bool, Problem> {
        Ok(true)
    }

    /// Has the host's program say what would be lost with the workspace of this agent (`workspace --unpublished`), on its volume, where no
    /// host runs any more. Fails with `CONFLICT` while something uses the volume, with `UNSUPPORTED` where nobody can look.
    async fn look_into_workspace(&self, _id: &AgentId) -> Result<Vec<u8>, Problem> {
        Err(Problem::new(Code::Unsupported, "nobody looks into a workspace here whose agents have ended"))
    }

    /// Deletes that volume, when its agents are removed, and what is kept with it. Already gone is success.
    async fn remove_workspace(&self, _id: &AgentId) -> Result<(), Problem> {
        Ok(())
    }

    /// What the agent's processes use, as the backend measures it. `None`: this backend measures nothing, and the numbers of
    /// the host stand.
    async fn usage(&self, id: &AgentId) -> Result<Option<Usage>, Problem>;

    /// Requests and changes that do not come through the server's API, for as long as the server runs: a backend where people
    /// can ask for agents themselves (as resources of a cluster) reports them here. Called once, after adoption.
    fn events(&self) -> BoxStream<'static, BackendEvent> {
        stream::pending().boxed()
    }

    /// Called with every change of an agent, so that a backend can publish the agent elsewhere (`kubectl get pa`). Must not
    /// wait.
    fn agent_changed(&self, _agent: &Agent) {}

    /// Adds the backend's own collectors to the server's registry.
    fn register_metrics(&self, _metrics: &Metrics) {}
}

/// What happened in the backend without the server's API.
#[derive(Debug)]
pub enum BackendEvent {
    /// An agent is asked for. [`launch`](AgentBackend::launch) follows, with this id, if the request is valid.
    SpawnRequested {
        /// Its id, which no other agent has had.
        id: AgentId,
        /// What is asked for.
        request: Box<SpawnRequest>,
        /// Receives whether it was launched.
        answer: oneshot::Sender<Result<(), Problem>>,
    },
    /// The host of an agent that had ended runs again and continues the agent.
    HostRestarted(FoundHost),
    /// Asks whether the last end of an agent is settled: it is in the archive, and [`remove`](AgentBackend::remove) or
    /// [`settle_suspended`](AgentBackend::settle_suspended) has done its work. Before that they would take away what a backend makes to
    /// bring the agent back.
    EndSettled {
        /// The agent.
        id: AgentId,
        /// Receives the answer: true also for an agent that is not known.
        answer: oneshot::Sender<bool>,
    },
    /// The engine holds an agent's processes, so that its host does not answer; or lets them go on.
    HostPaused {
        /// The agent.
        id: AgentId,
        /// What to do about it, for people. `None`: it goes on.
        why: Option<String>,
    },
}

/// A host that was found in the backend, running or dead.
#[derive(Clone, Debug)]
pub struct FoundHost {
    /// Its agent.
    pub id: AgentId,
    /// Where it answers. `None`: it is dead, and only what it left behind is there.
    pub address: Option<HostAddress>,
    /// How a dead one ended, where the backend knows. What the host itself reported of its agent's end counts more.
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

/// The state of a backend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why no agent can be started here now; `None` when one can.
    pub trouble: Option<String>,
    /// Every agent type with a profile, whether it can be run here, and what to do if not.
    pub types: Vec<TypeInfo>,
}

impl Health {
    /// The same as what was looked at: the backend, and each agent type.
    pub fn checks(self) -> Vec<Check> {
        let backend = match self.trouble {
            None => Check::good("agents", "can be started"),
            Some(trouble) => Check::bad("agents", trouble),
        };
        let types = self.types.into_iter().map(|info| match (info.available, info.reason) {
            (true, _) => Check::good(&info.name, info.version.unwrap_or_else(|| "can be run".into())),
            (false, reason) => Check::note(&info.name, reason.unwrap_or_else(|| "cannot be run".into())),
        });
        std::iter::once(backend).chain(types).collect()
    }
}
