//! What the backend needs, looked at when somebody asks: `POST /api/checks`.

use std::sync::Arc;
use std::time::Duration;

use parallax_api::check::CheckList;
use parallax_api::{Code, Problem};

use super::core::RuntimeCore;

/// How long all of it may take: a container is started for it, and what cannot be reached is waited for.
const TIMEOUT: Duration = Duration::from_secs(60);

impl RuntimeCore {
    /// Looks at what the backend needs. One at a time: it may start something of its own. Fails with `TIMEOUT`.
    pub(super) async fn checks(self: &Arc<Self>) -> Result<CheckList, Problem> {
        let core = self.clone();
        // Of its own, and to its end: who stops waiting must not leave a container behind.
        let examining = self.shutdown.tracker().spawn(async move {
            let _one = core.examining.lock().await;
            core.backend.examine().await
        });
        let checks = tokio::time::timeout(TIMEOUT, examining).await.map_err(|_| {
            let seconds = TIMEOUT.as_secs();
            Problem::new(Code::Timeout, format!("the runtime did not find out within {seconds} s how it is"))
        })?;
        Ok(CheckList { checks: checks.map_err(Problem::internal)? })
    }
}
