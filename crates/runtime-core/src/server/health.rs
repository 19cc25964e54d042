//! Whether an agent could be spawned here now, as the backend says.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::backend::{AgentBackend, Health};

/// How long a check of the backend is good.
const FRESH: Duration = Duration::from_secs(5);
/// How long a check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// The last check. However many requests come, one check runs at a time.
#[derive(Default)]
pub(super) struct HealthCache(Mutex<Option<(Instant, Health)>>);

impl HealthCache {
    pub(super) async fn get(&self, backend: &dyn AgentBackend) -> Health {
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
