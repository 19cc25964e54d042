//! The server around one backend.
//!
//! [`RuntimeServer::build`] opens the state, adopts the agents that are still there and makes the routes; [`serve`]
//! puts them on a listener until the shutdown begins. Agents are not ended with the server.
//!
//! [`serve`]: RuntimeServer::serve

mod adopt;
mod archive;
mod backend_events;
mod change_watch;
mod characters;
mod checks;
mod clones;
mod config;
mod control_plane_lease;
mod core;
mod environment;
mod follower;
mod health;
mod kept_workspaces;
mod measuring;
mod metrics;
mod ports;
mod purge;
mod record;
mod registry;
mod repositories;
mod routes;
mod spawn;
mod suspension;
mod undoing;
mod viewing;
mod workdir;
mod workspace_space;
mod workspaces;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use parallax_service::access::Access;
use parallax_service::events::{DEFAULT_KEEP, EventLog};
use parallax_service::idempotency::Idempotency;
use parallax_service::metrics::Metrics;
use parallax_service::middleware;
use parallax_service::serve::serve;
use parallax_service::shutdown::Shutdown;
use parallax_service::websocket::TakeViewers;
use tokio::net::TcpListener;

pub use config::{DEFAULT_MAX_AGENTS, Keep, RuntimeConfig, WorkspacePolicy};
pub use environment::Environment;
pub use ports::PortSpace;
pub use repositories::Repositories;
pub use workdir::Workdirs;

use self::core::RuntimeCore;
use crate::backend::AgentBackend;
use archive::Archive;
use control_plane_lease::ControlPlaneLease;
use follower::StartupGate;
use health::HealthCache;
use metrics::RuntimeMetrics;
use ports::PortClaims;
use registry::Registry;
use routes::App;
use suspension::SuspensionLocks;
use undoing::Undoing;
use workspace_space::Space;

/// A runtime server that is ready to serve: the agents of the last one are known. They are followed once it serves.
pub struct RuntimeServer {
    startup_gate: StartupGate,
    router: Router,
    viewers: Arc<dyn TakeViewers>,
    shutdown: Shutdown,
}

impl RuntimeServer {
    /// Opens the state directory, adopts what is there, makes the routes. `shutdown` ends it, and everything it follows.
    ///
    /// # Errors
    /// When the state directory cannot be used, most often because another server has it.
    pub async fn build(
        config: RuntimeConfig,
        backend: Arc<dyn AgentBackend>,
        shutdown: Shutdown,
    ) -> anyhow::Result<Self> {
        let stores = parallax_store::sqlite::open_runtime(&config.state_dir).await?;
        let metrics =
            Metrics::new(&format!("parallax-runtime-{}", backend.kind()), env!("CARGO_PKG_VERSION"));
        let idempotency = Idempotency::new(stores.idempotency);
        let access = Access::new(config.access.clone());
        let workspaces = workspaces::open(&config, &*backend).context("failed to open the workspaces")?;
        let startup_gate = StartupGate::new();
        let core = Arc::new(RuntimeCore {
            backend,
            registry: Arc::new(Registry::new(config.max_agents)),
            archive: Archive::open(config.state_dir.join("ended"), config.name.clone())
                .context("failed to open the archive")?,
            log: EventLog::open(stores.events, DEFAULT_KEEP).await.context("failed to open the event log")?,
            table: stores.agents,
            storage: stores.health,
            workspaces,
            space: Arc::new(Space::new(config.workspace_policy.max_bytes)),
            ending: Mutex::default(),
            clones_ending: tokio::sync::Mutex::default(),
            health: HealthCache::default(),
            metrics: RuntimeMetrics::new(&metrics),
            config,
            shutdown: shutdown.clone(),
            suspension_locks: SuspensionLocks::default(),
            undoing: Undoing::default(),
            port_claims: PortClaims::default(),
            startup_gate: startup_gate.clone(),
            examining: tokio::sync::Mutex::default(),
        });
        metrics::register_collector(&metrics, core.registry.clone());
        workspace_space::register_collector(&metrics, &core);
        core.backend.register_metrics(&metrics);
        core.restore_workspaces().await.context("failed to find the workspaces that are kept")?;
        core.adopt().await.context("failed to take over the agents of the last server")?;
        core.start_purging();
        core.watch_backend();
        core.watch_suspended();
        core.watch_space();
        let viewers = Arc::new(viewing::Viewers(core.clone()));
        let router = routes::router(App { core, idempotency });
        let router = ControlPlaneLease::default().guard(router);
        Ok(Self {
            startup_gate,
            router: middleware::with_middleware(router, access, &metrics),
            viewers,
            shutdown,
        })
    }

    /// The viewers of its agents, for a control plane in the same process.
    pub fn viewers(&self) -> Arc<dyn TakeViewers> {
        self.viewers.clone()
    }

    /// Serves on `listener` until the shutdown begins; then gives requests and sockets `grace` to end.
    ///
    /// # Errors
    /// When the listener is gone for good.
    pub async fn serve(self, listener: TcpListener, grace: Duration) -> anyhow::Result<()> {
        self.startup_gate.open();
        serve(listener, self.router, self.shutdown, grace).await
    }
}
