//! A control plane on a free port and scripted runtimes behind it, all in this process.
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use parallax_api::client::{Client, EventStream, EventsOptions, Retry};
use parallax_api::runtime::RuntimeKind;
use parallax_api::{Agent, Event, Problem, SpawnRequest};
use parallax_control_plane::{Config, ControlPlane, DEFAULT_USAGE_INTERVAL, PushConfig, RuntimeSpec};
use parallax_service::access::AccessConfig;
use parallax_service::shutdown::Shutdown;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use crate::scripted_runtime::ScriptedRuntime;

/// No wait in these tests is longer.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A control plane that serves.
pub struct Plane {
    pub address: SocketAddr,
    pub client: Client,
    shutdown: Shutdown,
    serving: JoinHandle<()>,
}

impl Plane {
    /// One over these runtimes, with its state in `dir`.
    pub async fn start(dir: &Path, runtimes: Vec<RuntimeSpec>) -> Self {
        Self::start_with(dir, runtimes, AccessConfig::default()).await
    }

    /// The same that measures agents this often.
    pub async fn start_measuring(dir: &Path, runtimes: Vec<RuntimeSpec>, every: Duration) -> Self {
        Self::start_as(dir, runtimes, AccessConfig::default(), every).await
    }

    pub async fn start_with(dir: &Path, runtimes: Vec<RuntimeSpec>, access: AccessConfig) -> Self {
        Self::start_as(dir, runtimes, access, DEFAULT_USAGE_INTERVAL).await
    }

    async fn start_as(
        dir: &Path,
        runtimes: Vec<RuntimeSpec>,
        access: AccessConfig,
        usage_interval: Duration,
    ) -> Self {
        let shutdown = Shutdown::new();
        let config = Config {
            state_dir: dir.into(),
            runtimes,
            access,
            push: PushConfig::default(),
            proxy_ports: true,
            usage_interval,
        };
        let plane = ControlPlane::build(config, shutdown.clone()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { plane.serve(listener).await.unwrap() });
        let client = Client::control_plane(&format!("http://{address}"), None).unwrap();
        let plane = Self { address, client, shutdown, serving };
        within("the control plane answers", async { while plane.client.health().await.is_err() {} }).await;
        plane
    }

    /// Ends it as SIGTERM does; its state directory is free afterwards.
    pub async fn stop(self) {
        self.shutdown.begin();
        within("the control plane ends", self.serving).await.unwrap();
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn socket_url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    pub async fn spawn(&self, name: &str, runtime: Option<&str>) -> Result<Agent, Problem> {
        let request = SpawnRequest {
            name: name.into(),
            r#type: "claude".into(),
            runtime: runtime.map(str::to_owned),
            ..SpawnRequest::default()
        };
        self.client.spawn(&request).await
    }

    /// The events after `since`; `"0"`: all that are kept.
    pub async fn events(&self, since: Option<&str>) -> EventStream {
        let options = EventsOptions {
            since: since.map(str::to_owned),
            retry: Retry::NEVER,
            ..EventsOptions::default()
        };
        self.client.events(options).await.unwrap()
    }

    /// Waits until the control plane sees the runtime so.
    pub async fn until_reachable(&self, name: &str, reachable: bool) {
        let seen = async {
            loop {
                let runtimes = self.client.runtimes().await.unwrap().runtimes;
                let runtime = runtimes.into_iter().find(|runtime| runtime.name == name).unwrap();
                if runtime.status.healthy == reachable {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        within("the runtime's health is seen", seen).await;
    }
}

/// A runtime and a control plane over it alone.
pub async fn one_runtime() -> (TempDir, ScriptedRuntime, Plane) {
    let dir = TempDir::new().unwrap();
    let runtime = ScriptedRuntime::start(RuntimeKind::Local).await;
    let plane = Plane::start(dir.path(), vec![runtime.spec("local")]).await;
    (dir, runtime, plane)
}

/// The next `count` events.
pub async fn take(events: &mut EventStream, count: usize) -> Vec<Event> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.push(within("an event comes", events.next()).await.unwrap());
    }
    taken
}

/// Waits for `work`, not for ever, and says what was waited for.
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("waited in vain until {what}"))
}

/// Waits until `is_so`, looking again and again.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let looking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(what, looking).await;
}
