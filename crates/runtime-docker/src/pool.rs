//! The warm pool: containers whose hosts wait for a launch, so that an agent starts without the engine.
//!
//! A waiting container is an agent's in everything but the launch: the image of its type, the limits of its class, an empty
//! workdir. Its host has been started and reads its standard input, on which the launch comes, as on a cold start; it listens to
//! nothing before. Claimed, the container gets the agent's name and is the agent's for good: none is used twice. The server
//! holds the standard input of those that wait, so they end with it; what is left of them the next server removes.

pub(crate) mod template;

use std::collections::HashSet;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder,
};
use futures::future::join_all;
use parallax_api::agent::is_class;
use parallax_api::{AgentId, Problem};
use parallax_profile::Launch;
use parallax_service::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use serde::Deserialize;
use tokio::sync::Notify;

use crate::context::Context;
use crate::layout::{container_name, label};
use crate::start::{self, Attached};
use crate::{engine, launch};

/// The most containers that wait for one type and class.
const MAX_SIZE: usize = 32;
/// How often the pool is looked after when nothing is claimed: containers end, images are built anew.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// How long after a failure it is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// How the names of waiting containers begin. No agent's container can have such a name.
const NAME_PREFIX: &str = "parallax.pool.";

/// How many containers wait for agents of a type and class.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PoolSpec {
    /// The agent type.
    pub r#type: String,
    /// The class; none: agents without one, or of the default class.
    #[serde(default)]
    pub class: Option<String>,
    /// How many wait.
    pub size: usize,
}

impl FromStr for PoolSpec {
    type Err = anyhow::Error;

    /// `TYPE=SIZE` or `TYPE/CLASS=SIZE`.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (what, size) = text.split_once('=').context("a pool is TYPE=SIZE or TYPE/CLASS=SIZE")?;
        let (r#type, class) = match what.split_once('/') {
            Some((r#type, class)) => (r#type, Some(class.to_owned())),
            None => (what, None),
        };
        let size = size.parse().with_context(|| format!("`{size}` is no number of containers"))?;
        Ok(Self { r#type: r#type.to_owned(), class, size })
    }
}

impl PoolSpec {
    /// Fails for what cannot be a pool.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.r#type.is_empty(), "a pool needs an agent type");
        ensure!(
            (1..=MAX_SIZE).contains(&self.size),
            "a pool has 1 to {MAX_SIZE} containers, not {}",
            self.size
        );
        ensure!(self.class.as_deref().is_none_or(is_class), "a pool's class is the name of a class");
        Ok(())
    }
}

/// The pools of a runtime.
#[derive(Default)]
pub(crate) struct Pool {
    slots: Vec<Slot>,
    claimed: Notify,
    drained: AtomicBool,
    ready: Family<SlotLabels, Gauge>,
    claims: Family<ClaimLabels, Counter>,
}

/// The containers that wait for agents of a type and class.
struct Slot {
    /// What an agent of these is without a request of its own: what the container is made for.
    template: Launch,
    size: usize,
    waiting: Mutex<Vec<Waiting>>,
}

/// A container whose host waits for its launch.
struct Waiting {
    name: String,
    /// The id of the image that it was made of.
    image_id: Option<String>,
    attached: Attached,
}

/// Labels of `parallax_docker_pool_ready`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SlotLabels {
    r#type: String,
    class: String,
}

/// Labels of `parallax_docker_pool_claims_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClaimLabels {
    r#type: String,
    class: String,
    start: &'static str,
}

impl Pool {
    /// Pools of these templates and sizes.
    pub(crate) fn new(templates: Vec<(Launch, usize)>) -> Self {
        let slot = |(template, size)| Slot { template, size, waiting: Mutex::default() };
        Self { slots: templates.into_iter().map(slot).collect(), ..Self::default() }
    }

    /// A container that waits for this launch, with the agent's name; none where there is none that fits.
    pub(crate) async fn claim(
        &self,
        context: &Context,
        id: &AgentId,
        launch: &Launch,
        image_id: Option<&str>,
    ) -> Option<Attached> {
        let slot = self.slots.iter().find(|slot| slot.fits(launch))?;
        let claimed = loop {
            let Some(Waiting { name, image_id: made_of, attached }) = slot.take() else { break None };
            self.claimed.notify_one();
            let is_current = made_of.as_deref() == image_id;
            match take_over(context, id, &name, is_current).await {
                Ok(true) => break Some(attached),
                Ok(false) => {
                    tracing::debug!(container = name, "a container of the pool has ended or is out of date");
                }
                Err(problem) => {
                    tracing::warn!(container = name, %problem, "a container of the pool is lost");
                }
            }
            remove(context, &name).await;
        };
        let start = if claimed.is_some() { "warm" } else { "cold" };
        self.claims.get_or_create(&slot.claim_labels(start)).inc();
        self.count(slot);
        claimed
    }

    /// Keeps the pools full until it is dropped. What earlier servers left is removed first.
    pub(crate) async fn keep_full(&self, context: &Context) {
        if self.slots.is_empty() {
            return;
        }
        if let Err(problem) = self.remove_leftovers(context).await {
            tracing::warn!(%problem, "what is left of an earlier pool cannot be removed");
        }
        loop {
            if let Err(problem) = self.fill(context).await {
                tracing::warn!(%problem, "the pool cannot be filled; agents start cold");
                tokio::time::sleep(RETRY_INTERVAL).await;
                continue;
            }
            // Whichever comes first.
            drop(tokio::time::timeout(CHECK_INTERVAL, self.claimed.notified()).await);
        }
    }

    /// Makes what is missing, one after the other: an engine is slower with two starts than with one.
    async fn fill(&self, context: &Context) -> Result<(), Problem> {
        for slot in &self.slots {
            slot.discard_dead(context).await;
            self.count(slot);
            while slot.count() < slot.size && !self.drained.load(Ordering::Acquire) {
                let waiting = make(context, &slot.template).await?;
                slot.put(waiting);
                self.count(slot);
            }
        }
        if self.drained.load(Ordering::Acquire) {
            self.empty(context).await;
        }
        Ok(())
    }

    /// Removes what waits, and fills no more. For the end of the server.
    pub(crate) async fn drain(&self, context: &Context) {
        self.drained.store(true, Ordering::Release);
        self.empty(context).await;
        // One that was just being made.
        if !self.slots.is_empty()
            && let Err(problem) = self.remove_leftovers(context).await
        {
            tracing::warn!(%problem, "the pool cannot be removed; the next server does it");
        }
    }

    async fn empty(&self, context: &Context) {
        let mut waiting = Vec::new();
        for slot in &self.slots {
            waiting.extend(std::iter::from_fn(|| slot.take()));
            self.count(slot);
        }
        join_all(waiting.iter().map(|one| remove(context, &one.name))).await;
    }

    /// Removes containers of the pool that are not in it.
    async fn remove_leftovers(&self, context: &Context) -> Result<(), Problem> {
        let known: HashSet<String> = self.slots.iter().flat_map(Slot::names).collect();
        let label = format!("{}={}", label::SERVER, context.identity.server());
        let filters = [("label", vec![label.as_str(), label::POOL])].into();
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = context.docker()?.list_containers(Some(options)).await;
        let found = found.map_err(|error| engine::problem("list the pool's containers", &error))?;
        let names = found.into_iter().flat_map(|container| container.names.unwrap_or_default());
        for name in names.filter_map(|name| waiting_name(&name).map(str::to_owned)) {
            if !known.contains(&name) {
                remove(context, &name).await;
            }
        }
        Ok(())
    }

    fn count(&self, slot: &Slot) {
        let count = i64::try_from(slot.count()).unwrap_or(i64::MAX);
        self.ready.get_or_create(&slot.labels()).set(count);
    }

    /// Adds the pool's collectors.
    pub(crate) fn register(&self, metrics: &Metrics) {
        if self.slots.is_empty() {
            return;
        }
        metrics.register(|registry| {
            registry.register(
                "docker_pool_ready",
                "Containers that wait for an agent, by type and class",
                self.ready.clone(),
            );
            registry.register(
                "docker_pool_claims",
                "Agents for which the pool has containers, by how they were started: warm from the pool, or cold",
                self.claims.clone(),
            );
        });
    }
}

impl Slot {
    /// Whether an agent may have one of these: it asks for no place, image or amount of its own.
    fn fits(&self, launch: &Launch) -> bool {
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

    fn take(&self) -> Option<Waiting> {
        let mut waiting = self.waiting.lock().expect("nothing panics while it is locked");
        // The oldest first.
        (!waiting.is_empty()).then(|| waiting.remove(0))
    }

    fn put(&self, one: Waiting) {
        self.waiting.lock().expect("nothing panics while it is locked").push(one);
    }

    fn count(&self) -> usize {
        self.waiting.lock().expect("nothing panics while it is locked").len()
    }

    fn names(&self) -> Vec<String> {
        let waiting = self.waiting.lock().expect("nothing panics while it is locked");
        waiting.iter().map(|one| one.name.clone()).collect()
    }

    /// Removes those that have ended: somebody stopped them, or the engine was restarted.
    async fn discard_dead(&self, context: &Context) {
        for name in self.names() {
            if is_running(context, &name).await != Ok(false) {
                continue;
            }
            self.waiting.lock().expect("nothing panics while it is locked").retain(|one| one.name != name);
            remove(context, &name).await;
        }
    }

    fn labels(&self) -> SlotLabels {
        let agent = &self.template.agent;
        SlotLabels { r#type: agent.r#type.clone(), class: agent.class.clone().unwrap_or_default() }
    }

    fn claim_labels(&self, start: &'static str) -> ClaimLabels {
        let SlotLabels { r#type, class } = self.labels();
        ClaimLabels { r#type, class, start }
    }
}

/// The name of a container that waits, as the engine lists it.
pub(crate) fn waiting_name(listed: &str) -> Option<&str> {
    let name = listed.trim_start_matches('/');
    name.starts_with(NAME_PREFIX).then_some(name)
}

/// A container that waits, with its host started.
async fn make(context: &Context, template: &Launch) -> Result<Waiting, Problem> {
    let docker = context.docker()?;
    let id = AgentId::generate();
    let name = format!("{NAME_PREFIX}{id}");
    let image = context.images.of(template);
    let making = async {
        let inspected = launch::make_pooled(context, &name, &id, template, &image).await?;
        let attached = start::attach(docker, &name).await?;
        Ok(Waiting { name: name.clone(), image_id: inspected.id, attached })
    };
    let made = making.await;
    if made.is_err() {
        remove(context, &name).await;
    }
    made
}

/// Gives a waiting container the agent's name. False: it has ended, or is of another image than the type has now.
async fn take_over(context: &Context, id: &AgentId, name: &str, is_current: bool) -> Result<bool, Problem> {
    if !is_current || !is_running(context, name).await? {
        return Ok(false);
    }
    let options = RenameContainerOptionsBuilder::default().name(&container_name(id)).build();
    let renamed = context.docker()?.rename_container(name, options).await;
    renamed.map(|()| true).map_err(|error| engine::problem("name the container", &error))
}

async fn is_running(context: &Context, name: &str) -> Result<bool, Problem> {
    match context.docker()?.inspect_container(name, None).await {
        Ok(found) => Ok(found.state.and_then(|state| state.running) == Some(true)),
        Err(error) if engine::is_missing(&error) => Ok(false),
        Err(error) => Err(engine::problem("look for the pool's container", &error)),
    }
}

/// Removes a container that waited, with its volume. What cannot be removed now the next server removes.
async fn remove(context: &Context, name: &str) {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    let Ok(docker) = context.docker() else { return };
    if let Err(error) = docker.remove_container(name, Some(options)).await
        && !engine::is_missing(&error)
        && !engine::is_conflict(&error)
    {
        tracing::warn!(
            container = name,
            error = engine::words(&error),
            "a container of the pool cannot be removed"
        );
    }
}

#[cfg(test)]
mod tests {
    use parallax_profile::{Mount, MountSource};

    use super::*;
    use crate::container::tests::launch;

    #[test]
    fn pools_as_flags_have_them() {
        let pool = |text: &str| text.parse::<PoolSpec>().ok().filter(|pool| pool.check().is_ok());
        let of = |class: Option<&str>, size| {
            Some(PoolSpec { r#type: "claude".into(), class: class.map(str::to_owned), size })
        };
        assert_eq!(pool("claude=3"), of(None, 3));
        assert_eq!(pool("claude/small=1"), of(Some("small"), 1));
        for bad in ["claude", "claude=0", "claude=33", "claude=x", "=2", "claude/=2", "claude/A b=2"] {
            assert_eq!(pool(bad), None, "{bad}");
        }
    }

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

    #[test]
    fn no_agent_has_the_name_of_a_waiting_container() {
        assert_eq!(waiting_name(&format!("/{}", container_name(&AgentId::generate()))), None);
        assert_eq!(waiting_name("/parallax.pool.x"), Some("parallax.pool.x"));
    }
}
