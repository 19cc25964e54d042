//! The pod of an agent, and its claim: made from the resource and the operator's configuration. Pure functions.

mod config;
mod export;
mod volumes;
mod waiting;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, HTTPGetAction, Pod, PodSecurityContext, PodSpec, Probe,
    SeccompProfile, SecurityContext, Toleration, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::AgentId;
use serde_json::Value;

use crate::names::{self, label};
use crate::policy::PodPlace;
use crate::resource::{ParallaxAgent, ParallaxAgentSpec};

#[cfg(test)]
pub(crate) use config::amounts;
pub(crate) use config::{PodConfig, install_amounts};
pub(crate) use export::exporter;
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

/// What is set for all, and what one has of its own over it.
fn over(
    set: &BTreeMap<String, String>,
    own: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let mut made = set.clone();
    made.extend(own);
    made
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
