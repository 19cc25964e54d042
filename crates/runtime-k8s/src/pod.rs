//! What the cluster is asked for: a resource and the operator's choices become a pod and, where the resource says so, a
//! claim. Pure functions.

mod volumes;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, HTTPGetAction, Pod, PodSecurityContext, PodSpec, Probe,
    ResourceRequirements, SeccompProfile, SecurityContext, Toleration, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::AgentId;
use serde_json::Value;

use crate::names::{self, label};
use crate::resource::{ParallaxAgent, ParallaxAgentSpec};
use crate::settings::PodSettings;

pub(crate) use volumes::{Workplace, claim};

/// The container of the agent and its host.
pub(crate) const AGENT: &str = "agent";
/// The container that brings the host.
pub(crate) const INSTALL: &str = "host";
/// The port of a host.
pub(crate) const PORT: u16 = 3110;

/// Where the host's program is, in the host's own image and in the agent's container.
const PROGRAM_IN_IMAGE: &str = "/parallax-agent-host";
const PROGRAM: &str = "/opt/parallax/parallax-agent-host";
/// The launch, from its Secret.
const LAUNCH_DIR: &str = "/run/parallax";
pub(crate) const LAUNCH: &str = "launch.json";

/// Between asking a pod to go and insisting: the host gives its agent five seconds, and the rest is for collecting.
const GRACE_SECONDS: i64 = 30;
/// How long a pod stays on a node that is away or not ready.
const NODE_PATIENCE_SECONDS: i64 = 60;
/// How often the kubelet asks a host whether it is ready. Nobody waits for it: the runtime asks the host itself.
const PROBE_SECONDS: i32 = 10;

/// The pod of an agent.
pub(crate) fn pod(resource: &ParallaxAgent, id: &AgentId, settings: &PodSettings) -> Pod {
    let spec = &resource.spec;
    let place = Workplace::of(spec, id);
    Pod {
        metadata: ObjectMeta {
            name: Some(names::pod(id)),
            namespace: resource.namespace(),
            labels: Some(names::labels(&settings.instance, id, &spec.r#type)),
            annotations: Some([(label::SPEC.to_owned(), fixed(spec).to_string())].into()),
            owner_references: resource.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            init_containers: Some(vec![install(settings, &place)]),
            containers: vec![agent(spec, settings, &place)],
            volumes: Some(volumes::volumes(spec, id, &place)),
            restart_policy: Some("Never".into()),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            // Nothing of the cluster is the agent's business.
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            service_account_name: spec.service_account_name.clone(),
            node_selector: some(spec.node_selector.clone()),
            affinity: spec.affinity.clone(),
            tolerations: Some(tolerations(&spec.tolerations)),
            runtime_class_name: spec.runtime_class_name.clone(),
            image_pull_secrets: match spec.image_pull_secrets.is_empty() {
                false => Some(spec.image_pull_secrets.clone()),
                true => (!settings.pull_secrets.is_empty()).then(|| settings.pull_secrets.clone()),
            },
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(settings.user),
                run_as_group: Some(settings.user),
                fs_group: Some(settings.user),
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

/// What of a spec cannot change while its pod lives: all of it but `suspended`.
pub(crate) fn fixed(spec: &ParallaxAgentSpec) -> Value {
    let mut value = serde_json::to_value(spec).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("suspended");
    }
    value
}

/// The fields of a spec that are not as they were when its pod was made.
pub(crate) fn changed(spec: &ParallaxAgentSpec, pod: &Pod) -> Vec<String> {
    let Some(made) = pod.annotations().get(label::SPEC) else { return Vec::new() };
    let (Ok(Value::Object(before)), Value::Object(now)) = (serde_json::from_str(made), fixed(spec)) else {
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

fn install(settings: &PodSettings, place: &Workplace) -> Container {
    let mut args = vec!["install".to_owned(), "--to".into(), PROGRAM.into()];
    for dir in &place.make {
        args.extend(["--make-dir".to_owned(), dir.clone()]);
    }
    Container {
        name: INSTALL.into(),
        image: Some(settings.host_image.clone()),
        image_pull_policy: Some(settings.pull.as_str().into()),
        command: Some(vec![PROGRAM_IN_IMAGE.into()]),
        args: Some(args),
        security_context: Some(nothing_allowed()),
        resources: Some(amounts(
            &[("cpu", "10m"), ("memory", "16Mi")],
            &[("cpu", "500m"), ("memory", "64Mi")],
        )),
        volume_mounts: Some(
            [mount("program", "/opt/parallax", false)].into_iter().chain(place.mounts()).collect(),
        ),
        ..Container::default()
    }
}

fn agent(spec: &ParallaxAgentSpec, settings: &PodSettings, place: &Workplace) -> Container {
    let args = [
        "serve".to_owned(),
        "--dir".into(),
        place.host_dir.clone(),
        "--contained".into(),
        "--listen".into(),
        format!("0.0.0.0:{PORT}"),
        "--launch".into(),
        format!("{LAUNCH_DIR}/{LAUNCH}"),
    ];
    let own = [mount("program", "/opt/parallax", true), mount("launch", LAUNCH_DIR, true)];
    Container {
        name: AGENT.into(),
        image: Some(settings.images.of(spec)),
        image_pull_policy: Some(settings.pull.as_str().into()),
        command: Some(vec![PROGRAM.into()]),
        args: Some(args.into()),
        // The image's directory may be one that its user cannot enter.
        working_dir: Some("/".into()),
        env: Some(variables(spec, place)),
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
        resources: Some(spec.resources.clone().unwrap_or_else(|| settings.resources.clone())),
        security_context: Some(nothing_allowed()),
        volume_mounts: Some(own.into_iter().chain(place.mounts()).collect()),
        ..Container::default()
    }
}

/// The resource's own, and a home where one is kept.
fn variables(spec: &ParallaxAgentSpec, place: &Workplace) -> Vec<EnvVar> {
    let home =
        place.home.clone().map(|home| EnvVar { name: "HOME".into(), value: Some(home), value_from: None });
    // The last of one name counts.
    home.into_iter().chain(spec.env.iter().cloned()).collect()
}

/// What the *restricted* Pod Security Standard wants of a container.
fn nothing_allowed() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
        ..SecurityContext::default()
    }
}

/// The resource's own, and patience with a node that is away that ends before people's does: the default is five minutes.
fn tolerations(own: &[Toleration]) -> Vec<Toleration> {
    let patience =
        ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"].map(|taint| Toleration {
            key: Some(taint.into()),
            operator: Some("Exists".into()),
            effect: Some("NoExecute".into()),
            toleration_seconds: Some(NODE_PATIENCE_SECONDS),
            ..Toleration::default()
        });
    let said = |taint: &Toleration| own.iter().any(|own| own.key.is_none() || own.key == taint.key);
    let patience: Vec<Toleration> = patience.into_iter().filter(|taint| !said(taint)).collect();
    own.iter().cloned().chain(patience).collect()
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
