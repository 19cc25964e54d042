//! For which agents pods wait, and which pods are taken at this moment.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

use k8s_openapi::api::core::v1::Pod;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::AgentId;
use parallax_api::agent::EnvValue;
use parallax_profile::Launch;
use parallax_runtime_core::pool::PoolMetrics;
use parallax_service::metrics::Metrics;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use crate::cache::ClusterCache;
use crate::launch;
use crate::names::{WAITING, label};
use crate::pod::{AGENT, PodConfig, pod, waiting};
use crate::pod_state::{self, PodState};
use crate::resource::ParallaxAgent;

/// How many digits of a template's digest are in a label.
const DIGEST_DIGITS: usize = 32;

/// The pools of a runtime.
#[derive(Default)]
pub(crate) struct Pool {
    pub(super) slots: Vec<Slot>,
    /// Pods that this server is giving to agents.
    taken: Mutex<HashSet<String>>,
    /// Pods that this server has made or begun to make, while they wait.
    made: Mutex<HashSet<String>>,
    /// Wakes who fills it.
    pub(super) claimed: Notify,
    pub(super) metrics: PoolMetrics,
}

/// The pods that wait for agents of a type and class.
pub(super) struct Slot {
    /// What an agent of these is without a request of its own.
    pub(super) template: Launch,
    /// The resource of such an agent.
    pub(super) resource: ParallaxAgent,
    /// A digest of all that a pod is made from.
    pub(super) digest: String,
    pub(super) size: usize,
}

impl Pool {
    /// Pools of these templates and sizes.
    pub(crate) fn new(templates: Vec<(Launch, usize)>, config: &PodConfig) -> Self {
        let slots = templates.into_iter().map(|(template, size)| Slot::new(template, size, config)).collect();
        Self { slots, ..Self::default() }
    }

    /// Adds the pool's collectors.
    pub(crate) fn register(&self, metrics: &Metrics) {
        if !self.slots.is_empty() {
            self.metrics.register(metrics);
        }
    }

    /// The pods of a slot that are there, taken ones aside: new ones and those that wait; the oldest first.
    pub(super) fn pods(&self, cache: &ClusterCache, slot: &Slot) -> Vec<Arc<Pod>> {
        let taken = self.lock().clone();
        let mut pods = cache.pool_pods(WAITING);
        pods.retain(|pod| {
            slot.made(pod)
                && pod.meta().deletion_timestamp.is_none()
                && pod_state::of(pod) != PodState::Terminated
                && !taken.contains(&pod.name_any())
        });
        pods.sort_by_key(|pod| (pod.creation_timestamp().map(|at| at.0), pod.name_any()));
        pods
    }

    /// Counts the pods of a slot that wait.
    pub(super) fn count(&self, cache: &ClusterCache, slot: &Slot) {
        let ready = self.pods(cache, slot).iter().filter(|pod| waits(pod)).count();
        self.metrics.set_ready(&slot.template, ready);
    }

    /// Takes a pod that nobody else has taken here. It is given back when what is answered is dropped.
    pub(super) fn take(&self, pod: &str) -> Option<Taken<'_>> {
        self.lock().insert(pod.to_owned()).then(|| Taken { pool: self, pod: pod.to_owned() })
    }

    /// Gives back a pod that was kept.
    pub(super) fn give_back(&self, pod: &str) {
        self.lock().remove(pod);
    }

    /// Forgets what is gone, so that the set does not grow.
    pub(super) fn forget_gone(&self, cache: &ClusterCache) {
        let there: HashSet<String> = cache.pool_pods(WAITING).iter().map(|pod| pod.name_any()).collect();
        self.lock().retain(|pod| there.contains(pod));
        self.lock_made().retain(|pod| there.contains(pod));
    }

    /// Notes a pod that is about to be made.
    pub(super) fn remember_made(&self, pod: &str) {
        self.lock_made().insert(pod.to_owned());
    }

    /// The pods that this server has made or begun to make, and that wait as far as it knows.
    pub(super) fn made(&self) -> HashSet<String> {
        self.lock_made().clone()
    }

    fn lock_made(&self) -> MutexGuard<'_, HashSet<String>> {
        self.made.lock().expect("nothing panics while it is locked")
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.taken.lock().expect("nothing panics while it is locked")
    }
}

/// A pod that one launch has taken.
pub(super) struct Taken<'a> {
    pool: &'a Pool,
    pod: String,
}

impl Taken<'_> {
    /// It is not given back by itself any more: the cluster will say that it does not wait, or [`Pool::give_back`] does it.
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.pool.give_back(&self.pod);
    }
}

impl Slot {
    fn new(template: Launch, size: usize, config: &PodConfig) -> Self {
        let spec = launch::spec(&template, None).expect("a policy's amounts are amounts");
        let resource = ParallaxAgent::new("pool", spec);
        // The version as well: a host of another one may know another launch.
        let made = waiting(&resource, "", "", config, &EnvValue::from(String::new()), None);
        let made = serde_json::to_vec(&made).expect("a pod can be written");
        let digest = Sha256::new().chain_update(env!("CARGO_PKG_VERSION")).chain_update(made).finalize();
        let mut digest = hex::encode(digest);
        digest.truncate(DIGEST_DIGITS);
        Self { template, resource, digest, size }
    }

    /// Whether an agent may have one of these pods: it is of the type and class, and its own pod would be no other. Whatever a
    /// resource says that stands in a pod therefore makes a pod of its own.
    pub(super) fn fits(&self, resource: &ParallaxAgent, id: &AgentId, config: &PodConfig) -> bool {
        let (asked, ours) = (&resource.spec, &self.resource.spec);
        asked.r#type == ours.r#type
            && config.policy.class_of(asked.class.as_deref()) == config.policy.class_of(ours.class.as_deref())
            && pod(resource, id, config).spec == pod(&self.resource, id, config).spec
    }

    /// Whether a pod was made for this slot.
    pub(super) fn made(&self, pod: &Pod) -> bool {
        pod.labels().get(label::TEMPLATE) == Some(&self.digest)
    }
}

/// Whether the host in a pod waits, as far as the cluster says.
pub(super) fn waits(pod: &Pod) -> bool {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let is_started = statuses.filter(|of| of.name == AGENT).any(|of| of.started == Some(true));
    is_started && matches!(pod_state::of(pod), PodState::Running(_))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::EnvVar;
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
    use parallax_api::{Agent, Time};
    use parallax_profile::Profiles;

    use super::*;
    use crate::resource::{Claim, ParallaxAgentSpec, Workspace};

    fn slot(config: &PodConfig) -> Slot {
        let profile = Profiles::builtin().get("claude").expect("it is built in").as_ref().clone();
        let agent = Agent::new(AgentId::generate(), "pool", "claude", "kubernetes", Time::now());
        Slot::new(Launch::new(agent, profile, "/workspace".into()), 1, config)
    }

    #[test]
    fn an_agent_whose_pod_would_be_another_gets_none() {
        let config = PodConfig::default();
        let slot = slot(&config);
        let id = AgentId::generate();
        let fits = |change: fn(&mut ParallaxAgentSpec)| {
            let mut spec = ParallaxAgentSpec { r#type: "claude".into(), ..ParallaxAgentSpec::default() };
            change(&mut spec);
            slot.fits(&ParallaxAgent::new("a", spec), &id, &config)
        };
        assert!(fits(|_| {}));
        // What the launch has.
        assert!(fits(|spec| spec.prompt = Some("its own".into())));
        assert!(fits(|spec| spec.model = Some("its own".into())));
        assert!(fits(|spec| drop(spec.labels.insert("team".into(), "web".into()))));
        assert!(fits(|spec| spec.max_lifetime_seconds = Some(60)));
        // What the pod has.
        assert!(!fits(|spec| spec.r#type = "codex".into()));
        assert!(!fits(|spec| spec.class = Some("small".into())));
        assert!(!fits(|spec| spec.image = Some("debian".into())));
        assert!(!fits(|spec| spec.env = vec![EnvVar { name: "A".into(), ..EnvVar::default() }]));
        assert!(!fits(|spec| spec.service_account_name = Some("deployer".into())));
        assert!(!fits(|spec| spec.runtime_class_name = Some("gvisor".into())));
        assert!(!fits(|spec| drop(spec.node_selector.insert("a".into(), "b".into()))));
        assert!(!fits(|spec| {
            let claim = Some(Claim { size: Quantity("1Gi".into()), storage_class_name: None, retain: false });
            spec.workspace = Some(Workspace { claim, ..Workspace::default() });
        }));
        assert!(!fits(|spec| spec.resources = Some(crate::pod::amounts(&[], &[("memory", "1Gi")]))));
    }

    #[test]
    fn a_pod_that_waits_has_nothing_of_an_agent() {
        let config = PodConfig::default();
        let slot = slot(&config);
        let made =
            waiting(&slot.resource, "pool-x", &slot.digest, &config, &"sha256:00".to_owned().into(), None);
        assert_eq!(made.labels().get(label::AGENT), None);
        assert_eq!(
            (made.labels()[label::POOL].as_str(), &made.labels()[label::TEMPLATE]),
            (WAITING, &slot.digest)
        );
        assert_eq!(made.metadata.annotations, None);
        assert!(!serde_json::to_string(&made).unwrap().contains("secret"), "no Secret is mounted");
        let args = made.spec.unwrap().containers[0].args.clone().unwrap();
        assert_eq!(args[args.len() - 2..], ["--await-launch", "sha256:00"]);
        assert!(slot.made(&waiting(&slot.resource, "y", &slot.digest, &config, &"".to_owned().into(), None)));

        let other = PodConfig { host_image: "parallax-host:2".into(), ..PodConfig::default() };
        assert_ne!(self::slot(&other).digest, slot.digest, "an upgrade makes other pods");
        assert_eq!(self::slot(&config).digest, slot.digest, "a restart does not");
    }

    #[test]
    fn one_launch_at_a_time_has_a_pod() {
        let pool = Pool::default();
        let taken = pool.take("a").expect("nobody has it");
        assert!(pool.take("a").is_none());
        drop(taken);
        pool.take("a").expect("it was given back").keep();
        assert!(pool.take("a").is_none(), "it is an agent's");
    }
}
