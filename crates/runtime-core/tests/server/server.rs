//! The server under test, on a runtime of its own: dropped without a word, it is as if it was killed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parallax_api::client::{Client, EventStream, EventsOptions, Retry};
use parallax_api::{Agent, AgentId, AgentStatus, Code, Event, SpawnRequest};
use parallax_profile::{Profile, Profiles};
use parallax_runtime_core::{
    Environment, Keep, Policy, PortSpace, Repositories, RuntimeConfig, RuntimeServer, Workdirs,
    WorkspacePolicy,
};
use parallax_service::access::AccessConfig;
use parallax_service::shutdown::Shutdown;
use tokio::net::TcpListener;

use crate::backend::ScriptedBackend;

/// How long anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct TestServer {
    pub backend: Arc<ScriptedBackend>,
    pub dir: tempfile::TempDir,
    pub config: RuntimeConfig,
    running: Option<Running>,
}

struct Running {
    runtime: tokio::runtime::Runtime,
    shutdown: Shutdown,
    url: String,
    serving: tokio::task::JoinHandle<()>,
}

impl TestServer {
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// One that is configured otherwise than usual.
    pub async fn with(change: impl FnOnce(&mut RuntimeConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("work");
        std::fs::create_dir(&root).unwrap();
        let mut profiles = Profiles::default();
        profiles.add(Profile::parse("name = 'shell'\ntitle = 'Shell'\n[start]\nprogram = 'bash'\n").unwrap());
        let mut config = RuntimeConfig {
            name: "local".into(),
            state_dir: dir.path().join("state"),
            profiles: Arc::new(profiles),
            max_agents: 10,
            workdirs: Workdirs::Here { default: root.clone(), roots: vec![root] },
            repositories: Repositories::default(),
            workspace_policy: WorkspacePolicy::default(),
            environment: Environment::of([("PATH".into(), "/bin".into()), ("SECRET".into(), "s".into())]),
            ports: PortSpace::MACHINE,
            keep: Keep::default(),
            log_limit: 1 << 20,
            policy: Policy::default(),
            access: AccessConfig::default(),
        };
        change(&mut config);
        let mut started = Self { backend: ScriptedBackend::new(), dir, config, running: None };
        started.start().await;
        started
    }

    pub async fn start(&mut self) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (config, backend, shutdown) = (self.config.clone(), self.backend.clone(), Shutdown::new());
        let ending = shutdown.clone();
        let built = runtime.spawn(async move {
            let server = RuntimeServer::build(config, backend, ending).await.unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            (url, tokio::spawn(async move { server.serve(listener, PATIENCE).await.unwrap() }))
        });
        let (url, serving) = within("the server's start", built).await.unwrap();
        self.running = Some(Running { runtime, shutdown, url, serving });
    }

    /// Ends the server without letting it do anything more.
    pub fn kill(&mut self) {
        self.running.take().expect("a server runs").runtime.shutdown_background();
    }

    /// Ends the server as SIGTERM does.
    pub async fn end(&mut self) {
        let Running { runtime, shutdown, serving, .. } = self.running.take().expect("a server runs");
        shutdown.begin();
        within("the server's end", serving).await.unwrap();
        runtime.shutdown_background();
    }

    pub fn url(&self) -> &str {
        &self.running.as_ref().expect("a server runs").url
    }

    pub fn client(&self) -> Client {
        Client::runtime(self.url(), None).unwrap()
    }

    /// For requests that the typed client would not make.
    pub fn http(&self) -> reqwest::Client {
        // The typed client sets up what both need for TLS.
        self.client();
        reqwest::Client::new()
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.http().get(format!("{}{path}", self.url())).send().await.unwrap()
    }

    /// An agent that is ready.
    pub async fn ready_agent(&self) -> Agent {
        let agent = self.client().spawn(&shell("one")).await.unwrap();
        self.backend.host(&agent.id).become_ready();
        self.until(&agent.id, "it is ready", |agent| agent.status == AgentStatus::Ready).await
    }

    /// Waits until the agent is as wanted.
    pub async fn until(&self, id: &AgentId, what: &str, wanted: impl Fn(&Agent) -> bool) -> Agent {
        let asking = async {
            loop {
                let agent = self.client().get(id).await.unwrap();
                if wanted(&agent) {
                    return agent;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within(what, asking).await
    }

    /// Waits until the agent is forgotten.
    pub async fn until_unknown(&self, id: &AgentId) {
        let asking = async {
            while !self.client().get(id).await.is_err_and(|problem| problem.code == Code::AgentNotFound) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within("the agent to be forgotten", asking).await;
    }

    /// Every event after the one with this id.
    pub async fn events(&self, since: &str) -> EventStream {
        let options = EventsOptions { since: Some(since.into()), retry: Retry::NEVER, ..Default::default() };
        self.client().events(options).await.unwrap()
    }

    pub fn work_dir(&self) -> PathBuf {
        self.dir.path().join("work")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.kill();
        }
    }
}

pub fn shell(name: &str) -> SpawnRequest {
    SpawnRequest { name: name.into(), r#type: "shell".into(), ..Default::default() }
}

pub async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("waited in vain for: {what}"))
}

pub async fn next(events: &mut EventStream) -> Event {
    within("an event", events.next()).await.unwrap()
}

/// Waits until something holds.
pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let looking = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(what, looking).await;
}
