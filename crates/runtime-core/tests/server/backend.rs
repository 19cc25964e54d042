//! A scripted backend: its hosts do what a test tells them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use parallax_api::runtime::{RuntimeKind, TypeInfo};
use parallax_api::{Agent, AgentId, Code, Problem};
use parallax_profile::Launch;
use parallax_runtime_core::{AgentBackend, FoundHost, Health, HostAddress, KeptWorkspace, Usage};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::host::Host;

/// A backend whose hosts live as long as it does, or until a test kills them.
pub struct ScriptedBackend {
    dir: tempfile::TempDir,
    hosts: Mutex<HashMap<AgentId, Arc<Host>>>,
    /// What is kept of workspaces, or why that is not known.
    pub kept: Mutex<Result<Option<Vec<KeptWorkspace>>, Problem>>,
    /// What launches answer instead of starting.
    pub refusal: Mutex<Option<Problem>>,
    /// A launch starts its host, then never answers: as if the server died in it.
    pub hangs: Mutex<bool>,
    /// Removing answers that the engine is away.
    pub keeps: Mutex<bool>,
    /// What looks for this host answer instead of looking, one after another.
    pub lookups: Mutex<HashMap<AgentId, VecDeque<Problem>>>,
    /// Where the files of a dead host are.
    pub files: Mutex<HashMap<AgentId, PathBuf>>,
    /// What handing them out waits for; each takes a permit. None: nothing.
    pub files_gate: Mutex<Option<Arc<Semaphore>>>,
    /// What was launched, newest last.
    pub launches: Mutex<Vec<Launch>>,
    /// Agents that have ended and run again by the backend's own doing.
    pub returning: Mutex<HashSet<AgentId>>,
    /// Removing an agent makes it one of those.
    pub moves: Mutex<bool>,
    /// Agents of which is kept what brings them back.
    pub suspended: Mutex<HashSet<AgentId>>,
    pub volumes: Volumes,
}

/// The volumes of workspaces.
#[derive(Default)]
pub struct Volumes {
    /// Those that are there. None: agents work in directories of this machine.
    pub there: Mutex<Option<HashSet<AgentId>>>,
    /// Whether one is there cannot be told.
    pub are_away: Mutex<bool>,
    /// What removals answer instead of removing, one after another.
    pub refusals: Mutex<VecDeque<Problem>>,
    /// What is found in them, one look after another. Nobody can look any more when there are none left.
    pub looks: Mutex<VecDeque<Value>>,
}

impl Volumes {
    pub fn holds(&self, id: &AgentId) -> bool {
        self.there.lock().unwrap().as_ref().is_some_and(|there| there.contains(id))
    }
}

impl ScriptedBackend {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            dir: tempfile::tempdir().unwrap(),
            hosts: Mutex::default(),
            kept: Mutex::new(Ok(None)),
            refusal: Mutex::default(),
            hangs: Mutex::default(),
            keeps: Mutex::default(),
            lookups: Mutex::default(),
            files: Mutex::default(),
            files_gate: Mutex::default(),
            launches: Mutex::default(),
            returning: Mutex::default(),
            moves: Mutex::default(),
            suspended: Mutex::default(),
            volumes: Volumes::default(),
        })
    }

    pub fn host(&self, id: &AgentId) -> Arc<Host> {
        self.hosts.lock().unwrap()[id].clone()
    }

    /// How many hosts there are, dead ones that were not removed included.
    pub fn count(&self) -> usize {
        self.hosts.lock().unwrap().len()
    }

    /// An agent that was moved runs again.
    pub fn bring_back(&self, id: &AgentId) -> Arc<Host> {
        let launch =
            self.launches.lock().unwrap().iter().find(|launch| launch.agent.id == *id).cloned().unwrap();
        self.returning.lock().unwrap().remove(id);
        self.start(&launch)
    }

    fn start(&self, launch: &Launch) -> Arc<Host> {
        let id = &launch.agent.id;
        let host = Host::start(self.dir.path().join(id.as_str()), launch.agent.clone());
        self.hosts.lock().unwrap().insert(id.clone(), host.clone());
        host
    }
}

#[async_trait]
impl AgentBackend for ScriptedBackend {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Local
    }

    async fn kept_workspaces(&self) -> Result<Option<Vec<KeptWorkspace>>, Problem> {
        self.kept.lock().unwrap().clone()
    }

    async fn check(&self) -> Health {
        let shell = TypeInfo { name: "shell".into(), available: true, reason: None, version: None };
        Health { trouble: None, types: vec![shell] }
    }

    async fn launch(&self, _: &AgentId, launch: &Launch) -> Result<HostAddress, Problem> {
        self.launches.lock().unwrap().push(launch.clone());
        if let Some(problem) = self.refusal.lock().unwrap().clone() {
            return Err(problem);
        }
        let host = self.start(launch);
        if *self.hangs.lock().unwrap() {
            std::future::pending::<()>().await;
        }
        Ok(HostAddress::Unix(host.socket.clone()))
    }

    async fn list_hosts(&self) -> Result<Vec<FoundHost>, Problem> {
        let hosts = self.hosts.lock().unwrap();
        let survivor = |(id, host): (&AgentId, &Arc<Host>)| FoundHost {
            id: id.clone(),
            address: host.lives().then(|| HostAddress::Unix(host.socket.clone())),
            ended: None,
        };
        Ok(hosts.iter().map(survivor).collect())
    }

    async fn find_host(&self, id: &AgentId) -> Result<Option<FoundHost>, Problem> {
        if let Some(problem) = self.lookups.lock().unwrap().get_mut(id).and_then(VecDeque::pop_front) {
            return Err(problem);
        }
        Ok(self.list_hosts().await?.into_iter().find(|host| host.id == *id))
    }

    async fn host_files(&self, id: &AgentId, _: &Path) -> Result<Option<PathBuf>, Problem> {
        assert!(!self.host(id).lives(), "only the files of a dead host are asked for");
        let gate = self.files_gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        Ok(self.files.lock().unwrap().get(id).cloned())
    }

    async fn kill(&self, id: &AgentId) -> Result<(), Problem> {
        self.host(id).die();
        Ok(())
    }

    async fn remove(&self, id: &AgentId, _: Duration) -> Result<(), Problem> {
        if *self.keeps.lock().unwrap() {
            return Err(Problem::new(Code::RuntimeUnavailable, "the engine is away"));
        }
        if let Some(host) = self.hosts.lock().unwrap().remove(id) {
            host.die();
            // One that did not get so far has none.
            let _ = std::fs::remove_file(&host.socket);
            if *self.moves.lock().unwrap() {
                self.returning.lock().unwrap().insert(id.clone());
            }
        }
        Ok(())
    }

    fn may_return(&self, id: &AgentId) -> bool {
        self.returning.lock().unwrap().contains(id)
    }

    async fn holds_suspended(&self, id: &AgentId) -> Result<bool, Problem> {
        Ok(self.suspended.lock().unwrap().contains(id))
    }

    async fn discard_suspended(&self, id: &AgentId) -> Result<(), Problem> {
        self.remove(id, Duration::ZERO).await?;
        self.returning.lock().unwrap().remove(id);
        self.suspended.lock().unwrap().remove(id);
        Ok(())
    }

    fn workspace_volume(&self, id: &AgentId) -> Option<String> {
        self.volumes.there.lock().unwrap().is_some().then(|| format!("volume-{id}"))
    }

    fn shares_workspaces(&self) -> bool {
        self.volumes.there.lock().unwrap().is_some()
    }

    async fn make_workspace(&self, agent: &Agent, _: &KeptWorkspace) -> Result<(), Problem> {
        self.volumes.there.lock().unwrap().as_mut().unwrap().insert(agent.id.clone());
        Ok(())
    }

    async fn holds_workspace(&self, id: &AgentId) -> Result<bool, Problem> {
        match *self.volumes.are_away.lock().unwrap() {
            true => Err(Problem::new(Code::RuntimeUnavailable, "the engine is away")),
            false => Ok(self.volumes.holds(id)),
        }
    }

    async fn look_into_workspace(&self, _: &AgentId) -> Result<Vec<u8>, Problem> {
        let found = self.volumes.looks.lock().unwrap().pop_front();
        let found = found.ok_or_else(|| Problem::new(Code::Unsupported, "nobody can look"))?;
        Ok(found.to_string().into_bytes())
    }

    async fn remove_workspace(&self, id: &AgentId) -> Result<(), Problem> {
        if let Some(problem) = self.volumes.refusals.lock().unwrap().pop_front() {
            return Err(problem);
        }
        self.volumes.there.lock().unwrap().as_mut().unwrap().remove(id);
        Ok(())
    }

    async fn usage(&self, _: &AgentId) -> Result<Option<Usage>, Problem> {
        Ok(Some(Usage { cpu_seconds: 1.5, memory_bytes: 4096, processes: 2 }))
    }
}
