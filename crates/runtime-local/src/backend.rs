//! The backend: processes of this machine.

use std::cell::LazyCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parallax_api::runtime::RuntimeKind;
use parallax_api::{AgentExit, AgentId, Problem, Time};
use parallax_profile::{Launch, Profiles};
use parallax_runtime_core::{AgentBackend, FoundHost, Health, HostAddress, Usage};

use crate::agent_dir::{AgentDir, AgentDirs};
use crate::look::Look;
use crate::os::Process;
use crate::process::{self, Children};
use crate::{end, launch, types};

/// Runs each agent's host as a detached process with a directory of its own under the state directory.
pub struct LocalBackend {
    dirs: AgentDirs,
    program: PathBuf,
    profiles: Arc<Profiles>,
    path: String,
    look: Arc<Look>,
}

impl LocalBackend {
    /// A backend that keeps its agents in `state_dir` and runs `program` as their host. `path` is where agents find their
    /// CLIs, for [`check`](AgentBackend::check).
    ///
    /// # Errors
    /// When the directory cannot be used, or its path is too long for sockets.
    pub fn new(
        state_dir: &Path,
        program: PathBuf,
        profiles: Arc<Profiles>,
        path: String,
    ) -> anyhow::Result<Self> {
        Ok(Self { dirs: AgentDirs::open(state_dir)?, program, profiles, path, look: Arc::default() })
    }

    fn found(id: &AgentId, dir: &AgentDir, host: Option<Process>) -> Option<FoundHost> {
        // A host that was started before the machine was is dead, and that is why.
        let restarted = host.is_none() && dir.is_of_another_boot();
        let ended = restarted.then(|| AgentExit::for_reason("machine_restarted", Time::now()));
        let address = host.map(|_| HostAddress::Unix(dir.socket()));
        dir.exists().then(|| FoundHost { id: id.clone(), address, ended })
    }
}

#[async_trait]
impl AgentBackend for LocalBackend {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Local
    }

    async fn check(&self) -> Health {
        let trouble = (!self.program.is_file())
            .then(|| format!("the program {} is not there any more", self.program.display()));
        Health { trouble, types: types::types(&self.profiles, &self.path) }
    }

    async fn launch(&self, id: &AgentId, launch: &Launch) -> Result<HostAddress, Problem> {
        launch::launch(&self.program, &self.dirs.of(id), id, launch).await
    }

    async fn list_hosts(&self) -> Result<Vec<FoundHost>, Problem> {
        let dirs = self.dirs.clone();
        let listing = move || {
            let ids = dirs.ids().map_err(Problem::internal)?;
            let spared = process::lineage();
            // Only where a directory does not tell: a machine has thousands of other processes.
            let hosts = LazyCell::new(process::hosts);
            let found = |id: &AgentId| {
                let dir = dirs.of(id);
                let searched = || hosts.get(dir.path()).copied().filter(|process| process.lives());
                let host = dir.written_host(&spared).or_else(searched);
                Self::found(id, &dir, host)
            };
            Ok(ids.iter().filter_map(found).collect())
        };
        tokio::task::spawn_blocking(listing).await.map_err(Problem::internal)?
    }

    async fn find_host(&self, id: &AgentId) -> Result<Option<FoundHost>, Problem> {
        let dir = self.dirs.of(id);
        let host = dir.host().await?;
        Ok(Self::found(id, &dir, host))
    }

    async fn host_files(&self, id: &AgentId, _scratch: &Path) -> Result<Option<PathBuf>, Problem> {
        let dir = self.dirs.of(id);
        if !dir.exists() {
            return Ok(None);
        }
        end::kill(&dir, id).await?;
        Ok(Some(dir.path().to_owned()))
    }

    async fn kill(&self, id: &AgentId) -> Result<(), Problem> {
        end::kill(&self.dirs.of(id), id).await
    }

    async fn remove(&self, id: &AgentId, grace: Duration) -> Result<(), Problem> {
        end::remove(&self.dirs.of(id), id, grace).await
    }

    async fn usage(&self, id: &AgentId) -> Result<Option<Usage>, Problem> {
        let Some(host) = self.dirs.of(id).host().await? else { return Err(Problem::no_agent(id)) };
        if let Some(children) = self.look.recent() {
            return Ok(Some(usage(host, &children)));
        }
        let look = self.look.clone();
        tokio::task::spawn_blocking(move || Some(usage(host, &look.now()))).await.map_err(Problem::internal)
    }
}

/// What everything below the host uses. The host adopts whoever loses its parent, so nobody is left out.
#[expect(clippy::cast_precision_loss, reason = "ticks of centuries fit into 53 bits")]
fn usage(host: Process, all: &Children) -> Usage {
    let members = all.below(host);
    let ticks: u64 = members.iter().map(|stat| stat.cpu_ticks).sum();
    let pages: u64 = members.iter().map(|stat| stat.resident_pages).sum();
    Usage {
        cpu_seconds: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
        memory_bytes: pages * rustix::param::page_size() as u64,
        processes: u32::try_from(members.len()).unwrap_or(u32::MAX),
    }
}
