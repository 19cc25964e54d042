//! One address for every agent on every runtime.
//!
//! A request moves through these pieces:
//!
//! - `routes`: a line a route; a handler extracts, calls a service, responds
//! - `spawn`: spawns an agent: `placement` (a pure function) orders the `runtimes`, and the request goes to one after
//!   the other until one takes it
//! - `locate`: finds the runtime that has an agent, in the `agent_cache` or by asking the runtimes
//! - `relay`: proxies the call to that runtime and the response back as it is; terminals go frame by frame,
//!   unless the runtime is in this process and takes the viewer's connection
//!
//! - `ports`: proxies what agents serve, over a tunnel through the runtime
//!
//! and beside the requests:
//!
//! - `runtimes`: the health of each runtime is probed by a task of its own; `identity`: each serves one control plane at a time
//! - `agent_cache`: each runtime's events are followed into this server's own event log, each exactly once, and update
//!   the cached agents; streams of events to clients come from that log
//! - `patterns`: org-chart patterns and their runs; a run uses the same services as the routes
//! - `presets`: named spawn requests
//! - `search`: an index of what agents were told, said and showed
//! - `usage`: what agents use, measured and kept
//! - `push`: devices that are told by Web Push when somebody waits
//! - `web_ui`: the web UI, compiled in
//!
//! [`ControlPlane::build`] puts them together; [`ControlPlane::serve`] runs them on a listener until a shutdown.

mod agent_cache;
mod app;
mod args;
mod identity;
mod locate;
mod metrics;
mod patterns;
mod placement;
mod ports;
mod presets;
mod push;
mod relay;
mod routes;
mod runtimes;
mod search;
mod spawn;
mod usage;
mod web_ui;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use futures::future::join_all;
use parallax_service::access::{Access, AccessConfig};
use parallax_service::events::{DEFAULT_KEEP, EventLog};
use parallax_service::idempotency::Idempotency;
use parallax_service::metrics::Metrics;
use parallax_service::middleware;
use parallax_service::serve::{self, DEFAULT_GRACE};
use parallax_service::shutdown::Shutdown;
use tokio::net::TcpListener;

use agent_cache::AgentCache;
use app::{App, Parts};
pub use args::ControlPlaneArgs;
use locate::AgentLocator;
use patterns::{Library, RunServices, Runs};
use ports::Ports;
use presets::Presets;
use push::Push;
pub use push::PushConfig;
pub use routes::document as openapi;
use runtimes::Runtimes;
pub use runtimes::{Credential, RuntimeSpec};
use search::Search;
use spawn::Spawner;
pub use usage::DEFAULT_EVERY as DEFAULT_USAGE_INTERVAL;
use usage::Usage;

/// The default port.
pub const DEFAULT_PORT: u16 = 3000;
/// How long serving waits for the first probe of the runtimes, so that the first caller finds them as they are.
const FIRST_PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Configuration of a control plane.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory of its database.
    pub state_dir: PathBuf,
    /// The runtimes it knows.
    pub runtimes: Vec<RuntimeSpec>,
    /// Access control.
    pub access: AccessConfig,
    /// Web Push.
    pub push: PushConfig,
    /// Whether it proxies what agents serve on their ports.
    pub proxy_ports: bool,
    /// How often agents are measured.
    pub usage_interval: Duration,
}

/// A control plane that is built and not yet serving.
#[derive(Debug)]
pub struct ControlPlane {
    app: App,
    router: Router,
}

impl ControlPlane {
    /// Opens the database and puts the parts together. The runtimes are not contacted yet.
    ///
    /// # Errors
    /// When the state directory cannot be used or is another server's, or the configuration of a runtime is not valid.
    pub async fn build(config: Config, shutdown: Shutdown) -> anyhow::Result<Self> {
        let stores = parallax_store::sqlite::open_control_plane(&config.state_dir)
            .await
            .context("failed to open the control plane's database")?;
        let log = EventLog::open(stores.events, DEFAULT_KEEP).await?;
        let runtimes = Arc::new(Runtimes::new(config.runtimes, &identity::of(&config.state_dir))?);
        let names = runtimes.iter().map(|runtime| runtime.name().to_owned()).collect();
        let cache = Arc::new(AgentCache::open(stores.published, log.clone(), names).await?);
        let idempotency = Idempotency::new(stores.idempotency);
        let locator = AgentLocator { runtimes: runtimes.clone(), cache: cache.clone() };
        let presets = Presets::new(stores.presets);
        let spawner = Spawner {
            runtimes: runtimes.clone(),
            cache: cache.clone(),
            attempts: stores.attempts,
            presets: presets.clone(),
        };
        let services = RunServices {
            locator: locator.clone(),
            spawner: spawner.clone(),
            idempotency: idempotency.clone(),
            log: log.clone(),
            shutdown: shutdown.clone(),
        };
        let library = Library::new(stores.patterns);
        let (search, usage) = tokio::join!(
            Search::open(&config.state_dir, locator.clone()),
            Usage::open(&config.state_dir, locator.clone(), config.usage_interval),
        );
        let search = search.context("failed to open the index of texts")?;
        let usage = usage.context("failed to open the database of what agents use")?;
        let push = Push::new(stores.devices, config.push, config.state_dir, shutdown.clone());
        let runs = Runs::new(stores.runs, stores.health.clone(), services);
        let access = Access::new(config.access.open(&web_ui::OPEN_PATHS));
        let ports = Ports::new(config.proxy_ports, access.path_keys());
        let app = App::new(Parts {
            runtimes,
            cache,
            locator,
            spawner,
            log,
            idempotency,
            library,
            presets,
            push,
            search,
            usage,
            ports,
            runs,
            storage: stores.health,
            shutdown,
        });
        let metrics = Metrics::new("parallax-control-plane", env!("CARGO_PKG_VERSION"));
        metrics::register(&metrics, &app);
        let router = middleware::with_middleware(routes::router(app.clone()), access, &metrics);
        Ok(Self { app, router })
    }

    /// Serves on `listener` until the shutdown it was built with begins, and ends within the usual grace.
    ///
    /// # Errors
    /// When serving fails.
    pub async fn serve(self, listener: TcpListener) -> anyhow::Result<()> {
        let Parts { runtimes, cache, runs, push, search, usage, log, shutdown, .. } = &*self.app;
        let first_probe = join_all(runtimes.iter().map(|runtime| runtime.probe()));
        // After a timeout they are shown as unreachable until they answer.
        let _ = tokio::time::timeout(FIRST_PROBE_TIMEOUT, first_probe).await;
        for runtime in runtimes.iter() {
            shutdown.tracker().spawn(runtime.clone().watch(shutdown.clone()));
            shutdown.tracker().spawn(agent_cache::sync(cache.clone(), runtime.clone(), shutdown.clone()));
        }
        runs.resume().await?;
        push.resume().await?;
        shutdown.tracker().spawn(search.clone().follow(log.clone(), shutdown.clone()));
        shutdown.tracker().spawn(usage.clone().follow(shutdown.clone()));
        let following =
            push::follow(push.clone(), cache.clone(), runs.clone(), log.clone(), shutdown.clone());
        shutdown.tracker().spawn(following);
        shutdown.tracker().spawn(patterns::sweep(runs.clone()));
        serve::serve(listener, self.router, shutdown.clone(), DEFAULT_GRACE).await
    }
}
