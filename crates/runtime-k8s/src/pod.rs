//! The pod of an agent, and its claim: made from the resource and the operator's configuration. Pure functions.

mod volumes;
mod waiting;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, HTTPGetAction, LocalObjectReference, Pod,
    PodSecurityContext, PodSpec, Probe, ResourceRequirements, SeccompProfile, SecurityContext, Toleration,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::agent::EnvValue;
use parallax_api::{AgentId, Problem};
use parallax_runtime_core::Policy;
use parallax_runtime_core::policy::{Amount, Amounts, Places, Rules};
use serde_json::Value;

use crate::image::{Images, Pull};
use crate::names::{self, DEFAULT_INSTANCE, label};
use crate::policy::{LIMITED, PodPlace};
use crate::quantity;
use crate::resource::{ParallaxAgent, ParallaxAgentSpec};

pub(crate) use volumes::{WorkspaceVolume, claim};
pub(crate) use waiting::{adoption, waiting};

/// The container of the agent and its host.
pub(crate) const AGENT: &str = "agent";
/// The init container that installs the host.
pub(crate) const INSTALL: &str = "host";
/// The port of a host.
pub(crate) const PORT: u16 = 3110;

/// Where the host's program is, in the host's own image and in the agent's container.
const PROGRAM_IN_IMAGE: &str = "/parallax-agent-host";
const PROGRAM: &str = "/opt/parallax/parallax-agent-host";
/// The launch, from its Secret.
const LAUNCH_DIR: &str = "/run/parallax";
pub(crate) const LAUNCH: &str = "launch.json";

/// The pod's termination grace: five seconds are the agent's, the rest is for archiving its log.
const GRACE_SECONDS: i64 = 30;
/// How long a pod stays bound to a node that is unreachable or not ready.
const NODE_TOLERATION_SECONDS: i64 = 60;
/// The period of the readiness probe. It may be long: the runtime calls the host itself.
const PROBE_SECONDS: i32 = 10;

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
/// How long a pod lives that hands out a dead host's files, should nobody remove it.
const EXPORT_SECONDS: i64 = 600;
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

/// The pod of an agent.
pub(crate) fn pod(resource: &ParallaxAgent, id: &AgentId, config: &PodConfig) -> Pod {
    let spec = &resource.spec;
    let workspace = WorkspaceVolume::of(spec, id);
    let place = &config.place(spec);
    let own = [(label::SPEC.to_owned(), immutable_part(spec).to_string())];
    Pod {
        metadata: ObjectMeta {
            name: Some(names::pod(id)),
            namespace: resource.namespace(),
            labels: Some(over(&place.labels, names::object_labels(&config.instance, id, spec))),
            annotations: Some(over(&place.annotations, own)),
            owner_references: resource.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            init_containers: Some(vec![install(config, place, &workspace)]),
            containers: vec![agent(spec, config, place, &workspace)],
            volumes: Some(
                volumes::volumes(spec, id, &workspace).into_iter().chain(place.volumes.clone()).collect(),
            ),
            restart_policy: Some("Never".into()),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            // The agent gets no access to the cluster.
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            service_account_name: spec.service_account_name.clone(),
            node_selector: some(over(&place.node_selector, spec.node_selector.clone())),
            affinity: spec.affinity.clone(),
            tolerations: Some(tolerations(&[spec.tolerations.as_slice(), &place.tolerations].concat())),
            runtime_class_name: spec.runtime_class_name.clone().or_else(|| place.runtime_class.clone()),
            priority_class_name: place.priority_class.clone(),
            image_pull_secrets: match spec.image_pull_secrets.is_empty() {
                false => Some(spec.image_pull_secrets.clone()),
                true => (!config.pull_secrets.is_empty()).then(|| config.pull_secrets.clone()),
            },
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(config.user),
                run_as_group: Some(config.user),
                fs_group: Some(config.user),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".into(),
                    localhost_profile: None,
                }),
                ..PodSecurityContext::default()
            }),
            ..PodSpec::default()
        }),
        status: None,
    }
}

/// The pod that hands out what the agent's dead host left on its claim. It mounts the claim for reading, and ends by itself.
pub(crate) fn exporter(
    resource: &ParallaxAgent,
    id: &AgentId,
    config: &PodConfig,
    verifier: &EnvValue,
) -> Pod {
    let workspace = WorkspaceVolume::of(&resource.spec, id);
    let args = ["export", "--dir", &workspace.host_dir, "--listen", &format!("0.0.0.0:{PORT}"), "--verifier"];
    let args = args.into_iter().map(str::to_owned).chain([verifier.expose().to_owned()]).collect();
    let made = pod(resource, id, config);
    let container = Container {
        name: AGENT.into(),
        image: Some(config.host_image.clone()),
        image_pull_policy: Some(config.pull.as_str().into()),
        command: Some(vec![PROGRAM_IN_IMAGE.into()]),
        args: Some(args),
        security_context: Some(restricted()),
        resources: Some(config.place(&resource.spec).install),
        volume_mounts: Some(workspace.mounts_for_reading()),
        ..Container::default()
    };
    Pod {
        metadata: ObjectMeta {
            name: Some(names::export_pod(id)),
            // No agent's pod, but the runtime may connect to it as to one.
            labels: Some([(label::COMPONENT.to_owned(), "agent".to_owned())].into()),
            annotations: None,
            ..made.metadata
        },
        spec: made.spec.map(|spec| PodSpec {
            init_containers: None,
            containers: vec![container],
            volumes: Some(vec![volumes::workspace(&resource.spec, id)]),
            active_deadline_seconds: Some(EXPORT_SECONDS),
            service_account_name: None,
            ..spec
        }),
        status: None,
    }
}

/// The part of a spec that cannot change while its pod lives: all of it but `suspended`.
fn immutable_part(spec: &ParallaxAgentSpec) -> Value {
    let mut value = serde_json::to_value(spec).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("suspended");
    }
    value
}

/// The fields of a spec that are not as they were when its pod was made.
pub(crate) fn changed(spec: &ParallaxAgentSpec, pod: &Pod) -> Vec<String> {
    let Some(made) = pod.annotations().get(label::SPEC) else { return Vec::new() };
    let (Ok(Value::Object(before)), Value::Object(now)) = (serde_json::from_str(made), immutable_part(spec))
    else {
        return Vec::new();
    };
    let mut fields: Vec<String> = before
        .keys()
        .chain(now.keys())
        .filter(|field| before.get(*field) != now.get(*field))
        .cloned()
        .collect();
    fields.sort_unstable();
    fields.dedup();
    fields
}

impl PodConfig {
    /// What the operator set for pods of its class.
    fn place(&self, spec: &ParallaxAgentSpec) -> PodPlace {
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
    fn resources(&self, spec: &ParallaxAgentSpec) -> ResourceRequirements {
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

/// What is set for all, and what one has of its own over it.
fn over(
    set: &BTreeMap<String, String>,
    own: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let mut made = set.clone();
    made.extend(own);
    made
}

/// What the init container has unless told otherwise.
pub(crate) fn install_amounts() -> ResourceRequirements {
    amounts(&INSTALL_REQUESTS, &INSTALL_LIMITS)
}

fn install(config: &PodConfig, place: &PodPlace, workspace: &WorkspaceVolume) -> Container {
    let mut args = vec!["install".to_owned(), "--to".into(), PROGRAM.into()];
    for dir in &workspace.make {
        args.extend(["--make-dir".to_owned(), dir.clone()]);
    }
    Container {
        name: INSTALL.into(),
        image: Some(config.host_image.clone()),
        image_pull_policy: Some(config.pull.as_str().into()),
        command: Some(vec![PROGRAM_IN_IMAGE.into()]),
        args: Some(args),
        security_context: Some(restricted()),
        resources: Some(place.install.clone()),
        // What a program of another architecture says, or this one of a full volume.
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        volume_mounts: Some(
            [mount("program", "/opt/parallax", false)].into_iter().chain(workspace.mounts()).collect(),
        ),
        ..Container::default()
    }
}

fn agent(
    spec: &ParallaxAgentSpec,
    config: &PodConfig,
    place: &PodPlace,
    workspace: &WorkspaceVolume,
) -> Container {
    let args = [
        "serve".to_owned(),
        "--dir".into(),
        workspace.host_dir.clone(),
        "--contained".into(),
        "--listen".into(),
        format!("0.0.0.0:{PORT}"),
        "--launch".into(),
        format!("{LAUNCH_DIR}/{LAUNCH}"),
    ];
    let own = [mount("program", "/opt/parallax", true), mount("launch", LAUNCH_DIR, true)];
    Container {
        name: AGENT.into(),
        image: Some(config.images.of(spec)),
        image_pull_policy: Some(config.pull.as_str().into()),
        command: Some(vec![PROGRAM.into()]),
        args: Some(args.into()),
        // The pod's user may have no access to the image's working directory.
        working_dir: Some("/".into()),
        env: Some(variables(spec, workspace)),
        env_from: Some(spec.env_from.clone()),
        ports: Some(vec![ContainerPort {
            name: Some("host".into()),
            container_port: PORT.into(),
            ..ContainerPort::default()
        }]),
        readiness_probe: Some(Probe {
            http_get: Some(HTTPGetAction {
                path: Some("/health".into()),
                port: IntOrString::Int(PORT.into()),
                ..HTTPGetAction::default()
            }),
            period_seconds: Some(PROBE_SECONDS),
            timeout_seconds: Some(5),
            ..Probe::default()
        }),
        resources: Some(config.resources(spec)),
        security_context: Some(restricted()),
        volume_mounts: Some(
            own.into_iter().chain(workspace.mounts()).chain(place.mounts.iter().cloned()).collect(),
        ),
        ..Container::default()
    }
}

/// The resource's own variables, and `HOME` where the home is on a volume.
fn variables(spec: &ParallaxAgentSpec, workspace: &WorkspaceVolume) -> Vec<EnvVar> {
    let home = workspace.home.clone().map(|home| EnvVar {
        name: "HOME".into(),
        value: Some(home),
        value_from: None,
    });
    // Of two with one name, the later one counts.
    home.into_iter().chain(spec.env.iter().cloned()).collect()
}

/// What the *restricted* Pod Security Standard requires of a container.
fn restricted() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
        ..SecurityContext::default()
    }
}

/// The resource's own, and shorter ones than the cluster's default of five minutes for nodes that are away.
fn tolerations(own: &[Toleration]) -> Vec<Toleration> {
    let defaults =
        ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"].map(|taint| Toleration {
            key: Some(taint.into()),
            operator: Some("Exists".into()),
            effect: Some("NoExecute".into()),
            toleration_seconds: Some(NODE_TOLERATION_SECONDS),
            ..Toleration::default()
        });
    let is_set = |taint: &Toleration| own.iter().any(|own| own.key.is_none() || own.key == taint.key);
    let defaults = defaults.into_iter().filter(|taint| !is_set(taint));
    own.iter().cloned().chain(defaults).collect()
}

/// Requests and limits.
pub(crate) fn amounts(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> ResourceRequirements {
    let map = |amounts: &[(&str, &str)]| {
        let pairs = amounts.iter().map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned())));
        Some(pairs.collect::<BTreeMap<_, _>>())
    };
    ResourceRequirements { requests: map(requests), limits: map(limits), claims: None }
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        read_only: Some(read_only),
        ..VolumeMount::default()
    }
}

fn some<K, V>(map: BTreeMap<K, V>) -> Option<BTreeMap<K, V>> {
    (!map.is_empty()).then_some(map)
}

#[cfg(test)]
mod tests;
