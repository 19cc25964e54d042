//! Whether an agent could be spawned here now.

use std::time::{Duration, Instant};

use parallax_api::runtime::RuntimeStatus;
use tokio::sync::Mutex;

use super::core::RuntimeCore;
use crate::backend::{AgentBackend, Health};

/// How long what a place said of itself is believed.
const FRESH: Duration = Duration::from_secs(5);
/// How long a place may take to say it.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// What the place last said of itself. However many ask, the place is asked once at a time.
#[derive(Default)]
pub(super) struct HealthCache(Mutex<Option<(Instant, Health)>>);

impl HealthCache {
    async fn get(&self, backend: &dyn AgentBackend) -> Health {
        let mut cached = self.0.lock().await;
        if let Some((at, health)) = &*cached
            && at.elapsed() < FRESH
        {
            return health.clone();
        }
        let health = tokio::time::timeout(CHECK_TIMEOUT, backend.check()).await.unwrap_or_else(|_| Health {
            trouble: Some(format!("it did not answer within {} s", CHECK_TIMEOUT.as_secs())),
            types: vec![],
        });
        *cached = Some((Instant::now(), health.clone()));
        health
    }
}

impl RuntimeCore {
    /// What this runtime says of itself.
    pub(super) async fn readiness(&self) -> RuntimeStatus {
        let health = self.health.get(&*self.backend).await;
        let reason = match self.shutdown.is_shutting_down() {
            true => Some("the server goes away".into()),
            false => health.trouble,
        };
        RuntimeStatus {
            kind: self.backend.kind(),
            healthy: reason.is_none(),
            reason,
            agents: self.registry.running(),
            capacity: self.settings.max_agents,
            types: health.types,
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}
