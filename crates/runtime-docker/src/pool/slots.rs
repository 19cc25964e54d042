//! Which containers wait, for which agents.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use parallax_profile::Launch;
use parallax_runtime_core::pool::PoolMetrics;
use parallax_service::metrics::Metrics;
use tokio::sync::Notify;

use crate::start::Attached;

/// The pools of a runtime.
#[derive(Default)]
pub(crate) struct Pool {
    pub(super) slots: Vec<Slot>,
    pub(super) claimed: Notify,
    pub(super) drained: AtomicBool,
    pub(super) metrics: PoolMetrics,
}

/// The containers that wait for agents of a type and class.
pub(super) struct Slot {
    /// What an agent of these is without a request of its own: what the container is made for.
    pub(super) template: Launch,
    pub(super) size: usize,
    waiting: Mutex<Vec<Waiting>>,
}

/// A container whose host waits for its launch.
pub(super) struct Waiting {
    pub(super) name: String,
    /// The id of the image that it was made of.
    pub(super) image_id: Option<String>,
    pub(super) attached: Attached,
}

/// A container that is being claimed.
pub(super) struct Borrowed<'a> {
    slot: &'a Slot,
    one: Option<Waiting>,
}

impl Borrowed<'_> {
    /// The container.
    pub(super) fn get(&self) -> &Waiting {
        self.one.as_ref().expect("it is taken at the end alone")
    }

    /// It does not wait any more.
    pub(super) fn keep(mut self) -> Waiting {
        self.one.take().expect("it is taken at the end alone")
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Some(one) = self.one.take() {
            self.slot.put(one);
        }
    }
}

impl Pool {
    /// Pools of these templates and sizes.
    pub(crate) fn new(templates: Vec<(Launch, usize)>) -> Self {
        let slot = |(template, size)| Slot { template, size, waiting: Mutex::default() };
        Self { slots: templates.into_iter().map(slot).collect(), ..Self::default() }
    }

    pub(super) fn count(&self, slot: &Slot) {
        self.metrics.set_ready(&slot.template, slot.count());
    }

    /// Adds the pool's collectors.
    pub(crate) fn register(&self, metrics: &Metrics) {
        if self.slots.is_empty() {
            return;
        }
        self.metrics.register(metrics);
    }
}

impl Slot {
    /// Whether an agent may have one of these: it asks for no place, image or amount of its own.
    pub(super) fn fits(&self, launch: &Launch) -> bool {
        let template = &self.template;
        let resources = |launch: &Launch| {
            let asked = &launch.resources;
            (asked.nano_cpus().ok(), asked.memory_bytes().ok(), asked.disk_bytes().ok(), asked.pids)
        };
        launch.mount.is_none()
            && launch.agent.r#type == template.agent.r#type
            && launch.agent.class == template.agent.class
            && launch.image == template.image
            && resources(launch) == resources(template)
    }

    pub(super) fn take(&self) -> Option<Waiting> {
        let mut waiting = self.waiting.lock().expect("nothing panics while it is locked");
        // The oldest first.
        (!waiting.is_empty()).then(|| waiting.remove(0))
    }

    pub(super) fn put(&self, one: Waiting) {
        self.waiting.lock().expect("nothing panics while it is locked").push(one);
    }

    pub(super) fn count(&self) -> usize {
        self.waiting.lock().expect("nothing panics while it is locked").len()
    }

    pub(super) fn names(&self) -> Vec<String> {
        let waiting = self.waiting.lock().expect("nothing panics while it is locked");
        waiting.iter().map(|one| one.name.clone()).collect()
    }

    /// Takes one that is put back unless it is kept: who claims it may be interrupted at any point.
    pub(super) fn borrow(&self) -> Option<Borrowed<'_>> {
        self.take().map(|one| Borrowed { slot: self, one: Some(one) })
    }

    /// Forgets one.
    pub(super) fn forget(&self, name: &str) {
        self.waiting.lock().expect("nothing panics while it is locked").retain(|one| one.name != name);
    }
}

#[cfg(test)]
mod tests {
    use parallax_api::AgentId;
    use parallax_profile::{Mount, MountSource};

    use super::*;
    use crate::container::tests::launch;

    #[test]
    fn an_agent_with_a_place_or_limits_of_its_own_gets_none() {
        let id = AgentId::generate();
        let slot = Slot { template: launch(&id), size: 1, waiting: Mutex::default() };
        let fits = |change: fn(&mut Launch)| {
            let mut asked = launch(&AgentId::generate());
            asked.prompt = Some("its own".into());
            change(&mut asked);
            slot.fits(&asked)
        };
        assert!(fits(|_| {}));
        assert!(!fits(|asked| asked.agent.r#type = "codex".into()));
        assert!(!fits(|asked| asked.agent.class = Some("small".into())));
        assert!(!fits(|asked| asked.image = Some("debian".into())));
        assert!(!fits(|asked| asked.resources.memory = Some("1Gi".into())));
        assert!(!fits(|asked| asked.resources.pids = Some(5)));
        let mount = Mount { source: MountSource::Volume("work".into()), read_only: false };
        assert!(!slot.fits(&Launch { mount: Some(mount), ..launch(&id) }));
    }
}
