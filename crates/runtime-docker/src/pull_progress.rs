//! How far the fetches are that agents wait for: shown while they start, and ended with an agent that is stopped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bollard::models::CreateImageInfo;
use parallax_api::AgentId;
use tokio::task::AbortHandle;

/// The most layers that are counted of one image: more than the engine allows.
const MAX_LAYERS: usize = 256;

/// The fetches that agents wait for. Clones share one state.
#[derive(Clone, Debug, Default)]
pub(crate) struct PullProgress(Arc<Mutex<HashMap<AgentId, Fetch>>>);

#[derive(Debug)]
struct Fetch {
    image: String,
    /// Bytes that are here and bytes there are, by layer.
    layers: HashMap<String, (u64, u64)>,
    task: Option<AbortHandle>,
}

/// Held while an agent waits for a fetch.
pub(crate) struct Waiting {
    id: AgentId,
    all: PullProgress,
}

impl PullProgress {
    /// Begins with nothing fetched.
    pub(crate) fn begin(&self, id: &AgentId, image: &str) -> Waiting {
        let fetch = Fetch { image: image.to_owned(), layers: HashMap::new(), task: None };
        self.lock().insert(id.clone(), fetch);
        Waiting { id: id.clone(), all: self.clone() }
    }

    /// The task that fetches, which [`stop`](Self::stop) ends.
    pub(crate) fn runs(&self, id: &AgentId, task: AbortHandle) {
        if let Some(fetch) = self.lock().get_mut(id) {
            fetch.task = Some(task);
        }
    }

    /// Takes what the engine tells of a layer.
    pub(crate) fn step(&self, id: &AgentId, step: &CreateImageInfo) {
        let mut all = self.lock();
        let (Some(fetch), Some(layer)) = (all.get_mut(id), &step.id) else { return };
        let bytes = step.progress_detail.as_ref().and_then(|progress| {
            let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
            Some((number(progress.current)?, number(progress.total)?))
        });
        match (step.status.as_deref().unwrap_or_default(), bytes) {
            ("Downloading", Some((current, total))) if fetch.layers.len() < MAX_LAYERS => {
                fetch.layers.insert(layer.clone(), (current.min(total), total));
            }
            ("Download complete" | "Pull complete", _) => {
                if let Some((current, total)) = fetch.layers.get_mut(layer) {
                    *current = *total;
                }
            }
            _ => {}
        }
    }

    /// For people: `pulling IMAGE … 40 %`. None: the agent waits for no fetch.
    pub(crate) fn detail(&self, id: &AgentId) -> Option<String> {
        let all = self.lock();
        let fetch = all.get(id)?;
        let (here, total) = fetch
            .layers
            .values()
            .fold((0u64, 0u64), |(here, total), layer| (here + layer.0, total + layer.1));
        let percent = here.saturating_mul(100).checked_div(total);
        let percent = percent.map(|percent| format!(" … {percent} %")).unwrap_or_default();
        Some(format!("pulling {}{percent}", fetch.image))
    }

    /// Ends the fetch that an agent waits for. Another agent that waits for the same image has a fetch of its own, which the
    /// engine goes on with.
    pub(crate) fn stop(&self, id: &AgentId) {
        if let Some(task) = self.lock().get(id).and_then(|fetch| fetch.task.clone()) {
            task.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, Fetch>> {
        self.0.lock().expect("nothing panics while it is locked")
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn is_told_over_all_layers() {
        let (pulls, id) = (PullProgress::default(), AgentId::generate());
        assert_eq!(pulls.detail(&id), None);
        let waiting = pulls.begin(&id, "team/cli:1");
        assert_eq!(pulls.detail(&id).unwrap(), "pulling team/cli:1");
        let step = |layer: &str, status: &str, bytes: Option<(i64, i64)>| CreateImageInfo {
            id: Some(layer.into()),
            status: Some(status.into()),
            progress_detail: bytes
                .map(|(current, total)| ProgressDetail { current: Some(current), total: Some(total) }),
            ..CreateImageInfo::default()
        };
        pulls.step(&id, &step("a", "Downloading", Some((10, 50))));
        pulls.step(&id, &step("b", "Downloading", Some((0, 50))));
        assert_eq!(pulls.detail(&id).unwrap(), "pulling team/cli:1 … 10 %");
        pulls.step(&id, &step("a", "Download complete", None));
        pulls.step(&id, &step("a", "Extracting", Some((1, 900))));
        pulls.step(&id, &step("b", "Downloading", Some((-1, 50))));
        assert_eq!(pulls.detail(&id).unwrap(), "pulling team/cli:1 … 50 %");
        drop(waiting);
        assert_eq!(pulls.detail(&id), None);
    }
}
