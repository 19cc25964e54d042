//! What all pods of a runtime have in common, and what an agent is given of it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::api::core::v1::{LocalObjectReference, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use parallax_api::Problem;
use parallax_runtime_core::Policy;
use parallax_runtime_core::policy::{Amount, Amounts, Places, Rules};

use crate::image::{Images, Pull};
use crate::names::DEFAULT_INSTANCE;
use crate::policy::{LIMITED, PodPlace};
use crate::quantity;
use crate::resource::ParallaxAgentSpec;

/// What an agent requests that names no resources …
const REQUESTS: [(&str, &str); 3] = [("cpu", "20m"), ("memory", "128Mi"), ("ephemeral-storage", "64Mi")];
/// … and its limits.
const LIMITS: [(&str, &str); 3] = [("cpu", "2"), ("memory", "2Gi"), ("ephemeral-storage", "10Gi")];
/// What the host's own image needs …
const INSTALL_REQUESTS: [(&str, &str); 3] =
    [("cpu", "10m"), ("memory", "16Mi"), ("ephemeral-storage", "16Mi")];
/// … and its limits.
const INSTALL_LIMITS: [(&str, &str); 3] =
    [("cpu", "500m"), ("memory", "64Mi"), ("ephemeral-storage", "64Mi")];
/// The first user of most systems.
const USER: i64 = 1000;

/// What all pods of a runtime have in common.
#[derive(Clone, Debug)]
pub(crate) struct PodConfig {
    /// The name of the runtime.
    pub(crate) instance: String,
    /// The image with the agent host.
    pub(crate) host_image: String,
    /// The images with the CLIs.
    pub(crate) images: Images,
    /// When images are pulled.
    pub(crate) pull: Pull,
    /// The Secrets to pull with.
    pub(crate) pull_secrets: Vec<LocalObjectReference>,
    /// The user of agents. Never root.
    pub(crate) user: i64,
    /// The resources of agents that name none.
    pub(crate) resources: ResourceRequirements,
    /// What agents may ask for.
    pub(crate) policy: Policy,
    /// What the operator set for pods, by class.
    pub(crate) places: Places<PodPlace>,
    /// The same of classes that are resources. Clones share them.
    pub(crate) applied: Arc<RwLock<BTreeMap<String, PodPlace>>>,
}

impl Default for PodConfig {
    fn default() -> Self {
        Self {
            instance: DEFAULT_INSTANCE.into(),
            host_image: "parallax-host:latest".into(),
            images: Images::default(),
            pull: Pull::default(),
            pull_secrets: Vec::new(),
            user: USER,
            resources: amounts(&REQUESTS, &LIMITS),
            policy: Policy::default(),
            places: Places::of(PodPlace { install: install_amounts(), ..PodPlace::default() }),
            applied: Arc::default(),
        }
    }
}

impl PodConfig {
    /// What the operator set for pods of its class.
    pub(super) fn place(&self, spec: &ParallaxAgentSpec) -> PodPlace {
        let class = self.policy.class_of(spec.class.as_deref());
        let applied = self.applied.read().unwrap_or_else(PoisonError::into_inner);
        let applied =
            class.filter(|class| !self.policy.is_configured(class)).and_then(|class| applied.get(class));
        applied.unwrap_or_else(|| self.places.get(class)).clone()
    }

    /// Takes these for the classes that are resources. Whoever has made a pod and then finds that its class is there has made it with what
    /// the class says: what is new has a place before it has rules, and what is gone loses its rules first.
    pub(crate) fn apply_classes(&self, rules: BTreeMap<String, Rules>, places: BTreeMap<String, PodPlace>) {
        let applied = || self.applied.write().unwrap_or_else(PoisonError::into_inner);
        applied().extend(places.clone());
        self.policy.apply_classes(rules);
        *applied() = places;
    }

    /// Whether the class of an agent is there.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, naming the classes that there are.
    pub(crate) fn check_class(&self, spec: &ParallaxAgentSpec) -> Result<(), Problem> {
        self.policy.rules(spec.class.as_deref()).map(drop)
    }

    /// What an agent is given: what it asks for, and by default what its class or the runtime has.
    pub(super) fn resources(&self, spec: &ParallaxAgentSpec) -> ResourceRequirements {
        let place = self.place(spec);
        // An unknown class was refused before the agent had a pod.
        let rules = self.policy.rules(self.policy.class_of(spec.class.as_deref()));
        let rules = rules.unwrap_or_default();
        let mut made = spec.resources.clone().unwrap_or_else(|| self.resources.clone());
        let asked = spec.resources.clone().unwrap_or_default();
        let (requests, limits) = (made.requests.get_or_insert_default(), made.limits.get_or_insert_default());
        for (amount, name) in LIMITED {
            let of = |amounts: &Option<BTreeMap<String, Quantity>>| amounts.as_ref()?.get(name).cloned();
            if of(&asked.limits).is_some() {
                continue;
            }
            let builtin = of(&self.resources.limits);
            let Some(default) = default_limit(&rules, amount, builtin) else { continue };
            let given = match of(&asked.requests) {
                Some(asked) if quantity::value(&asked) > quantity::value(&default) => asked,
                Some(_) => default,
                None => {
                    let set_aside =
                        place.set_aside.get(name).cloned().or_else(|| of(&self.resources.requests));
                    let fits = |set_aside: &Quantity| quantity::value(set_aside) <= quantity::value(&default);
                    requests
                        .insert(name.to_owned(), set_aside.filter(fits).unwrap_or_else(|| default.clone()));
                    default
                }
            };
            limits.insert(name.to_owned(), given);
        }
        for (name, count) in &place.devices {
            limits.entry(name.clone()).or_insert_with(|| count.clone());
            requests.entry(name.clone()).or_insert_with(|| count.clone());
        }
        made
    }
}

/// What an agent has at most that asks for nothing.
fn default_limit(rules: &Rules, amount: Amount, builtin: Option<Quantity>) -> Option<Quantity> {
    let scale = if amount == Amount::Cpu { 1e9 } else { 1.0 };
    let known = builtin.as_ref().and_then(quantity::value).map(|value| (value * scale).round() as u64);
    let set = rules.default_of(amount, known).map(|value| {
        let mut amounts = Amounts::default();
        amounts.set(amount, Some(value));
        Quantity(amounts.text(amount))
    });
    set.or(builtin)
}

/// What the init container has unless told otherwise.
pub(crate) fn install_amounts() -> ResourceRequirements {
    amounts(&INSTALL_REQUESTS, &INSTALL_LIMITS)
}

/// Requests and limits.
pub(crate) fn amounts(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> ResourceRequirements {
    let map = |amounts: &[(&str, &str)]| {
        let pairs = amounts.iter().map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned())));
        Some(pairs.collect::<BTreeMap<_, _>>())
    };
    ResourceRequirements { requests: map(requests), limits: map(limits), claims: None }
}
