//! The place: processes of this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parallax_api::runtime::RuntimeKind;
use parallax_api::{AgentId, Problem};
use parallax_profile::{Launch, Profiles};
use parallax_runtime_core::{AgentBackend, FoundHost, Health, HostAddress, Usage};

use crate::agent_dir::AgentDirs;
use crate::process;
use crate::{end, launch, types};

/// Runs each agent's host as a detached process with a directory of its own under the state directory.
pub struct LocalBackend {
    dirs: AgentDirs,
    program: PathBuf,
    profiles: Arc<Profiles>,
    path: String,
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
        Ok(Self { dirs: AgentDirs::open(state_dir)?, program, profiles, path })
    }

    fn survivor(&self, id: &AgentId) -> Option<FoundHost> {
        let dir = self.dirs.of(id);
        let lives = dir.host().is_some_and(process::Process::lives);
        dir.exists().then(|| FoundHost {
            id: id.clone(),
            address: lives.then(|| HostAddress::Unix(dir.socket())),
            ended: None,
        })
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
        let ids = self.dirs.ids().map_err(Problem::internal)?;
        Ok(ids.iter().filter_map(|id| self.survivor(id)).collect())
    }

    async fn find_host(&self, id: &AgentId) -> Result<Option<FoundHost>, Problem> {
        Ok(self.survivor(id))
    }

    async fn remove(&self, id: &AgentId, grace: Duration) -> Result<(), Problem> {
        end::remove(&self.dirs.of(id), id, grace).await
    }

    async fn usage(&self, id: &AgentId) -> Result<Option<Usage>, Problem> {
        let Some(host) = self.dirs.of(id).host() else { return Err(Problem::no_agent(id)) };
        tokio::task::spawn_blocking(move || Some(usage(host))).await.map_err(Problem::internal)
    }
}

/// What everything below the host uses. The host adopts whoever loses its parent, so nobody is left out.
#[expect(clippy::cast_precision_loss, reason = "ticks of centuries fit into 53 bits")]
fn usage(host: process::Process) -> Usage {
    let members = process::descendants(host, &process::all());
    let ticks: u64 = members.iter().map(|stat| stat.cpu_ticks).sum();
    let pages: u64 = members.iter().map(|stat| stat.resident_pages).sum();
    Usage {
        cpu_seconds: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
        memory_bytes: pages * rustix::param::page_size() as u64,
        processes: u32::try_from(members.len()).unwrap_or(u32::MAX),
    }
}
