//! The pod that hands out a dead host's files.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use kube::api::ObjectMeta;
use parallax_api::AgentId;
use parallax_api::agent::EnvValue;

use super::config::PodConfig;
use super::volumes::{self, WorkspaceVolume};
use super::{AGENT, PORT, PROGRAM_IN_IMAGE, pod, restricted};
use crate::names::{self, label};
use crate::resource::ParallaxAgent;

/// How long a pod lives that hands out a dead host's files, should nobody remove it.
const EXPORT_SECONDS: i64 = 600;

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
