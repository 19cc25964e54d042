//! How much an agent may write outside of volumes, where the engine's driver can limit that. Its own volume, and everything
//! where the driver cannot, is watched by its host.

use std::sync::atomic::{AtomicBool, Ordering};

use bollard::Docker;
use bollard::models::SystemInfo;
use parallax_api::Problem;
use tokio::sync::OnceCell;

use crate::engine;

/// What is known of the engine's driver.
#[derive(Default)]
pub(crate) struct Storage {
    may_limit: OnceCell<bool>,
    /// The driver refused: whether an xfs has project quotas is not told before.
    refused: AtomicBool,
}

impl Storage {
    /// The limit to give the engine; none where its driver knows none.
    pub(crate) async fn limit(&self, docker: &Docker, bytes: u64) -> Result<Option<u64>, Problem> {
        let ask = || async {
            let info = docker.info().await.map_err(|error| engine::problem("describe itself", &error))?;
            Ok::<_, Problem>(may_limit(&info))
        };
        let may_limit = *self.may_limit.get_or_try_init(ask).await?;
        Ok((may_limit && !self.refused.load(Ordering::Relaxed)).then_some(bytes))
    }

    /// Whether a refusal is the driver's. Then it is not asked again.
    pub(crate) fn is_refusal(&self, problem: &Problem) -> bool {
        let words = problem.detail.to_lowercase();
        let refused =
            words.contains("storage-opt") || words.contains("storage opt") || words.contains("quota");
        if refused && !self.refused.swap(true, Ordering::Relaxed) {
            tracing::info!(
                error = problem.detail,
                "the engine's storage driver limits no container; hosts watch the disk space of their agents alone"
            );
        }
        refused
    }
}

/// The drivers with quotas; overlay2 has them on an xfs that was mounted for them.
fn may_limit(info: &SystemInfo) -> bool {
    let backing = info.driver_status.iter().flatten().find_map(|pair| match pair.as_slice() {
        [name, value] if name == "Backing Filesystem" => Some(value.as_str()),
        _ => None,
    });
    match info.driver.as_deref() {
        Some("btrfs" | "zfs" | "devicemapper") => true,
        Some("overlay2") => backing == Some("xfs"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_that_may_limit() {
        let info = |driver: &str, backing: &str| SystemInfo {
            driver: Some(driver.into()),
            driver_status: Some(vec![vec!["Backing Filesystem".into(), backing.into()]]),
            ..SystemInfo::default()
        };
        assert!(may_limit(&info("overlay2", "xfs")) && may_limit(&info("zfs", "zfs")));
        assert!(!may_limit(&info("overlay2", "extfs")) && !may_limit(&info("vfs", "extfs")));
    }

    #[test]
    fn a_driver_that_refused_is_not_asked_again() {
        let storage = Storage::default();
        let refusal = Problem::internal(
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
        );
        assert!(!storage.is_refusal(&Problem::internal("no space left on device")));
        assert!(storage.is_refusal(&refusal) && storage.refused.load(Ordering::Relaxed));
    }
}
