//! Pods of the warm pool: an agent's pod in everything but the launch, and what makes it an agent's.

use k8s_openapi::api::core::v1::{HTTPGetAction, Pod, Probe};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::AgentId;
use parallax_api::agent::EnvValue;
use serde_json::{Value, json};

use super::{LAUNCH_DIR, PORT, PodConfig, immutable_part, pod};
use crate::names::{self, CLAIMED, WAITING, label};
use crate::resource::ParallaxAgent;

/// The period in seconds in which the kubelet looks whether the host of a pod that is new waits.
const STARTED_SECONDS: i32 = 1;
/// After so many of them without an answer the pod is given up.
const STARTED_TRIES: i32 = 120;

/// The pod `name` whose host waits for a launch, for agents like `template`. Nothing secret is in it, and no agent's name.
pub(crate) fn waiting(
    template: &ParallaxAgent,
    name: &str,
    digest: &str,
    config: &PodConfig,
    verifier: &EnvValue,
    owner: Option<OwnerReference>,
) -> Pod {
    let nobody: AgentId = "pool".parse().expect("it is an id");
    let mut made = pod(template, &nobody, config);
    let mut labels = made.metadata.labels.take().unwrap_or_default();
    labels.remove(label::AGENT);
    labels.insert(label::POOL.to_owned(), WAITING.to_owned());
    labels.insert(label::TEMPLATE.to_owned(), digest.to_owned());
    let mut annotations = made.metadata.annotations.take().unwrap_or_default();
    annotations.remove(label::SPEC);
    made.metadata = ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(labels),
        annotations: (!annotations.is_empty()).then_some(annotations),
        owner_references: owner.map(|owner| vec![owner]),
        ..ObjectMeta::default()
    };
    let spec = made.spec.as_mut().expect("every pod has a spec");
    spec.volumes.iter_mut().for_each(|volumes| volumes.retain(|volume| volume.name != "launch"));
    for container in &mut spec.containers {
        if let Some(mounts) = &mut container.volume_mounts {
            mounts.retain(|mount| mount.mount_path != LAUNCH_DIR);
        }
        if let Some(args) = &mut container.args {
            args.truncate(args.iter().position(|arg| arg == "--launch").unwrap_or(args.len()));
            args.extend(["--await-launch".to_owned(), verifier.expose().to_owned()]);
        }
        // Sooner than the readiness probe, whose period is that of an agent's life.
        container.startup_probe = Some(Probe {
            http_get: Some(HTTPGetAction {
                path: Some("/health".into()),
                port: IntOrString::Int(PORT.into()),
                ..HTTPGetAction::default()
            }),
            period_seconds: Some(STARTED_SECONDS),
            failure_threshold: Some(STARTED_TRIES),
            timeout_seconds: Some(5),
            ..Probe::default()
        });
    }
    made
}

/// The merge patch that makes a pod that waits the pod of this agent, if the pod is as it was read.
pub(crate) fn adoption(waiting: &Pod, resource: &ParallaxAgent, id: &AgentId, instance: &str) -> Value {
    let mut labels = names::object_labels(instance, id, &resource.spec);
    labels.insert(label::POOL.to_owned(), CLAIMED.to_owned());
    json!({
        "metadata": {
            "uid": waiting.uid(),
            "resourceVersion": waiting.resource_version(),
            "labels": labels,
            "annotations": {label::SPEC: immutable_part(&resource.spec).to_string()},
            "ownerReferences": resource.controller_owner_ref(&()).into_iter().collect::<Vec<_>>(),
        }
    })
}
