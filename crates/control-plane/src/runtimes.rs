//! The runtimes behind this control plane, and how each one is.
//!
//! Each runtime is asked `GET /ready` by a task of its own ([`Runtime::watch`]), so one that is away slows nothing.
//! What it said last is a [`Reading`] that everybody reads without waiting.

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
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::placement;
pub use link::Unanswered;
pub use spec::{Credential, RuntimeSpec};

/// How often a runtime is asked how it is.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// The same while it is away: that it is back is news that agents wait for.
const ASK_AWAY_EVERY: Duration = Duration::from_millis(500);
/// How long it may take to say so; slower is away.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// A reading younger than this is good enough to place an agent by.
const FRESH: Duration = Duration::from_millis(200);
/// How long a spawn waits for fresh readings. Who is slower is judged by the last one.
const FRESH_TIMEOUT: Duration = Duration::from_secs(1);

/// Every configured runtime, by priority.
#[derive(Debug)]
pub struct Runtimes {
    all: Vec<Arc<Runtime>>,
}

impl Runtimes {
    /// The runtimes of these specifications; asks none of them yet.
    ///
    /// # Errors
    /// When two have one name, or an address or a token cannot be used.
    pub fn new(mut specs: Vec<RuntimeSpec>) -> anyhow::Result<Self> {
        specs.sort_by_key(|spec| spec.priority);
        let mut all: Vec<Arc<Runtime>> = Vec::new();
        for spec in specs {
            ensure!(
                all.iter().all(|known| known.name() != spec.name),
                "two runtimes are named `{}`",
                spec.name
            );
            all.push(Arc::new(Runtime::new(spec)?));
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

    /// How each of them is, as last read.
    pub fn infos(&self) -> Vec<RuntimeInfo> {
        self.all.iter().map(|runtime| runtime.info()).collect()
    }

    /// How each of them is now, as far as a short while tells. Waits for those that were away only when they are
    /// `wanted` by name or kind, or when no other was there.
    pub async fn infos_now(&self, wanted: Option<&str>) -> Vec<RuntimeInfo> {
        let (here, away): (Vec<_>, Vec<_>) =
            self.all.iter().partition(|runtime| runtime.reading().status.healthy);
        let wanted_here =
            |runtime: &&Arc<Runtime>| wanted.is_none_or(|name| placement::is_meant(name, &runtime.info()));
        let here: Vec<_> = here.into_iter().filter(wanted_here).collect();
        refresh(&here).await;
        if !here.iter().any(|runtime| runtime.reading().status.healthy) {
            refresh(&away.into_iter().filter(wanted_here).collect::<Vec<_>>()).await;
        }
        self.infos()
    }
}

async fn refresh(runtimes: &[&Arc<Runtime>]) {
    let old = runtimes.iter().filter(|runtime| runtime.reading().at.is_none_or(|at| at.elapsed() > FRESH));
    // Out of time: what was read last has to do.
    let _ = tokio::time::timeout(FRESH_TIMEOUT, join_all(old.map(|runtime| runtime.ask()))).await;
}

/// One runtime.
#[derive(Debug)]
pub struct Runtime {
    spec: RuntimeSpec,
    client: Client,
    reading: watch::Sender<Reading>,
    /// Somebody had no answer from it: it is asked at once.
    doubted: Notify,
}

/// What a runtime last said of itself, or that it did not.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Its words; when it does not answer, the last ones with `healthy: false` and why.
    pub status: RuntimeStatus,
    /// Whether it answered, healthy or not: its agents can be asked for.
    pub reachable: bool,
    /// When it was asked; never before the first time.
    pub at: Option<Instant>,
}

impl Runtime {
    fn new(spec: RuntimeSpec) -> anyhow::Result<Self> {
        let token = match &spec.token {
            None => None,
            Some(Credential::Secret(secret)) => Some(secret.clone()),
            Some(Credential::Variable(name)) => {
                anyhow::bail!("the token of `{}` was not read from the variable {name}", spec.name)
            }
        };
        let client = Client::runtime(&spec.url, token)
            .with_context(|| format!("cannot use the runtime `{}`", spec.name))?;
        let status = RuntimeStatus {
            kind: spec.kind,
            healthy: false,
            reason: Some("not asked yet".into()),
            agents: 0,
            capacity: 0,
            types: vec![],
            version: String::new(),
        };
        let reading = watch::Sender::new(Reading { status, reachable: false, at: None });
        Ok(Self { spec, client, reading, doubted: Notify::new() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its kind.
    pub fn kind(&self) -> RuntimeKind {
        self.spec.kind
    }

    /// Its typed client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What was last read.
    pub fn reading(&self) -> Reading {
        self.reading.borrow().clone()
    }

    /// Whether its agents can be asked for, as far as is known.
    pub fn is_reachable(&self) -> bool {
        self.reading.borrow().reachable
    }

    /// Waits until it answers.
    pub async fn reachable(&self) {
        // The sender lives as long as `self`.
        let _ = self.reading.subscribe().wait_for(|reading| reading.reachable).await;
    }

    /// How it is, for callers.
    pub fn info(&self) -> RuntimeInfo {
        RuntimeInfo {
            name: self.spec.name.clone(),
            url: self.client.url().to_owned(),
            priority: self.spec.priority,
            status: self.reading().status,
        }
    }

    /// Has it asked at once, because a call to it had no answer.
    pub fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Asks it now.
    pub async fn ask(&self) {
        let asked = tokio::time::timeout(ASK_TIMEOUT, self.client.runtime_status()).await;
        let answer = asked.unwrap_or_else(|_| {
            let seconds = ASK_TIMEOUT.as_secs();
            Err(Problem::new(Code::Timeout, format!("it did not answer within {seconds} s")))
        });
        self.read(answer);
    }

    fn read(&self, answer: Result<RuntimeStatus, Problem>) {
        self.reading.send_modify(|reading| {
            let was = (reading.reachable, reading.status.healthy);
            reading.at = Some(Instant::now());
            match answer {
                Ok(status) if status.kind != self.spec.kind => {
                    reading.reachable = false;
                    reading.status.healthy = false;
                    reading.status.reason =
                        Some(format!("it says that it is `{}`, not `{}`", status.kind, self.spec.kind));
                }
                Ok(status) => {
                    reading.reachable = true;
                    reading.status = status;
                }
                Err(problem) => {
                    reading.reachable = false;
                    reading.status.healthy = false;
                    reading.status.reason = Some(match problem.code {
                        Code::Unauthorized | Code::Forbidden => {
                            format!("it does not let this control plane in: {}", problem.detail)
                        }
                        _ => problem.detail,
                    });
                }
            }
            if was != (reading.reachable, reading.status.healthy) {
                tracing::info!(
                    runtime.name = self.name(),
                    healthy = reading.status.healthy,
                    reason = reading.status.reason.as_deref().unwrap_or(""),
                    "the runtime's health changed"
                );
            }
        });
    }

    /// Asks it now and then, and at once when it is doubted, until the shutdown.
    pub async fn watch(self: Arc<Self>, shutdown: Shutdown) {
        let watching = async {
            loop {
                self.ask().await;
                let pause = if self.is_reachable() { ASK_EVERY } else { ASK_AWAY_EVERY };
                // Out of time is the usual way on: nobody doubted it.
                let _ = tokio::time::timeout(pause, self.doubted.notified()).await;
            }
        };
        tokio::select! {
            () = watching => {}
            () = shutdown.begun() => {}
        }
    }
}
