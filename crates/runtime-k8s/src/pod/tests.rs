use k8s_openapi::api::core::v1::EnvVar;
use parallax_api::agent::Resources;

use super::*;
use crate::resource::{Claim, ExistingClaim, Workspace, requirements};

fn resource(spec: ParallaxAgentSpec) -> ParallaxAgent {
    let mut resource = ParallaxAgent::new("reviewer", ParallaxAgentSpec { r#type: "claude".into(), ..spec });
    resource.metadata.uid = Some("0f4e2d6b-0000-4000-8000-000000000000".into());
    resource.metadata.namespace = Some("team".into());
    resource
}

fn made(spec: ParallaxAgentSpec) -> Pod {
    let resource = resource(spec);
    let id = names::agent_id(&resource).unwrap();
    pod(&resource, &id, &PodConfig::default())
}

fn existing(name: &str, read_only: bool) -> Option<Workspace> {
    let existing_claim = Some(ExistingClaim { name: name.into(), read_only });
    Some(Workspace { existing_claim, ..Workspace::default() })
}

/// What <https://kubernetes.io/docs/concepts/security/pod-security-standards/> asks for under *restricted*.
#[test]
fn passes_the_restricted_standard() {
    let spec = made(ParallaxAgentSpec::default()).spec.unwrap();
    let pod = spec.security_context.unwrap();
    assert_eq!(pod.run_as_non_root, Some(true));
    assert!(pod.run_as_user.unwrap() > 0);
    assert_eq!(pod.seccomp_profile.unwrap().type_, "RuntimeDefault");
    for container in spec.init_containers.unwrap().iter().chain(&spec.containers) {
        let security = container.security_context.clone().unwrap();
        assert_eq!(security.allow_privilege_escalation, Some(false));
        assert_eq!(security.capabilities.unwrap().drop.unwrap(), ["ALL"]);
        assert_eq!(security.privileged, None);
    }
    for volume in spec.volumes.unwrap() {
        assert!(volume.host_path.is_none(), "{volume:?}");
    }
    assert!(spec.host_network.is_none() && spec.host_pid.is_none() && spec.host_ipc.is_none());
    assert_eq!((spec.automount_service_account_token, spec.enable_service_links), (Some(false), Some(false)));
}

#[test]
fn belongs_to_its_resource() {
    let pod = made(ParallaxAgentSpec::default());
    let owner = &pod.owner_references()[0];
    assert_eq!((owner.kind.as_str(), owner.name.as_str()), ("ParallaxAgent", "reviewer"));
    assert_eq!(owner.controller, Some(true));
    assert_eq!(pod.name_any(), "reviewer-0f4e2d6b");
    assert_eq!(pod.labels()[label::AGENT], "reviewer-0f4e2d6b");
}

#[test]
fn what_cannot_change_is_told_by_field() {
    let spec = ParallaxAgentSpec { model: Some("one".into()), ..ParallaxAgentSpec::default() };
    let pod = made(spec.clone());
    let same = ParallaxAgentSpec { r#type: "claude".into(), suspended: true, ..spec };
    assert_eq!(changed(&same, &pod), Vec::<String>::new());
    let other = ParallaxAgentSpec {
        model: None,
        env: vec![EnvVar { name: "A".into(), ..EnvVar::default() }],
        ..same
    };
    assert_eq!(changed(&other, &pod), ["env", "model"]);
}

#[test]
fn directories_are_where_they_outlive_what_they_should() {
    let id: AgentId = "a".parse().unwrap();
    let directories = |workspace| {
        let volume =
            WorkspaceVolume::of(&ParallaxAgentSpec { workspace, ..ParallaxAgentSpec::default() }, &id);
        let mounts: Vec<String> = volume.mounts().into_iter().map(|mount| mount.mount_path).collect();
        (volume.workdir, volume.host_dir, mounts.join(" "))
    };
    let of = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(directories(None), of("/workspace", "/var/lib/parallax/host", "/workspace /var/lib/parallax"));
    assert_eq!(directories(existing("c", false)), of("/workspace", "/workspace/.parallax/a", "/workspace"));
    assert_eq!(
        directories(existing("c", true)),
        of("/workspace", "/var/lib/parallax/host", "/workspace /var/lib/parallax")
    );
    let claim = Some(Claim { size: Quantity("1Gi".into()), storage_class_name: None, retain: false });
    let own = Some(Workspace { claim, ..Workspace::default() });
    assert_eq!(directories(own), of("/data/workspace", "/data/parallax", "/data"));
}

#[test]
fn a_retained_claim_is_nobodys() {
    let resource = resource(ParallaxAgentSpec::default());
    let id = names::agent_id(&resource).unwrap();
    let asked = |retain| Claim { size: Quantity("1Gi".into()), storage_class_name: None, retain };
    assert_eq!(claim(&resource, &id, &asked(false), "parallax").owner_references().len(), 1);
    assert_eq!(claim(&resource, &id, &asked(true), "parallax").owner_references().len(), 0);
}

#[test]
fn what_is_asked_for_is_set_aside() {
    let asked = Resources { memory: Some("512Mi".into()), ..Resources::default() };
    let given = requirements(&asked).unwrap().unwrap();
    assert_eq!(given.requests, given.limits);
    assert_eq!(given.limits.unwrap()["memory"], Quantity("536870912".into()));
    assert_eq!(requirements(&Resources::default()).unwrap(), None);
    let pids = Resources { pids: Some(5), ..Resources::default() };
    assert_eq!(requirements(&pids).unwrap_err().code, parallax_api::Code::Unsupported);
}

#[test]
fn a_resource_that_tolerates_more_has_its_way() {
    let all = Toleration { operator: Some("Exists".into()), ..Toleration::default() };
    let count = |own: &[Toleration]| tolerations(own).len();
    assert_eq!(count(&[]), 2);
    assert_eq!(count(&[all]), 1);
}
