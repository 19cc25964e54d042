//! One address for every agent on every runtime.
//!
//! A request moves through these pieces:
//!
//! - `routes`: a line a route; a handler extracts, asks, answers
//! - `spawn`: where an agent is spawned: `placement` (a pure function) orders the `runtimes`, and the request
//!   goes to one after the other until one takes it
//! - `app`: where an agent is known: `directory` tells which runtime has it
//! - `relay`: the call goes on to that runtime and the answer comes back as it is; terminals go frame by frame
//!
//! and beside the requests:
//!
//! - `runtimes`: each runtime is asked how it is, by a task of its own
//! - `directory`: each runtime's events are pulled into this server's own log, each exactly once, and its agents
//!   with them; streams of events to clients come from that log
//! - `patterns`: org-chart patterns and their runs; a run uses the same services as the routes
//! - `page`: the web page, compiled in
//!
//! [`ControlPlane::build`] puts them together; [`ControlPlane::serve`] runs them on a listener until a shutdown.

mod app;
mod args;
mod directory;
mod metrics;
mod page;
mod patterns;
mod placement;
mod relay;
mod routes;
mod runtimes;
mod spawn;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use futures::future::join_all;
use parallax_service::events::{DEFAULT_KEEP, EventLog};
use parallax_service::front;
use parallax_service::gate::{Gate, GateConfig};
use parallax_service::idempotency::Idempotency;
use parallax_service::metrics::Metrics;
use parallax_service::serve::{self, DEFAULT_GRACE};
use parallax_service::shutdown::Shutdown;
use parallax_service::store::Store;
use tokio::net::TcpListener;

use app::App;
pub use args::ControlPlaneArgs;
use directory::Directory;
use patterns::{Executions, Library};
pub use routes::document as openapi;
use runtimes::Runtimes;
pub use runtimes::{Credential, RuntimeSpec};
use spawn::{Attempts, Spawner};

/// The tables of the control plane's own.
const MIGRATIONS: &[&str] = &[directory::MIGRATION, spawn::MIGRATION, patterns::MIGRATION];
/// The port unless told otherwise.
pub const DEFAULT_PORT: u16 = 3000;
/// How long serving waits for a first word of the runtimes, so that the first caller finds them as they are.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// What a control plane is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where its database is.
    pub state_dir: PathBuf,
    /// The runtimes it knows.
    pub runtimes: Vec<RuntimeSpec>,
    /// Who and what may reach it.
    pub gate: GateConfig,
}

/// A control plane that is built and not yet serving.
#[derive(Debug)]
pub struct ControlPlane {
    app: App,
    router: Router,
}

impl ControlPlane {
    /// Opens the database and puts the parts together. Nothing is asked of the runtimes yet.
    ///
    /// # Errors
    /// When the state directory cannot be used or is another server's, or a runtime is not configured well.
    pub async fn build(config: Config, shutdown: Shutdown) -> anyhow::Result<Self> {
        let store = Store::open(&config.state_dir, "control-plane", MIGRATIONS)
            .await
            .context("failed to open the control plane's database")?;
        let log = EventLog::open(&store, DEFAULT_KEEP).await?;
        let runtimes = Arc::new(Runtimes::new(config.runtimes)?);
        let directory = Arc::new(Directory::open(store.clone(), log.clone()).await?);
        let attempts = Attempts::new(store.clone());
        let app = App {
            spawner: Spawner { runtimes: runtimes.clone(), directory: directory.clone(), attempts },
            runtimes,
            directory,
            log,
            idempotency: Idempotency::open(&store).await?,
            library: Library::new(store.clone()),
            executions: Executions::new(store),
            shutdown,
        };
        let metrics = Metrics::new("parallax-control-plane", env!("CARGO_PKG_VERSION"));
        metrics::register(&metrics, &app);
        let gate = Gate::new(config.gate.open(&page::OPEN_PATHS));
        let router = front::stand_before(routes::router(app.clone()), gate, &metrics);
        Ok(Self { app, router })
    }

    /// Serves on `listener` until the shutdown it was built with begins, and ends within the usual grace.
    ///
    /// # Errors
    /// When serving fails.
    pub async fn serve(self, listener: TcpListener) -> anyhow::Result<()> {
        let App { runtimes, directory, shutdown, .. } = &self.app;
        let first_look = join_all(runtimes.iter().map(|runtime| runtime.ask()));
        // Out of time: they are shown as away until they say something.
        let _ = tokio::time::timeout(FIRST_LOOK, first_look).await;
        for runtime in runtimes.iter() {
            shutdown.tracker().spawn(runtime.clone().watch(shutdown.clone()));
            shutdown.tracker().spawn(directory::pull(directory.clone(), runtime.clone(), shutdown.clone()));
        }
        self.app.executions.resume(&self.app).await?;
        shutdown.tracker().spawn(patterns::sweep(self.app.clone()));
        serve::serve(listener, self.router, shutdown.clone(), DEFAULT_GRACE).await
    }
}
