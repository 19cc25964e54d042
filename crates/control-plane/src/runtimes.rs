//! The runtimes behind this control plane, and the health of each.
//!
//! A task per runtime probes its `GET /ready` ([`Runtime::watch`]), so that an unreachable one delays no request.
//! Requests read the last [`HealthSnapshot`] without waiting.

mod link;
mod spec;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures::future::join_all;
use parallax_api::client::Client;
use parallax_api::runtime::{RuntimeInfo, RuntimeKind, RuntimeStatus};
use parallax_api::{Code, Problem};
use parallax_service::shutdown::Shutdown;
use parallax_service::websocket::TakeViewers;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::placement;
pub use link::Unanswered;
pub use spec::{Credential, RuntimeSpec};

/// How often a runtime is probed.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);
/// The same while it is unreachable: requests wait for it to come back.
const PROBE_AWAY_INTERVAL: Duration = Duration::from_millis(500);
/// The same while it serves another control plane, which is to find it first when it was restarted.
const PROBE_TAKEN_INTERVAL: Duration = Duration::from_secs(5);
/// How long a probe may take; a slower runtime counts as unreachable.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// A snapshot younger than this is good enough to place an agent by.
const FRESH_FOR: Duration = Duration::from_millis(200);
/// How long a spawn waits for fresh snapshots. A slower runtime is judged by its last one.
const FRESH_TIMEOUT: Duration = Duration::from_secs(1);

/// Every configured runtime, by priority.
#[derive(Debug)]
pub struct Runtimes {
    all: Vec<Arc<Runtime>>,
}

impl Runtimes {
    /// The runtimes of these specifications, for the control plane with this name; contacts none of them yet.
    ///
    /// # Errors
    /// When two have one name, or an address or a token cannot be used.
    pub fn new(mut specs: Vec<RuntimeSpec>, identity: &str) -> anyhow::Result<Self> {
        specs.sort_by_key(|spec| spec.priority);
        let mut all: Vec<Arc<Runtime>> = Vec::new();
        for spec in specs {
            ensure!(
                all.iter().all(|known| known.name() != spec.name),
                "two runtimes are named `{}`",
                spec.name
            );
            all.push(Arc::new(Runtime::new(spec, identity)?));
        }
        Ok(Self { all })
    }

    /// All of them, by priority.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Runtime>> {
        self.all.iter()
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Runtime>> {
        self.all.iter().find(|runtime| runtime.name() == name)
    }

    /// The last known state of each.
    pub fn infos(&self) -> Vec<RuntimeInfo> {
        self.all.iter().map(|runtime| runtime.info()).collect()
    }

    /// The current state of each, probed again with a short timeout. Unreachable ones are probed only when they are
    /// `wanted` by name or kind, or when no other is healthy.
    pub async fn infos_now(&self, wanted: Option<&str>) -> Vec<RuntimeInfo> {
        let (here, away): (Vec<_>, Vec<_>) =
            self.all.iter().partition(|runtime| runtime.health().status.healthy);
        let wanted_here =
            |runtime: &&Arc<Runtime>| wanted.is_none_or(|name| placement::is_meant(name, &runtime.info()));
        let here: Vec<_> = here.into_iter().filter(wanted_here).collect();
        refresh(&here).await;
        if !here.iter().any(|runtime| runtime.health().status.healthy) {
            refresh(&away.into_iter().filter(wanted_here).collect::<Vec<_>>()).await;
        }
        self.infos()
    }
}

async fn refresh(runtimes: &[&Arc<Runtime>]) {
    let old = runtimes.iter().filter(|runtime| runtime.health().at.is_none_or(|at| at.elapsed() > FRESH_FOR));
    // After a timeout the last snapshot is used.
    let _ = tokio::time::timeout(FRESH_TIMEOUT, join_all(old.map(|runtime| runtime.probe()))).await;
}

/// One runtime.
#[derive(Debug)]
pub struct Runtime {
    spec: RuntimeSpec,
    client: Client,
    health_tx: watch::Sender<HealthSnapshot>,
    /// A call had no answer: the runtime is probed at once.
    recheck_requested: Notify,
}

/// The result of the last probe of a runtime.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthSnapshot {
    /// Its own status; when it does not answer, the last one with `healthy: false` and the reason.
    pub status: RuntimeStatus,
    /// Whether it answered, healthy or not: its agents can be reached.
    pub reachable: bool,
    /// Whether it serves another control plane.
    pub is_taken: bool,
    /// When it was probed; none before the first probe.
    pub at: Option<Instant>,
}

impl Runtime {
    fn new(spec: RuntimeSpec, identity: &str) -> anyhow::Result<Self> {
        let token = match &spec.token {
            None => None,
            Some(Credential::Secret(secret)) => Some(secret.clone()),
            Some(Credential::Variable(name)) => {
                anyhow::bail!("the token of `{}` was not read from the variable {name}", spec.name)
            }
        };
        let client = Client::runtime(&spec.url, token)
            .and_then(|client| client.of_control_plane(identity))
            .with_context(|| format!("cannot use the runtime `{}`", spec.name))?;
        let status = RuntimeStatus {
            kind: spec.kind,
            healthy: false,
            reason: Some("not asked yet".into()),
            agents: 0,
            capacity: 0,
            classes: Vec::new(),
            types: vec![],
            version: String::new(),
            storage: None,
            workspaces: None,
        };
        let health_tx =
            watch::Sender::new(HealthSnapshot { status, reachable: false, is_taken: false, at: None });
        Ok(Self { spec, client, health_tx, recheck_requested: Notify::new() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Who takes viewers of its agents, where it runs in this process.
    pub fn viewers(&self) -> Option<&Arc<dyn TakeViewers>> {
        self.spec.viewers.as_ref()
    }

    /// Its kind.
    pub fn kind(&self) -> RuntimeKind {
        self.spec.kind
    }

    /// Its typed client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The result of the last probe.
    pub fn health(&self) -> HealthSnapshot {
        self.health_tx.borrow().clone()
    }

    /// Whether it answered the last probe.
    pub fn is_reachable(&self) -> bool {
        self.health_tx.borrow().reachable
    }

    /// Waits until it answers.
    pub async fn reachable(&self) {
        // The sender lives as long as `self`.
        let _ = self.health_tx.subscribe().wait_for(|health| health.reachable).await;
    }

    /// Its state, for callers.
    pub fn info(&self) -> RuntimeInfo {
        RuntimeInfo {
            name: self.spec.name.clone(),
            url: self.client.url().to_owned(),
            priority: self.spec.priority,
            status: self.health().status,
        }
    }

    /// Has it probed at once, because a call to it had no answer.
    pub fn recheck(&self) {
        self.recheck_requested.notify_one();
    }

    /// Probes it now.
    pub async fn probe(&self) {
        let asking = async {
            let status = self.client.runtime_status().await?;
            // One that serves another control plane is as good as away.
            self.client.take_runtime().await.map(|()| status)
        };
        let asked = tokio::time::timeout(PROBE_TIMEOUT, asking).await;
        let answer = asked.unwrap_or_else(|_| {
            let seconds = PROBE_TIMEOUT.as_secs();
            Err(Problem::new(Code::Timeout, format!("it did not answer within {seconds} s")))
        });
        self.update(answer);
    }

    fn update(&self, answer: Result<RuntimeStatus, Problem>) {
        self.health_tx.send_modify(|health| {
            let was = (health.reachable, health.status.healthy);
            health.at = Some(Instant::now());
            health.is_taken = answer.as_ref().is_err_and(|problem| problem.code == Code::Conflict);
            match answer {
                Ok(status) if status.kind != self.spec.kind => {
                    health.reachable = false;
                    health.status.healthy = false;
                    health.status.reason =
                        Some(format!("it says that it is `{}`, not `{}`", status.kind, self.spec.kind));
                }
                Ok(status) => {
                    health.reachable = true;
                    health.status = status;
                }
                Err(problem) => {
                    health.reachable = false;
                    health.status.healthy = false;
                    health.status.reason = Some(match problem.code {
                        Code::Unauthorized | Code::Forbidden => {
                            format!("it does not let this control plane in: {}", problem.detail)
                        }
                        _ => problem.detail,
                    });
                }
            }
            if was != (health.reachable, health.status.healthy) {
                tracing::info!(
                    runtime.name = self.name(),
                    healthy = health.status.healthy,
                    reason = health.status.reason.as_deref().unwrap_or(""),
                    "the runtime's health changed"
                );
            }
        });
    }

    /// Probes it in intervals, and at once after [`Runtime::recheck`], until the shutdown.
    pub async fn watch(self: Arc<Self>, shutdown: Shutdown) {
        let watching = async {
            loop {
                self.probe().await;
                let pause = match self.health() {
                    health if health.is_taken => PROBE_TAKEN_INTERVAL,
                    health if health.reachable => PROBE_INTERVAL,
                    _ => PROBE_AWAY_INTERVAL,
                };
                // A timeout is the common case: no recheck was requested.
                let _ = tokio::time::timeout(pause, self.recheck_requested.notified()).await;
            }
        };
        tokio::select! {
            () = watching => {}
            () = shutdown.begun() => {}
        }
    }
}
