//! The backend: processes of this machine.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parallax_api::runtime::RuntimeKind;
use parallax_api::{AgentExit, AgentId, Problem, Time};
use parallax_profile::{Launch, Profiles};
use parallax_runtime_core::{AgentBackend, FoundHost, Health, HostAddress, Usage};

use crate::agent_dir::{AgentDir, AgentDirs};
use crate::os::{self, Process, Stat};
use crate::process;
use crate::{end, launch, types};

/// How long one look at all processes is good for: a control plane measures its agents one after the other, and there may be hundreds.
const LOOK_GOOD_FOR: Duration = Duration::from_millis(250);

/// The last look at all processes, and when it was.
type Look = Arc<Mutex<Option<(Instant, Arc<Vec<Stat>>)>>>;

/// Runs each agent's host as a detached process with a directory of its own under the state directory.
pub struct LocalBackend {
    dirs: AgentDirs,
    program: PathBuf,
    profiles: Arc<Profiles>,
    path: String,
    look: Look,
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
        Ok(Self { dirs: AgentDirs::open(state_dir)?, program, profiles, path, look: Look::default() })
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
            let hosts = process::hosts();
            let ids = dirs.ids().map_err(Problem::internal)?;
            let found = |id: &AgentId| {
                let dir = dirs.of(id);
                let host = dir.host_among(&hosts);
                Self::found(id, &dir, host)
            };
            Ok(ids.iter().filter_map(found).collect())
        };
        tokio::task::spawn_blocking(listing).await.map_err(Problem::internal)?
    }

    async fn find_host(&self, id: &AgentId) -> Result<Option<FoundHost>, Problem> {
        let dir = self.dirs.of(id);
        Ok(Self::found(id, &dir, dir.host()))
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
        let Some(host) = self.dirs.of(id).host() else { return Err(Problem::no_agent(id)) };
        let look = self.look.clone();
        tokio::task::spawn_blocking(move || Some(usage(host, &processes(&look))))
            .await
            .map_err(Problem::internal)
    }
}

/// All processes, as they are or were a moment ago. Blocks.
fn processes(look: &Look) -> Arc<Vec<Stat>> {
    let mut look = look.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, all)) = &*look
        && at.elapsed() < LOOK_GOOD_FOR
    {
        return all.clone();
    }
    let all = Arc::new(os::all());
    *look = Some((Instant::now(), all.clone()));
    all
}

/// What everything below the host uses. The host adopts whoever loses its parent, so nobody is left out.
#[expect(clippy::cast_precision_loss, reason = "ticks of centuries fit into 53 bits")]
fn usage(host: Process, all: &[Stat]) -> Usage {
    let members = process::descendants(host, all);
    let ticks: u64 = members.iter().map(|stat| stat.cpu_ticks).sum();
    let pages: u64 = members.iter().map(|stat| stat.resident_pages).sum();
    Usage {
        cpu_seconds: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
        memory_bytes: pages * rustix::param::page_size() as u64,
        processes: u32::try_from(members.len()).unwrap_or(u32::MAX),
    }
}
